"""The rules of the released programs, for comparison alone: no certificate rests on them.

Both count the deletion of single points or of S points of n at once, not a stream.
"""

import math

from unlearn.certificates.chains import Deletion, Descent
from unlearn.certificates.constants import Constants
from unlearn.certificates.limits import check_count, check_positive, check_probability

MIN_ORDER = 2.0
MAX_ORDER = 1e4
"""The Renyi orders between which the released rule of Langevin unlearning looks for the best."""

ORDER_TOLERANCE = 1e-10
"""How near the logarithm of an order is to that of the best."""


def released_langevin_epsilon(descent: Descent, sigma: float, delta: float) -> float:
    """epsilon at `delta` of Langevin unlearning after one request, by its Renyi rule.

    It is the minimum over orders a of 4 a (M S / n sigma)^2 / m exp(-eta m K / a) plus
    ln(1 / delta) / (a - 1). The first term rises in a, faster and faster than the second falls, so
    there is one minimum.

    Args:
        descent: learning and one request; the loss is strongly convex.
        sigma: the noise of a step is sqrt(2 eta) sigma.
        delta: between 0 and 1.

    Raises:
        ValueError: another number of requests, or an argument is out of range.

    References:
        Chien, Wang, Chen, Li, Langevin unlearning, 2024.
    """
    from scipy.optimize import minimize_scalar

    check_positive("sigma", sigma)
    check_probability("delta", delta)
    deletion = _only_request(descent.ledger)
    m = descent.constants.convexity.value
    check_positive("convexity", m)
    deviation = descent.constants.gradient_bound.value * deletion.deleted_points / deletion.points

    def epsilon(log_order: float) -> float:
        order = math.exp(log_order)
        fading = math.exp(-descent.rate * m * deletion.steps / order)
        return 4 * order * (deviation / sigma) ** 2 / m * fading - math.log(delta) / (order - 1)

    ends = (math.log(MIN_ORDER), math.log(MAX_ORDER))
    options = {"xatol": ORDER_TOLERANCE}
    return float(minimize_scalar(epsilon, bounds=ends, method="bounded", options=options).fun)


def released_descent_to_delete_sigma(
    constants: Constants, deletion: Deletion, epsilon: float, delta: float
) -> float:
    """The noise of Descent-to-Delete for the deletion of one point, by the rule of its paper.

    References:
        Neel, Roth, Sharifi-Malvajerdi, Descent-to-Delete, 2021.
    """
    check_positive("epsilon", epsilon)
    check_probability("delta", delta)
    m = constants.convexity.value
    check_positive("convexity", m)
    check_count("deleted_points", deletion.deleted_points, least=1, most=1)
    check_count("steps", deletion.steps, least=1)
    smoothness = constants.smoothness.value
    fading = ((smoothness - m) / (smoothness + m)) ** deletion.steps
    logarithm = -math.log(delta)
    gap = constants.gradient_bound.value * fading / (m * deletion.points * (1 - fading))
    return 4 * math.sqrt(2) * gap / (math.sqrt(logarithm + epsilon) - math.sqrt(logarithm))


def _only_request(ledger: tuple[Deletion, ...]) -> Deletion:
    """The only request of a ledger."""
    if len(ledger) != 1:
        raise ValueError(f"ledger: {len(ledger)} requests; allowed: 1")
    return ledger[0]
