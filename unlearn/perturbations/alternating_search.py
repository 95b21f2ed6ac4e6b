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
from unlearn.perturbations.error_minimizing import KEPT
from unlearn.perturbations.stop_rule import Decision, StopRule
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
        self.ids = ids
        self.pixels = task.data.train_images[index_of(ids).to(task.machine.device)]
        self.labels = task.data.labels(ids)
        self.ball = search.ball(task, noise.epsilon, noise.step)
        device = self.labels.device
        rows = np.arange(task.data.classes) if noise.class_wise else ids
        self.table = self._start(rows).to(device)
        """The noise of every class, or of every image."""
        self.row_of = self.labels if noise.class_wise else torch.arange(len(ids), device=device)
        """The row of the table for each image."""
        self.sample = self._class_sample() if noise.class_wise else None
        """Rows of the images that the noise of classes is searched on."""
        self.batches = CyclicBatches(
            np.arange(len(ids)), noise.batch_size, seeding.derive(noise.seed, "turns")
        )
        self.sources = 0
        """How many models the noise has been searched with."""
        self._renew()

    def run(self) -> tuple[np.ndarray, dict[str, Any]]:
        """The noise, and the record of the search; ValueError if the model diverges.

        The record has `converged`, `rounds`, `renewals` of a kept source that knew the images, and
        the mistakes of the source in the last round: `error` on noisy images, `clean_error` on the
        same images without noise; `errors` and `clean_errors` are those of all rounds.
        """
        options = self.options
        is_kept = options.source == KEPT
        rule = StopRule(options.stop_error, options.clean_error, options.least_rounds)
        errors: list[float] = []
        clean_errors: list[float] = []
        converged = not is_kept
        self.task.progress.begin(options.rounds, "rounds of noise")
        for round_number in range(1, options.rounds + 1):
            self._train_source(round_number)
            self.source.eval()
            self._improve_noise()
            errors.append(self._error(is_noisy=True))
            clean_errors.append(self._error(is_noisy=False))
            self.task.progress.advance(len(self.ids))
            decision = rule.after(errors[-1], clean_errors[-1]) if is_kept else Decision.RENEW
            if decision == Decision.CONVERGED:
                converged = True
                break
            if decision == Decision.RENEW and round_number < options.rounds:
                self._renew()
        noise = self.table[self.labels] if options.class_wise else self.table
        levels = self.task.data.levels
        record = {
            "converged": converged,
            "error": errors[-1],
            "clean_error": clean_errors[-1],
            "rounds": len(errors),
            "renewals": self.sources - 1 if is_kept else 0,
            "errors": errors,
            "clean_errors": clean_errors,
        }
        return search.rounded(self.pixels, noise, self.ball.radius, levels), record

    def _renew(self) -> None:
        """A source with new weights, which goes on with the noise and the minibatches."""
        options = self.options
        seed = seeding.derive(options.seed, "source of noise", self.sources)
        self.source = self.task.new_model(seed, self.ids)
        recipe = replace(
            self.task.recipe,
            optimizer="sgd",
            nesterov=False,
            momentum=options.momentum,
            weight_decay=options.weight_decay,
            schedule="constant",
            lr=options.lr,
        )
        self.optimizer = Optimizer(
            self.source, recipe, self.task.machine, meter=self.task.meter, clip=options.clip
        )
        self.sources += 1

    def _train_source(self, round_number: int) -> None:
        """A few training steps of the model on noisy images."""
        self.source.train()
        data = self.task.data
        for _ in range(self.options.training_steps):
            batch = index_of(self.batches.next()).to(self.labels.device)
            noise = self.table[self.row_of[batch]]
            images = normalised(search.noisy(self.pixels[batch], noise, data.levels), data)
            if not self.optimizer.step(cross_entropy(self.source(images), self.labels[batch])):
                raise ValueError(
                    f"lr: {self.options.lr} lets the source of the noise diverge in round "
                    f"{round_number}; allowed: less"
                )

    def _improve_noise(self) -> None:
        """Steps of the noise against the source."""
        if self.options.class_wise:
            self._improve_class_noise(self.source)
            return
        search.follow(
            self.task,
            self.source,
            self.pixels,
            self.labels,
            self.table,
            self.ball,
            self.options.steps,
        )

    def _error(self, *, is_noisy: bool) -> float:
        """The mistakes of the source on the images that the noise is searched on."""
        pixels, labels, noise = self.pixels, self.labels, self.table
        if self.options.class_wise:
            pixels, labels = pixels[self.sample], labels[self.sample]
            noise = self.table[labels]
        noise = noise if is_noisy else search.no_noise(pixels)
        return search.error_rate(self.task, self.source, pixels, labels, noise)

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

    def _start(self, keys: np.ndarray) -> torch.Tensor:
        """The first noise of the points or classes `keys`, each a function of its key alone."""
        shape, seed = self.task.data.shape, self.options.seed
        if self.options.start == "zero":
            return torch.zeros((len(keys), *shape))
        draw = search.random_signs if self.options.start == "sign" else search.random_values
        return self.ball.radius * torch.from_numpy(draw(keys, shape, seed))

    def _class_sample(self) -> torch.Tensor:
        labels = self.labels.cpu().numpy()
        share = self.options.class_share
        rows = stratified_share(labels, np.arange(len(labels)), share, self.options.seed)
        absent_classes = np.setdiff1d(labels, labels[rows])
        if len(absent_classes):
            raise ValueError(f"class_share: {share} leaves no image of class {absent_classes[0]}")
        return index_of(rows).to(self.labels.device)
