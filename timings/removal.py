"""Certified removal on the 3s and 8s of MNIST: deletions one by one, until the budget is spent.

Logistic regression on rows of norm 1, sigma 10, weight decay 1e-3, (epsilon, delta) = (1, 1e-5).
One stream of deletions is served without a budget, point by point in a random order. After every
deletion the sum of the bounds is compared with the true residual. The **capacity** is the number of
deletions until a budget is spent; where the stream does not reach it, it is extrapolated from the
mean of the bounds, and marked. The exact privacy loss at the drawn noise is that of the first
`--exact` deletions.

    python -m timings.removal [--data FOLDER] [--deletions 200] [--seeds 1] [--exact 10]
                              [--decay-thousandths 1] [--points 0]

`--points` keeps so many training points, for a quick try; 0 keeps all.
"""

import json
import statistics
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

import numpy as np
import torch

from timings._common import job, mnist, options
from unlearn.algorithms.certified.objective_perturbation import (
    MAX_GRADIENT,
    minimum,
    random_term,
)
from unlearn.algorithms.certified.privacy_loss import log_volume_change, privacy_loss
from unlearn.algorithms.certified.removal import (
    newton_removal,
    removal_bounds,
    residual_norms,
)
from unlearn.algorithms.certified.removal_ledger import removal_budget
from unlearn.algorithms.certified.summed_loss import SummedLoss
from unlearn.core import seeding
from unlearn.data.dataset import Dataset
from unlearn.jobs.setup import new_task
from unlearn.training.task import Task

SIGMA = 10.0
EPSILON = 1.0
DELTA = 1e-5
BOUNDS = ("paper", "taylor")
BUDGETS = ("paper", "exact")


@dataclass(frozen=True)
class Outcome:
    """What one deletion gave."""

    weights: torch.Tensor
    """After it, 1 x d."""
    residual: torch.Tensor
    """The true gradient of the perturbed loss after it, 1 x d."""
    bounds: dict[str, float]
    """By kind: what it adds to the bound on the norm of that gradient."""
    seconds: float
    """Of the step and both bounds; the measurement is left out."""
    log_volume: float | None
    """ln |det J| of it, where that was computed."""


@dataclass(frozen=True)
class Trained:
    """A model, and what it minimises."""

    loss: SummedLoss
    term: torch.Tensor
    weights: torch.Tensor


def trained_model(task: Task, seed: int) -> Trained:
    """The minimum of the perturbed loss on all points."""
    loss = SummedLoss(task, task.data.base_ids)
    term = random_term(loss, SIGMA, seed, restarts=0)
    return Trained(loss, term, minimum(loss, term))


def accuracy(task: Task, data: Dataset, weights: torch.Tensor) -> float:
    """The share of test points that are classified correctly."""
    state = {task.trainer.compared(task)[0]: weights}
    logits = task.trainer.predict(task, state, torch.from_numpy(data.test_images))
    return float((logits.argmax(1).numpy() == data.test_labels).mean())


def deletions(task: Task, trained: Trained, order: np.ndarray, exact: int) -> Iterator[Outcome]:
    """Delete points one by one, without a budget.

    Args:
        task: The task.
        trained: The model.
        order: The points, in the order of their deletion.
        exact: How many deletions get their exact volume change.
    """
    before = trained.loss
    weights = trained.weights
    norm = before.norm()
    for position in range(len(order)):
        retain_ids = np.setdiff1d(task.data.base_ids, order[: position + 1])
        start = time.perf_counter()
        retained = SummedLoss(task, retain_ids)
        deleted = SummedLoss(task, order[position : position + 1])
        removal = newton_removal(retained, deleted, weights)
        bounds = {k: float(removal_bounds(k, retained, removal, norm)[0]) for k in BOUNDS}
        seconds = time.perf_counter() - start
        volume = None
        if position < exact:
            volume = log_volume_change(before, retained, weights)
        weights = weights + removal.steps
        residual = retained.gradient(weights) + trained.term
        yield Outcome(weights, residual, bounds, seconds, volume)
        before = retained


