"""SISA: exact to the bit, no deleted point in any checkpoint, in a study."""

import dataclasses
import itertools

import numpy as np
import pandas as pd
import pytest
import yaml

from tests.support.project import TINY
from tests.support.sisa import SMALL, final, same, scratch, sisa_job, slices
from tests.support.streams import deletions
from unlearn.algorithms.sisa import constituents
from unlearn.core import seeding
from unlearn.jobs.setup import new_task
from unlearn.jobs.train import train_fleet
from unlearn.jobs.unlearn import unlearn_fleet
from unlearn.requests.request import NO_IDS, Request
from unlearn.storage.fleet import Fleet, write_fleet
from unlearn.training.state import Update

pytestmark = pytest.mark.filterwarnings("ignore:(a stage|slices without|shards)")


def first_minibatch(ids):
    """The first of the first stage of the first shard."""
    training_seed = seeding.derive(0, "training")
    return seeding.shuffled(ids, seeding.derive(training_seed, "epoch", 0))[:8]


REQUESTS = {
    "first point": lambda data, layout: deletions([data.base_ids[0]]),
    "middle point": lambda data, layout: deletions([data.base_ids[80]]),
    "last point": lambda data, layout: deletions([data.base_ids[-1]]),
    "last point of the last slice": lambda data, layout: deletions([layout[1][-1][-1]]),
    "a slice": lambda data, layout: deletions(layout[0][0]),
    "the last slice": lambda data, layout: deletions(layout[1][-1]),
    "a minibatch": lambda data, layout: deletions(first_minibatch(layout[0][0])),
    "a shard": lambda data, layout: deletions(np.concatenate(layout[2])),
    "two shards in turn": lambda data, layout: deletions(*map(np.concatenate, layout[:2])),
    "several in turn": lambda data, layout: deletions(
        data.base_ids[5:9], data.base_ids[100:101], data.base_ids[40:60]
    ),
    "nothing": lambda data, layout: deletions([]),
    "additions": lambda data, layout: Request(
        [NO_IDS, NO_IDS], [data.held_out_ids[:3], data.held_out_ids[7:8]]
    ),
    "both": lambda data, layout: Request([data.base_ids[30:33]], [data.held_out_ids[3:9]]),
}


@pytest.mark.parametrize("name", REQUESTS)
@pytest.mark.parametrize("parts", [1, 3, 7])
def test_unlearned_is_retrained_to_the_bit(digits, name, parts):
    trainer = {"shards": 3, "slices": parts}
    request = REQUESTS[name](digits, slices(digits, trainer))
    state, _ = final(digits, request, trainer=trainer)
    assert same(state, scratch(digits, request, trainer=trainer))


@pytest.mark.parametrize(
    "keywords",
    [
        {"optimizer": "adam", "lr": 0.01},
        {"nesterov": True, "schedule": "one_cycle", "flip": True, "crop": 1},
        {"model": "cnn1", "precision": "bfloat16"},
        {"model": "resnet9"},
        {"momentum": 0.0},
        {"trainer": SMALL | {"partition": "label"}},
        {"trainer": SMALL | {"partition": "label", "shards": 20}},
        {"trainer": SMALL | {"partition": "kmeans"}},
        {"trainer": SMALL | {"partition": "kmeans", "kmeans_fit": "refit", "features": "pca"}},
        {"trainer": SMALL | {"partition": "kmeans", "features": "random_projection"}},
        {"trainer": SMALL | {"partition": "distribution_aware"}},
        {"trainer": SMALL | {"partition": "distribution_aware", "cuts": "min_cost"}},
        {"trainer": SMALL | {"slice_order": "request_probability"}},
    ],
    ids=str,
)
def test_exact_whatever_the_recipe_and_the_partition(digits, keywords):
    request = Request(
        [digits.base_ids[[7, 90]], digits.base_ids[20:40]], [digits.held_out_ids[:2], NO_IDS]
    )
    state, _ = final(digits, request, **keywords)
    assert same(state, scratch(digits, request, **keywords))
    assert not same(state, final(digits, deletions([]), **keywords)[0])


def test_the_order_and_the_batches_of_requests_do_not_matter(digits):
    ids = digits.base_ids[[3, 50, 51, 120]]
    states = [final(digits, deletions(*order))[0] for order in itertools.permutations(ids[:, None])]
    states.append(final(digits, deletions(ids))[0])
    assert all(same(state, states[0]) for state in states[1:])


def test_deleting_an_addition_restores_the_state(digits):
    added_ids = digits.held_out_ids[:2]
    there_and_back = Request([NO_IDS, added_ids], [added_ids, NO_IDS])
    away_and_back = Request([digits.base_ids[:3], NO_IDS], [NO_IDS, digits.base_ids[:3]])
    before = final(digits, deletions([]))[0]
    assert same(final(digits, there_and_back)[0], before)
    assert same(final(digits, away_and_back)[0], before)


