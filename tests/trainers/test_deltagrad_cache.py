"""The cache of DeltaGrad, and what it cannot replay."""

import dataclasses
import warnings

import numpy as np
import pytest
import torch

from tests.support.deltagrad import FULL, Run, deltagrad_job, distance
from tests.support.streams import deletions
from unlearn.algorithms.deltagrad import training, trajectories
from unlearn.algorithms.deltagrad.replay import replay_of
from unlearn.jobs.train import train_fleet
from unlearn.jobs.unlearn import unlearn_fleet
from unlearn.storage.files import ArtifactError
from unlearn.storage.fleet import Fleet, write_fleet

pytestmark = pytest.mark.filterwarnings("ignore:(batch_size|burn_in|lr|overflow)")


def test_half_the_cache_costs_little_accuracy(digits):
    request = deletions(digits.base_ids[:9])
    errors = []
    for cache in ("float64", "float32"):
        run = Run(digits, trainer={"cache": cache}, **FULL)
        errors.append(distance(run.unlearn(request)[0], run.retrain(request)[0]))
        assert np.asarray(run.trained["cache/weights"]).itemsize == int(cache[-2:]) // 8
    assert 0 < abs(errors[0] - errors[1]) < 0.05 * errors[0]


def test_rows_of_the_cache_are_read_from_disk(digits, tmp_path):
    result = train_fleet(digits, deltagrad_job())
    write_fleet(tmp_path / "fleet", result.states, {})
    fleet = Fleet(tmp_path / "fleet")
    request = deletions(digits.base_ids[:7])
    expected = unlearn_fleet(digits, deltagrad_job(), result.states, request).states[0]
    weights = unlearn_fleet(digits, deltagrad_job(), list(fleet.values()), request).states[0]
    assert set(weights) == {"1.weight", "1.bias"}  # not the cache
    assert all(np.array_equal(weights[n], expected[n]) for n in expected)
    assert fleet.read_seconds > 0


def test_a_truncated_cache_is_refused(digits, tmp_path):
    run = Run(digits)
    for name in ("weights", "gradients"):
        whole = run.trained
        run.trained = whole | {f"cache/{name}": whole[f"cache/{name}"][:-1]}
        with pytest.raises(ValueError, match=rf"cache/{name} is \(47, 650\), \(48, 650\)"):
            run.unlearn(deletions(digits.base_ids[:1]))
        run.trained = whole
    write_fleet(tmp_path / "fleet", train_fleet(digits, deltagrad_job()).states, {})
    data = (tmp_path / "fleet").read_bytes()
    (tmp_path / "fleet").write_bytes(data[: len(data) // 2])
    with pytest.raises(ArtifactError, match="fleet"):
        Fleet(tmp_path / "fleet")


def test_the_cache_is_the_trajectory(digits):
    run = Run(digits, "mlp")
    weights, gradients = (np.asarray(run.trained[f"cache/{n}"]) for n in ("weights", "gradients"))
    assert weights.shape == gradients.shape == (48, 65 * 128 + 129 * 10)
    size = trajectories.cache_bytes(*weights.shape, "float64")
    assert weights.nbytes + gradients.nbytes == size == 16 * weights.size
    steps = weights[1:] - weights[:-1]
    assert np.allclose(steps, -0.1 * (gradients + 0.01 * weights)[:-1], atol=1e-12)
    assert np.array_equal(np.flatnonzero(run.trained["cache/present"]), digits.base_ids)
    state = run.unlearn(deletions(digits.base_ids[:9]), mode="online", period=1)[0]
    outside = np.union1d(digits.held_out_ids, digits.base_ids[:9])
    fewer = dataclasses.replace(digits, held_out_ids=outside)
    fresh = Run(fewer, "mlp").trained
    assert all(np.allclose(state[n], fresh[n], atol=1e-12) for n in fresh)


def test_a_cache_that_is_too_large_is_refused_before_training(digits):
    with pytest.raises(ValueError, match=r"would take 0\.00 GB, max_cache_gb: 1e-05"):
        Run(digits, trainer={"max_cache_gb": 1e-5})


# -- bad input -------------------------------------------------------------------------------------


def test_a_rate_that_diverges_names_itself_and_the_bound(digits):
    with pytest.raises(ValueError, match=r"lr: 1e\+20 diverges; stable below about 2/L = 0\.\d+"):
        Run(digits, lr=1e20, epochs=400)
    with pytest.warns(UserWarning, match=r"lr: 3.0 is above 2/L, about 0\.\d+"):
        Run(digits, lr=3.0)


def test_the_bound_on_the_rate_is_that_of_the_hessian(digits):
    """No rate below it makes full-batch descent rise."""
    run = Run(digits, **FULL)
    replay = replay_of(run.task, 0)
    bound = training.stable_rate(replay, digits.base_ids)
    rows = replay.stack.inputs[digits.base_ids].double() * replay.stack.scale - replay.stack.shift
    rows = torch.cat([rows, torch.ones(160, 1).double()], 1)
    largest = torch.linalg.eigvalsh(rows.T @ rows / 160)[-1] / 2 + 0.01
    assert bound == pytest.approx(2 / float(largest), rel=1e-6)


@pytest.mark.parametrize(
    ("recipe", "message"),
    [
        ({"momentum": 0.9}, "momentum: 0.9 cannot be replayed; allowed: 0"),
        ({"optimizer": "adam"}, "optimizer: adam"),
        ({"flip": True}, "flip: True"),
        ({"crop": 1}, "crop: 1"),
    ],
)
def test_only_plain_descent_can_be_replayed(digits, recipe, message):
    with pytest.raises(ValueError, match=message):
        Run(digits, **recipe)


def test_convolutions_and_empty_sets_are_refused(digits):
    with pytest.raises(ValueError, match="allowed are logistic and mlp"):
        Run(digits, "cnn1")
    run = Run(digits)
    with pytest.raises(ValueError, match="no training data left"):
        run.unlearn(deletions(digits.base_ids))
    with pytest.raises(ValueError, match="no training data left"):
        run.retrain(deletions(digits.base_ids))


def test_short_burn_ins_and_small_minibatches_are_allowed_with_a_warning(digits):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        Run(digits).unlearn(deletions(digits.base_ids[:1]), burn_in=1, history=3)
    messages = " ".join(str(w.message) for w in caught)
    assert "burn_in: 1 is shorter than history: 3" in messages
    assert "batch_size: minibatches of 60" in messages
