"""The pair of chains behind each rule of a certificate: of unlearning, and of the reference.

The **reference** is the same noisy procedure that never saw the deleted points. A bound is about
the weights of one publication. Steps without noise after it are post-processing: they keep mu, not
the gap.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from unlearn.certificates.constants import Constants, contraction_factor
from unlearn.certificates.contraction import Bound, contraction
from unlearn.certificates.limits import check_count, check_nonnegative, check_positive


@dataclass(frozen=True)
class Deletion:
    """One request of a ledger."""

    deleted_points: int
    """S_j: the points that the request deletes."""
    points: int
    """n_j: the training points before the request."""
    steps: int = 0
    """K_j: the steps that serve the request."""
    beta: tuple[float, ...] = ()
    """What it adds to the bound on the residual gradient, one number a classifier."""

    def __post_init__(self) -> None:
        check_count("points", self.points, least=2)
        check_count("deleted_points", self.deleted_points, least=1, most=self.points - 1)
        check_count("steps", self.steps)
        for beta in self.beta:
            check_nonnegative("beta", beta)

    @property
    def retained_points(self) -> int:
        """The training points after the request."""
        return self.points - self.deleted_points


@dataclass(frozen=True)
class Descent:
    """Full-batch gradient descent on the mean loss: learning, and the requests so far."""

    constants: Constants
    rate: float
    """eta: the learning rate of all steps; public, not chosen by the deleted points."""
    learning_steps: int
    """T: the steps on all points."""
    ledger: tuple[Deletion, ...]

    def __post_init__(self) -> None:
        check_positive("rate", self.rate)
        check_count("learning_steps", self.learning_steps)
        for j in range(1, len(self.ledger)):
            retained_points = self.ledger[j - 1].retained_points
            if self.ledger[j].points != retained_points:
                raise ValueError(
                    f"points of request {j + 1}: {self.ledger[j].points} is not allowed; "
                    f"allowed: {retained_points}, what request {j} leaves"
                )

    @property
    def rho(self) -> float:
        """The Lipschitz constant of a step."""
        return contraction_factor(self.constants, self.rate).value

    @property
    def deleted_points(self) -> int:
        """The points that all requests delete."""
        return sum(deletion.deleted_points for deletion in self.ledger)

    def shift(self, absent_points: int, points: int) -> float:
        """2 eta M s / n: how far a step on n points, s of which the reference lacks, can deviate.

        The mean gradients differ by s/n times the difference of two means over points.
        """
        return 2 * self.rate * self.constants.gradient_bound.value * absent_points / points

    def phases(self) -> Iterator[tuple[int, float]]:
        """Number of steps and shift of a step: of learning, then of each request."""
        if not self.ledger:
            yield self.learning_steps, 0.0
            return
        absent_points = self.deleted_points
        yield self.learning_steps, self.shift(absent_points, self.ledger[0].points)
        for deletion in self.ledger:
            absent_points -= deletion.deleted_points
            yield deletion.steps, self.shift(absent_points, deletion.retained_points)


@dataclass(frozen=True)
class NoisySteps:
    """Noisy steps on the retained points from clipped weights."""

    rate: float
    """eta: the learning rate."""
    weight_decay: float
    """lambda: the factor of |w|^2 / 2."""
    steps: int
    """T: steps with noise."""

    def __post_init__(self) -> None:
        check_positive("rate", self.rate)
        check_nonnegative("weight_decay", self.weight_decay)
        check_count("steps", self.steps)


def langevin(descent: Descent, sigma: float) -> Bound:
    """Noise of standard deviation sqrt(2 eta) sigma in every step of learning and of requests.

    Both chains start with the same law. The last weights are published and nothing else is kept.

    References:
        Chien, Wang, Chen, Li, Langevin unlearning, 2024.
    """
    check_nonnegative("sigma", sigma)
    shift = _shifts(descent)
    rho = np.full(len(shift), descent.rho)
    return contraction(rho, shift, np.full(len(shift), math.sqrt(2 * descent.rate) * sigma))


def descent_to_delete(descent: Descent, sigma: float) -> Bound:
    """Descent without noise, and noise of standard deviation sigma on what is published.

    References:
        Neel, Roth, Sharifi-Malvajerdi, Descent-to-Delete, 2021.
    """
    check_nonnegative("sigma", sigma)
    shift = _shifts(descent)
    return contraction(np.full(len(shift), descent.rho), shift, _last(len(shift), sigma))


def rewind(descent: Descent, sigma: float) -> Bound:
    """The last K of T learning steps again, without the points deleted so far, then noise sigma.

    K is that of the last request. Every request starts from the weights of step T - K.

    References:
        Mu, Klabjan, Rewind-to-Delete, 2025.
    """
    check_nonnegative("sigma", sigma)
    if not descent.ledger:
        return Bound(0.0, 0.0)
    repeated_steps = descent.ledger[-1].steps
    check_count("steps", repeated_steps, most=descent.learning_steps)
    shift = np.zeros(descent.learning_steps)
    first_steps = descent.learning_steps - repeated_steps
    shift[:first_steps] = descent.shift(descent.deleted_points, descent.ledger[0].points)
    return contraction(np.full(len(shift), descent.rho), shift, _last(len(shift), sigma))


def gradient_clipping(
    start_radius: float, gradient_radius: float, noisy_steps: NoisySteps, sigma: float
) -> Bound:
    """Steps w - eta (clip(g, C1) + lambda w) + N(0, sigma^2 I) from clip(w, C0).

    Holds for deleted sets of any size: the start alone depends on them. The gap is that after the
    noisy steps.

    Args:
        start_radius: C0, of all weights as one vector.
        gradient_radius: C1, of the gradient of a minibatch.
        noisy_steps: eta, lambda and the number of steps.
        sigma: standard deviation of the noise of a step.

    References:
        Koloskova et al., Certified unlearning for neural networks, 2025.
    """
    check_nonnegative("start_radius", start_radius)
    check_nonnegative("gradient_radius", gradient_radius)
    check_nonnegative("sigma", sigma)
    rho = abs(1 - noisy_steps.rate * noisy_steps.weight_decay)
    shift = 2 * noisy_steps.rate * gradient_radius
    steps = (np.full(noisy_steps.steps, value) for value in (rho, shift, sigma))
    return contraction(*steps, gap=2 * start_radius)


def model_clipping(model_radius: float, sigma: float) -> Bound:
    """The last step clip(w - eta (g + lambda w), C2) + N(0, sigma^2 I) alone.

    Earlier steps make epsilon smaller at the same mu: see `amplification`.

    References:
        Koloskova et al., Certified unlearning for neural networks, 2025.
    """
    return output_noise(model_radius, sigma)


def output_noise(start_radius: float, sigma: float) -> Bound:
    """clip(w, C0) + N(0, sigma^2 I), the Gaussian mechanism."""
    check_nonnegative("start_radius", start_radius)
    check_nonnegative("sigma", sigma)
    return contraction(np.ones(1), np.zeros(1), np.full(1, sigma), gap=2 * start_radius)


def removal(beta: tuple[float, ...], sigma: float) -> Bound:
    """Newton steps on a loss with a random linear term b.w, b ~ N(0, sigma^2 I).

    Not a pair of chains: weights with a residual gradient u solve the problem of b - u. The bound
    takes u as bounded at the drawn noise.

    Args:
        beta: bounds on the norm of the residual gradient, one a classifier.
        sigma: standard deviation of b.

    Returns:
        The gap is one of gradients of the summed loss, |beta|; mu is |beta| / sigma.

    References:
        Guo, Goldstein, Hannun, van der Maaten, Certified data removal, 2020.
    """
    if not beta:
        raise ValueError("beta: no classifier; allowed: at least 1")
    for bound in beta:
        check_nonnegative("beta", bound)
    check_nonnegative("sigma", sigma)
    return contraction(np.ones(1), np.zeros(1), np.full(1, sigma), gap=math.hypot(*beta))


def _shifts(descent: Descent) -> np.ndarray:
    """The shift of every step of a descent."""
    phases = [np.full(steps, shift) for steps, shift in descent.phases()]
    return np.concatenate(phases)


def _last(steps: int, sigma: float) -> np.ndarray:
    """Standard deviations of noise: sigma in the last step, 0 before."""
    sd = np.zeros(steps)
    sd[-1:] = sigma
    return sd
