"""Langevin unlearning and Descent-to-Delete on MNIST 3 against 8: accuracy at a promised epsilon.

Binary logistic regression on 11,982 inputs of norm 1, weight decay m = 0.011982, 200 steps of
learning, delta 1 / n; a request deletes one point and takes one step. Langevin has the rate 1 / L,
Descent-to-Delete 2 / (L + m), with L = 1/4 + m. Noise is the least that certifies, and beside it
that of the released programs, with the epsilon that it certifies. The trials of a row learn at
once; the seconds of one model alone stand beside. Then the steps that 0.03 of noise needs for
epsilon 1, and a hundred points deleted with them.

    python -m timings.certified [--data FOLDER] [--trials 100] [--twins 5]
"""

import json
import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch

from timings._common import job, mnist, options
from unlearn.algorithms.certified import full_batch
from unlearn.certificates.calibration import (
    descent_to_delete_closed_form,
    langevin_closed_form,
    least_steps,
    sigma_for,
)
from unlearn.certificates.chains import Deletion, Descent
from unlearn.certificates.constants import fastest_rate
from unlearn.certificates.privacy import epsilon_of, mu_of
from unlearn.certificates.released import released_descent_to_delete_sigma
from unlearn.core import registry, seeding
from unlearn.data.dataset import Dataset
from unlearn.jobs.setup import new_task
from unlearn.methods.base import Method
from unlearn.requests.request import Step, deletion
from unlearn.training.fleet import Member
from unlearn.training.state import Overlay, State
from unlearn.training.task import Task

EPSILONS = (0.1, 0.5, 1.0, 5.0)
RELEASED_SIGMAS = (0.094, 0.019, 0.0096, 0.0021)
"""The released noise of Langevin unlearning for these epsilons."""
WEIGHT_DECAY = 0.011982
LEARNING_STEPS = 200
CONSTANTS = full_batch.constants(2, WEIGHT_DECAY)
SMOOTHNESS = CONSTANTS.smoothness.value
NOISY_SIGMA = 0.03
BATCH_DELETIONS = (10, 50, 100, 500, 1000)
MAX_STEPS = 10000


def descent_of(rate: float, deleted_points: int, points: int, steps: int) -> Descent:
    """Learning and one request."""
    request = Deletion(deleted_points, points, steps)
    return Descent(CONSTANTS, rate, LEARNING_STEPS, (request,))


def task_of(data: Dataset, trainer: dict, rate: float) -> Task:
    """The task of a trainer."""
    recipe = {
        "epochs": LEARNING_STEPS,
        "batch_size": len(data.train_labels),
        "lr": rate,
        "weight_decay": WEIGHT_DECAY,
        "momentum": 0.0,
        "schedule": "constant",
    }
    return new_task(data, job({"kind": "bounded_logistic"}, trainer, recipe))


def requests_of(data: Dataset, points: int, trials: int) -> list[Step]:
    """A request for each trial that deletes so many points, drawn by its number."""
    orders = (seeding.shuffled(data.base_ids, trial) for trial in range(trials))
    requests = (deletion(order[:points]) for order in orders)
    return [next(request.steps(len(data.train_labels), data.base_ids)) for request in requests]


def unlearned(
    task: Task, method: Method, states: Sequence[State], requests: Sequence[Step]
) -> list[Overlay]:
    """The state of each trial after its request."""
    return [
        Overlay(state, method.unlearn(task, state, request, seed))
        for seed, (state, request) in enumerate(zip(states, requests, strict=True))
    ]


def method_of(name: str, **parameters: Any) -> Method:
    """A method with these parameters."""
    return registry.find("methods", name)(**parameters)


def accuracies(task: Task, data: Dataset, states: Sequence[Mapping]) -> str:
    """Mean and standard deviation of the test accuracy."""
    pixels = torch.from_numpy(data.test_images)
    values = [
        (task.trainer.predict(task, state, pixels).argmax(1).numpy() == data.test_labels).mean()
        for state in states
    ]
    return f"{np.mean(values):.4f} ± {np.std(values, ddof=1):.4f}"


def langevin_row(data: Dataset, sigma: float, requests: Sequence[Step]) -> dict:
    """Accuracy and epsilon of Langevin unlearning with one step, and seconds of a processor."""
    start = time.process_time()
    rate = 1 / SMOOTHNESS
    points = len(data.train_labels)
    task = task_of(data, {"kind": "langevin", "sigma": sigma}, rate)
    states = task.trainer.train_many(task, [Member(seed) for seed in range(len(requests))])
    method = method_of("langevin", steps=1, delta=1 / points)
    states = unlearned(task, method, states, requests)
    mu = langevin_closed_form(descent_of(rate, 1, points, 1), sigma).mu
    return {
        "sigma": float(f"{sigma:.3g}"),
        "epsilon": float(f"{epsilon_of(mu, 1 / points):.3g}"),
        "accuracy": accuracies(task, data, states),
        "core seconds": round(time.process_time() - start, 1),
    }


