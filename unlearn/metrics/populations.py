"""What a metric of populations gets: the outputs of all models that an audit compares."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from scipy.special import expit

from unlearn.metrics import margins as margins_of

GROUPS = ("unlearned", "reference", "originals", "random")
"""The groups of models: audited, half A of the oracles, trained on all points, and untrained."""


@dataclass(frozen=True)
class Populations:
    """The outputs of each group of models, for the P points of all splits."""

    logits: Mapping[str, np.ndarray]
    """By group, N x P x C."""
    labels: np.ndarray
    """The classes of the points, P."""
    rows: Mapping[str, np.ndarray]
    """The points of each split: `forget`, `retain`, `added`, `validation`, `test`."""
    is_original: bool = False
    """Whether the audited models are the originals: doing nothing is what others differ from."""
    cache: dict = field(default_factory=dict, compare=False, repr=False)
    """Results that several metrics share."""

    def margins(self, group: str, split: str) -> np.ndarray:
        """The logit margins of a group's models for the points of a split, N x points, float64.

        A margin is the log-odds of the point's class.
        """
        margins = self.shared(_margins, group)
        return margins[:, self.rows[split]]

    def probabilities(self, group: str, split: str) -> np.ndarray:
        """The probability of each point's class, N x points, float64."""
        return expit(self.margins(group, split))

    def split_logits(self, group: str, split: str) -> np.ndarray:
        """The logits of a group's models for the points of a split, N x points x C."""
        return self.logits[group][:, self.rows[split]]

    def split_labels(self, split: str) -> np.ndarray:
        """The classes of the points of a split."""
        return self.labels[self.rows[split]]

    def size(self, group: str) -> int:
        """The number of models of a group."""
        return len(self.logits[group])

    def shared(self, function: Callable, *arguments: Any) -> Any:
        """function(self, *arguments), computed once."""
        key = (function, *arguments)
        if key not in self.cache:
            self.cache[key] = function(self, *arguments)
        return self.cache[key]


def _margins(populations: Populations, group: str) -> np.ndarray:
    """The margins of all models of a group, N x P."""
    return margins_of.margins(populations.logits[group], populations.labels)
