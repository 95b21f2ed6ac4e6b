"""Methods whose class declares what is not so: the conformance suite says so in one line."""

from dataclasses import replace
from typing import ClassVar

import pytest
import torch  # noqa: F401 - what a method's file must not do

from tests.methods.test_suite_cheats import Arithmetic
from unlearn.conformance import MethodSuite, declarations
from unlearn.methods.base import parameter
from unlearn.methods.finetune import Finetune
from unlearn.training.meter import Meter


class Unexplained(Arithmetic):
    """Halve every weight."""

    factor: float = parameter(0.5, above=0, maximum=1)


class Unsaid(Arithmetic):
    """Halve every weight."""

    serves = ("forget",)


class Blank(Arithmetic):
    """Halve every weight."""

    label = " "


class Numbered(Arithmetic):
    """Halve every weight."""

    label = 7


class Excused(Arithmetic):
    """Halve every weight."""

    conformance_exceptions: ClassVar = {"directoin": "halves without looking at points"}


class Terse(Arithmetic):
    """Halve every weight."""

    conformance_exceptions: ClassVar = {"direction": "no"}


class Absolute(Finetune):
    """Promise what no trainer keeps."""

    guarantee = "exact"

    def guarantee_for(self, setting):
        """Another promise."""
        return "exact"


class Memory(Arithmetic):
    """Halve every weight, and remember."""

    def validate(self):
        """Make room for what is remembered."""
        object.__setattr__(self, "memory", [])


class FreeStudent(Arithmetic):
    """Charge the work of students to nobody."""

    def student_task(self, task):
        """The task with a meter of its own."""
        return replace(task, meter=Meter())


ON_CLASS = [
    (Memory, declarations.check_instance, "an instance holds more than its parameters"),
    (FreeStudent, declarations.check_source, "import torch; import torch in the body of `unlearn`"),
    (FreeStudent, declarations.check_student_task, "student_task has another meter"),
    (Unexplained, declarations.check_parameters, "factor needs a help text"),
    (Blank, declarations.check_attributes, "label ' '; allowed: None, text"),
    (Numbered, declarations.check_attributes, "label 7; allowed: None, text"),
    (Unsaid, declarations.check_attributes, r"serves \('forget',\); allowed"),
    (Absolute, declarations.check_promise, "guarantee_for gives no Guarantee"),
]


@pytest.mark.parametrize(("cheat", "check", "message"), ON_CLASS)
def test_a_wrong_declaration_is_caught_in_one_line(cheat, check, message):
    with pytest.raises(AssertionError, match=f"{cheat.__name__}: {message}") as caught:
        check(cheat)
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize(
    ("cheat", "message"),
    [(Excused, "directoin is no check; allowed: addition, "), (Terse, "'no' is no reason")],
)
def test_an_exception_names_a_check_and_a_reason(cheat, message):
    suite = type("Suite", (MethodSuite,), {"method": cheat})
    with pytest.raises(AssertionError, match=message):
        suite().test_states_exceptions_to_checks_that_exist()
