"""Features of images: image by image, standardised by public points, a rule of their own."""

import numpy as np
import pytest
import torch
import yaml

from tests.support.jobs import build, raw_data
from tests.support.project import RESULTS, TINY
from unlearn.core import registry
from unlearn.data.features.base import FeaturesError
from unlearn.data.features.standardised import with_features
from unlearn.study.load import StudyError, load_study

NAMES = [name for name in registry.names("features") if name != "imagenet"]


def kinds(*names):
    return [registry.find("features", name)() for name in names]


def images(count=30, side=32, channels=3):
    return np.random.default_rng(0).integers(0, 256, (count, side, side, channels), dtype=np.uint8)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("side", [28, 32])
def test_features_are_of_one_image(name, side):
    """Changing or removing an image changes no other's features, to the bit."""
    (kind,) = kinds(name)
    pixels = images(side=side)
    features = kind.extract(pixels)
    assert features.shape == (30, kind.size(pixels.shape[1:])) and features.dtype == np.float32
    assert np.isfinite(features).all() and (features.std(0) > 0).mean() > 0.9
    changed_pixels = pixels.copy()
    changed_pixels[7] = changed_pixels[7].transpose(1, 0, 2)
    changed_features = kind.extract(changed_pixels)
    assert np.array_equal(np.delete(changed_features, 7, 0), np.delete(features, 7, 0))
    assert not np.array_equal(changed_features[7], features[7])
    assert np.array_equal(kind.extract(np.delete(pixels, 7, 0)), np.delete(features, 7, 0))
    assert kind.extract(np.zeros_like(pixels[:2])).shape[0] == 2  # without any contrast


def small_data():
    data = build("cifar10", raw_data("cifar-10-batches-py"), subset=300, held_out=0.4)
    test_fields = {
        f"test_{part}": getattr(data, f"test_{part}")[:300] for part in ("images", "labels")
    }
    return type(data)(**vars(data) | test_fields)


def test_private_points_have_no_influence_on_others():
    data = small_data()
    features = with_features(data, kinds("random_conv", "hog"))
    pixels = data.train_images.copy()
    pixels[data.base_ids[0]] = 0
    changed_data = type(data)(**vars(data) | {"train_images": pixels})
    changed_features = with_features(changed_data, kinds("random_conv", "hog"))
    unchanged_ids = np.delete(np.arange(300), data.base_ids[0])
    unchanged_images = changed_features.train_images[unchanged_ids]
    assert np.array_equal(features.train_images[unchanged_ids], unchanged_images)
    assert np.array_equal(features.test_images, changed_features.test_images)
    assert not np.array_equal(features.train_images, changed_features.train_images)
    assert features.description["sha256"] != changed_features.description["sha256"]


def test_features_have_the_scale_of_public_points():
    data = small_data()
    features = with_features(data, kinds("random_conv"))
    public_features = features.train_images[data.held_out_ids][:, 0, 0] * np.sqrt(2048)
    varied_columns = public_features.std(0) > 0
    assert np.allclose(public_features.mean(0), 0, atol=1e-3)
    assert np.allclose(public_features[:, varied_columns].std(0), 1, atol=1e-3)
    assert features.train_images.shape == (300, 1, 1, 2048)
    assert np.array_equal(features.train_labels, data.train_labels)
    assert (features.description["levels"], features.description["std"]) == (1, (1.0,))


def test_weights_that_were_not_published_are_refused(tmp_path, monkeypatch):
    """Neither another file in their place nor a download that cannot be had."""
    (kind,) = kinds("imagenet")
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    with pytest.raises(FeaturesError, match=r"resnet18-f37072fd\.pth cannot be downloaded"):
        kind.extract(images(2))
    file = tmp_path / "checkpoints" / "resnet18-f37072fd.pth"
    file.parent.mkdir(exist_ok=True)
    file.write_bytes(b"something else")
    with pytest.raises(FeaturesError, match="published f37072fd; delete it"):
        kind.extract(images(2))


# -- in a study ------------------------------------------------------------------------------------


