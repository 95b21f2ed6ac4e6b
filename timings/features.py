"""Test accuracy of logistic regression on CIFAR-10 by what it sees: pixels or fixed features.

All features know no training point (`unlearn/features/`). Descent is that of the full study:
float64 gradients of minibatches of 10,000, 80 epochs, at the rate 1/L, half of the largest that is
stable.
Wavelet scattering (J = 2, second order, averaged over 2 x 2 parts of the image) is among them where
kymatio is installed; the project does not depend on it, for it is no longer maintained.

    python -m timings.features [--data FOLDER] [--points 20000] [--epochs 80]
"""

import importlib
import json
import time
from types import SimpleNamespace

import numpy as np
import torch

from timings._common import dataset_of, job, options
from unlearn.data.features import standardised
from unlearn.jobs.setup import new_task

SETS = (
    ("pixels",),
    ("hog",),
    ("random_conv",),
    ("scattering",),
    ("hog", "random_conv"),
    ("hog", "scattering"),
)


def scattering():
    """A module of features like those of the library; None without kymatio."""
    try:
        frontend = importlib.import_module("kymatio.scattering2d.frontend.torch_frontend")
    except ImportError:
        return None
    transform = frontend.ScatteringTorch2D(J=2, shape=(32, 32))

    def extract(images: np.ndarray) -> np.ndarray:
        parts = []
        for chunk in torch.from_numpy(np.array(images, order="C")).split(250):
            maps = transform((chunk.permute(0, 3, 1, 2).float() / 255).contiguous())
            pooled = torch.nn.functional.adaptive_avg_pool2d(maps.flatten(1, 2), 2)
            parts.append(pooled.flatten(1).numpy())
        return np.concatenate(parts)

    return SimpleNamespace(RESERVE=True, extract=extract)


def accuracy(data, epochs: int) -> dict:
    """What the classifier reaches, and the rate that it was trained with."""
    recipe = {"epochs": epochs, "batch_size": 10_000, "momentum": 0.0, "schedule": "constant"}
    recipe |= {"weight_decay": 1e-5}

    def task_at(rate: float):
        described = job({"kind": "logistic"}, {"kind": "deltagrad"}, recipe | {"lr": rate})
        return new_task(data, described)

    task = task_at(1.0)
    rate = task.trainer.bound(task.trainer.replay(task, 0), data.base) / 2
    task = task_at(rate)  # another: a trainer keeps the schedule of its task
    trainer = task.trainer
    state = trainer.retrain(task, data.base, 0)
    logits = trainer.predict(task, state, task.data.test_images)
    right = (logits.argmax(1) == task.data.test_labels).double().mean()
    return {"test accuracy": round(float(right), 4), "rate": float(f"{rate:.2g}")}


def main() -> None:
    """Measure and print one JSON object."""
    arguments = options(__doc__, points=20_000, epochs=80)
    options_ = {"subset": arguments.points, "held_out": 0.05}
    pixels = dataset_of("cifar10", arguments.data, pixels="symmetric", **options_)
    images = len(pixels.train_labels) + len(pixels.test_labels)
    modules = {"scattering": scattering()}
    modules |= {
        n: importlib.import_module(f"unlearn.data.features.{n}") for n in ("hog", "random_conv")
    }
    result = {}
    for names in SETS:
        if any(modules.get(name, True) is None for name in names):
            continue
        start = time.perf_counter()
        data = (
            pixels if names == ("pixels",) else standardised.of(pixels, [modules[n] for n in names])
        )
        seconds = time.perf_counter() - start
        count = int(np.prod(data.train_images.shape[1:]))
        found = {"features": count, "ms an image": round(1000 * seconds / images, 2)}
        found |= accuracy(data, arguments.epochs)
        result["+".join(names)] = found
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
