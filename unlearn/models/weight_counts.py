"""The trainable weights of layers, without building them."""

SIDE = 3
"""The side of the kernel of most convolutions."""


def linear(inputs: int, outputs: int) -> int:
    """A linear layer with a bias."""
    return (inputs + 1) * outputs


def convolution(inputs: int, outputs: int) -> int:
    """A 3 x 3 convolution with a bias."""
    return (inputs * SIDE**2 + 1) * outputs


def normalised_convolution(inputs: int, outputs: int, side: int = SIDE) -> int:
    """A convolution without a bias, and the scale and shift of its batch normalisation."""
    return (inputs * side**2 + 2) * outputs
