"""Data sets: shapes, constants, subsets, and raw files that cannot be trusted."""

import hashlib

import numpy as np
import pytest
import torch

from tests.support.jobs import build, raw_data, task
from tests.support.study import load
from unlearn.core import registry
from unlearn.data import dataset
from unlearn.data import download as download_module
from unlearn.data.download import DataError, complete
from unlearn.data.splits import stratified
from unlearn.methods.finetune import Finetune
from unlearn.study.load import StudyError


def check_facts(kind, data):
    source = registry.find("data", kind)()
    facts = source.facts()
    assert data.train_images.shape[1:] == facts.shape
    assert len(data.test_labels) == facts.test_points
    assert set(data.train_labels) == set(range(facts.classes))
    assert data.train_images.dtype == np.uint8 and data.train_labels.dtype == np.int64
    assert data.validation_images.dtype == np.uint8 and data.validation_labels.dtype == np.int64
    assert tuple(data.description["mean"]) == source.mean


def pixels_of(*arrays):
    """The images as bytes."""
    return [image.tobytes() for images in arrays for image in images]


def test_digits():
    data = build("digits")
    check_facts("digits", data)
    assert len(data.train_labels) == 1437 - 144 and len(data.validation_labels) == 144
    assert data.train_images.max() == 255
    pixels = pixels_of(data.train_images, data.validation_images, data.test_images)
    assert len(pixels) == len(set(pixels)) == 1797  # every image is in exactly one split


@pytest.mark.parametrize(("kind", "name"), [("mnist", "MNIST"), ("cifar10", "cifar-10-batches-py")])
def test_real_data_are_found_without_network(kind, name):
    data = build(kind, raw_data(name), subset=1000)
    check_facts(kind, data)
    assert np.bincount(data.train_labels).min() > 80
    # published test labels: the first five of each set
    first_labels = {"mnist": [7, 2, 1, 0, 4], "cifar10": [3, 8, 8, 0, 6]}[kind]
    assert data.test_labels[:5].tolist() == first_labels


def test_subset_is_stratified_nested_and_seeded():
    labels = np.repeat([0, 1, 2], [100, 50, 10])
    subset = stratified(labels, 32, 0)
    assert np.bincount(labels[subset]).tolist() == [20, 10, 2]
    assert set(stratified(labels, 16, 0)) < set(subset)
    assert not np.array_equal(subset, stratified(labels, 32, 1))


def test_a_part_of_the_test_points_leaves_training_as_it_is():
    full_data = build("digits")
    small_data = build("digits", test_subset=100)
    assert len(small_data.test_labels) == small_data.description["test_points"] == 100
    assert np.ptp(np.bincount(small_data.test_labels)) <= 1
    label_of_image = {
        image.tobytes(): label
        for image, label in zip(full_data.test_images, full_data.test_labels, strict=True)
    }
    pairs = zip(small_data.test_images, small_data.test_labels, strict=True)
    assert all(label_of_image[image.tobytes()] == label for image, label in pairs)
    assert np.array_equal(small_data.train_images, full_data.train_images)
    assert small_data.description["sha256"] != full_data.description["sha256"]


def test_held_out_points_are_not_in_base_training():
    data = build("digits", subset=200, held_out=0.2)
    assert len(data.held_out_ids) == 40 and len(data.base_ids) == 160
    assert not np.intersect1d(data.held_out_ids, data.base_ids).size
    larger_data = build("digits", subset=200, held_out=0.3)
    assert set(data.held_out_ids) < set(larger_data.held_out_ids)


def test_saved_data_come_back_and_truncated_arrays_are_named(tmp_path):
    data = build("digits", subset=100)
    dataset.save(data, tmp_path)
    loaded_data = dataset.load(tmp_path)
    assert np.array_equal(loaded_data.train_images, data.train_images)
    assert loaded_data.description["sha256"] == data.description["sha256"]
    file = tmp_path / "train_images.npy"
    file.write_bytes(file.read_bytes()[:-1])
    with pytest.raises(Exception, match=r"train_images.npy: cannot be read"):
        dataset.load(tmp_path)


# -- the validation split --------------------------------------------------------------------------

REAL = [("digits", None, 144), ("mnist", "MNIST", 5000), ("cifar10", "cifar-10-batches-py", 5000)]
"""Data set, folder of its raw data, points of its validation split."""


