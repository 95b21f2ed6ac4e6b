"""Every number that a study may name can be computed with: no job fails at the ends of a range."""

import re

import numpy as np
import pytest

from tests.support.conformance import METHODS, Subject, skip_unsupported
from tests.support.jobs import task as new_task
from tests.support.noise import SMALL_SEARCHES, noise_of
from unlearn.core import parameters, registry
from unlearn.partitions import request_prior
from unlearn.training.recipe import Recipe

SMALLEST_NUMBER = 1e-300

SHORT = {"epochs": 1, "tail_epochs": 0}
"""Parameters of methods that make them fast."""

THRESHOLDS = ("max_nonstationarity",)
"""Numbers that say what is refused: at their least they refuse everything."""


def extremes(component: type) -> list[tuple[str, float]]:
    """The ends of the ranges of a component's numbers: parameter, value."""
    ends = []
    for name, field in parameters.fields(component).items():
        if field.kind is not float or name in (
            *THRESHOLDS,
            "epsilon",
            "step",
        ):  # the last two bound each other
            continue
        limits = field.limits
        assert limits.maximum is not None or limits.below is not None, name
        low = SMALLEST_NUMBER if limits.minimum is None else limits.minimum
        high = np.nextafter(limits.below, 0) if limits.maximum is None else limits.maximum
        ends += [(name, low), (name, float(high))]
    return ends


def cases(family: str, names: tuple[str, ...]) -> list[tuple[str, str, float]]:
    """Component, parameter, value."""
    return [(name, *end) for name in names for end in extremes(registry.find(family, name))]


@pytest.mark.parametrize(("parameter", "value"), extremes(Recipe))
@pytest.mark.parametrize("model", ["mlp", "cnn1"])
@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_a_recipe_trains_at_the_ends_of_its_ranges(digits, model, optimizer, parameter, value):
    recipe = {"momentum": 0.9, "optimizer": optimizer, parameter: value}
    task = new_task(digits, model=model, **recipe)
    state = task.trainer.train(task, digits.base_ids[:40], 0)
    assert len(state)


def test_the_largest_rate_with_the_largest_decay_trains(digits):
    limits = {name: field.limits for name, field in parameters.fields(Recipe).items()}
    recipe = {name: limits[name].maximum for name in ("lr", "weight_decay")}
    for momentum in (0.0, 0.9):
        task = new_task(digits, momentum=momentum, **recipe)
        assert len(task.trainer.train(task, digits.base_ids[:40], 0))


@pytest.mark.parametrize(("name", "parameter", "value"), cases("methods", METHODS))
def test_a_method_serves_at_the_ends_of_its_ranges(digits, trained_model, name, parameter, value):
    method = registry.find("methods", name)
    fields = parameters.fields(method)
    options = {parameter: value} | {k: v for k, v in SHORT.items() if k in fields}
    subject = Subject(method(**dict(method.conformance) | options), digits, name)
    skip_unsupported(subject)
    state, _ = subject.serve(trained_model(subject))
    assert len(state)


@pytest.mark.parametrize(("name", "parameter", "value"), cases("noises", tuple(SMALL_SEARCHES)))
def test_noise_at_the_ends_of_its_ranges_is_found_or_its_search_diverges(
    digits, name, parameter, value
):
    small = {"rounds": 2, "least_rounds": 1, "steps": 1} if name == "error_minimizing" else {}
    noise = registry.find("noises", name)(**small | {parameter: value})
    try:
        noise.check(digits.train_images.shape[1:], 10)
    except ValueError as error:
        pytest.skip(f"the plan refuses it: {error}")
    try:
        values, _ = noise_of(digits, name, **small | {parameter: value})
        assert len(values)
    except ValueError as error:
        assert re.fullmatch(
            r"lr: \S+ lets the source of the noise diverge.*; allowed: less", str(error)
        )


@pytest.mark.parametrize(
    "shape",
    [end for name, end in extremes(registry.find("requests", "pareto")) if name == "shape"],
)
def test_every_point_can_be_drawn_at_the_ends_of_the_shape(shape):
    ids = np.arange(60_000)
    for kind in ("pareto", "uniform"):
        probability = request_prior.probabilities(kind, ids, 0, shape)
        assert probability.min() > 0 and np.isfinite(probability).all()


@pytest.fixture(scope="module")
def trained_model():
    """The trained model of a subject, made once for each trainer."""
    states = {}

    def of(subject):
        trainer = subject.method.trainer or "standard"
        if trainer not in states:
            states[trainer] = subject.trained()
        return states[trainer]

    return of
