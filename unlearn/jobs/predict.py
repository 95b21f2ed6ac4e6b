"""What models say of the points that are scored."""

import time
from collections.abc import Mapping
from types import MappingProxyType

import numpy as np
import torch

from unlearn.data.dataset import Dataset
from unlearn.requests.request import Request
from unlearn.training.loop import predict
from unlearn.training.task import Task, points


class Predictor:
    """Predicts the evaluated points for the scores, and adds up the CPU seconds that takes.

    In groups: the sample, the other points of the request, the test points. So what a model says of
    the first and the last does not depend on the request, and constituents of an ensemble that
    training or the step before has asked already are not asked again.
    """

    def __init__(
        self,
        task: Task,
        dataset: Dataset,
        request: Request | None = None,
        constituents: Mapping[str, np.ndarray] = MappingProxyType({}),
    ):
        """`constituents`: what `constituents()` returned after training; read when needed."""
        data, evaluated = task.data, dataset.evaluated(request)
        ids = {"sample": dataset.sample, "request": np.setdiff1d(evaluated, dataset.sample)}
        index = {g: points(its).to(data.train_images.device) for g, its in ids.items() if len(its)}
        self.pixels = {g: data.train_images[its] for g, its in index.items()}
        self.pixels["test"] = data.test_images
        order = np.argsort(np.concatenate([*ids.values()]))
        self.order = np.append(order, len(evaluated) + np.arange(len(data.test_images)))
        self.rows = {"sample": slice(len(dataset.sample)), "test": slice(len(dataset.sample), None)}
        self.trained = constituents
        self.known: dict[str, dict[str, torch.Tensor]] = {}  # digest, group: of the last state
        self.task, self.seconds = task, 0.0
        self.logits: list[np.ndarray] = []
        self.votes: list[np.ndarray] = []

    def __call__(self, state: Mapping) -> None:
        """Add what a state predicts to `logits` P x C and `votes` S x P, one entry a state."""
        start = time.process_time()
        task, trainer = self.task, self.task.trainer
        said, logits, votes = self._constituents(state), [], []
        for group, pixels in self.pixels.items():
            its = () if said is None else ([answers[group] for answers in said],)
            logits.append(trainer.predict(task, state, pixels, *its))
            votes.append(trainer.votes(task, state, pixels, *its))
        self.logits.append(torch.cat(logits).numpy()[self.order])
        self.votes.append(np.concatenate(votes, axis=1)[:, self.order])
        self.seconds += time.process_time() - start

    def constituents(self) -> dict[str, np.ndarray]:
        """What those of the last state say of the sample, then of the test points, by digest."""
        groups = [group for group in self.rows if group in self.pixels]
        return {
            digest: torch.cat([answers[group] for group in groups]).numpy()
            for digest, answers in self.known.items()
        }

    def _constituents(self, state: Mapping) -> list[dict[str, torch.Tensor]] | None:
        """Logits of each constituent for every group; None if the trainer makes single models."""
        if not hasattr(self.task.trainer, "constituents"):
            return None
        said = [
            (digest, self._ask(digest, weights))
            for digest, weights in self.task.trainer.constituents(self.task, state)
        ]
        self.known = dict(said)
        return [answers for _, answers in said]

    def _ask(self, digest: str, weights: Mapping[str, np.ndarray]) -> dict[str, torch.Tensor]:
        found = dict(self.known.get(digest, {}))
        trained = None if found else self.trained.get(digest)
        if trained is not None:
            logits = torch.as_tensor(trained)
            found = {group: logits[rows] for group, rows in self.rows.items()}
        for group, pixels in self.pixels.items():
            if group not in found:
                model = self.task.model(weights)
                found[group] = predict(self.task, model, pixels)
        return found
