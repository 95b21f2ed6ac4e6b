"""Making noise on images: bounds, descent, closed forms."""

import dataclasses
import itertools

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from tests.support.jobs import build, job, task
from tests.support.noise import noise_job, noise_of
from unlearn.core import registry, seeding
from unlearn.jobs.perturb import make_noise
from unlearn.jobs.train import train_fleet
from unlearn.perturbations import alternating_search, probe, search
from unlearn.perturbations.noisy_images import with_noise
from unlearn.training.cyclic_batches import CyclicBatches
from unlearn.training.data import normalised
from unlearn.training.loop import fit

torch.set_num_threads(1)


KINDS = [
    ("error_minimizing", {}),
    ("error_minimizing", {"class_wise": True, "steps": 1}),
    ("error_minimizing", {"start": "uniform", "step": 0.03}),
    ("error_minimizing", {"start": "sign", "source": "renewed", "rounds": 2}),
    ("error_maximizing", {}),
    ("random_noise", {}),
    ("random_noise", {"uniform": True, "class_wise": True}),
]


@pytest.mark.parametrize(("kind", "parameters"), KINDS, ids=str)
def test_noise_is_bounded_and_of_both_signs(digits, kind, parameters):
    values, record = noise_of(digits, kind, **parameters)
    assert values.shape == digits.train_images.shape and values.dtype == np.int8
    assert record["largest"] == abs(values.astype(int)).max() <= 25  # 0.1 of 255
    noisy = digits.train_images.astype(int) + values
    assert noisy.min() >= 0 and noisy.max() <= 255
    assert not values[digits.held_out_ids].any()
    inside = digits.train_images[digits.base_ids] > 26
    inner_values = values[digits.base_ids][inside]
    assert (inner_values < 0).mean() > 0.2 and (inner_values > 0).any()
    second_values, second_record = noise_of(digits, kind, **parameters)
    assert np.array_equal(second_values, values)
    assert {k: v for k, v in second_record.items() if k != "wall_seconds"} == {
        k: v for k, v in record.items() if k != "wall_seconds"
    }
    seeded, _ = noise_of(digits, kind, **parameters, seed=1)
    assert not np.array_equal(seeded, values)


def test_noise_of_classes_is_one_for_each(digits):
    """On images of which no pixel is near an end of its range."""
    grey = (100 + digits.train_images / 8).astype(np.uint8)
    digits = dataclasses.replace(digits, train_images=grey)
    for kind, parameters in (("error_minimizing", {"steps": 1}), ("random_noise", {})):
        values, _ = noise_of(digits, kind, class_wise=True, **parameters)
        class_noises = set()
        for label in range(10):
            ids = digits.base_ids[digits.train_labels[digits.base_ids] == label]
            spread = values[ids].astype(int) - values[ids[0]]
            assert values[ids[0]].any() and abs(spread).max() <= 1  # rounded with the image
            class_noises.add(values[ids[0]].tobytes())
        assert len(class_noises) == 10


def test_the_search_ends_at_its_error_or_at_its_cap(digits):
    _, record = noise_of(digits, rounds=40, epsilon=0.4)
    assert record["converged"] and record["error"] <= 0.02 and 2 <= record["rounds"] < 40
    assert record["clean_error"] >= 0.3
    values, record = noise_of(digits, rounds=2, stop_error=0.0, epsilon=0.004)
    assert (record["converged"], record["rounds"]) == (False, 2)
    assert values.any()


def test_the_probe_tells_strong_noise_from_weak(digits):
    whole = build("digits", retain_sample=1, validation=0)
    marks = {"class_wise": True, "source": "renewed", "start": "sign", "probe_lr": 0.2}
    _, strong = noise_of(whole, epsilon=0.49, **marks)
    _, weak = noise_of(whole, epsilon=0.004, **marks)
    assert (strong["weak"], weak["weak"]) == (False, True)
    assert strong["probe_clean_error"] == weak["probe_clean_error"] < 0.1
    assert strong["probe_error"] > weak["probe_error"] + 0.4
    _, untold = noise_of(digits, rounds=2)
    assert untold["weak"] is None  # six steps teach nothing


