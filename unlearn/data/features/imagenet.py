"""The features of a ResNet-18 (He et al. 2016) that was trained on ImageNet, by torchvision.

Its weights (45 MB) are downloaded when they are first asked for. They are checked against their
published hash and read without executing anything that is pickled in them.
"""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from unlearn.data.features.base import Features, FeaturesError
from unlearn.storage.records import file_digest

if TYPE_CHECKING:
    from torch import nn

FEATURES = 512
SIDE_PIXELS = 64
"""The longer side that images are enlarged to."""
CHUNK_IMAGES = 100
"""Images that are passed through the network at a time."""
MEAN = (0.485, 0.456, 0.406)
"""Of the pixels of ImageNet, by channel."""
STD = (0.229, 0.224, 0.225)


class Imagenet(Features):
    """The output of a ResNet-18 that was trained on ImageNet."""

    def size(self, shape: tuple[int, int, int]) -> int:
        """The channels of the last residual block."""
        return FEATURES

    def extract(self, images: np.ndarray) -> np.ndarray:
        """uint8 N x H x W x C to float32 N x F. FeaturesError without the weights."""
        import torch
        from torch.nn import functional

        network = _network()
        mean = torch.tensor(MEAN).view(1, 3, 1, 1)
        std = torch.tensor(STD).view(1, 3, 1, 1)
        features = np.empty((len(images), FEATURES), dtype=np.float32)
        with torch.inference_mode():
            for start in range(0, len(images), CHUNK_IMAGES):
                pixels = torch.from_numpy(
                    np.array(images[start : start + CHUNK_IMAGES], order="C")
                ).permute(0, 3, 1, 2)
                pixels = (pixels.to(torch.float32) / 255).expand(-1, 3, -1, -1)
                scale = SIDE_PIXELS / max(pixels.shape[2:])
                pixels = functional.interpolate(pixels, scale_factor=scale, mode="bilinear")
                features[start : start + CHUNK_IMAGES] = network((pixels - mean) / std).numpy()
        return features


def _network() -> "nn.Module":
    """The network without its last layer. FeaturesError where its weights cannot be had."""
    import torch
    from torchvision.models import ResNet18_Weights, resnet18

    weights = ResNet18_Weights.IMAGENET1K_V1
    file = Path(torch.hub.get_dir()) / "checkpoints" / Path(weights.url).name
    published_hash = file.stem.rpartition("-")[2]
    if file.exists():
        digest = file_digest(file)
        if not digest.startswith(published_hash):
            raise FeaturesError(
                f"{file}: SHA-256 {digest[:8]}, published {published_hash}; delete it"
            )
    network = resnet18()
    try:
        state = weights.get_state_dict(progress=False, check_hash=True, weights_only=True)
    except OSError as error:
        raise FeaturesError(f"{weights.url} cannot be downloaded: {error}") from error
    network.load_state_dict(state)
    network.fc = torch.nn.Identity()
    return network.eval()
