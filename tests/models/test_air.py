"""The architecture air: its sizes, and the first layer that is fitted to images and never trained."""

import numpy as np
import pytest
import torch
from torch.nn import functional

from tests.support.jobs import build
from tests.support.jobs import task as new_task
from tests.support.sisa import final, scratch, slices
from tests.support.streams import deletions, with_pixels
from unlearn.core import registry
from unlearn.training.loop import fit
from unlearn.training.state import state_of

FILTERS = "0.filters"
"""The name of the first layer's filters in a state."""

WHITENED = {"model": "air", "size": {"width": 4, "whiten": True}}


def trained(data, ids, seed=0, **recipe):
    """The state of a whitened air that is trained on some points."""
    task = new_task(data, **WHITENED | recipe)
    return task.trainer.train(task, ids, seed)


@pytest.fixture(scope="module")
def retain_ids(digits):
    """All points but every ninth."""
    return np.setdiff1d(digits.base_ids, digits.base_ids[::9])


@pytest.mark.parametrize(
    ("shape", "options", "count"),
    [
        ((32, 32, 3), {}, 70_592),
        ((32, 32, 3), {"whiten": True}, 74_752),
        ((32, 32, 3), {"width": 64}, 269_760),
        ((32, 32, 3), {"width": 64, "whiten": True}, 278_528),
        ((28, 28, 1), {}, 70_304),
        ((28, 28, 1), {"whiten": True}, 70_720),
        ((8, 8, 1), {}, 70_304),
        ((8, 8, 1), {"width": 3, "whiten": True}, 1_149),
    ],
)
def test_weight_counts_are_those_of_the_networks(shape, options, count):
    air = registry.find("models", "air")(**options)
    network = air.build(shape, 10)
    height, breadth, channels = shape
    assert network(torch.randn(2, channels, height, breadth)).shape == (2, 10)
    assert sum(p.numel() for p in network.parameters() if p.requires_grad) == count
    assert air.weight_count(shape, 10) == count


def test_the_last_layer_is_linear_on_a_quarter_of_the_largest_values(digits):
    task = new_task(digits, model="air", size={"width": 4})
    network = task.bare_model(state_of(task.new_model(0))).eval()
    images = task.data.images(digits.base_ids[:20])
    features = network[:-4](images).amax((2, 3))
    assert network[-1].bias is None
    torch.testing.assert_close(network(images), 0.25 * features @ network[-1].weight.t())


def test_whitened_channels_are_uncorrelated_with_variance_one_and_both_signs():
    data = build("digits")
    task = new_task(data, model="air", size={"whiten": True})
    network = task.new_model(0, data.base_ids)
    filters = network[0].filters
    assert filters.shape == (18, 1, 3, 3)
    assert torch.equal(filters[:9], -filters[9:])
    patches = functional.unfold(task.data.images(data.base_ids), 3).double()
    responses = filters[:9].flatten(1).double() @ patches
    moments = torch.einsum("npi,nqi->pq", responses, responses) / (len(patches) * 36)
    torch.testing.assert_close(moments, torch.eye(9).double(), atol=0.05, rtol=0)
    assert torch.linalg.matrix_norm(moments - torch.diag(moments.diag())) < 1e-4


def test_the_first_layer_is_not_moved_by_training(digits):
    task = new_task(digits, **WHITENED, epochs=4, weight_decay=0.01)
    model = task.new_model(3, digits.base_ids)
    state = state_of(model)
    assert FILTERS in state
    assert FILTERS not in dict(model.named_parameters())
    fit(task, model, digits.base_ids, task.recipe, 3)
    trained_state = state_of(model)
    assert torch.equal(trained_state[FILTERS], state[FILTERS])
    names = [name for name, _ in model.named_parameters()]
    assert not any(torch.equal(trained_state[name], state[name]) for name in names)


