"""Langevin unlearning: more noisy steps of descent, on what is left."""

from typing import ClassVar

from unlearn.core.guarantee import Guarantee
from unlearn.methods.base import Method, parameter


class Langevin(Method):
    """Take K more noisy steps of full-batch descent on the retain set; the noise hides the past.

    Models of the trainer `langevin` go on as they were trained, with rate eta and weight decay m:

        w <- P(w - eta (grad f(w) + m w) + sqrt(2 eta) sigma N(0, I)),    f = mean CE over D_r

    The law of w and that of the same procedure on D_r from the start come closer with every step.
    With |D_f| of n points deleted after T steps, gradients of norm at most M and rho = 1 - eta m
    they are mu = B / V^(1/2) apart, which gives epsilon at `delta`:

        B = rho^K (1 - rho^T) 2 M |D_f| / (n m),
        V = 2 eta sigma^2 (1 - rho^(2 (T + K))) / (1 - rho^2)

    K is the least number from 1 on with which `epsilon` holds. Later requests add their terms to B,
    and earlier ones fade. `start: retrained` is the reference of the certificate with equal noise.

    Cost:
        K |D_r| gradients.

    Pitfalls:
        The certificate is about the published weights, and about nothing that was stored earlier.
        Epsilon says how near the noisy reference is; its distance from the oracle is the price of
        the noise. A ledger holds deletions alone, so requests that add points are refused.

    References:
        Chien, Wang, Chen, Li, "Langevin unlearning: a new perspective of noisy gradient descent
        for machine unlearning", NeurIPS 2024. Bok, Su, Altschuler, "Shifted interpolation for
        differential privacy", ICML 2024.
    """

    label = "Langevin"
    trainer = "langevin"
    guarantee = "certified"
    reads = frozenset({"retain"})
    serves = ("delete",)
    conformance: ClassVar = {"steps": 3}
    conformance_variants = ({"start": "retrained"},)
    conformance_exceptions: ClassVar = {
        "stream": "additions, of which the stream has some, are refused",
        "addition": "additions are refused: no ledger holds them",
    }

    epsilon: float = parameter(
        1.0, above=0, help="What K is chosen for; without effect where `steps` is given."
    )
    delta: float = parameter(1e-5, above=0, below=1, help="The delta of the certificate.")
    steps: int | None = parameter(
        None,
        minimum=1,
        help="K; null takes the least that certifies `epsilon`. The certificate says what holds.",
    )
    max_steps: int = parameter(
        10000, minimum=1, help="The largest K that is tried; a request that needs more fails."
    )
    start: str = parameter(
        "original",
        choices=("original", "retrained"),
        help="retrained is the reference: trained without the deleted points, with equal noise.",
    )

    @property
    def continues(self):
        """Whether a later request goes on from the weights of an earlier one."""
        return self.start == "original"

    def guarantee_for(self, setting):
        """The reference is exact; all constants of the models of the trainer are proved."""
        if self.start == "retrained":
            return Guarantee("exact", "deleted points have no part in the model", self.serves)
        return Guarantee(self.guarantee, "noise hides what is left of the points", self.serves)

    def gradient_evaluations(self, retained, deleted, recipe):
        """K gradients of every retained point, and those of learning for the reference."""
        if self.steps is None:
            return None
        learning_steps = recipe.epochs if self.start == "retrained" else 0
        return (learning_steps + self.steps) * retained

    def references(self):
        """The same procedure that never saw the deleted points."""
        if self.start == "retrained":
            return {}
        return {"twin": self.values() | {"start": "retrained"}}

    def audited_loop(self):
        """The loop on the worst case, calibrated for epsilon; the reference has none."""
        from unlearn.algorithms.certified.audited_descent import STEPS, DescentLoop

        loop = DescentLoop("langevin", self.epsilon, self.delta, self.steps or STEPS)
        return loop if self.start == "original" else None

    def unlearn(self, task, original, request, seed):
        """The weights after K steps, and the ledger.

        ValueError if points are added, no point is left, or `max_steps` do not suffice.
        """
        from unlearn.algorithms.certified import serving

        return serving.langevin(self, task, original, request, seed)
