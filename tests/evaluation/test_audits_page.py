"""The page of audits: it explains every metric, and says how many models each needs."""

import re

import numpy as np
import pytest

from tests.support.project import ROOT
from unlearn.evaluation import audit
from unlearn.metrics.catalogue import METRICS
from unlearn.metrics.klom import gaussian_klom
from unlearn.metrics.populations import Populations

POPULATION_METRICS = {name for name, metric in METRICS.items() if metric.scope == "population"}

CLASSES = 2
POINTS = {"forget": 300, "retain": 300, "validation": 200, "test": 1_200}
"""Points of each split: enough for rates at 1 % of false positives."""


def metric_rows() -> dict[str, list[str]]:
    """Metric -> the cells behind its name, of the table under `Read one`."""
    text = (ROOT / "docs/audits.md").read_text(encoding="utf-8")
    section = text.partition("\n## Read one\n")[2].partition("\n### ")[0]
    lines = [line.strip("| ").split(" | ") for line in section.splitlines() if "| `" in line]
    return {name: cells for first, *cells in lines for name in re.findall(r"`(\w+)`", first)}


def populations(models: int) -> Populations:
    """So many models a side whose logits are Gaussian, and eight untrained networks."""
    rng = np.random.default_rng(0)
    ends = np.cumsum(list(POINTS.values()))
    rows = {
        name: np.arange(end - count, end)
        for (name, count), end in zip(POINTS.items(), ends, strict=True)
    }
    sizes = {"unlearned": models, "reference": models, "originals": models, "random": 8}
    return Populations(
        logits={name: rng.normal(size=(n, ends[-1], CLASSES)) for name, n in sizes.items()},
        labels=np.arange(ends[-1]) % CLASSES,
        rows=rows,
    )


def missing_metrics(models: int) -> set[str]:
    """The metrics without a value for so many models a side."""
    rows = audit.audit(populations(models))
    return {row.metric for row in rows if row.finding.value is None}


def test_the_page_explains_every_metric_of_populations():
    assert set(metric_rows()) == POPULATION_METRICS


@pytest.mark.parametrize("models", [2, 4, 32])
def test_a_metric_has_a_value_from_as_many_models_as_the_page_says(models):
    sufficient = {name for name, cells in metric_rows().items() if int(cells[-1]) <= models}
    assert sufficient and not sufficient & missing_metrics(models)


@pytest.mark.parametrize(("models", "family"), [(3, "ulira_"), (31, "forgetting_")])
def test_a_metric_has_no_value_with_fewer_models(models, family):
    names = {name for name in POPULATION_METRICS if name.startswith(family)}
    assert names <= missing_metrics(models)
    assert {int(metric_rows()[name][-1]) for name in names} == {models + 1}


def test_the_floor_of_klom_is_that_of_gaussian_margins():
    """The values of the page are means over points of two fleets of one distribution."""
    text = (ROOT / "docs/audits.md").read_text(encoding="utf-8")
    sizes, floors = (
        [float(number) for number in re.search(rf"\n\| {head} \|(.*)\|\n", text)[1].split("|")]
        for head in ("models a side", "`klom`, nats")
    )
    rng = np.random.default_rng(0)
    for size, value in zip(map(int, sizes), floors, strict=True):
        first, second = rng.normal(size=(2, size, 40_000))
        assert gaussian_klom(first, second).mean() == pytest.approx(value, rel=0.03)
