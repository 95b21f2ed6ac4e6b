"""Gradient descent in float64 whose every iterate and gradient can be kept."""

import sys
import warnings
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

from unlearn.algorithms.deltagrad import trajectories
from unlearn.algorithms.deltagrad.replay import Replay, replay_of
from unlearn.training.state import State
from unlearn.training.task import Task

BOUND_POINTS = 1000
"""Points that the bound on the learning rate is estimated from."""

Record = Callable[[int, torch.Tensor, torch.Tensor], None]
"""Takes an iteration, the weights before it and its gradient."""


@dataclass(frozen=True)
class CacheLimits:
    """How the iterations of a training are kept."""

    dtype: str
    """`float32` or `float64`."""
    max_gigabytes: float
    """The most that a cache may take, in 1e9 bytes."""


def train(limits: CacheLimits, task: Task, ids: np.ndarray, seed: int) -> State:
    """The weights of gradient descent on `ids`, and the cache of its iterations.

    Args:
        limits: Those of the cache.
        task: Data, recipe and meter.
        ids: The training set.
        seed: Decides initial weights and minibatches.

    Raises:
        ValueError: The cache is too large, no point is left, or training diverges.
    """
    replay = replay_of(task, seed)
    shape = (replay.schedule.iterations, replay.stack.size)
    size = trajectories.cache_bytes(*shape, limits.dtype)
    trajectories.check_size(size, limits.max_gigabytes)
    print(f"the cache of a model takes {size / 1e6:,.1f} MB", file=sys.stderr)
    _warn(replay, ids)
    dtype = getattr(torch, limits.dtype)
    weights = torch.zeros(shape, dtype=dtype)
    gradients = torch.zeros(shape, dtype=dtype)

    def record(iteration: int, before: torch.Tensor, gradient: torch.Tensor) -> None:
        weights[iteration] = before
        gradients[iteration] = gradient

    last = _descend(task, replay, ids, record)
    return {
        **replay.stack.tensors(last),
        "cache/weights": weights,
        "cache/gradients": gradients,
        "cache/present": torch.from_numpy(replay.member(ids)),
    }


def retrain(task: Task, ids: np.ndarray, seed: int) -> State:
    """The same model, without a cache."""
    replay = replay_of(task, seed)
    return replay.stack.tensors(_descend(task, replay, ids, None))


def stable_rate(replay: Replay, ids: np.ndarray) -> float | None:
    """2/L for logistic regression: L <= |X|^2 / 2n + weight decay (Boehning 1992)."""
    stack = replay.stack
    if len(stack.shapes) > 2:
        return None
    sample = torch.from_numpy(ids[:: -(-len(ids) // BOUND_POINTS)]).to(replay.start.device)
    rows = stack.inputs[sample].to(torch.float64) * stack.scale - stack.shift
    rows = torch.cat([rows, torch.ones_like(rows[:, :1])], 1).cpu().numpy()
    norm = np.linalg.norm(rows, 2)
    return 2 / (norm**2 / (2 * len(rows)) + replay.decay)


def _descend(task: Task, replay: Replay, ids: np.ndarray, record: Record | None) -> torch.Tensor:
    """The last weights of gradient descent.

    Args:
        task: Data, recipe and progress.
        replay: Schedule, gradients and initial weights.
        ids: The training set.
        record: Called before every step; None records nothing.

    Raises:
        ValueError: No point is left, or training diverges.
    """
    if not len(ids):
        raise ValueError("no training data left")
    weights = replay.start.clone()
    present = replay.member(ids)
    task.progress.begin(replay.schedule.iterations, "training")
    for iteration in range(replay.schedule.iterations):
        (batch_ids,) = replay.schedule.minibatch(iteration, present)
        gradient = replay.gradient(weights, batch_ids).div_(max(len(batch_ids), 1))
        if record:
            record(iteration, weights, gradient)
        if len(batch_ids):
            replay.step(weights, gradient, iteration)
        task.progress.advance(len(batch_ids))
    if not torch.isfinite(weights).all():
        bound = stable_rate(replay, ids)
        limit = f"; stable below about 2/L = {bound:.2g}" if bound else ""
        raise ValueError(f"lr: {task.recipe.lr} diverges{limit}")
    return weights


def _warn(replay: Replay, ids: np.ndarray) -> None:
    bound = stable_rate(replay, ids)
    rate = replay.task.recipe.lr
    if bound and rate > 1.2 * bound:  # the estimate is from a sample
        warnings.warn(f"lr: {rate} is above 2/L, about {bound:.2g}", stacklevel=4)
    size = min(replay.task.recipe.batch_size, len(ids))
    if size < trajectories.MIN_BATCH_POINTS:
        warnings.warn(
            f"batch_size: minibatches of {size} have gradients that no quasi-Newton model follows; "
            f"DeltaGrad is for {trajectories.MIN_BATCH_POINTS} and more",
            stacklevel=4,
        )
