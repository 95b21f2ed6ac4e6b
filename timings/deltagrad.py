"""DeltaGrad against retraining, on MNIST with the published recipe, storage included.

Logistic regression, minibatches of 16,384, 32 epochs, rate 0.1, weight decay 0.005, period 5,
burn-in 10, history 2; 0.1 % of the points are deleted or, having been held out, added. The plain
loop is what a script does: autograd in float64 on inputs that were turned to float64 beforehand.
All run alternately in one process, one thread; medians are printed. Beside them what bounds
retraining: its matrix products alone, on a block that stays in the processor's cache, and reading
its inputs as float64 from memory once. `--online` serves so many deletions one by one instead;
`--caches 1` compares caches of float64 and float32.

    python -m timings.deltagrad [--data FOLDER] [--repeats 5] [--online 0] [--caches 0]
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
from unlearn.algorithms.deltagrad.replay import BLOCK, Replay
from unlearn.core import seeding
from unlearn.jobs.result import Result
from unlearn.jobs.setup import new_task
from unlearn.jobs.train import train_fleet
from unlearn.jobs.unlearn import unlearn_fleet
from unlearn.requests.request import NOBODY, Request
from unlearn.storage.fleet import Fleet, write_fleet

RECIPE = {
    "epochs": 32,
    "batch_size": 16384,
    "lr": 0.1,
    "momentum": 0.0,
    "schedule": "constant",
    "weight_decay": 0.005,
}


class Service:
    """A trained model with its cache on disk, and the requests made of it."""

    def __init__(self, data, folder: Path, cache: str = "float64", **method):
        self.job = job({"kind": "logistic"}, {"kind": "deltagrad", "cache": cache}, RECIPE)
        self.data, self.scratch = data, folder / "scratch"
        own = {"period": 5, "burn_in": 10, "history": 2, "variant": "auto", "smoothness": 1}
        self.method = own | {"mode": "batch"} | method
        path = folder / f"{data.description['held_out_points']}-{cache}.safetensors"
        if not path.exists():
            write_fleet(path, train_fleet(data, self.job).states, {})
        self.trained = Fleet(path)

    def serve(self, method: str, request: Request) -> Result:
        """The result of a request, whose costs hold what it took."""
        parameters = self.method if method == "deltagrad" else {}
        described = self.job | {"method": {"kind": method, "parameters": parameters}}
        return unlearn_fleet(self.data, described, self.trained, request, store=self._store)

    def seconds(self, method: str, request: Request) -> float:
        """The seconds that a request took, reading and writing included."""
        return self.serve(method, request).costs[0][0]["wall_seconds"]

    def _store(self, tensors) -> None:
        write_fleet(self.scratch, [tensors], {})


def plain(replay: Replay, inputs: torch.Tensor, retain: np.ndarray) -> float:
    """Seconds of the same training as a script would write it."""
    model = nn.Linear(784, 10, dtype=torch.float64)
    loss_of = nn.CrossEntropyLoss()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, weight_decay=0.005)
    labels, there = replay.task.data.train_labels, replay.member(retain)
    batches = [
        torch.from_numpy(replay.schedule.minibatch(t, there)[0])
        for t in range(replay.schedule.iterations)
    ]
    start = time.perf_counter()
    for index in batches:
        optimizer.zero_grad()
        loss_of(model(inputs[index]), labels[index]).backward()
        optimizer.step()
    return time.perf_counter() - start


def products(points: int) -> float:
    """Seconds of the matrix products of retraining alone."""
    rows, weight, error = np.ones((BLOCK, 784)), np.ones((10, 784)), np.ones((10, BLOCK))
    start = time.perf_counter()
    for _ in range(RECIPE["epochs"] * points // BLOCK):
        weight @ rows.T
        error @ rows
    return time.perf_counter() - start


def reading(inputs: torch.Tensor) -> float:
    """Seconds of reading the float64 inputs from memory once an epoch."""
    start = time.perf_counter()
    for _ in range(RECIPE["epochs"]):
        inputs.sum()
    return time.perf_counter() - start


def distance(a: dict, b: dict, step: int) -> float:
    """L2 distance of the weights after a step."""
    return float(sum(((a[n][step] - b[n][step]) ** 2).sum() for n in b) ** 0.5)


def one_by_one(data, folder: Path, count: int) -> dict:
    """Total seconds and drift of a stream."""
    order = seeding.shuffled(data.base, 0)[:count]
    stream = Request([order[i : i + 1] for i in range(count)], [NOBODY] * count)
    found = {}
    for mode in ("online", "batch"):
        service = Service(data, folder, mode=mode)
        found[mode] = service.serve("deltagrad", stream)
    found["retraining"] = service.serve("retrain", stream)
    seconds = {n: sum(c["wall_seconds"] for c in r.costs[0]) for n, r in found.items()}
    right = found["retraining"].states[0]
    nothing = {n: np.stack([service.trained[0][n]] * count) for n in right}
    steps = sorted({0, count // 10, count // 2, count - 1})
    drift = {"doing nothing": nothing} | {n: found[n].states[0] for n in ("online", "batch")}
    return {
        "seconds": {name: round(value, 2) for name, value in seconds.items()},
        "retraining / deltagrad": {
            name: round(seconds["retraining"] / seconds[name], 2) for name in ("online", "batch")
        },
        "distance to the retrained model": {
            name: {f"after {s + 1}": float(f"{distance(state, right, s):.2e}") for s in steps}
            for name, state in drift.items()
        },
    }


def caches(data, folder: Path) -> dict:
    """Bytes of a cache, and distance to the retrained model, by how the trajectory is stored."""
    found = {}
    for cache in ("float64", "float32"):
        service = Service(data, folder, cache)
        size = sum(service.trained[0].nbytes(f"cache/{n}") for n in ("weights", "gradients"))
        found[cache] = {"megabytes": round(size / 1e6, 1)}
        for share in (0.0001, 0.001, 0.01):
            ids = seeding.shuffled(data.base, 0)[: round(share * len(data.base))]
            request = Request([np.sort(ids)], [NOBODY])
            states = (service.serve(m, request).states[0] for m in ("deltagrad", "retrain"))
            found[cache][f"distance, {share:.2%}"] = float(f"{distance(*states, 0):.2e}")
    return found


def main() -> None:
    """Measure and print one JSON object."""
    arguments = options(__doc__, repeats=5, online=0, caches=0)
    whole = mnist(arguments.data, pixels="unit")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if arguments.caches:
            print(json.dumps(caches(whole, folder), indent=2))
            return
        if arguments.online:
            print(json.dumps(one_by_one(whole, folder, arguments.online), indent=2))
            return
        some = mnist(arguments.data, pixels="unit", held_out=0.001)
        served, enlarged = Service(whole, folder), Service(some, folder)
        replay = Replay(new_task(whole, served.job), 0)
        inputs = replay.stack.inputs.to(torch.float64) / 255
        rounds = []
        for repeat in range(arguments.repeats):
            gone = np.sort(seeding.shuffled(whole.base, repeat)[:60])
            deletion = Request([gone], [NOBODY])
            addition = Request([NOBODY], [some.held_out])
            rounds.append(
                {
                    "plain loop": plain(replay, inputs, np.setdiff1d(whole.base, gone)),
                    "retraining, deletion": served.seconds("retrain", deletion),
                    "deltagrad, deletion": served.seconds("deltagrad", deletion),
                    "retraining, addition": enlarged.seconds("retrain", addition),
                    "deltagrad, addition": enlarged.seconds("deltagrad", addition),
                    "matrix products of retraining": products(len(whole.base)),
                    "reading float64 inputs": reading(inputs),
                }
            )
    medians = {n: statistics.median(r[n] for r in rounds) for n in rounds[0]}
    ratios = {
        change: [round(r[f"retraining, {change}"] / r[f"deltagrad, {change}"], 2) for r in rounds]
        for change in ("deletion", "addition")
    }
    result = {
        "seconds, medians": {name: round(value, 3) for name, value in medians.items()},
        "retraining / deltagrad, single rounds": ratios,
        "plain loop / retraining": round(
            medians["plain loop"] / medians["retraining, deletion"], 2
        ),
        "possible by gradient evaluations": round(128 / 34, 2),
    }
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
