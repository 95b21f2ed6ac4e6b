"""DELETE: the target, one step, what it reads, what it serves."""

import numpy as np
import pytest
import torch
from torch.nn import functional

from tests.support.conformance import Subject, checksum, instance, ninth_ids, request
from tests.support.jobs import task
from tests.support.steps import descent
from tests.support.streams import deletions, served, with_pixels
from unlearn.core.setting import Setting
from unlearn.requests.by_class import ByClass
from unlearn.requests.ids import Ids
from unlearn.requests.random import Random
from unlearn.requests.request import NO_IDS

MODELS = ("cnn1", "resnet9")

MODES = pytest.mark.parametrize("mode", ["train", "frozen"])


@pytest.fixture(scope="module")
def trained(digits):
    """Models of the standard trainer, by architecture."""
    return {model: Subject(instance("finetune"), digits, model=model).trained() for model in MODELS}


@pytest.fixture(scope="module")
def class_ids(digits):
    """The points of class 3."""
    return digits.base_ids[digits.train_labels[digits.base_ids] == 3]


def serve(digits, trained, ids, model="cnn1", **options):
    """The state of the method after a deletion, and the task."""
    subject = Subject(instance("delete", **options), digits, "delete", model)
    return subject.serve(trained[model], step=request(digits, ids))


def logits_of(used, state, ids):
    """The logits of training points, float64."""
    return used.trainer.predict(used, state, used.data.train_images[ids]).double()


def test_the_first_step_is_the_analytic_step(digits, trained):
    """The gradient of KL to the logits is (softmax(z) - softmax(masked z)) / n: here by hand."""
    ids = ninth_ids(digits)
    used = task(digits, model="cnn1", batch_size=200, momentum=0.0, weight_decay=0.0)
    method = instance("delete", epochs=1, lr=0.2)
    state = served(method, used, trained["cnn1"], request(digits, ids))
    model = used.bare_model(trained["cnn1"])
    logits = model(used.data.images(ids))
    labels = used.data.labels(ids)
    predicted = functional.softmax(logits.detach(), dim=1)
    others = predicted * (1 - functional.one_hot(labels, 10))
    slopes = (predicted - others / others.sum(1, keepdim=True)) / len(ids)
    names = [name for name, _ in model.named_parameters()]
    gradients = torch.autograd.grad(logits, list(model.parameters()), slopes)
    changes = {name: g.cpu().numpy() for name, g in zip(names, gradients, strict=True)}
    for name, expected in descent(trained["cnn1"], changes, 0.2).items():
        assert np.asarray(state[name]) == pytest.approx(expected, rel=1e-5, abs=1e-6)


@MODES
def test_approaches_the_trained_model_without_the_class(mode, digits, trained, class_ids):
    """The divergence from the masked prediction falls by half at least, and the class goes."""
    options = {"lr": 0.02, "epochs": 10, "batch_normalisation": mode}
    state, used = serve(digits, trained, class_ids, **options)
    before = logits_of(used, trained["cnn1"], class_ids)
    masked = before.clone()
    masked[:, 3] = -torch.inf
    target = functional.softmax(masked, dim=1)

    def divergence(logits):
        return functional.kl_div(functional.log_softmax(logits, 1), target, reduction="batchmean")

    after = logits_of(used, state, class_ids)
    assert divergence(after) < divergence(before) / 2
    assert (after.argmax(1) == 3).double().mean() < 0.2 < (before.argmax(1) == 3).double().mean()


def test_the_teacher_is_the_trained_model_in_every_step(digits, trained):
    """So a student that has reached the target stays: later steps do not mask a masked teacher."""
    ids = ninth_ids(digits)
    used = task(digits, model="cnn1", batch_size=200, momentum=0.0, weight_decay=0.0)
    teacher_logits = logits_of(used, trained["cnn1"], ids)
    labels = torch.as_tensor(digits.train_labels[ids])
    target = functional.softmax(teacher_logits.scatter(1, labels[:, None], -torch.inf), 1)
    distances = []
    for epochs in (1, 20, 200):
        method = instance("delete", epochs=epochs, lr=0.3)
        state = served(method, used, trained["cnn1"], request(digits, ids))
        predicted = functional.log_softmax(logits_of(used, state, ids), 1)
        distances.append(functional.kl_div(predicted, target, reduction="batchmean"))
    assert distances[0] > distances[1] > distances[2]
    assert distances[2] < 0.05


