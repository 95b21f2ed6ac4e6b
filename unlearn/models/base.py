"""The contract of architectures."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from unlearn.core.parameters import Parameters

if TYPE_CHECKING:
    import torch
    from torch import nn


class Architecture(Parameters):
    """Builds networks from images N x C x H x W, normalised, to logits N x classes.

    One file each, importable without torch.
    """

    flat: ClassVar[bool] = False
    """Whether it takes features as well: it does not ask where in an image a number comes from.
    Others profit from channels-last memory, and from bfloat16 on a CPU that multiplies it."""

    has_batch_normalisation: ClassVar[bool | None] = None
    """Whether its networks have batch normalisation; None where only a built network can tell."""

    is_convex: ClassVar[bool | None] = False
    """Whether the loss is convex in the weights; None where only a built network can tell."""

    size_name: ClassVar[str | None] = None
    """The parameter that says how large the network is, where there is one."""

    def build(self, shape: tuple[int, int, int], classes: int) -> "nn.Module":
        """A network with torch's initial weights for images (H, W, C)."""
        raise NotImplementedError

    @property
    def layer_count(self) -> int | None:
        """The linear and convolutional layers that are trained; None where that is unknown."""
        return None

    @property
    def prepared_points(self) -> int:
        """Training images, at most, that `prepare` takes; 0 where networks need no preparation."""
        return 0

    def prepare(self, network: "nn.Module", images: "torch.Tensor") -> None:
        """Set what a fresh network of `build` takes from training images and never trains.

        What is set are buffers: part of a state, and left alone by optimisers. The images are
        normalised, N x C x H x W, and come from the points that the network will be trained on, so
        nothing of a point survives retraining without it.
        """

    def weight_count(self, shape: tuple[int, int, int], classes: int) -> int | None:
        """The trainable weights of the network, without building it; None where that is unknown.

        A study is refused if models of so many weights would not fit into a machine.
        """
        return None

    @classmethod
    def of_size(cls, size: int | None) -> "Architecture":
        """The architecture with this size; None takes the default.

        Raises ValueError for a size where there is none.
        """
        if size is None:
            return cls()
        if cls.size_name is None:
            raise ValueError(f"size: {size} is not allowed; {cls.__name__} has none; allowed: null")
        parameters: Mapping[str, int] = {cls.size_name: size}
        return cls(**parameters)
