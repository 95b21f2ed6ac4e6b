"""Files that users bring: arrays, images, checkpoints. Everything is checked, nothing unpickled."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from unlearn.storage.files import UserFileError


def open_array(path: Path) -> np.ndarray:
    """A memory-mapped .npy file; UserFileError if it cannot be read."""
    try:
        return np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise UserFileError(f"{path}: cannot be read as .npy: {error}") from error


def open_arrays(path: Path) -> Mapping[str, np.ndarray]:
    """The arrays of an .npz file; UserFileError if it cannot be read."""
    try:
        with np.load(path, allow_pickle=False) as file:
            return {name: file[name] for name in file.files}
    except Exception as error:  # a broken archive raises errors of several libraries
        raise UserFileError(f"{path}: cannot be read as .npz: {error}") from error


def open_image(path: Path) -> np.ndarray:
    """An image as uint8 H x W x C, with 1 or 3 channels; UserFileError if it cannot be read."""
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(path) as image:
            if image.mode not in ("L", "RGB", "P", "1"):
                raise UserFileError(
                    f"{path}: mode {image.mode} is not allowed; allowed: grey and colour images "
                    "of 8 bits without transparency"
                )
            pixels = image if image.mode in ("L", "RGB") else image.convert("RGB")
            array = np.asarray(pixels)
    except (OSError, UnidentifiedImageError) as error:
        raise UserFileError(f"{path}: cannot be read as an image: {error}") from error
    return array[..., None] if array.ndim == 2 else array


def read_checkpoint(path: Path) -> dict[str, Any]:
    """The tensors of a model by name: .safetensors, or a `state_dict` saved by torch.

    A state_dict is read with `weights_only`, so nothing pickled is executed. UserFileError for a
    file that is missing or holds something else.
    """
    path = Path(path)
    if not path.is_file():
        raise UserFileError(f"{path}: there is no such checkpoint")
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            return load_file(path)
        import torch

        tensors = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch and safetensors raise errors of several kinds
        raise UserFileError(f"{path}: cannot be read as a checkpoint: {error}") from error
    if not isinstance(tensors, Mapping) or not all(map(torch.is_tensor, tensors.values())):
        raise UserFileError(f"{path}: holds no state_dict, a mapping of names to tensors")
    return dict(tensors)
