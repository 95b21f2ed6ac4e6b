"""The training loop: pairing of original and retrained model, schedules, descent."""

import numpy as np
import pytest
import torch
from torch import nn

from tests.support.jobs import build, job, raw_data
from tests.support.jobs import task as new_task
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
    task = new_task(data, **recipe)
    model = task.new_model(seed)
    loop.fit(task, model, ids, task.recipe, seed)
    return state_of(model)


def test_order_is_a_function_of_seed_and_id():
    ids = np.arange(100)
    order = seeding.shuffled(ids, 5)
    order_of_rest = seeding.shuffled(np.setdiff1d(ids, [3, 50]), 5)
    assert [i for i in order if i not in (3, 50)] == order_of_rest.tolist()
    assert sorted(order) == ids.tolist()
    assert not np.array_equal(order, seeding.shuffled(ids, 6))


def test_keys_are_uniform_and_seeds_independent():
    a, b = (seeding.point_keys(s, np.arange(20_000)) / 2**64 for s in (0, 1))
    assert np.histogram(a, 10, (0, 1))[0] == pytest.approx(2000, abs=200)
    assert abs(np.corrcoef(a, b)[0, 1]) < 0.03


def test_minibatches_lose_deleted_points_and_nothing_else_moves(digits):
    """The oracle's minibatches are the original's less the deleted points."""
    ids = np.arange(200)
    epoch = seeding.derive(0, "epoch", 0)
    batches = np.split(seeding.shuffled(ids, epoch), range(32, 200, 32))
    deleted_ids = batches[1].copy()  # a whole minibatch
    retained_ids = np.setdiff1d(ids, deleted_ids)
    task = new_task(digits, epochs=1)
    minibatches = task.minibatches(retained_ids, 0, 0, among=task.data.ids)
    batch_of_index = {batch.index: batch for batch in minibatches}
    assert list(batch_of_index) == [0, 2, 3, 4, 5, 6]
    for index, batch in batch_of_index.items():
        assert np.array_equal(batch.ids, batches[index])
        assert np.array_equal(batch.labels, digits.train_labels[batches[index]])
        pixels = torch.from_numpy(digits.train_images[batches[index]])
        assert torch.equal(batch.images, normalised(pixels, task.data))


def test_deleting_nothing_changes_nothing_and_one_point_little(digits):
    ids = np.arange(200)
    full_state = fit(digits, ids)
    repeated_state = fit(digits, ids)
    deletion_state = fit(digits, ids[1:])
    other_seed_state = fit(digits, ids, seed=1)

    def distance(state):
        return sum(float((full_state[n] - state[n]).square().sum()) for n in full_state) ** 0.5

    assert distance(repeated_state) == 0
    assert 0 < distance(deletion_state) < 0.2 * distance(other_seed_state)


def test_the_pixels_of_deleted_points_do_not_matter(digits):
    retained_ids = np.arange(20, 200)
    pixels = digits.train_images.copy()
    pixels[:20] = 255 - pixels[:20]
    fields = {name: getattr(digits, name) for name in digits.__dataclass_fields__}
    changed_digits = dataset.Dataset(**fields | {"train_images": pixels})
    state = fit(digits, retained_ids, crop=1, flip=True)
    changed_state = fit(changed_digits, retained_ids, crop=1, flip=True)
    assert all(torch.equal(state[name], changed_state[name]) for name in state)


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
    task = new_task(digits, model="logistic", **recipe, weight_decay=0.01)
    model = task.new_model(0)
    weight = model[1].weight.detach().double().numpy().copy()
    bias = model[1].bias.detach().double().numpy().copy()
    loop.fit(task, model, np.arange(200), task.recipe, 0)
    x = ((digits.train_images.reshape(200, -1) / 255) - 0.5) / 0.5
    z = x @ weight.T + bias
    p = np.exp(z - z.max(1, keepdims=True))
    p = p / p.sum(1, keepdims=True) - np.eye(10)[digits.train_labels]
    expected = weight - 0.3 * (p.T @ x / 200 + 0.01 * weight)
    assert model[1].weight.detach().numpy() == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("model", ["logistic", "mlp"])
@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_the_fast_descent_agrees_with_autograd(digits, model, momentum):
    """Linear layers by hand, and by autograd under a hook that changes nothing."""
    task = new_task(
        digits, model=model, momentum=momentum, weight_decay=0.01, epochs=3, batch_size=7
    )
    states = []
    for is_hooked in (False, True):
        network = task.new_model(0)
        if is_hooked:
            network[1].register_forward_hook(lambda layer, inputs, output: None)
        assert takes_stack_steps(network, task.recipe, task.machine) is not is_hooked
        memory = loop.fit(task, network, np.arange(200), task.recipe, 0)
        states.append(state_of(network) | memory)
        assert all(t.is_contiguous() for t in [*network.parameters(), *memory.values()])
    fast_state, slow_state = states
    assert fast_state.keys() == slow_state.keys()
    assert len(fast_state) == len(list(network.parameters())) * (2 if momentum else 1)
    for name in fast_state:
        assert fast_state[name].numpy() == pytest.approx(slow_state[name].numpy(), abs=2e-5), name
        assert not torch.equal(fast_state[name], torch.zeros_like(fast_state[name]))


