"""SISA: exact to the bit, no deleted point in any checkpoint, costs by the closed formulas."""

import hashlib
import itertools

import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from conftest import TINY, job

from unlearn import artifacts, jobs, seeding, sharding, training
from unlearn.requests import NOBODY, Request
from unlearn.sharding import stage_steps
from unlearn.task import Changed

pytestmark = pytest.mark.filterwarnings("ignore:(a stage|slices without|shards)")

# 160 points in base training: 3 shards of 53 or 54, which 7 slices do not divide
SMALL = {"shards": 3, "slices": 3}


def described(method="sisa", trainer=SMALL, **keywords):
    own = {"kind": "sisa", "min_shard": 4, "components": 5} | trainer
    return job(method=method, trainer=own, **({"batch_size": 8, "epochs": 3} | keywords))


def deletion(*steps):
    return Request([np.sort(np.array(ids)) for ids in steps], [NOBODY] * len(steps))


def final(data, request, train=None, method="sisa", seed=0, **keywords):
    """The state after a request, and the costs of its steps."""
    task = jobs.new_task(data, described(**keywords))
    state = train or task.trainer.train(task, data.base, seed)
    method = jobs._instance("methods", {"kind": method, "parameters": {}})
    for step in request.steps(len(data.train_labels), data.base):
        state = method.unlearn(task, state, step, seed)
    return {name: np.asarray(state[name]) for name in state}, task


def scratch(data, request, **keywords):
    return final(data, request, method="retrain", **keywords)[0]


def same(a, b):
    return a.keys() == b.keys() and all(
        a[n].dtype == b[n].dtype and np.array_equal(a[n], b[n], equal_nan=True) for n in a
    )


def slices(data, trainer=SMALL):
    task = jobs.new_task(data, described(trainer=trainer))
    places = task.trainer._assignment(task, data.base)
    return sharding.layout(places, task.trainer.shards, task.trainer.slices)


def first_minibatch(ids):
    """The first of the first stage of the first shard."""
    training_seed = seeding.derive(0, "training")
    return seeding.shuffled(ids, seeding.derive(training_seed, "epoch", 0))[:8]


