"""DeltaGrad against retraining, on MNIST with the published recipe, storage included.

Logistic regression, minibatches of 16,384, 32 epochs, rate 0.1, weight decay 0.005, period 5,
burn-in 10, history 2. A request deletes 0.1 % of the points, or adds them where they are held out.
The plain loop is what a script does: autograd in float64, on inputs in float64.
All run alternately in one process, one thread; medians are printed. Beside them what bounds
retraining: its matrix products alone, on a block that stays in the processor's cache, and reading
its inputs as float64 from memory once. `--online` serves so many deletions one by one instead;
`--caches 1` compares caches of float64 and float32.

    python -m timings.deltagrad [--data FOLDER] [--repeats 5] [--online 0] [--caches 0]
                                [--points 0]

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
from unlearn.algorithms.deltagrad.replay import BLOCK, Replay
from unlearn.core import seeding
from unlearn.data.dataset import Dataset
from unlearn.jobs.setup import new_task
from unlearn.requests.request import addition, deletion

RECIPE = {
    "epochs": 32,
    "batch_size": 16384,
    "lr": 0.1,
    "momentum": 0.0,
    "schedule": "constant",
    "weight_decay": 0.005,
}
METHOD = {"period": 5, "burn_in": 10, "history": 2, "variant": "auto", "smoothness": 1.0}
CHANGED_SHARE = 0.001
"""Share of the points that a request of the main timing deletes or adds."""
CACHE_SHARES = (0.0001, 0.001, 0.01)
"""Shares that are deleted where caches are compared."""


def service(data: Dataset, folder: Path, cache: str = "float64") -> Service:
    """Logistic regression with its cache on disk."""
    training = job({"kind": "logistic"}, {"kind": "deltagrad", "cache": cache}, RECIPE)
    held_out_points = data.description["held_out_points"]
    return Service(data, training, folder / f"{held_out_points}-{cache}.safetensors")


def plain_seconds(replay: Replay, inputs: torch.Tensor, retain_ids: np.ndarray) -> float:
    """Seconds of the same training as a script would write it."""
    model = nn.Linear(inputs.shape[1], 10, dtype=torch.float64)
    loss_of = nn.CrossEntropyLoss()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, weight_decay=0.005)
    labels = replay.task.data.train_labels
    retained = replay.member(retain_ids)
    batches = [
        torch.from_numpy(replay.schedule.minibatch(iteration, retained)[0])
        for iteration in range(replay.schedule.iterations)
    ]
    start = time.perf_counter()
    for index in batches:
        optimizer.zero_grad()
        loss_of(model(inputs[index]), labels[index]).backward()
        optimizer.step()
    return time.perf_counter() - start


def product_seconds(points: int) -> float:
    """Seconds of the matrix products of retraining alone."""
    rows = np.ones((BLOCK, 784))
    weight = np.ones((10, 784))
    error = np.ones((10, BLOCK))
    start = time.perf_counter()
    for _ in range(RECIPE["epochs"] * points // BLOCK):
        weight @ rows.T
        error @ rows
    return time.perf_counter() - start


def reading_seconds(inputs: torch.Tensor) -> float:
    """Seconds of reading the float64 inputs from memory once an epoch."""
    start = time.perf_counter()
    for _ in range(RECIPE["epochs"]):
        inputs.sum()
    return time.perf_counter() - start


def distance(state: dict, reference: dict, step: int) -> float:
    """L2 distance of the weights after a step."""
    squares = (((state[name][step] - reference[name][step]) ** 2).sum() for name in reference)
    return float(sum(squares) ** 0.5)


def stream(data: Dataset, folder: Path, count: int) -> dict:
    """Total seconds and drift of deletions one by one."""
    request = deletion(seeding.shuffled(data.base_ids, 0)[:count], steps=count)
    deltagrad = service(data, folder)
    results = {
        mode: deltagrad.serve("deltagrad", request, mode=mode, **METHOD)
        for mode in ("online", "batch")
    }
    results["retraining"] = deltagrad.serve("retrain", request)
    seconds = {
        name: sum(cost["wall_seconds"] for cost in result.costs[0])
        for name, result in results.items()
    }
    retrained = results["retraining"].states[0]
    original = {name: np.stack([deltagrad.trained[0][name]] * count) for name in retrained}
    steps = sorted({0, count // 10, count // 2, count - 1})
    states = {"doing nothing": original}
    states |= {mode: results[mode].states[0] for mode in ("online", "batch")}
    return {
        "seconds": {name: round(total, 2) for name, total in seconds.items()},
        "retraining / deltagrad": {
            mode: round(seconds["retraining"] / seconds[mode], 2) for mode in ("online", "batch")
        },
        "distance to the retrained model": {
            name: {
                f"after {step + 1}": float(f"{distance(state, retrained, step):.2e}")
                for step in steps
            }
            for name, state in states.items()
        },
    }


def caches(data: Dataset, folder: Path) -> dict:
    """Bytes of a cache, and distance to the retrained model, by how the trajectory is stored."""
    rows = {}
    order = seeding.shuffled(data.base_ids, 0)
    for cache in ("float64", "float32"):
        deltagrad = service(data, folder, cache)
        state = deltagrad.trained[0]
        size = sum(state.nbytes(f"cache/{name}") for name in ("weights", "gradients"))
        rows[cache] = {"megabytes": round(size / 1e6, 1)}
        for share in CACHE_SHARES:
            request = deletion(order[: round(share * len(order))])
            unlearned = deltagrad.serve("deltagrad", request, **METHOD).states[0]
            retrained = deltagrad.serve("retrain", request).states[0]
            rows[cache][f"distance, {share:.2%}"] = float(
                f"{distance(unlearned, retrained, 0):.2e}"
            )
    return rows


def main_timing(data: Dataset, reserve: Dataset, folder: Path, repeats: int) -> dict:
    """Seconds of deletions and additions beside retraining, and what bounds retraining.

    Args:
        data: All points in base training.
        reserve: The same with points held out, which are added.
        folder: Takes the trained models.
        repeats: Rounds.
    """
    deleting = service(data, folder)
    adding = service(reserve, folder)
    replay = Replay(new_task(data, deleting.training), 0)
    inputs = replay.stack.inputs.to(torch.float64) / 255
    base_ids = data.base_ids
    rounds = []
    for repeat in range(repeats):
        order = seeding.shuffled(base_ids, repeat)
        deleted_ids = np.sort(order[: round(CHANGED_SHARE * len(base_ids))])
        retain_ids = np.setdiff1d(base_ids, deleted_ids)
        requests = {"deletion": deletion(deleted_ids), "addition": addition(reserve.held_out_ids)}
        seconds = {"plain loop": plain_seconds(replay, inputs, retain_ids)}
        for change, server in (("deletion", deleting), ("addition", adding)):
            retraining = server.cost("retrain", requests[change])
            deltagrad = server.cost("deltagrad", requests[change], **METHOD)
            seconds[f"retraining, {change}"] = retraining["wall_seconds"]
            seconds[f"deltagrad, {change}"] = deltagrad["wall_seconds"]
        seconds["matrix products of retraining"] = product_seconds(len(base_ids))
        seconds["reading float64 inputs"] = reading_seconds(inputs)
        rounds.append(seconds)
    medians = {n: statistics.median(r[n] for r in rounds) for n in rounds[0]}
    ratios = {
        change: [round(r[f"retraining, {change}"] / r[f"deltagrad, {change}"], 2) for r in rounds]
        for change in ("deletion", "addition")
    }
    return {
        "seconds, medians": {name: round(median, 3) for name, median in medians.items()},
        "retraining / deltagrad, single rounds": ratios,
        "plain loop / retraining": round(
            medians["plain loop"] / medians["retraining, deletion"], 2
        ),
        "possible by gradient evaluations": round(128 / 34, 2),
    }


def main() -> None:
    """Measure and print one JSON object."""
    arguments = options(__doc__, repeats=5, online=0, caches=0, points=0)
    selection = {"pixels": "unit", "subset": arguments.points or None}
    data = mnist(arguments.data, **selection)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if arguments.caches:
            result = caches(data, folder)
        elif arguments.online:
            result = stream(data, folder, arguments.online)
        else:
            reserve = mnist(arguments.data, held_out=CHANGED_SHARE, **selection)
            result = main_timing(data, reserve, folder, arguments.repeats)
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
