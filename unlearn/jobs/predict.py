"""The predictions of models for the points that are scored."""

import time
from collections.abc import Mapping
from types import MappingProxyType

import numpy as np
import torch

from unlearn.data.dataset import Dataset
from unlearn.requests.request import Request
from unlearn.storage.files import digest
from unlearn.training.state import State
from unlearn.training.task import Task, index_of

NO_LOGITS: Mapping[str, np.ndarray] = MappingProxyType({})


class Predictor:
    """Predicts the evaluated points for the scores, and adds up its CPU seconds.

    Points come in groups: the sample, the other points of the request, the validation points, the
    test points. The predictions for all but those of the request do not depend on it. Networks of
    an ensemble that training or the step before has evaluated are not evaluated on them again.
    """

    def __init__(
        self,
        task: Task,
        dataset: Dataset,
        request: Request | None = None,
        constituents: Mapping[str, np.ndarray] = NO_LOGITS,
    ):
        """Predict for the evaluated points of a data set and a request.

        Args:
            task: The task as the models see it.
            dataset: The data set.
            request: Its points are evaluated beside the sample.
            constituents: The result of `constituents()` after training; read when needed.
        """
        self.task = task
        self.ids = dataset.evaluated_ids(request)
        """The training ids of the first rows of the logits; validation and test points follow."""
        sample_ids = dataset.sample_ids
        request_ids = np.setdiff1d(self.ids, sample_ids)
        device = task.data.train_images.device
        self.pixels: dict[str, torch.Tensor] = {}
        for group, ids in (("sample", sample_ids), ("request", request_ids)):
            if len(ids):
                self.pixels[group] = task.data.train_images[index_of(ids).to(device)]
        public_images = {"validation": dataset.validation_images, "test": dataset.test_images}
        for group, images in public_images.items():
            if len(images):
                self.pixels[group] = torch.from_numpy(images).to(device)
        order = np.argsort(np.concatenate([sample_ids, request_ids]))
        public_points = sum(map(len, public_images.values()))
        self.order = np.append(order, len(self.ids) + np.arange(public_points))
        validation_end = len(sample_ids) + len(dataset.validation_images)
        self.group_rows = {
            "sample": slice(len(sample_ids)),
            "validation": slice(len(sample_ids), validation_end),
            "test": slice(validation_end, None),
        }
        self.training_logits = constituents
        self.network_logits: dict[str, dict[str, torch.Tensor]] = {}
        """Digest of a network -> group -> logits, of the last state."""
        self.seconds = 0.0
        self.logits: list[np.ndarray] = []
        self.votes: list[np.ndarray] = []

    def add(self, state: State) -> None:
        """Add the predictions of a state to `logits` P x C and `votes` S x P."""
        start = time.process_time()
        trainer = self.task.trainer
        networks = self._networks(state)
        logits = []
        votes = []
        for group in self.pixels:
            member_logits = [network[group] for network in networks]
            logits.append(trainer.combine(member_logits, state))
            votes.append(trainer.votes(member_logits, state))
        self.logits.append(torch.cat(logits).numpy()[self.order])
        self.votes.append(np.concatenate(votes, axis=1)[:, self.order])
        self.seconds += time.process_time() - start

    def constituents(self) -> dict[str, np.ndarray]:
        """Logits of the networks of the last state for sample, validation and test points.

        By a digest of their weights; empty where a state is a single network.
        """
        groups = [group for group in self.group_rows if group in self.pixels]
        return {
            name: torch.cat([logits[group] for group in groups]).numpy()
            for name, logits in self.network_logits.items()
        }

    def _networks(self, state: State) -> list[dict[str, torch.Tensor]]:
        """The logits of each network of a state, by group."""
        members = self.task.trainer.members(state)
        if not self.task.trainer.ensemble:
            return [self._evaluate(member, {}) for member in members]
        names = list(self.task.new_model(0).state_dict())
        digests = [digest(*(np.asarray(member[name]) for name in names)) for member in members]
        networks = [
            self._evaluate(member, self._earlier_logits(name))
            for name, member in zip(digests, members, strict=True)
        ]
        self.network_logits = dict(zip(digests, networks, strict=True))
        return networks

    def _earlier_logits(self, name: str) -> dict[str, torch.Tensor]:
        """The logits of a network from training or from the last state, by group."""
        if name in self.network_logits:
            return self.network_logits[name]
        rows_of_network = self.training_logits.get(name)
        if rows_of_network is None:
            return {}
        logits = torch.as_tensor(rows_of_network)
        return {group: logits[rows] for group, rows in self.group_rows.items()}

    def _evaluate(
        self, member: Mapping, logits: Mapping[str, torch.Tensor]
    ) -> dict[str, torch.Tensor]:
        """The logits of a network for every group; groups that `logits` has are not computed."""
        return {
            group: logits[group]
            if group in logits
            else self.task.trainer.member_logits(self.task, member, pixels)
            for group, pixels in self.pixels.items()
        }
