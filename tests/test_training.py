"""The training loop: pairing of original and retrained model, schedules, costs."""

import subprocess
import sys

import numpy as np
import pytest
import torch
from conftest import ROOT, job, raw_data, task
from torch import nn

from unlearn import costs, dataset, jobs, models, schema, seeding, training
from unlearn.augmentation import augmentation, mixed
from unlearn.task import state_of


def fit(data, ids, seed=0, **recipe):
    """A trained model's weights."""
    here = task(data, **recipe)
    model = here.new_model(seed)
    training.fit(here, model, ids, here.recipe, seed)
    return state_of(model)


def test_order_is_a_function_of_seed_and_id():
    ids = np.arange(100)
    order = seeding.shuffled(ids, 5)
    without = seeding.shuffled(np.setdiff1d(ids, [3, 50]), 5)
    assert [i for i in order if i not in (3, 50)] == without.tolist()
    assert sorted(order) == ids.tolist()
    assert not np.array_equal(order, seeding.shuffled(ids, 6))


def test_keys_are_uniform_and_seeds_independent():
    a, b = (seeding.point_keys(s, np.arange(20_000)) / 2**64 for s in (0, 1))
    assert np.histogram(a, 10, (0, 1))[0] == pytest.approx(2000, abs=200)
    assert abs(np.corrcoef(a, b)[0, 1]) < 0.03


def test_minibatches_lose_deleted_points_and_nothing_else_moves(digits):
    """The oracle's minibatches are the original's less the deleted points."""
    everyone = np.arange(200)
    epoch = seeding.derive(0, "epoch", 0)
    batches = np.split(seeding.shuffled(everyone, epoch), range(32, 200, 32))
    gone = batches[1].copy()  # a whole minibatch
    here, kept = task(digits, epochs=1), np.setdiff1d(everyone, gone)
    found = training._minibatches(here, here.new_model(0), kept, everyone, here.recipe, 0, 7)
    seen = {step: (images, labels) for step, images, labels in found}
    assert list(seen) == [0, 2, 3, 4, 5, 6]
    for step, (images, labels) in seen.items():
        assert np.array_equal(labels, digits.train_labels[batches[step]])
        pixels = torch.from_numpy(digits.train_images[batches[step]])
        assert torch.equal(images, training.normalised(pixels, here.data))


def test_deleting_nothing_changes_nothing_and_one_point_little(digits):
    everyone = np.arange(200)
    full, again = fit(digits, everyone), fit(digits, everyone)
    fewer, other = fit(digits, everyone[1:]), fit(digits, everyone, seed=1)

    def distance(state):
        return sum(float((full[n] - state[n]).square().sum()) for n in full) ** 0.5

    assert distance(again) == 0
    assert 0 < distance(fewer) < 0.2 * distance(other)


def test_the_pixels_of_deleted_points_do_not_matter(digits):
    retained = np.arange(20, 200)
    pixels = digits.train_images.copy()
    pixels[:20] = 255 - pixels[:20]
    fields = {name: getattr(digits, name) for name in digits.__dataclass_fields__}
    noisy = dataset.Dataset(**fields | {"train_images": pixels})
    a = fit(digits, retained, crop=1, flip=True)
    b = fit(noisy, retained, crop=1, flip=True)
    assert all(torch.equal(a[name], b[name]) for name in a)


PLAIN = {"crop": 0, "flip": False, "cutout": 0}


def test_squares_are_blanked_around_drawn_pixels(digits):
    here = task(digits)
    pixels = torch.from_numpy(np.array(digits.train_images[:60]))
    pixels[pixels == 128] = 129  # the mean colour
    blank = augmentation(PLAIN | {"cutout": 4}, here.data)
    found = blank(pixels, np.arange(60), 3)
    assert torch.equal(blank(pixels[7:9], np.arange(7, 9), 3), found[7:9])
    changed = (found != pixels)[..., 0]
    assert (found[changed] == 128).all()
    rows, columns = changed.any(2), changed.any(1)
    assert torch.equal(changed, rows[:, :, None] & columns[:, None, :])
    assert rows.sum(1).min() > 0 and rows.sum(1).max() == columns.sum(1).max() == 4
    assert (blank(pixels, np.arange(60), 4) != found).any()


