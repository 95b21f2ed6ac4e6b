"""ResNet-18 for small images."""

from unlearn.models.base import Architecture


class Resnet18(Architecture):
    """ResNet-18 with the CIFAR stem (3 x 3, no pooling), torchvision's blocks."""

    def build(self, shape, classes):
        """torchvision's network with another first convolution."""
        from torch import nn
        from torchvision.models import resnet18

        network = resnet18(num_classes=classes)
        network.conv1 = nn.Conv2d(shape[2], 64, 3, padding=1, bias=False)
        network.maxpool = nn.Identity()
        return network
