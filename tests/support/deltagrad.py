"""Small runs of DeltaGrad, for its tests."""

import numpy as np

from tests.support.jobs import job
from tests.support.streams import served_steps
from unlearn.core import registry
from unlearn.jobs.setup import new_task
from unlearn.training.meter import Meter

GD = {"batch_size": 60, "epochs": 12, "lr": 0.1, "schedule": "constant", "weight_decay": 0.01}
FULL = GD | {"batch_size": 200, "epochs": 40}


def deltagrad_job(model="logistic", options=None, trainer=None, **recipe):
    """The description of a small job; `options` are the parameters of the method."""
    return job(model, method="deltagrad", options=options, trainer=trainer, **(GD | recipe))


class Run:
    """A trained model, and what happens to it."""

    def __init__(self, data, model="logistic", trainer=None, **recipe):
        self.data = data
        self.task = new_task(data, deltagrad_job(model, None, trainer, **recipe))
        self.trained = self.task.trainer.train(self.task, data.base_ids, 0)

    def unlearn(self, request, **options):
        """The states after each step; `meters` are those of the steps."""
        method = registry.find("methods", "deltagrad")(**options)
        states, self.meters = served_steps(method, self.task, self.trained, request)
        return states

    def retrain(self, request):
        self.task.meter = Meter()
        steps = request.steps(len(self.data.train_labels), self.data.base_ids)
        return [self.task.trainer.retrain(self.task, step.retain_ids, 0) for step in steps]

    def counts(self):
        return self.meters[-1].counts


def distance(a, b):
    """The L2 distance of the parameters of two states."""
    names = [name for name in b if not name.startswith("cache/")]
    squares = (np.sum((np.asarray(a[n]) - np.asarray(b[n])) ** 2) for n in names)
    return float(np.sqrt(sum(squares)))
