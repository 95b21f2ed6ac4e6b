"""What every data set must do. New data sets are found by themselves: `pytest -k NAME`."""

import re
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from tests.support.jobs import job, raw_data
from tests.support.project import ROOT
from unlearn.core import parameters, registry
from unlearn.data import dataset
from unlearn.data.digits import Digits
from unlearn.data.download import DataError
from unlearn.data.label_swap import with_swapped_labels
from unlearn.data.source import DataSource
from unlearn.jobs.train import train_fleet

RAW_FOLDERS = {"mnist": "MNIST", "cifar10": "cifar-10-batches-py"}
"""Where torchvision has the raw data that are not to be downloaded for a test."""

pytestmark = pytest.mark.parametrize("name", registry.names("data"))


def write_arrays(path):
    np.savez(path / "arrays.npz", **Digits().load("unused")._asdict())
    return str(path / "arrays.npz")


def write_images(path):
    data = Digits().load("unused")
    for split in ("train", "test"):
        images = getattr(data, f"{split}_images")[:100, ..., 0]
        labels = getattr(data, f"{split}_labels")[:100]
        for index, (image, label) in enumerate(zip(images, labels, strict=True)):
            file = path / split / str(label) / f"{index}.png"
            file.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(image).save(file)
    return str(path)


USER_FILES = {"arrays": write_arrays, "image_folder": write_images}
"""What writes the user's own files that a data set is read from, and gives their path."""


@pytest.fixture(scope="module")
def loaded(tmp_path_factory):
    """The source and the data set of a name, loaded once; skips where the data are not there."""
    pairs = {}

    def load(name):
        if name not in pairs:
            source = source_of(name, tmp_path_factory)
            pairs[name] = source, built(source, name)
        return pairs[name]

    return load


def source_of(name, tmp_path_factory) -> DataSource:
    component = registry.find("data", name)
    options = {}
    if name in USER_FILES:
        options["path"] = USER_FILES[name](tmp_path_factory.mktemp(name))
    required = {key for key, field in parameters.fields(component).items() if field.required}
    if required - set(options):
        pytest.skip(f"{name}: no test knows a value of {', '.join(sorted(required))}")
    return component(**options)


def built(source, name) -> dataset.Dataset:
    folder = raw_data(RAW_FOLDERS[name]) if name in RAW_FOLDERS else ROOT / "data"
    try:
        return dataset.build(source, name, folder)
    except DataError as error:
        pytest.skip(f"{name}: {error}")


def test_declares_itself(name):
    source = registry.find("data", name)
    assert issubclass(source, DataSource)
    assert parameters.summary(source).endswith((".", ":"))
    for parameter, field in parameters.fields(source).items():
        assert field.limits.help, f"{parameter} needs a help text"


def test_is_importable_without_torch_and_without_its_data(name):
    """So that a plan needs neither."""
    code = f"""
import sys
from unlearn.core import parameters, registry
source = registry.find("data", {name!r})
parameters.schema(source)
if not any(field.required for field in parameters.fields(source).values()):
    source().facts(), source().normalisation()
assert not {{"torch", "torchvision", "sklearn", "pandas"}} & set(sys.modules)
"""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_file_has_one_source(name):
    path = registry.FAMILIES["data"].folder / f"{name}.py"
    if not path.exists():
        pytest.skip(f"{name}: belongs to an installed package")
    assert len(re.findall(r"^class \w+\(DataSource\)", path.read_text(encoding="utf-8"), re.M)) == 1


def test_is_what_it_declares(name, loaded):
    """Types, shapes, counts and labels; `build` has refused what is not."""
    source, data = loaded(name)
    facts = source.facts()
    train_points = facts.train_points - source.validation_size
    for split, points in (
        ("train", train_points),
        ("validation", source.validation_size),
        ("test", facts.test_points),
    ):
        images = getattr(data, f"{split}_images")
        labels = getattr(data, f"{split}_labels")
        assert images.dtype == np.uint8 and images.shape == (points, *facts.shape), split
        assert labels.dtype == np.int64 and labels.shape == (points,), split
        assert set(labels) <= set(range(facts.classes)), split
    assert set(data.train_labels) == set(range(facts.classes))


def test_has_images_that_differ(name, loaded):
    _, data = loaded(name)
    images = data.train_images[:1000]
    assert images.max() > 1, "pixels go from 0 to 255, not from 0 to 1"
    assert len({image.tobytes() for image in images}) > 0.9 * len(images)


def test_is_the_same_every_time(name, loaded):
    source, data = loaded(name)
    assert built(source, name).fingerprint == data.fingerprint


def test_comes_back_from_disk(name, loaded, tmp_path):
    _, data = loaded(name)
    dataset.save(data, tmp_path)
    stored = dataset.load(tmp_path)
    assert stored.fingerprint == data.fingerprint
    for key, array in data.arrays().items():
        assert np.array_equal(getattr(stored, key), array), key


def test_two_classes_can_exchange_labels(name, loaded):
    _, data = loaded(name)
    swapped = with_swapped_labels(data, (0, 1), 4, seed=0)
    changed = np.flatnonzero(swapped.train_labels != data.train_labels)
    assert changed.tolist() == swapped.swapped_ids.tolist() and len(changed) == 4
    assert swapped.fingerprint != data.fingerprint


def test_can_be_learned(name, loaded):
    """A linear model of a part of it beats the guess of the largest class."""
    source, _ = loaded(name)
    values = source.values() | {"subset": min(source.facts().train_points // 2, 1000)}
    small = built(type(source)(**values | {"validation": 0, "retain_sample": None}), name)
    result = train_fleet(small, job("logistic", epochs=10, lr=0.01))
    predictions = result.logits[0, : len(small.train_labels)].argmax(1)
    guess = np.bincount(small.train_labels).max() / len(small.train_labels)
    accuracy = (predictions == small.train_labels).mean()
    assert accuracy > 1.5 * guess, f"{name}: training accuracy {accuracy:.2f}, guess {guess:.2f}"
