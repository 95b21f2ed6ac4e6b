"""Rewind-to-Delete: repeat the last steps of learning on what is left, noise on the result."""

from typing import ClassVar

from unlearn.core.guarantee import Guarantee
from unlearn.methods.base import Method, parameter


class Rewind(Method):
    """Repeat the last K of T steps of learning on the retain set, and publish a noisy copy.

    Models of the trainer `rewind` keep the weights w_{T-K} before their last K steps:

        w <- w_{T-K};  w <- P(w - eta (grad f(w) + m w)) K times,    f = mean CE over D_r,
        publish w + N(0, sigma^2 I),    sigma = B / mu(epsilon, delta)

    With |D_f| of n points deleted, gradients of norm at most M and a contraction of rho a step, w
    is at most B from T steps on D_r:

        B = rho^K (1 - rho^(T-K)) / (1 - rho) 2 eta M |D_f| / n

    Every request starts at the checkpoint, with all deletions so far, and draws fresh noise.
    `start: retrained` is the reference of the certificate with equal noise.

    Cost:
        K |D_r| gradients; K is that of the trainer.

    Pitfalls:
        The checkpoint knows the deleted points: the certificate is about the published weights
        alone. The bound needs proved constants, so networks are refused: with their estimated ones
        it exceeds every useful noise. A ledger holds deletions alone: additions are refused.

    References:
        Mu, Klabjan, "Rewind-to-Delete: certified machine unlearning for nonconvex functions", 2024.
    """

    label = "Rewind-to-Delete"
    trainer = "rewind"
    guarantee = "certified"
    reads = frozenset({"retain"})
    serves = ("delete",)
    conformance_variants = ({"start": "retrained"},)
    conformance_exceptions: ClassVar = {
        "stream": "additions, of which the stream has some, are refused",
        "addition": "additions are refused: no ledger holds them",
    }

    epsilon: float = parameter(1.0, above=0, help="The epsilon of the certificate.")
    delta: float = parameter(1e-5, above=0, below=1, help="The delta of the certificate.")
    start: str = parameter(
        "original",
        choices=("original", "retrained"),
        help="retrained is the reference: trained without the deleted points, with equal noise.",
    )

    def guarantee_for(self, setting):
        """The reference is exact; all constants of the models of the trainer are proved."""
        if self.start == "retrained":
            return Guarantee("exact", "deleted points have no part in the model", self.serves)
        reason = "noise hides what is left of the points in the published weights"
        return Guarantee(self.guarantee, reason, self.serves)

    def gradient_evaluations(self, retained, deleted, recipe):
        """Those of learning for the reference; else K is known to the trainer alone."""
        return recipe.epochs * retained if self.start == "retrained" else None

    def references(self):
        """The same procedure that never saw the deleted points."""
        if self.start == "retrained":
            return {}
        return {"twin": self.values() | {"start": "retrained"}}

    def audited_loop(self):
        """The loop on the worst case, calibrated for epsilon; the reference has none."""
        from unlearn.algorithms.certified.audited_descent import DescentLoop

        loop = DescentLoop("rewind", self.epsilon, self.delta)
        return loop if self.start == "original" else None

    def unlearn(self, task, original, request, seed):
        """The published weights and the ledger. ValueError if points are added or none is left."""
        from unlearn.algorithms.certified import serving

        return serving.rewind(self, task, original, request, seed)
