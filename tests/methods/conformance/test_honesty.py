"""What a method reads, what it charges and what it calls exact, for every method as for a cheat."""

import re

import pytest

from tests.support.conformance import (
    METHODS,
    check_exact,
    check_reads,
    check_test_set,
    check_work,
)
from tests.support.project import ROOT
from unlearn.core import registry
from unlearn.study import codehash

LIBRARIES = re.compile(r"^\s*(?:from|import) (?:sklearn|torchvision)\.datasets", re.MULTILINE)


def test_charges_work_for_weights_that_changed(subject, trained):
    check_work(subject, trained)


def test_does_not_read_what_it_does_not_declare(subject, trained):
    check_reads(subject, trained)


def test_does_not_read_the_test_set(subject, trained):
    check_test_set(subject, trained)


def test_what_it_calls_exact_knows_nothing_of_the_deleted_points(subject, trained):
    check_exact(subject, trained)


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
