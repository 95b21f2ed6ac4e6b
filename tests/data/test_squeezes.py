"""Squeezes change training images alone, image by image."""

import io
import json

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from tests.support.jobs import build, raw_data
from tests.support.noise import noise_of
from tests.support.noised import config
from unlearn.core import registry
from unlearn.data.dataset import load
from unlearn.data.squeezed_images import with_squeezed_images
from unlearn.perturbations.noisy_images import with_noise
from unlearn.study.load import StudyError, load_study

SQUEEZES = [("grey", {}), ("jpeg", {"quality": 10}), ("bits", {"depth": 2})]


@pytest.fixture(scope="module")
def cifar():
    return build("cifar10", raw_data("cifar-10-batches-py"), subset=60, held_out=0.1)


def squeeze_of(kind, **parameters):
    return registry.find("squeezes", kind)(**parameters)


@pytest.mark.parametrize(("kind", "parameters"), SQUEEZES)
def test_squeezing_commutes_with_taking_subsets(cifar, kind, parameters):
    squeeze = squeeze_of(kind, **parameters)
    whole = squeeze.images(cifar.train_images)
    ids = np.array([40, 3, 17])
    assert whole.dtype == np.uint8 and whole.shape == cifar.train_images.shape
    assert np.array_equal(squeeze.images(cifar.train_images[ids]), whole[ids])
    assert np.array_equal(squeeze.images(cifar.train_images), whole)
    assert (whole != cifar.train_images).any((1, 2, 3)).all()


def test_grey_is_that_of_pillow_bit_for_bit(cifar):
    colours = np.random.default_rng(0).integers(0, 256, (20, 32, 32, 3), dtype=np.uint8)
    corners = np.array([[0, 0, 0], [255, 255, 255], [255, 0, 0], [0, 0, 255]], dtype=np.uint8)
    for images in (cifar.train_images, colours, corners[None, None]):
        squeezed = squeeze_of("grey").images(images)
        for image, expected in zip(squeezed, images, strict=True):
            pillow = np.asarray(Image.fromarray(np.ascontiguousarray(expected)).convert("L"))
            assert all(np.array_equal(image[..., channel], pillow) for channel in range(3))


@pytest.mark.parametrize(("name", "folder"), [("cifar10", "cifar-10-batches-py"), ("digits", None)])
def test_jpeg_is_that_of_pillow_at_its_defaults_for_colours(name, folder):
    data = build(name, raw_data(folder) if folder else "unused", subset=20)
    squeezed = squeeze_of("jpeg", quality=30).images(data.train_images)
    for image, raw in zip(squeezed, data.train_images, strict=True):
        buffer = io.BytesIO()
        Image.fromarray(np.ascontiguousarray(raw.squeeze())).save(buffer, "JPEG", quality=30)
        assert np.array_equal(image.squeeze(), np.asarray(Image.open(buffer)))
    error = [
        abs(squeeze_of("jpeg", quality=quality).images(data.train_images) - 1.0 * data.train_images)
        for quality in (10, 30, 90)
    ]
    assert error[0].mean() > error[1].mean() > error[2].mean() > 0


def test_bits_keeps_the_highest():
    ramp = np.arange(256, dtype=np.uint8).reshape(1, 16, 16, 1)
    assert np.unique(squeeze_of("bits", depth=2).images(ramp)).tolist() == [0, 64, 128, 192]
    for depth in range(1, 8):
        squeezed = squeeze_of("bits", depth=depth).images(ramp)
        assert len(np.unique(squeezed)) == 2**depth and (squeezed <= ramp).all()
        assert (ramp - squeezed).max() == 2 ** (8 - depth) - 1


def test_only_training_images_change_and_noise_stays_known(cifar):
    values, record = noise_of(cifar, "random_noise", epsilon=0.0314)
    noisy = with_noise(cifar, values, record | {"share": 0.5, "seed": 0})
    squeezed = with_squeezed_images(noisy, "jpeg", squeeze_of("jpeg", quality=20))
    assert np.array_equal(squeezed.noised_ids, noisy.noised_ids) and len(noisy.noised_ids)
    for name, array in noisy.arrays().items():
        is_same = np.array_equal(array, squeezed.arrays()[name])
        assert is_same is (name != "train_images"), name
    assert np.array_equal(
        squeezed.train_images, squeeze_of("jpeg", quality=20).images(noisy.train_images)
    )
    assert squeezed.fingerprint != noisy.fingerprint
    about = squeezed.description["squeeze"]
    assert (about["kind"], about["parameters"]) == ("jpeg", {"quality": 20})
    assert about["versions"]["pillow"]


