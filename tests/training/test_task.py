"""What a method is given: minibatches, optimisers, a meter that counts by itself."""

import itertools
import math

import numpy as np
import pytest
import torch
from torch import nn

from tests.support.jobs import task
from unlearn.algorithms.losses import cross_entropy
from unlearn.core import seeding
from unlearn.training.data import normalised
from unlearn.training.loop import fit, predict
from unlearn.training.meter import flops_per_sample
from unlearn.training.stack_optimizer import takes_stack_steps
from unlearn.training.state import state_of

EVERYONE = np.arange(200)
KEPT = np.setdiff1d(EVERYONE, [3, 50, 51, 120])


def trained(here, model, ids=KEPT, seed=0, **options):
    """`model` after a loop as a method would write it: one epoch."""
    optimizer = here.optimizer(model, **{"lr": 0.1} | options)
    for batch in here.minibatches(ids, seed):
        optimizer.step(cross_entropy(model(batch.images), batch.labels))
    return model


def same(one, other):
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


# -- minibatches -----------------------------------------------------------------------------------


def test_minibatches_are_full_by_default(digits):
    here = task(digits)
    batches = list(here.minibatches(KEPT, 5, 1))
    assert [len(batch.ids) for batch in batches] == [32] * 6 + [4]
    assert [batch.index for batch in batches] == list(range(7))
    order = np.concatenate([batch.ids for batch in batches])
    assert np.array_equal(order, seeding.shuffled(KEPT, seeding.derive(5, "epoch", 1)))
    for batch in batches:
        assert torch.equal(batch.images, here.data.images(batch.ids))
        assert torch.equal(batch.labels, here.data.labels(batch.ids))


def test_the_order_depends_on_seed_and_epoch(digits):
    here = task(digits)

    def order(*key):
        return np.concatenate([batch.ids for batch in here.minibatches(KEPT, *key)])

    orders = [order(0, 0), order(0, 1), order(1, 0)]
    assert np.array_equal(order(0), orders[0])
    assert all(not np.array_equal(a, b) for a, b in itertools.combinations(orders, 2))


def test_minibatches_have_the_size_that_is_asked_for(digits):
    batches = task(digits).minibatches(KEPT, 0, batch_size=50)
    assert [len(batch.ids) for batch in batches] == [50, 50, 50, 46]


def test_minibatches_of_too_few_points_are_left_out(digits):
    ids = EVERYONE[:33]
    assert [len(b.ids) for b in task(digits).minibatches(ids, 0)] == [32, 1]
    assert [len(b.ids) for b in task(digits, model="resnet9").minibatches(ids, 0)] == [32]
    here = task(digits, model="resnet9")
    assert [len(b.ids) for b in here.minibatches(ids, 0, min_points=1)] == [32, 1]


def test_augmentation_can_be_left_out(digits):
    here = task(digits, crop=1, flip=True)
    (plain,) = here.minibatches(KEPT, 0, batch_size=500, augment=False)
    (moved,) = here.minibatches(KEPT, 0, batch_size=500)
    assert np.array_equal(plain.ids, moved.ids)
    assert torch.equal(plain.images, here.data.images(plain.ids))
    assert not torch.equal(plain.images, moved.images)


def test_minibatches_among_all_points_are_those_of_fit(digits):
    """Deleted points leave gaps, nothing else moves, crops and flips are the same."""
    here = task(digits, model="cnn1", epochs=3, crop=1, flip=True)
    model = here.new_model(0)
    images = []
    model.register_forward_hook(lambda _, inputs, logits: images.append(inputs[0].clone()))
    fit(here, model, KEPT, here.recipe, 7)
    batches = [
        batch
        for epoch in range(3)
        for batch in here.minibatches(KEPT, 7, epoch, among=here.data.ids)
    ]
    assert len(batches) == len(images) == 21
    assert all(torch.equal(b.images, fitted) for b, fitted in zip(batches, images, strict=True))
    assert [len(batch.ids) for batch in batches] != [32] * 21