def test_mixed_minibatches_are_between_their_images(digits):
    images, labels = torch.rand(5, 3), torch.tensor([0, 1, 2, 1, 0])
    x, soft = mixed(images, labels, 1.0, 3, 7)
    share = float(soft[0, 0] if labels[0] != labels[4] else soft[1, 1])
    assert torch.allclose(x, share * images + (1 - share) * images.roll(1, 0))
    assert torch.allclose(soft.sum(1), torch.ones(5)) and 0 < share < 1
    here = task(digits, mixup=0.4, epochs=1)
    model = here.new_model(0)
    training.fit(here, model, np.arange(200), here.recipe, 0)
    other = task(digits, epochs=1)
    plain = other.new_model(0)
    training.fit(other, plain, np.arange(200), other.recipe, 0)
    assert not torch.equal(model[1].weight, plain[1].weight)


def test_augmentation_is_drawn_by_point(digits):
    pixels = torch.from_numpy(np.array(digits.train_images))
    augment = augmentation(PLAIN | {"crop": 2, "flip": True}, None)
    whole = augment(pixels, np.arange(200), 7)
    part = augment(pixels[50:60], np.arange(50, 60), 7)
    assert torch.equal(whole[50:60], part)
    assert not torch.equal(whole, augment(pixels, np.arange(200), 8))
    plain = augmentation(PLAIN | {"flip": True}, None)(pixels, np.arange(200), 7)
    mirrored = torch.flip(pixels, (2,))
    flipped = [torch.equal(plain[i], mirrored[i]) for i in range(200)]
    assert all(f or torch.equal(plain[i], pixels[i]) for i, f in enumerate(flipped))
    assert 70 < sum(flipped) < 130


def test_crops_are_shifts(digits):
    pixels = torch.from_numpy(np.array(digits.train_images[:50]))
    cropped = augmentation(PLAIN | {"crop": 1}, None)(pixels, np.arange(50), 3)
    padded = torch.nn.functional.pad(pixels, (0, 0, 1, 1, 1, 1))
    shifts = set()
    for i in range(50):
        fits = [
            (top, left)
            for top in range(3)
            for left in range(3)
            if torch.equal(cropped[i], padded[i, top : top + 8, left : left + 8])
        ]
        assert fits
        shifts |= set(fits)
    assert len(shifts) == 9


@pytest.mark.parametrize("schedule", ["constant", "cosine", "one_cycle"])
def test_schedules_stay_in_range_and_reach_the_top(schedule):
    recipe = {"lr": 0.4, "schedule": schedule}
    rates = [training.learning_rate(recipe, step, 100) for step in range(100)]
    assert all(0 < rate <= 0.4 for rate in rates)
    assert max(rates) > 0.39
    if schedule != "constant":
        assert rates[-1] < 0.01


def test_one_step_is_the_analytic_step(digits):
    """Plain SGD on logistic regression: w - lr (X'(p - y) / n + decay w)."""
    recipe = {"epochs": 1, "batch_size": 200, "lr": 0.3, "momentum": 0.0, "schedule": "constant"}
    here = task(digits, model="logistic", **recipe, weight_decay=0.01)
    model = here.new_model(0)
    before = model[1].weight.detach().double().numpy().copy()
    bias = model[1].bias.detach().double().numpy().copy()
    training.fit(here, model, np.arange(200), here.recipe, 0)
    x = ((digits.train_images.reshape(200, -1) / 255) - 0.5) / 0.5
    z = x @ before.T + bias
    p = np.exp(z - z.max(1, keepdims=True))
    p = p / p.sum(1, keepdims=True) - np.eye(10)[digits.train_labels]
    expected = before - 0.3 * (p.T @ x / 200 + 0.01 * before)
    assert model[1].weight.detach().numpy() == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("model", ["logistic", "mlp"])
@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_the_fast_descent_agrees_with_autograd(digits, model, momentum):
    """Linear layers by hand, and by autograd under a loss that is another object."""

    def cross_entropy(logits, labels):
        return nn.functional.cross_entropy(logits, labels)

    here = task(digits, model=model, momentum=momentum, weight_decay=0.01, epochs=3, batch_size=7)
    states = []
    for loss in (nn.functional.cross_entropy, cross_entropy):
        network = here.new_model(0)
        memory = training.fit(here, network, np.arange(200), here.recipe, 0, loss=loss)
        states.append(state_of(network) | memory)
        assert all(t.is_contiguous() for t in [*network.parameters(), *memory.values()])
    fast, slow = states
    assert fast.keys() == slow.keys()
    assert len(fast) == len(list(network.parameters())) * (2 if momentum else 1)
    for name in fast:
        assert fast[name].numpy() == pytest.approx(slow[name].numpy(), abs=2e-5), name
        assert not torch.equal(fast[name], torch.zeros_like(fast[name]))


