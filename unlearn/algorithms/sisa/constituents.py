"""The constituents of SISA: training, retraining from a checkpoint, aggregation.

References:
    Bourtoule et al., "Machine unlearning", IEEE S&P 2021.
"""

import hashlib
import json
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch

from unlearn.core import seeding
from unlearn.partitions import sharding
from unlearn.requests.request import Step
from unlearn.training.loop import fit
from unlearn.training.state import State, Update, state_of
from unlearn.training.task import Task, index_of


class PartitionParameters(Protocol):
    """How points go to shards and slices."""

    shards: int
    """Constituents of the ensemble."""
    slices: int
    """Parts of a shard."""

    def partition_options(self) -> Mapping[str, Any]:
        """What `sharding.assignment` takes besides: the partition and its parameters."""


def train(sisa: PartitionParameters, task: Task, ids: np.ndarray, seed: int) -> State:
    """The state of an ensemble whose shards are all trained from scratch.

    Args:
        sisa: The hyper-parameters.
        task: Data, networks, recipe and meter.
        ids: The training set.
        seed: That of the member.

    Raises:
        ValueError: No id is left.
    """
    if not len(ids):
        raise ValueError("no training data left")
    places = _assignment(sisa, task, ids)
    layout = sharding.layout(places, sisa.shards, sisa.slices)
    _warn_of_gaps(sisa, layout, task.recipe.epochs)
    state = {"assignment": torch.from_numpy(places)}
    for shard, slices in enumerate(layout):
        state |= _train_shard(task, Shard(shard, slices, sisa.shards, seed), {}, first=0)
    return state


def update(
    sisa: PartitionParameters, task: Task, trained: State, request: Step, seed: int
) -> Update:
    """Retrain every shard that a request hits, from the first slice that it hits.

    Args:
        sisa: The hyper-parameters.
        task: Data, networks, recipe and meter.
        trained: The state before the request.
        request: The step to be served.
        seed: That of the member.

    Raises:
        ValueError: No id is left, or a checkpoint has another origin.
    """
    retain_ids = request.retain_ids
    if not len(retain_ids):
        raise ValueError("no training data left")
    before = np.asarray(trained["assignment"])
    is_fixed = sharding.guarantee(**sisa.partition_options()).fixed
    if is_fixed and np.isin(retain_ids, request.previous_ids).all():
        after = np.full_like(before, -1)
        after[:, retain_ids] = before[:, retain_ids]
        if (after[:, retain_ids] < 0).any():
            raise ValueError("the trained state was not trained on all of the points")
    else:
        after = _assignment(sisa, task, retain_ids)
    old_layout = sharding.layout(before, sisa.shards, sisa.slices)
    new_layout = sharding.layout(after, sisa.shards, sisa.slices)
    if (after[:, retain_ids] == before[:, retain_ids]).all():  # deletions alone
        _count_expected(task, old_layout, len(request.deleted_ids))
    if np.array_equal(before, after):
        return Update()
    tensors: dict[str, torch.Tensor] = {"assignment": torch.from_numpy(after)}
    old_names: set[str] = set()
    for shard, first_slice in sharding.hits(before, after).items():
        if not any(map(len, new_layout[shard])):
            old_names |= {name for name in trained if name.startswith(f"shard{shard:03d}/")}
        first_stage = first_slice if any(map(len, old_layout[shard])) else 0
        new_shard = Shard(shard, new_layout[shard], sisa.shards, seed)
        tensors |= _train_shard(task, new_shard, trained, first_stage)
    return Update(tensors, remove=old_names - set(tensors))


@dataclass(frozen=True)
class Shard:
    """A shard of a model, to be trained."""

    index: int
    slices: list[np.ndarray]
    """The sorted ids of each slice."""
    count: int
    """The number of shards."""
    model_seed: int
    """The seed of the whole model."""

    @property
    def seed(self) -> int:
        """The seed of the constituent."""
        if self.index == 0:
            return self.model_seed
        return seeding.derive(self.model_seed, "constituent", self.index)

    @property
    def prefix(self) -> str:
        """The beginning of the names of its tensors."""
        return f"shard{self.index:03d}"


def _assignment(sisa: PartitionParameters, task: Task, ids: np.ndarray) -> np.ndarray:
    """Shard and slice of every id when `ids` are in the training set."""
    data = task.data
    points = sharding.PartitionedPoints(
        data.train_labels.cpu().numpy(),
        data.base_ids,
        data.classes,
        data.train_images.cpu().numpy(),
    )
    options = sisa.partition_options()
    return sharding.assignment(points, ids, sisa.shards, sisa.slices, **options)


def _count_expected(task: Task, layout: sharding.Layout, deleted_points: int) -> None:
    """Count what uniform deletions would cost by the closed formula."""
    sizes = [[len(ids) for ids in slices] for slices in layout]
    expected = sharding.expected_evaluations(sizes, deleted_points, task.recipe.epochs)
    task.meter.count("expected_gradient_evaluations", expected)