@pytest.mark.parametrize("among", [None, EVERYONE], ids=["full", "gaps"])
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
    here = task(digits, model=model, **recipe)
    short, visible = here.new_model(0), here.new_model(0)
    fit(here, short, KEPT, here.recipe, 3, among=KEPT if among is None else among)
    batches = math.ceil(len(KEPT if among is None else among) / here.recipe.batch_size)
    optimizer = here.optimizer(
        visible,
        lr=here.recipe.lr,
        schedule=here.recipe.schedule,
        nesterov=here.recipe.nesterov,
        steps=here.recipe.epochs * batches,
    )
    for epoch in range(here.recipe.epochs):
        for batch in here.minibatches(KEPT, 3, epoch, among=among):
            loss = cross_entropy(visible(batch.images), batch.labels)
            assert optimizer.step(loss, epoch * batches + batch.index)
    assert same(state_of(short), state_of(visible))


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
    here = task(digits, model=kind)
    model = here.new_model(0)
    before = state_of(model)
    last = list(before)[-2:]
    after = state_of(trained(here, model, only=last, **options))
    for name in before:
        assert torch.equal(before[name], after[name]) == (name not in last), name


def test_parameters_that_were_frozen_are_trained_where_they_are_named(digits):
    """A method may train one part after the other."""
    here = task(digits)
    model = here.new_model(0)
    names = list(state_of(model))
    trained(here, model, only=names[2:])
    before = state_of(model)
    after = state_of(trained(here, model, only=names[:2]))
    for name in names:
        assert torch.equal(before[name], after[name]) == (name not in names[:2]), name


@pytest.mark.parametrize("options", OPTIMIZERS, ids=str)
@pytest.mark.parametrize("kind", ["mlp", "cnn1"])
def test_masked_coordinates_do_not_change(digits, kind, options):
    here = task(digits, model=kind)
    model = here.new_model(0)
    before = state_of(model)
    torch.manual_seed(0)
    mask = {name: torch.rand(tensor.shape) < 0.5 for name, tensor in before.items()}
    del mask[list(mask)[-1]]  # without a mask all of it is free
    after = state_of(trained(here, model, mask=mask, **options))
    for name in before:
        free = mask.get(name, torch.ones_like(before[name], dtype=torch.bool))
        assert torch.equal(before[name][~free], after[name][~free]), name
        assert (before[name][free] != after[name][free]).float().mean() > 0.5, name


def test_a_mask_that_is_free_everywhere_changes_nothing(digits):
    here = task(digits, model="cnn1")
    states = []
    for is_masked in (False, True):
        model = here.new_model(0)
        ones = {name: torch.ones(p.shape, dtype=bool) for name, p in model.named_parameters()}
        states.append(state_of(trained(here, model, mask=ones if is_masked else None)))
    assert same(*states)


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
    here = task(digits, model="logistic")
    with pytest.raises(ValueError, match=message):
        here.optimizer(here.new_model(0), **{"lr": 0.1} | options)


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_a_loss_that_is_not_finite_ends_training(digits, bad):
    here = task(digits, model="cnn1")
    model = here.new_model(0)
    optimizer = here.optimizer(model, lr=0.1)
    (batch,) = here.minibatches(KEPT, 0, batch_size=500)
    assert optimizer.step(cross_entropy(model(batch.images), batch.labels))
    before = state_of(model)
    assert not here.meter.diverged
    with pytest.warns(UserWarning, match="training has diverged and ends here"):
        assert not optimizer.step(bad * cross_entropy(model(batch.images), batch.labels))
    assert here.meter.diverged and optimizer.diverged
    assert not optimizer.step(cross_entropy(model(batch.images), batch.labels))
    assert same(before, state_of(model))
    assert here.meter.optimizer_steps == 1


def test_a_gradient_that_is_not_finite_is_not_stepped_along_where_it_is_clipped(digits):
    here = task(digits, model="logistic")
    model = here.new_model(0)
    optimizer = here.optimizer(model, lr=0.1, clip=1.0)
    before = state_of(model)
    (batch,) = here.minibatches(KEPT, 0, batch_size=500)
    loss = cross_entropy(model(batch.images), batch.labels)
    model[1].bias.register_hook(lambda gradient: gradient * math.nan)
    with pytest.warns(UserWarning, match="diverged"):
        assert not optimizer.step(loss)
    assert here.meter.diverged and same(before, state_of(model))


# -- the meter -------------------------------------------------------------------------------------