def test_the_work_of_the_search_and_of_the_probe_is_counted(digits):
    _, record = noise_of(digits, rounds=2, stop_error=0.0)
    n = len(digits.base_ids)
    training_points = 2 * 10 * 32
    probes = 2 * probe.MODELS
    probe_training = probes * probe.EPOCHS * n
    assert record["gradient_evaluations"] == 2 * 5 * n + training_points + probe_training
    assert record["forward_evaluations"] == 2 * 2 * n + probes * min(n, probe.POINTS)


def test_a_source_that_knows_the_images_never_converges(digits):
    """It makes no mistakes on noisy images, with noise that is too small to matter."""
    _, record = noise_of(
        digits, epsilon=0.004, rounds=12, training_steps=40, stop_error=0.2, least_rounds=1
    )
    assert record["errors"][-1] <= 0.2 and record["clean_errors"][-1] < 0.3
    assert (record["converged"], record["rounds"], record["renewals"]) == (False, 12, 3)


def test_a_source_that_the_last_round_would_renew_is_not_counted(digits):
    _, record = noise_of(digits, rounds=3, stop_error=1.0, clean_error=1.0)
    assert (record["converged"], record["rounds"], record["renewals"]) == (False, 3, 0)
    _, record = noise_of(digits, rounds=4, stop_error=1.0, clean_error=1.0)
    assert (record["rounds"], record["renewals"]) == (4, 1)


def test_a_renewed_source_has_all_its_rounds(digits):
    _, record = noise_of(digits, source="renewed", rounds=4, stop_error=1.0, clean_error=0.0)
    assert (record["converged"], record["rounds"], record["renewals"]) == (True, 4, 0)
    assert len(record["errors"]) == len(record["clean_errors"]) == 4


def test_a_renewed_source_has_new_weights_in_every_round(digits):
    described = noise_job(source="renewed", rounds=3)
    cell = task(digits, model="cnn1")
    options = registry.create("noises", described.noise)
    searched = alternating_search.AlternatingSearch(options, cell, digits.base_ids)
    weights, optimizers = [], []
    train = searched._train_source

    def recording_train(round_number):
        weights.append(next(searched.source.parameters()).detach().clone())
        optimizers.append(searched.optimizer)
        train(round_number)

    searched._train_source = recording_train
    searched.run()
    assert len(weights) == len({id(optimizer) for optimizer in optimizers}) == 3
    for first, second in itertools.combinations(weights, 2):
        assert not torch.equal(first, second)


def test_random_starts_depend_on_seed_and_id_alone(digits):
    described = noise_job(start="sign")
    cell = task(digits, model="cnn1")
    options = registry.create("noises", described.noise)
    whole = alternating_search.AlternatingSearch(options, cell, digits.base_ids)
    part = alternating_search.AlternatingSearch(options, cell, digits.base_ids[10:40])
    assert torch.equal(whole.table[10:40], part.table)
    assert (whole.table.abs() == whole.ball.radius).all()


def test_following_the_gradient_lowers_the_loss(digits):
    cell = task(digits, model="cnn1")
    model = cell.new_model(0)
    fit(cell, model, digits.base_ids, dataclasses.replace(cell.recipe, epochs=3), 0)
    model.eval()
    pixels = cell.data.train_images[:100]
    labels = cell.data.train_labels[:100]

    def losses(noise):
        images = normalised(search.noisy(pixels, noise, 255), cell.data)
        return functional.cross_entropy(model(images), labels, reduction="none").detach()

    before = {n: t.clone() for n, t in model.state_dict().items()}
    for uphill, sign in ((False, 1), (True, -1)):
        noise = torch.zeros(pixels.shape)
        values = [losses(noise)]
        for _ in range(5):
            ball = search.Ball(radius=20, step=2)
            search.follow(cell, model, pixels, labels, noise, ball, 1, uphill=uphill)
            values.append(losses(noise))
        falls = [sign * float((a - b).mean()) for a, b in itertools.pairwise(values)]
        assert all(fall > 0 for fall in falls)
        assert noise.abs().max() <= 20
        images = normalised(search.noisy(pixels, noise, 255), cell.data)
        direct = float((model(images).argmax(1) != labels).double().mean())
        assert search.error_rate(cell, model, pixels, labels, noise) == direct
    assert all(torch.equal(before[n], t) for n, t in model.state_dict().items())
    assert all(p.requires_grad for p in model.parameters())


