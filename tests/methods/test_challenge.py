"""CFW, PRMQ, RNI and KDE: disturb the network, then learn from the retain set."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.nn import functional

from tests.support.conformance import Subject, checksum, instance, ninth_ids, ninth_step
from tests.support.streams import served, with_pixels
from tests.support.study import load
from unlearn.algorithms.convolutions import convolutions
from unlearn.jobs.setup import with_validation
from unlearn.study.load import StudyError

NO_RATE = 1e-30
"""A learning rate that changes no weight, of those that are not zero."""


@pytest.fixture(scope="module")
def trained(digits):
    """Models of the standard trainer, by architecture."""
    models = ("mlp", "cnn1", "resnet9")
    return {model: Subject(instance("finetune"), digits, model=model).trained() for model in models}


def plain_task(digits, model="cnn1"):
    """A task of one minibatch an epoch, plain SGD and float32, that may read the validation split."""
    task = Subject(instance("finetune"), digits, model=model).task()
    task.recipe = replace(task.recipe, batch_size=200, momentum=0.0, weight_decay=0.0)
    task.machine = replace(task.machine, precision="float32")
    return with_validation(task, digits)


def retained_ids(digits):
    return np.setdiff1d(digits.base_ids, ninth_ids(digits))


def serve_plainly(name, digits, before, model="cnn1", **options):
    """The state of a method with a plain task, as tensors."""
    task = plain_task(digits, model)
    state = served(instance(name, **options), task, before, ninth_step(digits))
    return {key: torch.as_tensor(np.asarray(state[key])) for key in state}, task


def changes(state, before, names):
    """The changes of tensors, in one row."""
    return np.concatenate([(np.asarray(state[n]) - before[n]).ravel() for n in names])


def moved_names(state, before):
    return {name for name in before if not np.array_equal(state[name], before[name])}


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


# -- networks that they do not suit


@pytest.mark.parametrize("name", ["cfw", "kde"])
def test_networks_without_convolutions_are_refused(name, digits, trained):
    with pytest.raises(StudyError, match=rf"{name}.*: Mlp has no convolution; allowed: "):
        load(lambda _, experiment: experiment.update(method=name, model="mlp"))
    task = plain_task(digits, "mlp")
    with pytest.raises(ValueError, match=r"^the network has no convolution; allowed: "):
        instance(name).unlearn(task, trained["mlp"], ninth_step(digits), 0)
    assert task.meter.gradient_evaluations == task.meter.forward_evaluations == 0
