"""SISA: an ensemble of constituents, each trained on its own shard, slice by slice."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from unlearn.core.guarantee import Guarantee
from unlearn.core.parameters import parameter
from unlearn.core.setting import Setting
from unlearn.partitions import sharding
from unlearn.trainers.base import Trainer

if TYPE_CHECKING:
    import numpy as np
    import torch

    from unlearn.requests.request import Step
    from unlearn.training.state import State, Update
    from unlearn.training.task import Task

PARTITION = (
    "partition_seed",
    "slice_order",
    "kmeans_fit",
    "features",
    "components",
    "prior",
    "prior_shape",
    "prior_seed",
    "cuts",
    "min_shard",
)
"""The parameters that partitions, and the order of points within a shard, depend on."""


class SisaTrainer(Trainer):
    """An ensemble of constituents, each trained on its own shard, slice by slice.

    Sharded, isolated, sliced, aggregated training. A state has, for shard s and slice r, both
    counted from 0:

    `assignment`                    int16 2 x N, shard and slice of every id, -1 for absent ones
    `shard003/slice01/model/*`      parameters and buffers after the stage that adds the slice
    `shard003/slice01/optimizer/*`  state of the optimiser, where another stage follows
    `shard003/slice01/ids`          sorted ids of the slice
    `shard003/slice01/key`          SHA-256 of ids and of all else that the checkpoint depends on
    `shard003/classes`              whether a class occurs in the shard
    `shard003/points`               number of points in the shard; where it is 0 that is all

    The state is a function of the ids in the training set, the seed and the parameters alone:
    `update` from any earlier set gives what `train` gives.

    References:
        Bourtoule et al., "Machine unlearning", IEEE S&P 2021.
    """

    ensemble = True
    replays = True
    metrics = (
        "expected_gradient_evaluations",
        "shards_retrained",
        "stages_retrained",
        "vote_accuracy",
        "tie_fraction",
        "lone_accuracy",
        "lone_accuracy_min",
        "lone_accuracy_max",
    )

    shards: int = parameter(5, minimum=1, maximum=999, help="Constituents of the ensemble.")
    slices: int = parameter(1, minimum=1, maximum=99, help="Parts of a shard, added one by one.")
    partition: str = parameter(
        "uniform",
        choices=("uniform", "label", "kmeans", "distribution_aware"),
        help="A module of unlearn/partitions: how points go to shards.",
    )
    partition_seed: int = parameter(
        0, minimum=0, help="Shared by all models, so that requests can be made for shards."
    )
    slice_order: str = parameter(
        "random",
        choices=("random", "request_probability"),
        help="How the points of a shard are ordered before it is cut; with request_probability the "
        "likeliest to be deleted come last.",
    )
    kmeans_fit: str = parameter(
        "public",
        choices=("public", "refit", "frozen"),
        help="kmeans. What centroids are fitted on: held-out points; the points that remain, again "
        "at every request; base training, once (then unlearning is exact on conditions only).",
    )
    features: str = parameter(
        "pixels",
        choices=("pixels", "pca", "random_projection"),
        help="kmeans. What distances are between.",
    )
    components: int = parameter(
        20, minimum=1, help="kmeans. Dimensions of pca and random_projection."
    )
    prior: str = parameter(
        "pareto",
        choices=("uniform", "pareto", "exponential"),
        help="distribution_aware, request_probability. How likely points are to be deleted.",
    )
    prior_shape: float = parameter(
        1.16, above=0, maximum=50, help="The shape of the requests that the prior is right for."
    )
    prior_seed: int = parameter(
        0, minimum=0, help="The ranking_seed of the requests that the prior is right for."
    )
    cuts: str = parameter(
        "equal_mass",
        choices=("equal_mass", "min_cost"),
        help="distribution_aware. Equally likely shards (the paper), or least expected retraining.",
    )
    min_shard: int = parameter(
        16, minimum=1, help="distribution_aware. The least points of a shard."
    )
    aggregation: str = parameter(
        "mean_softmax",
        choices=("mean_softmax", "vote"),
        help="How the predictions of the constituents become one.",
    )
    tie: str = parameter(
        "mean_softmax",
        choices=("mean_softmax", "lowest_class"),
        help="How tied votes are decided.",
    )
    weights: str = parameter(
        "uniform",
        choices=("uniform", "shard_size"),
        help="The weights of the constituents: equal, or the points of their shards.",
    )

    def modules(self) -> tuple[str, ...]:
        """The module of the partition."""
        return (sharding.module(self.partition),)

    def partition_options(self) -> dict:
        """The partition and the parameters that it may read."""
        return {"partition": self.partition} | {name: getattr(self, name) for name in PARTITION}

    def supports(self, setting: Setting) -> str | None:
        """Shards that can exist in the data set, and that the request is made for."""
        try:
            if setting.data is not None:
                options = self.partition_options()
                sharding.check(setting.data, shards=self.shards, slices=self.slices, **options)
        except ValueError as error:
            return f"{error}"
        for name in ("shards", "partition", "partition_seed"):
            value = getattr(self, name)
            request_value = getattr(setting.request, name, value)
            if request_value != value:
                return f"the request is for {name}: {request_value}, the trainer has {value}"
        return None

    def network_count(self) -> int:
        """The constituents, each of the last slice of its shard."""
        return self.shards

    def guarantee(self) -> Guarantee:
        """The guarantee of the partition."""
        return sharding.guarantee(**self.partition_options())

    def train(self, task: Task, ids: np.ndarray, seed: int) -> State:
        """All shards from scratch. ValueError if no id is left."""
        from unlearn.algorithms.sisa import constituents

        return constituents.train(self, task, ids, seed)

    def update(self, task: Task, trained: State, request: Step, seed: int) -> Update:
        """Serve one request: every shard that it hits, from the first slice that it hits.

        Args:
            task: Data, recipe, machine and meter.
            trained: The state before the request; shards that are not hit are not read.
            request: The step to be served.
            seed: The seed of the member.

        Returns:
            The tensors of the shards that are hit, and those that emptied shards lose.

        Raises:
            ValueError: No id is left, or a checkpoint is of another training.
        """
        from unlearn.algorithms.sisa import constituents

        return constituents.update(self, task, trained, request, seed)

    def members(self, state: State) -> list[Mapping]:
        """The weights of every constituent that is present, in the order of the shards."""
        from unlearn.algorithms.sisa import aggregation

        return [
            aggregation.weights(state, shard, self.slices)
            for shard in aggregation.present_shards(state)
        ]

    def combine(self, member_logits: Sequence[torch.Tensor], state: State) -> torch.Tensor:
        """The aggregated prediction, as log-probabilities N x classes."""
        from unlearn.algorithms.sisa import aggregation

        return aggregation.combine(self, member_logits, state)

    def votes(self, member_logits: Sequence[torch.Tensor], state: State) -> np.ndarray:
        """The class that each constituent predicts, int16 S x N, -1 where it is absent."""
        from unlearn.algorithms.sisa import aggregation

        return aggregation.votes(self.shards, member_logits, state)

    def served(self, state: State) -> list[str]:
        """Names of the tensors that predictions need."""
        last_slice = f"/slice{self.slices - 1:02d}/"
        parts = (f"{last_slice}model/", f"{last_slice}key", "/classes", "/points")
        return [name for name in state if any(part in name for part in parts)]

    def compared(self, task: Task) -> list[str]:
        """None: requests can empty shards, so states do not have the same tensors."""
        return []
