"""What every method does as a job: a stream for a fleet, and requests that cannot be served."""

from functools import cache

import pytest

from tests.support.conformance import (
    METHODS,
    Subject,
    checksum,
    described,
    instance,
    model_of,
    request,
    trainer_of,
)
from tests.support.streams import deletions
from unlearn.conformance.subject import small_digits
from unlearn.jobs.train import train_fleet
from unlearn.jobs.unlearn import unlearn_fleet
from unlearn.requests.request import NO_IDS, Request


@cache
def fleet_states(model: str, trainer: str) -> tuple:
    """Two trained models of a trainer."""
    fleet_job = described(model, 2, seeds=(0, 1), trainer={"kind": trainer})
    return tuple(train_fleet(small_digits(), fleet_job).states)


@pytest.mark.parametrize("name", METHODS)
def test_a_job_serves_streams_and_refuses_points_outside_the_data(name):
    data = small_digits()
    method = instance(name)
    model = model_of(method)
    fleet_job = described(model, 2, seeds=(0, 1), method=name, options=method.values())
    states = fleet_states(model, trainer_of(name))
    serves_additions = "addition" not in method.conformance_exceptions
    added_ids = data.held_out_ids[:5] if serves_additions else NO_IDS
    stream = Request([data.base_ids[:5], NO_IDS], [NO_IDS, added_ids])
    result = unlearn_fleet(data, fleet_job, states, stream)
    points = len(data.evaluated_ids(stream))
    points += len(data.validation_labels) + len(data.test_labels)
    assert result.logits.shape == (2, 2, points, 10)
    assert [len(costs) for costs in result.costs] == [2, 2]
    assert all(len(s[n]) == 2 for s in result.states for n in result.compared)
    for point in (200, data.held_out_ids[0]):
        with pytest.raises(ValueError, match=f"point {point}"):
            unlearn_fleet(data, fleet_job, states, deletions([point]))


@pytest.mark.parametrize("name", ["original", "sisa", "deltagrad"])
def test_changes_nothing_where_nothing_is_deleted(name):
    """Though it reads the retain set; the suite checks those that do not."""
    subject = Subject(instance(name), small_digits(), name)
    trained = subject.trained()
    state, task = subject.serve(trained, step=request(small_digits(), NO_IDS))
    assert checksum(state) == checksum(trained)
    assert task.meter.gradient_evaluations == task.meter.optimizer_steps == 0
