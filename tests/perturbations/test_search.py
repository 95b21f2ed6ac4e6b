"""Making noise on images: bounds, descent, closed forms."""

import itertools

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from tests.support.jobs import build, job, task
from tests.support.noise import described, made
from unlearn.core import seeding
from unlearn.data import dataset
from unlearn.jobs.perturb import make_noise
from unlearn.jobs.train import train_fleet
from unlearn.perturbations import search
from unlearn.training.loop import fit, normalised

torch.set_num_threads(1)


KINDS = [
    ("error_minimizing", {}),
    ("error_minimizing", {"class_wise": True, "steps": 1}),
    ("error_minimizing", {"random_start": True, "step": 0.03}),
    ("error_maximizing", {}),
    ("random", {}),
    ("random", {"uniform": True, "class_wise": True}),
]


@pytest.mark.parametrize(("kind", "parameters"), KINDS, ids=str)
def test_noise_is_bounded_and_of_both_signs(digits, kind, parameters):
    values, record = made(digits, kind, **parameters)
    assert values.shape == digits.train_images.shape and values.dtype == np.int8
    assert record["largest"] == abs(values.astype(int)).max() <= 25  # 0.1 of 255
    noisy = digits.train_images.astype(int) + values
    assert noisy.min() >= 0 and noisy.max() <= 255
    assert not values[digits.held_out_ids].any()
    inside = digits.train_images[digits.base_ids] > 26
    own = values[digits.base_ids][inside]
    assert (own < 0).mean() > 0.2 and (own > 0).any()
    again, other = made(digits, kind, **parameters)
    assert np.array_equal(again, values)
    assert {k: v for k, v in other.items() if k != "wall_seconds"} == {
        k: v for k, v in record.items() if k != "wall_seconds"
    }
    seeded, _ = made(digits, kind, **parameters, seed=1)
    assert not np.array_equal(seeded, values)


def test_noise_of_classes_is_one_for_each(digits):
    """On images of which no pixel is near an end of its range."""
    grey = (100 + digits.train_images / 8).astype(np.uint8)
    digits = dataset.Dataset(**vars(digits) | {"train_images": grey})
    for kind, more in (("error_minimizing", {"steps": 1}), ("random", {})):
        values, _ = made(digits, kind, class_wise=True, **more)
        found = []
        for label in range(10):
            ids = digits.base_ids[digits.train_labels[digits.base_ids] == label]
            spread = values[ids].astype(int) - values[ids[0]]
            assert values[ids[0]].any() and abs(spread).max() <= 1  # rounded with the image
            found.append(values[ids[0]].tobytes())
        assert len(set(found)) == 10


def test_the_search_ends_at_its_error_or_at_its_cap(digits):
    _, record = made(digits, rounds=40, epsilon=0.4)
    assert record["converged"] and record["error"] <= 0.02 and 1 <= record["rounds"] < 40
    values, record = made(digits, rounds=2, stop_error=0.0, epsilon=0.004)
    assert (record["converged"], record["rounds"]) == (False, 2)
    assert values.any()
    n = len(digits.base_ids)
    trained = 2 * 10 * 32
    assert record["gradient_evaluations"] == 2 * 5 * n + trained
    assert record["forward_evaluations"] == 2 * n


def test_following_the_gradient_lowers_the_loss(digits):
    here = task(digits, model="cnn1")
    model = here.new_model(0)
    fit(here, model, digits.base_ids, here.recipe | {"epochs": 3}, 0)
    model.eval()
    pixels, labels = here.data.train_images[:100], here.data.train_labels[:100]

    def losses(own):
        images = normalised(search.noisy(pixels, own, 255), here.data)
        return functional.cross_entropy(model(images), labels, reduction="none").detach()

    before = {n: t.clone() for n, t in model.state_dict().items()}
    for uphill, sign in ((False, 1), (True, -1)):
        own = torch.zeros(pixels.shape)
        values = [losses(own)]
        for _ in range(5):
            search.follow(
                here, model, pixels, labels, own, radius=20, step=2, steps=1, uphill=uphill
            )
            values.append(losses(own))
        falls = [sign * float((a - b).mean()) for a, b in itertools.pairwise(values)]
        assert all(fall > 0 for fall in falls)
        assert own.abs().max() <= 20
        images = normalised(search.noisy(pixels, own, 255), here.data)
        direct = float((model(images).argmax(1) != labels).double().mean())
        assert search.wrong(here, model, pixels, labels, own) == direct
    assert all(torch.equal(before[n], t) for n, t in model.state_dict().items())
    assert all(p.requires_grad for p in model.parameters())


def linear(here, classes=10):
    torch.manual_seed(3)
    pixels = int(np.prod(here.data.shape))
    model = nn.Sequential(nn.Flatten(), nn.Linear(pixels, classes))
    return model.eval()