def per_sample(here, model):
    """FLOPs forward and backward of one image."""
    return flops_per_sample(model, here.data.images(EVERYONE[:1]))


@pytest.mark.parametrize("kind", ["mlp", "cnn1", "resnet9"])
def test_a_loop_is_charged_exactly(digits, kind):
    here = task(digits, model=kind)
    model = here.new_model(0)
    optimizer = here.optimizer(model, lr=0.01)
    for epoch in range(2):
        for batch in here.minibatches(KEPT, 0, epoch):
            optimizer.step(cross_entropy(model(batch.images), batch.labels))
    here.meter.settle()
    forward, backward = per_sample(here, here.new_model(0))
    assert here.meter.gradient_evaluations == 2 * len(KEPT)
    assert here.meter.optimizer_steps == 14
    assert here.meter.flops == 2 * len(KEPT) * (forward + backward)
    assert here.meter.forward_evaluations == 0


def test_fit_is_charged_what_a_loop_is_charged(digits):
    for kind in ("mlp", "cnn1"):
        here = task(digits, model=kind, epochs=1)
        fit(here, here.new_model(0), EVERYONE, here.recipe, 0)
        other = task(digits, model=kind)
        trained(other, other.new_model(0), ids=EVERYONE)
        for name in ("gradient_evaluations", "forward_evaluations", "flops", "optimizer_steps"):
            assert getattr(here.meter, name) == getattr(other.meter, name), name


def test_passes_of_a_teacher_go_forward_only(digits):
    here = task(digits)
    teacher, student = here.new_model(1), here.new_model(0)
    optimizer = here.optimizer(student, lr=0.01)
    for batch in here.minibatches(KEPT, 0):
        with torch.no_grad():
            targets = teacher(batch.images).softmax(1)
        optimizer.step(nn.functional.cross_entropy(student(batch.images), targets))
    here.meter.settle()
    forward, backward = per_sample(here, here.new_model(0))
    assert here.meter.gradient_evaluations == here.meter.forward_evaluations == len(KEPT)
    assert here.meter.flops == len(KEPT) * (2 * forward + backward)


def test_passes_without_a_step_go_forward_only(digits):
    """With gradients, but no optimiser asked for them."""
    here = task(digits)
    for seed in range(5):  # networks that are gone before anything is settled
        here.new_model(seed)(here.data.images(EVERYONE[:10]))
    trained(here, here.new_model(0))
    here.meter.settle()
    forward, backward = per_sample(here, here.new_model(0))
    assert here.meter.forward_evaluations == 50
    assert here.meter.gradient_evaluations == len(KEPT)
    assert here.meter.flops == 50 * forward + len(KEPT) * (forward + backward)


def test_all_passes_since_the_last_step_are_charged_to_it(digits):
    here = task(digits)
    model = here.new_model(0)
    optimizer = here.optimizer(model, lr=0.01)
    losses = [
        cross_entropy(model(here.data.images(ids)), here.data.labels(ids))
        for ids in (EVERYONE[:10], EVERYONE[10:25])
    ]
    optimizer.step(losses[0] - 0.1 * losses[1])
    assert here.meter.gradient_evaluations == 25 and here.meter.optimizer_steps == 1


def test_frozen_layers_cost_no_backward_pass(digits):
    here = task(digits)
    model = here.new_model(0)
    optimizer = here.optimizer(model, lr=0.01, only=["3.weight", "3.bias"])
    optimizer.step(cross_entropy(model(here.data.images(KEPT)), here.data.labels(KEPT)))
    whole = sum(per_sample(here, here.new_model(0)))
    assert 0 < here.meter.flops < 0.7 * len(KEPT) * whole


def test_predictions_for_scores_are_not_charged(digits):
    here = task(digits)
    logits = predict(here, here.new_model(0), here.data.train_images)
    here.meter.settle()
    assert logits.shape == (200, 10)
    assert here.meter.flops == here.meter.forward_evaluations == 0


def test_a_model_for_work_by_hand_is_not_charged(digits):
    here = task(digits)
    here.bare_model(state_of(here.new_model(0)))(here.data.images(KEPT))
    here.meter.settle()
    assert here.meter.flops == here.meter.forward_evaluations == 0


# -- precision -------------------------------------------------------------------------------------


