"""Error-minimising noise on the deleted images, then a short training on all images."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from unlearn.core import seeding
from unlearn.methods.base import Method, parameter
from unlearn.perturbations import limits
from unlearn.training.recipe import SCHEDULES

if TYPE_CHECKING:
    from unlearn.requests.request import Step
    from unlearn.training.recipe import Recipe
    from unlearn.training.state import State, Update
    from unlearn.training.task import Task

SEARCHED_NOISES = ("error_minimizing", "error_maximizing")
NOISES = (*SEARCHED_NOISES, "random", "none")


class ErrorMinimizingNoise(Method):
    """Train on, on the retain set and on the deleted images under noise that teaches nothing.

    The noise follows the gradient of the trained model's loss to the images. No deletion in the
    strict sense: the service keeps on using images that are made of deleted ones. In a stream the
    noise of earlier requests stays, and training goes on from the last model.

    Cost:
        A training of `epochs` on all points, and the search for noise.

    Pitfalls:
        Noise that the search does not find teaches as the image does: see the flag of its
        convergence.

    References:
        Huang et al., "Unlearnable examples: making personal data unexploitable", ICLR 2021.
    """

    label = "error-minimising noise"
    images_only = True
    continues = True
    conformance_variants = ({"noise": "random"}, {"noise": "none"})

    noise: str = parameter(
        "error_minimizing",
        choices=NOISES,
        help="The noise, or a control: error_maximizing, random signs, or none.",
    )
    epsilon: float = limits.epsilon_parameter()
    step: float | None = limits.step_parameter()
    steps: int = parameter(20, minimum=1, help="Steps of the noise.")
    epochs: int = parameter(5, minimum=1, help="Passes over the retain set and the noisy images.")
    lr: float = parameter(0.01, above=0, search=("log", 1e-4, 1e-1))
    schedule: str = parameter("constant", choices=SCHEDULES)

    def validate(self) -> None:
        """Raise ValueError for a step or an epsilon that images cannot carry."""
        limits.check(self.epsilon, self.step)

    def gradient_evaluations(self, retained: int, deleted: int, recipe: Recipe) -> int:
        """One for every deleted image and step of a search, one for every image and epoch."""
        search_steps = self.steps if self.noise in SEARCHED_NOISES else 0
        return search_steps * deleted + self.epochs * (retained + deleted)

    def unlearn(self, task: Task, original: State, request: Step, seed: int) -> Update:
        """The trained model after `epochs` epochs, and the noise that it was trained with."""
        import torch

        from unlearn.perturbations.deletion_noise import DeletionNoise
        from unlearn.training.loop import fit
        from unlearn.training.state import Update, state_of
        from unlearn.training.task import index_of

        model = task.model(original)
        deletion_noise = DeletionNoise(self.noise, self.epsilon, self.step, self.steps)
        noise = deletion_noise.of(task, model.eval(), request.deleted_ids, seed)
        noised_ids = request.deleted_ids
        if "noise/ids" in original:  # points that came back since then are clean again
            earlier_ids = np.asarray(original["noise/ids"])
            clean_ids = np.append(request.retain_ids, request.deleted_ids)
            is_noised = ~np.isin(earlier_ids, clean_ids)
            noised_ids = np.append(earlier_ids[is_noised], noised_ids)
            noise = np.append(np.asarray(original["noise/values"])[is_noised], noise, axis=0)
        images = task.data.train_images.clone()
        index = index_of(noised_ids).to(images.device)
        images[index] += torch.from_numpy(noise).to(images.device).view(torch.uint8)
        noisy_task = replace(task, data=replace(task.data, train_images=images))
        recipe = replace(task.recipe, epochs=self.epochs, lr=self.lr, schedule=self.schedule)
        ids = np.union1d(request.retain_ids, noised_ids)
        order = seeding.derive(seed, "finetune")  # that of fine-tuning
        fit(noisy_task, model.train(), ids, recipe, order, label="training on noise")
        noise_tensors = {"noise/ids": noised_ids.astype(np.int64), "noise/values": noise}
        return Update(state_of(model) | noise_tensors)
