"""What every trainer must do. New trainers are found by themselves."""

import re
import subprocess
import sys

import numpy as np
import pytest
import torch

from tests.support.jobs import CERTIFIED_DESCENT, job
from tests.support.project import ROOT
from tests.support.streams import with_pixels
from unlearn.core import parameters, registry
from unlearn.core.guarantee import LEVELS
from unlearn.core.setting import Setting
from unlearn.jobs.setup import new_task
from unlearn.jobs.train import train_fleet
from unlearn.metrics.catalogue import METRICS
from unlearn.storage.fleet import Fleet, write_fleet
from unlearn.trainers.base import Trainer
from unlearn.training.fleet import Member, Subset

TRAINERS = registry.names("trainers")
WITHOUT_POINTS = ("untrained",)
"""Trainers that read no point."""

pytestmark = [
    pytest.mark.parametrize("name", TRAINERS),
    pytest.mark.filterwarnings("ignore:(batch_size|lr|a stage|shards|slices)"),
]


def fleet_job(name, **keywords):
    """A small job with a trainer."""
    if name in CERTIFIED_DESCENT:
        return job("bounded_logistic", trainer={"kind": name}, **keywords)
    return job("mlp", trainer={"kind": name}, size={"hidden": 16}, **keywords)


def task_of(digits, name):
    return new_task(digits, fleet_job(name))


@pytest.fixture(scope="module")
def states(digits):
    """A state of each trainer, made when needed."""
    cache = {}

    def state_of(name):
        if name not in cache:
            task = task_of(digits, name)
            cache[name] = task.trainer.train(task, digits.base_ids, 0)
        return cache[name]

    return state_of


def same(a, b, names=None):
    names = a if names is None else names
    return all(np.array_equal(np.asarray(a[n]), np.asarray(b[n])) for n in names)


def first_pixels(digits):
    return torch.from_numpy(digits.test_images[:50])


def test_declares_itself(name):
    trainer = registry.find("trainers", name)
    assert issubclass(trainer, Trainer)
    assert set(trainer.metrics) <= set(METRICS)
    assert trainer.controls is None or trainer.controls in TRAINERS
    assert isinstance(trainer.ensemble, bool)
    assert trainer().guarantee().level in LEVELS
    assert trainer().supports(Setting()) is None
    for parameter, field in parameters.fields(trainer).items():
        assert field.limits.help and not field.required, parameter


def test_file_has_one_class(name):
    path = registry.FAMILIES["trainers"].folder / f"{name}.py"
    text = path.read_text(encoding="utf-8")
    assert len(re.findall(r"^class ", text, re.M)) == 1
    assert not re.search(r"^(?:from|import) torch", text, re.M)


def test_is_importable_without_torch(name):
    code = f"""
import sys
from unlearn.core import registry
from unlearn.core.setting import Setting
trainer = registry.find("trainers", {name!r})()
trainer.modules(), trainer.guarantee(), trainer.supports(Setting())
assert "torch" not in sys.modules
"""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_a_state_consists_of_finite_named_tensors(name, digits, states):
    state = states(name)
    for key, tensor in state.items():
        assert isinstance(key, str) and np.isfinite(np.asarray(tensor)).all(), key
    task = task_of(digits, name)
    served = task.trainer.served(state)
    compared = task.trainer.compared(task)
    assert set(served) <= set(state) and len(set(served)) == len(served)
    assert set(compared) <= set(served)
    assert all(np.asarray(state[key]).dtype.kind == "f" for key in compared)


def test_retraining_gives_the_same_predictions(name, digits, states):
    """And has what predictions need."""
    task = task_of(digits, name)
    state = task.trainer.retrain(task, digits.base_ids, 0)
    pixels = first_pixels(digits)
    expected = task.trainer.predict(task, states(name), pixels)
    assert torch.equal(task.trainer.predict(task, state, pixels), expected)
    served = task.trainer.served(states(name))
    assert set(task.trainer.served(state)) == set(served)
    assert same(states(name), state, served)


def test_training_is_a_function_of_points_and_seed(name, digits, states):
    """Whatever the global random numbers are, and whatever the task was used for before."""
    task = task_of(digits, name)
    torch.manual_seed(7)
    np.random.seed(7)
    before = torch.random.get_rng_state()
    other = task.trainer.train(task, digits.base_ids, 1)
    state = task.trainer.train(task, digits.base_ids, 0)
    assert torch.equal(torch.random.get_rng_state(), before)
    assert state.keys() == states(name).keys() and same(state, states(name))
    assert not same(state, other, task.trainer.served(state))
    fewer = task.trainer.train(task, digits.base_ids[3:], 0)
    assert (name in WITHOUT_POINTS) is same(state, fewer, task.trainer.served(state))


