"""The scores of a cell, worked out by hand, and what the catalogue says of them."""

from dataclasses import replace

import numpy as np
import pytest

from unlearn.evaluation.fleets import Comparison, EvaluatedPoints, ScoredFleet, TrainedFleet
from unlearn.evaluation.score import score
from unlearn.metrics.catalogue import METRICS
from unlearn.metrics.divergence import jensen_shannon, kl
from unlearn.requests.request import NO_IDS, Request

CLASSES = 2
COST = {"diverged": False, "gradient_evaluations": 1, "wall_seconds": 1.0}


def values(points, steps, seeds, fleets):
    """(step, seed, metric, split) -> value."""
    rows = list(score(points, steps, seeds, fleets))
    by_key = {row[:-1]: row[-1] for row in rows}
    assert len(by_key) == len(rows)
    return by_key


def steps_of(deletions, ids):
    request = Request([np.array(part) for part in deletions], [NO_IDS] * len(deletions))
    return list(request.steps(len(ids), np.array(ids)))


def test_scores_of_a_stream_by_hand():
    """Two steps, two classes, one seed; costs and speed-ups add up, peaks and storage do not."""
    points = EvaluatedPoints(
        ids=np.array([0, 1, 2]),
        sample_ids=np.array([1, 2]),
        train_labels=np.array([0, 1, 0, 1]),
        validation_labels=np.array([], int),
        test_labels=np.array([1, 1]),
    )
    logits = np.array([[[[2, 0], [0, 2], [0, 2], [0, 2], [2, 0]]] * 2], float)
    votes = np.array([[[[0, 1, 1, 1, 0], [1, 1, 0, 1, 1], [-1] * 5]] * 2])

    def fleet(evaluations, seconds, votes):
        costs = [
            COST
            | {
                "gradient_evaluations": count,
                "wall_seconds": duration,
                "peak_memory_bytes": 9 - count,
                "bytes_stored": count,
            }
            for count, duration in zip(evaluations, seconds, strict=True)
        ]
        return ScoredFleet(logits, votes, lambda member, position: {}, [], [costs])

    fleets = Comparison(
        trained=TrainedFleet([{}], [{"gradient_evaluations": 5}]),
        unlearned=fleet([2, 3], [1.0, 3.0], votes),
        oracle=fleet([8, 7], [4.0, 2.0], votes[:, :, :0]),
    )
    by_key = values(points, steps_of([[0], [2]], range(4)), [0], fleets)

    def stream(metric, split):
        return [by_key[step, 0, metric, split] for step in (1, 2)]

    assert stream("speedup", "forget") == [8 / 2, 15 / 5]
    assert stream("speedup_seconds", "forget") == [4 / 1, 6 / 4]
    assert stream("gradient_evaluations", "forget") == [2, 5]
    assert stream("peak_memory_bytes", "forget") == [7, 7]
    assert stream("bytes_stored", "forget") == [2, 3]
    assert stream("gradient_evaluations", "learn") == [5, 5]
    assert stream("accuracy", "forget") == [1, 0.5]  # 0; then 0 and 2
    assert stream("accuracy", "retain") == [0.5, 1]  # 1 and 2; then 1
    assert by_key[1, 0, "accuracy", "test"] == 0.5
    assert by_key[1, 0, "lone_accuracy", "test"] == 0.75  # 1 0 and 1 1, the third is absent
    assert by_key[1, 0, "lone_accuracy_min", "test"] == 0.5
    assert by_key[1, 0, "lone_accuracy_max", "test"] == 1
    assert by_key[1, 0, "vote_accuracy", "test"] == 0.5  # 1 and, a tie, 0
    assert by_key[1, 0, "tie_fraction", "test"] == 0.5
    assert by_key[1, 0, "kl", "test"] == 0
    assert (1, 0, "accuracy", "added") not in by_key


@pytest.fixture(name="fleets")
def three_members():
    """Three members with random outputs of points 0 and 1 and two test points, which are oracles."""
    tensors = [{"w": np.array([float(number), 0.0])} for number in (0, 3, 7)]
    oracle = ScoredFleet(
        logits=np.random.default_rng(0).normal(size=(3, 1, 4, CLASSES)),
        votes=np.empty((3, 1, 0, 4)),
        weights=lambda member, position: tensors[member],
        weight_names=["w"],
        costs=[[COST]] * 3,
    )
    trained = TrainedFleet([{"w": state["w"] + 1} for state in tensors], [])
    return Comparison(trained, unlearned=oracle, oracle=oracle)


POINTS = EvaluatedPoints(
    ids=np.array([0, 1]),
    sample_ids=np.array([1]),
    train_labels=np.array([0, 1]),
    validation_labels=np.array([], int),
    test_labels=np.array([1, 0]),
)
SEEDS = [10, 11, 12]


