"""A data set whose training images carry noise."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from unlearn.data.dataset import Dataset
from unlearn.data.source import LEVELS
from unlearn.perturbations import limits
from unlearn.perturbations.pixel_steps import L2_TOLERANCE, l2_norms, largest_step
from unlearn.storage.files import ArtifactError, digest


def with_noise(dataset: Dataset, noise: np.ndarray, record: Mapping) -> Dataset:
    """The data set with noise on a share of its training images.

    Args:
        dataset: The clean data set.
        noise: int8, of the shape of the training images; the sum is the noisy image.
        record: How the noise was made, with the `share` of the points in base training that carry
            it and the `seed` that they are drawn by.

    Raises:
        ArtifactError: The noise is larger than its record says or leaves the range of pixels.
    """
    record = {key: record[key] for key in record if key not in ("dataset", "sha256")}
    noisy = replace(dataset, description=dataset.description | {"noise": record})
    noised_ids = noisy.noised_ids
    images = np.array(dataset.train_images)
    noise_rows = noise[noised_ids]
    _check(noise_rows, images[noised_ids], record)
    images[noised_ids] += noise_rows.view(np.uint8)  # modulo 256 that is addition
    noisy = replace(noisy, train_images=images)
    fingerprint = digest(*noisy.arrays().values())
    return replace(noisy, description=noisy.description | {"sha256": fingerprint})


def _check(noise: np.ndarray, images: np.ndarray, record: Mapping) -> None:
    largest = largest_step(noise)
    is_linf = record["norm"] == "linf"
    limit = limits.whole_steps(record["budget"] * LEVELS) if is_linf else record["largest"]
    if largest > min(limit, limits.MAX_NOISE):
        source = "its epsilon" if is_linf else "its record"
        raise ArtifactError(f"noise of {largest} of {LEVELS}; {source} allows {limit}")
    if not is_linf:
        norm = l2_norms(noise).max(initial=0)
        if norm > L2_TOLERANCE * record["budget"]:
            raise ArtifactError(
                f"noise of L2 norm {norm:.4g}; its budget is {record['budget']:.4g}"
            )
    sums = noise.astype(np.int16) + images
    if sums.min(initial=0) < 0 or sums.max(initial=0) > LEVELS:
        raise ArtifactError(f"noise that takes pixels out of 0..{LEVELS}")
