"""A teacher, and the students that it is distilled into."""

import numpy as np
import torch
from torch.nn import functional

from tests.support.jobs import job
from tests.support.streams import served_steps
from unlearn.core import registry
from unlearn.jobs.setup import new_task

QUICK = {"epochs": 2, "batch_size": 32, "curvature_points": 50}


def distillation_job(model="mlp", options=None, **recipe):
    parameters = QUICK | (options or {})
    recipe = {"epochs": 8} | recipe
    return job(model, method="influence_distillation", options=parameters, **recipe)


class Run:
    """A teacher, and its students."""

    def __init__(self, data, model="mlp", **recipe):
        self.data = data
        self.model = model
        self.recipe = recipe
        self.task = new_task(data, distillation_job(model, **recipe))
        self.trained = self.task.trainer.train(self.task, data.base_ids, 0)

    def unlearn(self, request, trained=None, data=None, **options):
        """The states after each step; `meters` are those of the steps."""
        described = distillation_job(self.model, options, **self.recipe)
        method = registry.create("methods", described.method)
        self.task = new_task(data or self.data, described)
        self.student_task = method.student_task(self.task)
        states, self.meters = served_steps(method, self.task, trained or self.trained, request)
        return states

    def logits(self, state, ids):
        task = self.student_task
        return task.trainer.predict(task, state, task.data.train_images[torch.from_numpy(ids)])

    def loss(self, state, ids):
        labels = self.student_task.data.train_labels[torch.from_numpy(ids)]
        return float(functional.cross_entropy(self.logits(state, ids), labels))


def same(a, b, names=None):
    names = [n for n in a if "/" not in n] if names is None else names
    return all(np.array_equal(np.asarray(a[n]), np.asarray(b[n])) for n in names)


def method(**options):
    return registry.find("methods", "influence_distillation")(**options)