def test_a_study_of_squeezed_noisy_images(project):
    """Noise, then squeeze, in rules of their own; requests that delete noisy points go on."""
    plan = config(
        noise={"name": "random_noise", "epsilon": 0.1},
        noised=0.5,
        squeeze=[None, "coarse", {"name": "jpeg", "quality": 40}],
    )
    plan["squeezes"] = {"coarse": {"name": "bits", "depth": 3}}
    plan["experiments"]["accuracy"]["figure"]["x"] = "dataset.squeeze"
    project.write_study(plan)
    assert {"noise", "noised", "squeezed"} <= set(project.planned())
    project.run()
    folder = project.results()
    noisy_name = "digits-noise=random_noise-epsilon=0.1-noised=0.5"
    datasets = {path.name: load(path) for path in (folder / "data").iterdir()}
    assert set(datasets) == {
        "digits",
        noisy_name,
        f"{noisy_name}-squeeze=coarse",
        f"{noisy_name}-squeeze=jpeg-quality=40",
    }
    noisy = datasets[noisy_name]
    coarse = datasets[f"{noisy_name}-squeeze=coarse"]
    assert np.array_equal(coarse.train_images, noisy.train_images >> 5 << 5)
    assert np.array_equal(coarse.test_images, noisy.test_images)
    assert coarse.description["squeeze"]["parameters"] == {"depth": 3}
    table = pd.read_csv(folder / "tables/accuracy.csv", keep_default_na=False)
    assert set(table["dataset.squeeze"]) == {"none", "coarse", "jpeg-quality=40"}
    assert set(table["points"].astype(int)) == {len(noisy.noised_ids)}
    provenance = json.loads((folder / "provenance.json").read_text())
    assert f"{noisy_name}-squeeze=coarse" in provenance["datasets"]
    scores = pd.read_csv(folder / "scores.csv")
    rounds = scores[scores["metric"] == "noise_rounds"]
    assert set(rounds["dataset"]) == set(datasets) - {"digits"}
    assert project.planned() == []
    project.edit("unlearn/data/squeezes/bits.py", ">> shift << shift", ">> shift << shift | 1")
    replanned = project.planned()
    assert "squeezed" in replanned and not {"noise", "noised"} & set(replanned)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"squeeze": "gray"}, r"squeeze: unknown squeeze 'gray'; allowed: bits, grey, jpeg"),
        ({"squeeze": {"quality": 10}}, "needs the name of the squeeze"),
        (
            {"squeeze": {"name": "jpeg", "quality": 0}},
            "quality: 0 is not allowed; allowed: between",
        ),
        ({"squeeze": {"name": "jpeg", "quality": 96}}, "quality: 96 is not allowed"),
        ({"squeeze": {"name": "bits", "depth": 8}}, "depth: 8 is not allowed; allowed: between 1"),
        ({"squeeze": {"name": "bits", "depth": 0}}, "depth: 0 is not allowed"),
        ({"squeeze": "grey"}, "squeeze: grey: digits has images of 1 channels; allowed: 3"),
        (
            {"squeeze": "bits", "features": "random_conv", "held_out": 0.5},
            "squeeze: bits changes images; allowed: null beside features",
        ),
    ],
)
def test_what_cannot_be_squeezed_is_refused_by_the_plan(change, message):
    with pytest.raises(StudyError, match=message):
        load_study(config(noised=1, **change))


def test_pictures_of_noise_refuse_squeezed_images():
    plan = config(noised=1)
    noisy = {"name": "digits", "noise": "quick", "squeeze": "bits"}
    plan["pictures"] = {"examples": {"dataset": noisy}}
    with pytest.raises(
        StudyError, match=r"pictures\.examples.*is squeezed; allowed: squeeze: null"
    ):
        load_study(plan)


def test_exchanged_labels_and_squeezed_images_go_together():
    plan = load_study(
        config(
            {"request": "label_swap", "figure": {"x": "dataset", "y": "accuracy/test"}},
            noise=None,
            noised=1,
            squeeze="bits",
            swapped=20,
            swapped_classes=[3, 8],
        )
    )
    sources = {name: part.source for name, part in plan.datasets.items()}
    assert len(sources) == 3 and [*sources.values()].count(None) == 1
    (squeezed,) = [part for part in plan.datasets.values() if part.squeeze]
    assert plan.datasets[squeezed.source].facts.swapped_classes == (3, 8)
    assert squeezed.facts.swapped_classes == (3, 8)
