"""What SISA costs: the closed formulas against simulation and against what is measured."""

import itertools

import numpy as np
import pytest

from tests.support.sisa import final, sisa_job, slices
from tests.support.streams import deletions
from unlearn.jobs.setup import new_task
from unlearn.jobs.train import train_fleet
from unlearn.partitions import sharding
from unlearn.partitions.sharding import stage_steps
from unlearn.requests.request import NO_IDS, Request

pytestmark = pytest.mark.filterwarnings("ignore:(a stage|slices without|shards)")


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
    task = new_task(digits, sisa_job(trainer=trainer))
    trained = task.trainer.train(task, digits.base_ids, 0)
    whole = 3 * 160
    assert abs(task.meter.gradient_evaluations - whole) <= 8 * 3 * parts
    measured = []
    for shard in slices(digits, trainer):
        for r, ids in enumerate(shard):
            _, task = final(digits, deletions(ids[:1]), trained=trained, trainer=trainer)
            sizes = np.cumsum([len(part) - (i == r) for i, part in enumerate(shard)])
            steps, expected = np.sum([visits(n, parts, 3, 8) for n in sizes[r:]], axis=0)
            assert task.meter.gradient_evaluations == expected
            assert task.meter.optimizer_steps == steps
            assert task.meter.counts["stages_retrained"] == parts - r
            assert task.meter.counts["shards_retrained"] == 1
            size = sum(map(len, shard))
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
        points_left = np.array(sizes)
        cost = 0
        hit = random.choice(owner, requests, replace=False)
        for shard in hit if sequential else ():
            points_left[shard] -= 1
            cost += points_left[shard]
        if not sequential:
            points_left -= np.bincount(hit, minlength=len(sizes))
            cost = points_left[np.unique(hit)].sum()
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
    n = 60
    s = 6
    k = 9
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
    sizes = [[4, 4, 3], [6, 5, 5]]
    k = 3
    epochs = 2.0
    random = np.random.default_rng(1)
    place = [(s, r) for s, parts in enumerate(sizes) for r, n in enumerate(parts) for _ in range(n)]
    costs = []
    for _ in range(20_000):
        points_left = [list(parts) for parts in sizes]
        first = {}
        for i in random.choice(len(place), k, replace=False):
            s, r = place[i]
            points_left[s][r] -= 1
            first[s] = min(first.get(s, r), r)
        costs.append(sum(sum(np.cumsum(points_left[s])[r:]) for s, r in first.items()))
    stage = sharding.epochs_of_a_stage(epochs, 3)
    error = 3 * stage * np.std(costs) / np.sqrt(len(costs))
    assert abs(sharding.expected_evaluations(sizes, k, epochs) - stage * np.mean(costs)) <= error


def test_additions_cost_the_last_slice(digits):
    trainer = {"shards": 3, "slices": 7}
    _, task = final(digits, Request([NO_IDS], [digits.held_out_ids[:1]]), trainer=trainer)
    assert task.meter.counts["stages_retrained"] == 1 + 21  # training itself is on the meter
    assert "expected_gradient_evaluations" not in task.meter.counts  # it is about deletions


def test_a_deletion_from_20_shards_costs_a_fifteenth_at_most(digits):
    keywords = {"trainer": {"shards": 20, "slices": 1}, "batch_size": 2}
    one, whole = (
        final(digits, deletions([digits.base_ids[9]]), method=method, **keywords)[1]
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
        train_fleet(digits, sisa_job(trainer=trainer, epochs=epochs))
