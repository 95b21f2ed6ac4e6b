"""Descent-to-Delete: more steps of descent on what is left, noise on what is published."""

from typing import ClassVar

from unlearn.core.guarantee import Guarantee
from unlearn.methods.base import Method, parameter


class DescentToDelete(Method):
    """Take K more steps of full-batch descent on the retain set, and publish a noisy copy.

    Models of the trainer `descent` go on as they were trained, with rate eta and weight decay m:

        w <- P(w - eta (grad f(w) + m w)) K times,    f = mean CE over D_r,
        publish w + N(0, sigma^2 I),    sigma = B / mu(epsilon, delta)

    With |D_f| of n points deleted after T steps, gradients of norm at most M and a contraction of
    rho a step, w is at most B from the same descent on D_r from the start:

        B = rho^K (1 - rho^T) / (1 - rho) 2 eta M |D_f| / n

    Later requests start at the w without noise, add their terms to B, and draw fresh noise.
    `start: retrained` is the reference of the certificate with equal noise.

    Cost:
        K |D_r| gradients.

    Pitfalls:
        The w without noise is kept as a secret state (`secret/...`), and it still knows the deleted
        points: the certificate is about the published weights alone. One publication counts; those
        of several requests compose. A ledger holds deletions alone: additions are refused.

    References:
        Neel, Roth, Sharifi-Malvajerdi, "Descent-to-Delete: gradient-based methods for machine
        unlearning", ALT 2021.
    """

    label = "Descent-to-Delete"
    trainer = "descent"
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
    steps: int = parameter(1, minimum=1, help="K: the steps that serve a request.")
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
        """K gradients of every retained point, and those of learning for the reference."""
        learning_steps = recipe.epochs if self.start == "retrained" else 0
        return (learning_steps + self.steps) * retained

    def references(self):
        """The same procedure that never saw the deleted points."""
        if self.start == "retrained":
            return {}
        return {"twin": self.values() | {"start": "retrained"}}

    def audited_loop(self):
        """The loop on the worst case, calibrated for epsilon; the reference has none."""
        from unlearn.algorithms.certified.audited_descent import DescentLoop

        loop = DescentLoop("descent_to_delete", self.epsilon, self.delta, self.steps)
        return loop if self.start == "original" else None

    def unlearn(self, task, original, request, seed):
        """The published weights, the secret state and the ledger.

        ValueError if points are added or no point is left.
        """
        from unlearn.algorithms.certified import serving

        return serving.descent_to_delete(self, task, original, request, seed)
