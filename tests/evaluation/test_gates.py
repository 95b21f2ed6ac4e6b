"""Every gate is provoked, by a function of its own and by the scores of a made-up cell."""

from dataclasses import replace

import numpy as np
import pytest

from unlearn.evaluation import gates
from unlearn.evaluation.fleets import Comparison, EvaluatedPoints, ScoredFleet, TrainedFleet
from unlearn.evaluation.gated_score import gated_score
from unlearn.metrics.catalogue import METRICS
from unlearn.metrics.gate_rows import GATES
from unlearn.requests.request import NO_IDS, Request

CLASSES = 4
POINTS = 200
"""Evaluated training points; the first 40 are deleted. There are as many test points."""

COST = {"diverged": False, "gradient_evaluations": 1, "wall_seconds": 1.0}
SEEDS = [0, 1, 2]
LABELS = np.arange(POINTS) % CLASSES


def logits_of(forget_accuracy, retain_accuracy, test_accuracy, seed):
    """Outputs of 3 models with accuracies, after one step: 3 x 1 x 400 x 4."""
    chance = np.random.default_rng(seed)
    logits = chance.normal(scale=0.1, size=(3, 1, 2 * POINTS, CLASSES))
    labels = np.concatenate([LABELS, LABELS])
    parts = (range(40), range(40, POINTS), range(POINTS, 2 * POINTS))
    for part, accuracy in zip(
        parts, (forget_accuracy, retain_accuracy, test_accuracy), strict=True
    ):
        for model in range(3):
            count = round(accuracy * len(part))
            for place, row in enumerate(part):
                shift = 0 if place < count else 1
                logits[model, 0, row, (labels[row] + shift) % CLASSES] += 3
    return logits


def fleet(*accuracies, seed):
    return ScoredFleet(
        logits=logits_of(*accuracies, seed),
        votes=np.empty((3, 1, 0, 2 * POINTS)),
        weights=lambda member, position: {"w": np.array([float(seed)])},
        weight_names=["w"],
        costs=[[COST]] * 3,
    )


@pytest.fixture(name="cell")
def sound_cell():
    """A method between the original and the oracle."""
    return Comparison(
        TrainedFleet([{"w": np.array([0.0])}] * 3, []),
        unlearned=fleet(0.95, 0.97, 0.9, seed=1),
        oracle=fleet(0.9, 1, 0.9, seed=2),
        original=fleet(1, 1, 0.9, seed=3),
    )


MEMBERS = {"trained": [(0, "a"), (1, "a"), (2, "a")]}
MEMBERS["oracle"] = MEMBERS["trained"]


def result_of(cell, deleted=40, seeds=SEEDS, members=MEMBERS, twins=0):
    """Rows of the metrics by name, and the gates with their reasons."""
    ids = np.arange(POINTS)
    points = EvaluatedPoints(ids, ids, LABELS, LABELS[:0], LABELS, twins=twins)
    steps = list(Request([np.arange(deleted)], [NO_IDS]).steps(POINTS, ids))
    rows, findings = gated_score(points, steps, seeds, cell, members)
    names = {row[2] for row in rows}
    return names, {finding.gate: finding for finding in findings}


def check_refused(cell, gate, reason, **keywords):
    """No scores, only the flags and the reason."""
    names, findings = result_of(cell, **keywords)
    assert findings[gate].is_refusal and reason in findings[gate].reason
    assert {"completed", "refused"} <= names and "accuracy" not in names
    assert all(METRICS[name].is_flag for name in names)


def check_flagged(cell, gate, reason, **keywords):
    """All scores, and the flag."""
    names, findings = result_of(cell, **keywords)
    assert not findings[gate].is_refusal and reason in findings[gate].reason
    assert "accuracy" in names and "refused" not in names
    assert any(METRICS[name].title == gate for name in names)


def test_a_sound_cell_passes_every_gate(cell):
    names, findings = result_of(cell)
    assert not findings and not names & {"refused", *(gate.name for gate in GATES)}


def test_a_method_that_does_nothing_is_refused(cell):
    unlearned = replace(cell.unlearned, logits=cell.original.logits + 1e-8)
    reason = "3 of 3 models predict what the original does"
    check_refused(replace(cell, unlearned=unlearned), "no-op", reason)


def test_doing_nothing_is_exempt_and_so_is_a_request_of_no_points(cell):
    _, findings = result_of(replace(cell, unlearned=cell.original))
    assert "no-op" not in findings
    unlearned = replace(cell.unlearned, logits=cell.original.logits)
    _, findings = result_of(replace(cell, unlearned=unlearned), deleted=0)
    assert "no-op" not in findings


def test_some_models_that_did_not_change_are_a_flag(cell):
    """A leak of some models must stay visible for audits of populations."""
    logits = cell.unlearned.logits.copy()
    logits[0] = cell.original.logits[0]
    unlearned = replace(cell.unlearned, logits=logits)
    check_flagged(replace(cell, unlearned=unlearned), "no-op", "1 of 3 models")


