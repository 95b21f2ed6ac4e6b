"""Requests that differ in their seed alone are draws of one, and are averaged."""

import numpy as np
import pandas as pd
import pytest

from tests.support.figures import experiment
from tests.support.project import SMALL
from unlearn.metrics.statistics import crossed_interval
from unlearn.study.jobs import Jobs

RATE = {"x": "rate", "y": "accuracy", "split": ["test"]}
TWO_DRAWS = {"name": "random", "rate": 0.1, "seed": [0, 1]}


def draws_of(figure, request):
    return Jobs(experiment(figure, request=request)).table("e")["draws"]


@pytest.mark.parametrize(
    ("request_block", "names"),
    [
        (TWO_DRAWS, {"random-rate=0.1": 2}),
        (TWO_DRAWS | {"seed": [3, 14], "steps": 2}, {"random-rate=0.1-steps=2": 2}),
        (TWO_DRAWS | {"rate": [0.1, 0.2]}, {"random-rate=0.1": 2, "random-rate=0.2": 2}),
        ([TWO_DRAWS, {"name": "random", "rate": 0.2, "seed": 1}], {"random-rate=0.1": 2}),
        ({"name": "random", "count": 20, "seed": [0, 1, 2]}, {"random-count=20": 3}),
        ({"name": "random", "rate": 0.1, "seed": 1}, {}),
    ],
    ids=str,
)
@pytest.mark.parametrize("figure", [RATE, RATE | {"x": "variant", "facet": "request.rate"}])
def test_requests_that_differ_in_their_seed_are_draws(request_block, names, figure):
    if "count" in str(request_block):
        figure = figure | {"facet": None}
    draws = draws_of(figure, request_block)
    assert {name: list(draws.values()).count(name) for name in draws.values()} == names


@pytest.mark.parametrize("axes", [{"facet": "request"}, {"colour": "request.seed"}])
def test_draws_that_a_figure_tells_apart_are_not_averaged(axes):
    assert draws_of(RATE | axes, TWO_DRAWS) == {}
    assert draws_of(RATE | {"x": "request.seed"}, TWO_DRAWS) == {}


def test_a_study_of_two_draws(project):
    """What the questions recommend; the interval is over seeds and draws, and the table says so."""
    study = SMALL | {"experiments": {}}
    block = SMALL["experiments"]["accuracy"] | {"request": TWO_DRAWS, "summary": ["kl/test"]}
    study["experiments"] = {"accuracy": block}
    project.write_study(study)
    project.run()
    table = pd.read_csv(project.results("tables/accuracy.csv"))
    assert len(table) == 3 * 2 * 2 and (table["draws"] == 2).all() and (table["n"] == 2).all()
    assert set(table["request"]) == {"random-rate=0.1"} and set(table["rate"]) == {0.1}
    scores = pd.read_csv(project.results("scores.csv"))
    for row in table.to_dict("records"):
        is_of_row = np.logical_and.reduce(
            [scores[column] == row[column] for column in ("variant", "metric", "split", "step")]
        )
        values = scores[is_of_row].pivot_table("value", "seed", "request").to_numpy()
        assert values.shape == (2, 2)
        expected = crossed_interval(values)
        assert [row["mean"], row["ci_low"], row["ci_high"]] == pytest.approx(expected[:3])
    wide = pd.read_csv(project.results("summaries/accuracy.csv"))
    assert len(wide) == 3 and (wide["kl/test/draws"] == 2).all()
    assert project.planned() == []
    block["request"] = TWO_DRAWS | {"seed": [0, 1, 2]}
    project.write_study(study)
    assert "table accuracy" in project.planned() and "unlearn" in " ".join(project.planned())
