"""One deletion served by SISA, against a plain loop of the same work and against retraining.

The work: MNIST, a perceptron 784-128-10, minibatches of 16, 20 epochs, plain SGD at rate 0.001.
With 5 shards a deletion trains 12,000 points again, 15,000 steps. The plain loop is what a script
does: a module, autograd, `torch.optim.SGD`, on arrays that were normalised beforehand. Both run
alternately in one process, one thread; medians are printed. Beside them the matrix products of a
step alone, which bound both, and the ratio of one deletion to retraining all shards, for 20 shards.
Reading and writing of checkpoints are part of our seconds.

    python -m timings.sisa [--data FOLDER] [--repeats 5] [--epochs 20] [--points 0]

`--points` keeps so many training points, for a quick try; 0 keeps all.
"""

import json
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from torch import nn

from timings._common import Service, job, mnist, options
from unlearn.data.dataset import Dataset
from unlearn.jobs.setup import new_task
from unlearn.partitions import sharding
from unlearn.requests.request import deletion
from unlearn.training.data import normalised

BATCH_SIZE = 16
FEW_SHARDS = 5
MANY_SHARDS = 20


def plain_seconds(images: np.ndarray, labels: np.ndarray, epochs: int) -> float:
    """Seconds of the plain loop."""
    model = nn.Sequential(nn.Linear(784, 128), nn.ReLU(), nn.Linear(128, 10))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.001)
    loss_of = nn.CrossEntropyLoss()
    start = time.perf_counter()
    for _ in range(epochs):
        for i in range(0, len(images), BATCH_SIZE):
            x = torch.from_numpy(images[i : i + BATCH_SIZE])
            y = torch.from_numpy(labels[i : i + BATCH_SIZE])
            optimizer.zero_grad()
            loss_of(model(x), y).backward()
            optimizer.step()
    return time.perf_counter() - start


def product_seconds(steps: int) -> float:
    """Seconds of the matrix products of so many steps, in their fastest layout, and no more."""
    x = torch.randn(BATCH_SIZE, 784)
    hidden = torch.randn(BATCH_SIZE, 128)
    first_weight = torch.randn(784, 128)
    last_weight = torch.randn(128, 10)
    output_error = torch.randn(BATCH_SIZE, 10)
    hidden_error = torch.randn(BATCH_SIZE, 128)
    first_gradient = torch.zeros(784, 128)
    last_gradient = torch.zeros(128, 10)
    start = time.perf_counter()
    for _ in range(steps):
        torch.mm(x, first_weight)
        torch.mm(hidden, last_weight)
        torch.mm(output_error, last_weight.t())
        torch.mm(x.t(), hidden_error, out=first_gradient)
        torch.mm(hidden.t(), output_error, out=last_gradient)
    return time.perf_counter() - start


def service(data: Dataset, shards: int, epochs: int, folder: Path) -> Service:
    """A SISA model with so many shards."""
    recipe = {"epochs": epochs, "batch_size": BATCH_SIZE, "lr": 0.001, "schedule": "constant"}
    recipe |= {"momentum": 0.0, "weight_decay": 0.0}
    training = job({"kind": "mlp", "hidden": 128}, {"kind": "sisa", "shards": shards}, recipe)
    return Service(data, training, folder / f"shards{shards}.safetensors")


def main() -> None:
    """Measure and print one JSON object."""
    arguments = options(__doc__, repeats=5, epochs=20, points=0)
    data = mnist(arguments.data, subset=arguments.points or None)
    with tempfile.TemporaryDirectory() as name:
        few_shards = service(data, FEW_SHARDS, arguments.epochs, Path(name))
        many_shards = service(data, MANY_SHARDS, arguments.epochs, Path(name))
        task_data = new_task(data, few_shards.training).data
        assignment = few_shards.trained[0]["assignment"]
        shard_ids = sharding.layout(assignment, FEW_SHARDS, 1)[0][0]
        pixels = task_data.train_images[torch.from_numpy(shard_ids)]
        images = normalised(pixels, task_data).flatten(1).numpy()
        labels = data.train_labels[shard_ids]
        steps = arguments.epochs * len(shard_ids) // BATCH_SIZE
        rounds = []
        for repeat in range(arguments.repeats):
            request = deletion(shard_ids[repeat : repeat + 1])
            cost_of_few = few_shards.cost("sisa", request)
            cost_of_many = many_shards.cost("sisa", request)
            retraining = many_shards.cost("retrain", request)
            rounds.append(
                {
                    "plain loop": plain_seconds(images, labels, arguments.epochs),
                    "sisa, 5 shards": cost_of_few["wall_seconds"],
                    "of which reading and writing": cost_of_few["io_seconds"],
                    "matrix products": product_seconds(steps),
                    "sisa, 20 shards": cost_of_many["wall_seconds"],
                    "retraining 20 shards": retraining["wall_seconds"],
                }
            )
    medians = {n: statistics.median(r[n] for r in rounds) for n in rounds[0]}
    ratios = [r["sisa, 5 shards"] / r["plain loop"] for r in rounds]
    evaluations = retraining["gradient_evaluations"] / cost_of_many["gradient_evaluations"]
    seconds = medians["retraining 20 shards"] / medians["sisa, 20 shards"]
    result = {
        "steps of one deletion, 5 shards": cost_of_few["optimizer_steps"],
        "seconds, medians": {name: round(median, 3) for name, median in medians.items()},
        "sisa / plain loop, single rounds": [round(ratio, 3) for ratio in ratios],
        "retraining / deletion, 20 shards": {
            "gradient evaluations": round(evaluations, 2),
            "seconds": round(seconds, 2),
        },
    }
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
