"""Train again without the deleted points: the oracle."""

from dataclasses import replace

from unlearn.methods.base import Method, Update, parameter


class Retrain(Method):
    """Train again without the deleted points. The oracle.

    Same seed, initial weights and learning rates as the original, so that the two are paired. With
    `order: masked` a minibatch is that of the original less the deleted points. With `order: recut`
    the retain set is cut into full minibatches, as in a training that never knew other points.

    Cost:
        A training on what is left.

    Pitfalls:
        Two retrainings differ by chance: read every distance beside the floor of oracles of other
        seeds.
    """

    label = "retrained"
    trainer = None
    reads = frozenset({"retain"})
    guarantee = "exact"
    is_control = True
    conformance_variants = ({"order": "recut"},)

    order: str = parameter(
        "masked",
        choices=("masked", "recut"),
        help="The minibatches: those of the original less the deleted points, or the retain set in "
        "a random order of the same seed, cut into full minibatches.",
    )

    def supports(self, setting):
        """An order that the trainer can follow."""
        return None if setting.trainer is None else self._refusal(setting.trainer)

    def gradient_evaluations(self, retained, deleted, recipe):
        """One for every retained point and epoch, with the standard trainer."""
        return recipe.epochs * retained

    def unlearn(self, task, original, request, seed):
        """A state that never saw the deleted points; ValueError for an order of other trainers."""
        reason = self._refusal(task.trainer)
        if reason:
            raise ValueError(reason)
        if self.order == "recut":
            task = replace(task, ordered_ids=request.retain_ids)
        return Update.replace(task.trainer.retrain(task, request.retain_ids, seed))

    def _refusal(self, trainer) -> str | None:
        if self.order in trainer.orders:
            return None
        allowed = ", ".join(trainer.orders)
        return f"order: {self.order} is none of {type(trainer).__name__}; allowed: {allowed}"
