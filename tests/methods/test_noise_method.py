"""Error-minimising noise as an unlearning step: what it trains on, and its corner cases."""

import dataclasses

import numpy as np
import pytest
import torch
from torch.nn import functional

from tests.support.jobs import job
from tests.support.noised import config
from tests.support.streams import deletions, served_steps
from unlearn.core import registry, seeding
from unlearn.jobs.setup import new_task
from unlearn.jobs.train import train_fleet
from unlearn.requests.request import NO_IDS, Request
from unlearn.study.load import StudyError, load_study
from unlearn.training.data import normalised
from unlearn.training.loop import fit
from unlearn.training.state import state_of

torch.set_num_threads(1)


@pytest.fixture(scope="module")
def trained(digits):
    return train_fleet(digits, job("cnn1", epochs=8)).states[0]


def serve(digits, trained, request, **options):
    options = {"epochs": 1, "epsilon": 0.1} | options
    described = job("cnn1", method="error_minimizing_noise", options=options, epochs=8)
    task = new_task(digits, described)
    method = registry.create("methods", described.method)
    return served_steps(method, task, trained, request)[0], task


def short_recipe(task):
    """That of the method."""
    return dataclasses.replace(task.recipe, epochs=1, lr=0.01, schedule="constant")


def test_without_noise_it_is_training_on(digits, trained):
    states, task = serve(digits, trained, deletions(digits.base_ids[::5]), noise="none")
    model = task.model(trained)
    fit(task, model, digits.base_ids, short_recipe(task), seeding.derive(0, "finetune"))
    assert all(np.array_equal(states[0][n], t) for n, t in state_of(model).items())


def test_it_is_training_on_the_retain_set_and_the_noisy_images(digits, trained):
    """Of all requests so far, each with the noise of its time, from the last model."""
    one = digits.base_ids[:20]
    two = digits.base_ids[60:90]
    states, _ = serve(digits, trained, deletions(one, two))
    state = trained
    for after, noised_ids in zip(states, (one, [*one, *two]), strict=True):
        assert np.array_equal(after["noise/ids"], noised_ids)
        assert np.asarray(after["noise/values"]).any()
        images = digits.train_images.astype(int)
        images[noised_ids] += after["noise/values"]
        data = dataclasses.replace(digits, train_images=images.astype(np.uint8))
        task = new_task(data, job("cnn1", epochs=8))
        model = task.model(state)
        fit(task, model, digits.base_ids, short_recipe(task), seeding.derive(0, "finetune"))
        assert all(np.array_equal(after[n], t) for n, t in state_of(model).items())
        state = after


def test_the_method_is_for_images():
    plan = config()
    plan["datasets"] = {"mnist": {"recipe": "quick", "features": "hog", "held_out": 0.2}}
    plan["experiments"]["accuracy"] |= {
        "dataset": "mnist",
        "model": "mlp",
        "request": {"name": "random", "rate": 0.1},
        "method": "error_minimizing_noise",
        "figure": {"x": "rate", "y": "accuracy/test"},
    }
    with pytest.raises(StudyError, match="the method is for images; allowed: features: null"):
        load_study(plan)


def test_noise_takes_the_gradient_away(digits, trained):
    ids = digits.base_ids[::5]
    norms = {}
    for kind in ("error_minimizing", "none", "error_maximizing", "random"):
        (state,), task = serve(digits, trained, deletions(ids), noise=kind)
        values = np.asarray(state["noise/values"])
        assert np.array_equal(state["noise/ids"], ids) and abs(values.astype(int)).max() <= 25
        pixels = torch.from_numpy(digits.train_images[ids].astype(int) + values).to(torch.uint8)
        model = task.model(trained)
        images = normalised(pixels, task.data)
        labels = task.data.train_labels[torch.from_numpy(ids)]
        functional.cross_entropy(model(images), labels).backward()
        norms[kind] = float(sum(p.grad.square().sum() for p in model.parameters()))
    assert norms["error_minimizing"] < 0.2 * norms["none"] < norms["error_maximizing"]


def test_noise_of_earlier_requests_stays(digits, trained):
    one = digits.base_ids[:5]
    two = digits.base_ids[60:66]
    (first, second), _ = serve(digits, trained, deletions(one, two))
    assert np.array_equal(second["noise/ids"], [*one, *two])
    assert np.array_equal(second["noise/values"][:5], first["noise/values"])
    back = Request([one, NO_IDS], [NO_IDS, one[:2]])
    state = serve(digits, trained, back)[0][-1]
    assert np.array_equal(state["noise/ids"], one[2:])
    second = Request([one, NO_IDS, one[:2]], [NO_IDS, one[:2], NO_IDS])
    state = serve(digits, trained, second)[0][-1]
    assert sorted(state["noise/ids"]) == sorted(one)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"step": 0.2}, r"step: 0\.2 is more than epsilon; allowed: up to 0\.0314"),
        ({"epsilon": 0.001}, "less than one step of a pixel"),
        ({"epsilon": 1}, "epsilon.*1"),
        ({"noise": "minimal"}, "noise.*minimal"),
    ],
    ids=str,
)
def test_noise_that_the_method_cannot_make_is_refused_before_anything_runs(change, message):
    plan = config(
        experiment={
            "dataset": "digits",
            "request": {"name": "random", "rate": 0.1},
            "method": {"name": "error_minimizing_noise"} | change,
        }
    )
    with pytest.raises(StudyError, match=message):
        load_study(plan)