def capacities(sums: dict[str, np.ndarray]) -> dict[str, int | str]:
    """Deletions until a retraining is due, by bound and budget.

    `sums`: the bound after each deletion, by kind.
    """
    rows = {}
    for kind, budget_kind in product(BOUNDS, BUDGETS):
        budget = removal_budget(budget_kind, EPSILON, DELTA, SIGMA)
        served = int(np.searchsorted(sums[kind], budget, side="right"))
        count = f"about {budget / sums[kind][-1] * served:.0f}, extrapolated"
        is_reached = served < len(sums[kind])
        rows[f"{kind} bound, {budget_kind} budget {budget:.4f}"] = served if is_reached else count
    return rows


def exact_losses(trained: Trained, outcomes: list[Outcome]) -> list[float]:
    """The exact privacy loss of the stream after each deletion whose volume change is there."""
    volumes = [outcome.log_volume for outcome in outcomes if outcome.log_volume is not None]
    totals = np.cumsum(volumes)
    pairs = zip(outcomes, totals, strict=False)
    return [privacy_loss(trained.term, o.residual, SIGMA, float(total)) for o, total in pairs]


def stream(data: Dataset, decay: float, seed: int, counts: dict[str, int]) -> dict:
    """The figures of one seed.

    Args:
        data: The data set.
        decay: The weight decay of the mean loss.
        seed: Of the random term and of the order.
        counts: `deletions`, and `exact`.
    """
    trainer = {"kind": "removal", "sigma": SIGMA}
    task = new_task(data, job({"kind": "bounded_logistic"}, trainer, {"weight_decay": decay}))
    start = time.perf_counter()
    trained = trained_model(task, seed)
    training_seconds = time.perf_counter() - start
    order = seeding.shuffled(data.base_ids, seed)[: counts["deletions"]]
    outcomes = list(deletions(task, trained, order, counts["exact"]))
    first = float(residual_norms(trained.loss, trained.term, trained.weights)[0])
    sums = {k: first + np.cumsum([o.bounds[k] for o in outcomes]) for k in BOUNDS}
    residuals = np.array([float(outcome.residual.norm()) for outcome in outcomes])
    last_weights = outcomes[-1].weights
    start = time.perf_counter()
    oracle = minimum(SummedLoss(task, np.setdiff1d(data.base_ids, order)), trained.term)
    retraining_seconds = time.perf_counter() - start
    unperturbed = minimum(trained.loss, 0 * trained.term)
    return {
        "points": len(data.base_ids),
        "accuracy": accuracy(task, data, trained.weights),
        "accuracy without the random term": accuracy(task, data, unperturbed),
        "accuracy after the deletions": accuracy(task, data, last_weights),
        "accuracy of the oracle": accuracy(task, data, oracle),
        "distance to the oracle": float((last_weights - oracle).norm()),
        "distance of doing nothing": float((trained.weights - oracle).norm()),
        "seconds of training": round(training_seconds, 2),
        "seconds of retraining": round(retraining_seconds, 2),
        "seconds of a deletion, median": round(statistics.median(o.seconds for o in outcomes), 3),
        "residual after training": first,
        "residual after the deletions": residuals[-1],
        "sum of the bounds": {kind: sums[kind][-1] for kind in BOUNDS},
        "violations": {k: int((residuals > sums[k] + MAX_GRADIENT).sum()) for k in BOUNDS},
        "deletions until retraining": capacities(sums),
        "ln |det J| of single deletions": [o.log_volume for o in outcomes[: counts["exact"]]],
        "exact privacy loss": exact_losses(trained, outcomes),
    }


def main() -> None:
    """Measure and print one JSON object."""
    defaults = {"deletions": 200, "seeds": 1, "exact": 10, "decay-thousandths": 1, "points": 0}
    arguments = options(__doc__, **defaults)
    selection = {"labels": [3, 8], "pixels": "symmetric", "subset": arguments.points or None}
    data = mnist(arguments.data, **selection)
    counts = {"deletions": arguments.deletions, "exact": arguments.exact}
    decay = arguments.decay_thousandths / 1000
    results = [stream(data, decay, seed, counts) for seed in range(arguments.seeds)]
    print(json.dumps(results, indent=2))


if __name__ == "__main__":
    main()
