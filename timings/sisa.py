"""One deletion served by SISA, against a plain loop of the same work and against retraining.

The work: MNIST, a perceptron 784-128-10, minibatches of 16, 20 epochs, plain SGD at rate 0.001.
With 5 shards a deletion trains 12,000 points again, 15,000 steps. The plain loop is what a script
does: a module, autograd, `torch.optim.SGD`, on arrays that were normalised beforehand. Both run
alternately in one process, one thread; medians are printed. Beside them the matrix products of a
step alone, which bound both, and the ratio of one deletion to retraining all shards, for 20 shards.
Reading and writing of checkpoints are part of our seconds.

    python -m timings.sisa [--data FOLDER] [--repeats 5] [--epochs 20]
"""

import json
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from torch import nn

from timings._common import job, mnist, options
from unlearn.data import dataset
from unlearn.jobs.setup import new_task
from unlearn.jobs.train import train_fleet
from unlearn.jobs.unlearn import unlearn_fleet
from unlearn.partitions import sharding
from unlearn.requests.request import NOBODY, Request
from unlearn.storage.fleet import Fleet, write_fleet
from unlearn.training.loop import normalised

BATCH = 16


def plain(images: np.ndarray, labels: np.ndarray, epochs: int) -> float:
    """Seconds of the plain loop."""
    model = nn.Sequential(nn.Linear(784, 128), nn.ReLU(), nn.Linear(128, 10))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.001)
    loss_of = nn.CrossEntropyLoss()
    start = time.perf_counter()
    for _ in range(epochs):
        for i in range(0, len(images), BATCH):
            x = torch.from_numpy(images[i : i + BATCH])
            y = torch.from_numpy(labels[i : i + BATCH])
            optimizer.zero_grad()
            loss_of(model(x), y).backward()
            optimizer.step()
    return time.perf_counter() - start


def products(steps: int) -> float:
    """Seconds of the matrix products of so many steps, in their fastest layout, and no more."""
    x, weight = torch.randn(BATCH, 784), torch.randn(784, 128)
    hidden, last, error = torch.randn(BATCH, 128), torch.randn(128, 10), torch.randn(BATCH, 10)
    back, rows, columns = torch.randn(BATCH, 128), torch.zeros(784, 128), torch.zeros(128, 10)
    start = time.perf_counter()
    for _ in range(steps):
        torch.mm(x, weight)
        torch.mm(hidden, last)
        torch.mm(error, last.t())
        torch.mm(x.t(), back, out=rows)
        torch.mm(hidden.t(), error, out=columns)
    return time.perf_counter() - start


class Service:
    """SISA models on disk, and the requests made of them."""

    def __init__(self, data: dataset.Dataset, shards: int, epochs: int, folder: Path):
        recipe = {"epochs": epochs, "batch_size": BATCH, "lr": 0.001, "schedule": "constant"}
        recipe |= {"momentum": 0.0, "weight_decay": 0.0}
        self.job = job({"kind": "mlp", "hidden": 128}, {"kind": "sisa", "shards": shards}, recipe)
        self.data, self.scratch = data, folder / "scratch"
        path = folder / f"shards{shards}.safetensors"
        write_fleet(path, train_fleet(data, self.job).states, {})
        self.trained = Fleet(path)

    def delete(self, method: str, point: int) -> dict:
        """What it costs to delete one point."""
        described = self.job | {"method": {"kind": method, "parameters": {}}}
        request = Request([np.array([point])], [NOBODY])
        return unlearn_fleet(self.data, described, self.trained, request, store=self._store).costs[
            0
        ][0]

    def _store(self, tensors) -> None:
        write_fleet(self.scratch, [tensors], {})


def main() -> None:
    """Measure and print one JSON object."""
    arguments = options(__doc__, repeats=5, epochs=20)
    data = mnist(arguments.data)
    with tempfile.TemporaryDirectory() as folder:
        few, many = (Service(data, s, arguments.epochs, Path(folder)) for s in (5, 20))
        task = new_task(data, few.job)
        shard = sharding.layout(few.trained[0]["assignment"], 5, 1)[0][0]
        index = torch.from_numpy(shard)
        images = normalised(task.data.train_images[index], task.data).flatten(1).numpy()
        labels = data.train_labels[shard]
        steps = arguments.epochs * len(shard) // BATCH
        rounds = []
        for _ in range(arguments.repeats):
            point = int(shard[len(rounds)])
            ours, one = few.delete("sisa", point), many.delete("sisa", point)
            whole = many.delete("retrain", point)
            rounds.append(
                {
                    "plain loop": plain(images, labels, arguments.epochs),
                    "sisa, 5 shards": ours["wall_seconds"],
                    "of which reading and writing": ours["io_seconds"],
                    "matrix products": products(steps),
                    "sisa, 20 shards": one["wall_seconds"],
                    "retraining 20 shards": whole["wall_seconds"],
                }
            )
        medians = {n: statistics.median(r[n] for r in rounds) for n in rounds[0]}
        ratios = [r["sisa, 5 shards"] / r["plain loop"] for r in rounds]
        evaluations = whole["gradient_evaluations"] / one["gradient_evaluations"]
        seconds = medians["retraining 20 shards"] / medians["sisa, 20 shards"]
        result = {
            "steps of one deletion, 5 shards": ours["optimizer_steps"],
            "seconds, medians": {name: round(value, 3) for name, value in medians.items()},
            "sisa / plain loop, single rounds": [round(ratio, 3) for ratio in ratios],
            "retraining / deletion, 20 shards": {
                "gradient evaluations": round(evaluations, 2),
                "seconds": round(seconds, 2),
            },
        }
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
