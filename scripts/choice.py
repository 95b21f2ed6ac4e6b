"""Rule `choice`: the parameters of a tuned method, chosen among its trials on pilot models."""

import argparse
import csv
import io
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np

from scripts import command
from unlearn.data import dataset
from unlearn.evaluation import trials
from unlearn.evaluation.trials import JudgedPoints, Judgement, Trial
from unlearn.requests.request import Step
from unlearn.storage.files import (
    CURE,
    ArtifactError,
    digest,
    read_array,
    read_costs,
    write_costs,
    write_json,
    write_text,
)
from unlearn.storage.request import read_request

COSTS = ("gradient_evaluations", "forward_evaluations", "flops", "cpu_seconds", "wall_seconds")
"""What trials take, summed over trials and models."""

CELL = ("dataset", "model", "method", "variant", "request")
"""The columns that identify the cells that trials are for; the request is the pilot's."""

COLUMNS = (
    *(*CELL, "track", "trial", "is_chosen", "parameters", "objective", *trials.PARTS),
    *("gradient_evaluations", "problem"),
)


def main(arguments: argparse.Namespace) -> None:
    """Judge the trials, and write the choice, the table of trials and what they took."""
    job = json.loads(arguments.job)
    data = dataset.load(Path(arguments.dataset).parent)
    request = read_request(Path(arguments.request).with_name("request.npz"), data.fingerprint)
    *_, step = request.steps(len(data.train_labels), data.base_ids)
    points = _points(data, data.evaluated_ids(request), step)
    judged = trials.judged_by_oracle if job["track"] == "oracle" else trials.judged_by_validation
    problem = _reference_problem(arguments.reference) or points.problem(job["track"])
    reference = [] if problem else _logits(arguments.reference)

    def judgements(logits: np.ndarray) -> list[Judgement]:
        pairs = zip(logits, reference, strict=True)
        return [judged(unlearned, other, points) for unlearned, other in pairs]

    paths = command.file_list(job["fleets"], arguments.results)
    judged_trials = [_trial(path, judgements, problem) for path in paths]
    place = trials.best(judged_trials)
    choice = {"trials": len(judged_trials), "trial": place, "parameters": None}
    if place is not None:
        choice["parameters"] = job["trials"][place]
        choice["objective"] = judged_trials[place].objective
    write_json(arguments.choice, choice)
    write_text(arguments.table, _table(job, judged_trials, place))
    paths += [arguments.reference] if job["track"] == "oracle" else []
    write_costs(arguments.costs, _total_costs(paths) | {"trials": len(judged_trials)})
    print(
        f"{job['cell']['variant']}: trial {place} of {len(judged_trials)}, {choice['parameters']}"
    )


def _points(data: dataset.Dataset, ids: np.ndarray, step: Step) -> JudgedPoints:
    """The points that trials are judged on, after the last step of the request."""
    labels = np.asarray(data.train_labels)
    classes = labels.copy()
    if data.swapped_classes is not None:
        first, second = data.swapped_classes
        swapped_ids = data.swapped_ids
        classes[swapped_ids] = first + second - labels[swapped_ids]
    return JudgedPoints(
        forget_rows=np.searchsorted(ids, step.forget_ids),
        forget_labels=labels[step.forget_ids],
        forget_classes=classes[step.forget_ids],
        validation_rows=len(ids) + np.arange(len(data.validation_labels)),
        validation_classes=np.asarray(data.validation_labels),
        retained_classes=frozenset(map(int, np.unique(labels[step.retain_ids]))),
    )


def _reference_problem(path: str) -> str:
    """Why the models that judge trials cannot; nothing where they can."""
    costs = read_costs(Path(path).with_name("costs.json"))
    if costs["status"] == "failed":
        return "the models that judge it have failed"
    diverged = _diverged(costs["models"])
    return f"{diverged} of {len(costs['models'])} models that judge it diverged" if diverged else ""


def _diverged(models: Sequence[Sequence[Mapping]]) -> int:
    """The number of models that diverged at a step, by their costs."""
    return sum(any(step["diverged"] for step in steps) for steps in models)


def _trial(path: str, judgements: Callable[[np.ndarray], list[Judgement]], problem: str) -> Trial:
    """One trial from the record of its fleet.

    Args:
        path: The record.
        judgements: One a model, from logits K x P x classes.
        problem: Why no trial can be judged; nothing where trials can be.
    """
    costs = read_costs(Path(path).with_name("costs.json"))
    models = costs["models"]
    gradients = [sum(step["gradient_evaluations"] for step in steps) for steps in models]
    mean = float(np.mean(gradients)) if gradients else 0.0
    if costs["status"] == "failed":
        return Trial((), mean, costs["error"])
    diverged = _diverged(models)
    if diverged:
        return Trial((), mean, f"{diverged} of {len(models)} models diverged")
    return Trial((), mean, problem) if problem else Trial(judgements(_logits(path)), mean)


def _logits(path: str) -> np.ndarray:
    """The logits of a fleet after the last step, K x P x classes."""
    costs = read_costs(Path(path).with_name("costs.json"))
    folder = Path(path).parent
    logits, votes, ids = (read_array(folder / f"{name}.npy") for name in ("logits", "votes", "ids"))
    if digest(logits, votes, ids) != costs["outputs_sha256"]:
        raise ArtifactError(f"{path}: logits.npy beside it is not of this fleet; {CURE}")
    return logits[:, -1]


def _total_costs(paths: Iterable[str]) -> dict[str, float]:
    """What fleets took, all models and steps together."""
    records = [
        step
        for path in paths
        for steps in read_costs(Path(path).with_name("costs.json"))["models"]
        for step in steps
    ]
    return {name: sum(record[name] for record in records) for name in COSTS}


def _table(job: Mapping, judged_trials: Sequence[Trial], place: int | None) -> str:
    """One row a trial."""
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    for number, (trial, parameters) in enumerate(zip(judged_trials, job["trials"], strict=True)):
        words = " ".join(f"{name}={value}" for name, value in parameters.items())
        row = {**job["cell"], "track": job["track"], "trial": number, "parameters": words}
        row |= {part: trial.mean(part) for part in ("objective", *trials.PARTS)}
        row |= {"is_chosen": int(number == place), "problem": trial.problem}
        writer.writerow(row | {"gradient_evaluations": trial.gradient_evaluations})
    return text.getvalue()


if __name__ == "__main__":
    parser = command.CommandParser(__doc__)
    parser.add_argument("--dataset", required=True, help="record.json of the data set")
    parser.add_argument("--request", required=True, help="record.json of the pilot request")
    parser.add_argument("--reference", required=True, help="record.json of what judges them")
    parser.add_job("cell, track, trials (the searched parameters of each), fleets (their records)")
    parser.add_results()
    parser.add_output("choice", "the chosen parameters, json")
    parser.add_output("table", "all trials, csv")
    parser.add_output("costs", "what all trials took, json", is_recorded=False)
    command.run(main, parser)
