"""Error-minimising noise on the deleted images, then a short training on all: a doubtful idea."""

from dataclasses import replace

import numpy as np
import torch

from unlearn.core import seeding
from unlearn.perturbations import search
from unlearn.requests.request import Step
from unlearn.training.loop import fit
from unlearn.training.state import Changed, State, state_of
from unlearn.training.task import Task, points

CHECK = "unlearn.perturbations.limits"
IMAGES = True  # of features there is no noise that is small


class ErrorMinimizingNoise:
    """The deleted points stay, under noise that is to leave nothing to learn from them.

    The noise follows the gradient of the trained model's loss to the images (Huang et al., ICLR
    2021); the model is then trained on, on the retain set and the noisy images. No deletion in the
    strict sense: the service keeps on using images that are made of deleted ones.

    `noise`: `error_minimizing`, or a control: `error_maximizing`, `random` signs, or `none`. In a
    stream the noise of earlier requests stays, and training goes on from the last model.
    """

    trainer = "standard"
    guarantee = "none"
    serves = ("delete", "add")

    def __init__(
        self,
        noise: str,
        epsilon: float,
        step: float | None,
        steps: int,
        epochs: int,
        lr: float,
        schedule: str,
    ):
        self.noise = noise
        self.epsilon = epsilon
        self.step = step
        self.steps = steps
        self.epochs = epochs
        self.lr = lr
        self.schedule = schedule

    def unlearn(self, task: Task, trained: State, request: Step, seed: int) -> State:
        """The trained model after `epochs` epochs, and the noise that it was trained with."""
        model = task.model(trained)
        values = self._values(task, model.eval(), request.deleted, seed)
        ids = request.deleted
        if "noise/ids" in trained:  # what came back since then is clean again
            before = np.asarray(trained["noise/ids"])
            still = ~np.isin(before, np.append(request.retain, request.deleted))
            ids = np.append(before[still], ids)
            values = np.append(np.asarray(trained["noise/values"])[still], values, axis=0)
        images = task.data.train_images.clone()
        index = points(ids).to(images.device)
        images[index] += torch.from_numpy(values).to(images.device).view(torch.uint8)
        noisy = replace(task, data=replace(task.data, train_images=images))
        recipe = task.recipe | {"epochs": self.epochs, "lr": self.lr, "schedule": self.schedule}
        everyone = np.union1d(request.retain, ids)
        order = seeding.derive(seed, "finetune")  # that of fine-tuning
        fit(noisy, model.train(), everyone, recipe, order, what="training on noise")
        kept = {"noise/ids": ids.astype(np.int64), "noise/values": values}
        return Changed(trained, state_of(model) | kept)

    def _values(self, task: Task, model, ids: np.ndarray, seed: int) -> np.ndarray:
        """Noise for the images of `ids`, int8."""
        data, how = task.data, search.search(task, self.epsilon, self.step)
        index = points(ids).to(data.train_images.device)
        pixels, labels = data.train_images[index], data.train_labels[index]
        own = torch.zeros(pixels.shape, device=pixels.device)
        if self.noise == "random":
            signs = np.sign(search.drawn(ids, data.shape, seeding.derive(seed, "signs")))
            own += how["radius"] * torch.from_numpy(signs).to(own.device)
        elif self.noise != "none" and len(ids):
            uphill = self.noise == "error_maximizing"
            search.follow(task, model, pixels, labels, own, **how, steps=self.steps, uphill=uphill)
        return search.rounded(pixels, own, how["radius"], data.levels)
