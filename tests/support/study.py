"""A tiny study, changed."""

import copy

from tests.support.project import TINY
from unlearn.study.load import load_study


def load(change=None):
    config = copy.deepcopy(TINY)
    if change:
        change(config, config["experiments"]["accuracy"])
    return load_study(config, "my.yaml")