def _warn_of_gaps(sisa: PartitionParameters, layout: sharding.Layout, epochs: int) -> None:
    """Warn of shards and slices without points, and of stages of less than an epoch."""
    empty_shards = [shard for shard, slices in enumerate(layout) if not any(map(len, slices))]
    if empty_shards:
        warnings.warn(f"shards {empty_shards} of {sisa.shards} have no points", stacklevel=4)
    short_shards = [
        shard
        for shard, slices in enumerate(layout)
        if any(map(len, slices)) and not all(map(len, slices))
    ]
    if short_shards:
        warnings.warn(f"slices without points in shards {short_shards}", stacklevel=4)
    stage_epochs = sharding.epochs_of_a_stage(epochs, sisa.slices)
    if stage_epochs < 1:
        warnings.warn(f"a stage lasts {stage_epochs:.2g} of an epoch", stacklevel=4)


def _train_shard(task: Task, shard: Shard, trained: State, first: int) -> dict[str, torch.Tensor]:
    """The tensors of a shard from stage `first` on; an empty shard has its number of points only.

    Args:
        task: Data, recipe, machine and meter.
        shard: The shard.
        trained: The state with the checkpoint of the stage before; not read where `first` is 0.
        first: The first stage that is trained.
    """
    ids = np.concatenate(shard.slices)
    tensors = {f"{shard.prefix}/points": torch.tensor(len(ids))}
    if not len(ids):
        return tensors
    stages = len(shard.slices)
    keys = list(_keys(task, shard))
    if first:
        model, memory = _checkpoint(task, trained, shard, first - 1, keys)
    else:
        # What the network takes from images must not outlast a deletion from a later slice.
        initial_seed = seeding.derive(shard.seed, "initial weights")
        model = task.new_model(initial_seed, shard.slices[0])
        memory = None
    for stage in range(first, stages):
        stage_ids = np.sort(np.concatenate(shard.slices[: stage + 1]))
        steps = sharding.stage_steps(
            len(stage_ids), stages, task.recipe.epochs, task.recipe.batch_size
        )
        axes = [stage] if stage else []  # a single slice is plain training
        memory = fit(
            task,
            model,
            stage_ids,
            task.recipe,
            seeding.derive(shard.seed, "training", *axes),
            among=stage_ids,
            steps=steps,
            state=memory,
            label=f"shard {shard.index + 1} of {shard.count}, slice {stage + 1} of {stages}",
        )
        place = f"{shard.prefix}/slice{stage:02d}"
        tensors |= {f"{place}/model/{n}": tensor for n, tensor in state_of(model).items()}
        if stage < stages - 1:
            tensors |= {f"{place}/optimizer/{n}": tensor for n, tensor in memory.items()}
        tensors[f"{place}/ids"] = index_of(shard.slices[stage])
        tensors[f"{place}/key"] = torch.frombuffer(bytearray(keys[stage]), dtype=torch.uint8)
    counts = torch.bincount(task.data.labels(ids).cpu(), minlength=task.data.classes)
    tensors[f"{shard.prefix}/classes"] = counts > 0
    task.meter.count("shards_retrained", 1)
    task.meter.count("stages_retrained", stages - first)
    return tensors


def _keys(task: Task, shard: Shard) -> Iterator[bytes]:
    """A key for each checkpoint: a digest of its predecessor's key and of its slice's ids."""
    network = task.new_model(0)
    origin = {
        "model": [str(network), [list(t.shape) for t in network.state_dict().values()]],
        "recipe": task.recipe.identity(),
        "arithmetic": task.machine.arithmetic,
        "seed": shard.seed,
        "shard": shard.index,
        "slices": len(shard.slices),
        "torch": torch.__version__,
    }
    key = json.dumps(origin, sort_keys=True).encode()
    for ids in shard.slices:
        key = hashlib.sha256(key + np.ascontiguousarray(ids, dtype="<i8").tobytes()).digest()
        yield key


def _checkpoint(
    task: Task, trained: State, shard: Shard, stage: int, keys: list[bytes]
) -> tuple[torch.nn.Module, Mapping]:
    """Model and optimiser state after a stage.

    Args:
        task: Builds the model.
        trained: The state that holds the checkpoint.
        shard: Its shard.
        stage: Its stage.
        keys: The keys that the checkpoints of the shard must have.

    Raises:
        ValueError: The checkpoint has another key, or lacks a tensor.
    """
    place = f"{shard.prefix}/slice{stage:02d}"
    stored_key = np.asarray(trained.get(f"{place}/key", b"")).tobytes()
    if stored_key != keys[stage]:
        raise ValueError(
            f"checkpoint {place} has key {stored_key.hex()[:12] or 'none'}, "
            f"{keys[stage].hex()[:12]} is needed: it was made from other points, with another "
            "model, recipe, seed or number of slices, in another arithmetic, or by another torch"
        )
    parts: dict[str, dict] = {"model": {}, "optimizer": {}}
    for name in [name for name in trained if name.startswith(f"{place}/")]:
        part, _, tensor = name.removeprefix(f"{place}/").partition("/")
        if part in parts:
            parts[part][tensor] = trained[name]
    try:
        return task.model(parts["model"]), parts["optimizer"]
    except KeyError as error:
        raise ValueError(f"checkpoint {place} lacks the tensor {error}") from error
