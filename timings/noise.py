"""Gradients of the loss to images of CIFAR-10, a second: the search for error-minimising noise.

The plain loop is what a script does: float32, one minibatch of 128 at a time, parameters frozen,
pixels in 0..1, sign, clamp to the ball and to the range. Beside it the project's search, its two
passes through the network alone. All run alternately in one process, one thread; medians are
printed. `--images` are worked on with each architecture (a tenth of them with resnet18), 5 steps.

`--noised` measures something else instead: the CPU seconds of noise that needs no search,
separable, autoregressive and linear, at its defaults, on so many images.

    python -m timings.noise [--data FOLDER] [--images 1000] [--repeats 5]
    python -m timings.noise [--data FOLDER] --noised 50000
"""

import json
import statistics
import time
from collections.abc import Callable

import torch
from torch import nn
from torch.nn import functional

from timings._common import dataset_of, job, options
from unlearn.data.dataset import Dataset
from unlearn.jobs.description import NoiseJob
from unlearn.jobs.perturb import make_noise
from unlearn.jobs.setup import new_task
from unlearn.perturbations import search
from unlearn.training.data import normalised
from unlearn.training.task import Task

STEPS = 5
BATCH_SIZE = 128
BALL = search.Ball(radius=8.0, step=0.8)
"""In steps of the pixels, 0..255."""
MIN_SUBSET = 1000
ARCHITECTURES = {
    "cnn2": {"width": None},
    "resnet9": {"width": 16},
    "resnet18": {},
}
DRAWN_KINDS = ("separable", "autoregressive", "linear")


def search_plainly(model: nn.Module, images: torch.Tensor, labels: torch.Tensor) -> None:
    """The search as a script would write it; `images` in 0..1, N x C x H x W."""
    for x, y in zip(images.split(BATCH_SIZE), labels.split(BATCH_SIZE), strict=True):
        noisy = x.clone()
        for _ in range(STEPS):
            noisy.requires_grad_(True)
            loss = functional.cross_entropy(model(noisy), y)
            loss.backward()
            with torch.no_grad():
                stepped = noisy - BALL.step / 255 * noisy.grad.sign()
                delta = torch.clamp(stepped - x, -BALL.radius / 255, BALL.radius / 255)
                noisy = torch.clamp(x + delta, 0, 1)


def pass_twice(task: Task, model: nn.Module, images: torch.Tensor, labels: torch.Tensor) -> None:
    """Forward and back to the images, and nothing else; `images` as the model sees them."""
    for parameter in model.parameters():
        parameter.requires_grad_(False)
    chunks = (images.split(search.CHUNK_POINTS), labels.split(search.CHUNK_POINTS))
    for x, y in zip(*chunks, strict=True):
        x.requires_grad_(True)
        for _ in range(STEPS):
            with task.machine.autocast(), task.meter.by_hand():
                loss = functional.cross_entropy(model(x).float(), y)
            torch.autograd.grad(loss, x)
    for parameter in model.parameters():
        parameter.requires_grad_(True)


def seconds(call: Callable[[], None]) -> float:
    """The seconds that a call takes."""
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def rates(kind: str, data: Dataset, images: int, repeats: int) -> dict:
    """Image gradients a second with one architecture.

    Args:
        kind: The architecture.
        data: The images.
        images: How many of them are worked on.
        repeats: Rounds.
    """
    recipe = {"epochs": 1, "batch_size": BATCH_SIZE}
    described = job(
        {"kind": kind, **ARCHITECTURES[kind]}, {"kind": "standard"}, recipe, precision="auto"
    )
    task = new_task(data, described)
    model = task.new_model(0).eval()
    scripted = task.architecture.build(task.data.shape, task.data.classes).eval()
    for parameter in scripted.parameters():
        parameter.requires_grad_(False)
    pixels = task.data.train_images[:images]
    labels = task.data.train_labels[:images]
    plain_images = (pixels.permute(0, 3, 1, 2).float() / 255).contiguous()
    model_images = normalised(pixels, task.data).detach()
    noise = torch.zeros(pixels.shape)
    calls = {
        "plain loop": lambda: search_plainly(scripted, plain_images, labels),
        "search": lambda: search.follow(
            task, model, pixels, labels, noise.zero_(), BALL, steps=STEPS
        ),
        "both passes alone": lambda: pass_twice(task, model, model_images, labels),
    }
    rounds = [{n: seconds(c) for n, c in calls.items()} for _ in range(repeats + 1)][1:]
    gradients = {n: images * STEPS / statistics.median(r[n] for r in rounds) for n in calls}
    return {
        "precision": task.machine.precision,
        "image gradients a second": {name: round(rate) for name, rate in gradients.items()},
        "search / plain, single rounds": [round(r["plain loop"] / r["search"], 2) for r in rounds],
        "search / both passes alone": round(
            gradients["search"] / gradients["both passes alone"], 2
        ),
    }


def cpu_seconds(kind: str, data: Dataset) -> dict:
    """The CPU seconds of making noise for a data set, and how large it is."""
    noise = {"kind": kind, "parameters": {}}
    start = time.process_time()
    _, record, _ = make_noise(data, NoiseJob(noise=noise, device="cpu"))
    seconds = time.process_time() - start
    size = {name: round(record[name], 2) for name in ("largest", "mean_l2", "rms")}
    return {"images": len(data.base_ids), "CPU seconds": round(seconds, 1)} | size


def main() -> None:
    """Measure and print one JSON object."""
    arguments = options(__doc__, images=1000, repeats=5, noised=0)
    if arguments.noised:
        data = dataset_of("cifar10", arguments.data, validation=0, subset=arguments.noised)
        print(json.dumps({kind: cpu_seconds(kind, data) for kind in DRAWN_KINDS}, indent=2))
        return
    data = dataset_of("cifar10", arguments.data, subset=max(arguments.images, MIN_SUBSET))
    images = {"resnet18": arguments.images // 10}
    result = {
        kind: rates(kind, data, images.get(kind, arguments.images), arguments.repeats)
        for kind in ARCHITECTURES
    }
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