@pytest.mark.parametrize(("kind", "folder", "count"), REAL, ids=[row[0] for row in REAL])
def test_the_validation_split_is_disjoint_and_stratified(kind, folder, count):
    """By position in the source: MNIST and CIFAR-10 have a few images twice."""
    source = registry.find("data", kind)()
    source_data = source.load(raw_data(folder) if folder else "unused")
    data = dataset.build(source, kind, raw_data(folder) if folder else "unused")
    train_points = source.facts().train_points
    assert len(data.validation_labels) == data.description["validation_points"] == count
    assert len(data.train_labels) == data.description["train_points"] == train_points - count
    split_pixels = sorted(pixels_of(data.train_images, data.validation_images))
    assert split_pixels == sorted(pixels_of(source_data.train_images))
    assert np.array_equal(data.test_images, source_data.test_images)
    classes = source.facts().classes
    shares = np.bincount(source_data.train_labels, minlength=classes) * (count / train_points)
    sizes = np.bincount(data.validation_labels, minlength=classes)
    assert (np.abs(sizes - shares) < 1).all()


@pytest.mark.parametrize(
    "options",
    [
        {"subset": 300},
        {"subset": 300, "subset_seed": 3},
        {"test_subset": 100, "subset_seed": 3},
        {"held_out": 0.3, "held_out_seed": 5},
        {"retain_sample": 7, "pixels": "unit"},
    ],
    ids=str,
)
def test_the_validation_split_is_the_same_for_every_subset_and_seed(options):
    full_data = build("digits")
    small_data = build("digits", **options)
    assert np.array_equal(full_data.validation_images, small_data.validation_images)
    assert np.array_equal(full_data.validation_labels, small_data.validation_labels)
    assert not set(pixels_of(small_data.validation_images)) & set(
        pixels_of(small_data.train_images)
    )


def test_no_validation_split_leaves_all_points_for_training():
    source_data = registry.find("data", "digits")().load("unused")
    data = build("digits", validation=0)
    assert data.validation_images.shape == (0, 8, 8, 1) and not len(data.validation_labels)
    assert np.array_equal(data.train_images, source_data.train_images)
    assert np.array_equal(data.train_labels, source_data.train_labels)


def test_the_size_of_the_validation_split_can_be_chosen():
    small_data = build("digits", validation=50)
    large_data = build("digits", validation=100)
    assert (len(small_data.validation_labels), len(small_data.train_labels)) == (50, 1387)
    assert set(pixels_of(small_data.validation_images)) < set(
        pixels_of(large_data.validation_images)
    )
    assert small_data.fingerprint != large_data.fingerprint


def test_saved_data_keep_their_validation_split(tmp_path):
    data = build("digits", subset=100)
    dataset.save(data, tmp_path)
    loaded_data = dataset.load(tmp_path)
    assert np.array_equal(loaded_data.validation_images, data.validation_images)
    assert np.array_equal(loaded_data.validation_labels, data.validation_labels)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"validation": 1437}, "validation: 1437"),
        ({"validation": 1400, "subset": 38}, "subset: 38"),
        ({"subset": 1294}, "subset: 1294"),
        ({"validation": -1}, "validation.*-1"),
    ],
    ids=str,
)
def test_the_plan_refuses_splits_that_are_too_large(options, message):
    def change(config, experiment):
        config["datasets"]["digits"].pop("subset", None)
        config["datasets"]["digits"] |= options

    with pytest.raises(StudyError, match=message):
        load(change)


def test_only_a_method_that_declares_it_sees_the_validation_split(digits, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(Finetune, "reads", frozenset({"retain", "validation"}))
        data = task(digits, method="finetune").data
        assert np.array_equal(data.validation_images, digits.validation_images)
        assert np.array_equal(data.validation_labels, digits.validation_labels)
    data = task(digits, method="finetune").data
    for name in ("validation_images", "validation_labels"):
        with pytest.raises(ValueError, match="validation"):
            getattr(data, name)


# -- raw files -------------------------------------------------------------------------------------

CHECKSUMS = {"raw/a": hashlib.sha256(b"A").hexdigest(), "raw/b": hashlib.sha256(b"B").hexdigest()}


def writer(**contents):
    def download(directory):
        (directory / "raw").mkdir()
        for name, content in contents.items():
            (directory / "raw" / name).write_bytes(content)

    return download


def forbidden_download(directory):
    raise AssertionError("must not download")


def tree(folder):
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file())


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch):
    monkeypatch.setattr(download_module.time, "sleep", lambda seconds: None)


