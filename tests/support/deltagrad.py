"""Small runs of DeltaGrad, for its tests."""

import numpy as np

from tests.support.jobs import job
from unlearn.jobs.setup import component, new_task
from unlearn.requests.request import NOBODY, Request
from unlearn.training.meter import Meter

GD = {"batch_size": 60, "epochs": 12, "lr": 0.1, "schedule": "constant", "weight_decay": 0.01}
FULL = GD | {"batch_size": 200, "epochs": 40}


def described(model="logistic", how=None, trainer=None, **recipe):
    found = job(model, method="deltagrad", trainer=trainer, **(GD | recipe))
    found["method"]["parameters"] |= how or {}
    return found


class Run:
    """A trained model, and what happens to it."""

    def __init__(self, data, model="logistic", trainer=None, **recipe):
        self.data, self.how = data, (model, trainer, recipe)
        self.task = new_task(data, described(model, None, trainer, **recipe))
        self.trained = self.task.trainer.train(self.task, data.base, 0)

    def unlearn(self, request, **how):
        """The states after each step, and the meters."""
        model, trainer, recipe = self.how
        method = component("methods", described(model, how, trainer, **recipe)["method"])
        state, states, self.meters = self.trained, [], []
        for step in request.steps(len(self.data.train_labels), self.data.base):
            self.task.meter = Meter()
            state = method.unlearn(self.task, state, step, 0)
            states.append(state)
            self.meters.append(self.task.meter)
        return states

    def retrain(self, request):
        self.task.meter = Meter()
        steps = request.steps(len(self.data.train_labels), self.data.base)
        return [self.task.trainer.retrain(self.task, step.retain, 0) for step in steps]

    def counts(self):
        return self.meters[-1].counts


def distance(a, b):
    names = [name for name in b if not name.startswith("cache/")]
    squares = (np.sum((np.asarray(a[n]) - np.asarray(b[n])) ** 2) for n in names)
    return float(np.sqrt(sum(squares)))


def deletion(*steps):
    return Request([np.sort(np.asarray(ids)) for ids in steps], [NOBODY] * len(steps))
