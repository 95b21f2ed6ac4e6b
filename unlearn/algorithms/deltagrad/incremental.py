"""The cached training replayed for another training set, with few exact gradients.

References:
    Wu, Dobriban, Davidson, "DeltaGrad: rapid retraining of machine learning models", ICML 2020,
    algorithm 1; its appendix for networks.
"""

import warnings
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch

from unlearn.algorithms.deltagrad.quasi_newton import Curvature
from unlearn.algorithms.deltagrad.replay import Replay, replay_of
from unlearn.requests.request import Step
from unlearn.training.state import State, Update, rows
from unlearn.training.task import Task


class ReplayParameters(Protocol):
    """The hyper-parameters of DeltaGrad."""

    period: int
    """Iterations from one exact gradient to the next."""
    burn_in: int
    """Iterations at the start that are exact."""
    history: int
    """Pairs of the quasi-Newton model."""
    variant: str
    """What is trusted: `convex`, `nonconvex`, or `auto`, which depends on the model."""
    smoothness: float
    """The largest curvature that is believed; of `nonconvex`."""
    mode: str
    """`batch`, or `online`: every step rewrites the cache."""


def unlearn(
    method: ReplayParameters, task: Task, original: State, request: Step, seed: int
) -> Update:
    """Parameters close to those of retraining on the retain set.

    Args:
        method: The hyper-parameters.
        task: Data, recipe and meter.
        original: The state of the cached training.
        request: The step to be served.
        seed: That of the cached training.

    Raises:
        ValueError: No point is left, or the cache is of another training.
    """
    if not len(request.retain_ids):
        raise ValueError("no training data left")
    replay = replay_of(task, seed)
    replayed = Replayed(method, replay, original, request.retain_ids)
    if np.array_equal(request.previous_ids, request.retain_ids):
        return Update()
    if not replayed.changed.any():  # earlier steps are undone
        return Update(replay.stack.tensors(replayed.end()))
    tensors = replay.stack.tensors(replayed.run())
    if method.mode == "online":
        tensors |= {
            "cache/weights": replayed.weights,
            "cache/gradients": replayed.gradients,
            "cache/present": torch.from_numpy(replayed.present),
        }
    return Update(tensors)


