"""A residual network of nine layers."""

from unlearn.core.parameters import parameter
from unlearn.models.base import Architecture


class Resnet9(Architecture):
    """Residual network of nine layers with batch normalisation."""

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