def test_a_near_duplicate_that_is_left_is_flagged(cell):
    check_flagged(cell, "twin", "2 deleted points have a near-duplicate", twins=2)


def test_models_at_chance_are_flagged_as_untrained(cell):
    original = fleet(0.3, 0.3, 0.25, seed=4)
    check_flagged(replace(cell, original=original), "untrained base", "0.250 is at chance, 0.250")
    original = fleet(0.8, 0.8, 0.9, seed=4)
    reason = "retain accuracy 0.800 is below its test accuracy 0.900"
    check_flagged(replace(cell, original=original), "untrained base", reason)


def test_an_oracle_near_chance_is_refused_and_a_weak_one_flagged(cell):
    broken = fleet(0.3, 0.5, 0.9, seed=4)
    check_refused(replace(cell, oracle=broken), "oracle quality", "0.500 is nearer to chance")
    weak = fleet(0.9, 0.95, 0.9, seed=4)
    check_flagged(replace(cell, oracle=weak), "oracle quality", "0.950 is below the original's")


def test_an_oracle_of_other_members_is_refused(cell):
    for other in ([(0, "a"), (1, "a"), (2, "b")], [(0, "a"), (1, "a"), (3, "a")]):
        members = MEMBERS | {"oracle": other}
        check_refused(cell, "contaminated oracle", "the oracle has the members", members=members)


def test_two_seeds_of_one_model_are_refused(cell):
    logits = cell.original.logits.copy()
    logits[2] = logits[1]
    original = replace(cell.original, logits=logits)
    reason = "seeds 1 and 2 gave the same model"
    check_refused(replace(cell, original=original), "seed collision", reason)
    check_refused(cell, "seed collision", "two members share a seed", seeds=[0, 1, 1])


def test_a_value_of_a_sound_model_that_is_no_number_is_refused(cell):
    unlearned = replace(cell.unlearned, weights=lambda member, position: {"w": np.array([np.nan])})
    check_refused(replace(cell, unlearned=unlearned), "not finite", "l2/weights is nan")


def test_a_value_outside_its_range_is_refused(cell, monkeypatch):
    """A metric with a bug, such as a divergence that is divided by nothing."""
    wrong = replace(METRICS["js"], of_pair=lambda reference, logits, labels: 0.8)
    monkeypatch.setattr("unlearn.evaluation.score.METRICS", METRICS | {"js": wrong})
    check_refused(cell, "out of range", "js/forget is 0.8; allowed: 0 .. 0.693147")


@pytest.mark.parametrize(
    ("metric", "value", "is_allowed"),
    [
        ("accuracy", 0.75, True),
        ("accuracy", 0.76, False),
        ("accuracy", 1.25, False),
        ("accuracy_gap", -1.0, True),
        ("accuracy_gap", -1.25, False),
        ("kl", -0.1, False),
        ("kl", 12.0, True),
        ("attack_auc", 1.1, False),
        ("attack_auc_gap", -0.2, True),
        ("activation_distance", 1.5, False),
        ("tow", 1.1, False),
        ("loss_gap", -40.0, True),
    ],
)
def test_the_range_of_a_metric(metric, value, is_allowed):
    assert (gates.out_of_range(metric, "test", value, 4) is None) == is_allowed


def test_a_method_beyond_the_oracle_is_flagged(cell):
    unlearned = fleet(0.3, 0.97, 0.9, seed=5)
    reason = "forget accuracy 0.300, 24.0 standard deviations beyond oracle's 0.900"
    check_flagged(replace(cell, unlearned=unlearned), "over-unlearning", reason)
    assert gates.over_unlearning(0.95, [0.9, 0.9, 0.9], 1.0, 0.01) is None  # on this side
    assert gates.over_unlearning(0.5, [0.9, 0.8], 1.0, 0.01) is None  # two oracles say too little
    assert gates.excessive_loss(0.31, 0.1) and gates.excessive_loss(0.29, 0.1) is None


def test_a_model_that_lost_what_it_knew_is_flagged(cell):
    unlearned = fleet(0.45, 0.45, 0.9, seed=5)
    reason = "3 of 3 models: retain accuracy 0.450 is below 0.500"
    check_flagged(replace(cell, unlearned=unlearned), "collapse", reason)
    logits = cell.unlearned.logits.copy()
    logits[1, 0, POINTS:, 2] += 9
    unlearned = replace(cell.unlearned, logits=logits)
    reason = "1 of 3 models: class 2 is predicted for 100% of test points"
    check_flagged(replace(cell, unlearned=unlearned), "collapse", reason)


def test_a_failed_or_diverged_cell_passes_no_gate_and_is_not_refused(cell):
    names, findings = result_of(replace(cell, unlearned=None))
    assert not findings and names == {"completed"}
    diverged = replace(
        cell.unlearned,
        costs=[[COST | {"diverged": True}]] * 3,
        logits=np.full_like(cell.unlearned.logits, np.nan),
    )
    _, findings = result_of(replace(cell, unlearned=diverged))
    assert not findings