def copy(fleet, **changes):
    return ScoredFleet(**{name: getattr(fleet, name) for name in vars(fleet)} | changes)


def test_the_floor_is_the_mean_over_the_other_seeds(fleets):
    by_key = values(POINTS, steps_of([[0]], range(2)), SEEDS, fleets)
    logits = fleets.oracle.logits[:, 0, 2:]
    for member, references in ((0, (1, 2)), (1, (0, 2)), (2, (0, 1))):
        for metric, divergence in (("kl_reseeded", kl), ("js_reseeded", jensen_shannon)):
            mean = np.mean([divergence(logits[k], logits[member]) for k in references])
            value = by_key[1, SEEDS[member], metric, "test"]
            assert value == pytest.approx(mean, rel=1e-12)
    assert [by_key[1, seed, "l2_reseeded", "weights"] for seed in SEEDS] == [5, 3.5, 5.5]
    assert by_key[1, 10, "kl", "test"] == 0


def test_changes_and_gaps_are_differences_of_one_seed(fleets):
    """To the original and to the oracle, of accuracy, loss and the attack."""
    chance = np.random.default_rng(1)
    unlearned = copy(fleets.oracle, logits=chance.normal(size=(3, 1, 4, CLASSES)))
    original = copy(fleets.oracle, logits=chance.normal(size=(3, 1, 4, CLASSES)))
    steps = steps_of([[0]], range(2))

    def scores_of(fleet):
        cell = Comparison(fleets.trained, fleet, fleets.oracle, original=original)
        return values(POINTS, steps, SEEDS, cell)

    by_key, oracle, nothing = map(scores_of, (unlearned, fleets.oracle, original))
    compared = 0
    for (step, seed, metric, split), value in by_key.items():
        name, _, kind = metric.rpartition("_")
        if kind in ("gap", "change") and name in ("accuracy", "loss", "attack_auc"):
            reference = oracle if kind == "gap" else nothing
            minuend = by_key[step, seed, name, split]
            assert value == pytest.approx(minuend - reference[step, seed, name, split], abs=1e-12)
            compared += 1
    assert compared == 3 * 2 * (2 * 3 + 1)  # seeds, references, metrics on splits
    assert nothing[1, 10, "attack_auc_change", "forget"] == 0
    assert oracle[1, 10, "attack_auc_gap", "forget"] == 0


def test_the_average_gap_and_tow_of_a_seed_and_their_floors(fleets):
    """By hand from accuracies and attacks of the same seed; the floor from those of other seeds."""
    unlearned = copy(fleets.oracle, logits=fleets.oracle.logits[:, :, ::-1])
    steps = steps_of([[0]], range(2))
    method = Comparison(fleets.trained, unlearned, fleets.oracle)
    by_key = values(POINTS, steps, SEEDS, method)
    oracle = values(POINTS, steps, SEEDS, Comparison(fleets.trained, fleets.oracle, fleets.oracle))

    def measures(scored, seed):
        splits = ("forget", "retain", "test")
        accuracies = [scored[1, seed, "accuracy", split] for split in splits]
        return np.array([*accuracies, scored[1, seed, "attack_auc", "forget"]])

    for seed in SEEDS:
        differences = abs(measures(by_key, seed) - measures(oracle, seed))
        assert by_key[1, seed, "gap", "forget"] == pytest.approx(differences.mean())
        assert by_key[1, seed, "tow", "forget"] == pytest.approx(np.prod(1 - differences[:3]))
        others = [measures(oracle, other) for other in SEEDS if other != seed]
        gaps = [abs(measures(oracle, seed) - other).mean() for other in others]
        assert oracle[1, seed, "gap_reseeded", "forget"] == pytest.approx(np.mean(gaps))
        assert oracle[1, seed, "gap", "forget"] == 0 and oracle[1, seed, "tow", "forget"] == 1


def test_only_the_oracle_has_a_floor(fleets):
    unlearned = copy(fleets.oracle)
    method = Comparison(fleets.trained, unlearned=unlearned, oracle=fleets.oracle)
    by_key = values(POINTS, steps_of([[0]], range(2)), SEEDS, method)
    assert not any(METRICS[metric].floor_of for _, _, metric, _ in by_key)


def test_a_diverged_member_has_costs_and_no_quality(fleets):
    diverged = copy(fleets.oracle, costs=[[COST | {"diverged": True}], [COST], [COST]])
    method = Comparison(fleets.trained, unlearned=diverged, oracle=fleets.oracle)
    by_key = values(POINTS, steps_of([[0]], range(2)), SEEDS, method)
    for (_, seed, metric, _), value in by_key.items():
        if metric == "kl_calibrated":  # these points have no validation split
            assert value is None
        elif metric not in ("completed", *COST, "speedup", "speedup_seconds"):
            assert (value is None) == (seed == 10), metric


