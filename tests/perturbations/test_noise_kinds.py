"""Noise without a search: separable, autoregressive, linear; budgets and sizes."""

import dataclasses

import numpy as np
import pytest
import torch
from torch.nn import functional

from tests.support.jobs import build, job, raw_data, task
from tests.support.noise import noise_of
from tests.support.noised import config
from unlearn.core import seeding
from unlearn.jobs.train import train_fleet
from unlearn.perturbations import autoregression, linearization, pixel_steps
from unlearn.perturbations.limits import NoiseBound
from unlearn.perturbations.noisy_images import with_noise
from unlearn.storage.files import ArtifactError
from unlearn.study.load import StudyError, load_study
from unlearn.training.recipe import Recipe

torch.set_num_threads(1)

ON_DIGITS = [
    ("separable", {}),
    ("separable", {"project": "linf", "epsilon": 0.1}),
    ("separable", {"project": "sign", "epsilon": 0.1}),
    ("linear", {}),
    ("random_noise", {"epsilon": 0.1}),
    ("random_noise", {"epsilon": 0.1, "class_wise": True}),
    ("error_maximizing", {"shift": 1, "steps": 20}),
]


@pytest.fixture(scope="module")
def pictures():
    """Images of CIFAR-10."""
    return build("cifar10", raw_data("cifar-10-batches-py"), subset=1000)


@pytest.fixture(scope="module")
def autoregressive(pictures):
    """Autoregressive noise on all of them, and its record."""
    return noise_of(pictures, "autoregressive", pool=60)


def grey(dataset):
    """The data set with images that are grey all over, so that no noise is cut off."""
    return dataclasses.replace(dataset, train_images=np.full_like(dataset.train_images, 128))


def class_means(values, labels):
    """The mean of each class, classes x values."""
    return np.stack([values[labels == label].mean(0) for label in range(10)])


@pytest.mark.parametrize(("kind", "parameters"), ON_DIGITS, ids=str)
def test_noise_is_within_its_bound_and_its_record_says_how_large(digits, kind, parameters):
    values, record = noise_of(digits, kind, **parameters)
    base_noise = values[digits.base_ids].astype(float)
    assert not values[digits.held_out_ids].any()
    norms = np.sqrt((base_noise**2).sum((1, 2, 3))) / 255
    assert record["largest"] == abs(base_noise).max() > 0
    assert record["mean_l2"] == pytest.approx(norms.mean())
    assert record["rms"] == pytest.approx(np.sqrt((base_noise**2).mean()))
    if record["norm"] == "l2":
        assert record["budget"] == pytest.approx(6 / 255 * 8)
        assert norms.max() <= 1.03 * record["budget"] and record["largest"] <= 127
    else:
        assert record["budget"] == 0.1 and record["largest"] == 25
    inner_noise = base_noise[digits.train_images[digits.base_ids] > 40]
    assert (inner_noise < 0).mean() > 0.2 and (inner_noise > 0).mean() > 0.2
    noisy = digits.train_images.astype(int) + values
    assert noisy.min() >= 0 and noisy.max() <= 255
    second_values, _ = noise_of(digits, kind, **parameters)
    seeded_values, _ = noise_of(digits, kind, **parameters, seed=1)
    assert np.array_equal(second_values, values) and not np.array_equal(seeded_values, values)
    with_noise(digits, values, record | {"share": 1, "seed": 0})  # accepts it


@pytest.mark.parametrize(("kind", "parameters"), [ON_DIGITS[0], *ON_DIGITS[4:6]], ids=str)
def test_noise_of_a_point_does_not_depend_on_the_others(digits, kind, parameters):
    values, _ = noise_of(digits, kind, **parameters)
    for kept_ids in (digits.base_ids[1::3], digits.base_ids[5:6]):
        outside = np.setdiff1d(np.arange(len(values)), kept_ids)
        part_values, _ = noise_of(
            dataclasses.replace(digits, held_out_ids=outside), kind, **parameters
        )
        assert np.array_equal(part_values[kept_ids], values[kept_ids])
        assert not part_values[outside].any()


def test_linear_noise_of_a_point_does_not_depend_on_the_others(digits, monkeypatch):
    """With the same linear model: chunks of another size give the same bytes."""
    values, _ = noise_of(digits, "linear")
    monkeypatch.setattr(pixel_steps, "CHUNK_POINTS", 7)
    assert np.array_equal(noise_of(digits, "linear")[0], values)


