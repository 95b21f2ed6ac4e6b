"""Deletion of points of which some are far likelier than others: an exponential law of `priors`."""

from functools import partial

from unlearn.requests import _skewed

ASKS = ("delete",)

check = _skewed.check
draw = partial(_skewed.draw, "exponential")
