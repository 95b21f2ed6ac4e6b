"""The minimum of a summed loss with a random linear term, by damped Newton steps.

References:
    Chaudhuri, Monteleoni, Sarwate, "Differentially private empirical risk minimization",
    JMLR 2011. Guo, Goldstein, Hannun, van der Maaten, "Certified data removal from machine learning
    models", ICML 2020.
"""

import numpy as np
import torch

from unlearn.algorithms.certified.summed_loss import SummedLoss
from unlearn.core import seeding

MAX_GRADIENT = 1e-9
"""The norm of the gradient of the summed loss at which training ends."""

MAX_STEPS = 100
"""Newton steps after which training gives up."""

MAX_HALVINGS = 60
"""Halvings of a step after which rounding alone decides."""

SUFFICIENT_DECREASE = 0.25
"""The share of the decrease that the slope promises, with which a step is taken."""


def random_term(loss: SummedLoss, sigma: float, seed: int, restarts: int) -> torch.Tensor:
    """b: normal, of standard deviation sigma, C x d; another one after every retraining."""
    stream = seeding.derive(seed, "objective perturbation", restarts)
    draws = np.random.default_rng(stream).standard_normal(loss.shape)
    return torch.from_numpy(sigma * draws).to(loss.rows.device)


def minimum(loss: SummedLoss, term: torch.Tensor) -> torch.Tensor:
    """The weights C x d that minimise the loss plus term.w, to `MAX_GRADIENT`; charged.

    Newton's direction lowers the norm of the gradient; steps are halved until it falls enough.

    Raises:
        ValueError: No point, or the gradient does not get so small.
    """
    if not loss.points:
        raise ValueError("no training data left")
    weights = torch.zeros_like(term)
    gradient = loss.gradient(weights) + term
    loss.charge_gradients()
    for _ in range(MAX_STEPS):
        norms = gradient.norm(dim=1)
        if bool((norms <= MAX_GRADIENT).all()):
            return weights
        directions = torch.zeros_like(weights)
        for c in torch.nonzero(norms > MAX_GRADIENT)[:, 0].tolist():
            directions[c] = -solve(loss.hessian(weights[c], c), gradient[c])
            loss.charge_hessian()
            loss.charge_solve()
        weights, gradient = _damped_step(loss, term, (weights, gradient), directions)
        loss.task.meter.optimizer_steps += 1
    raise ValueError(
        f"the gradient of the loss is {float(gradient.norm(dim=1).max()):.3g} after {MAX_STEPS} "
        f"Newton steps; allowed: {MAX_GRADIENT:g}; raise weight_decay"
    )


def solve(hessian: torch.Tensor, vector: torch.Tensor) -> torch.Tensor:
    """hessian^-1 vector, by the Cholesky factor; ValueError where rounding makes it singular."""
    factor, failure = torch.linalg.cholesky_ex(hessian)
    if int(failure):
        raise ValueError("the Hessian of the loss is singular; raise weight_decay")
    return torch.cholesky_solve(vector[:, None], factor)[:, 0]


def _damped_step(
    loss: SummedLoss,
    term: torch.Tensor,
    start: tuple[torch.Tensor, torch.Tensor],
    directions: torch.Tensor,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Weights and gradient after a step along each classifier's direction.

    Args:
        loss: The summed loss.
        term: The random linear term, C x d.
        start: Weights and gradient before the step, C x d.
        directions: Newton's, C x d; 0 for a classifier that has arrived.
    """
    weights, gradient = start
    norms = gradient.norm(dim=1)
    lengths = torch.ones_like(norms)
    for _ in range(MAX_HALVINGS):
        next_weights = weights + lengths[:, None] * directions
        next_gradient = loss.gradient(next_weights) + term
        loss.charge_gradients()
        limits = (1 - SUFFICIENT_DECREASE * lengths) * norms
        is_long = (next_gradient.norm(dim=1) > limits) & directions.any(dim=1)
        if not bool(is_long.any()):
            break
        lengths[is_long] /= 2
    return next_weights, next_gradient
