"""Runs of SISA on 160 digits, for its tests."""

import numpy as np

from tests.support.jobs import job
from unlearn.jobs.setup import component, new_task
from unlearn.partitions import sharding
from unlearn.requests.request import NOBODY, Request

# 160 points in base training: 3 shards of 53 or 54, which 7 slices do not divide
SMALL = {"shards": 3, "slices": 3}


def described(method="sisa", trainer=SMALL, **keywords):
    own = {"kind": "sisa", "min_shard": 4, "components": 5} | trainer
    return job(method=method, trainer=own, **({"batch_size": 8, "epochs": 3} | keywords))


def deletion(*steps):
    return Request([np.sort(np.array(ids)) for ids in steps], [NOBODY] * len(steps))


def final(data, request, train=None, method="sisa", seed=0, **keywords):
    """The state after a request, and the costs of its steps."""
    task = new_task(data, described(**keywords))
    state = train or task.trainer.train(task, data.base, seed)
    method = component("methods", {"kind": method, "parameters": {}})
    for step in request.steps(len(data.train_labels), data.base):
        state = method.unlearn(task, state, step, seed)
    return {name: np.asarray(state[name]) for name in state}, task


def scratch(data, request, **keywords):
    return final(data, request, method="retrain", **keywords)[0]


def same(a, b):
    return a.keys() == b.keys() and all(
        a[n].dtype == b[n].dtype and np.array_equal(a[n], b[n], equal_nan=True) for n in a
    )


def slices(data, trainer=SMALL):
    task = new_task(data, described(trainer=trainer))
    places = task.trainer._assignment(task, data.base)
    return sharding.layout(places, task.trainer.shards, task.trainer.slices)