def test_separable_noise_is_constant_in_a_patch_and_tells_the_class(digits):
    digits = grey(digits)
    values, _ = noise_of(digits, "separable", patch=2)
    patches = values[:, ::2, ::2]
    assert np.array_equal(values, patches.repeat(2, axis=1).repeat(2, axis=2))
    noise = patches[digits.base_ids].reshape(len(digits.base_ids), -1).astype(float)
    assert len(np.unique(noise, axis=0)) == len(noise)  # an image has its own
    labels = digits.train_labels[digits.base_ids]
    means = class_means(noise[::2], labels[::2])
    distances = ((noise[1::2, None] - means) ** 2).sum(2)
    assert (distances.argmin(1) == labels[1::2]).all()


def test_separable_noise_is_a_gaussian_around_a_vertex_before_its_scale(digits):
    """Centres are 10 away from 0 in every feature; a matrix of [-1, 1] spreads F / 3 around them."""
    from unlearn.core import registry

    noise = registry.find("noises", "separable")(patch=2)
    centres, matrices = noise._classes(10, 48)
    assert (abs(centres) == 10).all() and len(np.unique(centres, axis=0)) == 10
    assert abs(matrices).max() <= 1 and matrices.var() == pytest.approx(1 / 3, abs=0.01)
    values, _ = noise_of(grey(digits), "separable", patch=2)
    features = values[digits.base_ids][:, ::2, ::2].reshape(len(digits.base_ids), -1) / 1.0
    features *= np.sqrt(16 * (100 + 16 / 3)) / np.linalg.norm(features, axis=1, keepdims=True)
    centres, matrices = noise._classes(10, 16)
    for label in range(10):
        of_class = features[digits.train_labels[digits.base_ids] == label]
        assert np.corrcoef(of_class.mean(0), centres[label])[0, 1] > 0.95
        covariance = matrices[label].T @ matrices[label]
        upper = np.triu_indices(16, 1)
        assert np.corrcoef(np.cov(of_class.T)[upper], covariance[upper])[0, 1] > 0.5


def test_sign_and_largest_value_of_separable_noise_are_epsilon(digits):
    digits = grey(digits)
    l2, _ = noise_of(digits, "separable")
    signs, _ = noise_of(digits, "separable", project="sign", epsilon=0.2)
    largest, _ = noise_of(digits, "separable", project="linf", epsilon=0.2)
    ids = digits.base_ids
    assert set(np.unique(signs[ids])) == {-51, 51}
    assert (abs(largest[ids].astype(int)).max((1, 2, 3)) == 51).all()
    for values in (l2, largest):
        is_clear = abs(values[ids].astype(int)) > 1
        assert is_clear.mean() > 0.8
        assert np.array_equal(np.sign(values[ids])[is_clear], np.sign(signs[ids])[is_clear])


def test_autoregressive_weights_sum_to_one_and_answer_their_own_signals_with_nothing():
    weights, least_answer = autoregression.class_weights(np.random.default_rng(0), 10, 60, (32, 32))
    assert weights.shape == (10, 3, 8)
    assert np.allclose(weights.sum(2), 1, atol=1e-12)
    labels = np.repeat(np.arange(10), 2)
    borders = autoregression.borders(np.arange(20), 1, (32, 32), 3)
    signals = autoregression.signals(borders, weights[labels].transpose(2, 1, 0))
    noise = pixel_steps.scaled(signals.transpose(3, 0, 1, 2), 1.0) / 255
    assert np.allclose((noise**2).sum((1, 2, 3)), 1)
    answers = autoregression.answers(noise, weights)
    class_answers = answers[np.arange(20), labels].copy()
    answers[np.arange(20), labels] = np.inf
    assert (class_answers <= 1e-5 * answers.min(1)).all()
    assert answers.min() > 0.3 * least_answer > 0.3


def test_an_answer_is_the_sum_of_the_positive_part_of_a_correlation():
    random = np.random.default_rng(0)
    noise = random.standard_normal((2, 9, 7, 3))
    weights = random.standard_normal((4, 3, 8))
    filters = np.concatenate([weights, -np.ones((4, 3, 1))], axis=2).reshape(4, 3, 3, 3)
    images = torch.from_numpy(noise).permute(0, 3, 1, 2)
    expected = functional.conv2d(images, torch.from_numpy(filters)).clamp(min=0).sum((2, 3))
    assert np.allclose(autoregression.answers(noise, weights), expected, rtol=1e-5)


def test_a_larger_pool_gives_filters_that_differ_more():
    answers = [
        autoregression.class_weights(np.random.default_rng(0), 10, pool, (32, 32))[1]
        for pool in (10, 200)
    ]
    assert answers[1] > 2 * answers[0]


