"""The exact privacy loss of certified removal at a drawn noise: what the theorem leaves out.

Training maps the noise b to weights w, and removal maps them on to w'. The reference has the
weights w' for the noise b' = -gradient(w'), which is b - u with the residual gradient u. The
densities of the two laws at w' differ by those of b and b', and by how the map from b to b'
stretches volumes. A bound on |u| says nothing of that stretching: u may move all b to the points of
a grid. The formula takes the map to be one to one.
"""

import torch

from unlearn.algorithms.certified.objective_perturbation import solve
from unlearn.algorithms.certified.summed_loss import SummedLoss


def privacy_loss(
    term: torch.Tensor, residual: torch.Tensor, sigma: float, log_volume: float
) -> float:
    """ln of the density of removal over that of the reference, at the published weights.

    It is (|b - u|^2 - |b|^2) / (2 sigma^2) - ln |det J|, where J is the derivative of b' = b - u
    with respect to b.

    Args:
        term: b, C x d.
        residual: u, the gradient of the perturbed loss at the published weights, C x d.
        sigma: Standard deviation of b.
        log_volume: ln |det J|, the sum of `log_volume_change` over the requests and classifiers.
    """
    shifted = term - residual
    normal_part = (shifted.square().sum() - term.square().sum()) / (2 * sigma**2)
    return float(normal_part) - log_volume


def log_volume_change(before: SummedLoss, after: SummedLoss, weights: torch.Tensor) -> float:
    """What one request adds to ln |det J|, summed over the classifiers.

    It is ln |det| of H_r(w + v) H_r(w)^-1 (I - T H(w)^-1). H is the Hessian of the points before
    the request and H_r that of those after it; v = H_r^-1 d is the step. T is the derivative of
    H_r(w) v with respect to w at a fixed v. Over a stream the changes add up.

    Args:
        before: The loss of the points before the request.
        after: That of the points after it.
        weights: w before the request, C x d.
    """
    deleted_gradient = before.gradient(weights) - after.gradient(weights)
    total = 0.0
    for c, row in enumerate(weights):
        hessian = after.hessian(row, c)
        step = solve(hessian, deleted_gradient[c])
        full_hessian = before.hessian(row, c)
        moved_hessian = after.hessian(row + step, c)
        difference = full_hessian - after.curvature_change(row, step, c)
        total += _log_determinant(moved_hessian) - _log_determinant(hessian)
        total += _log_determinant(difference) - _log_determinant(full_hessian)
    return total


def _log_determinant(matrix: torch.Tensor) -> float:
    """ln |det|."""
    return float(torch.linalg.slogdet(matrix).logabsdet)