def test_one_long_step_of_a_linear_model_is_the_sign_of_its_gradient(digits):
    here = task(digits)
    model = linear(here)
    pixels, labels = here.data.train_images[:40], here.data.train_labels[:40]
    own = torch.zeros(pixels.shape)
    search.follow(here, model, pixels, labels, own, radius=9, step=9, steps=1)
    images = normalised(pixels, here.data).requires_grad_(True)
    functional.cross_entropy(model(images), labels, reduction="sum").backward()
    expected = -9 * images.grad.sign().permute(0, 2, 3, 1)
    expected = (pixels + expected).clamp(0, 255) - pixels
    assert torch.equal(own, expected)


def test_the_best_noise_for_two_classes_is_found(digits):
    """epsilon sign(w_y - w_other), where pixels are away from the ends of their range."""
    here = task(digits)
    model = linear(here, 2)
    pixels = torch.full((30, *here.data.shape), 120, dtype=torch.uint8)
    labels = torch.arange(30) % 2
    own = torch.zeros(pixels.shape)
    search.follow(here, model, pixels, labels, own, radius=10, step=1, steps=20)
    towards = (model[1].weight[1] - model[1].weight[0]).sign().view(*here.data.shape)
    sign = torch.where(labels == 1, 1.0, -1.0)[:, None, None, None]
    assert torch.equal(own, 10 * sign * towards[None])


def test_a_step_of_class_noise_is_the_mean_over_its_images(digits, monkeypatch):
    """Against a loop over images."""
    from unlearn.perturbations.error_minimizing import ErrorMinimizing

    parameters = described(class_wise=True, steps=2, class_share=1.0)["noise"]["parameters"]
    maker = ErrorMinimizing(**parameters)
    here = task(digits, model="cnn1")
    model = here.new_model(0).eval()
    ids = torch.arange(32)
    pixels, labels = here.data.train_images[ids], here.data.train_labels[ids]
    table = torch.randn(10, *here.data.shape)
    expected = table.clone()
    radius = 25.5
    for label in labels.unique():
        parts = []
        for i in torch.nonzero(labels == label)[:, 0]:
            own = table[label][None].clone()
            one = pixels[i : i + 1], labels[i : i + 1]
            search.follow(here, model, *one, own, radius=radius, step=radius / 10, steps=2)
            parts.append(own[0])
        expected[label] = torch.stack(parts).mean(0).clamp(-radius, radius)
    maker._search_classes(here, model, pixels, labels, table, ids)
    # single images may be rounded otherwise in another batch: a sign flips where it is near 0
    assert ((table - expected).abs() < 1e-5).double().mean() > 0.99


def test_the_source_is_trained_on_noisy_images(digits, monkeypatch):
    """From the second round on: the search is a minimum over model and noise."""
    from unlearn.algorithms.losses import Turns
    from unlearn.perturbations import error_minimizing

    seen = []

    class Spy(error_minimizing.descent.__globals__["Descent"]):
        def step(self, images, labels, rate):
            seen.append(images)
            return super().step(images, labels, rate)

    monkeypatch.setattr(error_minimizing, "descent", Spy)
    how = described(rounds=2, training_steps=3, stop_error=0.0)
    make_noise(digits, how)
    here = task(digits, model="cnn1")
    turns = Turns(np.arange(len(digits.base_ids)), 32, seeding.derive(0, "turns"))
    changes = []
    for images in seen:
        pixels = here.data.train_images[torch.from_numpy(digits.base_ids[turns()])]
        clean = normalised(pixels, here.data)
        changes.append(float((images - clean).abs().max() / here.data.scale.max()))
    assert changes[:3] == [0, 0, 0] and all(5 < change < 25.6 for change in changes[3:])


def test_noisy_images_teach_less_than_randomly_noisy_ones():
    """A model that is trained on nothing else, by its accuracy on clean images."""
    whole = build("digits", retain_sample=1)

    def accuracy(data):
        result = train_fleet(data, job("cnn1", seeds=(0, 1, 2), epochs=20, batch_size=64))
        right = result.logits[:, -len(data.test_labels) :].argmax(2) == data.test_labels
        return right.mean()

    def noisy(kind, **parameters):
        values, record = made(whole, kind, epsilon=0.376, **parameters)
        return with_noise(whole, values, record | {"share": 1, "seed": 0})

    clean, random = accuracy(whole), accuracy(noisy("random"))
    assert clean > 0.95 and random > clean - 0.08
    assert accuracy(noisy("error_minimizing", steps=10)) < random - 0.08
    assert accuracy(noisy("error_minimizing", class_wise=True)) < random - 0.08


def test_a_source_that_diverges_makes_no_noise(digits):
    with pytest.raises(
        ValueError, match=r"lr: 1e\+30 lets the source of the noise diverge in round 1"
    ):
        made(digits, lr=1e30)
    with pytest.raises(ValueError, match=r"lr: 1e\+30 lets the source .* diverge; allowed: less"):
        made(digits, "error_maximizing", lr=1e30)


def test_a_class_without_images_is_an_error(digits):
    zeros = digits.base_ids[digits.train_labels[digits.base_ids] == 0]
    outside = np.union1d(digits.held_out_ids, zeros[1:])
    lonely = dataset.Dataset(**vars(digits) | {"held_out_ids": outside})
    with pytest.raises(ValueError, match=r"class_share: 0\.2 leaves no image of class 0"):
        made(lonely, class_wise=True)
