"""CFW, PRMQ, RNI and KDE: disturb the network, then learn from the retain set."""

import numpy as np
import pytest
import torch
from torch.nn import functional

from tests.support.conformance import Subject, checksum, instance, ninth_ids, ninth_step
from tests.support.plain_steps import (
    NO_RATE,
    moved_names,
    plain_task,
    retained_ids,
    serve_plainly,
)
from tests.support.streams import with_pixels
from tests.support.study import load
from unlearn.algorithms.convolutions import convolutions
from unlearn.study.load import StudyError


@pytest.fixture(scope="module")
def trained(digits):
    """Models of the standard trainer, by architecture."""
    models = ("mlp", "cnn1", "resnet9")
    return {model: Subject(instance("finetune"), digits, model=model).trained() for model in models}


def changes(state, before, names):
    """The changes of tensors, in one row."""
    return np.concatenate([(np.asarray(state[n]) - before[n]).ravel() for n in names])


@pytest.mark.parametrize("name", ["cfw", "prmq", "rni", "kde"])
def test_the_deleted_points_are_not_read(name, digits, trained):
    subject = Subject(instance(name), digits, name, "cnn1")
    state, _ = subject.serve(trained["cnn1"])
    other, _ = subject.serve(trained["cnn1"], with_pixels(digits, ninth_ids(digits), 77))
    assert checksum(state) == checksum(other)


# -- CFW


@pytest.mark.parametrize(("epochs", "expected"), [(1, 0.3), (2, 0.5)])
@pytest.mark.parametrize("scope", ["stem", "all"])
def test_cfw_adds_noise_to_the_kernels_in_scope(scope, epochs, expected, digits, trained):
    """The second time before the last epoch: 0.3 and 0.4 make 0.5."""
    before = trained["resnet9"]
    options = {"noise": 0.3, "last_noise": 0.4, "lr": NO_RATE, "epochs": epochs}
    state, task = serve_plainly("cfw", digits, before, "resnet9", scope=scope, **options)
    kernels = list(convolutions(task.new_model(0)))
    kernels = kernels[:1] if scope == "stem" else kernels
    weights = {name for name, _ in task.new_model(0).named_parameters()}
    assert moved_names(state, before) & weights == set(kernels)
    change = changes(state, before, kernels)
    assert change.std() == pytest.approx(expected, rel=0.05 if scope == "all" else 0.4)
    assert change.mean() == pytest.approx(0, abs=0.02 if scope == "all" else 0.4)


def test_one_step_of_cfw_weighs_the_classes(digits, trained):
    """By hand: each class has the same part in the loss."""
    state, task = serve_plainly(
        "cfw", digits, trained["cnn1"], noise=0, epochs=1, lr=0.3, schedule="constant"
    )
    model = task.model(trained["cnn1"])
    ids = retained_ids(digits)
    labels = task.data.labels(ids)
    losses = functional.cross_entropy(model(task.data.images(ids)), labels, reduction="none")
    sum(losses[labels == label].mean() / 10 for label in range(10)).backward()
    for name, parameter in model.named_parameters():
        expected = parameter.detach() - 0.3 * parameter.grad
        assert torch.allclose(state[name], expected, rtol=1e-5, atol=1e-6), name


def test_cfw_follows_a_cosine(digits, trained):
    """One step at the whole rate, one at half of it."""
    options = {"noise": 0, "last_noise": 0, "lr": 0.3}
    halves, _ = serve_plainly("cfw", digits, trained["cnn1"], epochs=2, **options)
    first, _ = serve_plainly("cfw", digits, trained["cnn1"], epochs=1, **options)
    second, _ = serve_plainly("cfw", digits, first, epochs=1, **options | {"lr": 0.15})
    for name, tensor in halves.items():
        assert torch.allclose(tensor, second[name], rtol=1e-5, atol=1e-6), name


# -- PRMQ


def test_prmq_keeps_the_largest_weights_of_all_layers_together(digits, trained):
    before = trained["cnn1"]
    state, _ = serve_plainly("prmq", digits, before, share=0.9, lr=NO_RATE)
    magnitudes = np.concatenate([np.abs(tensor).ravel() for tensor in before.values()])
    limit = np.sort(magnitudes)[round(0.9 * len(magnitudes))]
    kept_count = 0
    for name, tensor in before.items():
        is_kept = np.abs(tensor) >= limit
        rounded = tensor.astype(np.float16).astype(np.float32)
        assert np.array_equal(state[name].numpy()[is_kept], rounded[is_kept]), name
        replaced = state[name].numpy()[~is_kept]
        bound = 0 if tensor.ndim == 1 else tensor[0].size ** -0.5
        assert np.abs(replaced).max(initial=0) <= bound * 1.001
        if tensor.ndim > 1:
            assert replaced.std() == pytest.approx(bound / 3**0.5, rel=0.2)
        kept_count += is_kept.sum()
    assert kept_count == len(magnitudes) - round(0.9 * len(magnitudes))


def test_one_step_of_prmq_matches_labels_and_entropies(digits, trained):
    """Nothing is pruned, and the teacher is the start: its entropies add no gradient at first."""
    options = {"share": 0, "lr": 0.3, "entropy_weight": 3.0}
    state, task = serve_plainly("prmq", digits, trained["cnn1"], epochs=2, **options)
    model = task.model(trained["cnn1"])
    teacher = task.model(trained["cnn1"])
    ids = retained_ids(digits)
    images, labels = task.data.images(ids), task.data.labels(ids)
    weights = torch.bincount(labels)[labels] ** -0.1
    weights = weights / weights.mean()

    def entropy(network):
        shares = network(images).softmax(1)
        return -(shares * shares.log()).sum(1)

    for _ in range(2):
        model.zero_grad()
        losses = functional.cross_entropy(model(images), labels, reduction="none")
        distance = (entropy(model) - entropy(teacher).detach()) ** 2
        ((weights * losses).mean() + 3 * distance.mean()).backward()
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.sub_(0.3 * parameter.grad)
    for name, parameter in model.named_parameters():
        assert torch.allclose(state[name], parameter.half().float(), rtol=2e-3, atol=1e-4), name
        assert torch.equal(state[name], state[name].half().float()), name


@pytest.mark.parametrize(("epochs", "steps"), [(0.01, 1), (1, 7), (2.5, 17), (3.2, 22)])
def test_prmq_takes_part_of_an_epoch(epochs, steps, digits, trained):
    """int(E x minibatches) steps; an epoch of 200 points has 7."""
    subject = Subject(instance("prmq", epochs=epochs), digits, "prmq", "cnn1")
    _, task = subject.serve(trained["cnn1"])
    assert task.meter.optimizer_steps == steps
    assert task.meter.forward_evaluations == task.meter.gradient_evaluations
    formula = subject.method.gradient_evaluations(len(retained_ids(digits)), 18, task.recipe)
    assert formula == (task.meter.gradient_evaluations if epochs == 1 else None)


# -- networks that they do not suit


@pytest.mark.parametrize("name", ["cfw", "kde"])
def test_networks_without_convolutions_are_refused(name, digits, trained):
    with pytest.raises(StudyError, match=rf"{name}.*: Mlp has no convolution; allowed: "):
        load(lambda _, experiment: experiment.update(method=name, model="mlp"))
    task = plain_task(digits, "mlp")
    with pytest.raises(ValueError, match=r"^the network has no convolution; allowed: "):
        instance(name).unlearn(task, trained["mlp"], ninth_step(digits), 0)
    assert task.meter.gradient_evaluations == task.meter.forward_evaluations == 0
