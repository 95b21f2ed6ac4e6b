"""What a method is given: minibatches, optimisers, a meter that counts by itself."""

import copy
import itertools
import math

import numpy as np
import pytest
import torch
from torch import nn

from tests.support.jobs import task as new_task
from unlearn.algorithms.losses import cross_entropy
from unlearn.core import seeding
from unlearn.training.data import normalised
from unlearn.training.loop import fit, predict
from unlearn.training.meter import flops_per_sample
from unlearn.training.state import state_of

IDS = np.arange(200)
RETAINED_IDS = np.setdiff1d(IDS, [3, 50, 51, 120])


def trained_model(task, model, ids=RETAINED_IDS, seed=0, **options):
    """`model` after a loop as a method would write it: one epoch."""
    optimizer = task.optimizer(model, **{"lr": 0.1} | options)
    for batch in task.minibatches(ids, seed):
        optimizer.step(cross_entropy(model(batch.images), batch.labels))
    return model


def is_same_state(state, other_state):
    return state.keys() == other_state.keys() and all(
        torch.equal(state[name], other_state[name]) for name in state
    )


# -- minibatches -----------------------------------------------------------------------------------


def test_minibatches_are_full_by_default(digits):
    task = new_task(digits)
    batches = list(task.minibatches(RETAINED_IDS, 5, 1))
    assert [len(batch.ids) for batch in batches] == [32] * 6 + [4]
    assert [batch.index for batch in batches] == list(range(7))
    order = np.concatenate([batch.ids for batch in batches])
    assert np.array_equal(order, seeding.shuffled(RETAINED_IDS, seeding.derive(5, "epoch", 1)))
    for batch in batches:
        assert torch.equal(batch.images, task.data.images(batch.ids))
        assert torch.equal(batch.labels, task.data.labels(batch.ids))


def test_the_order_depends_on_seed_and_epoch(digits):
    task = new_task(digits)

    def order(*key):
        return np.concatenate([batch.ids for batch in task.minibatches(RETAINED_IDS, *key)])

    orders = [order(0, 0), order(0, 1), order(1, 0)]
    assert np.array_equal(order(0), orders[0])
    assert all(not np.array_equal(a, b) for a, b in itertools.combinations(orders, 2))


def test_minibatches_have_the_size_that_is_asked_for(digits):
    batches = new_task(digits).minibatches(RETAINED_IDS, 0, batch_size=50)
    assert [len(batch.ids) for batch in batches] == [50, 50, 50, 46]


def test_minibatches_of_too_few_points_are_left_out(digits):
    ids = IDS[:33]
    assert [len(b.ids) for b in new_task(digits).minibatches(ids, 0)] == [32, 1]
    assert [len(b.ids) for b in new_task(digits, model="resnet9").minibatches(ids, 0)] == [32]
    task = new_task(digits, model="resnet9")
    assert [len(b.ids) for b in task.minibatches(ids, 0, min_points=1)] == [32, 1]


def test_augmentation_can_be_left_out(digits):
    task = new_task(digits, crop=1, flip=True)
    (plain_batch,) = task.minibatches(RETAINED_IDS, 0, batch_size=500, augment=False)
    (augmented_batch,) = task.minibatches(RETAINED_IDS, 0, batch_size=500)
    assert np.array_equal(plain_batch.ids, augmented_batch.ids)
    assert torch.equal(plain_batch.images, task.data.images(plain_batch.ids))
    assert not torch.equal(plain_batch.images, augmented_batch.images)


