"""What a source loads is checked against what it declares, before anything is made of it."""

import tracemalloc

import numpy as np
import pytest

from tests.support.letters import LETTERS
from unlearn.core import registry
from unlearn.data import dataset
from unlearn.data.digits import Digits
from unlearn.data.source import RawData
from unlearn.storage.files import UserFileError

DIGITS = Digits().load("unused")


def source_of(constants=None, **arrays):
    """Digits with other arrays, or with other constants."""
    data = DIGITS._replace(**arrays)

    class Changed(Digits):
        """Digits, changed."""

        def load(self, folder):
            return data

    for name, value in (constants or {}).items():
        setattr(Changed, name, value)
    return Changed()


def relabelled(label, other):
    """The training labels with another in the place of each `label`."""
    return np.where(DIGITS.train_labels == label, other, DIGITS.train_labels)


GREY = DIGITS.train_images[..., 0]

BROKEN = {
    "floats": (
        {"train_images": DIGITS.train_images / 255},
        r"train_images: dtype float64 is not allowed; allowed: uint8; pixels in 0\.\.1 become",
    ),
    "test floats": (
        {"test_images": DIGITS.test_images.astype(np.float32)},
        "test_images: dtype float32 is not allowed; allowed: uint8",
    ),
    "integers": (
        {"train_images": DIGITS.train_images.astype(np.int64)},
        "train_images: dtype int64 is not allowed; allowed: uint8",
    ),
    "no channels": (
        {"train_images": GREY},
        r"train_images: shape \(1437, 8, 8\) is not allowed; allowed: \(1437, 8, 8, 1\)",
    ),
    "channels first": (
        {"train_images": GREY[:, None]},
        r"train_images: shape \(1437, 1, 8, 8\) is not allowed; allowed: \(1437, 8, 8, 1\)",
    ),
    "other test size": (
        {"test_images": np.zeros((360, 8, 9, 1), np.uint8)},
        r"test_images: shape \(360, 8, 9, 1\) is not allowed; allowed: \(360, 8, 8, 1\)",
    ),
    "fewer images": (
        {"train_images": DIGITS.train_images[:-1]},
        r"train_images: shape \(1436, 8, 8, 1\) is not allowed; allowed: \(1437, 8, 8, 1\)",
    ),
    "fewer points": (
        {"train_images": DIGITS.train_images[:-1], "train_labels": DIGITS.train_labels[:-1]},
        r"train_images: shape \(1436, 8, 8, 1\) is not allowed; allowed: \(1437, 8, 8, 1\)",
    ),
    "more labels": (
        {"test_labels": np.append(DIGITS.test_labels, 0)},
        r"test_labels: shape \(361,\) is not allowed; allowed: \(360,\)",
    ),
    "one-hot labels": (
        {"train_labels": np.eye(10, dtype=int)[DIGITS.train_labels]},
        r"train_labels: shape \(1437, 10\) is not allowed; allowed: \(1437,\)",
    ),
    "float labels": (
        {"train_labels": DIGITS.train_labels.astype(float)},
        "train_labels: dtype float64 is not allowed; allowed: whole numbers",
    ),
    "labels from 1": (
        {"train_labels": DIGITS.train_labels + 1, "test_labels": DIGITS.test_labels + 1},
        "train_labels: label 10 is not allowed; allowed: 0 to 9",
    ),
    "test labels from 1": (
        {"test_labels": DIGITS.test_labels + 1},
        "test_labels: label 10 is not allowed; allowed: 0 to 9",
    ),
    "negative label": (
        {"train_labels": relabelled(3, -1)},
        "train_labels: label -1 is not allowed; allowed: 0 to 9",
    ),
    "absent class": (
        {"train_labels": relabelled(7, 1)},
        "train_labels: class 7 has no points; allowed: all of 0 to 9",
    ),
    "list": (
        {"train_labels": DIGITS.train_labels.tolist()},
        "train_labels: list is not allowed; allowed: a numpy array",
    ),
}


@pytest.mark.parametrize("name", BROKEN)
def test_arrays_that_are_not_what_the_data_set_declares_are_refused(name):
    arrays, message = BROKEN[name]
    with pytest.raises(ValueError, match=f"^letters: {message}"):
        dataset.build(source_of(**arrays), "letters", "unused")


