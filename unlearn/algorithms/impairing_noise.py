"""Images of noise that a model is sure are not of a class: error-maximising noise.

References:
    Tarun, Chundawat, Mandal, Kankanhalli, "Fast yet effective machine unlearning", IEEE TNNLS 2023.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn
from torch.nn import functional
from torch.optim.adam import adam

from unlearn.core import seeding
from unlearn.training.task import Task


@dataclass(frozen=True)
class NoiseSearch:
    """How noise is found: Adam ascends on the loss of a class, less a penalty of the size."""

    points: int
    """Images of noise for a class."""
    steps: int
    lr: float
    penalty: float
    """Weight of the mean over images of the squared norm."""

    def noise(self, task: Task, model: nn.Module, label: int, seed: int) -> torch.Tensor:
        """Noise of a class in the units of the model's inputs, points x C x H x W, on the device.

        It starts as standard normal numbers and ascends on CE(model, label) - penalty mean |.|^2.
        The model keeps its weights and sees the noise in the mode that it is in. Gradients to the
        noise are charged to the task's meter.

        Args:
            task: Shape of the images, machine and meter.
            model: The network.
            label: The class that the noise must not look like.
            seed: That of the member.
        """
        height, width, channels = task.data.shape
        generator = torch.Generator().manual_seed(seeding.derive(seed, "noise", label))
        start = torch.randn((self.points, channels, height, width), generator=generator)
        noise = start.to(task.machine.device).requires_grad_(True)
        labels = torch.full((self.points,), label, device=noise.device)
        means = [torch.zeros_like(noise)]
        squares = [torch.zeros_like(noise)]
        counts = [torch.zeros((), device=noise.device)]
        with task.meter.by_hand():
            for _ in range(self.steps):
                sizes = noise.square().flatten(1).sum(1)
                ascent = functional.cross_entropy(model(noise).float(), labels)
                loss = self.penalty * sizes.mean() - ascent
                gradients = torch.autograd.grad(loss, noise)
                with torch.no_grad():
                    adam([noise], [*gradients], means, squares, [], counts, **self._adam())
        task.meter.input_gradients(model, noise.detach()[:1], self.steps * self.points)
        return noise.detach()

    def labelled_noise(
        self, task: Task, model: nn.Module, classes: Sequence[int], seed: int
    ) -> "LabelledNoise":
        """The noise of some classes, as `noise` finds it, with these classes as its labels."""
        images = torch.cat([self.noise(task, model, label, seed) for label in classes])
        labels = torch.tensor(classes, device=images.device).repeat_interleave(self.points)
        return LabelledNoise(images, labels)

    def _adam(self) -> dict[str, float | bool]:
        """The parameters of Adam, those of its paper but the rate."""
        rates = {"lr": self.lr, "beta1": 0.9, "beta2": 0.999, "eps": 1e-8}
        return rates | {"amsgrad": False, "weight_decay": 0.0, "maximize": False}


@dataclass(frozen=True)
class LabelledNoise:
    """Images of noise N x C x H x W, and the classes that they are labelled with, N."""

    images: torch.Tensor
    labels: torch.Tensor

    def mixed_minibatches(
        self, task: Task, ids: np.ndarray, copies: int, batch_size: int, seed: int
    ) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """Images and labels of one pass over points and copies of the noise.

        Every minibatch has about the same share of noise.

        Args:
            task: Makes the minibatches of the points.
            ids: The points.
            copies: How often an image of noise comes.
            batch_size: Images of a minibatch, about.
            seed: Decides the order.
        """
        rows = np.tile(np.arange(len(self.labels)), copies)
        rows = np.random.default_rng(seeding.derive(seed, "copies")).permutation(rows)
        batches = math.ceil((len(ids) + len(rows)) / batch_size)
        size = max(1, math.ceil(len(ids) / batches))
        parts = np.array_split(rows, max(1, math.ceil(len(ids) / size)))
        for batch in task.minibatches(ids, seed, batch_size=size, min_points=1):
            part = torch.from_numpy(parts[batch.index]).to(self.labels.device)
            yield (
                torch.cat([batch.images, self.images[part]]),
                torch.cat([batch.labels, self.labels[part]]),
            )
