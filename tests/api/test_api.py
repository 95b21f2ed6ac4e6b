"""The library as a notebook uses it: own arrays, own network, an oracle, an evaluation."""

import nbformat
import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from tests.support.jobs import build
from tests.support.project import ROOT
from unlearn import api
from unlearn.methods.deltagrad import Deltagrad
from unlearn.methods.finetune import Finetune
from unlearn.methods.gradient_ascent import GradientAscent
from unlearn.methods.influence_distillation import InfluenceDistillation
from unlearn.methods.sisa import Sisa
from unlearn.models.mlp import Mlp
from unlearn.trainers.sisa import SisaTrainer
from unlearn.trainers.teacher import TeacherTrainer
from unlearn.training.loop import fit

RECIPE = api.Recipe(epochs=3, batch_size=32, lr=0.1)
TUTORIAL = ROOT / "docs" / "tutorial.ipynb"


def network():
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 16), nn.Tanh(), nn.Linear(16, 10))


@pytest.fixture(scope="module")
def dataset():
    digits = build("digits", subset=300)
    images = (digits.train_images, digits.test_images)
    labels = (digits.train_labels, digits.test_labels)
    return api.from_arrays(images[0][..., 0], labels[0], images[1], labels[1], validation=20)


@pytest.fixture(scope="module")
def original(dataset):
    return api.train(dataset, network, recipe=RECIPE)


def test_the_tutorial_runs_in_under_thirty_lines():
    cells = nbformat.read(TUTORIAL, as_version=4).cells
    code = [cell.source for cell in cells if cell.cell_type == "code"]
    lines = [line for cell in code for line in cell.splitlines() if line.strip()]
    assert len(lines) < 30
    names: dict = {}
    for cell in code:
        exec(cell, names)
    table = names["table"]
    assert table.loc[("kl", "forget"), "oracle"] == 0
    assert table.loc[("kl", "forget"), "unlearned"] > 0
    assert table.loc[("gradient_evaluations", "forget"), "unlearned"] > 0


def test_an_own_network_is_unlearned_and_scored(dataset, original):
    forget_ids = [3, 1, 2]
    unlearned = api.unlearn(original, Finetune(epochs=1), forget_ids)
    oracle = api.retrain(original, forget_ids)
    table = api.evaluate(unlearned, oracle)
    assert list(table) == ["unlearned", "oracle", "original"]
    logits = unlearned.predict(dataset.test_images)
    accuracy = (logits.argmax(1) == dataset.test_labels).mean()
    assert table.loc[("accuracy", "test"), "unlearned"] == pytest.approx(accuracy)
    assert table.loc[("l2", "weights"), "oracle"] == 0 < table.loc[("l2", "weights"), "unlearned"]
    assert table.loc[("l2_relative", "weights"), "original"] == 1
    with torch.no_grad():
        images = torch.from_numpy(dataset.test_images).permute(0, 3, 1, 2).float() / 255
        assert torch.allclose(unlearned.network()(images), torch.from_numpy(logits), atol=1e-5)


def test_the_oracle_is_training_without_the_points(dataset, original):
    """Paired: the same initial weights and minibatches, less the points."""
    from unlearn.core import seeding
    from unlearn.training.state import state_of

    oracle = api.retrain(original, [5, 6])
    model = original.task.new_model(seeding.derive(0, "initial weights"))
    ids = np.setdiff1d(dataset.base_ids, [5, 6])
    fit(original.task, model, ids, RECIPE, seeding.derive(0, "training"))
    for name, tensor in state_of(model).items():
        assert np.array_equal(np.asarray(oracle.state[name]), tensor.numpy())


def test_requests_follow_each_other(original):
    first = api.unlearn(original, GradientAscent(epochs=1), [0, 1])
    second = api.unlearn(first, GradientAscent(epochs=1), [2])
    assert second.original is original and len(second.costs) == 3
    assert list(second.steps()[-1].forget_ids) == [0, 1, 2]
    oracle = api.retrain(api.retrain(original, [0, 1]), [2])
    assert isinstance(api.evaluate(second, oracle), pd.DataFrame)
    with pytest.raises(ValueError, match="cannot delete point 0: it is not in the training set"):
        api.unlearn(first, GradientAscent(), [0])


