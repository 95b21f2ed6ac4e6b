"""Certified removal: Newton steps that delete points, and bounds on the gradient that they leave.

References:
    Guo, Goldstein, Hannun, van der Maaten, "Certified data removal from machine learning
    models", ICML 2020.
"""

from dataclasses import dataclass

import numpy as np
import torch

from unlearn.algorithms.certified.objective_perturbation import (
    MAX_GRADIENT,
    minimum,
    random_term,
    solve,
)
from unlearn.algorithms.certified.parameters import PerturbationParameters, RemovalParameters
from unlearn.algorithms.certified.removal_ledger import RemovalLedger, removal_budget
from unlearn.algorithms.certified.summed_loss import SummedLoss
from unlearn.requests.request import Step
from unlearn.training.state import State, Update
from unlearn.training.task import Task


def train(trainer: PerturbationParameters, task: Task, ids: np.ndarray, seed: int) -> State:
    """The minimum of the perturbed loss on the points `ids`, and the ledger of its residual.

    Args:
        trainer: Its sigma.
        task: Data, weight decay and meter.
        ids: The training points.
        seed: Decides the random term.

    Raises:
        ValueError: No point, or Newton's method does not arrive.
    """
    loss = SummedLoss(task, ids)
    term = random_term(loss, trainer.sigma, seed, restarts=0)
    weights = minimum(loss, term)
    loss.charge_hessian()  # the Gram matrix of the norm
    residual = residual_norms(loss, term, weights)
    ledger = RemovalLedger.of_training(residual, loss.points, loss.norm())
    return {loss.weight_name: weights.cpu()} | ledger.tensors()


def retrain(trainer: PerturbationParameters, task: Task, ids: np.ndarray, seed: int) -> State:
    """The same weights, without a ledger."""
    loss = SummedLoss(task, ids)
    term = random_term(loss, trainer.sigma, seed, restarts=0)
    return {loss.weight_name: minimum(loss, term).cpu()}


@dataclass(frozen=True)
class Removal:
    """A Newton step of every classifier away from deleted points."""

    steps: torch.Tensor
    """v, C x d."""
    solve_errors: torch.Tensor
    """|H v - d|, C: what rounding leaves of the system."""


def newton_removal(retained: SummedLoss, deleted: SummedLoss, weights: torch.Tensor) -> Removal:
    """v = H^-1 d: H of the retained points, d the gradient of the deleted ones; charged.

    Both with the weight decay of their points, at weights C x d that minimise the sum of both.
    """
    gradients = deleted.gradient(weights)
    deleted.charge_gradients()
    steps = torch.zeros_like(weights)
    errors = torch.zeros_like(weights)
    retained.charge_gradients()  # the pass that gives curvatures
    for c in range(len(weights)):
        hessian = retained.hessian(weights[c], c)
        retained.charge_hessian()
        retained.charge_solve()
        steps[c] = solve(hessian, gradients[c])
        errors[c] = hessian @ steps[c] - gradients[c]
    return Removal(steps, errors.norm(dim=1))


def removal_bounds(kind: str, retained: SummedLoss, removal: Removal, norm: float) -> np.ndarray:
    """Bounds on what the step adds to the norm of the gradient of each classifier, C; charged.

    The step leaves sum_i x_i e_i with e_i = l'(z_i + u_i) - l'(z_i) - l''(z_i) u_i and u_i = v.x_i,
    so at most |X|_2 |e|, and what rounding leaves of the system.

    `paper`: |e_i| <= L |v| |u_i|, for |x_i| <= 1, with the Lipschitz constant L = 1/4 of the paper.
    `taylor`: |e_i| <= max|l'''| / 2 u_i^2, which is 1 / (12 sqrt 3) u_i^2.

    Args:
        kind: `paper` or `taylor`.
        retained: The loss of the retained points.
        removal: The step.
        norm: |X|_2, of the inputs of all points that were ever trained on.
    """
    changes = retained.scores(removal.steps)
    retained.charge_scores()
    loss = retained.loss
    if kind == "paper":
        errors = loss.lipschitz * removal.steps.norm(dim=1) * changes.norm(dim=1)
    else:
        errors = loss.max_curvature_slope / 2 * changes.square().norm(dim=1)
    return (norm * errors + removal.solve_errors).cpu().numpy()