def test_no_deleted_point_is_in_any_checkpoint(digits):
    """Every point of the training set in turn; ids and keys are those of what was trained on."""
    keywords = {"epochs": 1, "trainer": {"shards": 4, "slices": 3}}
    task = new_task(digits, sisa_job(**keywords))
    trained = task.trainer.train(task, digits.base_ids, 0)
    for point in digits.base_ids:
        state, task = final(digits, deletions([point]), trained=trained, **keywords)
        lists = {n: ids for n, ids in state.items() if n.endswith("/ids")}
        assert len(lists) == 12
        assert sorted(np.concatenate(list(lists.values()))) == [
            i for i in digits.base_ids if i != point
        ]
        assert task.meter.counts["stages_retrained"] >= 1
        for shard in range(4):
            slice_ids = [lists[f"shard{shard:03d}/slice{r:02d}/ids"] for r in range(3)]
            keys = list(constituents._keys(task, constituents.Shard(shard, slice_ids, 4, 0)))
            stored_keys = [state[f"shard{shard:03d}/slice{r:02d}/key"].tobytes() for r in range(3)]
            assert stored_keys == keys


def test_training_sees_the_ids_of_the_checkpoint_and_no_others(digits):
    """Pixels outside a shard's ids have no influence; those inside have."""
    layout = slices(digits)
    keywords = {"trainer": SMALL}
    for ids, changes in ((np.concatenate(layout[1]), False), (layout[0][0], True)):
        pixels = digits.train_images.copy()
        pixels[ids] = 255 - pixels[ids]
        other = dataclasses.replace(digits, train_images=pixels)
        states = [final(data, deletions([]), **keywords)[0] for data in (digits, other)]
        first = [{n: t for n, t in s.items() if n.startswith("shard000/")} for s in states]
        assert same(*first) is not changes


@pytest.mark.parametrize(
    "change",
    [
        {"lr": 0.2},
        {"epochs": 4},
        {"batch_size": 9},
        {"optimizer": "adam"},
        {"momentum": 0.5},
        {"model": "logistic"},
        {"precision": "bfloat16"},
        {"trainer": SMALL | {"slices": 4}},
        {"seed": 1},
    ],
    ids=str,
)
def test_whatever_a_checkpoint_depends_on_changes_its_key(digits, change):
    base = final(digits, deletions([]))[0]
    other = final(digits, deletions([]), **change)[0]
    for name in base:
        if name.endswith("/key"):
            assert not np.array_equal(base[name], other[name])


def test_a_checkpoint_of_something_else_is_refused(digits):
    task = new_task(digits, sisa_job())
    trained = {n: np.asarray(t) for n, t in task.trainer.train(task, digits.base_ids, 0).items()}
    last = slices(digits)[1][2][0]
    foreign = trained | {"shard001/slice01/key": np.zeros(32, np.uint8)}
    with pytest.raises(ValueError, match="checkpoint shard001/slice01 has key 000000000000"):
        final(digits, deletions([last]), trained=foreign)
    with pytest.raises(ValueError, match="another model, recipe, seed"):
        final(digits, deletions([last]), trained=trained, lr=0.3)
    for part in ("model/1.weight", "optimizer/momentum/1.weight"):
        torn = {n: t for n, t in trained.items() if n != f"shard001/slice01/{part}"}
        with pytest.raises(ValueError, match=r"lacks .*1\.weight"):
            final(digits, deletions([last]), trained=torn)
    with pytest.raises(ValueError, match=r"checkpoint shard00\d/slice0\d has key"):
        final(
            digits, deletions(slices(digits)[1][2]), trained=trained, trainer=SMALL | {"slices": 4}
        )


def test_a_state_of_other_points_is_refused(digits):
    fewer, _ = final(digits, deletions(digits.base_ids[:5]))
    with pytest.raises(ValueError, match="not trained on all of the points"):
        final(digits, deletions([digits.base_ids[9]]), trained=fewer)


def test_only_the_shards_that_are_hit_are_read(digits, tmp_path):
    result = train_fleet(digits, sisa_job())
    write_fleet(tmp_path / "fleet", result.states, {})
    fleet = Fleet(tmp_path / "fleet")
    read_names = []
    tensor = fleet.tensor

    def recorded(name, *index):
        read_names.append(name)
        return tensor(name, *index)

    fleet.tensor = recorded
    task = new_task(digits, sisa_job())
    step = next(deletions([slices(digits)[1][2][0]]).steps(200, digits.base_ids))
    update = task.trainer.update(task, fleet[0], step, 0)
    assert read_names.count("assignment") == 1
    assert all(n.startswith("shard001/slice01/") for n in set(read_names) - {"assignment"})
    assert isinstance(update, Update) and not update.whole and not update.removed
    assert {name.split("/")[0] for name in update.tensors} == {"assignment", "shard001"}
    assert not any("slice00" in name or "slice01" in name for name in update.tensors)
    assert fleet.read_seconds > 0


