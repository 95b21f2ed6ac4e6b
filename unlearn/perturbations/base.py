"""The contract of perturbations: noise on the training images of a data set."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from unlearn.core import registry
from unlearn.core.parameters import Parameters, parameter

if TYPE_CHECKING:
    import numpy as np

    from unlearn.models.base import Architecture
    from unlearn.training.task import Task


class Perturbation(Parameters):
    """Makes noise for training images. One file each, importable without torch."""

    def source(self) -> Architecture:
        """The architecture that the noise is made with; ValueError if there is none."""
        return registry.find("models", "logistic")()

    def make(self, task: Task, ids: np.ndarray) -> tuple[np.ndarray, dict[str, Any]]:
        """Noise for the points `ids`, and a record of how it was made.

        Returns:
            int8, ids x H x W x C, in whole steps of the pixels; and `converged`, `error`, `rounds`.

        Raises:
            ValueError: The search cannot be made.
        """
        raise NotImplementedError


def model_parameter() -> str:
    """The field `model` of noise that is made with one."""
    return parameter("cnn2", help="The architecture of the source model.")


def size_parameter() -> int | None:
    """The field `size`."""
    text = "The width or hidden units of the source model; null takes its default."
    return parameter(None, minimum=1, help=text)


def source_architecture(kind: str, size: int | None) -> Architecture:
    """The architecture of a source model; ValueError if there is none of the name or size."""
    if kind not in registry.names("models"):
        allowed = ", ".join(registry.names("models"))
        raise ValueError(f"model: {kind} is unknown; allowed: {allowed}")
    return registry.find("models", kind).of_size(size)
