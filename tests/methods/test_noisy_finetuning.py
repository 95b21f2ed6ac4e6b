"""Noisy fine-tuning and its control: what is certified, what is published, what is refused."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from tests.support.conformance import Subject, arrays, checksum, instance, ninth_ids, request
from tests.support.conformance import ninth_step as deletion_of_a_ninth
from tests.support.jobs import job
from tests.support.streams import deletions, served
from tests.support.study import load
from unlearn.algorithms.certified import noise_calibration
from unlearn.algorithms.certified.noisy_finetuning import noisy_weights
from unlearn.algorithms.certified.noisy_steps import Noise
from unlearn.algorithms.certified.weight_vector import WeightVector
from unlearn.certificates.record import Certificate, check
from unlearn.core import registry
from unlearn.core.setting import DataFacts, Setting
from unlearn.jobs.setup import new_task
from unlearn.jobs.unlearn import unlearn_fleet
from unlearn.requests.request import NO_IDS
from unlearn.study.load import StudyError

MODES = ("output_noise", "gradient_clipping", "model_clipping")
RELEASED = {"start_radius": 0.01, "gradient_radius": 10.0, "noisy_lr": 1e-4, "noisy_steps": 6}
RELEASED |= {"noisy_weight_decay": 750.0}


def method(**options):
    return instance("noisy_finetuning", **options)


@pytest.fixture(scope="module")
def trained(digits):
    """An mlp of the standard trainer."""
    return Subject(method(), digits).trained()


@pytest.fixture
def task(digits):
    return Subject(method(), digits).task()


def retained(digits):
    return np.setdiff1d(digits.base_ids, ninth_ids(digits))


def certificate(digits, trained, **options):
    subject = Subject(method(**options), digits)
    step = deletion_of_a_ninth(digits)
    return subject.method.unlearn(subject.task(), trained, step, 0).certificate


def published(digits, task, state, sigma=0.03, **options):
    """The weights after the noisy steps, before fine-tuning."""
    procedure = noise_calibration.procedure(method(**options))
    vector = WeightVector(task, state)
    return noisy_weights(vector, procedure, retained(digits), Noise(sigma, 0, 1))


# -- certificates


@pytest.mark.parametrize("mode", MODES)
def test_the_certificate_keeps_the_promise_with_the_least_noise(mode, digits, trained):
    claim = certificate(digits, trained, mode=mode, epsilon=2.0, delta=1e-4)
    check(claim)
    check(Certificate.from_json(claim.to_json()))
    assert claim.level == "certified" and claim.delta == 1e-4
    assert claim.epsilon == pytest.approx(2, rel=1e-9)
    less = certificate(digits, trained, mode=mode, delta=1e-4, sigma=0.999 * claim.noise)
    check(less)
    assert less.epsilon > 2.0001
    with pytest.raises(ValueError, match="is not allowed; the record gives"):
        check(replace(claim, noise=claim.noise / 100))


@pytest.mark.parametrize(
    ("options", "sigma", "epsilon"),
    [
        ({"start_radius": 0.00402}, None, 0.0300),
        ({"mode": "gradient_clipping"} | RELEASED, None, 0.0409),
        ({"mode": "gradient_clipping"} | RELEASED, 0.00775, 6.57),
        ({"mode": "model_clipping", "model_radius": 0.001, "noisy_steps": 1}, None, 0.00746),
    ],
)
def test_noise_and_epsilon_of_published_settings(options, sigma, epsilon, digits, trained):
    """At (1, 1e-5): sigma where the accountant chooses it, else the epsilon of the released one."""
    claim = certificate(digits, trained, sigma=sigma, **options)
    assert (claim.noise if sigma is None else claim.epsilon) == pytest.approx(epsilon, rel=1e-3)


def test_the_ledger_holds_the_last_request_of_a_stream(digits, trained, task):
    stream = deletions(digits.base_ids[:9], digits.base_ids[9:14])
    state = trained
    for step in stream.steps(len(digits.train_labels), digits.base_ids):
        update = method(mode="gradient_clipping").unlearn(task, state, step, 0)
        (entry,) = update.certificate.ledger
        assert entry.deleted_points == len(step.deleted_ids)
        assert entry.points == len(step.previous_ids)
        assert entry.steps == 6
        state = served(method(), task, state, step)


def test_a_job_records_epsilon_and_certificate(digits, trained):
    described = job(method="noisy_finetuning", options={"epsilon": 3.0, "epochs": 1})
    result = unlearn_fleet(digits, described, [trained], deletions(ninth_ids(digits)))
    assert result.costs[0][0]["certified_epsilon"] == pytest.approx(3, rel=1e-9)
    assert result.costs[0][0]["gap_bound"] == pytest.approx(2 * 0.004)
    check(Certificate.from_json(result.certificates[0][0]))


def test_levels_of_the_guarantee():
    assert method().guarantee_for(Setting()).level == "certified"
    assert method(start="retrained").guarantee_for(Setting()).level == "exact"
    assert instance("noise_start").guarantee_for(Setting()).level == "exact"


# -- weights


def test_what_noise_is_added_to_is_the_trained_model_clipped_as_one_vector(digits, trained, task):
    """One factor for all tensors, and the norm C0 for all of them together."""
    vector = WeightVector(task, trained)
    weights = published(digits, task, trained, start_radius=0.5)
    clipped = weights - Noise(0.03, 0, 1).of(0, weights)
    before = vector.values()
    assert float(before.norm()) > 1
    assert torch.allclose(clipped, before * (0.5 / before.norm()), rtol=0, atol=1e-15)
    whole = published(digits, task, trained, start_radius=1000)
    assert torch.allclose(whole - Noise(0.03, 0, 1).of(0, whole), before, rtol=0, atol=1e-12)


def test_a_gradient_step_that_is_clipped_to_nothing_is_output_noise_to_the_bit(
    digits, trained, task
):
    options = {"mode": "gradient_clipping", "gradient_radius": 0, "noisy_weight_decay": 0}
    step = published(digits, task, trained, noisy_steps=1, **options)
    assert torch.equal(step, published(digits, task, trained))


def test_the_first_gradient_step_by_hand(digits, trained, task):
    """The mean gradient of the first minibatch of the retain set, clipped as one vector."""
    options = {"mode": "gradient_clipping", "start_radius": 1000, "noisy_steps": 1}
    options |= {"noisy_lr": 0.5, "noisy_weight_decay": 0.01, "gradient_radius": 0.02}
    task.recipe = replace(task.recipe, batch_size=1000)
    weights = published(digits, task, trained, **options)
    model = task.bare_model(trained).double()
    images = task.data.images(retained(digits)).double()
    torch.nn.functional.cross_entropy(model(images), task.data.labels(retained(digits))).backward()
    gradient = torch.cat([p.grad.reshape(-1) for p in model.parameters()])
    before = torch.cat([p.detach().reshape(-1) for p in model.parameters()])
    shortened = gradient * (0.02 / gradient.norm())
    assert float(gradient.norm()) > 0.021
    after = before - 0.5 * (shortened + 0.01 * before)
    assert torch.allclose(weights - Noise(0.03, 0, 1).of(0, weights), after, rtol=0, atol=1e-12)


@pytest.mark.parametrize("mode", MODES)
def test_augmentation_mixup_smoothing_and_momentum_do_not_enter_noisy_steps(
    mode, digits, trained, task
):
    weights = published(digits, task, trained, mode=mode)
    assert weights.dtype == torch.float64 and not torch.equal(weights, weights.float().double())
    recipe = {"crop": 1, "flip": True, "mixup": 0.3, "label_smoothing": 0.2, "momentum": 0.5}
    task.recipe = replace(task.recipe, **recipe)
    assert torch.equal(published(digits, task, trained, mode=mode), weights)


@pytest.mark.parametrize("model", ["mlp", "cnn1"])
def test_fine_tuning_starts_from_the_noisy_weights(model, digits):
    """It is fine-tuning with full minibatches of the retain set, from these weights, to the bit."""
    subject = Subject(method(sigma=0.05, epochs=2, lr=0.07, schedule="constant"), digits, "", model)
    state, _ = subject.serve(subject.trained())
    task = subject.task()
    vector = WeightVector(task, subject.trained())
    start = vector.state(published(digits, task, subject.trained(), sigma=0.05))
    plain = instance("finetune", epochs=2, lr=0.07)
    recut = replace(task, ordered_ids=retained(digits))
    tuned = served(plain, recut, start, deletion_of_a_ninth(digits))
    assert checksum(state) == checksum(arrays(tuned))


def test_each_step_of_a_request_draws_its_noise_anew(digits, trained, task):
    step = deletion_of_a_ninth(digits)
    states = [served(method(), task, trained, replace(step, index=i)) for i in (1, 1, 2)]
    first, again, second = map(checksum, map(arrays, states))
    assert first == again != second


# -- the reference and the control


@pytest.mark.parametrize("mode", MODES)
def test_the_reference_is_the_procedure_on_the_retrained_model(mode, digits, trained, task):
    """With the same noise, to the bit, and without a claim."""
    step = deletion_of_a_ninth(digits)
    twin = method(**method(mode=mode).references()["twin"])
    update = twin.unlearn(task, trained, step, 0)
    assert update.certificate is None
    retrained = arrays(task.trainer.retrain(task, step.retain_ids, 0))
    state = served(method(mode=mode), task, retrained, step)
    assert checksum(arrays(state)) == checksum(arrays(update.tensors))
    assert twin.references() == {}


def test_a_study_compares_with_the_reference_where_a_metric_asks_for_it():
    def change(_, experiment):
        experiment["method"] = "noisy_finetuning"
        experiment["figure"] = {"x": "rate", "y": ["kl_twin/test", "l2_twin/weights"]}

    plan = load(change)
    assert plan.references["noisy_finetuning"] == {"twin": "noisy_finetuning-start=retrained"}


def test_noise_start_is_noisy_fine_tuning_of_weights_0(digits, trained, task):
    step = deletion_of_a_ninth(digits)
    zeros = {name: np.zeros_like(value) for name, value in trained.items()}
    options = {"epsilon": 2.0, "start_radius": 0.3, "epochs": 2, "lr": 0.05}
    state = served(method(**options), task, zeros, step)
    control = served(instance("noise_start", **options), task, trained, step)
    assert checksum(arrays(control)) == checksum(arrays(state))
    given = served(instance("noise_start", sigma=0.2), task, trained, step)
    assert checksum(arrays(given)) == checksum(arrays(served(method(sigma=0.2), task, zeros, step)))


def test_only_the_control_is_a_control():
    assert registry.find("methods", "noise_start").is_control
    assert not registry.find("methods", "noisy_finetuning").is_control


# -- costs


@pytest.mark.parametrize("steps", [1, 4, 5, 11])
def test_noisy_steps_and_fine_tuning_are_counted_exactly(steps, digits, trained):
    """120 points are 4 minibatches: 3 of 32 and one of 24. Others would be 5 of 160."""
    subject = Subject(method(mode="gradient_clipping", noisy_steps=steps, epochs=2), digits)
    _, task = subject.serve(trained, step=request(digits, digits.base_ids[:40]))
    noisy = {1: 32, 4: 120, 5: 152, 11: 336}[steps]
    assert task.meter.gradient_evaluations == noisy + 2 * 120
    assert task.meter.optimizer_steps == steps + 2 * 4
    assert subject.method.gradient_evaluations(120, 40, task.recipe) == noisy + 2 * 120


# -- refusals


@pytest.mark.parametrize("name", ["noisy_finetuning", "noise_start"])
@pytest.mark.parametrize("model", ["resnet9", "resnet18", "air"])
def test_networks_with_batch_normalisation_are_refused_by_the_plan(name, model):
    architecture = registry.find("models", model)()
    reason = instance(name).supports(Setting(model=architecture))
    assert "has statistics of batch normalisation, which get no noise; allowed: " in reason
    assert instance(name).supports(Setting(model=registry.find("models", "cnn1")())) is None


@pytest.mark.parametrize("name", ["noisy_finetuning", "noise_start"])
def test_a_tensor_without_noise_is_refused(name, digits):
    """At run time, where the plan does not know the layers of an architecture."""
    task = new_task(digits, job("resnet9", size={"width": 2}))
    state = arrays(task.new_model(0).state_dict())
    with pytest.raises(ValueError, match=r"^Resnet9 has 0.1.running_mean, which gets no noise; "):
        instance(name).unlearn(task, state, deletion_of_a_ninth(digits), 0)


def test_a_study_with_batch_normalisation_is_refused_in_one_line():
    def change(_, experiment):
        experiment["method"] = "noisy_finetuning"
        experiment["model"] = "resnet9"

    with pytest.raises(StudyError, match="Resnet9 has statistics of batch normalisation"):
        load(change)


def test_images_with_noise_that_may_know_deleted_points_are_refused():
    facts = DataFacts("digits", 10, (8, 8, 1), points=200, held_out=0)
    assert method().supports(Setting(data=facts)) is None
    reason = method().supports(Setting(data=replace(facts, noised=0.5)))
    assert reason.startswith("noise on images may know deleted points; allowed: ")


def test_nothing_changes_and_nothing_is_claimed_where_nothing_is_deleted(digits, trained, task):
    update = method().unlearn(task, trained, request(digits, NO_IDS), 0)
    assert not update.tensors and update.certificate is None


@pytest.mark.parametrize("name", ["noisy_finetuning", "noise_start"])
def test_no_point_left_is_refused(name, digits, trained, task):
    with pytest.raises(ValueError, match=r"^no training data left$"):
        instance(name).unlearn(task, trained, request(digits, digits.base_ids), 0)


def test_weights_that_are_not_finite_are_refused(digits, trained, task):
    options = {"mode": "gradient_clipping", "noisy_weight_decay": 1e30, "noisy_lr": 1e30}
    with pytest.raises(ValueError, match=r"^noisy_lr: 1e\+30 gives weights that are not finite"):
        published(digits, task, trained, **options)
