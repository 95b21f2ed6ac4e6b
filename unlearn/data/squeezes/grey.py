"""Grey images: noise that lives in colours is lost."""

from unlearn.data.squeezes.base import Squeeze

RED = 19595
GREEN = 38470
BLUE = 7471
"""The shares of a colour in brightness, of 2^16 (ITU-R BT.601)."""

SHIFT = 16
HALF = 1 << (SHIFT - 1)


class Grey(Squeeze):
    """The brightness of every pixel in all three channels, as Pillow converts to mode L."""

    channels = (3,)

    def images(self, images):
        """uint8 N x H x W x 3 to the same; (19595 R + 38470 G + 7471 B + 2^15) / 2^16, cut off."""
        import numpy as np

        red, green, blue = (images[..., channel].astype(np.uint32) for channel in range(3))
        brightness = (RED * red + GREEN * green + BLUE * blue + HALF) >> SHIFT
        return np.repeat(brightness.astype(np.uint8)[..., None], 3, axis=-1)