def test_minibatches_among_all_points_are_those_of_fit(digits):
    """Deleted points leave gaps, nothing else moves, crops and flips are the same."""
    task = new_task(digits, model="cnn1", epochs=3, crop=1, flip=True)
    model = task.new_model(0)
    images_of_fit = []
    model.register_forward_hook(lambda _, inputs, logits: images_of_fit.append(inputs[0].clone()))
    fit(task, model, RETAINED_IDS, task.recipe, 7)
    batches = [
        batch
        for epoch in range(3)
        for batch in task.minibatches(RETAINED_IDS, 7, epoch, among=task.data.ids)
    ]
    assert len(batches) == len(images_of_fit) == 21
    assert all(
        torch.equal(batch.images, images)
        for batch, images in zip(batches, images_of_fit, strict=True)
    )
    assert [len(batch.ids) for batch in batches] != [32] * 21


@pytest.mark.parametrize("among", [None, IDS], ids=["full", "gaps"])
@pytest.mark.parametrize(
    ("model", "recipe"),
    [
        ("cnn1", {}),
        ("cnn1", {"schedule": "cosine", "crop": 1}),
        ("cnn2", {"optimizer": "adam", "lr": 0.003}),
        ("resnet9", {"nesterov": True, "schedule": "one_cycle"}),
    ],
    ids=str,
)
def test_a_visible_loop_is_fit_to_the_bit(digits, model, recipe, among):
    task = new_task(digits, model=model, **recipe)
    model_of_fit = task.new_model(0)
    model_of_loop = task.new_model(0)
    ordered_ids = RETAINED_IDS if among is None else among
    fit(task, model_of_fit, RETAINED_IDS, task.recipe, 3, among=ordered_ids)
    batch_count = math.ceil(len(ordered_ids) / task.recipe.batch_size)
    optimizer = task.optimizer(
        model_of_loop,
        lr=task.recipe.lr,
        schedule=task.recipe.schedule,
        nesterov=task.recipe.nesterov,
        steps=task.recipe.epochs * batch_count,
    )
    for epoch in range(task.recipe.epochs):
        for batch in task.minibatches(RETAINED_IDS, 3, epoch, among=among):
            loss = cross_entropy(model_of_loop(batch.images), batch.labels)
            assert optimizer.step(loss, epoch * batch_count + batch.index)
    assert is_same_state(state_of(model_of_fit), state_of(model_of_loop))


# -- optimisers ------------------------------------------------------------------------------------

OPTIMIZERS = [
    {"momentum": 0.9, "weight_decay": 0.1},
    {"momentum": 0.0, "weight_decay": 0.1},
    {"momentum": 0.9, "weight_decay": 0.1, "nesterov": True},
    {"optimizer": "adam", "weight_decay": 0.1, "lr": 0.01},
    {"momentum": 0.9, "weight_decay": 0.1, "clip": 0.5},
]


@pytest.mark.parametrize("options", OPTIMIZERS, ids=str)
@pytest.mark.parametrize("kind", ["mlp", "cnn1"])
def test_only_the_named_parameters_change(digits, kind, options):
    task = new_task(digits, model=kind)
    model = task.new_model(0)
    initial_state = state_of(model)
    last_names = list(initial_state)[-2:]
    final_state = state_of(trained_model(task, model, only=last_names, **options))
    for name in initial_state:
        assert torch.equal(initial_state[name], final_state[name]) == (name not in last_names), name


def test_parameters_that_were_frozen_are_trained_where_they_are_named(digits):
    """A method may train one part after the other."""
    task = new_task(digits)
    model = task.new_model(0)
    names = list(state_of(model))
    trained_model(task, model, only=names[2:])
    initial_state = state_of(model)
    final_state = state_of(trained_model(task, model, only=names[:2]))
    for name in names:
        assert torch.equal(initial_state[name], final_state[name]) == (name not in names[:2]), name