def residual_norms(loss: SummedLoss, term: torch.Tensor, weights: torch.Tensor) -> np.ndarray:
    """The norm of the gradient of the perturbed loss of each classifier, C; not charged."""
    return (loss.gradient(weights) + term).norm(dim=1).cpu().numpy()


def unlearn(
    method: RemovalParameters, task: Task, original: State, request: Step, seed: int
) -> Update:
    """The weights after a Newton step; after a training on the rest where the budget is spent.

    The random term is no part of the state. It is drawn again from the seed to measure the true
    residual, which is not charged.

    Args:
        method: Bound, budget, epsilon and delta.
        task: Data, trainer and meter.
        original: A state of the trainer `removal`, or of this function.
        request: The step to be served.
        seed: That of training.

    Raises:
        ValueError: Points are added, none is left, the budget is below what training leaves, or the
            true residual exceeds its bound.
    """
    if len(np.setdiff1d(request.retain_ids, request.previous_ids)):
        raise ValueError("certified removal cannot add points; allowed: deletions")
    sigma = task.trainer.sigma
    retained = SummedLoss(task, request.retain_ids)
    ledger = RemovalLedger.read(original)
    restarts = ledger.restarts
    weights = torch.as_tensor(original[retained.weight_name]).to(retained.rows).clone()
    if len(request.deleted_ids):
        if not retained.points:
            raise ValueError("no training data left")
        deleted = SummedLoss(task, request.deleted_ids)
        removal = newton_removal(retained, deleted, weights)
        bounds = removal_bounds(method.bound, retained, removal, ledger.norm)
        weights = weights + removal.steps
        ledger = ledger.after(bounds, deleted.points)
    budget = removal_budget(method.budget, method.epsilon, method.delta, sigma)
    if ledger.total() > budget:
        restarts += 1
        term = random_term(retained, sigma, seed, restarts)
        weights = minimum(retained, term)
        residual = residual_norms(retained, term, weights)
        ledger = RemovalLedger.of_training(residual, retained.points, ledger.norm, restarts)
    _check_budget(ledger, budget)
    task.meter.count("restarts", restarts - RemovalLedger.read(original).restarts)
    _measure_residual(task, retained, weights, ledger, seed)
    tensors = {retained.weight_name: weights} | ledger.tensors()
    return Update(tensors, certificate=ledger.certificate(sigma, method.delta))


def _check_budget(ledger: RemovalLedger, budget: float) -> None:
    if ledger.total() > budget:
        raise ValueError(
            f"epsilon: the budget {budget:.3g} is below the gradient {ledger.total():.3g} that "
            "training leaves; allowed: larger sigma, epsilon or delta"
        )


def _measure_residual(
    task: Task, loss: SummedLoss, weights: torch.Tensor, ledger: RemovalLedger, seed: int
) -> None:
    """Record the true norm of the residual gradient beside its bound.

    Raises ValueError where the bound does not hold, as for the term of another seed.
    """
    term = random_term(loss, task.trainer.sigma, seed, ledger.restarts)
    residual = residual_norms(loss, term, weights)
    excess = float((residual - np.array(ledger.bounds())).max())
    if not excess <= MAX_GRADIENT:  # what rounding may do to a sum over all points
        raise ValueError(
            f"residual: the true gradient exceeds its bound by {excess:.3g}; the model was trained "
            "with another seed, sigma or weight_decay"
        )
    task.meter.count("residual", float(np.linalg.norm(residual)))
    task.meter.count("residual_bound", ledger.total())
