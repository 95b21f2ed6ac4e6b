"""Data sets with exchanged labels: which points, what is stored, refusals, a study of them."""

import itertools

import numpy as np
import pytest
import yaml

from tests.support.project import TINY
from unlearn.core import registry
from unlearn.core.setting import DataFacts, Setting
from unlearn.data import dataset as stored
from unlearn.data.label_swap import with_swapped_labels
from unlearn.metrics.confusion import confusion
from unlearn.study.load import StudyError, load_study


def config(experiment=None, **data):
    """The tiny study with some threes and fives exchanged; `data` changes the data set's block."""
    study = yaml.safe_load(yaml.safe_dump(TINY))
    study["recipes"]["quick"]["epochs"] = 10
    swapped = {"name": "digits", "swapped": 0.5, "swapped_classes": [3, 5]} | data
    study["experiments"]["accuracy"] |= {
        "dataset": swapped,
        "model": "mlp",
        "method": "finetune",
        "request": "label_swap",
        "figure": {"x": "variant", "y": "confusion/test"},
    } | (experiment or {})
    return study


def test_only_points_of_the_two_classes_exchange_labels(digits):
    swapped = with_swapped_labels(digits, (3, 5), 9, seed=1)
    changed = np.flatnonzero(swapped.train_labels != digits.train_labels)
    assert changed.tolist() == swapped.swapped_ids.tolist() and len(changed) == 9
    assert np.isin(changed, digits.base_ids).all()
    true_labels = digits.train_labels[changed]
    assert (true_labels == 3).sum() == 5 and (true_labels == 5).sum() == 4
    assert (swapped.train_labels[changed] == 8 - true_labels).all()
    assert swapped.description["swap"]["true_labels"] == true_labels.tolist()
    assert swapped.swapped_classes == (3, 5) and digits.swapped_classes is None
    for name, array in digits.arrays().items():
        if name != "train_labels":
            assert np.array_equal(getattr(swapped, name), array), name


def test_a_share_is_of_each_class_and_smaller_amounts_lie_in_larger_ones(digits):
    base_labels = digits.train_labels[digits.base_ids]
    sets = [
        with_swapped_labels(digits, (3, 5), share, seed=0).swapped_ids for share in (0.2, 0.5, 0.9)
    ]
    for share, ids in zip((0.2, 0.5, 0.9), sets, strict=True):
        for label in (3, 5):
            count = (digits.train_labels[ids] == label).sum()
            assert count == int(share * (base_labels == label).sum() + 0.5)
    assert all(np.isin(small, large).all() for small, large in itertools.pairwise(sets))


def test_the_draw_decides_the_points_and_the_fingerprint(digits):
    one, again, other = (with_swapped_labels(digits, (3, 5), 8, seed) for seed in (0, 0, 1))
    assert one.fingerprint == again.fingerprint
    assert len({digits.fingerprint, one.fingerprint, other.fingerprint}) == 3


def test_exchanged_labels_come_back_from_disk(digits, tmp_path):
    swapped = with_swapped_labels(digits, (3, 5), 8, seed=0)
    stored.save(swapped, tmp_path)
    loaded = stored.load(tmp_path)
    assert loaded.swapped_ids.tolist() == swapped.swapped_ids.tolist()
    assert loaded.swapped_classes == (3, 5)


@pytest.mark.parametrize(
    ("amount", "message"),
    [
        (100, r"swapped: 100 is not allowed; allowed: at most twice the \d+ points of class 3"),
        (0.001, r"swapped: 0\.001 selects no point of class 3"),
    ],
)
def test_more_or_fewer_points_than_there_are_cannot_exchange_labels(digits, amount, message):
    with pytest.raises(ValueError, match=message):
        with_swapped_labels(digits, (3, 5), amount, seed=0)


def facts(**swap):
    return DataFacts("digits", 10, (8, 8, 1), points=200, held_out=40, **swap)


def test_the_request_deletes_exactly_the_exchanged_points(digits):
    swapped = with_swapped_labels(digits, (3, 5), 9, seed=1)
    sampler = registry.find("requests", "label_swap")(steps=3)
    sampler.check(Setting(data=facts(swapped_classes=(3, 5), swapped_points=9)))
    request = sampler.draw(swapped)
    assert np.sort(np.concatenate(request.deletions)).tolist() == swapped.swapped_ids.tolist()
    assert [len(ids) for ids in request.deletions] == [3, 3, 3]