def test_other_points_are_not_read(name, digits, states):
    task = task_of(with_pixels(digits, digits.held_out_ids, 77), name)
    state = task.trainer.train(task, digits.base_ids, 0)
    assert same(state, states(name))


def test_training_is_charged(name, digits):
    task = task_of(digits, name)
    task.trainer.train(task, digits.base_ids, 0)
    counters = (task.meter.gradient_evaluations, task.meter.optimizer_steps, task.meter.flops)
    assert counters == (0, 0, 0) if name in WITHOUT_POINTS else min(counters) > 0


def test_a_fleet_is_trained_as_its_members_are(name, digits):
    members = [
        Member(0),
        Member(3),
        Member(0, Subset(0.5, draw=1)),
        Member(3, Subset(0.25, draw=2)),
    ]
    task = task_of(digits, name)
    fleet = task.trainer.train_many(task, members)
    assert len(fleet) == len(members)
    for member, state in zip(members, fleet, strict=True):
        single = task_of(digits, name)
        ids = member.train_ids(digits.base_ids)
        expected = single.trainer.train(single, ids, member.seed)
        assert state.keys() == expected.keys() and same(state, expected)


def test_members_are_combined_into_predictions(name, digits, states):
    """Which are finite, of the right shape, and a function of each image alone."""
    task = task_of(digits, name)
    trainer = task.trainer
    state = states(name)
    pixels = first_pixels(digits)
    members = trainer.members(state)
    outputs = [trainer.member_logits(task, member, pixels) for member in members]
    for logits in outputs:
        assert logits.shape == (50, 10) and logits.dtype == torch.float32
        assert logits.device.type == "cpu"
    combined = trainer.combine(outputs, state)
    assert combined.shape == (50, 10) and combined.dtype == torch.float32
    assert torch.isfinite(combined).all()
    assert torch.equal(combined, trainer.predict(task, state, pixels))
    assert (len(members) > 1) is trainer.ensemble
    reverse = trainer.predict(task, state, pixels.flip(0)).flip(0)
    assert torch.allclose(reverse, combined, atol=1e-5)


def test_votes_are_those_of_the_members(name, digits, states):
    task = task_of(digits, name)
    trainer = task.trainer
    members = trainer.members(states(name))
    outputs = [trainer.member_logits(task, member, first_pixels(digits)) for member in members]
    votes = trainer.votes(outputs, states(name))
    assert votes.dtype == np.int16
    assert votes.shape == (len(members) if trainer.ensemble else 0, 50)
    assert ((votes >= -1) & (votes < 10)).all()


def test_what_is_served_suffices_for_predictions(name, digits, states):
    task = task_of(digits, name)
    state = states(name)
    served = {key: np.asarray(state[key]) for key in task.trainer.served(state)}
    pixels = first_pixels(digits)
    expected = task.trainer.predict(task, state, pixels)
    fresh = task_of(digits, name)
    assert torch.equal(fresh.trainer.predict(fresh, served, pixels), expected)


def test_a_state_from_disk_predicts_the_same(name, digits, states, tmp_path):
    state = states(name)
    write_fleet(tmp_path / "fleet", [{n: np.asarray(t) for n, t in state.items()}], {})
    disk_state = Fleet(tmp_path / "fleet")[0]
    task = task_of(digits, name)
    pixels = first_pixels(digits)
    expected = task.trainer.predict(task, state, pixels)
    assert torch.equal(task.trainer.predict(task, disk_state, pixels), expected)


def test_a_job_leaves_what_the_trainer_gives(name, digits, states):
    result = train_fleet(digits, fleet_job(name, seeds=(1, 0)))
    assert result.states[1].keys() == states(name).keys()
    assert same(result.states[1], states(name))
    task = task_of(digits, name)
    assert result.compared == task.trainer.compared(task)
    assert bool(result.constituents) is task.trainer.ensemble
    expected = task.trainer.predict(task, states(name), torch.from_numpy(digits.test_images))
    np.testing.assert_allclose(result.logits[1, -len(expected) :], expected, atol=1e-6)


def test_no_points_are_refused_or_trained_on_by_no_step(name, digits):
    task = task_of(digits, name)
    try:
        task.trainer.train(task, digits.base_ids[:0], 0)
    except ValueError as error:
        assert "no training data left" in str(error)
    assert task.meter.gradient_evaluations == 0
