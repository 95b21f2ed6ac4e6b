"""What cannot be computed is refused at the plan: sizes, directives, figures without content."""

import copy
import math

import pytest

from tests.support.project import ROOT, TINY
from tests.support.study import load
from unlearn.core import registry
from unlearn.core.parameters import Limits
from unlearn.study import grid_size, memory, structure
from unlearn.study.components import canonical_name, choices
from unlearn.study.grid_size import MAX_CELLS, choice_count
from unlearn.study.load import StudyError
from unlearn.study.schema import study_schema
from unlearn.study.sections import array_parameters

MANY_RATES = [round(0.0005 + 0.0005 * i, 4) for i in range(1000)]
MANY_EPOCHS = list(range(1, 1001))


def endless() -> list:
    """A list that contains itself."""
    values: list = ["finetune"]
    values.append(values)
    return values


def bomb() -> list:
    """Ten to the ninth values, in ten lists."""
    values: list = ["finetune"]
    for _ in range(9):
        values = [values] * 10
    return values


BAD = {
    "fleet that is not a number": (
        lambda c, e: c.update(fleet=math.nan),
        "fleet: nan is not a fin",
    ),
    "fleet of a half": (lambda c, e: c.update(fleet=2.5), "fleet: 2.5 is not of type 'integer'"),
    "seeds without end": (lambda c, e: c.update(seeds=1e9), "at most 10,000, or an explicit list"),
    "fleet without end": (
        lambda c, e: c.update(fleet=10**9),
        "fleet: 1000000000 is not allowed; allowed: between 1 and 10,000",
    ),
    "seed above all seeds": (lambda c, e: c.update(seeds=[2**32]), "between 0 and 4,294,967,295"),
    "seed given twice": (lambda c, e: c.update(seeds=[1, 2, 1]), "seeds: [1, 2, 1] is not allowed"),
    "epochs without end": (
        lambda c, e: c["recipes"]["quick"].update(epochs=1e30),
        "recipes.quick.epochs: 1e+30 is not allowed; allowed: between 1 and 4,294,967,295",
    ),
    "classes without end": (
        lambda c, e: c.update(pictures={"p": {"dataset": "digits", "classes": 1e30}}),
        "pictures.p.classes: 1e+30 is not allowed; allowed: between 1 and 1,000",
    ),
    "an integer that has no text": (
        lambda c, e: c.update(seeds=10**5000),
        "seeds: a number beyond",
    ),
    "a grid of a million cells": (
        lambda c, e: e.update(
            method={"name": "finetune", "epochs": MANY_EPOCHS},
            request={"name": "random", "rate": MANY_RATES},
        ),
        "experiments.accuracy: has 1,002,000 of the 1,002,000 cells of this study; allowed: at most "
        "50,000 cells",
    ),
    "a million versions": (
        lambda c, e: e.update(method={"name": "finetune", "epochs": MANY_EPOCHS, "lr": MANY_RATES}),
        "experiments.accuracy.method: stands for 1,000,000 versions; allowed: at most 2,000",
    ),
    "a picture of a million data sets": (
        lambda c, e: c.update(
            pictures={
                "p": {"dataset": {"name": "digits", "noised": MANY_RATES, "noise": ["a"] * 9}}
            }
        ),
        "pictures.p.dataset: stands for 9,000 versions",
    ),
    "an alias of itself": (
        lambda c, e: e.update(method=endless()),
        "experiments.accuracy.method: is nested deeper than 16 levels; does an alias contain itself",
    ),
    "a billion laughs": (lambda c, e: e.update(method=bomb()), "a study has at most 20,000 values"),
    "name of 250 letters": (
        lambda c, e: c["experiments"].update({"a" * 250: e}),
        "has 250 letters; allowed: at most 100",
    ),
    "study of 250 letters": (lambda c, e: c.update(study="a" * 250), "study: 'aaa"),
    "method of 250 letters": (
        lambda c, e: c.update(methods={"a" * 250: {"name": "finetune"}}),
        "has 250 letters; allowed: at most 100",
    ),
    "folder of 256 bytes": (
        lambda c, e: c.update(results="out/" + "é" * 128),
        "has 256 bytes; allowed: 255 for a folder",
    ),
    "name that is a list": (
        lambda c, e: c.update(methods={"x": {"name": ["finetune"]}}),
        "methods.x.name: ['finetune'] is not of type 'string'",
    ),
    "recipe whose name is a block": (
        lambda c, e: e.update(model={"name": "mlp", "recipe": {"name": {"a": 1}}}),
        "experiments.accuracy.model.recipe: name: {'a': 1} is no name; allowed: text",
    ),
    "control characters": (lambda c, e: e.update(description="a\x00b"), "has control characters"),
    "a hidden layer of terabytes": (
        lambda c, e: e.update(model={"name": "mlp", "hidden": 10**9}),
        "experiments.accuracy.model: mlp-hidden=1000000000, original on digits: 2 models of "
        "75,000,000,010 weights each take 1,201 GB or more; allowed: at most 256 GB",
    ),
    "a student of terabytes": (
        lambda c, e: e.update(
            method={"name": "influence_distillation", "student": "mlp", "size": 10**9}
        ),
        "experiments.accuracy.method: cnn1, influence_distillation-size=1000000000-student=mlp",
    ),
    "constituents of terabytes": (
        lambda c, e: e.update(
            model={"name": "mlp", "hidden": 5 * 10**6}, method={"name": "sisa", "shards": 100}
        ),
        "200 models of 375,000,010 weights each take 304 GB or more",
    ),
    "a source of noise of terabytes": (
        lambda c, e: e.update(
            dataset={"name": "digits", "noise": {"name": "error_minimizing", "size": 10**6}}
        ),
        "experiments.accuracy.dataset.noise: error_minimizing-size=1000000: 1 model of",
    ),
    "a directive": (
        lambda c, e: e.update(description="Accuracy.\n\n.. include:: /etc/hostname"),
        "experiments.accuracy.description: '.. include::' is a directive of reStructuredText",
    ),
    "a directive in a list": (
        lambda c, e: e.update(description="- .. csv-table::\n     :file: secret.csv"),
        "experiments.accuracy.description: '.. csv-table::' is a directive",
    ),
    "a directive of a substitution": (
        lambda c, e: e.update(description=".. |x| image:: secret.png"),
        "experiments.accuracy.description: '.. |x| image::' is a directive",
    ),
    "a directive of a picture": (
        lambda c, e: c.update(
            pictures={"p": {"dataset": "digits", "description": "..  raw :: html"}}
        ),
        "pictures.p.description: '.. raw ::' is a directive",
    ),
    "a template": (
        lambda c, e: c.update({"__use_yte__": True}),
        "unknown key '__use_yte__'",
    ),
    "noisy points without noise": (
        lambda c, e: e.update(dataset={"name": "digits", "noised": [0, 0.5, 1]}),
        "experiments.accuracy.dataset.noised: 0 needs noise; allowed: a kind of noise at `noise`",
    ),
    "a logarithm of false": (
        lambda c, e: (
            e["figure"].update(x="recipe.nesterov", xscale="log"),
            e.update(request={"name": "random", "rate": 0.1}),
        ),
        "experiments.accuracy.figure.xscale: log has no place for recipe.nesterov False",
    ),
    "metric of another method than those drawn": (
        lambda c, e: e.update(
            method=["finetune", "sisa"],
            figure={"x": "rate", "y": ["accuracy", "lone_accuracy"], "methods": ["finetune"]},
        ),
        "figure.methods: none of the methods that are drawn (finetune) has a value of lone_accuracy",
    ),
    "metric of noise on clean images": (
        lambda c, e: e.update(figure={"x": "rate", "y": "noise_error"}),
        "figure.y: unknown metric 'noise_error'",
    ),
    "metric of noise in a summary": (
        lambda c, e: e.update(summary=["accuracy/test", "noise_error/learn"]),
        "summary: noise_error/learn: unknown metric 'noise_error'",
    ),
    "speed-up of doing nothing": (
        lambda c, e: e.update(figure={"x": "rate", "y": "speedup", "methods": ["original"]}),
        "figure.methods: none of the methods that are drawn (original) has a value of speedup",
    ),
    "floor without the oracle": (
        lambda c, e: e.update(figure={"x": "rate", "y": "kl_reseeded", "methods": ["finetune"]}),
        "none of the methods that are drawn (finetune) has a value of kl_reseeded",
    ),
    "attack on points that are not deleted": (
        lambda c, e: (
            c["datasets"]["digits"].update(held_out=0.2),
            e.update(method="original", request={"name": "held_out", "rate": [0.1, 0.15]}),
            e.update(figure={"x": "rate", "y": "attack_auc"}),
        ),
        "figure.y: unknown metric 'attack_auc'",
    ),
    "student that has no reference": (
        lambda c, e: e.update(
            method={"name": "influence_distillation", "alpha": 0, "weights": "none"},
            figure={"x": "rate", "y": "kl_scratch"},
        ),
        "figure.y: unknown metric 'kl_scratch'",
    ),
    "frontier without a cost": (
        lambda c, e: e.update(figure={"kind": "frontier", "y": "kl"}),
        "figure.x: None is no metric on a split, as in wall_seconds/forget",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_what_cannot_be_computed_is_refused(case):
    change, expected = BAD[case]
    with pytest.raises(StudyError) as error:
        load(change)
    message = str(error.value)
    assert message.startswith("my.yaml: ") and "\n" not in message
    assert expected in message, message


SPELLINGS = {
    "x": ("lr", "method.lr"),
    "colour": ("varaint", "variant"),
    "facet": ("modle", "model"),
    "y": ("acuracy", "accuracy"),
    "split": ("tets", "test"),
    "methods": (["finetun"], "finetune"),
    "xscale": ("lgo", "log"),
    "kind": ("line", "lines"),
}
"""Key of a figure -> a value with a mistake, and what is meant."""


@pytest.mark.parametrize("key", SPELLINGS)
def test_the_nearest_name_is_proposed(key):
    value, expected = SPELLINGS[key]
    with pytest.raises(StudyError, match=rf"figure\.{key}: .*Did you mean {expected}\?$"):
        load(lambda c, e: e["figure"].update({key: value}))


def test_the_nearest_metric_of_a_summary_is_proposed():
    with pytest.raises(StudyError, match=r"summary: acuracy/test: .*Did you mean accuracy\?$"):
        load(lambda c, e: e.update(summary=["acuracy/test"]))


@pytest.mark.parametrize(
    ("limits", "text"),
    [
        ({"above": 0, "below": 1}, "between 0 and 1, both excluded"),
        ({"minimum": 0, "below": 1}, "between 0 and 1, 1 excluded"),
        ({"above": 0, "maximum": 1}, "between 0 and 1, 0 excluded"),
        ({"minimum": 1, "maximum": 20_000}, "between 1 and 20,000"),
        ({"above": 0}, "above 0"),
        ({"minimum": 0.5}, "at least 0.5"),
        ({"below": 1}, "below 1"),
        ({"maximum": 1}, "at most 1"),
        ({}, ""),
    ],
    ids=str,
)
def test_limits_are_said_in_words(limits, text):
    assert Limits(**limits).text() == text


# -- counts ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "block",
    [
        "digits",
        ["digits", "mnist"],
        {"name": "sisa", "shards": [2, 4], "slices": [1, 2, 3]},
        [{"name": "mlp", "recipe": [{"name": "quick", "lr": [1, 2]}, "slow"]}, ["cnn1", "cnn2"]],
        {"name": "ids", "ids": [1, 2, 3]},
        {"name": "ids", "ids": [[1, 2], [3]], "steps": [1, 2]},
    ],
    ids=str,
)
def test_versions_are_counted_without_making_them(block):
    arrays = array_parameters()
    assert choice_count(block, arrays) == len(list(choices(block, arrays)))


def test_the_largest_study_that_is_allowed_is_loaded(monkeypatch):
    """Four methods, two of them controls, two requests: eight cells a fleet."""
    assert len(load().cells) == 8 <= MAX_CELLS
    monkeypatch.setattr(grid_size, "MAX_CELLS", 8)
    assert len(load().cells) == 8
    with pytest.raises(StudyError, match="has 16 of the 16 cells"):
        load(lambda c, e: c.update(seeds=3))


@pytest.mark.parametrize("kind", registry.names("models"))
@pytest.mark.parametrize("shape", [(8, 8, 1), (28, 28, 1), (32, 32, 3), (9, 7, 1)])
def test_weights_are_counted_without_building_a_network(kind, shape):
    component = registry.find("models", kind)
    sizes = [None, 3] if component.size_name else [None]
    for architecture in map(component.of_size, sizes):
        network = architecture.build(shape, 7)
        weights = sum(parameter.numel() for parameter in network.parameters())
        assert architecture.weight_count(shape, 7) == weights


def test_the_documentation_states_the_limits():
    text = (ROOT / "docs/adding.md").read_text()
    limits = {
        "values, aliases written out": structure.MAX_VALUES,
        "levels of lists and blocks": structure.MAX_LEVELS,
        "cells of all experiments": MAX_CELLS,
        "versions of one key of an experiment": grid_size.MAX_CHOICES,
        "seeds, members of a fleet": study_schema()["properties"]["fleet"]["maximum"],
        "letters of a name": study_schema()["properties"]["study"]["maxLength"],
    }
    for subject, limit in limits.items():
        assert f"| {subject} | {limit:,} |" in text
    assert f"| weights of the models of one job | {memory.MAX_JOB_GIGABYTES} GB |" in text


def test_memory_is_that_of_all_models_and_of_training_one():
    assert memory.gigabytes(10**9, 1) == 12
    assert memory.gigabytes(10**9, 5) == 28


def test_a_name_fits_a_path_in_bytes():
    """Letters of other alphabets take up to four of them."""
    name = canonical_name("arrays", {"path": "데이터" * 60}, {})
    other_name = canonical_name("arrays", {"path": "데이터" * 61}, {})
    assert len(name.encode()) <= 120 and name != other_name


# -- figures ---------------------------------------------------------------------------------------


def figure_of(change=None):
    def without_figure(config, experiment):
        del experiment["figure"]
        if change:
            change(config, experiment)

    return load(without_figure).experiments["accuracy"].figure


def test_an_experiment_without_a_figure_shows_accuracy_against_the_rate():
    figure = figure_of()
    axes = [figure[key] for key in ("x", "y", "split", "colour", "facet")]
    assert axes == ["rate", ["accuracy"], [], "variant", None]


def test_requests_without_rates_get_panels_of_their_own():
    requests = [{"name": "random", "rate": 0.1}, {"name": "by_class", "label": [1, 2]}]
    figure = figure_of(lambda c, e: e.update(request=requests))
    assert (figure["x"], figure["facet"]) == ("variant", "request")
    figure = figure_of(lambda c, e: e.update(request={"name": "random", "count": 5}))
    assert (figure["x"], figure["facet"]) == ("variant", None)


def test_the_default_figure_is_drawn(project):
    study = copy.deepcopy(TINY)
    del study["experiments"]["accuracy"]["figure"]
    study["experiments"]["accuracy"]["request"] = [{"name": "by_class", "label": [1, 2]}]
    project.write_study(study)
    project.run("figures/accuracy.png", "tables/accuracy.csv")
    assert project.results("figures/accuracy.png").stat().st_size > 10_000


def test_what_is_refused_is_refused_by_the_workflow(project):
    study = copy.deepcopy(TINY)
    study["experiments"]["accuracy"]["description"] = ".. include:: /etc/hostname"
    project.write_study(study)
    process = project.snakemake("-n", check=False)
    output = process.stdout + process.stderr
    assert process.returncode and "Traceback" not in output
    assert "study.yaml: experiments.accuracy.description: '.. include::' is a directive" in output
