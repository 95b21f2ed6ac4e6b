"""One convolution."""

from unlearn.core.parameters import parameter
from unlearn.models.base import Architecture
from unlearn.models.weight_counts import convolution, linear


class Cnn1(Architecture):
    """One 3 x 3 convolution, 2 x 2 pooling, ReLU, one linear layer."""

    has_batch_normalisation = False
    layer_count = 2
    size_name = "width"

    width: int | None = parameter(
        None, minimum=1, help="Channels; null takes 8 for grey and 16 for colour images."
    )

    def build(self, shape, classes):
        """Convolution, pooling, ReLU, linear."""
        from torch import nn

        from unlearn.models.layers import FlattenChannelsLast

        height, breadth, channels = shape
        width = self.channels(channels)
        return nn.Sequential(
            nn.Conv2d(channels, width, 3, padding=1),
            nn.MaxPool2d(2),
            nn.ReLU(),
            FlattenChannelsLast(),
            nn.Linear(width * (height // 2) * (breadth // 2), classes),
        )

    def weight_count(self, shape, classes):
        """Those of the convolution and the linear layer."""
        height, breadth, channels = shape
        width = self.channels(channels)
        pixels = (height // 2) * (breadth // 2)
        return convolution(channels, width) + linear(width * pixels, classes)

    def channels(self, colours: int) -> int:
        """The channels of the convolution, for images of so many colours."""
        return self.width or (8 if colours == 1 else 16)
