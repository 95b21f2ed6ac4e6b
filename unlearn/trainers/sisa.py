"""SISA: an ensemble of constituents, each trained on its own shard, slice by slice."""

import hashlib
import json
import warnings
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import torch

from unlearn.algorithms import voting
from unlearn.core import seeding
from unlearn.partitions import sharding
from unlearn.requests.request import Step
from unlearn.storage.files import digest
from unlearn.training.loop import fit, predict
from unlearn.training.state import Changed, State, state_of
from unlearn.training.task import Task, points

USES = {"partition": "partitions"}
PLAN = "unlearn.partitions.sharding"
METRICS = (
    "expected_gradient_evaluations",
    "shards_retrained",
    "stages_retrained",
    "vote_accuracy",
    "tie_fraction",
    "lone_accuracy",
    "lone_accuracy_min",
    "lone_accuracy_max",
)
ABSTAINS = -1e9  # the logit of a class that a constituent never saw

Said = Sequence[torch.Tensor]
"""The logits N x classes of each constituent present."""


class Sisa:
    """Sharded, isolated, sliced, aggregated training (Bourtoule et al., IEEE S&P 2021).

    A state has, for shard s and slice r, both counted from 0:

    `assignment`                    int16 2 x N, shard and slice of every id, -1 for absent ones
    `shard003/slice01/model/*`      parameters and buffers after the stage that adds the slice
    `shard003/slice01/optimizer/*`  state of the optimiser, where another stage follows
    `shard003/slice01/ids`          sorted ids of the slice
    `shard003/slice01/key`          SHA-256 of ids and of all else that it depends on, see `_keys`
    `shard003/classes`              whether a class occurs in the shard
    `shard003/points`               number of points in the shard; where it is 0 that is all

    The state is a function of the ids in the training set, the seed and the parameters alone:
    `update` from any earlier set gives what `train` gives. That the data and the code are the same
    is for the fleet's identity and for Snakemake to see to.
    """

    def __init__(
        self, *, shards: int, slices: int, aggregation: str, tie: str, weights: str, **cut
    ):
        """`cut`: how points go to shards and slices, see `sharding.assignment`."""
        self.shards = shards
        self.slices = slices
        self.aggregation = aggregation
        self.tie = tie
        self.weights = weights
        self.cut = cut

    def train(self, task: Task, ids: np.ndarray, seed: int) -> State:
        """All shards from scratch. ValueError if no id is left."""
        if not len(ids):
            raise ValueError("no training data left")
        places = self._assignment(task, ids)
        layout = sharding.layout(places, self.shards, self.slices)
        self._warn(layout, task.recipe["epochs"])
        state = {"assignment": torch.from_numpy(places)}
        for shard, slices in enumerate(layout):
            state |= self._retrain(task, {}, shard, slices, 0, seed)
        return state

    retrain = train

    def update(self, task: Task, trained: State, request: Step, seed: int) -> State:
        """Serve one request: every shard that it hits, from the first slice that it hits.

        ValueError if no id is left or a checkpoint is not what it should be.
        """
        if not len(request.retain):
            raise ValueError("no training data left")
        before = np.asarray(trained["assignment"])
        if sharding.promise(**self.cut).fixed and np.isin(request.retain, request.before).all():
            after = np.full_like(before, -1)
            after[:, request.retain] = before[:, request.retain]
            if (after[:, request.retain] < 0).any():
                raise ValueError("the trained state was not trained on all of the points")
        else:
            after = self._assignment(task, request.retain)
        old, new = (sharding.layout(p, self.shards, self.slices) for p in (before, after))
        if (after[:, request.retain] == before[:, request.retain]).all():  # deletions alone
            self._expect(task, old, len(request.deleted))
        if np.array_equal(before, after):
            return Changed(trained, {})
        changes: dict[str, torch.Tensor | None] = {"assignment": torch.from_numpy(after)}
        for shard, first in sharding.hits(before, after).items():
            if not any(map(len, new[shard])):
                changes |= {n: None for n in trained if n.startswith(f"shard{shard:03d}/")}
            resumed = first if any(map(len, old[shard])) else 0
            changes |= self._retrain(task, trained, shard, new[shard], resumed, seed)
        return Changed(trained, changes)

    def constituents(
        self, task: Task, state: State
    ) -> Iterator[tuple[str, Mapping[str, np.ndarray]]]:
        """Of every constituent present, a digest of its weights, and these."""
        names = task.new_model(0).state_dict()
        for shard in self._present(state):
            place = f"shard{shard:03d}/slice{self.slices - 1:02d}/model"
            weights = {name: np.asarray(state[f"{place}/{name}"]) for name in names}
            yield digest(*weights.values()), weights

    def predict(
        self, task: Task, state: State, pixels: torch.Tensor, said: Said | None = None
    ) -> torch.Tensor:
        """The aggregated prediction, as log-probabilities N x classes.

        `said`: what the constituents say of the pixels, where that is known already.
        """
        logs, sizes = self._logs(task, state, pixels, said)
        weights = sizes if self.weights == "shard_size" else torch.ones(len(logs))
        if self.aggregation == "mean_softmax":
            return voting.mean(logs, weights).float()
        return voting.vote(logs, weights, self.tie).float()

    def votes(
        self, task: Task, state: State, pixels: torch.Tensor, said: Said | None = None
    ) -> np.ndarray:
        """The class that each constituent predicts, int16 S x N, -1 where it is absent."""
        logs, _ = self._logs(task, state, pixels, said)
        votes = np.full((self.shards, len(pixels)), -1, dtype=np.int16)
        votes[list(self._present(state))] = [log.argmax(1).numpy() for log in logs]
        return votes

    def served(self, state: State) -> list[str]:
        """Names of the tensors that predictions need."""
        last = f"/slice{self.slices - 1:02d}/"
        needed = (f"{last}model/", f"{last}key", "/classes", "/points")
        return [name for name in state if any(part in name for part in needed)]

    def parameters(self, task: Task) -> list[str]:
        """None: which constituents there are differs from request to request."""
        return []

    def _assignment(self, task: Task, ids: np.ndarray) -> np.ndarray:
        """Shard and slice of every id when `ids` are in the training set."""
        data = task.data
        seen = sharding.Points(
            data.train_labels.cpu().numpy(),
            data.base,
            data.classes,
            data.train_images.cpu().numpy(),
        )
        return sharding.assignment(seen, ids, self.shards, self.slices, **self.cut)

    def _expect(self, task: Task, layout: sharding.Layout, deleted: int) -> None:
        """Charge what uniform deletions would cost by the closed formula."""
        sizes = [[len(ids) for ids in slices] for slices in layout]
        expected = sharding.expected_evaluations(sizes, deleted, task.recipe["epochs"])
        task.meter.count("expected_gradient_evaluations", expected)

    def _warn(self, layout: sharding.Layout, epochs: int) -> None:
        empty = [s for s, slices in enumerate(layout) if not any(map(len, slices))]
        if empty:
            warnings.warn(f"shards {empty} of {self.shards} have no points", stacklevel=3)
        short = [
            s
            for s, slices in enumerate(layout)
            if any(map(len, slices)) and not all(map(len, slices))
        ]
        if short:
            warnings.warn(f"slices without points in shards {short}", stacklevel=3)
        stage = sharding.epochs_of_a_stage(epochs, self.slices)
        if stage < 1:
            warnings.warn(f"a stage lasts {stage:.2g} of an epoch", stacklevel=3)

    def _retrain(
        self, task: Task, trained: State, shard: int, slices: list, first: int, seed: int
    ) -> dict[str, torch.Tensor]:
        """The tensors of a shard from stage `first` on; without points, that it has none."""
        ids = np.concatenate(slices)
        size = {f"shard{shard:03d}/points": torch.tensor(len(ids))}
        if not len(ids):
            return size
        own = seed if shard == 0 else seeding.derive(seed, "constituent", shard)
        keys = list(self._keys(task, slices, shard, own))
        if first:
            model, memory = self._checkpoint(task, trained, shard, first - 1, keys)
        else:
            model, memory = task.new_model(seeding.derive(own, "initial weights")), None
        found = size
        for stage in range(first, self.slices):
            there = np.sort(np.concatenate(slices[: stage + 1]))
            steps = sharding.stage_steps(
                len(there), self.slices, task.recipe["epochs"], task.recipe["batch_size"]
            )
            axes = [stage] if stage else []  # a single slice is plain training
            memory = fit(
                task,
                model,
                there,
                task.recipe,
                seeding.derive(own, "training", *axes),
                among=there,
                steps=steps,
                optimizer_state=memory,
                what=f"shard {shard + 1} of {self.shards}, slice {stage + 1} of {self.slices}",
            )
            place = f"shard{shard:03d}/slice{stage:02d}"
            found |= {f"{place}/model/{n}": tensor for n, tensor in state_of(model).items()}
            if stage < self.slices - 1:
                found |= {f"{place}/optimizer/{n}": tensor for n, tensor in memory.items()}
            found[f"{place}/ids"] = points(slices[stage])
            found[f"{place}/key"] = torch.frombuffer(bytearray(keys[stage]), dtype=torch.uint8)
        labels = task.data.train_labels[points(ids).to(task.data.train_labels.device)].cpu()
        counts = torch.bincount(labels, minlength=task.data.classes)
        found[f"shard{shard:03d}/classes"] = counts > 0
        task.meter.count("shards_retrained", 1)
        task.meter.count("stages_retrained", self.slices - first)
        return found

    def _keys(self, task: Task, slices: list, shard: int, seed: int) -> Iterator[bytes]:
        """A key for each checkpoint: a digest of its predecessor's key and of its slice's ids."""
        network = task.new_model(0)
        about = {
            "model": [str(network), [list(t.shape) for t in network.state_dict().values()]],
            "recipe": dict(task.recipe),
            "precision": task.machine.precision,
            "device": task.machine.device.type,
            "seed": seed,
            "shard": shard,
            "slices": self.slices,
            "torch": torch.__version__,
        }
        key = json.dumps(about, sort_keys=True).encode()
        for ids in slices:
            key = hashlib.sha256(key + np.ascontiguousarray(ids, dtype="<i8").tobytes()).digest()
            yield key

    def _checkpoint(
        self, task: Task, trained: State, shard: int, stage: int, keys: list[bytes]
    ) -> tuple[torch.nn.Module, Mapping]:
        """Model and optimiser state after a stage. ValueError if they are of something else."""
        place = f"shard{shard:03d}/slice{stage:02d}"
        stored = np.asarray(trained.get(f"{place}/key", b"")).tobytes()
        if stored != keys[stage]:
            raise ValueError(
                f"checkpoint {place} has key {stored.hex()[:12] or 'none'}, "
                f"{keys[stage].hex()[:12]} is needed: it was made from other points, with another "
                "model, recipe, seed or number of slices, on another device, in another precision, "
                "or by another torch"
            )
        parts = {"model": {}, "optimizer": {}}
        for name in [n for n in trained if n.startswith(f"{place}/")]:
            part, _, own = name.removeprefix(f"{place}/").partition("/")
            if part in parts:
                parts[part][own] = trained[name]
        try:
            return task.model(parts["model"]), parts["optimizer"]
        except KeyError as error:
            raise ValueError(f"checkpoint {place} lacks the tensor {error}") from error

    def _present(self, state: State) -> Iterator[int]:
        return (s for s in range(self.shards) if int(state[f"shard{s:03d}/points"]))

    def _logs(
        self, task: Task, state: State, pixels: torch.Tensor, said: Said | None
    ) -> tuple[list[torch.Tensor], torch.Tensor]:
        """Log-probabilities N x classes of each constituent present, and their points.

        Classes that a shard does not have are none of its constituent's business: it abstains.
        """
        logs, sizes = [], []
        if said is None:
            its = self.constituents(task, state)
            said = [predict(task, task.model(weights), pixels) for _, weights in its]
        for shard, logits in zip(self._present(state), said, strict=True):
            seen = torch.as_tensor(np.asarray(state[f"shard{shard:03d}/classes"]))
            logs.append(logits.masked_fill(~seen, ABSTAINS).log_softmax(1))
            sizes.append(int(state[f"shard{shard:03d}/points"]))
        return logs, torch.tensor(sizes)
