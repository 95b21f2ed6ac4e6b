"""The contract of trainers: how a model is trained so that it can forget later."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from unlearn.core.guarantee import Guarantee
from unlearn.core.parameters import Parameters
from unlearn.core.setting import Setting

if TYPE_CHECKING:
    import torch

    from unlearn.training.fleet import Member
    from unlearn.training.state import State
    from unlearn.training.task import Task


CERTIFICATE_METRICS = (
    "certified_epsilon",
    "gap_bound",
    "kl_twin",
    "accuracy_gap_twin",
    "l2_twin",
)
"""Metrics of models that certified methods unlearn."""


class Trainer(Parameters):
    """Trains models, and knows the parts of their states. One file each.

    Importable without torch. A state is a mapping of named tensors. It may hold more than one
    network (an ensemble), and tensors that only later requests need, whose names have a slash.
    """

    metrics: ClassVar[tuple[str, ...]] = ()
    """Metrics of the catalogue that only models of this trainer have."""

    controls: ClassVar[str | None] = None
    """Another trainer that trains the same models to the bit, and whose controls are shared."""

    ensemble: ClassVar[bool] = False
    """Whether a state holds several networks, whose single predictions are kept."""

    replays: ClassVar[bool] = False
    """Whether a request must be served with the seed of training, because a part is trained again
    or replayed."""

    orders: ClassVar[tuple[str, ...]] = ("masked",)
    """The values of `order` of the method `retrain` that `retrain` can follow: `masked`, and
    `recut` where the minibatches are those of `training.loop.fit` at its defaults."""

    def supports(self, setting: Setting) -> str | None:
        """Why the trainer cannot work in a setting; None if it can."""
        return None

    def network_count(self) -> int:
        """The networks that a state holds."""
        return 1

    def guarantee(self) -> Guarantee:
        """What retraining by this trainer promises."""
        return Guarantee("exact")

    def train(self, task: "Task", ids: np.ndarray, seed: int) -> "State":
        """A model trained on the points `ids`, with all that later requests need.

        Raises ValueError where that is impossible.
        """
        raise NotImplementedError

    def retrain(self, task: "Task", ids: np.ndarray, seed: int) -> "State":
        """The same model for the oracle, without what only later requests need."""
        return self.train(task, ids, seed)

    def train_many(self, task: "Task", members: Sequence["Member"]) -> list["State"]:
        """A model for each member of a fleet, on base training or on its subset of it."""
        base_ids = task.data.base_ids
        return [self.train(task, member.train_ids(base_ids), member.seed) for member in members]

    def members(self, state: "State") -> list[Mapping]:
        """The tensors of each network that predictions come from."""
        return [state]

    def member_logits(
        self, task: "Task", member: Mapping, pixels: "torch.Tensor"
    ) -> "torch.Tensor":
        """Logits N x classes, float32 on the CPU, of one network for images N x H x W x C."""
        from unlearn.training.loop import predict

        return predict(task, task.model(member), pixels)

    def combine(self, member_logits: Sequence["torch.Tensor"], state: "State") -> "torch.Tensor":
        """The prediction of the whole from those of its networks, N x classes."""
        (logits,) = member_logits
        return logits

    def votes(self, member_logits: Sequence["torch.Tensor"], state: "State") -> np.ndarray:
        """The class that each network of an ensemble predicts, int16 S x N; -1 for an absent one.

        S is 0 for a single network.
        """
        return np.empty((0, len(member_logits[0])), dtype=np.int16)

    def predict(self, task: "Task", state: "State", pixels: "torch.Tensor") -> "torch.Tensor":
        """The prediction of a state for images."""
        outputs = [self.member_logits(task, member, pixels) for member in self.members(state)]
        return self.combine(outputs, state)

    def served(self, state: "State") -> list[str]:
        """Names of the tensors that predictions need; those with a slash are for later requests."""
        return [name for name in state if "/" not in name]

    def compared(self, task: "Task") -> list[str]:
        """Names of the trainable tensors of a state, those that an L2 distance compares."""
        return [name for name, _ in task.new_model(0).named_parameters()]
