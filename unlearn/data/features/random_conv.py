"""Averages of fixed random convolutions, rectified on both sides (after Coates, Ng, Lee 2011)."""

import numpy as np

from unlearn.data.features.base import Features

FILTERS = 256
WIDTH = 6
"""Pixels of a side of a filter."""
STRIDE = 2
"""Pixels between two places of a filter."""
POOLS = 2
"""Parts of a side of the image that responses are averaged over."""
THRESHOLD = 1.0
"""Subtracted from the size of a response, relative to its mean in the image."""
CHUNK_IMAGES = 250
"""Images that are convolved at a time."""


class RandomConv(Features):
    """Averages of fixed random convolutions, rectified on both sides."""

    def size(self, shape: tuple[int, int, int]) -> int:
        """Both signs of every filter in POOLS x POOLS parts of the image."""
        return 2 * FILTERS * POOLS**2

    def extract(self, images: np.ndarray) -> np.ndarray:
        """uint8 N x H x W x C to float32 N x F.

        Filters are white noise smoothed a little, without a mean and of length one. Responses are
        divided by their mean size in the image, so that contrast does not matter.
        """
        import torch
        from torch.nn import functional

        generator = torch.Generator().manual_seed(0)
        filters = torch.randn(FILTERS, images.shape[3], WIDTH, WIDTH, generator=generator)
        filters = functional.avg_pool2d(filters, 3, 1, 1)
        filters -= filters.mean((2, 3), keepdim=True)
        filters /= filters.flatten(1).norm(dim=1)[:, None, None, None]
        features = np.empty((len(images), self.size(images.shape[1:])), dtype=np.float32)
        for start in range(0, len(images), CHUNK_IMAGES):
            pixels = torch.from_numpy(np.array(images[start : start + CHUNK_IMAGES], order="C"))
            pixels = pixels.permute(0, 3, 1, 2).to(torch.float32) / 255
            responses = functional.conv2d(pixels, filters, stride=STRIDE)
            responses /= responses.abs().mean((1, 2, 3), keepdim=True) + 1e-3
            rectified = torch.cat(
                [(responses - THRESHOLD).relu(), (-responses - THRESHOLD).relu()], 1
            )
            averages = functional.adaptive_avg_pool2d(rectified, POOLS)
            features[start : start + CHUNK_IMAGES] = averages.flatten(1).numpy()
        return features
