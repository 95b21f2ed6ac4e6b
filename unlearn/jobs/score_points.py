"""Train models on random subsets, and predict all points of base training with each."""

import numpy as np
import torch
from torch.nn import functional

from unlearn.data.dataset import Dataset
from unlearn.jobs.description import FleetJob
from unlearn.jobs.measure import Measure
from unlearn.jobs.setup import new_task
from unlearn.training.task import index_of

SCORING_COSTS = ("wall_seconds", "gradient_evaluations", "forward_evaluations", "flops")


def score_points(
    dataset: Dataset, job: FleetJob, label: str = ""
) -> tuple[dict[str, np.ndarray], list[dict]]:
    """The predictions of K models for the N points of base training; no weights are kept.

    Args:
        dataset: The data set.
        job: Architecture, recipe, and members with subsets.
        label: The beginning of progress reports.

    Returns:
        The arrays of `requests.scoring.point_scores`, and what each model took: seconds and counted
        work.

    Raises:
        ValueError: A model that is not finite.
    """
    task = new_task(dataset, job, label)
    measure = Measure(task, None)
    base_ids = dataset.base_ids
    pixels = task.data.train_images[index_of(base_ids).to(task.data.train_images.device)]
    labels = torch.from_numpy(np.asarray(dataset.train_labels)[base_ids])
    is_member = []
    is_correct = []
    losses = []
    costs = []
    for member in job.members:
        state = measure.training(lambda member=member: task.trainer.train_many(task, [member])[0])
        logits = task.trainer.predict(task, state, pixels)
        if measure.costs[-1]["diverged"] or not logits.isfinite().all():
            raise ValueError(
                f"the scoring model of seed {member.seed} has diverged; allowed: a recipe with "
                "which models stay finite"
            )
        is_member.append(np.isin(base_ids, member.train_ids(base_ids)))
        is_correct.append(np.argmax(logits.numpy(), axis=1) == labels.numpy())
        losses.append(functional.cross_entropy(logits, labels, reduction="none").numpy())
        costs.append({name: measure.costs[-1][name] for name in SCORING_COSTS})
    predictions = {
        "ids": base_ids,
        "is_member": np.stack(is_member),
        "is_correct": np.stack(is_correct),
        "losses": np.stack(losses),
    }
    return predictions, costs
