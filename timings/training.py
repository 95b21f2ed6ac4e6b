"""Training throughput of cnn2 on MNIST against a plain float32 DataLoader loop.

The same work on both sides: as many epochs over the same images, the same architecture, minibatch
size and optimiser, one thread. The plain loop is what a tutorial writes, on tensors that were
normalised beforehand (a torchvision transform for each image would be slower still). Both run
alternately in one process; medians and their ratio are printed.

    python -m timings.training [--data FOLDER] [--batch 512] [--repeats 5] [--points 12800]
"""

import json
import statistics
import time
from dataclasses import replace

import numpy as np
import torch
from torch import nn
from torch.nn import functional
from torch.utils.data import DataLoader, TensorDataset

from timings._common import job, mnist, options
from unlearn.jobs.setup import new_task
from unlearn.training.data import normalised
from unlearn.training.loop import fit
from unlearn.training.task import Task


def plain_network() -> nn.Module:
    """The layers of cnn2 in the order in which they are usually written."""
    return nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(16, 32, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(1568, 128),
        nn.ReLU(),
        nn.Linear(128, 10),
    )


def plain_rate(images: torch.Tensor, labels: torch.Tensor, batch_size: int) -> float:
    """Images a second of one epoch of the plain loop."""
    model = plain_network()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9, weight_decay=5e-4)
    loader = DataLoader(TensorDataset(images, labels), batch_size=batch_size, shuffle=True)
    start = time.perf_counter()
    for x, y in loader:
        optimizer.zero_grad()
        loss = functional.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
    return len(images) / (time.perf_counter() - start)


def project_rate(task: Task) -> float:
    """Images a second of one epoch of the project's loop."""
    model = task.new_model(0)
    start = time.perf_counter()
    ids = np.arange(len(task.data.train_labels))
    fit(task, model, ids, task.recipe, 0, among=ids)
    return len(ids) / (time.perf_counter() - start)


def main() -> None:
    """Measure and print one JSON object."""
    arguments = options(__doc__, batch=512, repeats=5, points=12_800)
    data = mnist(arguments.data, subset=arguments.points)
    recipe = {"epochs": 1, "batch_size": arguments.batch}
    training = job({"kind": "cnn2"}, {"kind": "standard"}, recipe)
    tasks = {
        precision: new_task(data, replace(training, precision=precision))
        for precision in ("auto", "float32")
    }
    images = normalised(tasks["auto"].data.train_images, tasks["auto"].data).contiguous()
    labels = tasks["auto"].data.train_labels
    rates: dict[str, list[float]] = {"plain": [], **{name: [] for name in tasks}}
    for repeat in range(arguments.repeats + 1):  # the first is a warm-up
        round_rates = {"plain": plain_rate(images, labels, arguments.batch)}
        round_rates |= {name: project_rate(task) for name, task in tasks.items()}
        if repeat:
            for name, rate in round_rates.items():
                rates[name].append(rate)
    medians = {name: statistics.median(values) for name, values in rates.items()}
    pairs = zip(rates["auto"], rates["plain"], strict=True)
    result = {
        "batch": arguments.batch,
        "precision of auto": tasks["auto"].machine.precision,
        "images a second": {name: round(median) for name, median in medians.items()},
        "ratio to plain": {n: round(m / medians["plain"], 2) for n, m in medians.items()},
        "ratios of the single rounds": [round(auto / plain, 2) for auto, plain in pairs],
    }
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