def linear(cell, classes=10):
    torch.manual_seed(3)
    pixels = int(np.prod(cell.data.shape))
    model = nn.Sequential(nn.Flatten(), nn.Linear(pixels, classes))
    return model.eval()


def test_one_long_step_of_a_linear_model_is_the_sign_of_its_gradient(digits):
    cell = task(digits)
    model = linear(cell)
    pixels = cell.data.train_images[:40]
    labels = cell.data.train_labels[:40]
    noise = torch.zeros(pixels.shape)
    search.follow(cell, model, pixels, labels, noise, search.Ball(radius=9, step=9), 1)
    images = normalised(pixels, cell.data).requires_grad_(True)
    functional.cross_entropy(model(images), labels, reduction="sum").backward()
    expected = -9 * images.grad.sign().permute(0, 2, 3, 1)
    expected = (pixels + expected).clamp(0, 255) - pixels
    assert torch.equal(noise, expected)


def test_the_best_noise_for_two_classes_is_found(digits):
    """epsilon sign(w_y - w_other), where pixels are away from the ends of their range."""
    cell = task(digits)
    model = linear(cell, 2)
    pixels = torch.full((30, *cell.data.shape), 120, dtype=torch.uint8)
    labels = torch.arange(30) % 2
    noise = torch.zeros(pixels.shape)
    search.follow(cell, model, pixels, labels, noise, search.Ball(radius=10, step=1), 20)
    direction = (model[1].weight[1] - model[1].weight[0]).sign().view(*cell.data.shape)
    sign = torch.where(labels == 1, 1.0, -1.0)[:, None, None, None]
    assert torch.equal(noise, 10 * sign * direction[None])


def class_search(digits):
    """A search for class noise that starts from a random table."""
    described = noise_job(class_wise=True, steps=2, class_share=1.0)
    cell = task(digits, model="cnn1")
    options = registry.create("noises", described.noise)
    searched = alternating_search.AlternatingSearch(options, cell, digits.base_ids)
    searched.table = torch.randn(searched.table.shape, generator=torch.Generator().manual_seed(0))
    searched.source.eval()
    return searched


def image_by_image(searched, table, rows):
    """The noise of classes after the steps of one minibatch, from a loop over its images."""
    radius = searched.ball.radius
    noise_by_image = torch.zeros(len(rows), *table.shape[1:])
    for i, row in enumerate(rows):
        pixels = searched.pixels[row : row + 1]
        labels = searched.labels[row : row + 1]
        noise = table[labels].clone()
        search.follow(searched.task, searched.source, pixels, labels, noise, searched.ball, 2)
        noise_by_image[i] = noise[0]
    expected = table.clone()
    for label in searched.labels[rows].unique():
        means = noise_by_image[searched.labels[rows] == label].mean(0)
        expected[label] = means.clamp(-radius, radius)
    return expected


def test_a_step_of_class_noise_is_the_mean_over_its_images(digits):
    """Against a loop over images."""
    searched = class_search(digits)
    searched.sample = searched.sample[:32]
    expected = image_by_image(searched, searched.table, searched.sample)
    searched._improve_class_noise(searched.source)
    # single images may be rounded otherwise in another batch: a sign flips where it is near 0
    assert ((searched.table - expected).abs() < 1e-5).double().mean() > 0.99