@pytest.fixture
def lower(digits):
    """A task in bfloat16, a network, and the types of what its first layer gives out."""
    here = task(digits, model="cnn1", precision="bfloat16")
    model = here.new_model(0)
    types = []
    model[0].register_forward_hook(lambda layer, inputs, output: types.append(output.dtype))
    return here, model, types


def test_passes_with_gradients_run_in_lower_precision_and_give_float32(lower):
    here, model, types = lower
    logits = model(here.data.images(KEPT))
    assert types == [torch.bfloat16] and logits.dtype == torch.float32
    cross_entropy(logits, here.data.labels(KEPT)).backward()
    assert all(p.dtype == p.grad.dtype == torch.float32 for p in model.parameters())


def test_passes_without_gradients_run_in_float32(lower):
    here, model, types = lower
    with torch.no_grad():
        logits = model(here.data.images(KEPT))
    assert types == [torch.float32] and logits.dtype == torch.float32
    plain = here.bare_model(state_of(model))(here.data.images(KEPT))
    assert torch.equal(logits, plain.detach())
    assert torch.equal(predict(here, model, here.data.train_images[KEPT]), logits)


def test_a_pass_that_fails_leaves_the_precision_as_it_was(lower):
    here, model, types = lower
    with pytest.raises(RuntimeError):
        model(torch.zeros(1, 7, 8, 8))
    assert not torch.is_autocast_enabled("cpu")
    assert model(here.data.images(KEPT)).dtype == torch.float32
    assert types[-1] == torch.bfloat16


def test_a_loop_in_lower_precision_is_fit_to_the_bit(digits):
    here = task(digits, model="cnn1", precision="bfloat16", epochs=1, schedule="constant")
    short = here.new_model(0)
    fit(here, short, EVERYONE, here.recipe, 0)
    assert same(state_of(short), state_of(trained(here, here.new_model(0), ids=EVERYONE)))


def test_float32_machines_give_what_a_plain_network_gives(digits):
    here = task(digits, model="cnn1")
    model = here.new_model(0)
    images = normalised(here.data.train_images, here.data)
    assert torch.equal(model(images), here.bare_model(state_of(model))(images))


# -- the fast path of fit --------------------------------------------------------------------------


def zeroed_classes(layer, inputs, output):
    """The first five classes without a gradient."""
    return torch.cat([output[:, :5].detach(), output[:, 5:]], 1)


def zeroed_gradient(parameter):
    """The first five classes without a gradient, after it has been added up."""
    parameter.grad[:5] = 0


HOOKS = {
    "parameter": lambda layer: layer.weight.register_hook(
        lambda gradient: torch.cat([torch.zeros_like(gradient[:5]), gradient[5:]])
    ),
    "accumulated": lambda layer: layer.weight.register_post_accumulate_grad_hook(zeroed_gradient),
    "forward": lambda layer: layer.register_forward_hook(zeroed_classes),
    "backward": lambda layer: layer.register_full_backward_pre_hook(
        lambda layer, errors: (errors[0] * (torch.arange(10) >= 5),)
    ),
}


@pytest.mark.parametrize("hook", HOOKS)
@pytest.mark.parametrize("kind", ["mlp", "logistic"])
def test_hooks_are_respected_by_fit(digits, kind, hook):
    """A path without autograd must not be taken where anything is hooked to a layer."""
    here = task(digits, model=kind, weight_decay=0.0)
    model = here.new_model(0)
    assert takes_stack_steps(model, here.recipe, here.machine)
    layer = model[-1]
    HOOKS[hook](layer)
    assert not takes_stack_steps(model, here.recipe, here.machine)
    before = layer.weight.detach().clone()
    fit(here, model, EVERYONE, here.recipe, 0)
    assert torch.equal(layer.weight[:5], before[:5])
    assert (layer.weight[5:] != before[5:]).float().mean() > 0.5


def test_a_frozen_layer_is_respected_by_fit(digits):
    here = task(digits)
    model = here.new_model(0)
    model[1].weight.requires_grad_(False)
    before = state_of(model)
    fit(here, model, EVERYONE, here.recipe, 0)
    after = state_of(model)
    assert [name for name in before if torch.equal(before[name], after[name])] == ["1.weight"]
