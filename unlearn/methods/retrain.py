"""Train again without the deleted points: the oracle."""

from unlearn.methods.base import Method, Update


class Retrain(Method):
    """Train again without the deleted points. The oracle.

    Same initial weights, same minibatches less the deleted points, same schedule as the original
    of the same seed, so that the two are paired.
    """

    trainer = None
    reads = frozenset({"retain"})
    guarantee = "exact"

    def unlearn(self, task, original, request, seed):
        """A state that never saw the deleted points."""
        return Update.replace(task.trainer.retrain(task, request.retain_ids, seed))
