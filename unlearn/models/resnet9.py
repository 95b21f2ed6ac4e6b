"""A residual network of nine layers."""

import itertools

from unlearn.core.parameters import parameter
from unlearn.models import weight_counts
from unlearn.models.base import Architecture


class Resnet9(Architecture):
    """Residual network of nine layers with batch normalisation."""

    has_batch_normalisation = True
    layer_count = 9
    size_name = "width"

    width: int = parameter(16, minimum=1, help="Channels of the first convolution.")

    def build(self, shape, classes):
        """Convolutions with two residual blocks between them, global pooling, linear."""
        from torch import nn

        from unlearn.models.layers import Residual, normalised_convolution

        w = self.width
        return nn.Sequential(
            normalised_convolution(shape[2], w),
            normalised_convolution(w, 2 * w, pool=True),
            Residual(normalised_convolution(2 * w, 2 * w), normalised_convolution(2 * w, 2 * w)),
            normalised_convolution(2 * w, 4 * w, pool=True),
            normalised_convolution(4 * w, 8 * w, pool=True),
            Residual(normalised_convolution(8 * w, 8 * w), normalised_convolution(8 * w, 8 * w)),
            nn.AdaptiveMaxPool2d(1),
            nn.Flatten(),
            nn.Linear(8 * w, classes),
        )

    def weight_count(self, shape, classes):
        """Those of eight convolutions with their normalisation, and a linear layer."""
        w = self.width
        widths = [shape[2], w, 2 * w, 2 * w, 2 * w, 4 * w, 8 * w, 8 * w, 8 * w]
        convolutions = sum(
            itertools.starmap(weight_counts.normalised_convolution, itertools.pairwise(widths))
        )
        return convolutions + weight_counts.linear(8 * w, classes)