@pytest.mark.parametrize(
    ("trainer", "method"),
    [
        (SisaTrainer(shards=3), Sisa()),
        (TeacherTrainer(), InfluenceDistillation(epochs=1, curvature_points=20)),
    ],
    ids=["sisa", "distillation"],
)
def test_methods_of_other_trainers(dataset, trainer, method):
    original = api.train(dataset, Mlp(hidden=8), recipe=RECIPE, trainer=trainer)
    unlearned = api.unlearn(original, method, [0, 4])
    table = api.evaluate(unlearned, api.retrain(original, [0, 4]))
    assert np.isfinite(table.loc[("accuracy", "test")]).all()
    if trainer.ensemble:
        assert table.loc[("kl", "test"), "unlearned"] == 0


@pytest.mark.parametrize("kind", ["module", "state_dict", "safetensors", "pt"])
def test_an_own_trained_model_is_the_original(dataset, tmp_path, kind):
    model = network()
    weights = model
    if kind != "module":
        weights = model.state_dict()
    if kind == "safetensors":
        save_file(weights, tmp_path / "model.safetensors")
        weights = tmp_path / "model.safetensors"
    elif kind == "pt":
        torch.save(weights, tmp_path / "model.pt")
        weights = tmp_path / "model.pt"
    original = api.pretrained(dataset, network, weights, recipe=RECIPE)
    images = torch.from_numpy(dataset.test_images).permute(0, 3, 1, 2).float() / 255
    with torch.no_grad():
        expected = model(images).numpy()
    assert np.allclose(original.predict(dataset.test_images), expected, atol=1e-5)
    unlearned = api.unlearn(original, Finetune(epochs=1), [0])
    assert len(api.evaluate(unlearned, api.retrain(original, [0])))


def test_a_pickle_is_not_opened(dataset, tmp_path):
    torch.save(network(), tmp_path / "model.pt")
    with pytest.raises(ValueError, match=r"model\.pt: cannot be read as a checkpoint"):
        api.pretrained(dataset, network, tmp_path / "model.pt")


def test_a_registered_data_set():
    assert len(api.load_dataset("digits", subset=50).train_labels) == 50
    with pytest.raises(ValueError, match="subset: 0 is not allowed"):
        api.load_dataset("digits", subset=0)


def test_what_does_not_fit_is_refused(dataset, original):
    with pytest.raises(ValueError, match="Deltagrad unlearns models of trainer deltagrad"):
        api.unlearn(original, Deltagrad(), [0])
    with pytest.raises(ValueError, match="GradientAscent cannot add points"):
        api.unlearn(original, GradientAscent(), [], [0])
    with pytest.raises(ValueError, match="ids go from 0 to 279"):
        api.unlearn(original, Finetune(), [280])
    with pytest.raises(ValueError, match="its deletions are not those"):
        api.evaluate(api.unlearn(original, Finetune(), [0]), api.retrain(original, [1]))
    with pytest.raises(TypeError, match=r"is no torch\.nn\.Module"):
        api.train(dataset, lambda: "model", recipe=RECIPE)
    with pytest.raises(ValueError, match="epochs: 0 is not allowed"):
        Finetune(epochs=0)


IMAGES = np.zeros((6, 4, 4), np.uint8)
LABELS = np.array([0, 1, 2, 0, 1, 2])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"train_images": IMAGES / 255}, "train_images: dtype float64 .* allowed: uint8; pixels"),
        ({"train_images": IMAGES[0]}, r"train_images: shape \(4, 4\)"),
        ({"test_images": np.zeros((6, 3, 4), np.uint8)}, "test_images: images of"),
        ({"train_images": np.zeros((6, 4, 4, 2), np.uint8)}, "2 channels"),
        ({"train_labels": LABELS[:5]}, r"train_labels: shape \(5,\) .* allowed: \(6,\)"),
        ({"train_labels": LABELS + 1}, "class 0 has no points"),
        ({"train_labels": LABELS - 1}, "label -1 is not allowed"),
        ({"train_labels": LABELS.astype(float)}, "train_labels: dtype float64"),
        ({"test_labels": LABELS + 1}, "test_labels: class 3"),
    ],
)
def test_arrays_that_make_no_data_set_are_refused(change, message):
    arrays = dict.fromkeys(("train_images", "test_images"), IMAGES)
    arrays |= dict.fromkeys(("train_labels", "test_labels"), LABELS)
    with pytest.raises(ValueError, match=message):
        api.from_arrays(**arrays | change)


