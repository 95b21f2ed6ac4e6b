"""One convolution."""

from unlearn.core.parameters import parameter
from unlearn.models.base import Architecture


class Cnn1(Architecture):
    """One 3 x 3 convolution, 2 x 2 pooling, ReLU, one linear layer."""

    size_name = "width"

    width: int | None = parameter(
        None, minimum=1, help="Channels; null takes 8 for grey and 16 for colour images."
    )

    def build(self, shape, classes):
        """Convolution, pooling, ReLU, linear."""
        from torch import nn

        from unlearn.models.layers import FlattenChannelsLast

        height, breadth, channels = shape
        width = self.width or (8 if channels == 1 else 16)
        return nn.Sequential(
            nn.Conv2d(channels, width, 3, padding=1),
            nn.MaxPool2d(2),
            nn.ReLU(),
            FlattenChannelsLast(),
            nn.Linear(width * (height // 2) * (breadth // 2), classes),
        )
