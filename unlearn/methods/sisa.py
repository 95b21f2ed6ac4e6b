"""SISA: retrain the constituents whose shards are hit, from the first slice that is hit."""

from typing import ClassVar

from unlearn.methods.base import Method


class Sisa(Method):
    """Retrain the constituents whose shards are hit, from the first slice that is hit.

    The result is what training from scratch on the reduced shards gives, to the bit. The trainer
    cuts shards and slices, and tells which promise its partition keeps.

    Cost:
        The steps from the first slice that is hit, for every shard that is hit.

    Pitfalls:
        Many shards see few points each: accuracy falls with their number. Many requests hit every
        shard, and then all is retrained. All checkpoints are stored.

    References:
        Bourtoule et al., "Machine unlearning", IEEE S&P 2021.
    """

    label = "SISA"
    trainer = "sisa"
    reads = frozenset({"retain"})
    guarantee = "exact"
    conformance_exceptions: ClassVar = {
        "continuation": "constituents that a step does not hit stay; logits show one that diverged"
    }

    def unlearn(self, task, original, request, seed):
        """The retrained constituents; shards that the request does not hit are not even read."""
        return task.trainer.update(task, original, request, seed)
