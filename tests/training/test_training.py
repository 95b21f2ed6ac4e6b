"""The training loop: pairing of original and retrained model, schedules, descent."""

import numpy as np
import pytest
import torch
from torch import nn

from tests.support.jobs import build, job, raw_data, task
from unlearn.core import seeding
from unlearn.data import dataset
from unlearn.jobs.train import train_fleet
from unlearn.training import loop
from unlearn.training.data import normalised
from unlearn.training.schedules import learning_rate
from unlearn.training.stack_optimizer import takes_stack_steps
from unlearn.training.state import state_of


def fit(data, ids, seed=0, **recipe):
    """A trained model's weights."""
    here = task(data, **recipe)
    model = here.new_model(seed)
    loop.fit(here, model, ids, here.recipe, seed)
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
    found = {batch.index: batch for batch in here.minibatches(kept, 0, 0, among=here.data.ids)}
    assert list(found) == [0, 2, 3, 4, 5, 6]
    for index, batch in found.items():
        assert np.array_equal(batch.ids, batches[index])
        assert np.array_equal(batch.labels, digits.train_labels[batches[index]])
        pixels = torch.from_numpy(digits.train_images[batches[index]])
        assert torch.equal(batch.images, normalised(pixels, here.data))


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


@pytest.mark.parametrize("schedule", ["constant", "cosine", "one_cycle"])
def test_schedules_stay_in_range_and_reach_the_top(schedule):
    rates = [learning_rate(schedule, 0.4, step, 100) for step in range(100)]
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
    loop.fit(here, model, np.arange(200), here.recipe, 0)
    x = ((digits.train_images.reshape(200, -1) / 255) - 0.5) / 0.5
    z = x @ before.T + bias
    p = np.exp(z - z.max(1, keepdims=True))
    p = p / p.sum(1, keepdims=True) - np.eye(10)[digits.train_labels]
    expected = before - 0.3 * (p.T @ x / 200 + 0.01 * before)
    assert model[1].weight.detach().numpy() == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("model", ["logistic", "mlp"])
@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_the_fast_descent_agrees_with_autograd(digits, model, momentum):
    """Linear layers by hand, and by autograd under a hook that changes nothing."""
    here = task(digits, model=model, momentum=momentum, weight_decay=0.01, epochs=3, batch_size=7)
    states = []
    for is_hooked in (False, True):
        network = here.new_model(0)
        if is_hooked:
            network[1].register_forward_hook(lambda layer, inputs, output: None)
        assert takes_stack_steps(network, here.recipe, here.machine) is not is_hooked
        memory = loop.fit(here, network, np.arange(200), here.recipe, 0)
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
        loop.fit(here, model, np.arange(200), here.recipe, 0)
        kind = {"sgd": torch.optim.SGD, "adam": torch.optim.Adam}[optimizer]
        theirs = kind(plain.parameters(), lr=0.01, weight_decay=0.01, **options)
        order = seeding.shuffled(np.arange(200), seeding.derive(0, "epoch", 0))
        for batch in np.split(order, range(32, 200, 32)):
            images = normalised(here.data.train_images[batch], here.data)
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
    memory = loop.fit(here, through, ids, here.recipe, 1, among=ids, steps=4)
    stored = {n: t.numpy().copy() for n, t in state_of(through).items()}
    kept = {n: t.numpy().copy() for n, t in memory.items()}
    loop.fit(here, through, ids, here.recipe, 2, among=ids, steps=5, state=memory)
    resumed, forgetful = here.model(stored), here.model(stored)
    loop.fit(here, resumed, ids, here.recipe, 2, among=ids, steps=5, state=kept)
    loop.fit(here, forgetful, ids, here.recipe, 2, among=ids, steps=5)
    through, resumed, forgetful = (state_of(m) for m in (through, resumed, forgetful))
    assert all(torch.equal(through[n], resumed[n]) for n in through)
    assert not all(torch.equal(through[n], forgetful[n]) for n in through)


def test_a_schedule_can_end_within_an_epoch(digits):
    here = task(digits)
    loop.fit(here, here.new_model(0), np.arange(100), here.recipe, 0, steps=9)
    assert here.meter.gradient_evaluations == 100 + len(
        np.intersect1d(
            seeding.shuffled(np.arange(200), seeding.derive(0, "epoch", 1))[:64], np.arange(100)
        )
    )


def test_normalisation(digits):
    here = task(digits)
    images = normalised(here.data.train_images[:5], here.data)
    expected = (digits.train_images[:5].astype(float) / 255 - 0.5) / 0.5
    assert images.permute(0, 2, 3, 1).numpy() == pytest.approx(expected, abs=1e-6)
    assert images.is_contiguous(memory_format=torch.channels_last)


def test_diverged_training_is_flagged(digits):
    result = train_fleet(digits, job(seeds=(0,), lr=1e30, momentum=0.0))
    assert result.costs[0]["diverged"]
    assert not train_fleet(digits, job()).costs[0]["diverged"]


def test_the_fleet_is_the_models_of_its_seeds(digits):
    together = train_fleet(digits, job(seeds=(3, 4)))
    alone = train_fleet(digits, job(seeds=(4,)))
    assert np.array_equal(together.logits[1], alone.logits[0])
    assert not np.array_equal(together.logits[0], together.logits[1])
    assert together.logits.shape == (2, 560, 10)


def test_mnist_trains():
    data = build("mnist", raw_data("MNIST"), subset=3000)
    described = job("cnn2", precision="auto", epochs=3, batch_size=32, schedule="one_cycle")
    result = train_fleet(data, described)
    correct = result.logits[0, 3000:].argmax(1) == data.test_labels
    assert correct.mean() > 0.93


def test_cifar10_trains():
    data = build("cifar10", raw_data("cifar-10-batches-py"), subset=2000)
    described = job("cnn2", precision="auto", epochs=4, batch_size=64, flip=True, crop=2)
    result = train_fleet(data, described)
    correct = result.logits[0, 2000:].argmax(1) == data.test_labels
    assert correct.mean() > 0.3
