"""Error-minimising noise: images from which nothing is left to learn."""

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from unlearn.algorithms.losses import Turns
from unlearn.core import seeding
from unlearn.data.dataset import noised
from unlearn.perturbations import search
from unlearn.training.loop import normalised
from unlearn.training.optimizers import descent
from unlearn.training.task import Task, points

CHECK = "unlearn.perturbations.limits"


class ErrorMinimizing:
    """Noise that makes the training loss small (Huang et al., ICLR 2021, eq. 2).

    A model and the noise minimise the same loss in turn: a few training steps on noisy images, then
    signed gradient steps of the noise, until the model makes no more than `stop_error` mistakes on
    noisy images, or for `rounds` rounds; then the noise of the last round is kept and flagged.

    `class_wise`: one noise for each class, the mean of what images of a part of the data ask for.
    """

    def __init__(
        self,
        *,
        model: str,
        size: int | None,
        epsilon: float,
        step: float | None,
        class_wise: bool,
        steps: int,
        training_steps: int,
        batch_size: int,
        lr: float,
        momentum: float,
        weight_decay: float,
        clip: float,
        stop_error: float,
        rounds: int,
        class_share: float,
        random_start: bool,
        seed: int,
    ):
        self.model = model
        self.size = size
        self.epsilon = epsilon
        self.step = step
        self.class_wise = class_wise
        self.steps = steps
        self.training_steps = training_steps
        self.batch_size = batch_size
        self.lr = lr
        self.momentum = momentum
        self.weight_decay = weight_decay
        self.clip = clip
        self.stop_error = stop_error
        self.rounds = rounds
        self.class_share = class_share
        self.random_start = random_start
        self.seed = seed

    def make(self, task: Task, ids: np.ndarray) -> tuple[np.ndarray, dict]:
        """The noise, and how the search went.

        ValueError if the model diverges, or if a class has no image in the part of the data.
        """
        data, radius = task.data, self.epsilon * task.data.levels
        index = points(ids).to(task.machine.device)
        pixels, labels = data.train_images[index], data.train_labels[index]
        of = labels if self.class_wise else torch.arange(len(ids), device=labels.device)
        table = self._start(data.classes if self.class_wise else len(ids), data.shape, radius)
        table = table.to(labels.device)
        some = self._part(labels) if self.class_wise else None
        source = task.new_model(seeding.derive(self.seed, "source of noise"))
        turns = Turns(np.arange(len(ids)), self.batch_size, seeding.derive(self.seed, "turns"))
        recipe = {"optimizer": "sgd", "nesterov": False, "momentum": self.momentum}
        recipe |= {"weight_decay": self.weight_decay}
        errors: list[float] = []
        task.progress.begin(self.rounds, "rounds of noise")
        loss = functional.cross_entropy
        with descent(source, loss, recipe, task.machine, None, self.clip) as optimizer:
            while len(errors) < self.rounds and not (errors and errors[-1] <= self.stop_error):
                source.train()
                for _ in range(self.training_steps):
                    batch = points(turns()).to(labels.device)
                    images = search.noisy(pixels[batch], table[of[batch]], data.levels)
                    images = normalised(images, data)
                    task.meter.gradients(source, images)
                    if not optimizer.step(images, labels[batch], self.lr):
                        raise ValueError(
                            f"lr: {self.lr} lets the source of the noise diverge in round "
                            f"{len(errors) + 1}; allowed: less"
                        )
                source.eval()
                if self.class_wise:
                    self._search_classes(task, source, pixels, labels, table, some)
                    seen = pixels[some], labels[some], table[labels[some]]
                else:
                    search.follow(task, source, pixels, labels, table, **self._how(task))
                    seen = pixels, labels, table
                errors.append(search.wrong(task, source, *seen))
                task.progress.advance(len(ids))
        found = search.rounded(
            pixels, table[labels] if self.class_wise else table, radius, data.levels
        )
        converged = errors[-1] <= self.stop_error
        return found, {"converged": converged, "error": errors[-1], "rounds": len(errors)}

    def _start(self, count: int, shape: tuple, radius: float) -> torch.Tensor:
        if not self.random_start:
            return torch.zeros(count, *shape)
        random = np.random.default_rng(self.seed)
        return torch.from_numpy(random.uniform(-radius, radius, (count, *shape))).float()

    def _how(self, task: Task) -> dict:
        return search.search(task, self.epsilon, self.step) | {"steps": self.steps}

    def _part(self, labels: torch.Tensor) -> torch.Tensor:
        """Rows of the images that the noise of classes is asked of."""
        known = labels.cpu().numpy()
        some = noised(known, np.arange(len(known)), self.class_share, self.seed)
        absent = np.setdiff1d(known, known[some])
        if len(absent):
            raise ValueError(
                f"class_share: {self.class_share} leaves no image of class {absent[0]}"
            )
        return points(some).to(labels.device)

    def _search_classes(
        self,
        task: Task,
        source: nn.Module,
        pixels: torch.Tensor,
        labels: torch.Tensor,
        table: torch.Tensor,
        some: torch.Tensor,
    ) -> None:
        """Change the noise of classes in place, minibatch by minibatch."""
        radius = self.epsilon * task.data.levels
        for batch in some.split(self.batch_size):
            own, its = table[labels[batch]], labels[batch]
            search.follow(task, source, pixels[batch], its, own, **self._how(task))
            counts = torch.bincount(its, minlength=len(table)).view(-1, 1, 1, 1)
            means = torch.zeros_like(table).index_add_(0, its, own) / counts.clamp(min=1)
            table.copy_(torch.where(counts > 0, means.clamp_(-radius, radius), table))
