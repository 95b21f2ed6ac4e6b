"""Certificates audited from below: the loop of a method, run many times on the worst case."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from unlearn.algorithms.certified.worst_case import AuditedLoop, Runs, WorstCase
from unlearn.certificates.lower_bound import epsilon_lower_bound, mu_lower_bound
from unlearn.certificates.record import check
from unlearn.core import seeding


class CertificateAuditRow(NamedTuple):
    """An audit with one scale of the noise."""

    rule: str
    noise_scale: float
    """1 is the noise of the method; smaller ones are controls that must be refuted."""
    runs: int
    """Runs of each of the two laws."""
    delta: float
    mu: float
    """What the certificate claims."""
    epsilon: float
    mu_low: float
    """The laws are at least so far apart, with a confidence of 95 %."""
    epsilon_low: float
    is_refuted: int
    """1 where `mu_low` exceeds `mu`."""


def audit(
    loop: AuditedLoop, runs: int, noise_scales: Sequence[float], seed: int
) -> Iterator[CertificateAuditRow]:
    """A row for each scale of the noise.

    Args:
        loop: of the method.
        runs: of each law; half of them choose the test, half give its rates.
        noise_scales: what the noise is multiplied by.
        seed: of all runs.

    Raises:
        ValueError: the certificate does not follow from its record, or a run gives no number.
    """
    case = WorstCase()
    certificate = loop.certificate(case)
    check(certificate)
    for scale in noise_scales:
        scores = {
            has_deleted_points: _scores(
                loop,
                case,
                scale * certificate.noise,
                Runs(_seeds(seed, runs, has_deleted_points), has_deleted_points),
            )
            for has_deleted_points in (False, True)
        }
        mu_low = mu_lower_bound(scores[False], scores[True])
        yield CertificateAuditRow(
            rule=certificate.rule,
            noise_scale=scale,
            runs=runs,
            delta=certificate.delta,
            mu=certificate.mu,
            epsilon=certificate.epsilon,
            mu_low=mu_low,
            epsilon_low=epsilon_lower_bound(scores[False], scores[True], certificate.delta),
            is_refuted=int(mu_low > certificate.mu),
        )


def _scores(loop: AuditedLoop, case: WorstCase, noise: float, runs: Runs) -> np.ndarray:
    """The published weight of every run; ValueError for an array of another shape."""
    weights = loop.weights(case, noise, runs)
    if np.shape(weights) != (len(runs.seeds), 1):
        raise ValueError(f"weights: shape {np.shape(weights)}; allowed: ({len(runs.seeds)}, 1)")
    return np.asarray(weights)[:, 0]


def _seeds(seed: int, runs: int, has_deleted_points: bool) -> list[int]:
    """The seeds of the runs of one law; the two laws share none."""
    law = "unlearned" if has_deleted_points else "reference"
    return [seeding.derive(seed, "certificate audit", law, run) for run in range(runs)]
