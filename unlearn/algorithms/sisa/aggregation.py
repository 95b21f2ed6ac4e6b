"""The prediction of an ensemble from those of its constituents.

References:
    Bourtoule et al., "Machine unlearning", IEEE S&P 2021.
"""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import torch

from unlearn.algorithms.sisa import voting
from unlearn.training.state import State

ABSTENTION_LOGIT = -1e9
"""The logit of a class that the shard of a constituent does not have."""


class AggregationParameters(Protocol):
    """How the predictions of constituents become one."""

    aggregation: str
    """`mean_softmax` or `vote`."""
    tie: str
    """How tied votes are decided: `mean_softmax` or `lowest_class`."""
    weights: str
    """Of the constituents: `uniform`, or `shard_size`."""


def weights(state: State, shard: int, slices: int) -> dict[str, np.ndarray]:
    """The weights of a constituent."""
    place = f"shard{shard:03d}/slice{slices - 1:02d}/model/"
    names = [name for name in state if name.startswith(place)]
    return {name.removeprefix(place): np.asarray(state[name]) for name in names}


def present_shards(state: State) -> list[int]:
    """The shards that have points."""
    names = [name for name in state if name.endswith("/points")]
    return sorted(int(name[5:8]) for name in names if int(state[name]))


def combine(
    sisa: AggregationParameters, member_logits: Sequence[torch.Tensor], state: State
) -> torch.Tensor:
    """The aggregated prediction, as log-probabilities N x classes."""
    logs = _log_probabilities(member_logits, state)
    counts = torch.ones(len(logs))
    if sisa.weights == "shard_size":
        points = [int(state[f"shard{shard:03d}/points"]) for shard in present_shards(state)]
        counts = torch.tensor(points)
    if sisa.aggregation == "mean_softmax":
        return voting.mean(logs, counts).float()
    return voting.vote(logs, counts, sisa.tie).float()


def votes(shards: int, member_logits: Sequence[torch.Tensor], state: State) -> np.ndarray:
    """The class that each constituent predicts, int16 S x N, -1 where it is absent."""
    logs = _log_probabilities(member_logits, state)
    ballots = np.full((shards, len(logs[0])), -1, dtype=np.int16)
    ballots[present_shards(state)] = [log.argmax(1).numpy() for log in logs]
    return ballots


def _log_probabilities(member_logits: Sequence[torch.Tensor], state: State) -> list[torch.Tensor]:
    """Log-probabilities N x classes of each constituent that is present.

    A constituent abstains on classes that its shard does not have.
    """
    logs = []
    for shard, logits in zip(present_shards(state), member_logits, strict=True):
        classes = torch.as_tensor(np.asarray(state[f"shard{shard:03d}/classes"]))
        logs.append(logits.masked_fill(~classes, ABSTENTION_LOGIT).log_softmax(1))
    return logs
