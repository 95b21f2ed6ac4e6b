"""Two convolutions."""

from unlearn.core.parameters import parameter
from unlearn.models.base import Architecture
from unlearn.models.weight_counts import convolution, linear

HIDDEN_UNITS = 128


class Cnn2(Architecture):
    """Two 3 x 3 convolutions with 2 x 2 pooling and ReLU, two linear layers (128 hidden)."""

    has_batch_normalisation = False
    layer_count = 4
    size_name = "width"

    width: int | None = parameter(
        None,
        minimum=1,
        help="Channels of the first convolution, the second has twice as many; null takes 16 for "
        "grey and 32 for colour images.",
    )

    def build(self, shape, classes):
        """Twice convolution, pooling, ReLU; then linear, ReLU, linear."""
        from torch import nn

        from unlearn.models.layers import FlattenChannelsLast

        height, breadth, channels = shape
        width = self.channels(channels)
        return nn.Sequential(
            nn.Conv2d(channels, width, 3, padding=1),
            nn.MaxPool2d(2),
            nn.ReLU(),
            nn.Conv2d(width, 2 * width, 3, padding=1),
            nn.MaxPool2d(2),
            nn.ReLU(),
            FlattenChannelsLast(),
            nn.Linear(2 * width * (height // 4) * (breadth // 4), HIDDEN_UNITS),
            nn.ReLU(),
            nn.Linear(HIDDEN_UNITS, classes),
        )

    def weight_count(self, shape, classes):
        """Those of two convolutions and two linear layers."""
        height, breadth, channels = shape
        width = self.channels(channels)
        pixels = (height // 4) * (breadth // 4)
        convolutions = convolution(channels, width) + convolution(width, 2 * width)
        layers = linear(2 * width * pixels, HIDDEN_UNITS) + linear(HIDDEN_UNITS, classes)
        return convolutions + layers

    def channels(self, colours: int) -> int:
        """The channels of the first convolution, for images of so many colours."""
        return self.width or (16 if colours == 1 else 32)
