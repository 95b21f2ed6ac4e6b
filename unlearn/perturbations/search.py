"""Small noise on images, found by following the gradient of a model's loss to the images.

Noise is measured in steps of the pixels, float32 N x H x W x C like the images: a radius of 8 on
pixels 0..255. Noisy images are always cut off at the ends of the range of pixels.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from unlearn.perturbations import limits
from unlearn.training.data import normalised
from unlearn.training.task import Task

CHUNK_POINTS = 250
"""Images that are worked on at a time."""


@dataclass(frozen=True)
class Ball:
    """The largest noise and the length of a step along the gradient, in steps of the pixels."""

    radius: float
    step: float


def ball(task: Task, epsilon: float, step: float | None) -> Ball:
    """The ball of shares of the range of pixels; a step of None is a tenth of the radius."""
    levels = task.data.levels
    return Ball(epsilon * levels, (epsilon / 10 if step is None else step) * levels)


def random_values(keys: np.ndarray, shape: tuple[int, ...], seed: int) -> np.ndarray:
    """Uniform in -1..1, float32 keys x H x W x C: a function of seed and key alone."""
    values = np.empty((len(keys), *shape), dtype=np.float32)
    for row, key in enumerate(keys):
        values[row] = np.random.default_rng([seed, int(key)]).uniform(-1, 1, shape)
    return values


def random_signs(keys: np.ndarray, shape: tuple[int, ...], seed: int) -> np.ndarray:
    """-1 or 1 with equal chance, float32 keys x H x W x C: a function of seed and key alone."""
    return np.sign(random_values(keys, shape, seed))


def no_noise(pixels: torch.Tensor) -> torch.Tensor:
    """Zeros of the shape of images, which take no memory and cannot be changed in place."""
    return torch.zeros((), device=pixels.device).expand(pixels.shape)


def noisy(pixels: torch.Tensor, noise: torch.Tensor, levels: float) -> torch.Tensor:
    """pixels + noise, inside 0..levels, float32."""
    return (pixels + noise).clamp_(0, levels)


def follow(
    task: Task,
    model: nn.Module,
    pixels: torch.Tensor,
    labels: torch.Tensor,
    noise: torch.Tensor,
    ball: Ball,
    steps: int,
    *,
    uphill: bool = False,
) -> None:
    """Change `noise` in place by signed steps that lower (or raise) the loss of each noisy image.

    z := x + noise; then z := z - step sign(gradient of the loss at z), back into the ball around x
    and into the range of pixels, `steps` times (Madry et al. 2018; Huang et al. 2021). The meter
    is charged a gradient evaluation for each step and image.

    Args:
        task: Machine and meter.
        model: In evaluation mode; does not change.
        pixels: The images, N x H x W x C.
        labels: Their labels, N.
        noise: N x H x W x C, changed in place.
        ball: Radius and step.
        steps: Number of steps.
        uphill: Whether the loss is raised.
    """
    signed_step = ball.step if uphill else -ball.step
    example = normalised(pixels[:1], task.data)
    task.meter.input_gradients(model, example, steps * len(pixels))
    gradient_flags = [(p, p.requires_grad) for p in model.parameters()]
    for parameter, _ in gradient_flags:
        parameter.requires_grad_(False)  # gradients to the images alone
    chunks = zip(*(t.split(CHUNK_POINTS) for t in (pixels, labels, noise)), strict=True)
    with task.meter.by_hand():
        for chunk_pixels, chunk_labels, chunk_noise in chunks:
            x = chunk_pixels.to(torch.float32)
            lower_bound = (x - ball.radius).clamp_(min=0)
            upper_bound = (x + ball.radius).clamp_(max=task.data.levels)
            z = noisy(x, chunk_noise, task.data.levels)
            for _ in range(steps):
                z.add_(_gradient(task, model, z, chunk_labels).sign_(), alpha=signed_step)
                torch.minimum(torch.maximum(z, lower_bound, out=z), upper_bound, out=z)
            chunk_noise.copy_(z - x)
    for parameter, flag in gradient_flags:
        parameter.requires_grad_(flag)


def _gradient(
    task: Task, model: nn.Module, pixels: torch.Tensor, labels: torch.Tensor
) -> torch.Tensor:
    """The gradient of the summed loss to images, up to a positive factor.

    Args:
        task: Normalisation and precision.
        model: In evaluation mode.
        pixels: N x H x W x C.
        labels: N.

    Returns:
        N x H x W x C.
    """
    images = normalised(pixels, task.data).requires_grad_(True)
    with task.machine.autocast():
        loss = functional.cross_entropy(model(images).float(), labels, reduction="sum")
    (gradient,) = torch.autograd.grad(loss, images)
    return gradient.permute(0, 2, 3, 1)


def error_rate(
    task: Task, model: nn.Module, pixels: torch.Tensor, labels: torch.Tensor, noise: torch.Tensor
) -> float:
    """The share of noisy images that the model gives a wrong label, charged to the meter.

    Args:
        task: Machine and meter.
        model: In evaluation mode.
        pixels: The images, N x H x W x C.
        labels: Their labels, N.
        noise: N x H x W x C, in steps of the pixels.
    """
    task.meter.forwards(model, normalised(pixels[:1], task.data), len(pixels))
    errors = 0
    chunks = zip(*(t.split(CHUNK_POINTS) for t in (pixels, labels, noise)), strict=True)
    with torch.inference_mode(), task.machine.autocast(), task.meter.by_hand():
        for chunk_pixels, chunk_labels, chunk_noise in chunks:
            images = normalised(noisy(chunk_pixels, chunk_noise, task.data.levels), task.data)
            errors += int((model(images).argmax(1) != chunk_labels).sum())
    return errors / len(pixels)


def rounded(pixels: torch.Tensor, noise: torch.Tensor, radius: float, levels: float) -> np.ndarray:
    """Noise in whole steps, so that noisy images are whole numbers in their range.

    round(x + noise) is cut off at 0 and `levels`, its difference to x at the whole part of
    `radius`.

    Args:
        pixels: The images x, uint8 N x H x W x C.
        noise: Of the same shape, in steps of the pixels.
        radius: The largest noise.
        levels: The largest value of a pixel.

    Returns:
        int8 N x H x W x C.
    """
    whole_radius = limits.whole_steps(radius)
    x = pixels.to(torch.int16)
    steps = (x + noise).round_().clamp_(0, levels).to(torch.int16) - x
    return steps.clamp_(-whole_radius, whole_radius).to(torch.int8).cpu().numpy()