def descent_to_delete_rows(data: Dataset, requests: Sequence[Step]) -> dict:
    """Accuracy of Descent-to-Delete by epsilon, with the noise of both accounts."""
    start = time.process_time()
    rate = fastest_rate(CONSTANTS)
    points = len(data.train_labels)
    task = task_of(data, {"kind": "descent"}, rate)
    trained = task.trainer.train_many(task, [Member(seed) for seed in range(len(requests))])
    (name,) = task.trainer.compared(task)
    unit_bound = descent_to_delete_closed_form(descent_of(rate, 1, points, 1), 1.0)
    rows = {}
    for epsilon in EPSILONS:
        sigma = sigma_for(unit_bound, epsilon, 1 / points)
        released = released_descent_to_delete_sigma(
            CONSTANTS, Deletion(1, points, 1), epsilon, 1 / points
        )
        method = method_of("descent_to_delete", epsilon=epsilon, delta=1 / points)
        states = unlearned(task, method, trained, requests)
        noisier_states = []
        for state in states:
            secret = np.asarray(state[f"secret/{name}"])
            noise = np.asarray(state[name]) - secret
            noisier_states.append({name: secret + released / sigma * noise})
        rows[epsilon] = {
            "sigma": float(f"{sigma:.3g}"),
            "accuracy": accuracies(task, data, states),
            "released sigma": float(f"{released:.4g}"),
            "accuracy with it": accuracies(task, data, noisier_states),
        }
    return {"rows": rows, "core seconds": round(time.process_time() - start, 1)}


def batch_rows(data: Dataset, trials: int, twins: int) -> dict:
    """Steps that certify epsilon 1 with much noise, and a batch of deletions served so."""
    start = time.process_time()
    rate = 1 / SMOOTHNESS
    points = len(data.train_labels)
    mu = mu_of(1.0, 1 / points)
    counts = {
        deleted_points: least_steps(
            lambda steps, deleted_points=deleted_points: (
                langevin_closed_form(
                    descent_of(rate, deleted_points, points, steps), NOISY_SIGMA
                ).mu
                <= mu
            ),
            MAX_STEPS,
        )
        for deleted_points in BATCH_DELETIONS
    }
    task = task_of(data, {"kind": "langevin", "sigma": NOISY_SIGMA}, rate)
    trained = task.trainer.train_many(task, [Member(seed) for seed in range(trials)])
    requests = requests_of(data, 100, trials)
    method = method_of("langevin", epsilon=1.0, delta=1 / points)
    reference = method_of("langevin", **method.values() | {"start": "retrained"})
    states = unlearned(task, method, trained, requests)
    twin_states = unlearned(task, reference, trained[:twins], requests[:twins])
    (name,) = task.trainer.compared(task)
    gaps = [
        np.linalg.norm(np.asarray(state[name]) - np.asarray(twin[name]))
        for state, twin in zip(states, twin_states, strict=False)
    ]
    bound = langevin_closed_form(descent_of(rate, 100, points, counts[100]), NOISY_SIGMA)
    return {
        "steps by points deleted": counts,
        "accuracy, 100 deleted": accuracies(task, data, states),
        "paired gap": float(f"{np.max(gaps):.2g}"),
        "bound of the gap": float(f"{bound.gap:.3g}"),
        "core seconds": round(time.process_time() - start, 1),
    }


def fleet_seconds(data: Dataset) -> dict:
    """Seconds of a processor that learning takes a model, by the models that learn at once."""
    task = task_of(data, {"kind": "langevin", "sigma": NOISY_SIGMA}, 1 / SMOOTHNESS)
    task.trainer.train(task, data.base_ids, 0)  # the inputs are made once
    seconds = {}
    for models in (1, 4, 20):
        start = time.process_time()
        task.trainer.train_many(task, [Member(seed) for seed in range(models)])
        seconds[models] = round((time.process_time() - start) / models, 2)
    return seconds


def main() -> None:
    """Measure and print one JSON object."""
    arguments = options(__doc__, trials=100, twins=5)
    data = mnist(arguments.data, labels=[3, 8], pixels="symmetric")
    points = len(data.train_labels)
    requests = requests_of(data, 1, arguments.trials)
    unit_bound = langevin_closed_form(descent_of(1 / SMOOTHNESS, 1, points, 1), 1.0)
    sigmas = [sigma_for(unit_bound, epsilon, 1 / points) for epsilon in EPSILONS]
    result = {
        "seconds a model, by models at once": fleet_seconds(data),
        "langevin": [langevin_row(data, sigma, requests) for sigma in sigmas],
        "langevin, released noise": [langevin_row(data, s, requests) for s in RELEASED_SIGMAS],
        "descent_to_delete": descent_to_delete_rows(data, requests),
        "batches": batch_rows(data, arguments.trials, min(arguments.twins, arguments.trials)),
    }
    print(json.dumps(result, indent=2, ensure_ascii=False))


if __name__ == "__main__":
    main()
