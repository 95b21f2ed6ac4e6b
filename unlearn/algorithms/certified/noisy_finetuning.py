"""Noisy fine-tuning: clipped weights, noisy steps on the retain set, then steps without noise."""

import math
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from itertools import count, islice

import numpy as np
import torch
from torch import nn

from unlearn.algorithms.certified import noise_calibration
from unlearn.algorithms.certified.noise_calibration import NoisyProcedure
from unlearn.algorithms.certified.noisy_steps import (
    Gradient,
    Noise,
    clip,
    clipped_gradients,
    clipped_models,
)
from unlearn.algorithms.certified.parameters import NoisyParameters
from unlearn.algorithms.certified.weight_vector import WeightVector
from unlearn.core import seeding
from unlearn.requests.request import Step
from unlearn.training.loop import fit
from unlearn.training.recipe import Recipe
from unlearn.training.state import State, Update
from unlearn.training.task import Task


def unlearn(
    method: NoisyParameters, task: Task, original: State, request: Step, seed: int
) -> Update:
    """The fine-tuned model and its certificate; no change if nothing is deleted.

    Args:
        method: The hyper-parameters.
        task: Data, networks, recipe, machine and meter.
        original: The trained model, or the state after the step before.
        request: The step to be served.
        seed: That of the member.

    Raises:
        ValueError: No point is left, a tensor of the network gets no noise, or weights are not
            finite.
    """
    if not len(request.deleted_ids):
        return Update()
    if not len(request.retain_ids):
        raise ValueError("no training data left")
    procedure = noise_calibration.procedure(method)
    sigma = method.sigma or procedure.least_sigma(method.epsilon, method.delta)
    if method.start == "retrained":
        state = task.trainer.retrain(task, request.retain_ids, seed)
        certificate = None
    else:
        state = original
        certificate = procedure.certificate(
            len(request.deleted_ids), len(request.previous_ids), sigma, method.delta
        )
    vector = WeightVector(task, state)
    noise = Noise(sigma, seed, request.index)
    weights = noisy_weights(vector, procedure, request.retain_ids, noise)
    recipe = replace(task.recipe, epochs=method.epochs, lr=method.lr, schedule=method.schedule)
    model = fine_tuned(vector, weights, request.retain_ids, recipe, seed)
    return Update(model, certificate=certificate)


def noisy_weights(
    vector: WeightVector,
    procedure: NoisyProcedure,
    retain_ids: np.ndarray,
    noise: Noise,
) -> torch.Tensor:
    """The weights after clipping and all noisy steps, P numbers in float64.

    Args:
        vector: The network, with the weights that are clipped.
        procedure: Rule, radii and steps.
        retain_ids: The points of the minibatches.
        noise: That of each step.

    Raises:
        ValueError: The weights are not finite.
    """
    radii = procedure.clipping
    steps = procedure.steps
    weights = clip(vector.values(), radii.start)
    if procedure.rule == "output_noise":
        weights = weights + noise.of(0, weights)
    else:
        order = seeding.derive(noise.seed, "noisy steps", noise.request)
        gradients = islice(minibatch_gradients(vector, retain_ids, order), steps.steps)
        if procedure.rule == "gradient_clipping":
            weights = clipped_gradients(weights, gradients, radii.gradient, steps, noise)
        else:
            weights = clipped_models(weights, gradients, radii.model, steps, noise)
    if not torch.isfinite(weights).all():
        raise ValueError(f"noisy_lr: {steps.rate} gives weights that are not finite; lower it")
    return weights


def minibatch_gradients(vector: WeightVector, ids: np.ndarray, seed: int) -> Iterator[Gradient]:
    """The gradient functions of endless minibatches of the points `ids`, epoch after epoch.

    Minibatches are cut from these points alone, so deleted ones have no part in their sizes.
    """
    task = vector.task
    for epoch in count():
        for batch in task.minibatches(ids, seed, epoch, augment=False):
            task.meter.optimizer_steps += 1
            yield partial(vector.gradient, batch=batch)


def noisy_points(retained: int, batch_size: int, steps: int) -> int:
    """The points in the first minibatches of `minibatch_gradients`."""
    epochs, rest = divmod(steps, math.ceil(retained / batch_size))
    return epochs * retained + rest * batch_size


def fine_tuned(
    vector: WeightVector, weights: torch.Tensor, ids: np.ndarray, recipe: Recipe, seed: int
) -> nn.Module:
    """The network with `weights`, after epochs without noise on the points `ids`.

    The state of the optimiser starts empty. Minibatches are cut from these points alone, so the
    deleted ones have no part in the training but by the weights that it starts from.
    """
    task = vector.task
    model = task.model(vector.state(weights))
    order = seeding.derive(seed, "finetune")
    fit(task, model, ids, recipe, order, among=ids, label="fine-tuning")
    return model
