"""Images of a smaller depth: noise below the last bit that stays is lost."""

from unlearn.core.parameters import parameter
from unlearn.data.squeezes.base import Squeeze

PIXEL_BITS = 8


class Bits(Squeeze):
    """The highest bits of every pixel; the others become 0."""

    depth: int = parameter(2, minimum=1, maximum=PIXEL_BITS - 1, help="The bits that stay.")

    def images(self, images):
        """uint8 N x H x W x C to the same."""
        import numpy as np

        shift = PIXEL_BITS - self.depth
        return np.asarray(images) >> shift << shift
