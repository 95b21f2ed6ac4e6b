"""The contract of squeezes: images with less in them than before, so that noise is lost."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from unlearn.core.parameters import Parameters

if TYPE_CHECKING:
    import numpy as np


class Squeeze(Parameters):
    """A function of one image, without randomness. One file each, importable without numpy.

    References:
        Liu, Zhao, Larson, "Image shortcut squeezing: countering perturbative availability poisons
        with compression", ICML 2023.
    """

    channels: ClassVar[tuple[int, ...]] = (1, 3)
    """The numbers of channels of images that it changes."""

    def check(self, shape: tuple[int, int, int]) -> None:
        """ValueError for images H x W x C that it cannot change."""
        if shape[2] not in self.channels:
            allowed = " or ".join(map(str, self.channels))
            raise ValueError(f"images of {shape[2]} channels; allowed: {allowed}")

    def images(self, images: np.ndarray) -> np.ndarray:
        """uint8 N x H x W x C to the same shape and type, image by image."""
        raise NotImplementedError

    def versions(self) -> dict[str, str]:
        """The versions of the libraries on which the bits of the images depend, by name."""
        return {}
