"""RNI and KDE: new layers, then training on few tensors or on a teacher."""

import numpy as np
import pytest
import torch
from torch.nn import functional

from tests.support.conformance import Subject, instance
from tests.support.plain_steps import (
    NO_RATE,
    moved_names,
    retained_ids,
    serve_plainly,
)


@pytest.fixture(scope="module")
def trained(digits):
    """Models of the standard trainer, by architecture."""
    models = ("mlp", "cnn1", "resnet9")
    return {model: Subject(instance("finetune"), digits, model=model).trained() for model in models}


def changes(state, before, names):
    """The changes of tensors, in one row."""
    return np.concatenate([(np.asarray(state[n]) - before[n]).ravel() for n in names])


# -- RNI


def test_rni_resets_the_last_layer_and_no_other(digits, trained):
    options = {"noisy_epochs": 1, "full_epochs": 0, "lr": NO_RATE}
    state, _ = serve_plainly("rni", digits, trained["cnn1"], **options)
    head = {"4.weight", "4.bias"}
    assert moved_names(state, trained["cnn1"]) == head
    bound = trained["cnn1"]["4.weight"][0].size ** -0.5
    assert bound / 2 < state["4.weight"].abs().max() <= bound


@pytest.mark.parametrize("count", [1, 3])
def test_an_epoch_of_rni_trains_few_tensors_and_all_batch_normalisation(count, digits, trained):
    """Under momentum and decay the others stay as they are, to the bit."""
    before = trained["resnet9"]
    options = {"tensors": count, "noisy_epochs": 1, "full_epochs": 0}
    for seed in range(3):
        subject = Subject(instance("rni", **options), digits, "rni", "resnet9")
        state, task = subject.serve(before, seed=seed)
        model = task.new_model(0)
        norms = {
            f"{name}.{parameter}"
            for name, layer in model.named_modules()
            if isinstance(layer, torch.nn.BatchNorm2d)
            for parameter, _ in layer.named_parameters()
        }
        parameters = {name for name, _ in model.named_parameters()}
        moved = moved_names(state, before) & parameters
        assert norms < moved
        others = moved - norms - {"8.weight", "8.bias"}  # which are new
        assert len(others) <= count
        assert len(others) >= count - 2


def test_rni_adds_noise_from_the_second_epoch_to_tensors_that_are_new(digits, trained):
    """All four tensors at a time: none is left for noise. Two at a time: one gets noise."""
    options = {"noise": 0.5, "full_epochs": 0, "lr": NO_RATE}
    fixed, _ = serve_plainly("rni", digits, trained["cnn1"], tensors=4, noisy_epochs=2, **options)
    reset, _ = serve_plainly("rni", digits, trained["cnn1"], tensors=2, noisy_epochs=1, **options)
    assert not moved_names(fixed, {name: tensor.numpy() for name, tensor in reset.items()})
    noisy, _ = serve_plainly("rni", digits, trained["cnn1"], tensors=2, noisy_epochs=40, **options)
    moved = moved_names(noisy, {name: tensor.numpy() for name, tensor in reset.items()})
    assert 1 <= len(moved) <= 2  # those of the first epoch get none
    change = changes(noisy, {name: tensor.numpy() for name, tensor in reset.items()}, moved)
    assert change.std() == pytest.approx(0.5, rel=0.5)


def test_the_last_epoch_of_rni_trains_all_at_a_larger_rate(digits, trained):
    options = {"noisy_epochs": 1, "lr": 0.01}
    first, task = serve_plainly("rni", digits, trained["cnn1"], full_epochs=0, **options)
    second, _ = serve_plainly("rni", digits, trained["cnn1"], full_epochs=1, **options)
    third, _ = serve_plainly("rni", digits, trained["cnn1"], full_epochs=2, **options)
    ids = retained_ids(digits)

    def step(state, lr):
        model = task.model(state)
        logits = model(task.data.images(ids))
        functional.cross_entropy(logits, task.data.labels(ids)).backward()
        return {name: p.detach() - lr * p.grad for name, p in model.named_parameters()}

    for state, expected in ((second, step(first, 0.05)), (third, step(step(first, 0.01), 0.05))):
        for name, tensor in expected.items():
            assert torch.allclose(state[name], tensor, rtol=1e-5, atol=1e-6), name


# -- KDE


def kde_start(digits, before):
    """The state with new first and last layers."""
    options = {"validation_epochs": 0, "epochs": 1, "lr": NO_RATE}
    return serve_plainly("kde", digits, before, "resnet9", **options)


def test_kde_resets_the_first_convolution_and_the_last_layer(digits, trained):
    before = trained["resnet9"]
    state, task = kde_start(digits, before)
    parameters = {name for name, _ in task.new_model(0).named_parameters()}
    assert moved_names(state, before) & parameters == {"0.0.weight", "8.weight", "8.bias"}


def softened(teacher, student, temperature):
    """KL(teacher || student), term by term."""
    shares = (teacher / temperature).softmax(1)
    logs = (student / temperature).log_softmax(1)
    return (shares * (shares.log() - logs)).sum(1).mean()


def test_one_step_of_kde_is_that_of_labels_and_teacher(digits, trained):
    """On the retain set, g_CE + 2 g_KL."""
    before = trained["cnn1"]
    options = {"validation_epochs": 0, "epochs": 1}
    first, task = serve_plainly("kde", digits, before, lr=NO_RATE, **options)
    state, _ = serve_plainly("kde", digits, before, lr=0.3, **options)
    ids = retained_ids(digits)
    images, labels = task.data.images(ids), task.data.labels(ids)
    model = task.model(first)
    teacher_logits = task.model(before)(images).detach()
    loss = functional.cross_entropy(model(images), labels)
    (loss + 2 * softened(teacher_logits, model(images), 5.0)).backward()
    for name, parameter in model.named_parameters():
        expected = parameter.detach() - 0.3 * parameter.grad
        assert torch.allclose(state[name], expected, rtol=1e-5, atol=1e-6), name


def test_one_step_of_kde_on_the_validation_split_is_that_of_the_teacher(digits, trained):
    before = trained["cnn1"]
    first, task = serve_plainly("kde", digits, before, validation_epochs=0, epochs=1, lr=NO_RATE)
    options = {"validation_epochs": 1, "epochs": 1, "lr": NO_RATE, "validation_lr": 0.3}
    state, _ = serve_plainly("kde", digits, before, temperature=2.0, **options)
    from unlearn.training.data import normalised

    images = normalised(task.data.validation_images, task.data)
    model = task.model(first)
    teacher_logits = task.model(before)(images).detach()
    softened(teacher_logits, model(images), 2.0).backward()
    for name, parameter in model.named_parameters():
        expected = parameter.detach() - 0.3 * parameter.grad
        assert torch.allclose(state[name], expected, rtol=1e-4, atol=1e-5), name


def test_kde_costs_passes_over_both_sets(digits, trained):
    subject = Subject(instance("kde", validation_epochs=2, epochs=3), digits, "kde", "cnn1")
    _, task = subject.serve(trained["cnn1"])
    points = 2 * len(digits.validation_labels) + 3 * len(retained_ids(digits))
    assert task.meter.gradient_evaluations == task.meter.forward_evaluations == points
