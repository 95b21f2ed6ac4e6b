"""Data sets of which a study keeps some classes."""

import numpy as np
import pytest

from tests.support.jobs import build, raw_data
from tests.support.study import load
from unlearn.core import registry
from unlearn.data.dataset import build as build_dataset
from unlearn.data.source import RawData
from unlearn.study.load import StudyError


def test_kept_classes_are_numbered_in_the_order_of_the_study():
    whole = build("digits", validation=0)
    data = build("digits", validation=0, labels=[8, 3])
    for new_label, label in enumerate([8, 3]):
        kept = data.train_images[data.train_labels == new_label]
        assert np.array_equal(kept, whole.train_images[whole.train_labels == label])
        kept = data.test_images[data.test_labels == new_label]
        assert np.array_equal(kept, whole.test_images[whole.test_labels == label])
    assert set(data.train_labels) == {0, 1}
    assert data.description["classes"] == 2


def test_ids_of_kept_points_are_places_in_the_source():
    whole = build("digits", validation=0)
    data = build("digits", labels=[3, 8], subset=100)
    assert np.array_equal(data.train_images, whole.train_images[data.source_ids])
    absent = np.flatnonzero(whole.train_labels == 5)[:1]
    with pytest.raises(ValueError, match=f"point {absent[0]} of the source .*`labels`"):
        data.ids_of_source(absent)


def test_the_validation_split_shrinks_with_the_classes():
    data = build("digits", labels=[3, 8])
    assert len(data.validation_labels) == round(144 * (146 + 139) / 1437)
    assert set(data.validation_labels) == {0, 1}
    assert len(data.train_labels) == 146 + 139 - len(data.validation_labels)


def test_two_classes_of_mnist_are_those_of_the_literature():
    data = build("mnist", raw_data("MNIST"), labels=[3, 8], validation=0)
    assert np.bincount(data.train_labels).tolist() == [6131, 5851]
    assert np.bincount(data.test_labels).tolist() == [1010, 974]


@pytest.mark.parametrize("labels", [[3], [], [3, 3], [3, 10], [-1, 3], [3, "8"], [3, True]])
def test_labels_that_are_no_classes_are_refused(labels):
    with pytest.raises(ValueError, match=r"labels: .* allowed: two or more different classes"):
        registry.find("data", "digits")(labels=labels)


def two_digits(label, **options):
    """A change of the tiny study: two classes of digits, one of which is deleted."""

    def change(config, experiment):
        experiment["dataset"] = {"name": "digits", "labels": [3, 8], "subset": None, **options}
        experiment["request"] = {"name": "by_class", "label": label}

    return change


def test_the_plan_knows_the_classes_that_are_kept():
    (dataset,) = load(two_digits(1)).datasets.values()
    assert dataset.facts.classes == 2
    assert dataset.facts.points == 285 - dataset.component.validation_size
    assert dataset.facts.source_points == 1437
    with pytest.raises(StudyError, match="label"):
        load(two_digits(2))
    with pytest.raises(StudyError, match="286 is too many"):
        load(two_digits(1, subset=286, validation=0))


def test_sources_that_do_not_know_their_classes_keep_all():
    with pytest.raises(ValueError, match=r"labels: \[0, 1\] needs sizes of classes"):
        registry.find("data", "image_folder")(path="images", labels=[0, 1])


def test_classes_of_another_size_than_declared_are_refused(tmp_path):
    class Smaller(registry.find("data", "digits")):
        """Digits one label of which is another."""

        def load(self, folder):
            data = super().load(folder)
            train_labels = data.train_labels.copy()
            train_labels[np.argmax(train_labels == 3)] = 8
            return RawData(data.train_images, train_labels, data.test_images, data.test_labels)

    with pytest.raises(ValueError, match=r"train_labels: classes have .* declares"):
        build_dataset(Smaller(), "smaller", tmp_path)
