"""Multinomial logistic regression."""

import math

from unlearn.models.base import Architecture
from unlearn.models.weight_counts import linear


class Logistic(Architecture):
    """Multinomial logistic regression on pixels or features."""

    flat = True
    has_batch_normalisation = False
    layer_count = 1
    is_convex = True

    def build(self, shape, classes):
        """One linear layer."""
        from torch import nn

        return nn.Sequential(nn.Flatten(), nn.Linear(math.prod(shape), classes))

    def weight_count(self, shape, classes):
        """Those of one linear layer."""
        return linear(math.prod(shape), classes)
