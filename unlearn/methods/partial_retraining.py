"""Partial retraining: the oracle's training, shortened. The yardstick of equal cost."""

import math

from unlearn.core import seeding
from unlearn.core.guarantee import Guarantee
from unlearn.methods.base import Method, Update, parameter


class PartialRetraining(Method):
    """Train again without the deleted points, for a fraction of the epochs: the equal-cost control.

    Initial weights and minibatches are those of the original, less the deleted points. The learning
    rate passes through the whole schedule of the recipe in the shorter time, so that training ends
    as the oracle's does. A training of `fraction: 1` is the oracle, to the bit. A method is worth
    its cost if it does better than partial retraining at the same cost. With `start: original` the
    same steps start from the trained weights: fine-tuning at the rates of training.

    Cost:
        `fraction` of a training on what is left.

    Pitfalls:
        A short training is a worse model: its distance to the oracle is lost accuracy, not memory.
    """

    reads = frozenset({"retain"})
    guarantee = "approximate"
    conformance_variants = ({"fraction": 1.0}, {"start": "original"})
    is_control = True

    fraction: float = parameter(
        0.25, above=0, maximum=1, help="The steps, as a share of those of the oracle."
    )

    start: str = parameter(
        "fresh",
        choices=("fresh", "original"),
        help="New weights of the seed, or those of the trained model.",
    )

    @property
    def continues(self):
        """A later step starts from the model of an earlier one, unless weights are new."""
        return self.start == "original"

    def guarantee_for(self, setting):
        """The deleted points have no part in a model with new weights; else there is none."""
        if self.start == "original":
            return Guarantee("none")
        return Guarantee("exact", "the deleted points have no part in the shorter training")

    def unlearn(self, task, original, request, seed):
        """A model after `fraction` of the oracle's steps, at least one."""
        from unlearn.training.loop import fit

        points = len(task.cut_ids)
        oracle_steps = task.recipe.epochs * math.ceil(points / task.recipe.batch_size)
        steps = max(1, round(self.fraction * oracle_steps))
        if self.start == "original":
            model = task.model(original)
        else:
            model = task.new_model(seeding.derive(seed, "initial weights"), request.retain_ids)
        order = seeding.derive(seed, "training")  # that of the standard trainer
        fit(task, model, request.retain_ids, task.recipe, order, steps=steps)
        return Update(model)
