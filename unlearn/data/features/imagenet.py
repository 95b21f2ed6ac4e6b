"""What a ResNet-18 (He et al. 2016) sees that was trained on ImageNet, by torchvision.

Its weights (45 MB) are downloaded when they are first asked for. They are checked against their
published hash and read without executing anything that is pickled in them.
"""

import hashlib
from pathlib import Path

import numpy as np

from unlearn.data.features.base import Features, FeaturesError

FEATURES = 512
PIXELS = 64  # the longer side that images are enlarged to
CHUNK = 100
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet


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
        mean, std = (torch.tensor(v).view(1, 3, 1, 1) for v in (MEAN, STD))
        found = np.empty((len(images), FEATURES), dtype=np.float32)
        with torch.inference_mode():
            for start in range(0, len(images), CHUNK):
                pixels = torch.from_numpy(
                    np.array(images[start : start + CHUNK], order="C")
                ).permute(0, 3, 1, 2)
                pixels = (pixels.to(torch.float32) / 255).expand(-1, 3, -1, -1)
                scale = PIXELS / max(pixels.shape[2:])
                pixels = functional.interpolate(pixels, scale_factor=scale, mode="bilinear")
                found[start : start + CHUNK] = network((pixels - mean) / std).numpy()
        return found


def _network():
    import torch
    from torchvision.models import ResNet18_Weights, resnet18

    weights = ResNet18_Weights.IMAGENET1K_V1
    file = Path(torch.hub.get_dir()) / "checkpoints" / Path(weights.url).name
    published = file.stem.rpartition("-")[2]
    if file.exists():
        found = hashlib.sha256(file.read_bytes()).hexdigest()
        if not found.startswith(published):
            raise FeaturesError(f"{file}: SHA-256 {found[:8]}, published {published}; delete it")
    network = resnet18()
    try:
        state = weights.get_state_dict(progress=False, check_hash=True, weights_only=True)
    except OSError as error:
        raise FeaturesError(f"{weights.url} cannot be downloaded: {error}") from error
    network.load_state_dict(state)
    network.fc = torch.nn.Identity()
    return network.eval()
