"""Components are found by name, in the package and in others that are installed."""

import importlib.metadata
import subprocess
import sys
from types import SimpleNamespace

import pytest

from tests.support.project import ROOT
from unlearn.core import registry
from unlearn.core.registry import FAMILIES, UnknownComponentError
from unlearn.methods.finetune import Finetune
from unlearn.models.mlp import Mlp

MODULE = "outside_of_the_package"


@pytest.mark.parametrize("family", FAMILIES)
def test_names_are_those_of_the_files(family):
    names = registry.names(family)
    assert names and list(names) == sorted(names)
    for name in names:
        assert (FAMILIES[family].folder / f"{name}.py").is_file()
        component = registry.find(family, name)
        assert component.__module__ == registry.module(family, name)
        assert FAMILIES[family].base in {base.__name__ for base in component.__mro__}
    assert not {"base", "__init__"} & set(names)


def test_listing_names_imports_nothing():
    program = f"""if True:
        import sys
        from unlearn.core import registry
        for family in {list(FAMILIES)}:
            registry.names(family)
        assert "unlearn.methods.finetune" not in sys.modules
        assert not any(name.startswith("unlearn.") and not name.startswith("unlearn.core")
                       for name in sys.modules)
        for family in set(registry.FAMILIES) - {{"figures"}}:
            for name in registry.names(family):
                registry.find(family, name)
        assert "torch" not in sys.modules
    """
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_a_component_is_created_from_its_block():
    assert registry.find("models", "mlp") is Mlp
    component = registry.create("models", {"kind": "mlp", "parameters": {"hidden": 3}})
    assert component == Mlp(hidden=3)
    with pytest.raises(ValueError, match="hidden: 0 is not allowed"):
        registry.create("models", {"kind": "mlp", "parameters": {"hidden": 0}})


@pytest.mark.parametrize("family", FAMILIES)
def test_an_unknown_name_is_refused_with_those_that_there_are(family):
    with pytest.raises(UnknownComponentError, match=f"{family} has no nothing; allowed: ") as error:
        registry.find(family, "nothing")
    assert all(name in str(error.value) for name in registry.names(family))


def test_modules_include_those_of_computed_names():
    block = {"kind": "sisa", "parameters": {"partition": "label"}}
    assert registry.modules("trainers", block) == [
        "unlearn.trainers.sisa",
        "unlearn.partitions.label",
    ]
    block = {"kind": "influence_distillation", "parameters": {"student": "cnn1"}}
    assert registry.modules("methods", block)[1:] == ["unlearn.models.cnn1"]


# -- entry points of installed packages ------------------------------------------------------------


@pytest.fixture
def install(monkeypatch):
    """install(name, component): an installed package with one method."""
    caches = (registry._entry_points, registry.names, registry.find)

    def clear():
        for function in caches:
            function.cache_clear()

    def installed(name, component):
        monkeypatch.setitem(sys.modules, MODULE, SimpleNamespace(Component=component))
        point = importlib.metadata.EntryPoint(name, f"{MODULE}:Component", "unlearn.methods")
        monkeypatch.setattr(
            importlib.metadata,
            "entry_points",
            lambda group: [point] if group == point.group else [],
        )
        clear()

    yield installed
    monkeypatch.undo()
    clear()


def test_a_method_of_another_package_is_found(install):
    install("shrink", Finetune)
    assert "shrink" in registry.names("methods") and "shrink" not in registry.names("trainers")
    assert registry.find("methods", "shrink") is Finetune
    assert registry.module("methods", "shrink") == MODULE
    block = {"kind": "shrink", "parameters": {"epochs": 3}}
    assert registry.create("methods", block).epochs == 3
    assert registry.modules("methods", block) == [MODULE]


def test_what_is_no_component_is_refused(install):
    install("shrink", Mlp)
    with pytest.raises(TypeError, match=r"entry point shrink of methods: .* is no component"):
        registry.find("methods", "shrink")


def test_another_package_cannot_replace_a_component(install):
    """Otherwise installing a package would change what `retrain` is."""
    install("retrain", Finetune)
    with pytest.raises(
        TypeError, match=r"entry point retrain of methods: .* has this name already"
    ):
        registry.names("methods")


def test_a_file_has_one_component(monkeypatch, tmp_path):
    family = registry.Family("unlearn.methods", "Method")
    monkeypatch.setattr(registry.Family, "folder", tmp_path)
    text = "class One(Method):\n    pass\n"
    (tmp_path / "pair.py").write_text(text + text.replace("One", "Two"))
    (tmp_path / "one.py").write_text(text.replace("Method", "base.Method"))
    (tmp_path / "helper.py").write_text("class Three:\n    pass\n")
    assert registry.class_name(family, "one") == "One"
    assert [path.stem for path in registry._files(family)] == ["one", "pair"]
    with pytest.raises(TypeError, match="pair needs one class that derives from Method"):
        registry.class_name(family, "pair")
    registry.class_name.cache_clear()