def test_points_of_own_arrays_are_found_again(dataset):
    """The validation split takes points away, so places in the dataset are not those in arrays."""
    digits = build("digits", subset=300)
    places = dataset.source_ids[[0, 7, 100]]
    ids = dataset.ids_of_source(places)
    assert list(ids) == [0, 7, 100]
    assert np.array_equal(dataset.train_images[ids], digits.train_images[places])
    absent = np.setdiff1d(np.arange(300), dataset.source_ids)
    assert len(absent) == 20
    for place in (absent[0], 300):
        with pytest.raises(ValueError, match=f"point {place} of the source is not among"):
            dataset.ids_of_source([place])


def test_a_student_of_another_architecture_is_followed_by_another_request(dataset):
    """The oracle of the second request is of the architecture of the original."""
    original = api.train(dataset, Mlp(hidden=8), recipe=RECIPE, trainer=TeacherTrainer())
    method = InfluenceDistillation(student="logistic", epochs=1, weights="uniform")
    first = api.unlearn(original, method, [0])
    assert len(list(first.network().parameters())) == 2
    second = api.unlearn(first, method, [1])
    oracle = api.retrain(api.retrain(original, [0]), [1])
    assert len(list(oracle.network().parameters())) == 4
    assert np.isfinite(api.evaluate(second, oracle).loc[("kl", "test"), "unlearned"])


@pytest.mark.parametrize(
    ("student", "has_speedup"),
    [({}, True), ({"student": "mlp", "size": 4}, False), ({"student": "logistic"}, False)],
)
def test_gradient_evaluations_of_models_of_two_sizes_make_no_speedup(dataset, student, has_speedup):
    """Seconds and FLOPs stay: they compare all models."""
    original = api.train(dataset, Mlp(hidden=8), recipe=RECIPE, trainer=TeacherTrainer())
    method = InfluenceDistillation(epochs=1, weights="uniform", **student)
    table = api.evaluate(api.unlearn(original, method, [0]), api.retrain(original, [0]))
    column = table["unlearned"]
    assert np.isfinite(column["speedup", "forget"]) == has_speedup
    assert column["speedup_seconds", "forget"] > 0 and column["flops", "forget"] > 0


class Picky(Finetune.__base__):
    """Refuses every setting."""

    serves = ("add",)

    def supports(self, setting):
        """Never."""
        return "never"


class Misspelt(Finetune.__base__):
    """Returns a tensor that no network has."""

    def unlearn(self, task, original, request, seed):
        """A misspelt name."""
        return api_update({"1.wieght": original["1.weight"]})


def api_update(*arguments, **keywords):
    from unlearn.methods.base import Update

    return Update(*arguments, **keywords)


def test_what_a_study_refuses_the_library_refuses(original):
    with pytest.raises(ValueError, match="Picky cannot delete points"):
        api.unlearn(original, Picky(), [0])
    with pytest.raises(ValueError, match="Picky: never"):
        api.unlearn(original, Picky(), [])
    with pytest.raises(ValueError, match=r"no network has a tensor 1\.wieght"):
        api.unlearn(original, Misspelt(), [0])
    with pytest.raises(TypeError, match=r"give an instance, Finetune\(\)"):
        api.unlearn(original, Finetune, [0])
    unlearned = api.unlearn(original, Finetune(epochs=1), [0])
    with pytest.raises(ValueError, match="it is no model that `retrain` returned"):
        api.evaluate(unlearned, unlearned)