def test_the_first_layer_is_a_function_of_the_points_of_its_member(digits, retain_ids):
    """An oracle's filters know nothing of the deleted points, whose pixels can be destroyed."""
    original = trained(digits, digits.base_ids)
    oracle = trained(digits, retain_ids)
    assert not torch.equal(original[FILTERS], oracle[FILTERS])
    destroyed = with_pixels(digits, np.setdiff1d(np.arange(200), retain_ids), 77)
    other_oracle = trained(destroyed, retain_ids)
    assert all(torch.equal(oracle[name], other_oracle[name]) for name in oracle)
    assert torch.equal(trained(digits, retain_ids, seed=1)[FILTERS], oracle[FILTERS])
    assert torch.equal(trained(digits, retain_ids[::-1], epochs=1)[FILTERS], oracle[FILTERS])


def test_oracle_and_original_start_from_the_same_weights(digits, retain_ids):
    """And from almost the same filters, in the same order and of the same signs."""
    task = new_task(digits, **WHITENED)
    states = [state_of(task.new_model(5, ids)) for ids in (digits.base_ids, retain_ids)]
    unprepared = state_of(task.new_model(5))
    for name in unprepared:
        if name != FILTERS:
            assert torch.equal(states[0][name], states[1][name])
            assert torch.equal(states[0][name], unprepared[name])
    cosines = functional.cosine_similarity(*(state[FILTERS].flatten(1) for state in states))
    assert cosines.min() > 0.8
    assert not torch.equal(states[0][FILTERS], unprepared[FILTERS])


def test_images_of_the_first_layer_are_charged(digits):
    task = new_task(digits, **WHITENED)
    task.new_model(0)
    assert task.meter.forward_evaluations == 0
    task.new_model(0, digits.base_ids)
    assert task.meter.forward_evaluations == len(digits.base_ids)
    assert task.meter.flops > 0


def test_no_more_images_are_taken_than_are_said(digits, monkeypatch):
    air = registry.find("models", "air")
    monkeypatch.setattr(air, "prepared_points", 30)
    task = new_task(digits, **WHITENED)
    filters = task.new_model(0, digits.base_ids)[0].filters
    assert task.meter.forward_evaluations == 30
    assert torch.equal(task.new_model(1, digits.base_ids)[0].filters, filters)


@pytest.mark.parametrize("place", [0, -1], ids=["first slice", "last slice"])
def test_checkpoints_of_sisa_have_filters_of_their_first_slice(digits, place):
    """So a deletion from a later slice need not touch them, and stays exact."""
    trainer = {"shards": 2, "slices": 3}
    ids = slices(digits, trainer)[1][place][:2]
    state, _ = final(digits, deletions(ids), trainer=trainer, **WHITENED)
    oracle = scratch(digits, deletions(ids), trainer=trainer, **WHITENED)
    names = [name for name in oracle if name.endswith(FILTERS)]
    assert len(names) == 6
    assert all(np.array_equal(state[name], oracle[name]) for name in oracle)
    task = new_task(digits, **WHITENED)
    first_ids = np.setdiff1d(slices(digits, trainer)[1][0], ids)
    expected = task.new_model(0, first_ids)[0].filters.contiguous().numpy()
    assert np.array_equal(np.asarray(oracle[f"shard001/slice02/model/{FILTERS}"]), expected)


def test_a_first_slice_without_points_leaves_filters_random(digits):
    task = new_task(digits, **WHITENED)
    empty = task.new_model(0, digits.base_ids[:0])[0].filters
    assert torch.equal(empty, task.new_model(0)[0].filters)
    rows = empty[:9].flatten(1)
    torch.testing.assert_close(rows @ rows.t(), torch.eye(9))


def test_whitening_is_the_same_twice_and_in_every_precision(digits):
    states = [
        state_of(new_task(digits, **WHITENED, precision=p).new_model(0, digits.base_ids))
        for p in ("float32", "float32", "bfloat16")
    ]
    assert all(torch.equal(state[FILTERS], states[0][FILTERS]) for state in states)


@pytest.mark.parametrize("name", ["width", "whiten"])
def test_bad_parameters_are_refused(name):
    with pytest.raises(ValueError, match=f"{name}: 0 is not allowed; allowed: "):
        registry.find("models", "air")(**{name: 0})