def test_fused_steps_are_those_of_torch(digits):
    """Minibatches, schedule and augmentation aside, one epoch of torch's own optimisers."""
    for optimizer, options in (("sgd", {"momentum": 0.9, "nesterov": True}), ("adam", {})):
        own = {"optimizer": optimizer, "lr": 0.01, "weight_decay": 0.01} | options
        here = task(digits, model="cnn1", epochs=1, schedule="constant", **own)
        model, plain = here.new_model(0), here.new_model(0)
        training.fit(here, model, np.arange(200), here.recipe, 0)
        kind = {"sgd": torch.optim.SGD, "adam": torch.optim.Adam}[optimizer]
        theirs = kind(plain.parameters(), lr=0.01, weight_decay=0.01, **options)
        order = seeding.shuffled(np.arange(200), seeding.derive(0, "epoch", 0))
        for batch in np.split(order, range(32, 200, 32)):
            images = training.normalised(here.data.train_images[batch], here.data)
            theirs.zero_grad()
            nn.functional.cross_entropy(plain(images), here.data.train_labels[batch]).backward()
            theirs.step()
        for ours, expected in zip(model.parameters(), plain.parameters(), strict=True):
            assert ours.detach().numpy() == pytest.approx(expected.detach().numpy(), abs=1e-6)


@pytest.mark.parametrize("model", ["mlp", "cnn1"])
@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_training_resumes_to_the_bit(digits, model, optimizer):
    """Weights and optimiser state are all that the next step depends on."""
    here = task(digits, model=model, optimizer=optimizer, lr=0.01, schedule="constant")
    ids = np.arange(100)
    through = here.new_model(0)
    memory = training.fit(here, through, ids, here.recipe, 1, among=ids, steps=4)
    stored = {n: t.numpy().copy() for n, t in state_of(through).items()}
    kept = {n: t.numpy().copy() for n, t in memory.items()}
    training.fit(here, through, ids, here.recipe, 2, among=ids, steps=5, optimizer_state=memory)
    resumed, forgetful = here.model(stored), here.model(stored)
    training.fit(here, resumed, ids, here.recipe, 2, among=ids, steps=5, optimizer_state=kept)
    training.fit(here, forgetful, ids, here.recipe, 2, among=ids, steps=5)
    through, resumed, forgetful = (state_of(m) for m in (through, resumed, forgetful))
    assert all(torch.equal(through[n], resumed[n]) for n in through)
    assert not all(torch.equal(through[n], forgetful[n]) for n in through)


def test_a_schedule_can_end_within_an_epoch(digits):
    here = task(digits)
    training.fit(here, here.new_model(0), np.arange(100), here.recipe, 0, steps=9)
    assert here.meter.gradient_evaluations == 100 + len(
        np.intersect1d(
            seeding.shuffled(np.arange(200), seeding.derive(0, "epoch", 1))[:64], np.arange(100)
        )
    )


def test_gradient_evaluations_are_counted(digits):
    here = task(digits, epochs=2)
    training.fit(here, here.new_model(0), np.arange(100), here.recipe, 0)
    assert here.meter.gradient_evaluations == 200


def test_flops_of_known_layers():
    assert costs.flops_per_sample(nn.Linear(784, 10), torch.zeros(1, 784)) == (15_680, 15_680)
    mlp = nn.Sequential(nn.Linear(784, 128), nn.ReLU(), nn.Linear(128, 10))
    assert sum(costs.flops_per_sample(mlp, torch.zeros(1, 784))) == 409_088
    conv = nn.Conv2d(1, 16, 3, padding=1)
    flat = nn.Sequential(conv, nn.AdaptiveAvgPool2d(1), nn.Flatten())
    assert costs.flops_per_sample(flat, torch.zeros(1, 1, 28, 28)) == (225_792, 225_792)


def test_flops_are_those_of_torch_s_counter_without_its_compiler():
    """In a process of its own: importing the compiler would take two seconds of every job."""
    program = """if True:
        import sys
        import torch
        from torch.nn import functional
        from torch.utils.flop_counter import FlopCounterMode
        from unlearn import costs, models
        model = models.build("resnet9", (8, 8, 3), 10, {"width": 2}).eval()
        image = torch.randn(1, 3, 8, 8)
        ours = costs.flops_per_sample(model, image)
        assert "torch._dynamo" not in sys.modules
        with FlopCounterMode(display=False) as forward:
            logits = model(image)
        with FlopCounterMode(display=False) as backward:
            functional.cross_entropy(logits, torch.zeros(1, dtype=int)).backward()
        assert ours == (forward.get_total_flops(), backward.get_total_flops())
    """
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_counting_flops_changes_nothing_of_the_model():
    model = models.seeded("resnet9", (8, 8, 1), 10, {"width": 2}, 0)
    before = state_of(model)
    costs.flops_per_sample(model, torch.randn(1, 1, 8, 8))
    assert model.training
    assert all(torch.equal(before[n], t) for n, t in model.state_dict().items())
    assert all(p.grad is None for p in model.parameters())