def test_reads_the_deleted_points_alone(digits, trained, class_ids):
    retain_ids = np.setdiff1d(digits.base_ids, class_ids)
    state, used = serve(digits, trained, class_ids)
    blind, _ = serve(with_pixels(digits, retain_ids, 77), trained, class_ids)
    aware, _ = serve(with_pixels(digits, class_ids, 77), trained, class_ids)
    assert checksum(blind) == checksum(state) != checksum(aware)
    assert used.meter.gradient_evaluations == 5 * len(class_ids)
    assert used.meter.forward_evaluations == 5 * len(class_ids)


def test_a_later_step_reads_its_deleted_points_alone(digits, trained):
    first_ids = digits.base_ids[:20]
    steps = deletions(first_ids, digits.base_ids[20:40]).steps(200, digits.base_ids)
    step = list(steps)[1]
    subject = Subject(instance("delete"), digits, model="cnn1")
    state, _ = subject.serve(trained["cnn1"], step=step)
    other, _ = subject.serve(trained["cnn1"], with_pixels(digits, first_ids, 77), step)
    assert checksum(state) == checksum(other)


@MODES
def test_statistics_of_batch_normalisation_stay_where_they_are_frozen(
    mode, digits, trained, class_ids
):
    original = trained["resnet9"]
    for ids, moves in ((class_ids, mode == "train"), (class_ids[:1], False)):
        state, _ = serve(digits, trained, ids, "resnet9", batch_normalisation=mode)
        assert any(not np.array_equal(state[n], original[n]) for n in state if "weight" in n)
        for name in state:
            if "running" in name:
                assert np.array_equal(state[name], original[name]) is not moves, name


def test_nothing_changes_where_nothing_is_deleted(digits, trained):
    state, used = serve(digits, trained, NO_IDS)
    assert checksum(state) == checksum(trained["cnn1"])
    assert used.meter.gradient_evaluations == used.meter.forward_evaluations == 0


def test_refuses_requests_that_are_no_classes():
    method = instance("delete", requests="classes")
    for sampler in (ByClass(label=3), Ids(ids=[1, 2])):
        assert method.supports(Setting(request=sampler)) is None
    streamed = ByClass(label=3, steps=2)
    for sampler in (Random(rate=0.1), ByClass(label=3, fraction=0.5), streamed):
        assert method.supports(Setting(request=sampler)) == (
            "it forgets whole classes; allowed: by_class with fraction: 1 and steps: 1, ids of all "
            "points of classes, or any request with requests: any"
        )
        assert instance("delete", requests="any").supports(Setting(request=sampler)) is None


def test_refuses_ids_that_are_parts_of_classes_before_any_work(digits, trained, class_ids):
    """Two whole classes are served, and so is a part where any request is."""
    used = task(digits, model="cnn1")
    method = instance("delete", requests="classes")
    kept = len(class_ids) - 4
    message = f"deletes 4 points of class 3 and keeps {kept}; allowed: whole classes"
    with pytest.raises(ValueError, match=message):
        served(method, used, trained["cnn1"], request(digits, class_ids[:4]))
    used.meter.settle()
    assert used.meter.gradient_evaluations == used.meter.forward_evaluations == 0
    both = digits.base_ids[np.isin(digits.train_labels[digits.base_ids], (3, 5))]
    state, _ = serve(digits, trained, both, requests="classes")
    assert checksum(state) != checksum(trained["cnn1"])
    state, _ = serve(digits, trained, class_ids[:4], requests="any")
    assert checksum(state) != checksum(trained["cnn1"])
