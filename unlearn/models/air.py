"""A small residual network that trains fast: most of its work is at a quarter of the pixels."""

from unlearn.core.parameters import parameter
from unlearn.models.base import Architecture
from unlearn.models.weight_counts import convolution, normalised_convolution

STEM_CHANNELS = 16
"""Channels of a first convolution that is trained."""

MAX_PRINCIPAL_PATCHES = 16
"""Patches of a first convolution that is whitened: each gives two channels, one of either sign."""

PATCH_SIDE = 3

WHITENED_POINTS = 5000
"""Training images, at most, that patches are taken from."""

LOGIT_SCALE = 0.25


class Air(Architecture):
    """Residual network of six layers with batch normalisation, for many models on one core.

    A 3 x 3 convolution with pooling and ReLU; two stages of a convolution with 2 x 2 pooling,
    batch normalisation and ReLU, each followed by a residual convolution; the largest value of each
    channel, and a linear layer without a bias, times 1/4.

    References:
        Jordan, "94% on CIFAR-10 in 3.29 seconds on a single GPU", 2024 (the whitened layer).
    """

    has_batch_normalisation = True
    size_name = "width"

    width: int = parameter(
        32,
        minimum=1,
        help="Channels of the first stage, the second has twice as many: 32 is S, 64 L.",
    )
    whiten: bool = parameter(
        False,
        help="Whether the first convolution is frozen: principal patches of the training images, "
        "scaled to variance 1, with both signs.",
    )

    @property
    def layer_count(self):
        """Five convolutions, or four where the first is frozen, and a linear layer."""
        return 5 if self.whiten else 6

    @property
    def prepared_points(self):
        """Images to whiten by, where the first layer is whitened."""
        return WHITENED_POINTS if self.whiten else 0

    def build(self, shape, classes):
        """Stem, two stages, global pooling, linear; filters are random before `prepare`."""
        from torch import nn

        from unlearn.models import layers

        colours = shape[2]
        width = self.width
        if self.whiten:
            stem = layers.SignedPatches(colours, self.patches(colours), PATCH_SIDE)
        else:
            stem = nn.Conv2d(colours, STEM_CHANNELS, PATCH_SIDE, padding=1)
        return nn.Sequential(
            stem,
            nn.MaxPool2d(2),
            nn.ReLU(),
            layers.normalised_convolution(self.stem_channels(colours), width, pool=True),
            layers.Residual(layers.normalised_convolution(width, width)),
            layers.normalised_convolution(width, 2 * width, pool=True),
            layers.Residual(layers.normalised_convolution(2 * width, 2 * width)),
            nn.AdaptiveMaxPool2d(1),
            nn.Flatten(),
            layers.Scale(LOGIT_SCALE),  # of the inputs: methods ask for a linear last layer
            nn.Linear(2 * width, classes, bias=False),
        )

    def prepare(self, network, images):
        """Whiten the first layer, where it is whitened."""
        if self.whiten:
            network[0].fit(images)

    def weight_count(self, shape, classes):
        """Those of five convolutions, or four where the first is frozen, and a linear layer."""
        colours = shape[2]
        width = self.width
        stem = 0 if self.whiten else convolution(colours, STEM_CHANNELS)
        first_stage = normalised_convolution(self.stem_channels(colours), width)
        first_stage += normalised_convolution(width, width)
        second_stage = normalised_convolution(width, 2 * width)
        second_stage += normalised_convolution(2 * width, 2 * width)
        return stem + first_stage + second_stage + 2 * width * classes

    def patches(self, colours: int) -> int:
        """The principal patches of a whitened layer, for images of so many colours."""
        return min(MAX_PRINCIPAL_PATCHES, colours * PATCH_SIDE**2)

    def stem_channels(self, colours: int) -> int:
        """The channels of the first convolution, for images of so many colours."""
        return 2 * self.patches(colours) if self.whiten else STEM_CHANNELS
