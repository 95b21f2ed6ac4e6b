"""DeltaGrad: replay training, with exact gradients at a few iterations only."""

import warnings

import numpy as np
import torch

from unlearn.algorithms.deltagrad.quasi_newton import Curvature
from unlearn.algorithms.deltagrad.replay import Replay
from unlearn.requests.request import Step
from unlearn.training.state import Changed, State, rows
from unlearn.training.task import Task


class Deltagrad:
    """Approximate retraining (Wu, Dobriban, Davidson, ICML 2020, algorithm 1; appendix for MLPs).

    The training that the trainer has cached is replayed without (or with) the changed points.
    Gradients of whole minibatches are computed in the first `burn_in` iterations and in every
    `period`-th after them; elsewhere the cached gradient is moved to the new weights by a
    quasi-Newton model of the Hessian and corrected by the exact gradients of the changed points.
    With `period: 1` that is retraining, up to rounding.

    `variant` `nonconvex`, what `auto` takes for models with hidden layers, trusts fresh pairs of
    positive curvature only: `history` exact iterations in a row begin a period, and a product
    longer than `smoothness` times its vector is answered by an exact iteration.

    `mode` `batch` replays the original training for all that was asked for so far; `online` has
    every request rewrite the cache, so that the next one starts there.
    """

    trainer = "deltagrad"
    guarantee = "approximate"
    serves = ("delete", "add")

    def __init__(
        self,
        *,
        period: int,
        burn_in: int,
        history: int,
        variant: str,
        smoothness: float,
        mode: str,
    ):
        self.period = period
        self.burn_in = burn_in
        self.history = history
        self.variant = variant
        self.smoothness = smoothness
        self.mode = mode

    def unlearn(self, task: Task, trained: State, request: Step, seed: int) -> State:
        """Parameters close to those of retraining on `request.retain`.

        ValueError if no point is left or the cache is of another training.
        """
        if not len(request.retain):
            raise ValueError("no training data left")
        replay = task.trainer.replay(task, seed)
        again = _Replayed(self, replay, trained, request.retain)
        if np.array_equal(request.before, request.retain):
            return Changed(trained, {})
        if not again.changed.any():  # all that was asked for is taken back
            return Changed(trained, replay.stack.tensors(again.end()))
        found = replay.stack.tensors(again.run())
        if self.mode == "online":
            found |= {
                "cache/weights": again.weights,
                "cache/gradients": again.gradients,
                "cache/present": torch.from_numpy(again.now),
            }
        return Changed(trained, found)