def test_the_artefact_keeps_what_is_served_and_says_what_to_delete(digits):
    request = deletions([slices(digits)[1][1][0]], np.concatenate(slices(digits)[2]))
    result = unlearn_fleet(digits, sisa_job(), train_fleet(digits, sisa_job()).states, request)
    weights = {f"model/{n}" for n in ("1.weight", "1.bias", "3.weight", "3.bias")}
    served = {f"shard001/slice02/{n}" for n in (*weights, "key")}
    of_shard = {"shard001/classes", "shard001/points"}
    assert set(result.states[0]) == served | of_shard | {"shard002/points"}
    assert result.states[0]["shard002/points"] == 0
    memory = {f"optimizer/{n.replace('model', 'momentum')}" for n in weights}
    of_stage = {*weights, "ids", "key"}
    superseded = {f"shard002/slice{r:02d}/{n}" for r in range(3) for n in of_stage}
    superseded |= {f"shard002/slice{r:02d}/{n}" for r in range(2) for n in memory}
    superseded |= {f"shard001/slice{r:02d}/{n}" for r in (1, 2) for n in of_stage}
    superseded |= {f"shard001/slice01/{n}" for n in memory}
    superseded |= of_shard | {"shard002/classes", "shard002/points", "assignment"}
    assert set(result.superseded) == superseded


def test_each_step_of_a_stream_writes_what_it_changed(digits):
    layout = slices(digits)
    stores = []
    request = deletions(layout[1][2][:1], layout[2][2][:1], [], layout[1][2][1:2])
    trained = train_fleet(digits, sisa_job())
    result = unlearn_fleet(digits, sisa_job(), trained.states, request, store=stores.append)
    shards = [{n.split("/")[0] for n in tensors} - {"assignment"} for tensors in stores]
    assert shards == [{"shard001"}, {"shard002"}, {"shard001"}]
    for tensors in stores:
        assert sum("slice02/model" in n for n in tensors) == 4
        assert not any("slice00" in n or "slice01" in n for n in tensors)
    for cost in result.costs[0]:
        assert 0 < cost["io_seconds"] < cost["wall_seconds"]


def test_storage_is_counted_to_the_byte(digits):
    result = train_fleet(digits, sisa_job())
    whole = sum(np.asarray(t).nbytes for t in result.states[0].values())
    model = 4 * (64 * 128 + 128 + 1280 + 10)
    assert result.costs[0]["bytes_stored"] == whole - model
    assert 3 * 5 * model - model < result.costs[0]["bytes_stored"] < 3 * 5 * model


def study(project, **method):
    config = yaml.safe_load(yaml.safe_dump(TINY))
    config["datasets"]["digits"]["held_out"] = 0.1
    config["experiments"]["accuracy"] |= {
        "model": "mlp",
        "method": {"name": "sisa", "shards": 3, "slices": 2} | method,
        "request": {"name": "random", "count": 4, "steps": 2},
        "figure": {"x": "points", "y": ["accuracy", "lone_accuracy"], "split": "test"},
    }
    project.write_study(config)


def test_a_study_with_sisa(project):
    partitions = ["kmeans", "label"]
    study(project, partition=[*partitions], kmeans_fit="frozen")
    project.run()
    table = pd.read_csv(project.results("tables/accuracy.csv"))
    sisa = table[table["method"] == "sisa"]
    assert set(sisa["points"]) == {2, 4} and (sisa["n"] == 2).all()
    levels = dict(zip(sisa["variant"], sisa["method.guarantee"], strict=True))
    assert len(levels) == 2
    for variant, level in levels.items():
        assert level == (
            "conditional" if "kmeans" in variant.replace("kmeans_fit", "") else "exact"
        )
    scores = pd.read_csv(project.results("scores.csv"))
    sisa = scores[scores["method"] == "sisa"]
    assert (sisa.loc[sisa["metric"] == "kl", "value"] == 0).all()
    for metric in ("gradient_evaluations", "io_seconds", "speedup", "stages_retrained"):
        values = sisa.loc[(sisa["metric"] == metric) & (sisa["split"] == "forget"), "value"]
        assert (values > 0).all() and len(values) == 8
    page = project.results("overview.rst").read_text()
    assert "partition fitted on deleted points" in page
    # another partition's code is no reason to run again, its own is
    assert project.planned() == []
    project.edit(
        "unlearn/partitions/label.py",
        "keys % np.uint64(class_shards)",
        "keys // np.uint64(class_shards)",
    )
    replanned = project.planned()
    assert [job for job in replanned if job.startswith("train")] == ["train seeds0-1"]
    unlearned = [job for job in replanned if job.startswith("unlearn ")]
    assert len(unlearned) == 3 and all("partition=label" in job for job in unlearned)
