"""Gradients of the loss to images of CIFAR-10, a second: the search for error-minimising noise.

The plain loop is what a script does: float32, one minibatch of 128 at a time, parameters frozen,
pixels in 0..1, sign, clamp to the ball and to the range. Beside it the project's search, its two
passes through the network alone. All run alternately in one process, one thread; medians are
printed. `--images` are worked on with each architecture (a tenth of them with resnet18), 5 steps.

    python -m timings.noise [--data FOLDER] [--images 1000] [--repeats 5]
"""

import json
import statistics
import time
from collections.abc import Callable

import torch
from torch import nn
from torch.nn import functional

from timings._common import dataset_of, job, options
from unlearn.jobs.setup import new_task
from unlearn.models import networks
from unlearn.perturbations import search
from unlearn.training.loop import normalised

STEPS, BATCH = 5, 128
RADIUS, STEP = 8, 0.8  # of 255
NETWORKS = {
    "cnn2": {"width": None},
    "resnet9": {"width": 16},
    "resnet18": {},
}


def plain(model: nn.Module, images: torch.Tensor, labels: torch.Tensor) -> None:
    """The search as a script would write it; `images` in 0..1, N x C x H x W."""
    for x, y in zip(images.split(BATCH), labels.split(BATCH), strict=True):
        noisy = x.clone()
        for _ in range(STEPS):
            noisy.requires_grad_(True)
            loss = functional.cross_entropy(model(noisy), y)
            loss.backward()
            with torch.no_grad():
                moved = noisy - STEP / 255 * noisy.grad.sign()
                delta = torch.clamp(moved - x, -RADIUS / 255, RADIUS / 255)
                noisy = torch.clamp(x + delta, 0, 1)


def passes(task, model: nn.Module, images: torch.Tensor, labels: torch.Tensor) -> None:
    """Forward and back to the images, and nothing else; `images` as the model sees them."""
    for parameter in model.parameters():
        parameter.requires_grad_(False)
    for x, y in zip(images.split(search.CHUNK), labels.split(search.CHUNK), strict=True):
        x.requires_grad_(True)
        for _ in range(STEPS):
            with task.machine.autocast():
                loss = functional.cross_entropy(model(x).float(), y)
            torch.autograd.grad(loss, x)
    for parameter in model.parameters():
        parameter.requires_grad_(True)


def seconds(call: Callable[[], None]) -> float:
    """That a call takes."""
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def measured(kind: str, data, images: int, repeats: int) -> dict:
    """Image gradients a second with one architecture."""
    recipe = {"epochs": 1, "batch_size": BATCH}
    description = job({"kind": kind, **NETWORKS[kind]}, {"kind": "standard"}, recipe, "auto")
    task = new_task(data, description)
    model = task.new_model(0).eval()
    scripted = networks.seeded(kind, task.data.shape, 10, NETWORKS[kind], 0).eval()
    for parameter in scripted.parameters():
        parameter.requires_grad_(False)
    pixels, labels = task.data.train_images[:images], task.data.train_labels[:images]
    raw = (pixels.permute(0, 3, 1, 2).float() / 255).contiguous()
    seen = normalised(pixels, task.data)
    own = torch.zeros(pixels.shape)
    how = {"radius": RADIUS, "step": STEP, "steps": STEPS}

    def search() -> None:
        search.follow(task, model, pixels, labels, own.zero_(), **how)

    calls = {
        "plain loop": lambda: plain(scripted, raw, labels),
        "search": search,
        "both passes alone": lambda: passes(task, model, seen.detach(), labels),
    }
    rounds = [{n: seconds(c) for n, c in calls.items()} for _ in range(repeats + 1)][1:]
    rates = {n: images * STEPS / statistics.median(r[n] for r in rounds) for n in calls}
    return {
        "precision": task.machine.precision,
        "image gradients a second": {name: round(rate) for name, rate in rates.items()},
        "search / plain, single rounds": [round(r["plain loop"] / r["search"], 2) for r in rounds],
        "search / both passes alone": round(rates["search"] / rates["both passes alone"], 2),
    }


def main() -> None:
    """Measure and print one JSON object."""
    arguments = options(__doc__, images=1000, repeats=5)
    data = dataset_of("cifar10", arguments.data, subset=max(arguments.images, 1000))
    fewer = {"resnet18": arguments.images // 10}
    result = {
        kind: measured(kind, data, fewer.get(kind, arguments.images), arguments.repeats)
        for kind in NETWORKS
    }
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
