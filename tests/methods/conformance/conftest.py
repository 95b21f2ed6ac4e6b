"""Subjects of the conformance suite: every method at its parameters on small models."""

import pytest

from tests.support.conformance import CASES, VERSIONS, Subject, skip_unsupported


@pytest.fixture
def subject(request, digits) -> Subject:
    """The subject of a case; skips models that its trainer cannot work with."""
    version, model = request.param
    name, method = VERSIONS[version]
    chosen = Subject(method, digits, name, model)
    skip_unsupported(chosen)
    return chosen


class Trained(dict):
    """A trained model for each (architecture, trainer), made when needed."""

    def of(self, subject: Subject) -> dict:
        key = (subject.model, subject.method.trainer or "standard")
        if key not in self:
            self[key] = subject.trained()
        return self[key]


@pytest.fixture(scope="session")
def trained_models() -> Trained:
    return Trained()


@pytest.fixture
def trained(subject, trained_models) -> dict:
    """The trained model of the subject."""
    return trained_models.of(subject)


def pytest_generate_tests(metafunc):
    """Every test of a subject runs for all cases, `finetune-mlp` and so on, or for those it names."""
    marked = metafunc.definition.get_closest_marker("parametrize")
    if "subject" in metafunc.fixturenames and not (marked and "subject" in marked.args[0]):
        ids = [f"{version}-{model}" for version, model in CASES]
        metafunc.parametrize("subject", CASES, indirect=True, ids=ids)