@pytest.mark.parametrize("options", OPTIMIZERS, ids=str)
@pytest.mark.parametrize("kind", ["mlp", "cnn1"])
def test_masked_coordinates_do_not_change(digits, kind, options):
    task = new_task(digits, model=kind)
    model = task.new_model(0)
    initial_state = state_of(model)
    torch.manual_seed(0)
    mask = {name: torch.rand(tensor.shape) < 0.5 for name, tensor in initial_state.items()}
    del mask[list(mask)[-1]]  # without a mask all of it is free
    final_state = state_of(trained_model(task, model, mask=mask, **options))
    for name in initial_state:
        is_free = mask.get(name, torch.ones_like(initial_state[name], dtype=torch.bool))
        assert torch.equal(initial_state[name][~is_free], final_state[name][~is_free]), name
        assert (initial_state[name][is_free] != final_state[name][is_free]).float().mean() > 0.5, (
            name
        )


def test_a_mask_that_is_free_everywhere_changes_nothing(digits):
    task = new_task(digits, model="cnn1")
    states = []
    for is_masked in (False, True):
        model = task.new_model(0)
        ones = {name: torch.ones(p.shape, dtype=bool) for name, p in model.named_parameters()}
        states.append(state_of(trained_model(task, model, mask=ones if is_masked else None)))
    assert is_same_state(*states)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"only": ["1.weight", "head"]},
            "only: the model has no parameter head; allowed: 1.weight",
        ),
        ({"mask": {"head": torch.ones(1, dtype=bool)}}, "mask: the model trains no parameter head"),
        (
            {"only": ["1.bias"], "mask": {"1.weight": torch.ones(10, 64, dtype=bool)}},
            "mask: the model trains no parameter 1.weight",
        ),
        ({"mask": {"1.bias": torch.ones(9, dtype=bool)}}, r"mask: 1.bias is .* \(9,\); allowed"),
        ({"mask": {"1.bias": torch.ones(10)}}, "mask: 1.bias is torch.float32 .*torch.bool"),
        ({"schedule": "cosine"}, "schedule: cosine needs the number of steps"),
        ({"momentum": 1.5}, "momentum: 1.5 is not allowed"),
    ],
    ids=str,
)
def test_optimisers_that_cannot_be_are_refused(digits, options, message):
    task = new_task(digits, model="logistic")
    with pytest.raises(ValueError, match=message):
        task.optimizer(task.new_model(0), **{"lr": 0.1} | options)


@pytest.mark.parametrize("factor", [math.nan, math.inf, -math.inf])
def test_a_loss_that_is_not_finite_ends_training(digits, factor):
    task = new_task(digits, model="cnn1")
    model = task.new_model(0)
    optimizer = task.optimizer(model, lr=0.1)
    (batch,) = task.minibatches(RETAINED_IDS, 0, batch_size=500)
    assert optimizer.step(cross_entropy(model(batch.images), batch.labels))
    state = state_of(model)
    assert not task.meter.diverged
    with pytest.warns(UserWarning, match="training has diverged and ends here"):
        assert not optimizer.step(factor * cross_entropy(model(batch.images), batch.labels))
    assert task.meter.diverged and optimizer.diverged
    assert not optimizer.step(cross_entropy(model(batch.images), batch.labels))
    assert is_same_state(state, state_of(model))
    assert task.meter.optimizer_steps == 1


def test_a_gradient_that_is_not_finite_is_not_stepped_along_where_it_is_clipped(digits):
    task = new_task(digits, model="logistic")
    model = task.new_model(0)
    optimizer = task.optimizer(model, lr=0.1, clip=1.0)
    initial_state = state_of(model)
    (batch,) = task.minibatches(RETAINED_IDS, 0, batch_size=500)
    loss = cross_entropy(model(batch.images), batch.labels)
    model[1].bias.register_hook(lambda gradient: gradient * math.nan)
    with pytest.warns(UserWarning, match="diverged"):
        assert not optimizer.step(loss)
    assert task.meter.diverged and is_same_state(initial_state, state_of(model))


# -- the meter -------------------------------------------------------------------------------------


def flops_of_sample(task, model):
    """FLOPs forward and backward of one image."""
    return flops_per_sample(model, task.data.images(IDS[:1]))


