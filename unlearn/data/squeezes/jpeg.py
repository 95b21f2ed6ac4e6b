"""JPEG: noise of high frequency, and fine noise of colours, is lost."""

from unlearn.core.parameters import parameter
from unlearn.data.squeezes.base import Squeeze


class Jpeg(Squeeze):
    """Every image compressed by Pillow as JPEG and read again; colours at half the resolution."""

    quality: int = parameter(
        10, minimum=1, maximum=95, help="That of Pillow; a lower one keeps less."
    )

    def images(self, images):
        """uint8 N x H x W x C to the same; images of one channel are compressed as grey ones."""
        import io

        import numpy as np
        from PIL import Image
        from PIL.JpegImagePlugin import JpegImageFile

        squeezed = np.empty(images.shape, dtype=np.uint8)
        for row, image in zip(squeezed, images, strict=True):
            buffer = io.BytesIO()
            pixels = image[..., 0] if image.shape[-1] == 1 else image
            Image.fromarray(np.ascontiguousarray(pixels)).save(
                buffer, format="JPEG", quality=self.quality, subsampling="4:2:0"
            )
            buffer.seek(0)
            row[:] = np.asarray(JpegImageFile(buffer)).reshape(image.shape)
        return squeezed

    def versions(self):
        """Those of Pillow and of the library that compresses for it."""
        import PIL
        from PIL import features

        library = "libjpeg_turbo" if features.check("libjpeg_turbo") else "jpg"
        return {"pillow": PIL.__version__, library: features.version(library)}
