"""Test accuracy of logistic regression on CIFAR-10 by what it sees: pixels or fixed features.

All features know no training point (`unlearn/data/features/`). Descent is that of the full study:
float64 gradients of minibatches of 10,000, 80 epochs, at the rate 1/L, half of the largest that is
stable.
Wavelet scattering (J = 2, second order, averaged over 2 x 2 parts of the image) is among them where
kymatio is installed. The project does not depend on kymatio, which is no longer maintained.

    python -m timings.features [--data FOLDER] [--points 20000] [--epochs 80]
"""

import importlib
import json
import time
from collections.abc import Callable

import numpy as np
import torch

from timings._common import dataset_of, job, options
from unlearn.algorithms.deltagrad import replay, training
from unlearn.core import registry
from unlearn.data.dataset import Dataset
from unlearn.data.features.base import Features
from unlearn.data.features.standardised import with_features
from unlearn.jobs.setup import new_task
from unlearn.training.task import Task

BATCH_SIZE = 10_000
SETS = (
    ("pixels",),
    ("hog",),
    ("random_conv",),
    ("scattering",),
    ("hog", "random_conv"),
    ("hog", "scattering"),
)
PIXELS = SETS[0]
CHUNK_IMAGES = 250
"""Images that scattering transforms at a time."""


class Scattering(Features):
    """Wavelet scattering by kymatio."""

    def extract(self, images: np.ndarray) -> np.ndarray:
        """Coefficients, averaged over 2 x 2 parts of the image."""
        transform = scattering_transform()(J=2, shape=images.shape[1:3])
        parts = []
        for chunk in torch.from_numpy(np.array(images, order="C")).split(CHUNK_IMAGES):
            maps = transform((chunk.permute(0, 3, 1, 2).float() / 255).contiguous())
            pooled = torch.nn.functional.adaptive_avg_pool2d(maps.flatten(1, 2), 2)
            parts.append(pooled.flatten(1).numpy())
        return np.concatenate(parts)


def scattering_transform() -> Callable | None:
    """kymatio's transform; None where it is not installed."""
    try:
        frontend = importlib.import_module("kymatio.scattering2d.frontend.torch_frontend")
    except ImportError:
        return None
    return frontend.ScatteringTorch2D


def features(name: str) -> Features:
    """The features of this name."""
    return Scattering() if name == "scattering" else registry.find("features", name)()


def accuracy(data: Dataset, epochs: int) -> dict:
    """The test accuracy of the classifier, and the rate that it is trained with."""
    recipe = {"epochs": epochs, "batch_size": BATCH_SIZE, "momentum": 0.0, "schedule": "constant"}
    recipe |= {"weight_decay": 1e-5}

    def task_at(rate: float) -> Task:
        described = job({"kind": "logistic"}, {"kind": "deltagrad"}, recipe | {"lr": rate})
        return new_task(data, described)

    task = task_at(1.0)
    rate = training.stable_rate(replay.replay_of(task, 0), data.base_ids) / 2
    task = task_at(rate)
    state = task.trainer.retrain(task, data.base_ids, 0)
    test_images = torch.from_numpy(data.test_images)
    logits = task.trainer.predict(task, state, test_images)
    correct = logits.argmax(1).numpy() == data.test_labels
    return {"test accuracy": round(float(correct.mean()), 4), "rate": float(f"{rate:.2g}")}


def main() -> None:
    """Measure and print one JSON object."""
    arguments = options(__doc__, points=20_000, epochs=80)
    selection = {"subset": arguments.points, "held_out": 0.05, "pixels": "symmetric"}
    pixels = dataset_of("cifar10", arguments.data, **selection)
    images = sum(map(len, (pixels.train_labels, pixels.validation_labels, pixels.test_labels)))
    result = {}
    for names in SETS:
        if "scattering" in names and scattering_transform() is None:
            continue
        start = time.perf_counter()
        data = pixels if names == PIXELS else with_features(pixels, [*map(features, names)])
        milliseconds = 1000 * (time.perf_counter() - start) / images
        count = int(np.prod(data.train_images.shape[1:]))
        row = {"features": count, "ms an image": round(milliseconds, 2)}
        result["+".join(names)] = row | accuracy(data, arguments.epochs)
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