class _Replayed:
    """The cached training, to be replayed for another training set."""

    def __init__(self, how: Deltagrad, replay: Replay, trained: State, retain: np.ndarray):
        self.how, self.replay, self.meter = how, replay, replay.task.meter
        self.old_weights, self.old_gradients = (
            rows(trained, f"cache/{name}") for name in ("weights", "gradients")
        )
        shape = (replay.schedule.iterations, replay.stack.size)
        for name, found in (("weights", self.old_weights), ("gradients", self.old_gradients)):
            if tuple(found.shape) != shape:
                raise ValueError(f"cache/{name} is {tuple(found.shape)}, {shape} is needed")
        self.then, self.now = np.asarray(trained["cache/present"]), replay.member(retain)
        self.changed = self.then != self.now
        hidden = len(replay.stack.shapes) > 2
        self.convex = how.variant == "convex" or (how.variant == "auto" and not hidden)
        self.curvature = Curvature(how.history)
        self.last_exact, self.after_exact = -how.period, False
        if how.mode == "online":
            kind = torch.from_numpy(self.old_weights[0]).dtype
            self.weights, self.gradients = (torch.zeros(shape, dtype=kind) for _ in range(2))
        if how.burn_in < how.history:
            warnings.warn(
                f"burn_in: {how.burn_in} is shorter than history: {how.history}, so the first "
                "products have fewer pairs",
                stacklevel=4,
            )

    def run(self) -> torch.Tensor:
        """The last weights."""
        schedule, weights, first, moved = self.replay.schedule, self.replay.start.clone(), 0, False
        sets = self.then & self.now, self.then & ~self.now, self.now & ~self.then
        if not self.convex:
            first = self._first()
            weights = self._old(self.old_weights, first)
        self.replay.task.progress.begin(schedule.iterations - first, "replaying")
        for t in range(schedule.iterations):
            if t < first:
                self._record(t, self._old(self.old_weights, t), self._old(self.old_gradients, t))
                continue
            kept, gone, new = schedule.minibatch(t, *sets)
            gradient = torch.zeros_like(weights)
            if len(kept) + len(new):
                gradient = self._gradient(t, weights, kept, gone, new, moved)
            self._record(t, weights, gradient)
            if len(kept) + len(new):
                self.replay.step(weights, gradient, t)
            moved |= bool(len(gone) + len(new))
            self.replay.task.progress.advance(len(kept) + len(new))
        return weights

    def end(self) -> torch.Tensor:
        """The last weights of the cached training."""
        last = self.replay.schedule.iterations - 1
        weights = self._old(self.old_weights, last)
        if len(self.replay.schedule.minibatch(last, self.then)[0]):
            self.replay.step(weights, self._old(self.old_gradients, last), last)
        return weights

    def _gradient(self, t: int, weights, kept, gone, new, moved: bool) -> torch.Tensor:
        """The mean gradient of the minibatch as it is now, exact or approximate."""
        exact = self._scheduled(t) or (moved and not self._ready(t))
        unknown = not len(kept) + len(gone)  # nothing of this minibatch is cached
        if unknown or (not exact and 0 < len(gone) >= len(kept)):  # exact and not dearer
            self._counted("direct_steps", exact=False)
            return self._sum(weights, kept, new) / (len(kept) + len(new))
        if not exact:
            gradient = self._approximate(t, weights, kept, gone, new, moved)
            if gradient is not None:
                self._counted("approximate_steps", exact=False)
                return gradient
            self._counted("fallbacks", exact=True)
        self._counted("exact_steps", exact=True)
        self.last_exact = t
        return self._exact(t, weights, kept, gone, new)

    def _exact(self, t: int, weights, kept, gone, new) -> torch.Tensor:
        """By the gradients of all points, which tell of the curvature, too."""
        of_kept, of_gone = (self.replay.gradient(weights, ids) for ids in (kept, gone))
        s = weights - self._old(self.old_weights, t)
        then = (of_kept + of_gone) / (len(kept) + len(gone))
        y = then - self._old(self.old_gradients, t) + self.replay.decay * s
        self.curvature.add(s, y, t)
        return (of_kept + self.replay.gradient(weights, new)) / (len(kept) + len(new))

    def _approximate(self, t: int, weights, kept, gone, new, moved: bool) -> torch.Tensor | None:
        """By the cached gradient and those of the changed points; None if it cannot be trusted."""
        total = self._old(self.old_gradients, t)
        if moved:
            v = weights - self._old(self.old_weights, t)
            product = self.curvature.product(v)  # weight decay included, which the cache is not
            if not torch.isfinite(product).all():
                return None
            if not self.convex and product.norm() >= self.how.smoothness * v.norm() > 0:
                return None
            total += product - self.replay.decay * v
        total *= len(kept) + len(gone)
        total += self.replay.gradient(weights, new) - self.replay.gradient(weights, gone)
        return total / (len(kept) + len(new))

    def _scheduled(self, t: int) -> bool:
        if t < self.how.burn_in:
            return True
        if self.convex:
            return (t - self.how.burn_in) % self.how.period == 0
        return t - self.last_exact >= self.how.period

    def _ready(self, t: int) -> bool:
        """Whether there are pairs enough for an approximate iteration."""
        if self.convex:
            return len(self.curvature) > 0
        if self.after_exact:
            self.curvature.expire(t - self.how.history)
        return len(self.curvature) == self.how.history

    def _first(self) -> int:
        """The first iteration whose minibatch has changed."""
        schedule, t = self.replay.schedule, 0
        while not len(schedule.minibatch(t, self.changed)[0]):
            t += 1
        return t

    def _sum(self, weights: torch.Tensor, *sets: np.ndarray) -> torch.Tensor:
        return sum(self.replay.gradient(weights, ids) for ids in sets)

    def _counted(self, kind: str, exact: bool) -> None:
        self.meter.count(kind, 1)
        self.after_exact = exact

    def _old(self, of: np.ndarray, t: int) -> torch.Tensor:
        """A copy of a row of the cache."""
        row = torch.from_numpy(np.array(of[t], dtype=np.float64))
        return row.to(self.replay.start.device)

    def _record(self, t: int, weights: torch.Tensor, gradient: torch.Tensor) -> None:
        if self.how.mode == "online":
            self.weights[t], self.gradients[t] = weights, gradient
