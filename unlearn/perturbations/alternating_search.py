"""The search for error-minimising noise: a model and the noise in turn."""

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn

from unlearn.algorithms.losses import cross_entropy
from unlearn.core import seeding
from unlearn.data.splits import stratified_share
from unlearn.perturbations import search
from unlearn.training.cyclic_batches import CyclicBatches
from unlearn.training.data import normalised
from unlearn.training.optimizers import Optimizer
from unlearn.training.task import Task, index_of

if TYPE_CHECKING:
    from unlearn.perturbations.error_minimizing import ErrorMinimizing


class AlternatingSearch:
    """One search, for the points of a data set."""

    def __init__(self, noise: "ErrorMinimizing", task: Task, ids: np.ndarray):
        """ValueError if a class has no image in the sample that class noise is searched on."""
        self.options = noise
        self.task = task
        self.points = len(ids)
        self.pixels = task.data.train_images[index_of(ids).to(task.machine.device)]
        self.labels = task.data.labels(ids)
        self.ball = search.ball(task, noise.epsilon, noise.step)
        device = self.labels.device
        classes = task.data.classes
        self.table = self._start(classes if noise.class_wise else self.points).to(device)
        """The noise of every class, or of every image."""
        self.row_of = self.labels if noise.class_wise else torch.arange(self.points, device=device)
        """The row of the table for each image."""
        self.sample = self._class_sample() if noise.class_wise else None
        """Rows of the images that the noise of classes is searched on."""
        self.source = task.new_model(seeding.derive(noise.seed, "source of noise"), ids)
        self.batches = CyclicBatches(
            np.arange(self.points), noise.batch_size, seeding.derive(noise.seed, "turns")
        )

    def run(self) -> tuple[np.ndarray, dict[str, Any]]:
        """The noise, and the record of the search; ValueError if the model diverges."""
        options = self.options
        errors: list[float] = []
        self.task.progress.begin(options.rounds, "rounds of noise")
        recipe = replace(
            self.task.recipe,
            optimizer="sgd",
            nesterov=False,
            momentum=options.momentum,
            weight_decay=options.weight_decay,
            schedule="constant",
            lr=options.lr,
        )
        meter = self.task.meter
        optimizer = Optimizer(
            self.source, recipe, self.task.machine, meter=meter, clip=options.clip
        )
        while len(errors) < options.rounds and not (errors and errors[-1] <= options.stop_error):
            self._train_source(optimizer, len(errors) + 1)
            self.source.eval()
            errors.append(self._improve_noise())
            self.task.progress.advance(self.points)
        noise = self.table[self.labels] if options.class_wise else self.table
        levels = self.task.data.levels
        rounded = search.rounded(self.pixels, noise, self.ball.radius, levels)
        converged = errors[-1] <= options.stop_error
        return rounded, {"converged": converged, "error": errors[-1], "rounds": len(errors)}

    def _train_source(self, optimizer: Optimizer, round_number: int) -> None:
        """A few training steps of the model on noisy images."""
        self.source.train()
        data = self.task.data
        for _ in range(self.options.training_steps):
            batch = index_of(self.batches.next()).to(self.labels.device)
            noise = self.table[self.row_of[batch]]
            images = normalised(search.noisy(self.pixels[batch], noise, data.levels), data)
            if not optimizer.step(cross_entropy(self.source(images), self.labels[batch])):
                raise ValueError(
                    f"lr: {self.options.lr} lets the source of the noise diverge in round "
                    f"{round_number}; allowed: less"
                )

    def _improve_noise(self) -> float:
        """Steps of the noise; the share of noisy images that the model then gets wrong."""
        task = self.task
        if self.options.class_wise:
            self._improve_class_noise(self.source)
            pixels = self.pixels[self.sample]
            labels = self.labels[self.sample]
            return search.error_rate(task, self.source, pixels, labels, self.table[labels])
        search.follow(
            task, self.source, self.pixels, self.labels, self.table, self.ball, self.options.steps
        )
        return search.error_rate(task, self.source, self.pixels, self.labels, self.table)

    def _improve_class_noise(self, source: nn.Module) -> None:
        """Change the noise of classes in place, minibatch by minibatch."""
        radius = self.ball.radius
        for batch in self.sample.split(self.options.batch_size):
            labels = self.labels[batch]
            noise = self.table[labels]
            search.follow(
                self.task, source, self.pixels[batch], labels, noise, self.ball, self.options.steps
            )
            counts = torch.bincount(labels, minlength=len(self.table)).view(-1, 1, 1, 1)
            sums = torch.zeros_like(self.table).index_add_(0, labels, noise)
            means = (sums / counts.clamp(min=1)).clamp_(-radius, radius)
            self.table.copy_(torch.where(counts > 0, means, self.table))

    def _start(self, count: int) -> torch.Tensor:
        shape = (count, *self.task.data.shape)
        if not self.options.random_start:
            return torch.zeros(shape)
        random = np.random.default_rng(self.options.seed)
        radius = self.ball.radius
        return torch.from_numpy(random.uniform(-radius, radius, shape)).float()

    def _class_sample(self) -> torch.Tensor:
        labels = self.labels.cpu().numpy()
        share = self.options.class_share
        rows = stratified_share(labels, np.arange(len(labels)), share, self.options.seed)
        absent_classes = np.setdiff1d(labels, labels[rows])
        if len(absent_classes):
            raise ValueError(f"class_share: {share} leaves no image of class {absent_classes[0]}")
        return index_of(rows).to(self.labels.device)