class Replayed:
    """The cached training, to be replayed for another training set."""

    def __init__(
        self, method: ReplayParameters, replay: Replay, trained: State, retain_ids: np.ndarray
    ):
        """ValueError if the cache is of another training."""
        self.method = method
        self.replay = replay
        self.meter = replay.task.meter
        self.old_weights = rows(trained, "cache/weights")
        self.old_gradients = rows(trained, "cache/gradients")
        shape = (replay.schedule.iterations, replay.stack.size)
        for name, cache in (("weights", self.old_weights), ("gradients", self.old_gradients)):
            if tuple(cache.shape) != shape:
                raise ValueError(f"cache/{name} is {tuple(cache.shape)}, {shape} is needed")
        self.old_present = np.asarray(trained["cache/present"])
        """bool N: the points of the cached training."""
        self.present = replay.member(retain_ids)
        """bool N: the points of the replayed training."""
        self.changed = self.old_present != self.present
        hidden = len(replay.stack.shapes) > 2
        self.convex = method.variant == "convex" or (method.variant == "auto" and not hidden)
        self.curvature = Curvature(method.history)
        self.last_exact = -method.period
        self.after_exact = False
        if method.mode == "online":
            dtype = torch.from_numpy(self.old_weights[0]).dtype
            self.weights = torch.zeros(shape, dtype=dtype)
            self.gradients = torch.zeros(shape, dtype=dtype)
        if method.burn_in < method.history:
            warnings.warn(
                f"burn_in: {method.burn_in} is shorter than history: {method.history}, so the "
                "first products have fewer pairs",
                stacklevel=4,
            )

    def run(self) -> torch.Tensor:
        """The last weights."""
        schedule = self.replay.schedule
        weights = self.replay.start.clone()
        first = 0
        has_moved = False
        sets = (
            self.old_present & self.present,
            self.old_present & ~self.present,
            self.present & ~self.old_present,
        )
        if not self.convex:
            first = self._first()
            weights = self._old(self.old_weights, first)
        self.replay.task.progress.begin(schedule.iterations - first, "replaying")
        for t in range(schedule.iterations):
            if t < first:
                self._record(t, self._old(self.old_weights, t), self._old(self.old_gradients, t))
                continue
            batch = Minibatch(t, *schedule.minibatch(t, *sets))
            gradient = torch.zeros_like(weights)
            if batch.points:
                gradient = self._gradient(batch, weights, has_moved)
            self._record(t, weights, gradient)
            if batch.points:
                self.replay.step(weights, gradient, t)
            has_moved |= bool(len(batch.deleted_ids) + len(batch.added_ids))
            self.replay.task.progress.advance(batch.points)
        return weights

    def end(self) -> torch.Tensor:
        """The last weights of the cached training."""
        last = self.replay.schedule.iterations - 1
        weights = self._old(self.old_weights, last)
        if len(self.replay.schedule.minibatch(last, self.old_present)[0]):
            self.replay.step(weights, self._old(self.old_gradients, last), last)
        return weights

    def _gradient(self, batch: "Minibatch", weights: torch.Tensor, has_moved: bool) -> torch.Tensor:
        """The mean gradient of the replayed minibatch, exact or approximate.

        `has_moved`: whether the weights differ from those of the cached training.
        """
        t = batch.iteration
        exact = self._is_scheduled(t) or (has_moved and not self._is_ready(t))
        kept_points = len(batch.kept_ids)
        deleted_points = len(batch.deleted_ids)
        uncached = not kept_points + deleted_points
        if uncached or (not exact and 0 < deleted_points >= kept_points):  # exact and not dearer
            self._count("direct_steps", exact=False)
            total = self.replay.gradient(weights, batch.kept_ids)
            return (total + self.replay.gradient(weights, batch.added_ids)) / batch.points
        if not exact:
            gradient = self._approximate(batch, weights, has_moved)
            if gradient is not None:
                self._count("approximate_steps", exact=False)
                return gradient
            self._count("fallbacks", exact=True)
        self._count("exact_steps", exact=True)
        self.last_exact = t
        return self._exact(batch, weights)

    def _exact(self, batch: "Minibatch", weights: torch.Tensor) -> torch.Tensor:
        """The mean gradient by the gradients of all points; they give a pair of the curvature."""
        t = batch.iteration
        kept_sum = self.replay.gradient(weights, batch.kept_ids)
        deleted_sum = self.replay.gradient(weights, batch.deleted_ids)
        s = weights - self._old(self.old_weights, t)
        old_points = len(batch.kept_ids) + len(batch.deleted_ids)
        y = (kept_sum + deleted_sum) / old_points
        y = y - self._old(self.old_gradients, t) + self.replay.decay * s
        self.curvature.add(s, y, t)
        return (kept_sum + self.replay.gradient(weights, batch.added_ids)) / batch.points

    def _approximate(
        self, batch: "Minibatch", weights: torch.Tensor, has_moved: bool
    ) -> torch.Tensor | None:
        """The mean gradient by the cached one and those of the changed points.

        None if it cannot be trusted.
        """
        t = batch.iteration
        total = self._old(self.old_gradients, t)
        if has_moved:
            v = weights - self._old(self.old_weights, t)
            product = self.curvature.product(v)  # weight decay included, unlike in the cache
            if not torch.isfinite(product).all():
                return None
            if not self.convex and product.norm() >= self.method.smoothness * v.norm() > 0:
                return None
            total += product - self.replay.decay * v
        total *= len(batch.kept_ids) + len(batch.deleted_ids)
        total += self.replay.gradient(weights, batch.added_ids) - self.replay.gradient(
            weights, batch.deleted_ids
        )
        return total / batch.points

    def _is_scheduled(self, t: int) -> bool:
        if t < self.method.burn_in:
            return True
        if self.convex:
            return (t - self.method.burn_in) % self.method.period == 0
        return t - self.last_exact >= self.method.period

    def _is_ready(self, t: int) -> bool:
        """Whether there are pairs enough for an approximate iteration."""
        if self.convex:
            return len(self.curvature) > 0
        if self.after_exact:
            self.curvature.expire(t - self.method.history)
        return len(self.curvature) == self.method.history

    def _first(self) -> int:
        """The first iteration whose minibatch has changed."""
        schedule = self.replay.schedule
        t = 0
        while not len(schedule.minibatch(t, self.changed)[0]):
            t += 1
        return t

    def _count(self, kind: str, exact: bool) -> None:
        self.meter.count(kind, 1)
        self.after_exact = exact

    def _old(self, cache: np.ndarray, t: int) -> torch.Tensor:
        """A copy of a row of the cache."""
        row = torch.from_numpy(np.array(cache[t], dtype=np.float64))
        return row.to(self.replay.start.device)

    def _record(self, t: int, weights: torch.Tensor, gradient: torch.Tensor) -> None:
        if self.method.mode == "online":
            self.weights[t] = weights
            self.gradients[t] = gradient


@dataclass(frozen=True)
class Minibatch:
    """The points of an iteration, in the cached training and in the replayed one."""

    iteration: int
    kept_ids: np.ndarray
    """In both."""
    deleted_ids: np.ndarray
    """In the cached training only."""
    added_ids: np.ndarray
    """In the replayed training only."""

    @property
    def points(self) -> int:
        """The number of points that the replayed training has in it."""
        return len(self.kept_ids) + len(self.added_ids)
