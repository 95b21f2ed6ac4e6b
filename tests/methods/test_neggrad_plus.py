"""NegGrad+: one step, the two sets, batch normalisation, cost."""

from dataclasses import replace

import numpy as np
import pytest

from tests.support.conformance import Subject, checksum, instance, ninth_ids, ninth_step, request
from tests.support.jobs import job, task
from tests.support.steps import descent, gradient
from tests.support.streams import deletions, served, with_pixels
from tests.support.wrong_labels import WrongLabels
from unlearn.jobs.setup import new_task
from unlearn.jobs.train import train_fleet
from unlearn.requests.request import NO_IDS

MODELS = ("cnn1", "resnet9")


@pytest.fixture(scope="module")
def trained(digits):
    """Models of the standard trainer, by architecture."""
    return {model: Subject(instance("finetune"), digits, model=model).trained() for model in MODELS}


def serve(digits, trained, model="cnn1", step=None, **options):
    """The state of the method after the deletion of a ninth, and the task."""
    subject = Subject(instance("neggrad_plus", **options), digits, "neggrad_plus", model)
    return subject.serve(trained[model], step=step)


@pytest.mark.parametrize("decay", [0.0, 0.01])
def test_one_step_is_the_analytic_step(decay, digits, trained):
    """w - lr (alpha g_r - (1 - alpha) g_f + decay w), one minibatch, no momentum."""
    ids = ninth_ids(digits)
    retain_ids = np.setdiff1d(digits.base_ids, ids)
    described = task(digits, model="cnn1", batch_size=200, momentum=0.0, weight_decay=decay)
    method = instance("neggrad_plus", epochs=1, lr=0.3, alpha=0.7)
    state = served(method, described, trained["cnn1"], request(digits, ids))
    retained = gradient(described, trained["cnn1"], retain_ids)
    deleted = gradient(described, trained["cnn1"], ids)
    changes = {
        name: 0.7 * retained[name] - 0.3 * deleted[name] + decay * trained["cnn1"][name]
        for name in retained
    }
    for name, expected in descent(trained["cnn1"], changes, 0.3).items():
        assert np.asarray(state[name]) == pytest.approx(expected, rel=1e-5, abs=1e-6)


@pytest.mark.parametrize("model", MODELS)
def test_without_the_ascent_it_is_finetuning_to_the_bit(model, digits):
    """By the recipe's Nesterov momentum and label smoothing, too."""
    recipe = {"nesterov": True, "label_smoothing": 0.1, "size": {"width": 2}}
    described = job(model, **recipe)
    base = train_fleet(digits, described).states[0]
    states = [
        served(method, new_task(digits, described), base, ninth_step(digits))
        for method in (instance("neggrad_plus", alpha=1.0), instance("finetune"))
    ]
    assert checksum(states[0]) == checksum(states[1])


def test_reads_the_deleted_points_unless_they_have_no_weight(digits, trained):
    ids = ninth_ids(digits)
    destroyed = with_pixels(digits, ids, 77)
    for alpha, blind in ((0.99, False), (1.0, True)):
        state, _ = serve(digits, trained, alpha=alpha)
        other, _ = serve(destroyed, trained, alpha=alpha)
        assert (checksum(state) == checksum(other)) is blind


def test_reads_the_retain_set(digits, trained):
    retain_ids = np.setdiff1d(digits.base_ids, ninth_ids(digits))
    state, _ = serve(digits, trained)
    other, _ = serve(with_pixels(digits, retain_ids, 77), trained)
    assert checksum(state) != checksum(other)


def test_a_later_step_ascends_on_its_deleted_points_alone(digits, trained):
    first_ids = digits.base_ids[:20]
    steps = deletions(first_ids, digits.base_ids[20:40]).steps(200, digits.base_ids)
    last_step = list(steps)[1]
    assert set(first_ids) < set(last_step.forget_ids)
    state, _ = serve(digits, trained, step=last_step)
    other, _ = serve(with_pixels(digits, first_ids, 77), trained, step=last_step)
    assert checksum(state) == checksum(other)


def test_the_smaller_alpha_the_larger_the_loss_of_what_is_deleted():
    wrong = WrongLabels(instance("neggrad_plus"))
    states = [wrong.trained]
    states += [wrong.served(instance("neggrad_plus", alpha=alpha)) for alpha in (1.0, 0.9, 0.7)]
    losses = [wrong.loss(state) for state in states]
    assert losses == sorted(losses) and losses[0] < losses[2] < losses[3]
    assert all(wrong.retain_accuracy(state) > 0.2 for state in states[:3])


def test_costs_two_passes_over_the_retain_set(digits, trained):
    step = ninth_step(digits)
    _, used = serve(digits, trained, batch_size=16, epochs=3)
    assert used.meter.gradient_evaluations == 2 * 3 * len(step.retain_ids)
    _, used = serve(digits, trained, alpha=1.0)
    assert used.meter.gradient_evaluations == 2 * len(step.retain_ids)
    _, used = serve(digits, trained, step=request(digits, NO_IDS))
    assert used.meter.gradient_evaluations == 2 * len(digits.base_ids)


def test_a_single_deleted_point_comes_in_every_step(digits, trained):
    step = request(digits, digits.base_ids[:1])
    _, used = serve(digits, trained, step=step)
    expected = 2 * len(step.retain_ids) + used.meter.optimizer_steps
    assert used.meter.gradient_evaluations == expected


@pytest.mark.parametrize("mode", ["train", "frozen"])
def test_statistics_of_batch_normalisation_stay_where_they_are_frozen(mode, digits, trained):
    state, used = serve(digits, trained, "resnet9", batch_normalisation=mode)
    original = trained["resnet9"]
    assert any(not np.array_equal(state[n], original[n]) for n in state if "weight" in n)
    for name in state:
        if "running" in name:
            assert np.array_equal(state[name], original[name]) is (mode == "frozen"), name
        if "tracked" in name and mode == "train":  # a retained and a deleted minibatch each step
            assert state[name] - original[name] == 2 * used.meter.optimizer_steps


def test_a_single_deleted_point_leaves_statistics_to_the_retain_set(digits, trained):
    step = request(digits, digits.base_ids[:1])
    state, used = serve(digits, trained, "resnet9", step=step)
    names = [name for name in state if "tracked" in name]
    for name in names:
        assert state[name] - trained["resnet9"][name] == used.meter.optimizer_steps


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"alpha": 1.5}, "alpha: 1.5 is not allowed; allowed: number between 0 and 1"),
        ({"alpha": -0.1}, "alpha: -0.1 is not allowed; allowed: number between 0 and 1"),
        ({"batch_size": 1}, "batch_size: 1 is not allowed; allowed: integer between 2 and"),
        ({"batch_normalisation": "on"}, "batch_normalisation: 'on' is not allowed; allowed: str"),
    ],
)
def test_refuses_what_it_cannot_work_with(options, message):
    with pytest.raises(ValueError, match=message):
        replace(instance("neggrad_plus"), **options)