def config(model="logistic", request=None, method="deltagrad", recipe=None, **data):
    study = yaml.safe_load(yaml.safe_dump(TINY))
    descent = {"epochs": 20, "batch_size": 150, "lr": 1.0, "momentum": 0, "schedule": "constant"}
    study["recipes"]["quick"] = descent | (recipe or {})
    study["datasets"]["digits"] |= {"held_out": 0.5, "features": "random_conv"} | data
    study["experiments"]["accuracy"] |= {
        "model": model,
        "method": method,
        "request": request or {"name": "random", "rate": [0.05, 0.1]},
        "figure": {"x": "rate", "y": ["accuracy/test", "l2/weights"]},
    }
    return study


def test_features_are_computed_once_in_a_rule_of_their_own(project):
    project.write_study(config())
    jobs = project.planned()
    assert (jobs.count("features"), jobs.count("data")) == (1, 1)
    project.run("tables/accuracy.csv")
    table = project.results("tables/accuracy.csv").read_text()
    assert project.results("data/digits-features=none/dataset.json").exists()
    assert table.count("digits,logistic,deltagrad") == 4
    folder = project.results("data/digits")
    assert np.load(folder / "train_images.npy").shape == (200, 1, 1, 2048)
    assert project.planned(f"{RESULTS}/tables/accuracy.csv") == []
    project.edit("unlearn/data/features/random_conv.py", "THRESHOLD = 1.0", "THRESHOLD = 0.5")
    jobs_after_edit = project.planned()
    assert "features" in jobs_after_edit and "data" not in jobs_after_edit
    assert "train seeds0-1" in jobs_after_edit
    project.edit("unlearn/data/features/random_conv.py", "THRESHOLD = 0.5", "THRESHOLD = 1.0")
    project.edit("unlearn/data/features/hog.py", "CELL = 8", "CELL = 4")
    assert project.planned(f"{RESULTS}/tables/accuracy.csv") == []


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"features": "hogg"}, r"datasets\.digits|experiments.*features.*hogg.*hog"),
        ({"features": "hog"}, "hog has none of images of digits"),
        ({"held_out": 0.1}, "leaves 20 public points to standardise random_conv by"),
        ({"model": "cnn1", "method": "finetune"}, "features are for logistic and mlp"),
        (
            {"recipe": {"flip": True}, "method": "finetune"},
            "features cannot be cropped, flipped or cut",
        ),
        ({"request": {"name": "held_out", "count": 5}}, "which are public and cannot be added"),
        ({"recipe": {"momentum": 0.9}}, "momentum: 0.9 cannot be replayed; allowed: 0"),
        ({"recipe": {"batch_size": 201}}, "batch_size: 201 is more than the 200 points"),
        ({"method": {"name": "deltagrad", "burn_in": 41}}, "burn_in: 41 is more than the 40 iter"),
        ({"method": {"name": "deltagrad", "max_cache_gb": 0.01}}, "would take 0.01 GB"),
        ({"model": "resnet18", "features": None}, "resnet18 is none of logistic and mlp"),
    ],
    ids=str,
)
def test_what_does_not_fit_is_refused_before_anything_runs(change, message):
    with pytest.raises(StudyError, match=message):
        load_study(config(**change))


@pytest.mark.parametrize(
    ("parameter", "value"),
    [
        ("period", 0),
        ("burn_in", -1),
        ("history", 0),
        ("history", 21),
        ("mode", "both"),
        ("variant", "none"),
        ("smoothness", 0),
        ("cache", "float16"),
        ("max_cache_gb", 0),
    ],
)
def test_parameters_have_their_range(parameter, value):
    with pytest.raises(StudyError, match=f"{parameter}.*{value}"):
        load_study(config(method={"name": "deltagrad", parameter: value}))


def test_pixels_can_be_seen_in_other_ranges():
    for pixels, mean, std in (("unit", (0.0,), (1.0,)), ("symmetric", (0.5,), (0.5,))):
        data = build("digits", pixels=pixels)
        assert (data.description["mean"], data.description["std"]) == (mean, std)