@pytest.mark.parametrize("kind", ["mlp", "cnn1", "resnet9"])
def test_a_loop_is_charged_exactly(digits, kind):
    task = new_task(digits, model=kind)
    model = task.new_model(0)
    optimizer = task.optimizer(model, lr=0.01)
    for epoch in range(2):
        for batch in task.minibatches(RETAINED_IDS, 0, epoch):
            optimizer.step(cross_entropy(model(batch.images), batch.labels))
    task.meter.settle()
    forward, backward = flops_of_sample(task, task.new_model(0))
    assert task.meter.gradient_evaluations == 2 * len(RETAINED_IDS)
    assert task.meter.optimizer_steps == 14
    assert task.meter.flops == 2 * len(RETAINED_IDS) * (forward + backward)
    assert task.meter.forward_evaluations == 0


def test_fit_is_charged_what_a_loop_is_charged(digits):
    for kind in ("mlp", "cnn1"):
        task = new_task(digits, model=kind, epochs=1)
        fit(task, task.new_model(0), IDS, task.recipe, 0)
        loop_task = new_task(digits, model=kind)
        trained_model(loop_task, loop_task.new_model(0), ids=IDS)
        for name in ("gradient_evaluations", "forward_evaluations", "flops", "optimizer_steps"):
            assert getattr(task.meter, name) == getattr(loop_task.meter, name), name


def test_passes_of_a_teacher_go_forward_only(digits):
    task = new_task(digits)
    teacher = task.new_model(1)
    student = task.new_model(0)
    optimizer = task.optimizer(student, lr=0.01)
    for batch in task.minibatches(RETAINED_IDS, 0):
        with torch.no_grad():
            targets = teacher(batch.images).softmax(1)
        optimizer.step(nn.functional.cross_entropy(student(batch.images), targets))
    task.meter.settle()
    forward, backward = flops_of_sample(task, task.new_model(0))
    assert task.meter.gradient_evaluations == task.meter.forward_evaluations == len(RETAINED_IDS)
    assert task.meter.flops == len(RETAINED_IDS) * (2 * forward + backward)


def test_passes_without_a_step_go_forward_only(digits):
    """With gradients, but no optimiser asked for them."""
    task = new_task(digits)
    for seed in range(5):  # networks that are gone before anything is settled
        task.new_model(seed)(task.data.images(IDS[:10]))
    trained_model(task, task.new_model(0))
    task.meter.settle()
    forward, backward = flops_of_sample(task, task.new_model(0))
    assert task.meter.forward_evaluations == 50
    assert task.meter.gradient_evaluations == len(RETAINED_IDS)
    assert task.meter.flops == 50 * forward + len(RETAINED_IDS) * (forward + backward)


def test_all_passes_since_the_last_step_are_charged_to_it(digits):
    task = new_task(digits)
    model = task.new_model(0)
    optimizer = task.optimizer(model, lr=0.01)
    losses = [
        cross_entropy(model(task.data.images(ids)), task.data.labels(ids))
        for ids in (IDS[:10], IDS[10:25])
    ]
    optimizer.step(losses[0] - 0.1 * losses[1])
    assert task.meter.gradient_evaluations == 25 and task.meter.optimizer_steps == 1


def test_frozen_layers_cost_no_backward_pass(digits):
    task = new_task(digits)
    model = task.new_model(0)
    optimizer = task.optimizer(model, lr=0.01, only=["3.weight", "3.bias"])
    logits = model(task.data.images(RETAINED_IDS))
    optimizer.step(cross_entropy(logits, task.data.labels(RETAINED_IDS)))
    flops_of_all_layers = sum(flops_of_sample(task, task.new_model(0)))
    assert 0 < task.meter.flops < 0.7 * len(RETAINED_IDS) * flops_of_all_layers


