"""Gradient descent that can be replayed: minibatches of every iteration, gradients in float64."""

from collections.abc import Mapping
from functools import cached_property

import numpy as np
import torch
from torch import nn

from unlearn.algorithms.deltagrad import trajectories
from unlearn.core import seeding
from unlearn.training.data import Data, normalised
from unlearn.training.recipe import Recipe
from unlearn.training.schedules import learning_rate
from unlearn.training.stack_optimizer import is_stack
from unlearn.training.task import Task

BLOCK_POINTS = 512
"""Points whose float64 inputs fit into a cache of the processor."""


class Schedule:
    """The points and the rate of every iteration, those of `training.fit` for the same seed.

    An epoch is a random order of all points, cut into minibatches. Points outside the training set
    leave gaps.
    """

    def __init__(self, points: int, recipe: Recipe, seed: int):
        """`points`: of the whole data set."""
        self.recipe = recipe
        self.seed = seeding.derive(seed, "training")
        self.ids = np.arange(points)
        self.iterations = trajectories.iterations(points, recipe)
        self.batches = self.iterations // recipe.epochs
        self._epoch = -1
        self._keys = np.empty(0, dtype=np.uint64)
        self._bounds = np.empty(0, dtype=np.uint64)

    def minibatch(self, iteration: int, *masks: np.ndarray) -> list[np.ndarray]:
        """The sorted ids of the minibatch that are in each of the masks, bool N."""
        epoch, batch = divmod(iteration, self.batches)
        if epoch != self._epoch:
            self._cut(epoch)
        low, high = self._bounds[batch : batch + 2]
        is_in_batch = self._keys >= low
        if batch < self.batches - 1:
            is_in_batch &= self._keys < high
        return [np.flatnonzero(is_in_batch & mask) for mask in masks]

    def rate(self, iteration: int) -> float:
        """The learning rate."""
        return learning_rate(self.recipe.schedule, self.recipe.lr, iteration, self.iterations)

    def _cut(self, epoch: int) -> None:
        """Keys of all points in the epoch's order, and the keys at which minibatches begin."""
        keys = seeding.point_keys(seeding.derive(self.seed, "epoch", epoch), self.ids)
        starts = np.arange(1, self.batches) * self.recipe.batch_size
        cuts = np.partition(keys, starts)[starts] if len(starts) else starts.astype(np.uint64)
        ends = np.array([0, np.iinfo(np.uint64).max], dtype=np.uint64)
        self._epoch = epoch
        self._keys = keys
        self._bounds = np.concatenate([ends[:1], cuts, ends[1:]])


