"""A perceptron with one hidden layer."""

import math

from unlearn.core.parameters import parameter
from unlearn.models.base import Architecture
from unlearn.models.weight_counts import linear


class Mlp(Architecture):
    """One hidden layer with ReLU."""

    flat = True
    has_batch_normalisation = False
    layer_count = 2
    size_name = "hidden"

    hidden: int = parameter(128, minimum=1, help="Units of the hidden layer.")

    def build(self, shape, classes):
        """Linear, ReLU, linear."""
        from torch import nn

        return nn.Sequential(
            nn.Flatten(),
            nn.Linear(math.prod(shape), self.hidden),
            nn.ReLU(),
            nn.Linear(self.hidden, classes),
        )

    def weight_count(self, shape, classes):
        """Those of two linear layers."""
        return linear(math.prod(shape), self.hidden) + linear(self.hidden, classes)
