"""CT and MSG: what they do to the kernels of convolutions, and how they train on."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from tests.support.conformance import Subject, checksum, instance, ninth_ids, ninth_step, request
from tests.support.streams import served, with_pixels
from tests.support.study import load
from unlearn.algorithms.convolutions import convolutions
from unlearn.core import registry
from unlearn.core.setting import Setting
from unlearn.requests.request import NO_IDS
from unlearn.study.load import StudyError

NO_RATE = 1e-30
"""A learning rate that changes no weight, of those that are not zero."""

BOTH = pytest.mark.parametrize("name", ["ct", "msg"])


@pytest.fixture(scope="module")
def trained(digits):
    """Models of the standard trainer, by architecture."""
    models = ("mlp", "cnn1", "resnet9")
    return {model: Subject(instance("finetune"), digits, model=model).trained() for model in models}


def serve(name, digits, trained, model="cnn1", step=None, **options):
    return Subject(instance(name, **options), digits, name, model).serve(trained[model], step=step)


def plain_task(digits, model="cnn1"):
    """A task of one minibatch an epoch, plain SGD and float32."""
    task = Subject(instance("finetune"), digits, model=model).task()
    task.recipe = replace(task.recipe, batch_size=200, momentum=0.0, weight_decay=0.0)
    task.machine = replace(task.machine, precision="float32")
    return task


def gradient(task, state, ids):
    """The gradient of the mean cross-entropy of points, by name of the parameter."""
    model = task.model(state).eval()
    loss = torch.nn.functional.cross_entropy(model(task.data.images(ids)), task.data.labels(ids))
    loss.backward()
    return {name: parameter.grad for name, parameter in model.named_parameters()}


def retained_ids(digits, ids=None):
    return np.setdiff1d(digits.base_ids, ninth_ids(digits) if ids is None else ids)


# -- CT


@pytest.mark.parametrize("model", ["cnn1", "resnet9"])
def test_ct_is_finetuning_of_the_network_with_transposed_kernels(model, digits, trained):
    """To the bit, and nothing but kernels is transposed."""
    options = {"epochs": 2, "lr": 0.05, "schedule": "cosine"}
    state, task = serve("ct", digits, trained, model, **options)
    before = dict(trained[model])
    for name in convolutions(task.new_model(0)):
        before[name] = before[name].transpose(0, 1, 3, 2).copy()
    other, _ = serve("finetune", digits, {model: before}, model, **options)
    assert checksum(state) == checksum(other)


def test_ct_does_not_read_the_deleted_points(digits, trained):
    subject = Subject(instance("ct"), digits, "ct", "cnn1")
    state, task = subject.serve(trained["cnn1"])
    other, _ = subject.serve(trained["cnn1"], with_pixels(digits, ninth_ids(digits), 77))
    assert checksum(state) == checksum(other)
    assert task.meter.gradient_evaluations == 3 * len(retained_ids(digits))


# -- MSG


@pytest.mark.parametrize("model", ["cnn1", "resnet9"])
def test_msg_resets_the_kernel_weights_that_do_not_tell_the_sets_apart(model, digits, trained):
    """Half of the points are deleted, so that the sample of retained ones is all of them."""
    ids = digits.base_ids[::2]
    step = request(digits, ids)
    task = plain_task(digits, model)
    method = instance("msg", ratio=0.3, lr=NO_RATE)
    state = served(method, task, trained[model], step)
    scores = {
        name: (retained - deleted).abs()
        for (name, retained), deleted in zip(
            gradient(task, trained[model], retained_ids(digits, ids)).items(),
            gradient(task, trained[model], ids).values(),
            strict=True,
        )
    }
    kernels = convolutions(task.new_model(0))
    for name, _ in task.new_model(0).named_parameters():
        changed = torch.as_tensor(state[name]) != torch.as_tensor(trained[model][name])
        if name not in kernels:
            assert not changed.any(), name
            continue
        assert changed.sum() == round(0.3 * changed.numel())
        largest, smallest = scores[name][changed].max(), scores[name][~changed].min()
        assert largest <= smallest * (1 + 1e-3) + 1e-9, name


def test_one_step_of_msg_scales_the_gradients_of_the_other_kernel_weights(digits, trained):
    """w - lr g where a weight is new or belongs to no kernel, else w - 0.1 lr g."""
    task = plain_task(digits)
    step = ninth_step(digits)
    first = served(instance("msg", epochs=1, lr=NO_RATE), task, trained["cnn1"], step)
    state = served(instance("msg", epochs=1, lr=0.3), task, trained["cnn1"], step)
    is_new = np.asarray(first["0.weight"]) != trained["cnn1"]["0.weight"]
    assert 0 < is_new.sum() < is_new.size
    for name, step_gradient in gradient(task, first, retained_ids(digits)).items():
        factor = np.where(is_new, 1, 0.1) if name == "0.weight" else 1
        expected = np.asarray(first[name]) - 0.3 * factor * step_gradient.numpy()
        assert np.asarray(state[name]) == pytest.approx(expected, rel=1e-5, abs=1e-6), name


def test_the_rate_of_msg_rises_and_falls_by_epochs(digits, trained):
    """1/3, 2/3, 1, 2/3, 1/3 of the largest for five."""
    task = plain_task(digits)
    method = instance("msg", ratio=0, gradient_scale=1, epochs=5, lr=0.3)
    state = served(method, task, trained["cnn1"], ninth_step(digits))
    expected = {name: torch.as_tensor(tensor) for name, tensor in trained["cnn1"].items()}
    for factor in (1 / 3, 2 / 3, 1, 2 / 3, 1 / 3):
        gradients = gradient(task, expected, retained_ids(digits))
        expected = {n: tensor - 0.3 * factor * gradients[n] for n, tensor in expected.items()}
    for name, tensor in expected.items():
        assert np.asarray(state[name]) == pytest.approx(tensor.numpy(), rel=1e-4, abs=2e-6), name


def test_msg_reads_the_deleted_points_for_its_choice_alone(digits, trained):
    """Without anything to choose, or to scale, they make no difference."""
    destroyed = with_pixels(digits, ninth_ids(digits), 77)
    for options, same in (({}, False), ({"ratio": 0, "gradient_scale": 1}, True)):
        subject = Subject(instance("msg", **options), digits, "msg", "cnn1")
        state, _ = subject.serve(trained["cnn1"])
        other, _ = subject.serve(trained["cnn1"], destroyed)
        assert (checksum(state) == checksum(other)) is same


def test_msg_without_a_deletion_is_finetuning(digits, trained):
    step = request(digits, NO_IDS)
    state, _ = serve("msg", digits, trained, step=step, epochs=1, lr=0.02)
    other, _ = serve("finetune", digits, trained, step=step, epochs=1, lr=0.02)
    assert checksum(state) == checksum(other)


@pytest.mark.parametrize("deleted", [1, 40, 100])
def test_msg_costs_what_its_formula_says(deleted, digits, trained):
    """Where more points are deleted than left, all that are left are the sample."""
    method = instance("msg")
    step = request(digits, digits.base_ids[:deleted])
    _, task = serve("msg", digits, trained, step=step)
    expected = 3 * (160 - deleted) + deleted + min(deleted, 160 - deleted)
    assert task.meter.gradient_evaluations == expected
    assert method.gradient_evaluations(160 - deleted, deleted, task.recipe) == expected


def test_the_weights_that_msg_draws_are_of_the_seed(digits, trained):
    """Weights that are new under both seeds have other values."""
    task = plain_task(digits)
    states = [
        served(
            instance("msg", ratio=1, lr=NO_RATE), task, trained["cnn1"], ninth_step(digits), seed
        )
        for seed in (0, 1)
    ]
    kernels = [np.asarray(state["0.weight"]) for state in states]
    assert not (kernels[0] == kernels[1]).any()


@BOTH
def test_wrong_labels_are_forgotten_and_the_rest_is_kept(name, digits):
    """The loss of the deleted points under their wrong labels rises."""
    ids = ninth_ids(digits)
    labels = digits.train_labels.copy()
    labels[ids] = (labels[ids] + 1) % 10
    swapped = replace(digits, train_labels=labels)
    subject = Subject(instance(name, lr=0.1), swapped, name, "cnn1")
    task = subject.task()
    task.recipe = replace(task.recipe, epochs=40)
    before = task.trainer.train(task, swapped.base_ids, 0)
    state = served(subject.method, task, before, ninth_step(digits))

    def mean_loss(tensors, points):
        logits = task.trainer.predict(task, tensors, task.data.train_images[points])
        return float(torch.nn.functional.cross_entropy(logits, task.data.labels(points).cpu()))

    def accuracy(tensors, points):
        logits = task.trainer.predict(task, tensors, task.data.train_images[points])
        return float((logits.argmax(1) == task.data.labels(points).cpu()).float().mean())

    assert mean_loss(state, ids) > 1.5 * mean_loss(before, ids)
    assert accuracy(state, retained_ids(digits)) > 0.7


# -- networks that they do not suit


@BOTH
@pytest.mark.parametrize("model", registry.names("models"))
def test_architectures_without_convolutions_are_refused(name, model):
    architecture = registry.find("models", model)()
    reason = instance(name).supports(Setting(model=architecture))
    has_kernels = bool(convolutions(architecture.build((8, 8, 1), 10)))
    assert (reason is None) is has_kernels
    assert has_kernels or "has no convolution; allowed: architectures with " in reason


@BOTH
def test_a_study_refuses_them_on_networks_without_convolutions(name):
    with pytest.raises(StudyError, match=rf"{name}.*: Mlp has no convolution; allowed: "):
        load(lambda _, experiment: experiment.update(method=name, model="mlp"))


@BOTH
def test_a_network_without_convolutions_fails_before_any_work(name, digits, trained):
    subject = Subject(instance(name), digits, name)
    task = subject.task()
    with pytest.raises(ValueError, match=r"^the network has no (kernel|convolution).*; allowed: "):
        subject.method.unlearn(task, trained["mlp"], ninth_step(digits), 0)
    assert task.meter.gradient_evaluations == task.meter.forward_evaluations == 0