def test_predictions_for_scores_are_not_charged(digits):
    task = new_task(digits)
    logits = predict(task, task.new_model(0), task.data.train_images)
    task.meter.settle()
    assert logits.shape == (200, 10)
    assert task.meter.flops == task.meter.forward_evaluations == 0


def test_a_model_for_work_by_hand_is_not_charged(digits):
    task = new_task(digits)
    task.bare_model(state_of(task.new_model(0)))(task.data.images(RETAINED_IDS))
    task.meter.settle()
    assert task.meter.flops == task.meter.forward_evaluations == 0


# -- precision -------------------------------------------------------------------------------------


@pytest.fixture
def bfloat16_run(digits):
    """A task in bfloat16, a network, and the types of what its first layer gives out."""
    task = new_task(digits, model="cnn1", precision="bfloat16")
    model = task.new_model(0)
    dtypes = []
    model[0].register_forward_hook(lambda layer, inputs, output: dtypes.append(output.dtype))
    return task, model, dtypes


def test_passes_with_gradients_run_in_lower_precision_and_give_float32(bfloat16_run):
    task, model, dtypes = bfloat16_run
    logits = model(task.data.images(RETAINED_IDS))
    assert dtypes == [torch.bfloat16] and logits.dtype == torch.float32
    cross_entropy(logits, task.data.labels(RETAINED_IDS)).backward()
    assert all(p.dtype == p.grad.dtype == torch.float32 for p in model.parameters())


def test_passes_without_gradients_run_in_float32(bfloat16_run):
    task, model, dtypes = bfloat16_run
    with torch.no_grad():
        logits = model(task.data.images(RETAINED_IDS))
    assert dtypes == [torch.float32] and logits.dtype == torch.float32
    plain_logits = task.bare_model(state_of(model))(task.data.images(RETAINED_IDS))
    assert torch.equal(logits, plain_logits.detach())
    assert torch.equal(predict(task, model, task.data.train_images[RETAINED_IDS]), logits)


def test_a_pass_that_fails_leaves_the_precision_as_it_was(bfloat16_run):
    task, model, dtypes = bfloat16_run
    with pytest.raises(RuntimeError):
        model(torch.zeros(1, 7, 8, 8))
    assert not torch.is_autocast_enabled("cpu")
    assert model(task.data.images(RETAINED_IDS)).dtype == torch.float32
    assert dtypes[-1] == torch.bfloat16


def test_a_loop_in_lower_precision_is_fit_to_the_bit(digits):
    task = new_task(digits, model="cnn1", precision="bfloat16", epochs=1, schedule="constant")
    model = task.new_model(0)
    fit(task, model, IDS, task.recipe, 0)
    model_of_loop = trained_model(task, task.new_model(0), ids=IDS)
    assert is_same_state(state_of(model), state_of(model_of_loop))


def test_float32_machines_give_what_a_plain_network_gives(digits):
    task = new_task(digits, model="cnn1")
    model = task.new_model(0)
    images = normalised(task.data.train_images, task.data)
    assert torch.equal(model(images), task.bare_model(state_of(model))(images))


# -- loops that a review has found to go wrong without a word


def quadratic(model):
    return sum(parameter.square().sum() for parameter in model.parameters())


def test_two_optimizers_of_one_model_train_what_each_is_for(digits):
    task = new_task(digits, model="mlp", momentum=0.0)
    model = task.new_model(0)
    before = state_of(model)
    head = task.optimizer(model, lr=0.1, only=["3.weight"])
    body = task.optimizer(model, lr=0.1, only=["1.weight"])
    for batch in task.minibatches(digits.base_ids, 0):
        for optimizer in (head, body):
            optimizer.step(cross_entropy(model(batch.images), batch.labels))
    after = state_of(model)
    changed = {name for name in after if not torch.equal(after[name], before[name])}
    assert changed == {"1.weight", "3.weight"}
    whole = task.optimizer(model, lr=0.1)
    batch = next(task.minibatches(digits.base_ids, 0))
    whole.step(cross_entropy(model(batch.images), batch.labels))
    assert not torch.equal(model.state_dict()["1.bias"].cpu(), after["1.bias"])


