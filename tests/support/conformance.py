"""The conformance suite's subjects and checks as the tests of this project use them."""

import pytest

from tests.support.jobs import job
from unlearn.conformance.declarations import first_model as model_of
from unlearn.conformance.honesty import (
    check_exactness as check_exact,
)
from unlearn.conformance.honesty import check_reads, check_test_set, check_work, retrained
from unlearn.conformance.subject import (
    MODELS,
    RECIPE,
    SIZES,
    Subject,
    arrays,
    checksum,
    facts,
    ninth_ids,
    ninth_step,
    request,
    setting,
    version_name,
    versions,
)
from unlearn.core import registry
from unlearn.jobs.description import FleetJob
from unlearn.methods.base import Method

__all__ = [
    "METHODS",
    "MODELS",
    "VERSIONS",
    "Subject",
    "arrays",
    "check_exact",
    "check_reads",
    "check_test_set",
    "check_work",
    "checksum",
    "described",
    "facts",
    "instance",
    "model_of",
    "ninth_ids",
    "ninth_step",
    "request",
    "retrained",
    "setting",
    "skip_unsupported",
    "trainer_of",
    "version_name",
    "versions",
]

METHODS = registry.names("methods")


def described(model: str = "mlp", epochs: int = RECIPE["epochs"], **keywords) -> FleetJob:
    """The job of a small model."""
    return job(model, epochs=epochs, size=SIZES.get(model), precision=MODELS[model], **keywords)


def trainer_of(name: str) -> str:
    return registry.find("methods", name).trainer or "standard"


def instance(name: str, **options) -> Method:
    method = registry.find("methods", name)
    return method(**dict(method.conformance) | options)


VERSIONS = {
    version_name(method, name): (name, method)
    for name in METHODS
    for method in versions(registry.find("methods", name))
}


def skip_unsupported(subject: Subject) -> None:
    """Skip a test of a model that the method or its trainer cannot work with."""
    task = subject.task()
    place = setting(task, facts(subject.data), subject.method)
    for component in (task.trainer, subject.method):
        reason = component.supports(place)
        if reason:
            pytest.skip(f"{type(component).__name__}: {reason}")