REQUESTS = {
    "first point": lambda data, there: deletion([data.base[0]]),
    "middle point": lambda data, there: deletion([data.base[80]]),
    "last point": lambda data, there: deletion([data.base[-1]]),
    "last point of the last slice": lambda data, there: deletion([there[1][-1][-1]]),
    "a slice": lambda data, there: deletion(there[0][0]),
    "the last slice": lambda data, there: deletion(there[1][-1]),
    "a minibatch": lambda data, there: deletion(first_minibatch(there[0][0])),
    "a shard": lambda data, there: deletion(np.concatenate(there[2])),
    "two shards in turn": lambda data, there: deletion(*map(np.concatenate, there[:2])),
    "several in turn": lambda data, there: deletion(
        data.base[5:9], data.base[100:101], data.base[40:60]
    ),
    "nothing": lambda data, there: deletion([]),
    "additions": lambda data, there: Request(
        [NOBODY, NOBODY], [data.held_out[:3], data.held_out[7:8]]
    ),
    "both": lambda data, there: Request([data.base[30:33]], [data.held_out[3:9]]),
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
    request = Request([digits.base[[7, 90]], digits.base[20:40]], [digits.held_out[:2], NOBODY])
    state, _ = final(digits, request, **keywords)
    assert same(state, scratch(digits, request, **keywords))
    assert not same(state, final(digits, deletion([]), **keywords)[0])


def test_the_order_and_the_batches_of_requests_do_not_matter(digits):
    ids = digits.base[[3, 50, 51, 120]]
    states = [final(digits, deletion(*order))[0] for order in itertools.permutations(ids[:, None])]
    states.append(final(digits, deletion(ids))[0])
    assert all(same(state, states[0]) for state in states[1:])


def test_deleting_an_addition_restores_the_state(digits):
    new = digits.held_out[:2]
    there_and_back = Request([NOBODY, new], [new, NOBODY])
    away_and_back = Request([digits.base[:3], NOBODY], [NOBODY, digits.base[:3]])
    before = final(digits, deletion([]))[0]
    assert same(final(digits, there_and_back)[0], before)
    assert same(final(digits, away_and_back)[0], before)


def test_no_deleted_point_is_in_any_checkpoint(digits):
    """Every point of the training set in turn; ids and keys are those of what was trained on."""
    keywords = {"epochs": 1, "trainer": {"shards": 4, "slices": 3}}
    task = jobs.new_task(digits, described(**keywords))
    trained = task.trainer.train(task, digits.base, 0)
    for point in digits.base:
        state, task = final(digits, deletion([point]), train=trained, **keywords)
        lists = {n: ids for n, ids in state.items() if n.endswith("/ids")}
        assert len(lists) == 12
        assert sorted(np.concatenate(list(lists.values()))) == [
            i for i in digits.base if i != point
        ]
        assert task.meter.counts["stages_retrained"] >= 1
        for shard in range(4):
            kept = [lists[f"shard{shard:03d}/slice{r:02d}/ids"] for r in range(3)]
            own = seeding.derive(0, "constituent", shard) if shard else 0
            keys = list(task.trainer._keys(task, kept, shard, own))
            stored = [state[f"shard{shard:03d}/slice{r:02d}/key"].tobytes() for r in range(3)]
            assert stored == keys


def test_training_sees_the_ids_of_the_checkpoint_and_no_others(digits):
    """Pixels outside a shard's ids have no influence; those inside have."""
    there = slices(digits)
    keywords = {"trainer": SMALL}
    for ids, changes in ((np.concatenate(there[1]), False), (there[0][0], True)):
        pixels = digits.train_images.copy()
        pixels[ids] = 255 - pixels[ids]
        fields = {name: getattr(digits, name) for name in digits.__dataclass_fields__}
        other = type(digits)(**fields | {"train_images": pixels})
        states = [final(data, deletion([]), **keywords)[0] for data in (digits, other)]
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
    base = final(digits, deletion([]))[0]
    other = final(digits, deletion([]), **change)[0]
    for name in base:
        if name.endswith("/key"):
            assert not np.array_equal(base[name], other[name])


def test_a_checkpoint_of_something_else_is_refused(digits):
    task = jobs.new_task(digits, described())
    trained = {n: np.asarray(t) for n, t in task.trainer.train(task, digits.base, 0).items()}
    last = slices(digits)[1][2][0]
    broken = trained | {"shard001/slice01/key": np.zeros(32, np.uint8)}
    with pytest.raises(ValueError, match="checkpoint shard001/slice01 has key 000000000000"):
        final(digits, deletion([last]), train=broken)
    with pytest.raises(ValueError, match="another model, recipe, seed"):
        final(digits, deletion([last]), train=trained, lr=0.3)
    for part in ("model/1.weight", "optimizer/momentum/1.weight"):
        torn = {n: t for n, t in trained.items() if n != f"shard001/slice01/{part}"}
        with pytest.raises(ValueError, match=r"lacks .*1\.weight"):
            final(digits, deletion([last]), train=torn)
    with pytest.raises(ValueError, match=r"checkpoint shard00\d/slice0\d has key"):
        final(digits, deletion(slices(digits)[1][2]), train=trained, trainer=SMALL | {"slices": 4})


def test_a_state_of_other_points_is_refused(digits):
    fewer, _ = final(digits, deletion(digits.base[:5]))
    with pytest.raises(ValueError, match="not trained on all of the points"):
        final(digits, deletion([digits.base[9]]), train=fewer)


def test_only_the_shards_that_are_hit_are_read(digits, tmp_path):
    result = jobs.train(digits, described())
    artifacts.write_fleet(tmp_path / "fleet", result.states, {})
    fleet = artifacts.Fleet(tmp_path / "fleet")
    read = []
    tensor = fleet.tensor
    fleet.tensor = lambda name, k: (read.append(name), tensor(name, k))[1]
    task = jobs.new_task(digits, described())
    step = next(deletion([slices(digits)[1][2][0]]).steps(200, digits.base))
    state = task.trainer.update(task, fleet[0], step, 0)
    assert read.count("assignment") == 1
    assert all(n.startswith("shard001/slice01/") for n in set(read) - {"assignment"})
    assert isinstance(state, Changed)
    assert {name.split("/")[0] for name in state.changes} == {"assignment", "shard001"}
    assert not any("slice00" in name or "slice01" in name for name in state.changes)
    assert fleet.read_seconds > 0


def test_the_artefact_keeps_what_is_served_and_says_what_to_delete(digits):
    request = deletion([slices(digits)[1][1][0]], np.concatenate(slices(digits)[2]))
    result = jobs.unlearn(digits, described(), jobs.train(digits, described()).states, request)
    weights = {f"model/{n}" for n in ("1.weight", "1.bias", "3.weight", "3.bias")}
    served = {f"shard001/slice02/{n}" for n in (*weights, "key")}
    of_shard = {"shard001/classes", "shard001/points"}
    assert set(result.states[0]) == served | of_shard | {"shard002/points"}
    assert result.states[0]["shard002/points"] == 0
    memory = {f"optimizer/{n.replace('model', 'momentum')}" for n in weights}
    every = {*weights, "ids", "key"}
    gone = {f"shard002/slice{r:02d}/{n}" for r in range(3) for n in every}
    gone |= {f"shard002/slice{r:02d}/{n}" for r in range(2) for n in memory}
    gone |= {f"shard001/slice{r:02d}/{n}" for r in (1, 2) for n in every}
    gone |= {f"shard001/slice01/{n}" for n in memory}
    gone |= of_shard | {"shard002/classes", "shard002/points", "assignment"}
    assert set(result.superseded) == gone


def test_each_step_of_a_stream_writes_what_it_changed(digits):
    there = slices(digits)
    stored = []
    request = deletion(there[1][2][:1], there[2][2][:1], [], there[1][2][1:2])
    trained = jobs.train(digits, described())
    result = jobs.unlearn(digits, described(), trained.states, request, store=stored.append)
    shards = [{n.split("/")[0] for n in tensors} - {"assignment"} for tensors in stored]
    assert shards == [{"shard001"}, {"shard002"}, {"shard001"}]
    for tensors in stored:
        assert sum("slice02/model" in n for n in tensors) == 4
        assert not any("slice00" in n or "slice01" in n for n in tensors)
    for cost in result.costs[0]:
        assert 0 < cost["io_seconds"] < cost["wall_seconds"]


def test_storage_is_counted_to_the_byte(digits):
    result = jobs.train(digits, described())
    whole = sum(np.asarray(t).nbytes for t in result.states[0].values())
    model = 4 * (64 * 128 + 128 + 1280 + 10)
    assert result.costs[0]["bytes_stored"] == whole - model
    assert 3 * 5 * model - model < result.costs[0]["bytes_stored"] < 3 * 5 * model


# -- costs -----------------------------------------------------------------------------------------


def visits(points, slices, epochs, batch):
    """Steps and gradient evaluations of a stage on so many points, minibatch by minibatch."""
    if not points:
        return 0, 0
    sizes = [min(batch, points - start) for start in range(0, points, batch)]
    steps = max(1, round(len(sizes) * 2 * epochs / (slices + 1)))
    return steps, sum(itertools.islice(itertools.cycle(sizes), steps))


@pytest.mark.parametrize("parts", [1, 2, 3, 7])
def test_measured_work_is_the_formula(digits, parts):
    """To the step: every stage from the first that is hit, on what is left of it."""
    trainer = {"shards": 3, "slices": parts}
    task = jobs.new_task(digits, described(trainer=trainer))
    trained = task.trainer.train(task, digits.base, 0)
    whole = 3 * 160
    assert abs(task.meter.gradient_evaluations - whole) <= 8 * 3 * parts
    measured = []
    for there in slices(digits, trainer):
        for r, ids in enumerate(there):
            _, task = final(digits, deletion(ids[:1]), train=trained, trainer=trainer)
            sizes = np.cumsum([len(part) - (i == r) for i, part in enumerate(there)])
            steps, expected = np.sum([visits(n, parts, 3, 8) for n in sizes[r:]], axis=0)
            assert task.meter.gradient_evaluations == expected
            assert task.meter.optimizer_steps == steps
            assert task.meter.counts["stages_retrained"] == parts - r
            assert task.meter.counts["shards_retrained"] == 1
            size = sum(map(len, there))
            closed = 3 * size * (1 - r * (r + 1) / (parts * (parts + 1)))
            assert abs(expected - closed) <= 8 * (parts - r) + 2 * parts
            measured.append((len(ids), expected))
    mean = np.average([cost for _, cost in measured], weights=[n for n, _ in measured])
    assert mean == pytest.approx(3 * 160 / 3 * (2 / 3 + 1 / (3 * parts)), rel=0.1)


@pytest.mark.parametrize("parts", [1, 2, 4, 16])
@pytest.mark.parametrize("epochs", [1, 5, 20])
def test_slices_conserve_the_work(parts, epochs):
    """sum of steps x minibatch = epochs x shard, to a minibatch a stage; no stage is skipped."""
    points, batch = 3200, 16
    steps = [stage_steps(points * (i + 1) // parts, parts, epochs, batch) for i in range(parts)]
    assert min(steps) >= 1
    assert abs(sum(steps) * batch - epochs * points) <= parts * batch
    assert stage_steps(1, 16, 1, 128) == 1 and stage_steps(0, 16, 1, 128) == 0


def simulated(sizes, requests, sequential, repeats=20_000):
    """Points retrained by uniform deletions from shards of these sizes."""
    random = np.random.default_rng(0)
    owner = np.repeat(np.arange(len(sizes)), sizes)
    costs = []
    for _ in range(repeats):
        left, cost = np.array(sizes), 0
        hit = random.choice(owner, requests, replace=False)
        for shard in hit if sequential else ():
            left[shard] -= 1
            cost += left[shard]
        if not sequential:
            left -= np.bincount(hit, minlength=len(sizes))
            cost = left[np.unique(hit)].sum()
        costs.append(cost)
    return np.mean(costs), np.std(costs) / np.sqrt(repeats)


@pytest.mark.parametrize("sizes", [[10] * 6, [5, 10, 15, 30], [1, 59]])
def test_expected_costs_agree_with_simulation(sizes):
    batch, error = simulated(sizes, 9, sequential=False)
    expected = sharding.expected_evaluations([[n] for n in sizes], 9, 1)
    assert abs(expected - batch) <= 3 * error + 1e-9
    one, error = simulated(sizes, 1, sequential=True)
    assert abs(sharding.expected_evaluations([[n] for n in sizes], 1, 1) - one) <= 3 * error + 1e-9
    assert expected <= 9 * one


def test_expected_costs_agree_with_the_closed_formulas():
    """N = 60, S = 6, K = 9: one by one 75.0 where shards are hit uniformly (the paper's formula)
    and 75.5 where points are; in one batch 40.8, of which 39.4 is the limit for large N.
    """
    n, s, k = 60, 6, 9
    paper = (n / s + 1 / (2 * s) - 1) * k - k**2 / (2 * s)
    hits = np.random.default_rng(0).integers(0, s, (20_000, k))
    before = [(hits[:, :j] == hits[:, [j]]).sum(1) for j in range(k)]
    costs = sum(n / s - 1 - earlier for earlier in before)
    assert abs(costs.mean() - paper) <= 3 * costs.std() / 20_000**0.5
    exact = (n / s - 1) * (k - k * (k - 1) / (2 * (n - 1)))
    mean, error = simulated([10] * 6, k, sequential=True)
    assert abs(mean - exact) <= 3 * error
    assert (paper, exact) == pytest.approx((75.0, 75.508), abs=1e-3)
    batch = sharding.expected_evaluations([[10]] * 6, k, 1)
    assert batch == pytest.approx(40.83, abs=0.01)
    assert n * (1 - (1 - 1 / s) ** k) - k == pytest.approx(39.4, abs=0.05)
    large = sharding.expected_evaluations([[10_000]] * 6, k, 1)
    assert large == pytest.approx(60_000 * (1 - (1 - 1 / s) ** k) - k, rel=1e-3)
    for parts in (1, 2, 5):  # slices: 2/3 + 1/(3R)
        one = sharding.expected_evaluations([[1000 // parts] * parts] * 6, 1, 7)
        assert one == pytest.approx(7 * 1000 * (2 / 3 + 1 / (3 * parts)), rel=2e-3)


def test_expected_costs_of_slices_agree_with_simulation():
    sizes, k, epochs = [[4, 4, 3], [6, 5, 5]], 3, 2.0
    random = np.random.default_rng(1)
    place = [(s, r) for s, parts in enumerate(sizes) for r, n in enumerate(parts) for _ in range(n)]
    costs = []
    for _ in range(20_000):
        left = [list(parts) for parts in sizes]
        first = {}
        for i in random.choice(len(place), k, replace=False):
            s, r = place[i]
            left[s][r] -= 1
            first[s] = min(first.get(s, r), r)
        costs.append(sum(sum(np.cumsum(left[s])[r:]) for s, r in first.items()))
    stage = sharding.epochs_of_a_stage(epochs, 3)
    error = 3 * stage * np.std(costs) / np.sqrt(len(costs))
    assert abs(sharding.expected_evaluations(sizes, k, epochs) - stage * np.mean(costs)) <= error


def test_additions_cost_the_last_slice(digits):
    trainer = {"shards": 3, "slices": 7}
    _, task = final(digits, Request([NOBODY], [digits.held_out[:1]]), trainer=trainer)
    assert task.meter.counts["stages_retrained"] == 1 + 21  # training itself is on the meter
    assert "expected_gradient_evaluations" not in task.meter.counts  # it is about deletions


def test_a_deletion_from_20_shards_costs_a_fifteenth_at_most(digits):
    keywords = {"trainer": {"shards": 20, "slices": 1}, "batch_size": 2}
    one, whole = (
        final(digits, deletion([digits.base[9]]), method=method, **keywords)[1]
        for method in ("sisa", "retrain")
    )
    trained = 3 * 160  # on the meter as well: both were trained first
    one, whole = (t.meter.gradient_evaluations - trained for t in (one, whole))
    assert whole == 3 * 159 and one <= whole / 15


@pytest.mark.parametrize(
    ("trainer", "epochs", "message"),
    [
        ({"shards": 3, "slices": 7}, 3, "a stage lasts 0.75 of an epoch"),
        ({"shards": 10, "slices": 10, "partition": "label"}, 9, "slices without points in shards"),
        (
            {"shards": 30, "slices": 1, "partition": "kmeans"},
            1,
            r"shards \[.*\] of 30 have no point",
        ),
    ],
)
def test_odd_shards_are_allowed_with_a_warning(digits, trainer, epochs, message):
    with pytest.warns(UserWarning, match=message):
        jobs.train(digits, described(trainer=trainer, epochs=epochs))


# -- prediction ------------------------------------------------------------------------------------


def outputs(data, state, **keywords):
    task = jobs.new_task(data, described(**keywords))
    pixels = task.data.test_images
    return task.trainer.predict(task, state, pixels), task.trainer.votes(task, state, pixels), task


@pytest.mark.parametrize("shards", [4, 40])
def test_aggregation_by_hand(digits, shards):
    """Mean of distributions, votes with ties by that mean or for the lowest class."""
    trainer = {"shards": shards, "slices": 1}
    state = final(digits, deletion(digits.base[:30]), trainer=trainer, epochs=2)[0]
    mean, votes, task = outputs(digits, state, trainer=trainer)
    logits = []
    for shard in range(shards):
        names = task.new_model(0).state_dict()
        own = {n: state[f"shard{shard:03d}/slice00/model/{n}"] for n in names}
        z = training.predict(task, task.model(own), task.data.test_images).double().numpy()
        logits.append(np.where(state[f"shard{shard:03d}/classes"], z, -np.inf))
    softmax = [np.exp(z - z.max(1, keepdims=True)) for z in logits]
    softmax = np.array([p / p.sum(1, keepdims=True) for p in softmax])
    assert mean.exp().numpy() == pytest.approx(softmax.mean(0), abs=1e-6)
    assert np.array_equal(votes, softmax.argmax(2))
    sizes = np.array([int(state[f"shard{s:03d}/points"]) for s in range(shards)])
    assert len(set(sizes)) > 1
    for kind, weights in (("uniform", np.ones(shards, int)), ("shard_size", sizes)):
        shares = weights / weights.sum()
        expected = (softmax * shares[:, None, None]).sum(0)
        how = trainer | {"weights": kind}
        assert outputs(digits, state, trainer=how)[0].exp().numpy() == pytest.approx(
            expected, abs=1e-6
        )
        ballots = np.array([np.bincount(v, weights=weights, minlength=10) for v in votes.T])
        most = ballots == ballots.max(1, keepdims=True)
        assert 0 < (most.sum(1) > 1).mean() < 1
        for tie in ("mean_softmax", "lowest_class"):
            how = trainer | {"weights": kind, "aggregation": "vote", "tie": tie}
            found = outputs(digits, state, trainer=how)[0]
            rank = expected if tie == "mean_softmax" else -np.arange(10)
            assert np.array_equal(found.argmax(1), np.where(most, rank, -np.inf).argmax(1))
            assert found.exp().numpy() == pytest.approx(ballots / weights.sum(), abs=2e-3)
            assert torch.isfinite(found).all()


def test_a_class_that_nobody_knows_has_a_small_finite_probability(digits):
    """Divergences stay of the size that float32 gives them."""
    gone = digits.base[digits.train_labels[digits.base] == 3]
    state, _ = final(digits, deletion(gone))
    logits, _, _ = outputs(digits, state)
    assert -90 < logits[:, 3].max() < -80
    assert (logits.argmax(1) != 3).all()


def test_training_by_hand(digits):
    """Stage by stage: initial weights, ids, steps and order of a constituent."""
    there = slices(digits, {"shards": 3, "slices": 2})[1]
    state, task = final(digits, deletion([]), trainer={"shards": 3, "slices": 2})
    own = seeding.derive(0, "constituent", 1)
    model, memory = task.new_model(seeding.derive(own, "initial weights")), None
    first, both = there[0], np.sort(np.concatenate(there))
    for ids, axes in ((first, []), (both, [1])):
        memory = training.fit(
            task,
            model,
            ids,
            task.recipe,
            seeding.derive(own, "training", *axes),
            among=ids,
            steps=round(2 * 3 / 3 * -(-len(ids) // 8)),
            optimizer_state=memory,
        )
    stored = {n: state[f"shard001/slice01/model/{n}"] for n in model.state_dict()}
    assert same({n: t.numpy() for n, t in model.state_dict().items()}, stored)


def test_one_class_a_shard_makes_every_vote_a_tie(digits):
    """Accuracy is then chance by construction, whatever the rule."""
    from unlearn.metrics.ensemble import lone_accuracies, tie_fraction, vote_accuracy

    state = final(digits, deletion([]), trainer={"shards": 10, "slices": 1, "partition": "label"})[
        0
    ]
    how = {"shards": 10, "slices": 1, "partition": "label"}
    logits, votes, _ = outputs(digits, state, trainer=how)
    assert tie_fraction(votes) == 1
    assert vote_accuracy(votes, digits.test_labels) == np.mean(digits.test_labels == 0)
    assert np.allclose(logits.exp(), 0.1, atol=1e-6)
    lone = lone_accuracies(votes, digits.test_labels)
    assert lone == pytest.approx(np.bincount(digits.test_labels) / len(digits.test_labels))


def test_a_class_that_left_a_shard_leaves_its_mask(digits):
    there = np.concatenate(slices(digits)[0])
    label = int(digits.train_labels[there[0]])
    gone = there[digits.train_labels[there] == label]
    for ids, left in ((gone[:-1], True), (gone, False)):
        state, _ = final(digits, deletion(ids))
        assert bool(state["shard000/classes"][label]) is left
    assert bool(state["shard001/classes"][label])


def test_absent_shards_have_no_vote(digits):
    there = slices(digits)
    state, _ = final(digits, deletion(np.concatenate(there[1])))
    assert (state["assignment"][:, there[1][0]] == -1).all()
    assert [n for n in state if n.startswith("shard001/")] == ["shard001/points"]
    logits, votes, _ = outputs(digits, state)
    assert (votes[1] == -1).all() and (votes[[0, 2]] >= 0).all()
    assert torch.isfinite(logits).all()


def test_a_shard_can_come_back(digits):
    ids = np.concatenate(slices(digits)[1])
    request = Request([ids, NOBODY], [NOBODY, ids])
    assert same(final(digits, request)[0], final(digits, deletion([]))[0])


def test_no_training_data_left(digits):
    with pytest.raises(ValueError, match="no training data left"):
        final(digits, deletion(digits.base))


def test_one_shard_and_one_slice_is_plain_training(digits):
    fields = {name: getattr(digits, name) for name in digits.__dataclass_fields__}
    everyone = type(digits)(**fields | {"held_out": NOBODY})
    plain = jobs.train(everyone, job(batch_size=8, epochs=3, seeds=(4,))).states[0]
    one = {"shards": 1, "slices": 1}
    ours = jobs.train(everyone, described(trainer=one, seeds=(4,))).states[0]
    own = {n.removeprefix("shard000/slice00/model/"): t for n, t in ours.items() if "/model/" in n}
    assert same(plain, own)


def test_constituents_differ_in_their_initial_weights(digits):
    state, _ = final(digits, deletion([]), lr=1e-9, momentum=0.0, weight_decay=0.0)
    weights = [state[f"shard{s:03d}/slice02/model/1.weight"].tobytes() for s in range(3)]
    assert len({hashlib.sha256(w).digest() for w in weights}) == 3


def test_predictions_of_untouched_constituents_are_remembered(digits):
    trainer = jobs._instance("trainers", described()["trainer"])
    task = jobs.new_task(digits, described())
    a, b = task.data.test_images, task.data.test_images[:50]
    state, _ = final(digits, deletion([]))
    first = trainer.predict(task, state, a)
    assert torch.equal(trainer.predict(task, state, a), first)
    assert torch.allclose(trainer.predict(task, state, b), first[:50], atol=1e-5)
    other, _ = final(digits, deletion(digits.base[:20]))
    fresh = jobs._instance("trainers", described()["trainer"])
    trainer.predict(task, state, a)
    assert torch.equal(trainer.predict(task, other, a), fresh.predict(task, other, a))


# -- in a study ------------------------------------------------------------------------------------


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
    partitions = ["uniform", "kmeans", "label"]
    study(project, partition=[*partitions], kmeans_fit="frozen")
    project.run()
    table = pd.read_csv(project.results("tables/accuracy.csv"))
    sisa = table[table["method"] == "sisa"]
    assert set(sisa["points"]) == {2, 4} and (sisa["n"] == 2).all()
    levels = dict(zip(sisa["variant"], sisa["method.guarantee"], strict=True))
    assert len(levels) == 3
    for variant, level in levels.items():
        assert level == (
            "conditional" if "kmeans" in variant.replace("kmeans_fit", "") else "exact"
        )
    scores = pd.read_csv(project.results("scores.csv"))
    sisa = scores[scores["method"] == "sisa"]
    assert (sisa.loc[sisa["metric"] == "kl", "value"] == 0).all()
    for metric in ("gradient_evaluations", "io_seconds", "speedup", "stages_retrained"):
        values = sisa.loc[(sisa["metric"] == metric) & (sisa["split"] == "forget"), "value"]
        assert (values > 0).all() and len(values) == 12
    page = project.results("overview.rst").read_text()
    assert "partition fitted on deleted points" in page
    # another partition's code is no reason to run again, its own is
    assert project.planned() == []
    project.edit("unlearn/partitions/label.py", "keys % np.uint64(each)", "keys // np.uint64(each)")
    again = project.planned()
    assert [job for job in again if job.startswith("train")] == ["train seeds0-1"]
    unlearned = [job for job in again if job.startswith("unlearn ")]
    assert len(unlearned) == 3 and all("partition=label" in job for job in unlearned)
