"""MNIST (LeCun, Bottou, Bengio, Haffner 1998): grey images of 28 x 28."""

from pathlib import Path

import numpy as np

from unlearn.data.source import DataSource, RawData

SHA256 = {
    "MNIST/raw/train-images-idx3-ubyte": (
        "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db"
    ),
    "MNIST/raw/train-labels-idx1-ubyte": (
        "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5"
    ),
    "MNIST/raw/t10k-images-idx3-ubyte": (
        "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7"
    ),
    "MNIST/raw/t10k-labels-idx1-ubyte": (
        "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2"
    ),
}


class Mnist(DataSource):
    """MNIST, 60,000 grey images of 28 x 28 for training and 10,000 for testing."""

    classes = 10
    shape = (28, 28, 1)
    train_points = 60000
    test_points = 10000
    validation_points = 5000
    mean = (0.1307,)
    std = (0.3081,)
    class_points = (
        (5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949),
        (980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009),
    )

    def load(self, folder: Path) -> RawData:
        """The images of the raw files, and of no other; DataError if they cannot be had.

        torchvision's class would prefer `MNIST/processed`, a pickle without a checksum.
        """
        from torchvision.datasets import mnist

        from unlearn.data.download import complete

        complete(folder, SHA256, lambda directory: mnist.MNIST(directory, download=True), "sha256")
        arrays = []
        for split in ("train", "t10k"):
            path = Path(folder) / "MNIST" / "raw" / split
            images = mnist.read_image_file(f"{path}-images-idx3-ubyte")
            labels = mnist.read_label_file(f"{path}-labels-idx1-ubyte")
            arrays += [images.numpy()[..., None], labels.numpy().astype(np.int64)]
        return RawData(*arrays)
