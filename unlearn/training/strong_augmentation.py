"""Strong augmentation: brightness, contrast and colours change by smooth random fields.

References:
    Qin, Gao, Zhao, Liu, Sun, "Learning the unlearnable: adversarial augmentations suppress
    unlearnable example attacks", 2023 (arXiv 2303.15127). Their worst of five draws and their
    further transformations are left out.
"""

import numpy as np
import torch
from torch.nn import functional

from unlearn.core import seeding

FIELD_WEIGHTS = {2: 1.0, 4: 0.5, 8: 0.25}
"""Side of a grid of random values -> its weight in a field."""

FIELD_VALUES = sum(side**2 for side in FIELD_WEIGHTS)

MIN_INTENSITY = 0.5
"""The least strength of a change of brightness; the largest is 1."""

MIN_CONTRAST = 0.5
"""The least factor of a contrast; the largest is 1.5."""

REORDER_CHANCE = 0.5
"""The chance that channels are reordered; the new order may be the old one."""


def strong(pixels: torch.Tensor, ids: np.ndarray, seed: int, levels: float) -> torch.Tensor:
    """Images of other brightness, then contrast, then order of channels, point by point.

    Of x in [0, 1], fields f and g in [0, 1] and I uniform in [0.5, 1] an image becomes
    y = clip(x + 2 I (f - 1/2)), then clip((y - 1/2)(1/2 + g) + 1/2). All channels share the fields.

    Args:
        pixels: N x H x W x C.
        ids: The points, N.
        seed: Every image is a function of its pixels, its id and the seed alone.
        levels: The value of a pixel that stands for 1.

    Returns:
        float32 of the same shape, from 0 to `levels`.
    """
    _, height, width, channels = pixels.shape
    count = 2 * FIELD_VALUES + 2 + channels
    draws = seeding.point_uniforms(seeding.derive(seed, "strong"), ids, count).astype(np.float32)
    values = torch.from_numpy(draws).to(pixels.device)
    brightness, contrast, intensity, chance, keys = values.split(
        [FIELD_VALUES, FIELD_VALUES, 1, 1, channels], 1
    )
    intensity = MIN_INTENSITY + (1 - MIN_INTENSITY) * intensity[:, :, None, None]
    images = pixels.to(torch.float32) / levels
    images = (images + 2 * intensity * (_field(brightness, height, width) - 0.5)).clamp_(0, 1)
    factor = MIN_CONTRAST + _field(contrast, height, width)
    images = ((images - 0.5) * factor + 0.5).clamp_(0, 1)
    unchanged = torch.arange(channels, device=pixels.device).expand(len(ids), -1)
    order = torch.where(chance < REORDER_CHANCE, keys.argsort(stable=True, dim=1), unchanged)
    return images.gather(3, order[:, None, None, :].expand_as(images)) * levels


def _field(values: torch.Tensor, height: int, width: int) -> torch.Tensor:
    """Smooth fields, N x H x W x 1, each from 0 to 1.

    A field is the weighted sum of bilinear interpolations between the values of its grids.

    Args:
        values: N x FIELD_VALUES, uniform in [0, 1].
        height: Pixels.
        width: Pixels.
    """
    grids = values.split([side**2 for side in FIELD_WEIGHTS], 1)
    field = sum(
        weight
        * functional.interpolate(
            grid.reshape(-1, 1, side, side), (height, width), mode="bilinear", align_corners=True
        )
        for (side, weight), grid in zip(FIELD_WEIGHTS.items(), grids, strict=True)
    )
    low = field.amin((2, 3), keepdim=True)
    high = field.amax((2, 3), keepdim=True)
    tiny = torch.finfo(field.dtype).tiny  # of an image of one pixel
    return ((field - low) / (high - low).clamp(min=tiny)).permute(0, 2, 3, 1)
