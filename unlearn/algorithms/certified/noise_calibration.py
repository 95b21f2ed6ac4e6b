"""The noise that clipped weights need, and the certificate that it gives."""

from dataclasses import dataclass, replace

from unlearn.algorithms.certified.parameters import NoisyParameters
from unlearn.certificates import calibration, chains, record
from unlearn.certificates.amplification import amplified_mu
from unlearn.certificates.chains import Deletion, NoisySteps
from unlearn.certificates.record import Certificate, Clipping

REASON = "all weights are clipped to a radius before the noise"
"""Why every constant of the certificate is proved."""

REFERENCE = "the same noisy steps, from a model that was trained without the deleted points"


def procedure(method: NoisyParameters) -> "NoisyProcedure":
    """What the certificate of a method follows from, but for the noise."""
    return NoisyProcedure(
        rule=method.mode,
        clipping=Clipping(
            start=method.start_radius,
            gradient=method.gradient_radius if method.mode == "gradient_clipping" else None,
            model=method.model_radius if method.mode == "model_clipping" else None,
        ),
        steps=NoisySteps(
            rate=method.noisy_lr,
            weight_decay=method.noisy_weight_decay,
            steps=1 if method.mode == "output_noise" else method.noisy_steps,
        ),
    )


def output_noise_sigma(start_radius: float, epsilon: float, delta: float) -> float:
    """The least standard deviation of noise on weights clipped to the norm `start_radius`."""
    return calibration.sigma_for(chains.output_noise(start_radius, sigma=1.0), epsilon, delta)


@dataclass(frozen=True)
class NoisyProcedure:
    """Clipped weights and noise: what a certificate of noisy fine-tuning follows from."""

    rule: str
    """`gradient_clipping`, `model_clipping` or `output_noise`: a rule of `certificates.record`."""
    clipping: Clipping
    """The radii C0, C1, C2; None where the rule has none."""
    steps: NoisySteps
    """eta, lambda and T; output noise is one step without a gradient."""

    def least_sigma(self, epsilon: float, delta: float) -> float:
        """The least standard deviation of the noise that is (epsilon, delta)-certified."""
        if self.rule == "model_clipping":
            return 2 * self.clipping.model / amplified_mu(epsilon, self.steps.steps, delta)
        if self.rule == "output_noise":
            return output_noise_sigma(self.clipping.start, epsilon, delta)
        radii = (self.clipping.start, self.clipping.gradient)
        unit_bound = chains.gradient_clipping(*radii, self.steps, sigma=1.0)
        return calibration.sigma_for(unit_bound, epsilon, delta)

    def certificate(
        self, deleted_points: int, points: int, sigma: float, delta: float
    ) -> Certificate:
        """The certificate of a request that deletes so many of the points before it."""
        has_gradient = self.rule != "output_noise"
        draft = Certificate(
            rule=self.rule,
            level="certified",
            reason=REASON,
            reference=REFERENCE,
            delta=delta,
            noise=sigma,
            ledger=(Deletion(deleted_points, points, self.steps.steps),),
            gap=0.0,
            mu=0.0,
            epsilon=0.0,
            rate=self.steps.rate if has_gradient else None,
            weight_decay=self.steps.weight_decay if has_gradient else None,
            clipping=self.clipping,
        )
        return replace(draft, **record.recompute(draft)._asdict())
