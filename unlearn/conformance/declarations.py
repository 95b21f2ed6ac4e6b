"""What a method declares: checks of its class, without a model.

A check raises AssertionError whose message is one line: the method, what is wrong.
"""

import inspect
import re
import sys
from collections.abc import Callable, Collection

from unlearn.conformance.subject import MODELS, Subject, facts, refusal, setting, small_digits
from unlearn.core import parameters, registry
from unlearn.core.guarantee import LEVELS, Guarantee
from unlearn.methods.base import Method
from unlearn.training.task import Task

OBVIOUS_PARAMETERS = {"epochs", "lr", "batch_size", "momentum", "weight_decay", "schedule"}
OBVIOUS_PARAMETERS |= {"temperature", "seed", "model", "size", "step"}
"""Parameters that need no help text, because recipes have them or every paper calls them so."""

READABLE = {"forget", "retain", "validation"}
CHANGES = {"delete", "add"}


def check_attributes(method: type[Method]) -> None:
    """The class attributes of a method hold what the contract allows."""
    name = method.__name__
    assert issubclass(method, Method), f"{name}: does not derive from Method"
    label = method.label
    is_label = label is None or (isinstance(label, str) and label.strip() == label != "")
    assert is_label, f"{name}: label {label!r}; allowed: None, text without spaces at its ends"
    assert isinstance(method.reads, (set, frozenset)), f"{name}: reads is no set"
    assert method.reads <= READABLE, f"{name}: reads {sorted(method.reads)}; allowed: {READABLE}"
    assert isinstance(method.serves, tuple), f"{name}: serves is no tuple"
    assert method.serves, f"{name}: serves nothing; allowed: {CHANGES}"
    assert set(method.serves) <= CHANGES, f"{name}: serves {method.serves}; allowed: {CHANGES}"
    assert method.guarantee in LEVELS, f"{name}: guarantee {method.guarantee}; allowed: {LEVELS}"
    trainers = registry.names("trainers")
    assert method.trainer is None or method.trainer in trainers, (
        f"{name}: trainer {method.trainer}; allowed: None, {', '.join(trainers)}"
    )
    for attribute in ("images_only", "deterministic", "changes_weights"):
        value = getattr(method, attribute)
        assert isinstance(value, bool), f"{name}: {attribute} is {value!r}; allowed: True, False"
    assert isinstance(method().continues, bool), f"{name}: continues is neither True nor False"
    assert parameters.summary(method).endswith((".", ":")), f"{name}: the docstring is no sentence"


def check_exceptions(method: type[Method], checks: Collection[str]) -> None:
    """Every exception names a check, and gives a reason in words."""
    for check, reason in method.conformance_exceptions.items():
        name = f"{method.__name__}: conformance_exceptions: {check}"
        assert check in checks, f"{name} is no check; allowed: {', '.join(sorted(checks))}"
        assert len(reason.split()) >= 3, f"{name}: {reason!r} is no reason"


def check_parameters(method: type[Method]) -> None:
    """Every parameter has a default and a help text."""
    for parameter, field in parameters.fields(method).items():
        name = f"{method.__name__}: {parameter}"
        assert field.limits.help or parameter in OBVIOUS_PARAMETERS, f"{name} needs a help text"
        assert not field.required, f"{name} needs a default"


def check_ranges(method: type[Method]) -> None:
    """A value outside of the schema's range is refused by the class, too."""
    for parameter, property_ in parameters.schema(method)["properties"].items():
        outside = property_.get("minimum", property_.get("exclusiveMinimum"))
        if outside is not None:
            _check_refusal(method, parameter, outside - 1, f"{parameter}: .* is not allowed")
        if "enum" in property_:
            message = f"{parameter}: 'nonsense' is not allowed"
            _check_refusal(method, parameter, "nonsense", message)


def _check_refusal(method: type[Method], parameter: str, value: object, message: str) -> None:
    name = f"{method.__name__}: {parameter}: {value!r}"
    try:
        method(**{parameter: value})
    except ValueError as error:
        assert re.search(message, str(error)), f"{name} is refused by {str(error)!r}"
    else:
        raise AssertionError(f"{name} is outside of the range and accepted")


def check_instance(method: type[Method]) -> None:
    """An instance holds its parameters and nothing else, and cannot be changed."""
    name = method.__name__
    default = method()
    values = default.values()
    assert vars(default) == values, f"{name}: an instance holds more than its parameters"
    assert method(**values).values() == values, f"{name}: its values do not make it again"
    assert set(values) == set(parameters.fields(method)), f"{name}: values are not the fields"
    for parameter in values:
        _check_immutable(default, parameter)


def _check_immutable(method: Method, parameter: str) -> None:
    try:
        setattr(method, parameter, 0)
    except AttributeError:
        return
    raise AssertionError(f"{type(method).__name__}: {parameter} of an instance can be changed")


def check_source(method: type[Method]) -> None:
    """The file imports neither torch, at its top, nor another method: a plan needs no torch."""
    text = inspect.getsource(sys.modules[method.__module__])
    torch_import = re.search(r"^(?:from|import) torch\b[^#\n]*", text, re.M)
    if torch_import:
        line = torch_import.group().strip()
        raise AssertionError(f"{method.__name__}: {line}; import torch in the body of `unlearn`")


def usual_subject(method: type[Method]) -> Subject:
    """The method at the parameters of the suite, on the first model that it supports."""
    usual = method(**method.conformance)
    return Subject(usual, small_digits(), model=first_model(usual))


def first_model(method: Method) -> str:
    """The first of the suite's models that a method supports; ValueError where there is none."""
    reasons = []
    for model in MODELS:
        reason = refusal(method, model)
        if reason is None:
            return model
        reasons.append(reason)
    name = type(method).__name__
    raise ValueError(f"{name} supports none of {', '.join(MODELS)}: {reasons[0]}")


def check_promise(method: type[Method]) -> None:
    """The guarantee is one that the trainer can keep, and references are other versions."""
    subject = usual_subject(method)
    task = subject.task()
    promise = subject.method.guarantee_for(setting(task, facts(subject.data), subject.method))
    name = method.__name__
    assert isinstance(promise, Guarantee), f"{name}: guarantee_for gives no Guarantee"
    if method.guarantee == "exact":
        trainer = type(task.trainer).__name__
        assert promise == task.trainer.guarantee(), f"{name}: promises more than {trainer}"
    for suffix, options in subject.method.references().items():
        metric = f"kl_{suffix}"
        assert metric in task.trainer.metrics, f"{name}: no metric {metric} of its trainer"
        other = method(**dict(method.conformance) | dict(options))
        assert other.values() != subject.method.values(), f"{name}: {suffix} is no other version"


def check_student_task(method: type[Method]) -> None:
    """The task of students shares data, meter and trainer with that of the method."""
    subject = usual_subject(method)
    task = subject.task()
    student_task = subject.method.student_task(task)
    name = f"{method.__name__}: student_task"
    assert isinstance(student_task, Task), f"{name} gives no Task"
    for attribute in ("data", "meter", "trainer"):
        same = getattr(student_task, attribute) is getattr(task, attribute)
        assert same, f"{name} has another {attribute}"


DECLARATIONS: dict[str, Callable[[type[Method]], None]] = {
    "attributes": check_attributes,
    "parameters": check_parameters,
    "ranges": check_ranges,
    "instance": check_instance,
    "source": check_source,
    "promise": check_promise,
    "student_task": check_student_task,
}
"""Name -> check of a class."""
