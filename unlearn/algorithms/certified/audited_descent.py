"""The loop of certified descent on the worst case, for audits of certificates.

Importable without torch and scipy.
"""

import math
from dataclasses import dataclass, replace

import numpy as np

from unlearn.algorithms.certified.descent import DescentStep, descend
from unlearn.algorithms.certified.worst_case import Runs, WorstCase
from unlearn.certificates.calibration import sigma_for
from unlearn.certificates.record import RULES, Certificate, recompute

STEPS = 3
"""K of methods that let a request or their trainer decide it."""


@dataclass(frozen=True)
class DescentLoop:
    """Learning, a request, and the noise of a rule, which is calibrated for epsilon and delta."""

    rule: str
    """`langevin`, `descent_to_delete` or `rewind`."""
    epsilon: float
    delta: float
    steps: int = STEPS
    """K: the steps that serve the request."""

    def certificate(self, case: WorstCase) -> Certificate:
        """The certificate with the least noise that keeps the promise."""
        descent = case.descent(self.steps)
        draft = Certificate(
            rule=self.rule,
            level="certified",
            reason="the constants of the worst case are known",
            reference="the same procedure without the deleted points",
            delta=self.delta,
            noise=1.0,
            ledger=descent.ledger,
            gap=0.0,
            mu=0.0,
            epsilon=0.0,
            learning_steps=descent.learning_steps,
            rate=descent.rate,
            constants=descent.constants,
        )
        sigma = sigma_for(RULES[self.rule](draft), self.epsilon, self.delta)
        certificate = replace(draft, noise=sigma)
        return replace(certificate, **recompute(certificate)._asdict())

    def weights(self, case: WorstCase, noise: float, runs: Runs) -> np.ndarray:
        """The published weights of every run, runs x 1."""
        is_langevin = self.rule == "langevin"
        step_noise = math.sqrt(2 * case.rate) * noise if is_langevin else 0.0
        step = DescentStep(case.rate, case.weight_decay, step_noise)
        numbers = runs.noise("descent").__next__
        start = np.zeros((len(runs.seeds), 1))
        first_steps = case.learning_steps - (self.steps if self.rule == "rewind" else 0)
        learning = case.learning_gradient(has_deleted_points=runs.has_deleted_points)
        learned = descend(learning, start, step, first_steps, numbers)
        weights = descend(case.retained_gradient(), learned, step, self.steps, numbers)
        return weights if is_langevin else weights + noise * numbers()
