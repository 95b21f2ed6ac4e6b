"""What every method declares. New methods are found by themselves."""

import inspect
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.conformance import METHODS, described, facts, instance, setting
from tests.support.project import ROOT
from unlearn.core import parameters, registry
from unlearn.core.guarantee import LEVELS, Guarantee
from unlearn.jobs.setup import new_task
from unlearn.methods.base import Method
from unlearn.training.task import Task

OBVIOUS_PARAMETERS = {"epochs", "lr", "batch_size", "momentum", "weight_decay", "schedule"}
OBVIOUS_PARAMETERS |= {"temperature", "seed", "model", "size"}
"""Parameters that need no help text, because recipes have them or every paper calls them so."""

READABLE = {"forget", "retain", "validation"}

EVERY_METHOD = pytest.mark.parametrize("name", METHODS)


def source(name) -> str:
    """The file of a method, in this package or an installed one."""
    return Path(inspect.getsourcefile(registry.find("methods", name))).read_text(encoding="utf-8")


@EVERY_METHOD
def test_declares_itself(name):
    method = registry.find("methods", name)
    assert issubclass(method, Method)
    assert isinstance(method.reads, (set, frozenset)) and method.reads <= READABLE
    assert isinstance(method.serves, tuple) and set(method.serves) <= {"delete", "add"}
    assert method.serves
    assert method.guarantee in LEVELS
    assert method.trainer is None or method.trainer in registry.names("trainers")
    assert isinstance(method.images_only, bool) and isinstance(method().continues, bool)
    assert parameters.summary(method).endswith((".", ":"))


@EVERY_METHOD
def test_parameters_explain_themselves(name):
    for parameter, field in parameters.fields(registry.find("methods", name)).items():
        assert field.limits.help or parameter in OBVIOUS_PARAMETERS | {"step"}, parameter
        assert not field.required, f"{parameter} needs a default"


@EVERY_METHOD
def test_the_default_instance_holds_its_fields_and_nothing_else(name):
    method = instance(name)
    assert vars(method) == method.values() == instance(name, **method.values()).values()
    assert set(method.values()) == set(parameters.fields(type(method)))
    for parameter in method.values():
        with pytest.raises(AttributeError):
            setattr(method, parameter, 0)


@EVERY_METHOD
def test_ranges_are_those_of_the_schema(name):
    """A value outside of the schema's range is refused by the class, too."""
    component = registry.find("methods", name)
    for parameter, property_ in parameters.schema(component)["properties"].items():
        outside = property_.get("minimum", property_.get("exclusiveMinimum"))
        if outside is not None:
            with pytest.raises(ValueError, match=f"{parameter}: .* is not allowed"):
                component(**{parameter: outside - 1})
        if "enum" in property_:
            with pytest.raises(ValueError, match=f"{parameter}: 'nonsense' is not allowed"):
                component(**{parameter: "nonsense"})


@EVERY_METHOD
def test_searches_within_its_ranges(name):
    for parameter, field in parameters.fields(registry.find("methods", name)).items():
        if field.limits.search is not None:
            kind, *span = field.limits.search
            values = span[0] if kind == "choice" else span
            assert all(field.limits.allow(value) for value in values), parameter


@EVERY_METHOD
def test_file_has_one_class_and_no_other_method(name):
    text = source(name)
    assert len(re.findall(r"^class ", text, re.M)) == 1
    for line in re.findall(r"^\s*(?:from|import) .*", text, re.M):
        assert "unlearn.methods" not in line or "from unlearn.methods.base import" in line
    assert not re.search(r"^(?:from|import) torch", text, re.M)


@EVERY_METHOD
def test_promises_what_its_trainer_can_keep(name, digits):
    task = new_task(digits, described(method=name))
    promise = instance(name).guarantee_for(setting(task, facts(digits), instance(name)))
    assert isinstance(promise, Guarantee)
    if instance(name).guarantee == "exact":
        assert promise == task.trainer.guarantee()
    else:
        assert LEVELS.index(promise.level) <= LEVELS.index("none")


@EVERY_METHOD
def test_references_are_versions_of_itself(name, digits):
    method = instance(name)
    task = new_task(digits, described(method=name))
    for suffix, options in method.references().items():
        assert f"kl_{suffix}" in task.trainer.metrics
        assert instance(name, **options).values() != method.values()


@EVERY_METHOD
def test_student_task_shares_data_meter_and_trainer(name, digits):
    task = new_task(digits, described(method=name))
    student_task = instance(name).student_task(task)
    assert isinstance(student_task, Task)
    assert student_task.data is task.data and student_task.trainer is task.trainer
    assert student_task.meter is task.meter


def test_methods_are_importable_and_can_be_made_without_torch():
    """So that the plan of a study, the schema and the reference page need none."""
    code = """
import sys
from unlearn.core import parameters, registry
from unlearn.core.setting import Setting
for name in registry.names("methods"):
    method = registry.find("methods", name)()
    method.modules(), method.references(), method.supports(Setting()), method.continues
    parameters.schema(type(method))
assert not {"torch", "scipy", "sklearn", "pandas", "matplotlib"} & set(sys.modules), sys.modules.keys()
"""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
