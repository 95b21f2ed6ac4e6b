"""DeltaGrad: replay training, with exact gradients at a few iterations only."""

from unlearn.algorithms.deltagrad import trajectories
from unlearn.methods.base import Method, parameter


class Deltagrad(Method):
    """Replay training, with exact gradients at a few iterations only.

    The training that the trainer has cached is replayed without (or with) the changed points.
    Gradients of whole minibatches are computed in the first `burn_in` iterations and in every
    `period`-th after them; elsewhere the cached gradient is moved to the new weights by a
    quasi-Newton model of the Hessian and corrected by the exact gradients of the changed points.
    With `period: 1` that is retraining, up to rounding.

    `nonconvex` trusts fresh pairs of positive curvature only: `history` exact iterations in a row
    begin a period, and a product longer than `smoothness` times its vector is answered by an
    exact iteration. `online` has every request rewrite the cache, so that the next one starts
    there.

    Cost:
        Exact gradients at every `period`-th iteration, those of the changed points at the others.

    Pitfalls:
        Minibatches of fewer than 1,000 points, and networks that are not convex, have curvature
        that no quasi-Newton model follows. Weights and gradients of all iterations are stored.

    References:
        Wu, Dobriban, Davidson, "DeltaGrad: rapid retraining of machine learning models", ICML 2020.
    """

    label = "DeltaGrad"
    trainer = "deltagrad"
    guarantee = "approximate"
    conformance_variants = ({"mode": "online"},)

    period: int = parameter(
        5, minimum=1, help="Iterations from one exact gradient to the next; 1 is retraining."
    )
    burn_in: int = parameter(10, minimum=0, help="Iterations at the start that are exact.")
    history: int = parameter(2, minimum=1, maximum=20, help="Pairs of the quasi-Newton model.")
    variant: str = parameter(
        "auto",
        choices=("auto", "convex", "nonconvex"),
        help="What is trusted; auto takes nonconvex for models with hidden layers.",
    )
    smoothness: float = parameter(
        1.0, above=0, help="nonconvex. The largest curvature that is believed."
    )
    mode: str = parameter(
        "batch",
        choices=("batch", "online"),
        help="Replay the original training for all steps so far, or have every step rewrite the "
        "cache.",
    )

    def supports(self, setting):
        """A training that is longer than the burn-in."""
        if setting.data is None or setting.recipe is None:
            return None
        steps = trajectories.iterations(setting.data.points, setting.recipe)
        if self.burn_in > steps:
            return (
                f"burn_in: {self.burn_in} is more than the {steps} iterations; "
                f"allowed: 0 .. {steps}"
            )
        return None

    def unlearn(self, task, original, request, seed):
        """Parameters close to those of retraining on the retain set."""
        from unlearn.algorithms.deltagrad import incremental

        return incremental.unlearn(self, task, original, request, seed)
