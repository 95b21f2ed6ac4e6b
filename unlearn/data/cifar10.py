"""CIFAR-10 (Krizhevsky 2009): colour images of 32 x 32."""

from pathlib import Path

import numpy as np

from unlearn.data.source import DataSource, RawData

# The batches are pickles: they are read only after these checksums of the authors agree.
MD5 = {
    "cifar-10-batches-py/batches.meta": "5ff9c542aee3614f3951f8cda6e48888",
    "cifar-10-batches-py/data_batch_1": "c99cafc152244af753f735de768cd75f",
    "cifar-10-batches-py/data_batch_2": "d4bba439e000b95fd0a9bffe97cbabec",
    "cifar-10-batches-py/data_batch_3": "54ebc095f3ab1f0389bbae665268c751",
    "cifar-10-batches-py/data_batch_4": "634d18415352ddfa80567beed471001a",
    "cifar-10-batches-py/data_batch_5": "482c414d41f54cd18b22e5b47cb7c3cb",
    "cifar-10-batches-py/test_batch": "40351d587109b95175f43aff81a1287e",
}


class Cifar10(DataSource):
    """CIFAR-10, 50,000 colour images of 32 x 32 for training and 10,000 for testing."""

    classes = 10
    shape = (32, 32, 3)
    train_points = 50000
    test_points = 10000
    validation_points = 5000
    mean = (0.4914, 0.4822, 0.4465)
    std = (0.2470, 0.2435, 0.2616)
    class_points = ((5000,) * 10, (1000,) * 10)

    def load(self, folder: Path) -> RawData:
        """The images of the raw files; DataError if they cannot be had."""
        from torchvision.datasets import CIFAR10

        from unlearn.data.download import complete

        complete(folder, MD5, lambda directory: CIFAR10(directory, download=True), "md5")
        arrays = []
        for train in (True, False):
            split = CIFAR10(folder, train=train)
            arrays += [split.data, np.asarray(split.targets, dtype=np.int64)]
        return RawData(*arrays)
