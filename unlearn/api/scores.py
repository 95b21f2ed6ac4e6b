"""The comparison of an unlearned model with its oracle."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from unlearn.api.models import Model
from unlearn.evaluation.fleets import Comparison, EvaluatedPoints, ScoredFleet, TrainedFleet
from unlearn.evaluation.score import score
from unlearn.jobs.predict import Predictor
from unlearn.methods.retrain import Retrain
from unlearn.requests.request import Request


def evaluate(unlearned: Model, oracle: Model) -> pd.DataFrame:
    """The metrics of an unlearned model, of its oracle and of doing nothing.

    Args:
        unlearned: What `unlearn` returned.
        oracle: What `retrain` returned for the same points.

    Returns:
        A row for each metric and split, a column for each model. The right value of a metric of
        predictions is the oracle's, neither 0 nor 100 %.

    Raises:
        ValueError: Models of different data sets or requests.
    """
    if not isinstance(oracle.method, Retrain):
        raise ValueError("oracle: it is no model that `retrain` returned")
    for name in ("deletions", "additions"):
        pairs = zip(getattr(unlearned.request, name), getattr(oracle.request, name), strict=False)
        same = len(unlearned.request.deletions) == len(oracle.request.deletions)
        if not same or not all(np.array_equal(first, second) for first, second in pairs):
            raise ValueError(f"oracle: its {name} are not those of the unlearned model")
    if unlearned.dataset.fingerprint != oracle.dataset.fingerprint:
        raise ValueError("oracle: it is a model of another data set")
    original = unlearned.original or unlearned
    models = {"unlearned": unlearned, "oracle": oracle, "original": original}
    columns = {name: _scores(model, unlearned, oracle) for name, model in models.items()}
    table = pd.DataFrame(columns)
    table.index = pd.MultiIndex.from_tuples(table.index, names=["metric", "split"])
    return table.dropna(how="all")


def _scores(model: Model, unlearned: Model, oracle: Model) -> dict[tuple[str, str], float | None]:
    """Metric and split -> value, after the last step."""
    step = unlearned.steps()[-1]
    request = unlearned.request
    reference = _scored_fleet(oracle, request, oracle.costs[-1])
    scored = reference if model is oracle else _scored_fleet(model, request, oracle.costs[-1])
    original = unlearned.original or unlearned
    dataset = unlearned.dataset
    points = EvaluatedPoints(
        ids=dataset.evaluated_ids(request),
        sample_ids=dataset.sample_ids,
        train_labels=dataset.train_labels,
        validation_labels=dataset.validation_labels,
        test_labels=dataset.test_labels,
        swapped_classes=dataset.swapped_classes,
    )
    trained = TrainedFleet(
        weights=[{name: np.asarray(original.state[name]) for name in original.state}],
        costs=[dict(original.costs[0])] if original.costs else [{}],
    )
    nothing = scored if model is original else _scored_fleet(original, request, oracle.costs[-1])
    fleets = Comparison(trained, scored, reference, original=nothing)
    rows = score(points, [step], [model.seed], fleets)
    return {(metric, split): value for _, _, metric, split, value in rows}


def _scored_fleet(model: Model, request: Request, record: Mapping[str, Any]) -> ScoredFleet:
    """A fleet of one model, as scoring reads it; `record` names the costs of doing nothing."""
    predictor = Predictor(model.network_task, model.dataset, request)
    predictor.add(model.state)
    names = model.task.trainer.compared(model.network_task)
    steps = len(model.request.deletions)
    costs = model.costs[-steps:] if steps else [dict.fromkeys(record, 0)]
    total = {name: sum(cost.get(name, 0) for cost in costs) for name in costs[-1]}
    total |= {name: costs[-1][name] for name in ("diverged", "bytes_stored")}
    return ScoredFleet(
        logits=predictor.logits[0][None, None],
        votes=predictor.votes[0][None, None],
        weights=lambda member, position: {n: np.asarray(model.state[n]) for n in names},
        weight_names=names,
        costs=[[total]],
        weight_shapes={name: tuple(np.shape(model.state[name])) for name in names},
    )
