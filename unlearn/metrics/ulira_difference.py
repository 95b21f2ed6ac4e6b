"""How much easier unlearned models are to tell from oracles than their originals."""

import numpy as np

from unlearn.metrics.finding import Difference
from unlearn.metrics.jackknife import Estimate, difference_of
from unlearn.metrics.lira import MIN_MODELS_PER_POINT
from unlearn.metrics.ulira import MAX_JACKKNIFE_GROUPS, leave_pair_out_aucs, size_reason


def ulira_difference(
    unlearned_margins: np.ndarray,
    original_margins: np.ndarray,
    oracle_margins: np.ndarray,
    seed: int,
) -> Difference | None:
    """The area of unlearned models less that of their originals, against the same oracles.

    The jackknife leaves out a model before and after unlearning, and its partner among the oracles,
    together.

    Args:
        unlearned_margins: N models x P points, in nats.
        original_margins: the same of the models before they were unlearned.
        oracle_margins: the same of N oracles.
        seed: of the pairs of models, as for `ulira`.

    Returns:
        None where one of the two areas has no value.
    """
    fleets = (unlearned_margins, original_margins)
    if any(size_reason(fleet, oracle_margins) for fleet in fleets):
        return None
    n = len(oracle_margins)
    partners = np.random.default_rng(seed).permutation(n)
    n_groups = min(n, MAX_JACKKNIFE_GROUPS)
    differences = []
    for group in range(n_groups + 1):  # the last one is nobody's
        rest = np.arange(n) % n_groups != group
        areas = []
        for fleet in fleets:
            centers = fleet.mean(axis=0, dtype=np.float64)
            point_aucs = leave_pair_out_aucs(
                fleet[rest] - centers,
                oracle_margins[partners][rest] - centers,
                n < MIN_MODELS_PER_POINT,
            )
            areas.append(point_aucs.mean())
        differences.append(areas[0] - areas[1])
    *replicates, difference = differences
    error = np.sqrt((n_groups - 1) * np.var(replicates))
    return difference_of(Estimate(difference, float(error), n_groups - 1))
