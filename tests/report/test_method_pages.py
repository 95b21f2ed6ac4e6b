"""The pages of methods: generated, complete, and up to date."""

import inspect

import pytest

from scripts import method_pages
from tests.support.project import ROOT
from unlearn.core import registry

PROJECT_METHODS = [
    name
    for name in registry.names("methods")
    if registry.module("methods", name).startswith("unlearn.methods.")
]


@pytest.mark.parametrize("name", [*PROJECT_METHODS, "README"])
def test_the_page_is_what_the_class_declares(name):
    path = ROOT / "docs/methods" / f"{name}.md"
    assert path.exists(), "run python -m scripts.method_pages"
    expected = method_pages.pages()[f"{name}.md"]
    assert path.read_text(encoding="utf-8") == expected, "run python -m scripts.method_pages"


def test_there_is_no_page_of_a_method_that_is_gone():
    names = {path.stem for path in (ROOT / "docs/methods").glob("*.md")}
    assert names <= {*PROJECT_METHODS, "README"}


@pytest.mark.parametrize("name", PROJECT_METHODS)
def test_every_method_says_its_cost_and_what_goes_wrong(name):
    body, sections = method_pages.split(inspect.getdoc(registry.find("methods", name)))
    assert {"Cost", "Pitfalls"} <= set(sections)
    assert body and all(sections.values())


def test_a_docstring_is_split_at_its_sections():
    body, sections = method_pages.split("Idea.\n\n    x = y\n\nCost:\n    E passes\n    over D.\n")
    assert body == "Idea.\n\n    x = y"
    assert sections == {"Cost": "E passes\nover D."}


def test_stale_pages_are_removed_and_others_kept(tmp_path):
    (tmp_path / "gone.md").write_text(method_pages.MARK)
    (tmp_path / "notes.md").write_text("by hand")
    method_pages.write(tmp_path)
    names = {path.name for path in tmp_path.glob("*.md")}
    assert "gone.md" not in names and {"notes.md", "finetune.md", "README.md"} <= names