def test_a_part_of_the_weights_is_charged_as_a_part(digits):
    """The gradient of the last layer alone takes less arithmetic than that of all layers."""
    flops = {}
    for names in (None, ["3.weight", "3.bias"]):
        task = new_task(digits, model="mlp")
        model = task.new_model(0)
        optimizer = task.optimizer(model, lr=0.1, only=names)
        batch = next(task.minibatches(digits.base_ids, 0))
        optimizer.step(cross_entropy(model(batch.images), batch.labels))
        assert task.meter.gradient_evaluations == len(batch.labels)
        flops[names is None] = task.meter.flops
    assert 0 < flops[False] < flops[True]


def test_a_schedule_advances_by_itself(digits):
    task = new_task(digits, model="logistic")
    model = task.new_model(0)
    optimizer = task.optimizer(model, lr=0.1, schedule="cosine", steps=3)
    rates = []
    batch = next(task.minibatches(digits.base_ids, 0))
    for _ in range(3):
        rates.append(optimizer.rate(optimizer.steps_taken))
        optimizer.step(cross_entropy(model(batch.images), batch.labels))
    assert rates[0] == 0.1 and rates[0] > rates[1] > rates[2] > 0
    with pytest.raises(ValueError, match="step: 3 is beyond the 3 steps of the schedule"):
        optimizer.step(cross_entropy(model(batch.images), batch.labels))


def test_weights_that_are_a_slice_are_stepped_on_like_others(digits):
    task = new_task(digits, model="logistic", momentum=0.9)
    models = [task.new_model(0), task.new_model(0)]
    weight = models[1][1].weight
    wide = torch.zeros(10, 100)
    wide[:, :64] = weight.detach()
    models[1][1].weight = torch.nn.Parameter(wide[:, :64])
    batch = next(task.minibatches(digits.base_ids, 0))
    for model in models:
        optimizer = task.optimizer(model, lr=0.1)
        for _ in range(2):
            optimizer.step(cross_entropy(model(batch.images), batch.labels))
    assert torch.equal(models[0][1].weight, models[1][1].weight)


@pytest.mark.parametrize("wrap", [copy.deepcopy, torch.nn.Sequential], ids=["copy", "wrapper"])
def test_copies_and_wrappers_are_charged(digits, wrap):
    task = new_task(digits, model="mlp")
    model = wrap(task.new_model(0))
    optimizer = task.optimizer(model, lr=0.1)
    batch = next(task.minibatches(digits.base_ids, 0))
    optimizer.step(cross_entropy(model(batch.images), batch.labels))
    task.meter.settle()
    assert task.meter.gradient_evaluations == len(batch.labels)
    assert task.meter.forward_evaluations == 0


def test_work_that_would_be_free_is_refused(digits):
    task = new_task(digits, model="mlp")
    model = task.new_model(0)
    optimizer = task.optimizer(model, lr=0.1)
    with pytest.raises(RuntimeError, match="has made no forward pass that was charged"):
        optimizer.step(quadratic(model))
    with task.meter.by_hand():
        assert optimizer.step(quadratic(model))
    images = task.data.images(digits.base_ids[:4])
    weights = dict(model.named_parameters())
    call = torch.func.vmap(lambda image: torch.func.functional_call(model, weights, (image[None],)))
    with pytest.raises(RuntimeError, match=r"use `task\.bare_model`"):
        call(images)


def test_points_outside_the_order_are_refused(digits):
    task = new_task(digits, model="mlp")
    ids = digits.base_ids
    for wrong, among in ((ids, ids[:50]), (np.append(ids, ids[:1]), None)):
        with pytest.raises(ValueError, match="they must be among those that are cut"):
            next(task.minibatches(wrong, 0, among=among))
