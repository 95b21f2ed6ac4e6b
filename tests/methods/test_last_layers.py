"""CF-k and EU-k: the last layers forget, the others stay as they are."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from tests.support.conformance import Subject, checksum, instance, ninth_ids, ninth_step, retrained
from tests.support.streams import with_pixels
from tests.support.study import load
from unlearn.algorithms.last_layers import tensors_of_last_layers
from unlearn.core import registry
from unlearn.core.setting import Setting
from unlearn.study.load import StudyError

MODELS = ("mlp", "cnn1", "resnet9", "air")

BOTH = pytest.mark.parametrize("name", ["cf_k", "eu_k"])


@pytest.fixture(scope="module")
def trained(digits):
    """Models of the standard trainer, by architecture."""
    return {model: Subject(instance("finetune"), digits, model=model).trained() for model in MODELS}


def subject_of(name, digits, model="mlp", **options):
    return Subject(instance(name, **options), digits, name, model)


def moved_tensors(state, before):
    return {name for name in before if not np.array_equal(state[name], before[name])}


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("k", [1, 2])
@BOTH
def test_frozen_layers_stay_under_momentum_and_decay(name, k, model, digits, trained):
    """To the bit, statistics of their batch normalisation included; all of the others move."""
    subject = subject_of(name, digits, model, k=k, epochs=2)
    state, task = subject.serve(trained[model])
    assert task.recipe.momentum and task.recipe.weight_decay
    free = tensors_of_last_layers(task.new_model(0), k)
    assert moved_tensors(state, trained[model]) == free


@BOTH
def test_the_deleted_points_are_not_read(name, digits, trained):
    subject = subject_of(name, digits, "cnn1")
    state, _ = subject.serve(trained["cnn1"])
    other, _ = subject.serve(trained["cnn1"], with_pixels(digits, ninth_ids(digits), 77))
    assert checksum(state) == checksum(other)


@pytest.mark.parametrize("model", ["cnn1", "resnet9"])
@pytest.mark.parametrize(("name", "blind"), [("cf_k", False), ("eu_k", True)])
def test_who_reads_the_weights_of_the_last_layers(name, blind, model, digits, trained):
    before = trained[model]
    state, task = subject_of(name, digits, model, k=1).serve(before)
    generator = np.random.default_rng(0)
    noisy = dict(before)
    for tensor in tensors_of_last_layers(task.new_model(0), 1):
        noise = generator.standard_normal(before[tensor].shape)
        noisy[tensor] = (before[tensor] + noise).astype(before[tensor].dtype)
    other, _ = subject_of(name, digits, model, k=1).serve(noisy)
    assert (checksum(state) == checksum(other)) is blind


def test_cf_k_of_all_layers_is_finetuning(digits, trained):
    state, _ = subject_of("cf_k", digits, "resnet9", k=9, epochs=2, lr=0.01).serve(
        trained["resnet9"]
    )
    other, _ = subject_of("finetune", digits, "resnet9", epochs=2, lr=0.01).serve(
        trained["resnet9"]
    )
    assert checksum(state) == checksum(other)


@pytest.mark.parametrize("model", MODELS)
def test_eu_k_of_all_layers_by_the_recipe_is_the_oracle(model, digits, trained):
    """To the bit, whitened filters and statistics included."""
    recipe = Subject(instance("retrain"), digits, model=model).task().recipe
    options = {"epochs": recipe.epochs, "lr": recipe.lr, "schedule": recipe.schedule}
    state, _ = subject_of("eu_k", digits, model, k=None, **options).serve(trained[model])
    retain_ids = np.setdiff1d(digits.base_ids, ninth_ids(digits))
    oracle = next(retrained(Subject(instance("retrain"), digits, model=model), retain_ids))
    assert checksum(state) == checksum(oracle)


def test_new_layers_are_a_draw_of_the_seed(digits, trained):
    """At a rate that trains nothing: new weights, and others for another seed."""
    options = {"k": 1, "epochs": 1, "lr": 1e-12}
    states = [
        subject_of("eu_k", digits, **options).serve(trained["mlp"], seed=seed)[0] for seed in (0, 1)
    ]
    for state, other in (states, (states[0], trained["mlp"])):
        distance = np.abs(state["3.weight"] - other["3.weight"])
        assert distance.mean() > 0.01
    assert np.array_equal(states[0]["1.weight"], states[1]["1.weight"])


@BOTH
def test_one_step_is_that_of_the_last_layer(name, digits, trained):
    """start - lr (gradient on the retain set), one minibatch, no momentum, no decay."""
    plain = subject_of(name, digits, k=1, epochs=1, lr=0.3, schedule="constant")
    task = plain.task()
    task.recipe = replace(task.recipe, batch_size=200, momentum=0.0, weight_decay=0.0)
    state = plain.method.unlearn(task, trained["mlp"], ninth_step(digits), 0).tensors
    model = task.model(trained["mlp"])
    if name == "eu_k":
        from unlearn.core import seeding

        first = task.new_model(seeding.derive(0, "initial weights"))
        model[3].load_state_dict(first[3].state_dict())
    ids = np.setdiff1d(digits.base_ids, ninth_ids(digits))
    logits = model(task.data.images(ids))
    torch.nn.functional.cross_entropy(logits, task.data.labels(ids)).backward()
    for tensor in ("3.weight", "3.bias"):
        parameter = model.get_parameter(tensor)
        expected = parameter.detach() - 0.3 * parameter.grad
        assert torch.allclose(torch.as_tensor(state[tensor]), expected, rtol=1e-5, atol=1e-6)


@BOTH
def test_fewer_layers_cost_less_arithmetic_and_as_many_gradients(name, digits, trained):
    costs = []
    for k in (1, 2):
        _, task = subject_of(name, digits, k=k, epochs=2).serve(trained["mlp"])
        costs.append(task.meter.flops)
        assert task.meter.gradient_evaluations == 2 * (160 - len(ninth_ids(digits)))
    assert costs[0] < costs[1]


@BOTH
@pytest.mark.parametrize("model", registry.names("models"))
def test_more_layers_than_an_architecture_has_are_refused(name, model):
    architecture = registry.find("models", model)()
    count = architecture.layer_count
    assert instance(name, k=count).supports(Setting(model=architecture)) is None
    reason = instance(name, k=count + 1).supports(Setting(model=architecture))
    kind = type(architecture).__name__
    assert (
        reason == f"k: {count + 1} is more than the layers of {kind}; allowed: 1 .. {count} or null"
    )


@BOTH
def test_a_study_refuses_more_layers_than_its_model_has(name):
    message = rf"{name}.*: k: 3 is more than the layers of Cnn1; allowed: 1 \.\. 2 or null"
    with pytest.raises(StudyError, match=message):
        load(lambda _, experiment: experiment.update(method={"name": name, "k": 3}))


@BOTH
def test_a_network_with_fewer_layers_fails_before_any_work(name, digits, trained):
    subject = subject_of(name, digits, k=3)
    task = subject.task()
    with pytest.raises(ValueError, match=r"^k: 3 is more .*; allowed: 1 \.\. 2 or null$"):
        subject.method.unlearn(task, trained["mlp"], ninth_step(digits), 0)
    assert task.meter.gradient_evaluations == task.meter.forward_evaluations == 0
