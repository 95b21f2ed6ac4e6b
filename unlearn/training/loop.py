"""The one training loop: seeded by point, device- and precision-aware.

The order of an epoch is a random order of *all* points of the data set, cut into minibatches; a
point that is not trained on is dropped from its minibatch and nothing else moves. So a model that
is retrained without some points sees the same initial weights, the same minibatches less those
points, the same augmentation of every point and the same learning rates: the original and the
retrained model differ by the deleted points only (with mixup by their neighbours, too).
"""

import math
import warnings
from collections.abc import Callable, Iterator, Mapping

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from unlearn.core import seeding
from unlearn.models import networks
from unlearn.training.augmentation import augmentation, mixed
from unlearn.training.optimizers import descent
from unlearn.training.schedules import learning_rate
from unlearn.training.task import Data, Task, points

EVALUATION_BATCH = 250  # keeps resnet18 below a gigabyte
FETCHED = 1024  # images normalised at a time: as fast as more, a few megabytes


def fit(
    task: Task,
    model: nn.Module,
    ids: np.ndarray,
    recipe: Mapping,
    seed: int,
    *,
    among: np.ndarray | None = None,
    steps: int | None = None,
    optimizer_state: Mapping | None = None,
    loss: Callable[..., torch.Tensor] = functional.cross_entropy,
    targets: torch.Tensor | None = None,
    beside: Callable[[], np.ndarray] | None = None,
    clip: float | None = None,
    what: str = "training",
) -> dict[str, torch.Tensor]:
    """Train `model` in place on the points `ids`; returns the state of its optimiser.

    `recipe` is a block of the recipe schema. `among` (default: every point of the data set) are
    the points whose order is cut into minibatches; `ids` must be part of it. An emptied minibatch
    is skipped, with its place in the schedule. `steps` (default: the recipe's epochs) are the
    minibatches of the whole schedule. `optimizer_state` continues what an earlier call returned.
    `loss(logits, labels)` is minimised; weight decay is added to its gradient. `targets` (default:
    the labels) has for every point what the loss is told in place of its label. `beside()` gives
    the ids of points that join a minibatch, behind its own. `clip` bounds the norm of a gradient,
    weight decay left out; training then ends at the first loss or gradient that is not finite, the
    weights before it are kept and the meter is told (`diverged`). The model is trained in the mode
    it is in: `model.eval()` before freezes the statistics of batch normalisation, `train` skips
    minibatches of one point for it.
    """
    everyone = np.arange(len(task.data.train_labels)) if among is None else np.asarray(among)
    if recipe["batch_size"] < _smallest(model):
        raise ValueError(
            "batch_size: 1 cannot train a model with batch normalisation; allowed: 2 .."
        )
    batches = math.ceil(len(everyone) / recipe["batch_size"])
    total = recipe["epochs"] * batches if steps is None else steps
    task.progress.begin(total, what)
    minibatches = _minibatches(task, model, ids, everyone, recipe, seed, total, targets, beside)
    with descent(model, loss, recipe, task.machine, optimizer_state, clip) as optimizer:
        for step, images, labels in minibatches:
            if not optimizer.step(images, labels, learning_rate(recipe, step, total)):
                task.meter.diverged = True
                where = f"epoch {step // batches + 1}, minibatch {step % batches + 1}"
                warnings.warn(f"{what}: diverged in {where}", stacklevel=2)
                break
            task.progress.advance(labels.shape[0])
        return optimizer.state()


def _smallest(model: nn.Module) -> int:
    """The least points of a minibatch that the model can be trained on, in its present mode."""
    return 2 if networks.has_batch_statistics(model) else 1


def _minibatches(
    task: Task,
    model: nn.Module,
    ids: np.ndarray,
    everyone: np.ndarray,
    recipe: Mapping,
    seed: int,
    total: int,
    targets: torch.Tensor | None = None,
    beside: Callable[[], np.ndarray] | None = None,
) -> Iterator[tuple[int, torch.Tensor, torch.Tensor]]:
    """(step, images, targets) for every step < total; the meter is charged for them.

    Minibatches that are too small are passed over, with their step. Images are fetched and
    normalised for several minibatches at a time.
    """
    data, size = task.data, recipe["batch_size"]
    targets = data.train_labels if targets is None else targets
    member = np.zeros(len(data.train_labels), dtype=bool)
    member[ids] = True
    augment, smallest = augmentation(recipe, data), _smallest(model)
    stride = size * max(1, FETCHED // size)
    step = epoch = 0
    while step < total:
        epoch_seed = seeding.derive(seed, "epoch", epoch)
        order = seeding.shuffled(everyone, epoch_seed)[: (total - step) * size]
        for start in range(0, len(order), stride):
            there = member[order[start : start + stride]]
            fetched = order[start : start + stride][there]
            counts = np.add.reduceat(there, np.arange(0, len(there), size), dtype=int)
            if beside:
                own = np.split(fetched, np.cumsum(counts)[:-1])
                joined = [np.append(i, beside()) if len(i) >= smallest else i for i in own]
                fetched, counts = np.concatenate(joined), np.array([len(i) for i in joined])
            index = points(fetched).to(task.machine.device)
            pixels = data.train_images.index_select(0, index)
            images = normalised(augment(pixels, fetched, epoch_seed), data)
            used = int(counts[counts >= smallest].sum())
            task.meter.optimizer_steps += int((counts >= smallest).sum())
            if used:
                task.meter.gradients(model, images[:used])
            parts = (images.split(counts.tolist()), targets[index].split(counts.tolist()))
            for batch, labels in zip(*parts, strict=True):
                if labels.shape[0] >= smallest:
                    if recipe["mixup"]:
                        key = seeding.derive(epoch_seed, "mixup", step)
                        pair = mixed(batch, labels, recipe["mixup"], data.classes, key)
                        yield step, *pair
                    else:
                        yield step, batch, labels
                step += 1
        epoch += 1


def predict(task: Task, model: nn.Module, pixels: torch.Tensor) -> torch.Tensor:
    """Logits N x classes, float32, on the CPU: evaluation mode, no augmentation, float32."""
    mode = model.training
    model.eval()
    logits = []
    with torch.inference_mode():
        for chunk in pixels.split(EVALUATION_BATCH):
            logits.append(model(normalised(chunk, task.data)).float().cpu())
    model.train(mode)
    return torch.cat(logits)


def normalised(pixels: torch.Tensor, data: Data) -> torch.Tensor:
    """N x H x W x C to float32 N x C x H x W in channels-last memory, normalised."""
    images = pixels.permute(0, 3, 1, 2).to(torch.float32, copy=True)  # features are float32
    return images.mul_(data.scale).sub_(data.shift)
