"""ResNet-18 for small images."""

import itertools

from unlearn.models.base import Architecture
from unlearn.models.weight_counts import linear, normalised_convolution


class Resnet18(Architecture):
    """ResNet-18 with the CIFAR stem (3 x 3, no pooling), torchvision's blocks."""

    has_batch_normalisation = True
    layer_count = 21

    def build(self, shape, classes):
        """torchvision's network with another first convolution."""
        from torch import nn
        from torchvision.models import resnet18

        network = resnet18(num_classes=classes)
        network.conv1 = nn.Conv2d(shape[2], 64, 3, padding=1, bias=False)
        network.maxpool = nn.Identity()
        return network

    def weight_count(self, shape, classes):
        """Those of the stem, of four stages of two blocks, and a linear layer."""
        widths = [64, 64, 128, 256, 512]
        total = normalised_convolution(shape[2], 64) + linear(512, classes)
        for inputs, outputs in itertools.pairwise(widths):
            total += normalised_convolution(inputs, outputs) + 3 * normalised_convolution(
                outputs, outputs
            )
            has_shortcut = inputs != outputs
            total += normalised_convolution(inputs, outputs, side=1) if has_shortcut else 0
        return total
