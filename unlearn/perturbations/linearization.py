"""The linear model of noise that linearises, and the gradient of that noise."""

import numpy as np
import torch
from torch import nn

from unlearn.algorithms.losses import cross_entropy
from unlearn.core import seeding
from unlearn.training.cyclic_batches import CyclicBatches
from unlearn.training.optimizers import Optimizer
from unlearn.training.recipe import Recipe
from unlearn.training.task import Task, index_of


def network(task: Task, seed: int) -> nn.Module:
    """Two linear layers without bias on pixels, the hidden one as wide as there are classes."""
    classes = task.data.classes
    pixels = int(np.prod(task.data.shape))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        layers = nn.Sequential(
            nn.Flatten(),
            nn.Linear(pixels, classes, bias=False),
            nn.Linear(classes, classes, bias=False),
        )
    return layers.to(task.machine.device)


def trained_weights(
    task: Task, ids: np.ndarray, recipe: Recipe, steps: int, seed: int
) -> np.ndarray:
    """The weights W of a linear model of pixels in [0, 1], trained on some points.

    Args:
        task: Images, machine and meter.
        ids: The points.
        recipe: Optimiser, rate and schedule.
        steps: Minibatches.
        seed: Decides the initial weights and the minibatches.

    Returns:
        float64 classes x pixels: the product of both layers.

    Raises:
        ValueError: The model diverges.
    """
    data = task.data
    model = network(task, seed)
    batches = CyclicBatches(ids, recipe.batch_size, seeding.derive(seed, "minibatches"))
    optimizer = Optimizer(model, recipe, task.machine, meter=task.meter, steps=steps)
    with task.meter.by_hand():
        for _ in range(steps):
            batch = index_of(batches.next()).to(task.machine.device)
            images = data.train_images[batch].float() / data.levels
            if not optimizer.step(cross_entropy(model(images), data.train_labels[batch])):
                raise ValueError(
                    f"lr: {recipe.lr} lets the source of the noise diverge; allowed: less"
                )
    task.meter.gradients(model, images, steps * batches.size)
    first, second = (layer.weight.detach().double().cpu() for layer in model[1:])
    return (second @ first).numpy()


def charge(task: Task, points: int, steps: int) -> None:
    """Charge the steps of noise on points and three passes that count mistakes to the meter."""
    image = task.data.train_images[:1].float()
    model = network(task, 0)
    task.meter.input_gradients(model, image, steps * points)
    task.meter.forwards(model, image, 3 * points)


def gradient(
    weights: np.ndarray,
    noise: np.ndarray,
    image_logits: np.ndarray,
    labels: np.ndarray,
    label_share: float,
) -> np.ndarray:
    """The gradient to n of share CE(W n, y) + (1 - share) KL(uniform, softmax(W (x - n))).

    In float64: a single product of matrices in float32 could round a sign by the points beside it.

    Args:
        weights: W, classes x pixels.
        noise: n, N x pixels.
        image_logits: W x, N x classes.
        labels: y, N.
        label_share: The weight of the first part.

    Returns:
        N x pixels.
    """
    logits = noise @ weights.T
    classes = len(weights)
    label_error = _softmax(logits) - np.eye(classes)[labels]
    excess = _softmax(image_logits - logits) - 1 / classes
    return (label_share * label_error - (1 - label_share) * excess) @ weights


def _softmax(logits: np.ndarray) -> np.ndarray:
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)