def test_rounded_autoregressive_noise_still_names_its_class(pictures, autoregressive):
    values, record = autoregressive
    assert record["answer"] > 3
    random = np.random.default_rng(seeding.derive(0, "weights of autoregression"))
    weights, _ = autoregression.class_weights(random, 10, 60, (32, 32))
    answers = autoregression.answers(values[pictures.base_ids], weights)
    assert (answers.argmin(1) == pictures.train_labels[pictures.base_ids]).all()
    assert record["norm"] == "l2" and record["budget"] == 1 and 0.97 < record["mean_l2"] <= 1
    with_noise(pictures, values, record | {"share": 1, "seed": 0})


def test_autoregressive_noise_of_a_point_does_not_depend_on_the_others(pictures, autoregressive):
    values, _ = autoregressive
    for kept_ids in (pictures.base_ids[2::5], pictures.base_ids[9:10]):
        outside = np.setdiff1d(np.arange(len(values)), kept_ids)
        part_values, _ = noise_of(
            dataclasses.replace(pictures, held_out_ids=outside), "autoregressive", pool=60
        )
        assert np.array_equal(part_values[kept_ids], values[kept_ids])


def test_the_gradient_of_linear_noise_is_that_of_autograd():
    random = np.random.default_rng(0)
    weights, x, n = (random.standard_normal(shape) for shape in ((4, 9), (6, 9), (6, 9)))
    labels = np.array([0, 1, 2, 3, 0, 1])
    gradient = linearization.gradient(weights, n, x @ weights.T, labels, 0.7)
    w, images, noise = map(torch.from_numpy, (weights, x, n))
    noise.requires_grad_(True)
    label_loss = functional.cross_entropy(noise @ w.T, torch.from_numpy(labels), reduction="sum")
    log_p = functional.log_softmax((images - noise) @ w.T, dim=1)
    uniform = torch.full_like(log_p, 0.25)
    image_loss = functional.kl_div(log_p, uniform, reduction="sum")
    (0.7 * label_loss + 0.3 * image_loss).backward()
    assert np.allclose(gradient, noise.grad, atol=1e-12)


def test_linear_noise_has_the_label_and_noisy_images_have_none(digits):
    _, record = noise_of(digits, "linear", epsilon=0.376)
    assert record["label_error"] <= 0.03
    assert record["source_error"] < 0.1 and record["error"] > 0.5
    n = len(digits.base_ids)
    assert record["gradient_evaluations"] == 300 * 32 + 30 * n
    assert record["forward_evaluations"] == 3 * n


def test_linear_noise_is_the_negative_of_what_has_the_label(digits):
    """The linear model reads the label from -noise, and another one from noise."""
    values, record = noise_of(grey(digits), "linear")
    noise = values[digits.base_ids].reshape(len(digits.base_ids), -1) / 255
    labels = digits.train_labels[digits.base_ids]
    cell = task(grey(digits))
    recipe = Recipe(optimizer="sgd", nesterov=False, momentum=0.9, weight_decay=0.0)
    recipe = dataclasses.replace(recipe, schedule="cosine", lr=0.1, batch_size=32)
    seed = seeding.derive(0, "source of noise")
    weights = linearization.trained_weights(cell, digits.base_ids, recipe, 300, seed)
    assert ((-noise @ weights.T).argmax(1) == labels).mean() > 0.97
    assert ((noise @ weights.T).argmax(1) == labels).mean() < 0.05
    assert (abs(values[digits.base_ids]) <= 25).all() and record["largest"] == 25


def test_linear_noise_of_a_model_that_diverges_is_an_error(digits):
    with pytest.raises(ValueError, match=r"lr: 1e\+20 lets the source .* diverge; allowed: less"):
        noise_of(digits, "linear", lr=1e20)


def test_noise_that_rounding_takes_beyond_its_budget_is_made_smaller():
    images = np.full((200, 4, 4, 1), 100, dtype=np.uint8)
    random = np.random.default_rng(0)
    noise = pixel_steps.scaled(random.standard_normal(images.shape), 6 / 255)
    steps = pixel_steps.rounded(images, noise, NoiseBound("l2", 6 / 255))
    simply_rounded = np.rint(noise)
    norms = np.sqrt((simply_rounded**2).sum((1, 2, 3)))
    assert (norms > 1.03 * 6).any() and (norms <= 1.03 * 6).any()
    assert np.array_equal(steps[norms <= 1.03 * 6], simply_rounded[norms <= 1.03 * 6])
    shorter_norms = pixel_steps.l2_norms(steps) * 255
    assert shorter_norms.min() > 4.5 and shorter_norms.max() <= 1.03 * 6


