"""Small subjects of certified procedures, and their losses by autograd."""

from functools import cache

import numpy as np
import torch
from torch.nn import functional

from tests.support.jobs import build, job
from unlearn.algorithms.certified.objective_perturbation import random_term
from unlearn.algorithms.certified.summed_loss import SummedLoss
from unlearn.data.dataset import Dataset
from unlearn.jobs.setup import new_task
from unlearn.training.task import Task

DECAY = 0.01
WEIGHT = "2.weight"
"""The name of the weights of bounded logistic regression."""


@cache
def threes_and_eights() -> Dataset:
    """The 285 digits of two classes, none held out."""
    return build("digits", labels=[3, 8], validation=0)


def removal_task(data: Dataset, sigma: float = 1.0, **recipe) -> Task:
    """A new task of the trainer `removal`."""
    trainer = {"kind": "removal", "sigma": sigma}
    changes = {"weight_decay": DECAY} | recipe
    return new_task(data, job("bounded_logistic", trainer=trainer, **changes))


def term_of(task: Task, seed: int = 0, restarts: int = 0) -> torch.Tensor:
    """The random term of a member, C x d."""
    loss = SummedLoss(task, task.data.base_ids)
    return random_term(loss, task.trainer.sigma, seed, restarts)


def perturbed_loss(
    task: Task, ids: np.ndarray, weights: torch.Tensor, term: torch.Tensor
) -> torch.Tensor:
    """The summed loss of all classifiers with weight decay and b.w, a scalar for autograd.

    Of two classes it is the cross-entropy of the network itself.
    """
    if "network" not in task.cache:  # not to be made within torch.func
        task.cache["network"] = task.bare_model({WEIGHT: torch.zeros_like(weights)}).double()
    network = task.cache["network"]
    images = task.data.images(ids).double()
    labels = task.data.labels(ids)
    outputs = torch.func.functional_call(network, {WEIGHT: weights}, (images,))
    if task.data.classes == 2:
        fit = functional.cross_entropy(outputs, labels, reduction="sum")
    else:
        targets = functional.one_hot(labels, task.data.classes).double()
        fit = functional.binary_cross_entropy_with_logits(outputs, targets, reduction="sum")
    decay = task.recipe.weight_decay * len(ids) / 2 * weights.square().sum()
    return fit + decay + (term * weights).sum()


def perturbed_gradient(
    task: Task, ids: np.ndarray, weights: torch.Tensor, term: torch.Tensor
) -> torch.Tensor:
    """The gradient of `perturbed_loss`, C x d."""
    leaf = weights.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(perturbed_loss(task, ids, leaf, term), leaf)
    return gradient
