"""How the distributions of several models become one.

`logs` are the log-probabilities N x C of each model, `weights` has a weight for each. Results are
log-probabilities N x C in float64, NaN for a point on which a model is not finite.
"""

from collections.abc import Sequence

import torch

MIN_LOG_PROBABILITY = -87.0
"""The least log-probability of a prediction, about that of the smallest float32."""

WINNING_MARGIN = 1e-3
"""Added to the winner of a vote, so that a tie is decided whatever the rounding."""


def mean(logs: Sequence[torch.Tensor], weights: torch.Tensor) -> torch.Tensor:
    """The weighted mean of the distributions."""
    return _mean(logs, weights).clamp_min(MIN_LOG_PROBABILITY).log_softmax(1)


def vote(logs: Sequence[torch.Tensor], weights: torch.Tensor, tie: str) -> torch.Tensor:
    """The shares of votes; ties are broken by the mean (`mean_softmax`) or for the lowest class."""
    average = _mean(logs, weights)
    ballots = torch.zeros_like(average)
    for log, weight in zip(logs, weights.double(), strict=True):
        ballots.scatter_add_(1, log.argmax(1, keepdim=True), weight.expand(len(log), 1))
    is_tied = ballots == ballots.amax(1, keepdim=True)
    preference = average if tie == "mean_softmax" else torch.zeros_like(average)
    winner = preference.masked_fill(~is_tied, -torch.inf).argmax(1, keepdim=True)
    shares = (ballots / weights.double().sum()).log().clamp_min(MIN_LOG_PROBABILITY)
    margin = torch.full_like(shares[:, :1], WINNING_MARGIN)
    result = shares.scatter_add(1, winner, margin).log_softmax(1)
    return result.masked_fill(average.isnan(), torch.nan)


def _mean(logs: Sequence[torch.Tensor], weights: torch.Tensor) -> torch.Tensor:
    weights = weights.double()
    total = torch.full(logs[0].shape, -torch.inf, dtype=torch.float64)
    for log, share in zip(logs, (weights / weights.sum()).log(), strict=True):
        total = torch.logaddexp(total, log + share)
    return total