def test_calibration_leaves_confidence_out_of_a_divergence(fleets):
    """The model has twice the logits of the oracle: KL sees that, calibrated KL does not."""
    points = replace(POINTS, validation_labels=np.array([0, 1, 1]))
    generator = np.random.default_rng(0)
    rows = len(POINTS.ids) + 3 + len(POINTS.test_labels)
    logits = generator.normal(size=(3, 1, rows, 2))
    oracle = copy(fleets.oracle, logits=logits)
    model = copy(fleets.oracle, logits=2 * logits)
    cell = Comparison(fleets.trained, unlearned=model, oracle=oracle)
    by_key = values(points, steps_of([[0]], range(2)), SEEDS, cell)
    for seed in SEEDS:
        assert by_key[1, seed, "kl", "test"] > 0.01
        assert by_key[1, seed, "kl_calibrated", "test"] == pytest.approx(0, abs=1e-3)


@pytest.mark.parametrize("shapes", [{"w": (3,)}, {"v": (2,)}, {"w": (2,), "v": (2,)}])
def test_a_speedup_in_gradient_evaluations_is_of_models_of_one_size(fleets, shapes):
    oracle = copy(fleets.oracle, weight_shapes={"w": (2,)})
    for student_shapes, expected in ((shapes, None), ({"w": (2,)}, 1)):
        student = copy(oracle, weight_shapes=student_shapes)
        cell = Comparison(fleets.trained, unlearned=student, oracle=oracle)
        by_key = values(POINTS, steps_of([[0]], range(2)), SEEDS, cell)
        assert by_key[1, 10, "speedup", "forget"] == expected
        assert by_key[1, 10, "speedup_seconds", "forget"] == 1


def test_a_failed_cell_says_so_and_nothing_else(fleets):
    failed = Comparison(fleets.trained, unlearned=None, oracle=fleets.oracle)
    by_key = values(POINTS, steps_of([[0]], range(2)), SEEDS, failed)
    assert {key[2:] for key in by_key} == {("completed", "learn"), ("completed", "forget")}
    assert set(by_key.values()) == {0}


def test_without_an_oracle_what_compares_with_it_has_no_value(fleets):
    method = Comparison(fleets.trained, unlearned=fleets.oracle, oracle=None)
    by_key = values(POINTS, steps_of([[0]], range(2)), SEEDS, method)
    for (_, _, metric, _), value in by_key.items():
        assert (value is None) == (METRICS[metric].scope == "pair"), metric


def test_a_metric_of_predictions_is_a_function_and_a_row(fleets, monkeypatch):
    """Nothing else has to be edited, for a metric of a model and for one of a pair."""

    def confidence(logits, labels):
        return np.max(logits)

    def agreement(reference_logits, logits, labels):
        return np.mean(reference_logits.argmax(1) == logits.argmax(1))

    rows = [
        replace(METRICS["accuracy"], name="confidence", of_model=confidence),
        replace(METRICS["kl"], name="agreement", of_pair=agreement),
    ]
    catalogue = METRICS | {row.name: row for row in rows}
    monkeypatch.setattr("unlearn.evaluation.score.METRICS", catalogue)
    by_key = values(POINTS, steps_of([[0]], range(2)), SEEDS, fleets)
    assert by_key[1, 10, "agreement", "test"] == 1
    assert by_key[1, 10, "confidence", "test"] == fleets.oracle.logits[0, 0, 2:].max()


def test_every_metric_that_is_scored_is_in_the_catalogue_on_its_splits(fleets):
    """And every metric of predictions or weights in the catalogue is scored."""
    votes = np.zeros((3, 1, 4, 4), int)
    oracle = copy(fleets.oracle, votes=votes)
    names = {metric.reference for metric in METRICS.values() if metric.is_trainer_specific}
    names.remove("oracle")
    references = dict.fromkeys(names, copy(oracle))
    cell = Comparison(
        fleets.trained, unlearned=oracle, oracle=oracle, original=oracle, references=references
    )
    points = replace(POINTS, swapped_classes=(0, 1))
    by_key = values(points, steps_of([[0]], range(2)), SEEDS, cell)
    for _, _, metric, split in by_key:
        assert split in METRICS[metric].splits
    scored = {metric for _, _, metric, _ in by_key}
    for name, metric in METRICS.items():
        is_cost = set(metric.splits) <= {"learn", "forget"} and not metric.speedup_of
        assert name in scored or is_cost or metric.rule != "score", name