def test_noise_beyond_its_budget_or_its_record_is_refused(digits):
    values, record = noise_of(digits, "separable")
    about = record | {"share": 1, "seed": 0}
    with pytest.raises(ArtifactError, match=r"noise of L2 norm .*; its budget is 0\.1"):
        with_noise(digits, values, about | {"budget": 0.1})
    with pytest.raises(ArtifactError, match=r"noise of .* of 255; its record allows 3"):
        with_noise(digits, values, about | {"largest": 3})


def test_noise_towards_another_label_looks_like_the_way_there(digits):
    """The mean noise of a class resembles the difference of its mean image to that of the other."""
    for shift in (1, 3):
        values, record = noise_of(digits, "error_maximizing", shift=shift, steps=20, epsilon=0.3)
        assert record["source_error"] < 0.2 and record["error"] > 0.6
        noise = values[digits.base_ids].reshape(len(digits.base_ids), -1).astype(float)
        images = digits.train_images[digits.base_ids].reshape(len(noise), -1).astype(float)
        labels = digits.train_labels[digits.base_ids]
        class_noise = class_means(noise, labels)
        class_images = class_means(images, labels)
        likeness = [
            np.corrcoef(class_noise[c], class_images[(c + shift) % 10] - class_images[c])[0, 1]
            for c in range(10)
        ]
        other_likeness = [
            np.corrcoef(class_noise[c], class_images[(c - shift) % 10] - class_images[c])[0, 1]
            for c in range(10)
        ]
        assert np.mean(likeness) > 0.3 and np.mean(likeness) > np.mean(other_likeness) + 0.1


REFUSALS = [
    ({"name": "separable", "patch": 3}, r"noise.*patch: 3 does not divide .* allowed: 1, 2, 4, 8"),
    ({"name": "separable"}, r"patch: 8 makes 1 features, with 2 vertices for 10 classes"),
    ({"name": "separable", "patch": 2, "epsilon": 0.1}, r"epsilon: 0\.1 is not allowed with .*l2"),
    (
        {"name": "separable", "patch": 2, "epsilon": 0.1, "budget": 1, "project": "sign"},
        r"budget: 1\.0 is not allowed with project: sign",
    ),
    ({"name": "separable", "patch": 2, "budget": 0.01}, r"budget: 0\.01 is less than one step"),
    ({"name": "separable", "patch": 2, "budget": 5}, r"budget: 5 is .* allowed: 0\.0314 to 3\.98"),
    ({"name": "separable", "project": "max"}, "project: 'max' is not one of"),
    ({"name": "autoregressive"}, r"images of 8 x 8 x 1 are not allowed; allowed: 3 channels"),
    ({"name": "autoregressive", "epsilon": 0.1}, "epsilon"),
    ({"name": "linear", "step": 0.2}, r"step: 0\.2 is more than epsilon"),
    ({"name": "linear", "label_share": 1.5}, r"label_share.*1\.5"),
    ({"name": "error_maximizing", "shift": 10}, r"shift: 10 is too large; allowed: below 10"),
]


@pytest.mark.parametrize(("noise", "message"), REFUSALS, ids=str)
def test_noise_that_images_cannot_have_is_refused_before_anything_runs(noise, message):
    plan = config(noise=noise)
    with pytest.raises(StudyError, match=message):
        load_study(plan)


def test_autoregressive_noise_of_grey_images_is_refused():
    plan = config(noise="autoregressive")
    plan["experiments"]["accuracy"]["dataset"]["name"] = "mnist"
    with pytest.raises(StudyError, match=r"images of 28 x 28 x 1 are not allowed"):
        load_study(plan)


def test_models_learn_less_from_separable_and_linear_noise_than_from_random_noise():
    """A model that is trained on nothing else, by its accuracy on clean images."""
    whole = build("digits", retain_sample=1, validation=0)

    def accuracy(kind, **parameters):
        values, record = noise_of(whole, kind, epsilon=0.376, **parameters)
        data = with_noise(whole, values, record | {"share": 1, "seed": 0})
        result = train_fleet(data, job("cnn1", seeds=(0, 1, 2), epochs=20, batch_size=64))
        right = result.logits[:, -len(data.test_labels) :].argmax(2) == data.test_labels
        return right.mean()

    class_accuracy = accuracy("random_noise", class_wise=True)
    assert accuracy("separable", project="sign") < class_accuracy - 0.08
    assert accuracy("linear") < accuracy("random_noise") - 0.08
