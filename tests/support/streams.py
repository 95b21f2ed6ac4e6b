"""Requests by their ids, and states after them."""

import dataclasses

import numpy as np

from unlearn.requests.request import NO_IDS, Request
from unlearn.training.meter import Meter
from unlearn.training.state import Overlay


def deletions(*steps):
    """The request that deletes these ids, step by step."""
    arrays = [np.sort(np.asarray(ids, dtype=np.int64)) for ids in steps]
    return Request(arrays, [NO_IDS] * len(steps))


def served(method, task, trained, step, seed=0):
    """The state after one step of a request."""
    return Overlay(trained, method.unlearn(task, trained, step, seed))


def served_steps(method, task, trained, request, seed=0):
    """The state and the meter after every step of a request."""
    state = trained
    states = []
    meters = []
    for step in request.steps(len(task.data.train_labels), task.data.base_ids):
        task.meter = Meter()
        state = served(method, task, state, step, seed)
        states.append(state)
        meters.append(task.meter)
    return states, meters


def with_pixels(dataset, ids, value):
    """The data set with the training images `ids` set to one value."""
    images = dataset.train_images.copy()
    images[ids] = value
    return dataclasses.replace(dataset, train_images=images)
