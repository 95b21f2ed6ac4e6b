"""The tests of one method run in one worker of pytest, which trains and unlearns once for many."""

import pytest

from unlearn.conformance import MethodSuite


@pytest.hookimpl(tryfirst=True)  # before -k selects
def pytest_collection_modifyitems(items):
    for item in items:
        suite = getattr(item, "cls", None)
        if suite is not None and issubclass(suite, MethodSuite):
            item.add_marker(pytest.mark.xdist_group(suite.__name__))
            item.extra_keyword_matches.add(suite.method_name())  # for `-k forget_by_noise`
