"""The conformance suite on every method, those of installed packages included.

New methods are found by themselves. Only what concerns this project's files is added here.
"""

import inspect
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.conformance import METHODS
from tests.support.project import ROOT
from unlearn.conformance import MethodSuite
from unlearn.core import registry
from unlearn.study import codehash


def suite_name(name: str) -> str:
    """The name of a method's tests: `TestBnOnly` of `bn_only`."""
    return "Test" + "".join(word.capitalize() for word in name.split("_"))


for method_name in METHODS:
    attributes = {"method": registry.find("methods", method_name), "name": method_name}
    globals()[suite_name(method_name)] = type(suite_name(method_name), (MethodSuite,), attributes)

LIBRARIES = re.compile(r"^\s*(?:from|import) (?:sklearn|torchvision)\.datasets", re.MULTILINE)


@pytest.mark.parametrize("name", METHODS)
def test_file_has_one_class_and_no_other_method(name):
    text = Path(inspect.getsourcefile(registry.find("methods", name))).read_text(encoding="utf-8")
    assert len(re.findall(r"^class ", text, re.M)) == 1
    for line in re.findall(r"^\s*(?:from|import) .*", text, re.M):
        assert "unlearn.methods" not in line or "from unlearn.methods.base import" in line


@pytest.mark.parametrize("name", METHODS)
def test_imports_no_data_set(name):
    """Whose test points would be at hand."""
    module_name = registry.module("methods", name)
    if codehash._source(ROOT, module_name) is None:
        pytest.skip(f"{name}: belongs to an installed package, which may bring data sets, too")
    modules = codehash.closure(module_name)
    sources = {registry.module("data", source) for source in registry.names("data")}
    assert not sources & set(modules), f"{name}: imports {', '.join(sources & set(modules))}"
    for module in modules:
        path = codehash._source(ROOT, module)
        found_line = LIBRARIES.search(path.read_text(encoding="utf-8")) if path else None
        assert not found_line, f"{name}: {module} imports data sets: {found_line.group().strip()}"


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