def test_class_noise_goes_from_minibatch_to_minibatch(digits):
    """The steps of a minibatch start where those of the one before ended."""
    searched = class_search(digits)
    searched.sample = searched.sample[:64]
    expected = searched.table
    for rows in searched.sample.split(32):
        expected = image_by_image(searched, expected, rows)
    searched._improve_class_noise(searched.source)
    assert ((searched.table - expected).abs() < 1e-4).double().mean() > 0.98


def test_a_class_without_images_in_a_minibatch_keeps_its_noise(digits):
    searched = class_search(digits)
    absent_class = int(searched.labels[0])
    searched.sample = torch.nonzero(searched.labels != absent_class)[:32, 0]
    before = searched.table.clone()
    searched._improve_class_noise(searched.source)
    assert torch.equal(searched.table[absent_class], before[absent_class])
    present_classes = searched.labels[searched.sample].unique()
    assert all(not torch.equal(searched.table[label], before[label]) for label in present_classes)


def test_the_source_is_trained_on_noisy_images(digits, monkeypatch):
    """From the second round on: the search is a minimum over model and noise."""
    training_images = []

    class RecordingSearch(alternating_search.AlternatingSearch):
        def _train_source(self, round_number):
            def record(module, arguments):
                if len(arguments[0]) > 1:  # not the one that FLOPs are counted on
                    training_images.append(arguments[0].detach())

            hook = self.source.register_forward_pre_hook(record)
            super()._train_source(round_number)
            hook.remove()

    monkeypatch.setattr(alternating_search, "AlternatingSearch", RecordingSearch)
    make_noise(digits, noise_job(rounds=2, training_steps=3, stop_error=0.0))
    cell = task(digits, model="cnn1")
    batches = CyclicBatches(np.arange(len(digits.base_ids)), 32, seeding.derive(0, "turns"))
    changes = []
    for images in training_images:
        pixels = cell.data.train_images[torch.from_numpy(digits.base_ids[batches.next()])]
        clean_images = normalised(pixels, cell.data)
        changes.append(float((images - clean_images).abs().max() / cell.data.scale.max()))
    assert len(changes) == 6
    assert changes[:3] == [0, 0, 0] and all(5 < change < 25.6 for change in changes[3:])


def test_noisy_images_teach_less_than_randomly_noisy_ones():
    """A model that is trained on nothing else, by its accuracy on clean images."""
    whole = build("digits", retain_sample=1, validation=0)

    def accuracy(data):
        result = train_fleet(data, job("cnn1", seeds=(0, 1, 2), epochs=20, batch_size=64))
        right = result.logits[:, -len(data.test_labels) :].argmax(2) == data.test_labels
        return right.mean()

    def noisy(kind, **parameters):
        values, record = noise_of(whole, kind, epsilon=0.376, **parameters)
        return with_noise(whole, values, record | {"share": 1, "seed": 0})

    clean_accuracy = accuracy(whole)
    random_accuracy = accuracy(noisy("random_noise"))
    assert clean_accuracy > 0.95 and random_accuracy > clean_accuracy - 0.08
    assert accuracy(noisy("error_minimizing", steps=10)) < random_accuracy - 0.08
    assert accuracy(noisy("error_minimizing", class_wise=True)) < random_accuracy - 0.08


def test_a_source_that_diverges_makes_no_noise(digits):
    with pytest.raises(
        ValueError, match=r"lr: 1e\+30 lets the source of the noise diverge in round 1"
    ):
        noise_of(digits, lr=1e30)
    with pytest.raises(ValueError, match=r"lr: 1e\+30 lets the source .* diverge; allowed: less"):
        noise_of(digits, "error_maximizing", lr=1e30)


def test_a_class_without_images_is_an_error(digits):
    zeros = digits.base_ids[digits.train_labels[digits.base_ids] == 0]
    outside = np.union1d(digits.held_out_ids, zeros[1:])
    lonely = dataclasses.replace(digits, held_out_ids=outside)
    with pytest.raises(ValueError, match=r"class_share: 0\.2 leaves no image of class 0"):
        noise_of(lonely, class_wise=True)
