"""Certified removal: a Newton step for each request, and a retraining when the noise is used up."""

from types import MappingProxyType
from typing import ClassVar

from unlearn.algorithms.certified.removal_ledger import LEVEL, MAX_PAPER_EPSILON
from unlearn.methods.base import Method, parameter


class CertifiedRemoval(Method):
    """Take one Newton step away from the deleted points, while a bound on its error allows it.

    The trainer has added b.w to the loss, with normal b. A request deletes its s points at once:

        d = sum of the gradients of D_f + decay s w,    H = Hessian of the loss on D_r,
        w <- w + H^-1 d,    beta <- beta + bound

    beta bounds the norm of the gradient of the loss on D_r, over all requests so far. A model with
    the residual gradient u is the exact minimum for b - u instead of b: mu = |beta| / sigma. Where
    beta would exceed the budget of (epsilon, delta) the model is trained on D_r with a fresh b, and
    beta starts again; `restarts` counts that.

    With v = H^-1 d and the largest singular value |X| of the first inputs, the bound is

        paper:   1/4 |X| |v| |X_r v|
        taylor:  |X| (sum over D_r of (x.v)^4)^(1/2) / (12 sqrt 3)

    Cost:
        The gradients of the deleted points, one Hessian of each classifier, n d^2 and d^3 / 3 for d
        inputs, and two passes over D_r. Where the budget is spent, a training.

    Pitfalls:
        The bound holds at the noise that was drawn, and the theorem asks for more: so the level is
        `approximate`. Deletions must not be chosen by looking at the model. The benchmark's b is a
        function of a public seed, drawn again to measure `residual`; a service must destroy it.
        `gap_bound` is one of gradients of the summed loss, not of weights.

    References:
        Guo, Goldstein, Hannun, van der Maaten, "Certified data removal from machine learning
        models", ICML 2020.
    """

    label = "certified removal"
    trainer = "removal"
    guarantee = LEVEL.level
    serves = ("delete",)
    continues = True
    conformance = MappingProxyType({"epsilon": 1e5})
    conformance_variants = ({"bound": "paper", "epsilon": 1e8}, {"epsilon": 1.0})
    conformance_exceptions: ClassVar = {
        "seed": "the seed matters where the budget is spent and the model is trained again",
        "continuation": "weights that training and requests did not leave are refused",
        "addition": "points that are added have no bound and are refused",
        "stream": "the suite's stream adds points, which are refused",
    }

    epsilon: float = parameter(1.0, above=0, help="Of the promise.")
    delta: float = parameter(1e-5, above=0, below=1, help="Of the promise.")
    bound: str = parameter(
        "taylor",
        choices=("taylor", "paper"),
        help="How the gradient that a step leaves is bounded; taylor is smaller, paper published.",
    )
    budget: str = parameter(
        "exact",
        choices=("exact", "paper"),
        help="The gradient that noise hides: sigma mu(epsilon, delta), or the paper's tail bound.",
    )

    def validate(self):
        """Raise ValueError where the paper's budget does not hold."""
        if self.budget == "paper" and self.epsilon > MAX_PAPER_EPSILON:
            raise ValueError(
                f"epsilon: {self.epsilon} is not allowed with budget: paper; allowed: up to "
                f"{MAX_PAPER_EPSILON}"
            )

    def guarantee_for(self, setting):
        """Approximate, with the reason."""
        return LEVEL

    def unlearn(self, task, original, request, seed):
        """The weights after the step or the retraining, the ledger, and the certificate.

        ValueError if points are added, if none is left, or if the budget is too small.
        """
        from unlearn.algorithms.certified import removal

        return removal.unlearn(self, task, original, request, seed)
