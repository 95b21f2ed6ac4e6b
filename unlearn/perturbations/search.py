"""Small noise on images, found by following the gradient of a model's loss to the images.

Noise is measured in steps of the pixels, float32 N x H x W x C like the images: a radius of 8 on
pixels 0..255. Noisy images are always cut off at the ends of the range of pixels.
"""

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from unlearn.perturbations import limits
from unlearn.training.loop import normalised
from unlearn.training.task import Task

CHUNK = 250  # images that are worked on at a time


def search(task: Task, epsilon: float, step: float | None) -> dict[str, float]:
    """`radius` and `step` in steps of the pixels, from shares of their range (None: a tenth)."""
    return {
        "radius": epsilon * task.data.levels,
        "step": (epsilon / 10 if step is None else step) * task.data.levels,
    }


def drawn(keys: np.ndarray, shape: tuple[int, ...], seed: int) -> np.ndarray:
    """Uniform in -1..1, float32 keys x H x W x C: a function of seed and key alone."""
    found = np.empty((len(keys), *shape), dtype=np.float32)
    for own, key in zip(found, keys, strict=True):
        own[:] = np.random.default_rng([seed, int(key)]).uniform(-1, 1, shape)
    return found


def noisy(pixels: torch.Tensor, noise: torch.Tensor, levels: float) -> torch.Tensor:
    """pixels + noise, inside 0..levels, float32."""
    return (pixels + noise).clamp_(0, levels)


def follow(
    task: Task,
    model: nn.Module,
    pixels: torch.Tensor,
    labels: torch.Tensor,
    noise: torch.Tensor,
    *,
    radius: float,
    step: float,
    steps: int,
    uphill: bool = False,
) -> None:
    """Change `noise` in place by signed steps that lower (or raise) the loss of each noisy image.

    z := x + noise; then z := z - step sign(gradient of the loss at z), back into the ball of
    `radius` around x and into the range of pixels, `steps` times (Madry et al. 2018; Huang et al.
    2021). `model` is in evaluation mode and does not change. The meter is charged a gradient
    evaluation for each step and image.
    """
    sign = step if uphill else -step
    example = normalised(pixels[:1], task.data)
    task.meter.input_gradients(model, example, steps * len(pixels))
    wanted = [(p, p.requires_grad) for p in model.parameters()]
    for parameter, _ in wanted:
        parameter.requires_grad_(False)  # gradients to the images alone
    for chunk, y, own in zip(*(t.split(CHUNK) for t in (pixels, labels, noise)), strict=True):
        x = chunk.to(torch.float32)
        low, high = (x - radius).clamp_(min=0), (x + radius).clamp_(max=task.data.levels)
        z = noisy(x, own, task.data.levels)
        for _ in range(steps):
            z.add_(_gradient(task, model, z, y).sign_(), alpha=sign)
            torch.minimum(torch.maximum(z, low, out=z), high, out=z)
        own.copy_(z - x)
    for parameter, before in wanted:
        parameter.requires_grad_(before)


def _gradient(task: Task, model: nn.Module, pixels: torch.Tensor, labels) -> torch.Tensor:
    """The gradient of the summed loss to images N x H x W x C, up to a positive factor."""
    images = normalised(pixels, task.data).requires_grad_(True)
    with task.machine.autocast():
        loss = functional.cross_entropy(model(images).float(), labels, reduction="sum")
    (gradient,) = torch.autograd.grad(loss, images)
    return gradient.permute(0, 2, 3, 1)


def wrong(
    task: Task, model: nn.Module, pixels: torch.Tensor, labels: torch.Tensor, noise: torch.Tensor
) -> float:
    """The share of noisy images that the model, in evaluation mode, gives a wrong label."""
    task.meter.forwards(model, normalised(pixels[:1], task.data), len(pixels))
    errors = 0
    for x, y, own in zip(*(t.split(CHUNK) for t in (pixels, labels, noise)), strict=True):
        images = normalised(noisy(x, own, task.data.levels), task.data)
        with torch.inference_mode(), task.machine.autocast():
            errors += int((model(images).argmax(1) != y).sum())
    return errors / len(pixels)


def rounded(pixels: torch.Tensor, noise: torch.Tensor, radius: float, levels: float) -> np.ndarray:
    """Noise in whole steps, int8: what images in whole numbers can carry of it.

    round(x + noise) is cut off at 0 and `levels`, its difference to x at the whole part of
    `radius`.
    """
    whole = limits.whole(radius)
    x = pixels.to(torch.int16)
    steps = (x + noise).round_().clamp_(0, levels).to(torch.int16) - x
    return steps.clamp_(-whole, whole).to(torch.int8).cpu().numpy()