@pytest.mark.parametrize(
    ("constants", "message"),
    [
        ({"mean": (0.5, 0.5, 0.5)}, "mean: 3 values are not allowed; allowed: 1, or one for each"),
        ({"std": (0.0,)}, r"std: \(0.0,\) is not allowed; allowed: numbers above 0"),
        ({"mean": (float("nan"),)}, r"mean: \(nan,\) is not allowed; allowed: numbers"),
        ({"train_points": 1438}, r"train_images: shape \(1437, 8, 8, 1\) .* \(1438, 8, 8, 1\)"),
        ({"classes": 11}, "train_labels: class 10 has no points; allowed: all of 0 to 10"),
        ({"classes": 9}, "train_labels: label 9 is not allowed; allowed: 0 to 8"),
        ({"validation_points": 1437}, "validation: 1437 is not allowed; allowed: at most 1436"),
    ],
    ids=str,
)
def test_declarations_that_do_not_fit_the_arrays_are_refused(constants, message):
    with pytest.raises(ValueError, match=f"^letters: {message}"):
        dataset.build(source_of(constants), "letters", "unused")


def test_a_tuple_of_other_arrays_is_refused():
    class Pair(Digits):
        """Training points alone."""

        def load(self, folder):
            return DIGITS[:2]

    with pytest.raises(ValueError, match="letters: load: tuple is not allowed; allowed: RawData"):
        dataset.build(Pair(), "letters", "unused")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"subset": 1294}, "subset: 1294 is not allowed; allowed: at most 1293"),
        ({"test_subset": 361}, "test_subset: 361 is not allowed; allowed: at most 360"),
        ({"validation": 1437}, "validation: 1437 is not allowed; allowed: at most 1436"),
    ],
    ids=str,
)
def test_parts_that_are_larger_than_the_data_set_are_refused(options, message):
    """Also where no plan has checked them, as in a notebook."""
    source = registry.find("data", "digits")(**options)
    with pytest.raises(ValueError, match=f"digits: {message}"):
        dataset.build(source, "digits", "unused")


HUGE_LABELS = {
    "terabytes of classes": ("train_labels", 2**40, r"label 1099511627776 .* at most 999,999"),
    "no int64": ("train_labels", 2**63 + 5, r"label 9223372036854775813 .* at most 999,999"),
    "no int64 of a test label": (
        "test_labels",
        2**64 - 1,
        r"label 18446744073709551615 .* at most",
    ),
    "a gap": ("train_labels", 999_999, "class 10 has no points; labels count from 0"),
}


@pytest.mark.parametrize("case", HUGE_LABELS)
def test_a_huge_label_is_refused_without_memory_for_its_classes(case, tmp_path):
    name, label, message = HUGE_LABELS[case]
    arrays = DIGITS._asdict()
    arrays[name] = arrays[name].astype(np.uint64)
    arrays[name][-1] = label
    np.savez(tmp_path / "own.npz", **arrays)
    tracemalloc.start()
    with pytest.raises(UserFileError, match=f"own.npz: {name}: {message}"):
        registry.find("data", "arrays")(path=str(tmp_path / "own.npz")).facts()
    peak_bytes = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak_bytes < 4e6


@pytest.mark.parametrize("dtype", [np.uint8, np.int32, np.uint64])
def test_labels_of_any_whole_numbers_become_the_same_data_set(dtype):
    expected = dataset.build(Digits(), "digits", "unused")
    labels = {name: getattr(DIGITS, name).astype(dtype) for name in ("train_labels", "test_labels")}
    data = dataset.build(source_of(**labels), "digits", "unused")
    assert data.train_labels.dtype == data.test_labels.dtype == np.int64
    assert data.fingerprint == expected.fingerprint


def test_a_plain_tuple_of_the_four_arrays_is_a_data_set():
    class Plain(Digits):
        """Digits as a plain tuple."""

        def load(self, folder):
            return tuple(DIGITS)

    assert isinstance(DIGITS, RawData)
    expected = dataset.build(Digits(), "digits", "unused").fingerprint
    assert dataset.build(Plain(), "digits", "unused").fingerprint == expected


@pytest.mark.xdist_group("extending")
def test_the_workflow_ends_with_the_reason(project):
    """Float images in 0..1 once gave models of chance accuracy and exit status 0."""
    floats = LETTERS.replace("RawData(train_images,", "RawData(train_images / 255,")
    assert floats != LETTERS
    (project.root / "unlearn/data/letters.py").write_text(floats)
    project.write_study(
        {
            "study": "tiny",
            "seeds": 1,
            "recipes": {"quick": {"epochs": 1, "batch_size": 32, "lr": 0.1}},
            "datasets": {"letters": {"recipe": "quick", "subset": 100}},
            "models": {"mlp": {"hidden": 4}},
            "experiments": {
                "accuracy": {
                    "dataset": "letters",
                    "model": "mlp",
                    "method": "finetune",
                    "request": {"name": "random", "count": 5},
                    "figure": {"x": "points", "y": "accuracy"},
                }
            },
        }
    )
    process = project.snakemake("--cores", "1", check=False)
    output = process.stdout + process.stderr
    assert process.returncode
    assert "error: letters: train_images: dtype float64 is not allowed; allowed: uint8" in output
