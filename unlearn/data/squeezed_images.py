"""A data set whose training images are squeezed, so that less of their noise is left."""

from dataclasses import replace

from unlearn.data.dataset import Dataset
from unlearn.data.squeezes.base import Squeeze
from unlearn.storage.files import digest


def with_squeezed_images(dataset: Dataset, kind: str, squeeze: Squeeze) -> Dataset:
    """The data set with all training images squeezed, those held out included.

    Validation and test images stay. The description keeps the squeeze, and the versions of the
    libraries that it depends on.

    Args:
        dataset: Images, which may carry noise.
        kind: The registered name of the squeeze.
        squeeze: The squeeze.

    Raises:
        ValueError: Images of a number of channels that it cannot change.
    """
    squeeze.check(dataset.train_images.shape[1:])
    squeezed = replace(dataset, train_images=squeeze.images(dataset.train_images))
    record = {"kind": kind, "parameters": squeeze.values(), "versions": squeeze.versions()}
    fingerprint = digest(*squeezed.arrays().values())
    return replace(
        squeezed, description=dataset.description | {"squeeze": record, "sha256": fingerprint}
    )
