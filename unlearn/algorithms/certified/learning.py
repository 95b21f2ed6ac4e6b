"""States of models that learn by certified full-batch descent."""

from collections.abc import Sequence

import numpy as np

from unlearn.algorithms.certified.chain import Chain, Law
from unlearn.training.state import State
from unlearn.training.task import Task


def states(
    task: Task,
    law: Law,
    ids: Sequence[np.ndarray],
    seeds: Sequence[int],
    checkpoint_steps: int | None = None,
) -> list[State]:
    """The learned states of several models, which descend at once with the bits of single ones.

    Args:
        task: data, recipe and meter.
        law: how they descend.
        ids: the training points of each model.
        seeds: of each model: they decide first weights and noise.
        checkpoint_steps: the weights before so many last steps are kept, too; None keeps none.

    Raises:
        ValueError: no point is left, or certified descent cannot train such models.
    """
    chain = Chain(task, law)
    name = chain.regression.name
    weights, checkpoints = chain.learn(ids, seeds, checkpoint_steps or 0)
    models = [{name: chain.tensor(row)} for row in weights]
    if checkpoint_steps is not None:
        for model, row in zip(models, checkpoints, strict=True):
            model[f"checkpoint/{name}"] = chain.tensor(row)
    return models
