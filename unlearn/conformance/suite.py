"""The tests of one method: a class to derive from, one test a property."""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, ClassVar, NamedTuple

import pytest

from unlearn.conformance import declarations, honesty, requests, results
from unlearn.conformance.subject import (
    Subject,
    refusal,
    small_digits,
    version_name,
    versions,
)
from unlearn.methods.base import Method


class Case(NamedTuple):
    """A version of a method, and the model that a test runs it on."""

    version: Method
    model: str


def check(name: str, *models: str, variants: bool = True) -> Callable:
    """Name the check that a test makes, and its cases.

    Args:
        name: The name of the check in `conformance_exceptions`.
        *models: Models besides the first one that the method supports. On these the test runs at
            the usual parameters.
        variants: Whether the test also runs at `conformance_variants`, on the first model.
    """

    def mark(test: Callable) -> Callable:
        test.check_name = name  # type: ignore[attr-defined]
        test.models = models  # type: ignore[attr-defined]
        test.variants = variants  # type: ignore[attr-defined]
        return test

    return mark


class MethodSuite:
    """All checks of a method. Derive a class whose name begins with `Test`, and set `method`.

    A test runs at every version of the method: at the parameters `conformance`, and at each of
    `conformance_variants`. Checks in `conformance_exceptions` are skipped, with the reason.
    """

    method: ClassVar[type[Method]]
    """The method that is checked."""

    name: ClassVar[str] = ""
    """The name in test ids; that of the class in snake case where it is empty."""

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """A case for each version and model."""
        if not hasattr(self, "method"):
            message = f"{type(self).__name__}: set `method` to the class that is checked"
            raise pytest.UsageError(message)
        if "subject" in metafunc.fixturenames:
            test = metafunc.function
            cases = list(self.cases(test.models, variants=test.variants))
            ids = [f"{version_name(c.version, self.method_name())}-{c.model}" for c in cases]
            metafunc.parametrize("subject", cases, ids=ids, indirect=True, scope="class")

    @classmethod
    def method_name(cls) -> str:
        """The name of the method in test ids and messages."""
        return cls.name or re.sub(r"(?<!^)(?=[A-Z])", "_", cls.method.__name__).lower()

    @classmethod
    def cases(cls, models: tuple[str, ...] = (), variants: bool = True) -> Iterator[Case]:
        """Every version on the first model that it supports, the usual one on `models` as well."""
        usual, *others = versions(cls.method)
        for version in [usual, *(others if variants else [])]:
            yield Case(version, declarations.first_model(version))
        for model in models:
            if model != declarations.first_model(usual) and refusal(usual, model) is None:
                yield Case(usual, model)

    @pytest.fixture(autouse=True)
    def exception(self, request: Any) -> None:
        """Skip a check that the method states an exception to, with its reason."""
        reason = self.method.conformance_exceptions.get(request.function.check_name)
        if reason is not None:
            pytest.skip(reason)

    @pytest.fixture(scope="class")
    @classmethod
    def subject(cls, request: Any) -> Subject:
        """The subject of a case."""
        version, model = request.param
        return Subject(version, small_digits(), cls.method_name(), model)

    @pytest.fixture(scope="class")
    @classmethod
    def trained(cls, subject: Subject) -> Mapping:
        """The trained model of the subject."""
        return subject.trained()

    @check("exceptions")
    def test_states_exceptions_to_checks_that_exist(self) -> None:
        """So that an exception cannot be misspelt."""
        tests = [getattr(type(self), name) for name in dir(type(self)) if name.startswith("test_")]
        declarations.check_exceptions(self.method, {test.check_name for test in tests})

    @check("attributes")
    def test_declares_itself(self) -> None:
        """Class attributes hold what the contract allows."""
        declarations.check_attributes(self.method)

    @check("parameters")
    def test_parameters_explain_themselves(self) -> None:
        """Defaults and help texts."""
        declarations.check_parameters(self.method)

    @check("ranges")
    def test_ranges_are_those_of_the_schema(self) -> None:
        """A value outside is refused by the class, too."""
        declarations.check_ranges(self.method)

    @check("instance")
    def test_an_instance_holds_its_parameters_and_nothing_else(self) -> None:
        """Nor can they be changed."""
        declarations.check_instance(self.method)

    @check("source")
    def test_is_importable_without_torch(self) -> None:
        """By the text of its file."""
        declarations.check_source(self.method)

    @check("promise")
    def test_promises_what_its_trainer_can_keep(self) -> None:
        """The guarantee, and the versions that its models are compared with."""
        declarations.check_promise(self.method)

    @check("student_task")
    def test_a_student_shares_data_meter_and_trainer(self) -> None:
        """The task of students."""
        declarations.check_student_task(self.method)

    @check("update")
    def test_returns_an_update_of_tensors(self, subject: Subject, trained: Mapping) -> None:
        """On the CPU, without gradients."""
        results.check_update(subject, trained)

    @check("state", "cnn1", "resnet9", "air")
    def test_gives_a_state_like_the_trained_one(self, subject: Subject, trained: Mapping) -> None:
        """The same tensors, finite."""
        results.check_state(subject, trained)

    @check("change", "cnn1", "resnet9", "air")
    def test_changes_the_model(self, subject: Subject, trained: Mapping) -> None:
        """Trainable weights and predictions."""
        results.check_change(subject, trained)

    @check("teacher", "resnet9")
    def test_leaves_the_trained_model_alone(self, subject: Subject, trained: Mapping) -> None:
        """Neither while it runs nor by a later change of the result."""
        results.check_teacher(subject, trained)

    @check("seed")
    def test_is_a_function_of_the_seed(self, subject: Subject, trained: Mapping) -> None:
        """Global random numbers are neither read nor drawn."""
        results.check_seed(subject, trained)

    @check("frozen_layer", "air")
    def test_leaves_a_frozen_first_layer_alone(self, subject: Subject, trained: Mapping) -> None:
        """To the bit."""
        results.check_frozen_layer(subject, trained)

    @check("frozen_weights")
    def test_moves_no_frozen_weight(self, subject: Subject, trained: Mapping) -> None:
        """By momentum or weight decay."""
        results.check_frozen_weights(subject, trained)

    @check("neutral")
    def test_is_a_simpler_method_at_neutral_parameters(
        self, subject: Subject, trained: Mapping
    ) -> None:
        """To the bit."""
        results.check_neutral(subject, trained)

    @check("stream")
    def test_serves_streams(self, subject: Subject) -> None:
        """A deletion, then an addition."""
        results.check_stream(subject)

    @check("continuation")
    def test_says_whether_it_continues(self, subject: Subject, trained: Mapping) -> None:
        """A later step from the model of an earlier one."""
        results.check_continuation(subject, trained)

    @check("empty_request")
    def test_survives_an_empty_request(self, subject: Subject, trained: Mapping) -> None:
        """Nothing is deleted."""
        requests.check_odd_request(subject, trained, "empty_request")

    @check("one_point")
    def test_survives_the_deletion_of_one_point(self, subject: Subject, trained: Mapping) -> None:
        """The first one."""
        requests.check_odd_request(subject, trained, "one_point")

    @check("one_class", "resnet9")
    def test_survives_a_missing_class(self, subject: Subject, trained: Mapping) -> None:
        """All points of class 3 are deleted."""
        requests.check_odd_request(subject, trained, "one_class")

    @check("odd_size", "resnet9")
    def test_survives_a_minibatch_of_one_point(self, subject: Subject, trained: Mapping) -> None:
        """The last one of the retain set."""
        requests.check_odd_request(subject, trained, "odd_size")

    @check("addition")
    def test_survives_additions(self, subject: Subject, trained: Mapping) -> None:
        """Nine points are added and none is deleted."""
        requests.check_odd_request(subject, trained, "addition")

    @check("direction", variants=False)
    def test_forgets_wrong_labels(self, subject: Subject) -> None:
        """Their loss rises, and the retain set is still known."""
        requests.check_direction(subject)

    @check("awareness")
    def test_needs_the_forget_set_that_it_declares_to_read(self) -> None:
        """At some parameters of the suite."""
        cases = list(self.cases())
        name = self.method_name()
        honesty.check_awareness([Subject(c.version, small_digits(), name, c.model) for c in cases])

    @check("reads", "resnet9")
    def test_reads_no_split_that_it_does_not_declare(
        self, subject: Subject, trained: Mapping
    ) -> None:
        """Other points can be destroyed."""
        honesty.check_reads(subject, trained)

    @check("test_set")
    def test_does_not_read_the_test_set(self, subject: Subject, trained: Mapping) -> None:
        """Nor any file."""
        honesty.check_test_set(subject, trained)

    @check("work", "cnn1")
    def test_charges_work_for_weights_that_changed(
        self, subject: Subject, trained: Mapping
    ) -> None:
        """No less than the arithmetic that torch sees."""
        honesty.check_work(subject, trained)

    @check("cost")
    def test_costs_what_its_formula_says(self, subject: Subject, trained: Mapping) -> None:
        """Gradients of points."""
        honesty.check_cost(subject, trained)

    @check("exactness")
    def test_what_it_calls_exact_knows_nothing_of_deleted_points(
        self, subject: Subject, trained: Mapping
    ) -> None:
        """It is what retraining gives, where the method promises that."""
        honesty.check_exactness(subject, trained)