def test_measure_sees_time_and_memory(digits):
    here = task(digits)

    def work():
        block = np.ones(25_000_000)  # 200 MB
        return float(block.sum())

    _, large = costs.measure(here.machine, costs.Meter(), work)
    _, small = costs.measure(here.machine, costs.Meter(), lambda: None)
    assert large["peak_memory_bytes"] - small["peak_memory_bytes"] > 150e6
    assert large["wall_seconds"] > 0 and large["cpu_seconds"] > 0
    import time

    _, asleep = costs.measure(here.machine, costs.Meter(), lambda: time.sleep(0.3))
    assert asleep["wall_seconds"] >= 0.3 and asleep["cpu_seconds"] < 0.1


def test_parameter_counts_of_the_architectures():
    def count(kind, shape, **parameters):
        model = models.build(kind, shape, 10, parameters)
        return sum(p.numel() for p in model.parameters())

    grey, colour = (28, 28, 1), (32, 32, 3)
    assert count("logistic", grey) == 7_850
    assert count("mlp", grey, hidden=128) == 101_770
    assert count("cnn1", grey, width=None) == 15_770
    assert count("cnn1", colour, width=None) == 41_418
    assert count("cnn2", grey, width=None) == 206_922
    assert count("cnn2", colour, width=None) == 545_098
    assert count("resnet18", colour) == 11_173_962


def test_every_architecture_has_a_schema():
    assert set(models._BUILDERS) == set(schema.read("models"))


@pytest.mark.parametrize("kind", sorted(models._BUILDERS))
@pytest.mark.parametrize("shape", [(8, 8, 1), (28, 28, 1), (32, 32, 3)])
def test_architectures_take_every_data_set(kind, shape):
    parameters = schema.with_defaults({}, schema.read("models")[kind])
    parameters.pop("recipe")
    model = models.seeded(kind, shape, 7, parameters, 0)
    height, width, channels = shape
    assert model(torch.zeros(2, channels, height, width)).shape == (2, 7)
    same = models.seeded(kind, shape, 7, parameters, 0)
    assert all(
        torch.equal(a, b) for a, b in zip(model.parameters(), same.parameters(), strict=True)
    )


def test_normalisation(digits):
    here = task(digits)
    images = training.normalised(here.data.train_images[:5], here.data)
    expected = (digits.train_images[:5].astype(float) / 255 - 0.5) / 0.5
    assert images.permute(0, 2, 3, 1).numpy() == pytest.approx(expected, abs=1e-6)
    assert images.is_contiguous(memory_format=torch.channels_last)


def test_diverged_training_is_flagged(digits):
    result = jobs.train(digits, job(seeds=(0,), lr=1e30, momentum=0.0))
    assert result.costs[0]["diverged"]
    assert not jobs.train(digits, job()).costs[0]["diverged"]


def test_the_fleet_is_the_models_of_its_seeds(digits):
    together = jobs.train(digits, job(seeds=(3, 4)))
    alone = jobs.train(digits, job(seeds=(4,)))
    assert np.array_equal(together.logits[1], alone.logits[0])
    assert not np.array_equal(together.logits[0], together.logits[1])
    assert together.logits.shape == (2, 560, 10)


def test_mnist_trains():
    folder = raw_data("MNIST")
    data = dataset.build(
        "mnist", folder, subset=3000, subset_seed=0, held_out=0, held_out_seed=0, retain_sample=None
    )
    described = job("cnn2", precision="auto", epochs=3, batch_size=32, schedule="one_cycle")
    result = jobs.train(data, described)
    correct = result.logits[0, 3000:].argmax(1) == data.test_labels
    assert correct.mean() > 0.93


def test_cifar10_trains():
    folder = raw_data("cifar-10-batches-py")
    data = dataset.build(
        "cifar10",
        folder,
        subset=2000,
        subset_seed=0,
        held_out=0,
        held_out_seed=0,
        retain_sample=None,
    )
    described = job("cnn2", precision="auto", epochs=4, batch_size=64, flip=True, crop=2)
    result = jobs.train(data, described)
    correct = result.logits[0, 2000:].argmax(1) == data.test_labels
    assert correct.mean() > 0.3