def test_fused_steps_are_those_of_torch(digits):
    """Minibatches, schedule and augmentation aside, one epoch of torch's own optimisers."""
    for optimizer, options in (("sgd", {"momentum": 0.9, "nesterov": True}), ("adam", {})):
        recipe = {"optimizer": optimizer, "lr": 0.01, "weight_decay": 0.01} | options
        task = new_task(digits, model="cnn1", epochs=1, schedule="constant", **recipe)
        model = task.new_model(0)
        plain_model = task.new_model(0)
        loop.fit(task, model, np.arange(200), task.recipe, 0)
        torch_class = {"sgd": torch.optim.SGD, "adam": torch.optim.Adam}[optimizer]
        torch_optimizer = torch_class(
            plain_model.parameters(), lr=0.01, weight_decay=0.01, **options
        )
        order = seeding.shuffled(np.arange(200), seeding.derive(0, "epoch", 0))
        for batch in np.split(order, range(32, 200, 32)):
            images = normalised(task.data.train_images[batch], task.data)
            torch_optimizer.zero_grad()
            labels = task.data.train_labels[batch]
            nn.functional.cross_entropy(plain_model(images), labels).backward()
            torch_optimizer.step()
        pairs = zip(model.parameters(), plain_model.parameters(), strict=True)
        for parameter, plain_parameter in pairs:
            expected = plain_parameter.detach().numpy()
            assert parameter.detach().numpy() == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("model", ["mlp", "cnn1"])
@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_training_resumes_to_the_bit(digits, model, optimizer):
    """Weights and optimiser state are all that the next step depends on."""
    task = new_task(digits, model=model, optimizer=optimizer, lr=0.01, schedule="constant")
    ids = np.arange(100)
    reference_model = task.new_model(0)
    memory = loop.fit(task, reference_model, ids, task.recipe, 1, among=ids, steps=4)
    state = state_of(reference_model)
    stored_state = {name: tensor.numpy().copy() for name, tensor in state.items()}
    stored_memory = {name: tensor.numpy().copy() for name, tensor in memory.items()}
    loop.fit(task, reference_model, ids, task.recipe, 2, among=ids, steps=5, state=memory)
    resumed_model = task.model(stored_state)
    memoryless_model = task.model(stored_state)
    loop.fit(task, resumed_model, ids, task.recipe, 2, among=ids, steps=5, state=stored_memory)
    loop.fit(task, memoryless_model, ids, task.recipe, 2, among=ids, steps=5)
    state = state_of(reference_model)
    resumed_state = state_of(resumed_model)
    memoryless_state = state_of(memoryless_model)
    assert all(torch.equal(state[name], resumed_state[name]) for name in state)
    assert not all(torch.equal(state[name], memoryless_state[name]) for name in state)


def test_a_schedule_can_end_within_an_epoch(digits):
    task = new_task(digits)
    loop.fit(task, task.new_model(0), np.arange(100), task.recipe, 0, steps=9)
    assert task.meter.gradient_evaluations == 100 + len(
        np.intersect1d(
            seeding.shuffled(np.arange(200), seeding.derive(0, "epoch", 1))[:64], np.arange(100)
        )
    )


def test_normalisation(digits):
    task = new_task(digits)
    images = normalised(task.data.train_images[:5], task.data)
    expected = (digits.train_images[:5].astype(float) / 255 - 0.5) / 0.5
    assert images.permute(0, 2, 3, 1).numpy() == pytest.approx(expected, abs=1e-6)
    assert images.is_contiguous(memory_format=torch.channels_last)


def test_diverged_training_is_flagged(digits):
    result = train_fleet(digits, job(seeds=(0,), lr=1e30, momentum=0.0))
    assert result.costs[0]["diverged"]
    assert not train_fleet(digits, job()).costs[0]["diverged"]


def test_the_fleet_is_the_models_of_its_seeds(digits):
    fleet_of_two = train_fleet(digits, job(seeds=(3, 4)))
    fleet_of_one = train_fleet(digits, job(seeds=(4,)))
    assert np.array_equal(fleet_of_two.logits[1], fleet_of_one.logits[0])
    assert not np.array_equal(fleet_of_two.logits[0], fleet_of_two.logits[1])
    assert fleet_of_two.logits.shape == (2, 704, 10)


def test_mnist_trains():
    data = build("mnist", raw_data("MNIST"), subset=3000)
    fleet_job = job("cnn2", precision="auto", epochs=3, batch_size=32, schedule="one_cycle")
    result = train_fleet(data, fleet_job)
    is_correct = result.logits[0, -10_000:].argmax(1) == data.test_labels
    assert is_correct.mean() > 0.93


def test_cifar10_trains():
    data = build("cifar10", raw_data("cifar-10-batches-py"), subset=2000)
    fleet_job = job("cnn2", precision="auto", epochs=4, batch_size=64, flip=True, crop=2)
    result = train_fleet(data, fleet_job)
    is_correct = result.logits[0, -10_000:].argmax(1) == data.test_labels
    assert is_correct.mean() > 0.3
