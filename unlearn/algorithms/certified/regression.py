"""Gradients of `bounded_logistic` in float64, for many models at once."""

import numpy as np
import torch
from scipy.special import expit, softmax
from torch import nn

from unlearn.training.task import Task

BLOCK_BYTES = 2**19
"""Bytes of the inputs that both products of a pass find in the processor's cache."""

CHUNK_POINTS = 512
"""Points whose images are turned to inputs at a time."""

PANEL_ROWS = 4
"""Weight vectors of one matrix product. Its shape is the same for one model and for many, so that a
model has the same bits alone and in a fleet: missing models are rows of zeros."""


class Regression:
    """The cross-entropy of `bounded_logistic` on the training points of a task.

    The k x F weights of a model are one row: k is 1 for two classes, else the number of classes.
    """

    def __init__(self, task: Task):
        """Inputs of all N training points, float64 N x F, by the layers of the network."""
        with task.meter.by_hand():
            self.model = task.new_model(0)
            layers = list(self.model.children())
            linear = next(i for i, layer in enumerate(layers) if isinstance(layer, nn.Linear))
            inputs_of = nn.Sequential(*layers[:linear])
            ids = torch.from_numpy(task.data.ids)
            blocks = [
                inputs_of(task.data.images(block.numpy()).double())
                for block in ids.split(CHUNK_POINTS)
            ]
        ((self.name, parameter),) = self.model.named_parameters()
        self.shape = tuple(parameter.shape)
        self.inputs = torch.cat(blocks).cpu().numpy()
        self.example = task.data.images(task.data.ids[:1])
        """One image, for the meter."""
        labels = task.data.train_labels.cpu().numpy()
        classes = np.arange(self.shape[0])[:, None] if self.shape[0] > 1 else np.ones((1, 1))
        self.targets = (labels == classes).astype(np.float64)
        """k x N: 1 where a label is the class of a score, else 0."""

    @property
    def points(self) -> int:
        """N."""
        return len(self.inputs)

    @property
    def size(self) -> int:
        """p: the number of weights of a model."""
        return self.shape[0] * self.shape[1]

    def shares(self, ids: np.ndarray) -> np.ndarray:
        """The share of each training point in the mean over `ids`, float64 N; 0 outside.

        Raises:
            ValueError: no point is left.
        """
        if not len(ids):
            raise ValueError("no training data left")
        shares = np.zeros(self.points)
        shares[ids] = 1 / len(ids)
        return shares

    def gradient(self, weights: np.ndarray, shares: np.ndarray) -> np.ndarray:
        """The gradients of K weighted means of the points' losses, K x p, weight decay left out.

        One pass over the inputs serves both products. Points without a share count exactly 0.

        Args:
            weights: float64 K x p.
            shares: of the points in each mean, K x N or, if the same for all, 1 x N.
        """
        models = len(weights)
        rows, features = self.shape
        lanes = PANEL_ROWS if rows == 1 else 1
        panels = -(-models // lanes)
        stack = np.zeros((panels * lanes, rows * features))
        stack[:models] = weights
        stack = stack.reshape(panels, lanes * rows, features)
        total = np.zeros_like(stack)
        block = max(1, BLOCK_BYTES // (8 * features))
        for start in range(0, self.points, block):
            part = slice(start, start + block)
            inputs = self.inputs[part]
            scores = (stack @ inputs.T).reshape(panels * lanes, rows, -1)
            probabilities = expit(scores) if rows == 1 else softmax(scores, axis=1)
            errors = probabilities - self.targets[:, part]
            errors[:models] *= shares[:, None, part]
            total += errors.reshape(panels, lanes * rows, -1) @ inputs
        return total.reshape(panels * lanes, rows * features)[:models]


def regression_of(task: Task) -> Regression:
    """The regression of a task, made once."""
    if "regression" not in task.cache:
        task.cache["regression"] = Regression(task)
    return task.cache["regression"]
