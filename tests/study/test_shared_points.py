"""A figure whose cells share a point is refused with what the study may write instead."""

import re

import pytest

from tests.support.study import load
from unlearn.study.load import StudyError

RANDOM = {"name": "random", "rate": 0.1}
FINETUNE = {"name": "finetune", "epochs": [1, 2], "lr": [0.1, 0.2]}


def load_figure(method, request, figure):
    """The study with one experiment of these parts."""

    def change(config, experiment):
        experiment.update(method=method, request=request)
        experiment["figure"].update(figure)

    return load(change)


def refusal(method, request, figure):
    with pytest.raises(StudyError) as error:
        load_figure(method, request, figure)
    return str(error.value)


def offers(message):
    """The changes of the figure block that a message offers."""
    texts = message.partition("allowed: ")[2].split(" or ")
    return [dict(re.findall(r"(\w+): (\S+)", text)) for text in texts]


CASES = {
    "another parameter": (
        FINETUNE,
        RANDOM,
        {"x": "method.epochs", "colour": "variant"},
        "method.lr",
        [{"colour": "method.lr"}, {"facet": "method.lr"}, {"x": "variant"}],
    ),
    "two other parameters": (
        FINETUNE | {"schedule": ["constant", "cosine"]},
        RANDOM,
        {"x": "method.epochs", "colour": "variant"},
        "method.lr, method.schedule",
        [
            {"colour": "method.lr", "facet": "method.schedule"},
            {"x": "variant"},
            {"facet": "variant"},
        ],
    ),
    "parameters of different methods": (
        [{"name": "finetune", "lr": [0.1, 0.2]}, {"name": "scrub", "alpha": [0.1, 0.2]}],
        RANDOM,
        {"x": "rate", "colour": "method"},
        "method.alpha, method.lr",
        [
            {"colour": "method.alpha", "facet": "method.lr"},
            {"colour": "variant"},
            {"x": "variant"},
        ],
    ),
    "samplers": (
        "finetune",
        [RANDOM, {"name": "pareto", "rate": 0.1}],
        {"x": "rate"},
        "sampler, request",
        [{"colour": "sampler"}, {"x": "sampler"}, {"facet": "sampler"}],
    ),
    "a parameter that one request lacks": (
        "finetune",
        [{"name": "random", "rate": 0.2}, {"name": "pareto", "rate": 0.1, "shape": [2, 3]}],
        {"x": "rate"},
        "request.shape",
        [{"colour": "request.shape"}, {"facet": "request.shape"}, {"colour": "request"}],
    ),
    "rates against a cost": (
        "finetune",
        {"name": "random", "rate": [0.1, 0.2]},
        {"kind": "frontier", "x": "wall_seconds/forget", "y": "kl", "split": ["forget"]},
        "request.rate",
        [{"facet": "request.rate"}, {"facet": "request"}],
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_the_message_names_the_columns_that_differ_and_what_to_write(case):
    method, request, figure, columns, changes = CASES[case]
    message = refusal(method, request, figure)
    assert f"would share one point, for cells differ in {columns}; allowed: " in message
    assert offers(message) == changes


@pytest.mark.parametrize("case", CASES)
def test_a_study_that_writes_what_is_offered_is_accepted(case):
    method, request, figure, _, changes = CASES[case]
    for change in changes:
        load_figure(method, request, figure | change)


def test_columns_that_follow_from_parameters_are_not_offered():
    """The oracle of an ensemble differs with its shards."""
    figure = {"x": "rate", "colour": "method"}
    message = refusal({"name": "sisa", "shards": [2, 5]}, RANDOM, figure)
    assert "differ in method.shards; " in message


def test_a_line_of_which_some_cells_have_an_x_is_refused():
    requests = [RANDOM, {"name": "pareto", "rate": 0.1}]
    message = refusal("finetune", requests, {"x": "request.shape"})
    assert "only some cells of the line original have a request.shape" in message
