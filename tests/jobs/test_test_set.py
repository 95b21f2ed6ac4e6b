"""The test set stays with the job: no road leads to it from what a method is given."""

import gc
import types

import numpy as np
import pytest
import torch

from tests.support.conformance import METHODS, described
from tests.support.jobs import build
from unlearn.core import registry
from unlearn.data.dataset import Dataset
from unlearn.jobs.setup import new_task

OUTSIDE = (types.ModuleType, type, types.CodeType)
"""What anybody can import; a road through it is no gift of the job."""


def reachable(start) -> list:
    """All objects that references lead to, modules and classes left out."""
    queue = [start]
    objects = {}
    while queue:
        value = queue.pop()
        if id(value) in objects or isinstance(value, OUTSIDE):
            continue
        objects[id(value)] = value
        if isinstance(value, types.FunctionType):  # its globals are those of its module
            queue += [value.__closure__, value.__defaults__, value.__kwdefaults__, value.__dict__]
        else:
            queue += gc.get_referents(value)
            queue += [value.__dict__] if hasattr(value, "__dict__") else []
    return list(objects.values())


def image_rows(value) -> set[bytes]:
    """The images of an array or a tensor as bytes, those of its whole memory included."""
    if isinstance(value, torch.Tensor):
        value = torch.empty(0, dtype=torch.uint8).set_(value.untyped_storage()).numpy()
    if not isinstance(value, np.ndarray) or value.nbytes < 64:
        return set()
    memory = np.frombuffer(np.ascontiguousarray(value).tobytes(), np.uint8)
    return {row.tobytes() for row in memory[: len(memory) // 64 * 64].reshape(-1, 64)}


@pytest.mark.parametrize("name", METHODS)
def test_no_test_point_can_be_reached_from_a_task(name):
    """Of 8 x 8 images, that occur in no other split."""
    data = build("digits", validation=100)
    test_images = image_rows(data.test_images)
    task = new_task(data, described(method=name))
    task.new_model(0)
    method = registry.find("methods", name)()
    objects = reachable((task, method, method.student_task(task)))
    assert not [value for value in objects if isinstance(value, Dataset)]
    images = set().union(*map(image_rows, objects))
    assert image_rows(data.train_images) <= images  # the search does find images
    assert not test_images & images
