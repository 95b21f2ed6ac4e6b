"""The contract of perturbations: noise on the training images of a data set."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from unlearn.core import registry
from unlearn.core.parameters import Parameters, parameter
from unlearn.perturbations.limits import NoiseBound

if TYPE_CHECKING:
    import numpy as np

    from unlearn.models.base import Architecture
    from unlearn.training.task import Task


class Perturbation(Parameters):
    """Makes noise for training images. One file each, importable without torch."""

    @property
    def architecture_name(self) -> str:
        """The registered name of the architecture that the noise is made with."""
        return getattr(self, "model", "logistic")

    def architecture(self) -> Architecture:
        """The architecture that the noise is made with.

        Raises ValueError if there is none of this name or size.
        """
        if self.architecture_name not in registry.names("models"):
            names = ", ".join(registry.names("models"))
            raise ValueError(f"model: {self.architecture_name} is unknown; allowed: {names}")
        size = getattr(self, "size", None)
        return registry.find("models", self.architecture_name).of_size(size)

    def modules(self) -> tuple[str, ...]:
        """The module of the source model."""
        return (registry.module("models", self.architecture_name),)

    def check(self, shape: tuple[int, int, int], classes: int) -> None:
        """Raise ValueError for images (H, W, C) or classes that this noise cannot be made for."""

    def bound(self, shape: tuple[int, int, int]) -> NoiseBound:
        """The largest noise on images of a shape H, W, C."""
        return NoiseBound("linf", self.epsilon)

    def make(self, task: Task, ids: np.ndarray) -> tuple[np.ndarray, dict[str, Any]]:
        """Noise for the points `ids`, and a record of how it was made.

        Returns:
            int8, ids x H x W x C, in whole steps of the pixels; and `converged`, `error`, `rounds`.

        Raises:
            ValueError: The search for noise fails; the message tells why.
        """
        raise NotImplementedError


def model_parameter() -> str:
    """The field `model` of noise that is made with one."""
    return parameter("cnn2", help="The architecture of the source model.")


def size_parameter() -> int | None:
    """The field `size`."""
    text = "The width or hidden units of the source model; null takes its default."
    return parameter(None, minimum=1, help=text)