def test_missing_files_are_downloaded_and_complete_copies_are_not(tmp_path):
    complete(tmp_path, CHECKSUMS, writer(a=b"A", b=b"B"), "sha256")
    assert tree(tmp_path) == ["raw/a", "raw/b"]
    complete(tmp_path, CHECKSUMS, forbidden_download, "sha256")


def test_an_altered_file_is_refused_and_kept(tmp_path):
    complete(tmp_path, CHECKSUMS, writer(a=b"A", b=b"B"), "sha256")
    (tmp_path / "raw" / "b").write_bytes(b"")
    with pytest.raises(DataError, match="raw/b: truncated or altered"):
        complete(tmp_path, CHECKSUMS, forbidden_download, "sha256")


@pytest.mark.parametrize("download", [writer(a=b"A"), writer(a=b"A", b=b"bad")])
def test_a_bad_download_leaves_nothing(tmp_path, download):
    with pytest.raises(DataError, match=r"raw/a is missing and the download failed .*raw/b"):
        complete(tmp_path, CHECKSUMS, download, "sha256")
    assert tree(tmp_path) == []


def test_downloads_are_tried_again(tmp_path):
    attempts = []

    def flaky_download(directory):
        attempts.append(1)
        if len(attempts) < 3:
            raise OSError("no route to host")
        writer(a=b"A", b=b"B")(directory)

    complete(tmp_path, CHECKSUMS, flaky_download, "sha256")
    assert len(attempts) == 3


def test_without_network_the_error_says_what_to_do(tmp_path):
    def offline_download(directory):
        raise OSError("no route to host")

    with pytest.raises(DataError, match=r"no route to host.*UNLEARN_DATA"):
        complete(tmp_path, CHECKSUMS, offline_download, "sha256")


def test_truncated_mnist_is_refused(tmp_path):
    folder = raw_data("MNIST")
    for file in (folder / "MNIST" / "raw").glob("*-ubyte"):
        target = tmp_path / "MNIST" / "raw" / file.name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(file.read_bytes()[:1000])
    with pytest.raises(DataError, match="truncated or altered"):
        build("mnist", tmp_path)


@pytest.mark.parametrize("content", ["altered", "malicious"])
def test_processed_files_of_mnist_are_never_read(tmp_path, content):
    """Beside good raw files: other images, or a pickle that runs a command."""
    folder = raw_data("MNIST")
    (tmp_path / "MNIST" / "processed").mkdir(parents=True)
    (tmp_path / "MNIST" / "raw").symlink_to((folder / "MNIST" / "raw").resolve())
    for name, points in (("training.pt", 60000), ("test.pt", 10000)):
        path = tmp_path / "MNIST" / "processed" / name
        if content == "altered":
            images = torch.zeros((points, 28, 28), dtype=torch.uint8)
            torch.save((images, torch.arange(points) % 10), path)
        else:
            path.write_bytes(command_pickle(tmp_path / "owned"))
    source = registry.find("data", "mnist")()
    arrays = source.load(tmp_path)
    assert not (tmp_path / "owned").exists()
    for array, expected in zip(arrays, source.load(folder), strict=True):
        assert np.array_equal(array, expected) and array.dtype == expected.dtype
    digits_at_start = [7, 2, 1, 0, 4]
    assert arrays.test_labels[:5].tolist() == digits_at_start and arrays.train_images.max() == 255


def command_pickle(path):
    """A pickle that makes a file when it is read."""
    return b"cos\nsystem\n(S'touch " + str(path).encode() + b"'\ntR."


def test_an_altered_cifar_batch_is_never_unpickled(tmp_path):
    folder = raw_data("cifar-10-batches-py")
    target = tmp_path / "cifar-10-batches-py"
    target.mkdir()
    for file in (folder / "cifar-10-batches-py").iterdir():
        (target / file.name).symlink_to(file.resolve())
    (target / "data_batch_3").unlink()
    (target / "data_batch_3").write_bytes(command_pickle(tmp_path / "owned"))
    with pytest.raises(DataError, match="data_batch_3: truncated or altered"):
        build("cifar10", tmp_path)
    assert not (tmp_path / "owned").exists()
