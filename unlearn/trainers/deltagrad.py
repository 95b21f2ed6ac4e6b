"""Gradient descent in float64 that remembers its trajectory, for DeltaGrad."""

import sys
import warnings
from collections.abc import Callable

import numpy as np
import torch

from unlearn.algorithms.deltagrad import trajectories
from unlearn.algorithms.deltagrad.replay import Replay
from unlearn.training.state import State
from unlearn.training.task import Task

PLAN = "unlearn.algorithms.deltagrad.trajectories"
METRICS = ("exact_steps", "approximate_steps", "direct_steps", "fallbacks")
SAMPLE = 1000  # points that the bound on the learning rate is estimated from


class Deltagrad:
    """Training whose every iterate and gradient is kept (Wu, Dobriban, Davidson, ICML 2020).

    A state has, beside the float64 parameters under their own names, for T iterations and p
    parameters in the order of `replay.Stack`:

    `cache/weights`    T x p, the parameters before each iteration
    `cache/gradients`  T x p, the mean gradient of the loss over its minibatch, without decay
    `cache/present`    bool N, which points that was trained on

    A minibatch without points has no step, a gradient of zero, and keeps its place in the schedule.
    """

    def __init__(self, *, cache: str, max_cache_gb: float):
        """`cache`: `float64` or `float32`, how the trajectory is stored; all sums are float64."""
        self.cache = cache
        self.max_cache_gb = max_cache_gb
        self._replay: Replay | None = None

    def train(self, task: Task, ids: np.ndarray, seed: int) -> State:
        """Train on `ids`, with the cache. ValueError if it is too large or training diverges."""
        replay = self.replay(task, seed)
        shape = replay.schedule.iterations, replay.stack.size
        size = trajectories.cache_bytes(*shape, self.cache)
        trajectories.check_size(size, self.max_cache_gb)
        print(f"the cache of a model takes {size / 1e6:,.1f} MB", file=sys.stderr)
        self._warn(replay, ids)
        kind = getattr(torch, self.cache)
        weights, gradients = (torch.zeros(shape, dtype=kind) for _ in range(2))

        def record(iteration: int, before: torch.Tensor, gradient: torch.Tensor) -> None:
            weights[iteration], gradients[iteration] = before, gradient

        last = self._descend(task, replay, ids, record)
        return {
            **replay.stack.tensors(last),
            "cache/weights": weights,
            "cache/gradients": gradients,
            "cache/present": torch.from_numpy(replay.member(ids)),
        }

    def retrain(self, task: Task, ids: np.ndarray, seed: int) -> State:
        """The same model, without a cache: what retraining for its own sake costs."""
        replay = self.replay(task, seed)
        return replay.stack.tensors(self._descend(task, replay, ids, None))

    def replay(self, task: Task, seed: int) -> Replay:
        """Schedule, gradients and initial weights of a model; made once for a seed."""
        if self._replay is None or (self._replay.task, self._replay.seed) != (task, seed):
            self._replay = Replay(task, seed)
        return self._replay

    def predict(self, task: Task, state: State, pixels: torch.Tensor) -> torch.Tensor:
        """Logits of the model for images, computed in float64."""
        stack = self.replay(task, 0 if self._replay is None else self._replay.seed).stack
        return stack.logits(stack.vector(state), pixels)

    def votes(self, task: Task, state: State, pixels: torch.Tensor) -> np.ndarray:
        """None: there are no constituents."""
        return np.empty((0, len(pixels)), dtype=np.int16)

    def served(self, state: State) -> list[str]:
        """The parameters: predictions need no cache."""
        return [name for name in state if not name.startswith("cache/")]

    def parameters(self, task: Task) -> list[str]:
        """Names of the trainable tensors of a state."""
        return [name for name, _ in task.new_model(0).named_parameters()]

    def bound(self, replay: Replay, ids: np.ndarray) -> float | None:
        """2/L for logistic regression: L <= |X|^2 / 2n + weight decay (Boehning 1992)."""
        stack = replay.stack
        if len(stack.shapes) > 2:
            return None
        some = torch.from_numpy(ids[:: -(-len(ids) // SAMPLE)]).to(replay.start.device)
        rows = stack.inputs[some].to(torch.float64) * stack.scale - stack.shift
        rows = torch.cat([rows, torch.ones_like(rows[:, :1])], 1).cpu().numpy()
        norm = np.linalg.norm(rows, 2)
        return 2 / (norm**2 / (2 * len(rows)) + replay.decay)

    def _descend(
        self, task: Task, replay: Replay, ids: np.ndarray, record: Callable | None
    ) -> torch.Tensor:
        """The last weights of gradient descent on `ids`. `record` sees every iteration."""
        if not len(ids):
            raise ValueError("no training data left")
        weights, present = replay.start.clone(), replay.member(ids)
        task.progress.begin(replay.schedule.iterations, "training")
        for t in range(replay.schedule.iterations):
            (there,) = replay.schedule.minibatch(t, present)
            gradient = replay.gradient(weights, there).div_(max(len(there), 1))
            if record:
                record(t, weights, gradient)
            if len(there):
                replay.step(weights, gradient, t)
            task.progress.advance(len(there))
        if not torch.isfinite(weights).all():
            bound = self.bound(replay, ids)
            known = f"; stable below about 2/L = {bound:.2g}" if bound else ""
            raise ValueError(f"lr: {task.recipe['lr']} diverges{known}")
        return weights

    def _warn(self, replay: Replay, ids: np.ndarray) -> None:
        bound, rate = self.bound(replay, ids), replay.task.recipe["lr"]
        if bound and rate > 1.2 * bound:  # the estimate is from a sample
            warnings.warn(f"lr: {rate} is above 2/L, about {bound:.2g}", stacklevel=3)
        size = replay.task.recipe["batch_size"]
        if min(size, len(ids)) < trajectories.SMALL:
            warnings.warn(
                f"batch_size: minibatches of {min(size, len(ids))} have gradients that no "
                f"quasi-Newton model follows; DeltaGrad is for {trajectories.SMALL} and more",
                stacklevel=3,
            )