@pytest.mark.parametrize(
    ("swap", "message"),
    [
        ({}, "its labels are not exchanged; allowed: a data set with `swapped`"),
        ({"swapped_classes": (3, 5), "swapped_points": 2}, "3 steps are more than the 2 points"),
    ],
)
def test_a_request_that_has_no_points_is_refused(swap, message):
    sampler = registry.find("requests", "label_swap")(steps=3)
    with pytest.raises(ValueError, match=message):
        sampler.check(Setting(data=facts(**swap)))


# -- confusion ---------------------------------------------------------------------------------------


def test_confusion_counts_predictions_of_the_other_class():
    """By hand: of four points of the classes 0 and 2 one is predicted as the other."""
    labels = np.array([0, 0, 2, 2, 1])
    predictions = np.array([0, 2, 2, 1, 0])
    logits = np.eye(3)[predictions]
    assert confusion(logits, labels, (0, 2)) == 0.25
    assert confusion(logits, labels, (2, 0)) == 0.25
    assert confusion(np.eye(3)[labels], labels, (0, 2)) == 0
    assert confusion(np.eye(3)[2 - labels], labels, (0, 2)) == 1
    assert confusion(logits[4:], labels[4:], (0, 2)) is None


# -- studies -----------------------------------------------------------------------------------------


def test_a_study_of_exchanged_labels(project):
    import pandas as pd

    project.write_study(config())
    jobs = project.planned()
    assert (jobs.count("data"), jobs.count("swapped")) == (1, 1)
    project.run()
    folder = project.results()
    table = pd.read_csv(folder / "tables/accuracy.csv")
    means = table.set_index("method")["mean"]
    assert means["original"] > means["retrain"] + 0.1  # the oracle has never seen wrong labels
    (data_folder,) = folder.glob("data/*swapped*")
    dataset = stored.load(data_folder)
    request = np.load(next(folder.glob("requests/*/label_swap/request.npz")))
    assert request["delete_0"].tolist() == dataset.swapped_ids.tolist()
    scores = pd.read_csv(folder / "scores.csv")
    rows = scores[scores["metric"] == "confusion"]
    assert set(rows["split"]) == {"test"} and rows["value"].between(0, 1).all()
    assert project.planned() == []
    for file in data_folder.iterdir():
        if file.name == "train_labels.npy":
            file.unlink()
    assert "swapped" in project.planned()


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"swapped_classes": [3, 3]}, r"swapped_classes: \[3, 3\] .* two different classes from 0"),
        ({"swapped_classes": [3, 10]}, r"swapped_classes: \[3, 10\] .* 0 to 9"),
        ({"swapped_classes": [1, 2, 3]}, r"swapped_classes: \[1, 2, 3\] is not allowed"),
        ({"swapped_classes": None}, "swapped_classes: null is not allowed; allowed: two"),
        ({"swapped": 0}, "swapped.*0"),
        ({"swapped": 1}, "swapped: 1 is not allowed; allowed: a share below 1, or a whole number"),
        ({"swapped": 2.5}, r"swapped: 2\.5 is not allowed"),
        ({"swapped": 200}, "swapped: 200 is too many; there are 200 points in base training"),
        ({"swapped": None}, r"swapped_classes: \[3, 5\] needs points; allowed: .* at `swapped`"),
        ({"swapped": 0.1, "noise": "random_noise"}, "swapped: images .* can carry no noise"),
    ],
    ids=str,
)
def test_exchanges_that_cannot_be_are_refused_before_anything_runs(data, message):
    with pytest.raises(StudyError, match=message):
        load_study(config(**data))


def test_confusion_needs_exchanged_labels():
    with pytest.raises(StudyError, match="confusion"):
        load_study(config({"dataset": "digits", "request": {"name": "random", "rate": 0.1}}))
    with pytest.raises(StudyError, match="its labels are not exchanged"):
        load_study(config({"dataset": "digits", "figure": {"y": "accuracy"}}))


def test_features_are_of_images_with_exchanged_labels():
    plan = load_study(
        config(
            {"figure": {"y": "accuracy/test"}, "model": "logistic"},
            name="digits",
            features="random_conv",
            held_out=0.5,
        )
    )
    (featured,) = (part for part in plan.datasets.values() if part.features)
    source = plan.datasets[featured.source]
    assert source.facts.swapped_classes == (3, 5)
    assert plan.datasets[source.source].facts.swapped_classes is None
