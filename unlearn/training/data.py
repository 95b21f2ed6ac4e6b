"""The tensors of a data set, as a job holds them."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch


@dataclass(frozen=True)
class Data:
    """Tensors of a data set, on the device. Images uint8 N x H x W x C, labels int64 N."""

    train_images: torch.Tensor
    train_labels: torch.Tensor
    base_ids: np.ndarray
    """Sorted ids of the training points in base training."""
    classes: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    levels: float = 255
    """The value of a pixel that stands for 1 in `mean` and `std`."""
    fed: np.ndarray | None = None
    """For each training point whether a minibatch had it; None where nobody asks."""
    validation: tuple[torch.Tensor, torch.Tensor] | None = None
    """Images and labels of the validation split, for methods that declare to read it."""

    @cached_property
    def scale(self) -> torch.Tensor:
        """1 / (levels std) by channel, to broadcast over N x C x H x W."""
        scale = [1 / (self.levels * std) for std in self.std]
        return torch.tensor(scale, device=self.train_images.device).view(1, -1, 1, 1)

    @cached_property
    def shift(self) -> torch.Tensor:
        """mean / std by channel, to broadcast over N x C x H x W."""
        shift = [mean / std for mean, std in zip(self.mean, self.std, strict=True)]
        return torch.tensor(shift, device=self.train_images.device).view(1, -1, 1, 1)

    @property
    def validation_images(self) -> torch.Tensor:
        """uint8 images of the validation split; ValueError for methods that do not declare it."""
        return self._validation()[0]

    @property
    def validation_labels(self) -> torch.Tensor:
        """Labels of the validation split; ValueError for methods that do not declare it."""
        return self._validation()[1]

    def _validation(self) -> tuple[torch.Tensor, torch.Tensor]:
        if self.validation is None:
            raise ValueError('reads: "validation" is not among what the method declares to read')
        return self.validation

    @property
    def ids(self) -> np.ndarray:
        """The ids of all training points, those outside base training included."""
        return np.arange(len(self.train_labels))

    @property
    def shape(self) -> tuple[int, int, int]:
        """(H, W, C)."""
        return tuple(self.train_images.shape[1:])

    def images(self, ids: np.ndarray) -> torch.Tensor:
        """The normalised images of training points."""
        index = torch.from_numpy(np.ascontiguousarray(ids, dtype=np.int64))
        index = index.to(self.train_images.device)
        return normalised(self.train_images.index_select(0, index), self)

    def labels(self, ids: np.ndarray) -> torch.Tensor:
        """The labels of training points."""
        index = torch.from_numpy(np.ascontiguousarray(ids, dtype=np.int64))
        return self.train_labels[index.to(self.train_labels.device)]


def normalised(pixels: torch.Tensor, data: Data) -> torch.Tensor:
    """N x H x W x C to float32 N x C x H x W in channels-last memory, normalised."""
    images = pixels.permute(0, 3, 1, 2).to(torch.float32, copy=True)  # features are float32
    return images.mul_(data.scale).sub_(data.shift)
