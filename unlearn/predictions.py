"""What models say of the points that are scored."""

import time
from collections.abc import Mapping
from types import MappingProxyType

import numpy as np
import torch

from unlearn.dataset import Dataset
from unlearn.requests import Request
from unlearn.task import Task, points


class Predictor:
    """Predicts the evaluated points for the scores, and adds up the CPU seconds that takes.

    In groups: the sample, the other points of the request, the test points. So what a model says of
    the first and the last does not depend on the request, and constituents of an ensemble that
    training has asked already are not asked again.
    """

    def __init__(
        self,
        task: Task,
        dataset: Dataset,
        request: Request | None = None,
        constituents: Mapping[str, np.ndarray] = MappingProxyType({}),
    ):
        data, evaluated = task.data, dataset.evaluated(request)
        ids = {"sample": dataset.sample, "request": np.setdiff1d(evaluated, dataset.sample)}
        index = {g: points(its).to(data.train_images.device) for g, its in ids.items() if len(its)}
        self.pixels = {g: data.train_images[its] for g, its in index.items()}
        self.pixels["test"] = data.test_images
        order = np.argsort(np.concatenate([*ids.values()]))
        self.order = np.append(order, len(evaluated) + np.arange(len(data.test_images)))
        rows = {"sample": slice(len(dataset.sample)), "test": slice(len(dataset.sample), None)}
        said = {digest: torch.as_tensor(logits) for digest, logits in constituents.items()}
        self.trained = {g: {d: z[its] for d, z in said.items()} for g, its in rows.items()}
        self.known: dict[str, dict[str, torch.Tensor]] = {}
        self.task, self.seconds = task, 0.0
        self.logits: list[np.ndarray] = []
        self.votes: list[np.ndarray] = []

    def __call__(self, state: Mapping) -> None:
        """Add what a state predicts to `logits` P x C and `votes` S x P, one entry a state."""
        start = time.process_time()
        logits, votes = zip(*(self._outputs(group, state) for group in self.pixels), strict=True)
        self.logits.append(torch.cat(logits).numpy()[self.order])
        self.votes.append(np.concatenate(votes, axis=1)[:, self.order])
        self.seconds += time.process_time() - start

    def constituents(self) -> dict[str, np.ndarray]:
        """What those of the last state say of the sample, then of the test points, by digest."""
        parts = [self.known[group] for group in ("sample", "test") if group in self.known]
        digests = self.known.get("test", ())
        return {d: torch.cat([part[d] for part in parts]).numpy() for d in digests}

    def _outputs(self, group: str, state: Mapping) -> tuple[torch.Tensor, np.ndarray]:
        task, trainer, arguments = self.task, self.task.trainer, [state, self.pixels[group]]
        if hasattr(trainer, "constituents"):
            known = self.trained.get(group, {}) | self.known.get(group, {})
            arguments.append(trainer.constituents(task, *arguments, known))
            self.known[group] = dict(arguments[-1])
        return trainer.predict(task, *arguments), trainer.votes(task, *arguments)
