"""SISA: an ensemble of constituents, each trained on its own shard, slice by slice."""

import hashlib
import json
import warnings
from collections.abc import Iterator, Mapping

import numpy as np
import torch

from unlearn import seeding, sharding, training
from unlearn.requests import Step
from unlearn.task import Changed, State, Task, points, state_of

USES = {"partition": "partitions"}
PLAN = "unlearn.sharding"
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


class Sisa:
    """Sharded, isolated, sliced, aggregated training (Bourtoule et al., IEEE S&P 2021).

    A state has, for shard s and slice r, both counted from 0:

    `shard003/slice01/model/*`      parameters and buffers after the stage that adds the slice
    `shard003/slice01/optimizer/*`  state of the optimiser, where another stage follows
    `shard003/slice01/ids`          sorted ids of the slice
    `shard003/slice01/key`          SHA-256 of all that the checkpoint depends on
    `shard003/classes`              whether a class occurs in the shard
    `shard003/points`               number of points in the shard

    A shard without points is absent. The state is a function of the ids in the training set, the
    seed and the parameters alone: `update` from any earlier set gives what `train` gives.
    """

    def __init__(
        self, *, shards: int, slices: int, aggregation: str, tie: str, weights: str, **cut
    ):
        """`cut`: how points go to shards and slices, see `sharding.layout`."""
        self.shards = shards
        self.slices = slices
        self.aggregation = aggregation
        self.tie = tie
        self.weights = weights
        self.cut = cut
        self._pixels: torch.Tensor | None = None
        self._known: dict[bytes, torch.Tensor] = {}  # what constituents say of these pixels

    def train(self, task: Task, ids: np.ndarray, seed: int) -> State:
        """All shards from scratch. ValueError if no id is left."""
        state, layout = {}, self.layout(task, ids)
        self._warn(layout, task.recipe["epochs"])
        for shard, slices in enumerate(layout):
            state |= self._retrain(task, {}, shard, slices, 0, seed)
        if not state:
            raise ValueError("no training data left")
        return state

    def update(self, task: Task, trained: State, request: Step, seed: int) -> State:
        """Serve one request: every shard that it hits, from the first slice that it hits.

        ValueError if no id is left or a checkpoint is not what it should be.
        """
        if not len(request.retain):
            raise ValueError("no training data left")
        before, after = (self.layout(task, ids) for ids in (request.before, request.retain))
        sizes = [[len(ids) for ids in slices] for slices in before]
        deleted = len(request.deleted)
        task.meter.count(
            "expected_gradient_evaluations",
            sharding.expected_evaluations(sizes, deleted, task.recipe["epochs"]),
        )
        changes: dict[str, torch.Tensor | None] = {}
        for shard, (old, new) in enumerate(zip(before, after, strict=True)):
            pairs = enumerate(zip(old, new, strict=True))
            hit = [r for r, (a, b) in pairs if not np.array_equal(a, b)]
            if not hit:
                continue
            first = hit[0] if any(map(len, old)) else 0
            changes |= self._retrain(task, trained, shard, new, first, seed)
            if not any(map(len, new)):
                changes |= {n: None for n in trained if n.startswith(f"shard{shard:03d}/")}
        return Changed(trained, changes)

    def layout(self, task: Task, ids: np.ndarray) -> sharding.Layout:
        """The slices of every shard when `ids` are in the training set."""
        data = task.data
        seen = sharding.Points(
            data.train_labels.cpu().numpy(),
            data.base,
            data.train_images.cpu().numpy(),
            data.classes,
        )
        return sharding.layout(seen, ids, self.shards, self.slices, **self.cut)

    def predict(self, task: Task, state: State, pixels: torch.Tensor) -> torch.Tensor:
        """The aggregated prediction, as log-probabilities N x classes.

        `mean_softmax`: the mean of the constituents' distributions; `vote`: the shares of their
        votes, ties broken by the mean distribution or for the lowest class. Classes that a shard
        does not have are none of its constituent's business: it abstains.
        """
        logs, sizes = self._constituents(task, state, pixels)
        weights = sizes.float() if self.weights == "shard_size" else torch.ones(len(logs))
        shares = (weights / weights.sum()).log().view(-1, 1, 1)
        mean = (logs + shares).logsumexp(0)
        if self.aggregation == "mean_softmax":
            return mean
        ballots = torch.zeros_like(mean)
        for vote, weight in zip(logs.argmax(2), weights, strict=True):
            ballots.scatter_add_(1, vote[:, None], weight.expand(len(vote), 1))
        # whole numbers: the tie break is far below a vote, and every class keeps some probability
        nudge = mean.exp() if self.tie == "mean_softmax" else torch.zeros_like(mean)
        return (ballots + 1e-3 * nudge + 1e-6).log().log_softmax(1)

    def votes(self, task: Task, state: State, pixels: torch.Tensor) -> np.ndarray:
        """The class that each constituent predicts, int16 S x N, -1 where it is absent."""
        logs, _ = self._constituents(task, state, pixels)
        votes = np.full((self.shards, len(pixels)), -1, dtype=np.int16)
        votes[list(self._present(state))] = logs.argmax(2).numpy()
        return votes

    def served(self, state: State) -> list[str]:
        """Names of the tensors that predictions need."""
        last = f"/slice{self.slices - 1:02d}/"
        needed = (f"{last}model/", f"{last}key", "/classes", "/points")
        return [name for name in state if any(part in name for part in needed)]

    def parameters(self, task: Task) -> list[str]:
        """None: which constituents there are differs from request to request."""
        return []

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
        """The tensors of a shard from stage `first` on; none if it has no points."""
        ids = np.concatenate(slices)
        if not len(ids):
            return {}
        own = seed if shard == 0 else seeding.derive(seed, "constituent", shard)
        keys = list(self._keys(task, slices, shard, own))
        if first:
            model, memory = self._checkpoint(task, trained, shard, first - 1, keys)
        else:
            model, memory = task.new_model(seeding.derive(own, "initial weights")), None
        found = {}
        for stage in range(first, self.slices):
            there = np.sort(np.concatenate(slices[: stage + 1]))
            steps = sharding.stage_steps(
                len(there), self.slices, task.recipe["epochs"], task.recipe["batch_size"]
            )
            axes = [stage] if stage else []  # a single slice is plain training
            memory = training.fit(
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
        found[f"shard{shard:03d}/points"] = torch.tensor(len(ids))
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
        stored = np.asarray(trained[f"{place}/key"]).tobytes()
        if stored != keys[stage]:
            raise ValueError(
                f"checkpoint {place} has key {stored.hex()[:12]}, {keys[stage].hex()[:12]} is "
                "needed: it was made from other points, another model, recipe, seed or torch"
            )
        parts = {"model": {}, "optimizer": {}}
        for name in [n for n in trained if n.startswith(f"{place}/")]:
            part, _, own = name.removeprefix(f"{place}/").partition("/")
            if part in parts:
                parts[part][own] = trained[name]
        return task.model(parts["model"]), parts["optimizer"]

    def _present(self, state: State) -> Iterator[int]:
        names = set(state)
        return (s for s in range(self.shards) if f"shard{s:03d}/points" in names)

    def _constituents(
        self, task: Task, state: State, pixels: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Log-probabilities S' x N x classes of the constituents present, and their points.

        What a constituent said of the same pixels last time is remembered.
        """
        if pixels is not self._pixels:
            self._pixels, self._known = pixels, {}
        logs, sizes, known = [], [], {}
        for shard in self._present(state):
            place = f"shard{shard:03d}/slice{self.slices - 1:02d}"
            key = np.asarray(state[f"{place}/key"]).tobytes()
            if key not in self._known:
                network = task.new_model(0)
                names = network.state_dict()
                network = task.model({n: state[f"{place}/model/{n}"] for n in names})
                self._known[key] = training.predict(task, network, pixels)
            known[key] = self._known[key]
            seen = torch.as_tensor(np.asarray(state[f"shard{shard:03d}/classes"]))
            logs.append(known[key].masked_fill(~seen, ABSTAINS).log_softmax(1))
            sizes.append(int(state[f"shard{shard:03d}/points"]))
        self._known = known
        return torch.stack(logs), torch.tensor(sizes)