class Stack:
    """The cross-entropy of Flatten, Linear, (ReLU, Linear)* on a data set, in float64.

    Its p parameters are one vector: weight and bias of a layer after the other, the columns of the
    first weight in the order of the pixels in memory, H x W x C. Pixels are turned to float64 a
    block at a time, so that both passes over a block find it in the processor's cache; their
    normalisation is applied to the weights instead.
    """

    def __init__(self, data: Data, model: nn.Module):
        """`model`: any of the architecture."""
        self.data = data
        device = data.train_images.device
        height, width, channels = data.shape
        self.names = [name for name, _ in model.named_parameters()]
        self.shapes = [tuple(p.shape) for p in model.parameters()]
        self.size = sum(p.numel() for p in model.parameters())
        pixels = height * width
        std = torch.tensor(data.std, dtype=torch.float64, device=device).expand(channels)
        mean = torch.tensor(data.mean, dtype=torch.float64, device=device).expand(channels)
        self.scale = (1 / (data.levels * std)).repeat(pixels)
        self.shift = (mean / std).repeat(pixels)

    @cached_property
    def inputs(self) -> torch.Tensor:
        """The training images as rows."""
        return self.data.train_images.flatten(1)

    def vector(self, tensors: Mapping[str, torch.Tensor]) -> torch.Tensor:
        """The parameters among named tensors as one vector, a copy."""
        parts = [torch.as_tensor(tensors[name]).detach().to(torch.float64) for name in self.names]
        height, width, channels = self.data.shape
        parts[0] = parts[0].reshape(-1, channels, height, width).permute(0, 2, 3, 1)
        flat = torch.cat([part.reshape(-1) for part in parts])
        return flat.to(self.data.train_images.device)

    def tensors(self, vector: torch.Tensor) -> dict[str, torch.Tensor]:
        """The inverse of `vector`: named float64 tensors on the CPU."""
        height, width, channels = self.data.shape
        parts = [part.cpu().clone() for part in self._parts(vector)]
        first = parts[0].view(-1, height, width, channels).permute(0, 3, 1, 2)
        parts[0] = first.reshape(self.shapes[0]).contiguous()
        return dict(zip(self.names, parts, strict=True))

    def gradient(self, vector: torch.Tensor, ids: np.ndarray) -> torch.Tensor:
        """The sum (not the mean) of the gradients of the loss at the points `ids`."""
        total = torch.zeros_like(vector)
        weights, biases = self._folded(vector)
        sums = self._parts(total)
        index = torch.from_numpy(ids).to(vector.device)
        for block in index.split(BLOCK_POINTS):
            rows = self.inputs.index_select(0, block).to(torch.float64)
            values = self._forward(rows, weights, biases)
            error = torch.softmax(values.pop(), 0)
            labels = self.data.train_labels.index_select(0, block)
            error.scatter_add_(0, labels[None], error.new_full((1, len(block)), -1.0))
            for layer in range(len(weights) - 1, -1, -1):
                inputs = values[layer] if layer else rows.t()
                sums[2 * layer] += _product(error, inputs.t())
                sums[2 * layer + 1] += error.sum(1)
                if layer:
                    error = _product(weights[layer].t(), error).mul_(inputs > 0)
        sums[0].mul_(self.scale).sub_(torch.outer(sums[1], self.shift))
        return total

    @torch.no_grad()
    def logits(self, vector: torch.Tensor, pixels: torch.Tensor) -> torch.Tensor:
        """Predictions N x classes, float32, on the CPU, of images N x H x W x C."""
        weights, biases = self._folded(vector)
        blocks = (rows.to(torch.float64) for rows in pixels.flatten(1).split(BLOCK_POINTS))
        logits = [self._forward(rows, weights, biases)[-1].t() for rows in blocks]
        return torch.cat(logits).to(torch.float32).cpu()

    def _parts(self, vector: torch.Tensor) -> list[torch.Tensor]:
        """Views of the tensors in a vector."""
        sizes = [int(np.prod(shape)) for shape in self.shapes]
        parts = zip(vector.split(sizes), self.shapes, strict=True)
        return [part.view(shape) for part, shape in parts]

    def _folded(self, vector: torch.Tensor) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
        """Weights and biases that take pixels as they are."""
        parts = self._parts(vector)
        weights = parts[::2]
        biases = parts[1::2]
        first_bias = biases[0] - weights[0] @ self.shift
        return [weights[0] * self.scale, *weights[1:]], [first_bias, *biases[1:]]

    @staticmethod
    def _forward(
        rows: torch.Tensor, weights: list[torch.Tensor], biases: list[torch.Tensor]
    ) -> list[torch.Tensor | None]:
        """The inputs of each layer (None for the first), then the logits, one column a point."""
        layer_inputs: list[torch.Tensor | None] = [None]
        values = rows.t()
        for layer, (weight, bias) in enumerate(zip(weights, biases, strict=True)):
            if layer:
                values = values.relu_()
                layer_inputs.append(values)
            values = _product(weight, values).add_(bias[:, None])
        return [*layer_inputs, values]


def _product(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """a @ b. numpy's BLAS is faster than torch's where one of ten rows meets one of hundreds."""
    if a.device.type == "cpu":
        return torch.from_numpy(a.numpy() @ b.numpy())
    return a @ b


class Replay:
    """A trajectory is a function of this and of the points in the training set."""

    def __init__(self, task: Task, seed: int):
        """ValueError for a model or a recipe that cannot be replayed."""
        trajectories.check_recipe(task.recipe)
        model = task.new_model(seeding.derive(seed, "initial weights"))
        if not is_stack(model):
            raise ValueError(f"model: allowed are {' and '.join(trajectories.MODELS)}")
        self.task = task
        self.seed = seed
        self.stack = Stack(task.data, model)
        self.schedule = Schedule(len(task.data.train_labels), task.recipe, seed)
        self.start = self.stack.vector(dict(model.named_parameters()))
        self.decay = task.recipe.weight_decay
        self._example = normalised(task.data.train_images[:1], task.data)
        self._model = model

    def member(self, ids: np.ndarray) -> np.ndarray:
        """A mask, bool N: whether each point is among `ids`."""
        mask = np.zeros(len(self.schedule.ids), dtype=bool)
        mask[ids] = True
        return mask

    def step(self, weights: torch.Tensor, gradient: torch.Tensor, iteration: int) -> None:
        """Descend in place along a mean gradient, weight decay added."""
        rate = self.schedule.rate(iteration)
        weights.mul_(1 - rate * self.decay).add_(gradient, alpha=-rate)
        self.task.meter.optimizer_steps += 1

    @torch.no_grad()
    def gradient(self, vector: torch.Tensor, ids: np.ndarray) -> torch.Tensor:
        """The sum of the gradients at the points, charged to the meter."""
        if not len(ids):
            return torch.zeros_like(vector)
        self.task.meter.gradients(self._model, self._example, len(ids))
        return self.stack.gradient(vector, ids)


def replay_of(task: Task, seed: int) -> Replay:
    """Schedule, gradients and initial weights of a model; the last one is kept by the task."""
    replay = task.cache.get("replay")
    if replay is None or replay.seed != seed:
        replay = task.cache["replay"] = Replay(task, seed)
    return replay


def latest_replay(task: Task) -> Replay:
    """The last replay of a task, whatever its seed; a new one where there is none."""
    return replay_of(task, task.cache["replay"].seed if "replay" in task.cache else 0)
