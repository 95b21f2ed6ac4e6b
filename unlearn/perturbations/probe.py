"""What new models learn from noisy images: tells a search that worked from one that did not."""

from dataclasses import replace
from typing import Any

import numpy as np
import torch

from unlearn.core import seeding
from unlearn.perturbations import search
from unlearn.training.loop import fit
from unlearn.training.recipe import Recipe
from unlearn.training.task import Task, index_of

MODELS = 3
EPOCHS = 3

TRAINING_POINTS = 10_000
"""The most images that a model is trained on."""

POINTS = 2_000
"""The most images that its mistakes are counted on."""

LEAST_STRENGTH = 0.1
"""Noise is weak below this share of the way from the mistakes of models of clean images to
chance."""

LEAST_LEARNT = 0.1
"""How far below chance models of clean images must come, for the probe to tell anything."""


def record(task: Task, ids: np.ndarray, noise: np.ndarray, lr: float, seed: int) -> dict[str, Any]:
    """The mistakes on clean images of models that were trained on noisy and on clean ones.

    The models of both are trained alike, with the same initial weights and minibatches, for a few
    epochs of stochastic gradient descent; all work is charged to the meter.

    Args:
        task: The clean data, the machine, and the architecture of the models.
        ids: The points with noise.
        noise: int8, ids x H x W x C.
        lr: The largest learning rate.
        seed: Decides the weights, the minibatches and the points.

    Returns:
        `probe_error` and `probe_clean_error`, shares of mistakes; `weak`, whether the noise keeps
        models from less than LEAST_STRENGTH of what they learn without it, None where that is
        too little to tell.
    """
    order = seeding.shuffled(ids, seeding.derive(seed, "points of the probe"))
    training_ids = order[:TRAINING_POINTS]
    noisy_images = task.data.train_images.clone()
    steps = torch.from_numpy(noise.view(np.uint8)).to(noisy_images.device)
    noisy_images[index_of(ids).to(noisy_images.device)] += steps  # modulo 256 that is addition
    noisy_task = replace(task, data=replace(task.data, train_images=noisy_images), cache={})
    recipe = Recipe(epochs=EPOCHS, lr=lr, schedule="one_cycle")
    errors = {"probe_error": 0.0, "probe_clean_error": 0.0}
    for number in range(MODELS):
        model_seed = seeding.derive(seed, "probe", number)
        for name, training_task in (("probe_error", noisy_task), ("probe_clean_error", task)):
            model = training_task.new_model(model_seed, training_ids)
            label = f"probe {number + 1} of {MODELS}"
            fit(
                training_task,
                model,
                training_ids,
                recipe,
                model_seed,
                among=training_ids,
                label=label,
            )
            errors[name] += _error(task, model, order[:POINTS]) / MODELS
    return errors | {"weak": is_weak(**errors, chance=1 - 1 / task.data.classes)}


def is_weak(probe_error: float, probe_clean_error: float, chance: float) -> bool | None:
    """Whether noise is weak; None where models learn too little without it."""
    learnt = chance - probe_clean_error
    if learnt < LEAST_LEARNT:
        return None
    return probe_error - probe_clean_error < LEAST_STRENGTH * learnt


def _error(task: Task, model: torch.nn.Module, ids: np.ndarray) -> float:
    """The share of mistakes on clean images."""
    pixels = task.data.train_images[index_of(ids).to(task.machine.device)]
    no_noise = search.no_noise(pixels)
    return search.error_rate(task, model.eval(), pixels, task.data.labels(ids), no_noise)
