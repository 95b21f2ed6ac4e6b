"""Relearn half of what was forgotten, and score the other half."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import torch

from unlearn.algorithms.losses import cross_entropy
from unlearn.core import registry, seeding
from unlearn.data.dataset import Dataset
from unlearn.jobs.description import FleetJob
from unlearn.jobs.setup import new_task
from unlearn.metrics.accuracy import accuracy, mean_loss
from unlearn.metrics.relearning import relearning_steps
from unlearn.requests.request import Request
from unlearn.training.cyclic_batches import CyclicBatches
from unlearn.training.fleet import Member
from unlearn.training.loop import predict
from unlearn.training.relearning import Relearning
from unlearn.training.state import State
from unlearn.training.task import Task, index_of

CurveRow = tuple[int, int | None, str, str, float | None]
"""Seed, steps of relearning (None for a value about all of them), metric, split, value."""

FUNCTIONS = {"relearned_accuracy": accuracy, "relearned_loss": mean_loss}
"""The metrics of a curve."""


class Relearner:
    """Fine-tunes the unlearned models of one cell, and scores them."""

    def __init__(self, dataset: Dataset, job: FleetJob, request: Request, relearning: Relearning):
        """Relearn after the last step of a request.

        Args:
            dataset: The data set.
            job: The unlearning job of the cell.
            request: The request that was served.
            relearning: How the models are fine-tuned.
        """
        self.dataset = dataset
        self.job = job
        self.request = request
        self.relearning = relearning
        self.task = new_task(dataset, job)
        method = registry.create("methods", job.method)
        self.student_task = method.student_task(self.task)
        self.network_names = list(self.student_task.new_model(0).state_dict())

    def curves(
        self, trained: Sequence[State], unlearned: Sequence[Mapping[str, np.ndarray]]
    ) -> Iterator[CurveRow]:
        """The rows of every member.

        Args:
            trained: The state of each member before the request: the original.
            unlearned: The stored tensors of each member, with the steps as first axis.
        """
        for member, original, tensors in zip(self.job.members, trained, unlearned, strict=True):
            state = {
                name: tensors[name][-1] if name in tensors else original[name]
                for name in self.network_names
            }
            yield from self._curve(member, original, state)

    def _curve(self, member: Member, original: State, state: State) -> Iterator[CurveRow]:
        """The rows of one member; none where the request deletes no point of it."""
        half_ids, held_out_ids = halves(self._forget_ids(member), member.seed)
        if not len(half_ids):
            return
        data = self.task.data
        held_out_images = data.train_images[index_of(held_out_ids).to(data.train_images.device)]
        test_images = torch.from_numpy(self.dataset.test_images).to(held_out_images.device)
        pixels = torch.cat([held_out_images, test_images])
        held_out_labels = self.dataset.train_labels[held_out_ids]
        labels = {"forget": held_out_labels, "test": self.dataset.test_labels}
        accuracies = []
        for step, logits in self._logits(state, half_ids, member.seed, pixels):
            is_finite = np.isfinite(logits).all()
            parts = np.split(logits, [len(held_out_ids)])
            for (split, split_labels), split_logits in zip(labels.items(), parts, strict=True):
                for metric, function in FUNCTIONS.items():
                    value = function(split_logits, split_labels) if is_finite else None
                    yield member.seed, step, metric, split, value
            accuracies.append(accuracy(parts[0], held_out_labels) if is_finite else None)
        original_logits = self.task.trainer.predict(self.task, original, held_out_images)
        target = accuracy(original_logits.numpy(), held_out_labels)
        target = None if target is None else target - self.relearning.tolerance
        steps = relearning_steps(self.relearning.scored_steps(), accuracies, target)
        yield member.seed, None, "relearning_steps", "forget", steps

    def _forget_ids(self, member: Member) -> np.ndarray:
        """The deleted points after the last step that the member was trained on."""
        ids = member.train_ids(self.dataset.base_ids)
        request = self.request if member.subset is None else self.request.within(ids)
        *_, step = request.steps(len(self.dataset.train_labels), ids)
        return step.forget_ids

    def _logits(
        self, state: State, ids: np.ndarray, seed: int, pixels: torch.Tensor
    ) -> Iterator[tuple[int, np.ndarray]]:
        """The logits for images after each of the scored steps; NaN from a divergence on.

        Args:
            state: The unlearned model.
            ids: The points that are relearned.
            seed: That of the member.
            pixels: The images.
        """
        task: Task = self.student_task
        model = task.model(state).eval()  # batch normalisation is frozen
        optimizer = task.optimizer(
            model, lr=self.relearning.lr, optimizer="sgd", momentum=0.0, weight_decay=0.0
        )
        order = seeding.derive(seed, "relearning")
        batches = CyclicBatches(ids, self.relearning.batch_size, order)
        scored_steps = set(self.relearning.scored_steps())
        for step in range(self.relearning.steps + 1):
            if step:
                batch_ids = batches.next()
                logits = model(task.data.images(batch_ids))
                optimizer.step(cross_entropy(logits, task.data.labels(batch_ids)))
            if step in scored_steps:
                predictions = predict(task, model, pixels).numpy()
                yield step, np.full_like(predictions, np.nan) if optimizer.diverged else predictions


def halves(ids: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """The half of the deleted points that is relearned, and the one that is scored; sorted.

    The halves are a function of the points and the seed of the member alone, so that all methods
    relearn the same. Of an odd number the larger half is relearned.
    """
    order = seeding.shuffled(ids, seeding.derive(seed, "halves of the forget set"))
    middle = (len(ids) + 1) // 2
    return np.sort(order[:middle]), np.sort(order[middle:])
