"""How the distributions of several models become one.

`logs`: log-probabilities N x C of each model; `weights`: a weight each. Results are
log-probabilities N x C, too, in float64; of a point on which a model is not finite, NaN.
"""

from collections.abc import Sequence

import torch

LEAST = -87.0  # the least log-probability of a prediction, about the smallest float32


def mean(logs: Sequence[torch.Tensor], weights: torch.Tensor) -> torch.Tensor:
    """The weighted mean of the distributions."""
    return _mean(logs, weights).clamp_min(LEAST).log_softmax(1)


def vote(logs: Sequence[torch.Tensor], weights: torch.Tensor, tie: str) -> torch.Tensor:
    """The shares of votes; ties are broken by the mean (`mean_softmax`) or for the lowest class."""
    average = _mean(logs, weights)
    ballots = torch.zeros_like(average)
    for log, weight in zip(logs, weights.double(), strict=True):
        ballots.scatter_add_(1, log.argmax(1, keepdim=True), weight.expand(len(log), 1))
    most = ballots == ballots.amax(1, keepdim=True)
    rank = average if tie == "mean_softmax" else torch.zeros_like(average)
    winner = rank.masked_fill(~most, -torch.inf).argmax(1, keepdim=True)
    shares = (ballots / weights.double().sum()).log().clamp_min(LEAST)
    margin = torch.full_like(shares[:, :1], 1e-3)  # a tie is decided, whatever the rounding
    decided = shares.scatter_add(1, winner, margin).log_softmax(1)
    return decided.masked_fill(average.isnan(), torch.nan)


def _mean(logs: Sequence[torch.Tensor], weights: torch.Tensor) -> torch.Tensor:
    weights = weights.double()
    total = torch.full(logs[0].shape, -torch.inf, dtype=torch.float64)
    for log, share in zip(logs, (weights / weights.sum()).log(), strict=True):
        total = torch.logaddexp(total, log + share)
    return total
