"""Runs of SISA on 160 digits, for its tests."""

import numpy as np

from tests.support.jobs import job
from tests.support.streams import served
from unlearn.algorithms.sisa import constituents
from unlearn.core import registry
from unlearn.jobs.setup import new_task
from unlearn.partitions import sharding

# 160 points in base training: 3 shards of 53 or 54, which 7 slices do not divide
SMALL = {"shards": 3, "slices": 3}


def sisa_job(method="sisa", trainer=SMALL, **keywords):
    """The description of a small job with SISA's trainer."""
    parameters = {"kind": "sisa", "min_shard": 4, "components": 5} | trainer
    return job(method=method, trainer=parameters, **({"batch_size": 8, "epochs": 3} | keywords))


def final(data, request, trained=None, method="sisa", seed=0, **keywords):
    """The state after a request, and the task, whose meter has the costs of all its steps."""
    task = new_task(data, sisa_job(**keywords))
    state = trained or task.trainer.train(task, data.base_ids, seed)
    component = registry.find("methods", method)()
    for step in request.steps(len(data.train_labels), data.base_ids):
        state = served(component, task, state, step, seed)
    return {name: np.asarray(state[name]) for name in state}, task


def scratch(data, request, **keywords):
    """The state of retraining after a request."""
    return final(data, request, method="retrain", **keywords)[0]


def same(a, b):
    """Whether two states agree to the bit."""
    return a.keys() == b.keys() and all(
        a[n].dtype == b[n].dtype and np.array_equal(a[n], b[n], equal_nan=True) for n in a
    )


def slices(data, trainer=SMALL):
    """The sorted ids of every slice of every shard after training."""
    task = new_task(data, sisa_job(trainer=trainer))
    places = constituents._assignment(task.trainer, task, data.base_ids)
    return sharding.layout(places, task.trainer.shards, task.trainer.slices)
