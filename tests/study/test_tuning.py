"""Tuned methods in a plan: their trials, what these are made on, and what is refused."""

import re

import numpy as np
import pytest
from scipy.stats import qmc

from tests.support.study import load
from unlearn.core import registry
from unlearn.study import search_space
from unlearn.study.grid import union
from unlearn.study.jobs import Jobs
from unlearn.study.load import StudyError

TUNED = {"name": "finetune", "tuned": True}


def with_method(method=TUNED, **changes):
    def change(config, experiment):
        config["tuning"] = changes.pop("tuning", {"trials": 4, "members": 2})
        config["methods"] = changes.pop("methods", {})
        config["requests"] = changes.pop("requests", {})
        experiment["method"] = method
        experiment["request"] = {"name": "random", "rate": 0.1}
        experiment |= changes

    return change


def trials(plan, variant="finetune-tuned=true"):
    return [plan.variants[name].parameters for name in plan.tunings[variant].trials]


def test_the_first_trial_is_what_the_study_says_and_the_others_lie_in_the_search_space():
    plan = load(with_method(TUNED | {"epochs": 3}))
    first, *others = trials(plan, "finetune-epochs=3-tuned=true")
    assert (first["lr"], first["epochs"]) == (0.01, 3)
    low, high = 1e-4, 1e-1
    expected = [low * (high / low) ** share for share in qmc.Halton(1, scramble=False).random(4)]
    assert [trial["lr"] for trial in others] == pytest.approx(np.ravel(expected[1:]), rel=5e-3)
    assert {trial["epochs"] for trial in others} == {3}


def test_a_value_that_the_study_gives_is_not_searched():
    with pytest.raises(StudyError, match=r"has no parameter left to search.*of finetune: lr\)"):
        load(with_method(TUNED | {"lr": 0.1}))
    with pytest.raises(StudyError, match="has no parameter left to search"):
        load(with_method("quick", methods={"quick": TUNED | {"lr": 0.1}}))


def test_a_value_that_the_study_gives_counts_even_if_it_is_the_default():
    given = {"name": "scrub", "lr": 0.001, "tuned": True}
    plan = load(with_method([{"name": "scrub", "tuned": True}, given]))
    free, fixed = (plan.tunings[f"scrub-{name}tuned=true"] for name in ("", "lr=0.001-"))
    assert set(free.searched) - set(fixed.searched) == {"lr"}
    assert {plan.variants[name].parameters["lr"] for name in fixed.trials} == {0.001}


def test_a_value_at_a_name_of_the_study_is_a_part_of_that_name():
    alias = {"name": "scrub", "lr": 0.001, "tuned": True}
    plan = load(with_method(["own", {"name": "own", "lr": 0.001}], methods={"own": alias}))
    assert list(plan.tunings) == ["own"] and "lr" not in plan.tunings["own"].searched


def test_trials_of_different_trainers_differ():
    methods = [{"name": "amnesiac", "max_log_gb": size, "tuned": True} for size in (3, 4)]
    plan = load(with_method(methods))
    first, second = plan.tunings.values()
    assert not {*first.trials} & {*second.trials}
    trainers = {plan.variants[name].trainer.parameters["max_log_gb"] for name in first.trials}
    assert trainers == {3}


def test_a_version_that_is_tuned_is_no_reference():
    scratch = {"name": "influence_distillation", "alpha": 0, "weights": "none", "tuned": True}
    figure = {"x": "variant", "y": "kl_scratch"}
    plan = load(with_method([scratch, "influence_distillation"], figure=figure))
    reference = plan.references["influence_distillation"]["scratch"]
    assert reference == "influence_distillation-alpha=0-weights=none"
    assert reference not in plan.tunings


def test_points_are_those_of_the_halton_sequence():
    points = list(search_space._points(5, 60))
    assert np.allclose(points, qmc.Halton(5, scramble=False).random(61)[1:])


def test_more_trials_keep_the_earlier_ones():
    few = trials(load(with_method(tuning={"trials": 5})))
    many = trials(load(with_method(tuning={"trials": 9})))
    assert many[:5] == few and len(many) == 9


def test_every_method_has_trials_within_its_limits_and_none_twice():
    for name in registry.names("methods"):
        component = registry.find("methods", name)
        names = search_space.searched(component)
        if names:
            drawn = search_space.trials(component, component().values(), names, 12)
            assert all(drawn.count(trial) == 1 for trial in drawn), name
            assert all(component(**trial) for trial in drawn), name


def test_every_tuned_method_has_the_same_number_of_trials_by_default():
    methods = [TUNED, {"name": "gradient_ascent", "tuned": True}]
    plan = load(with_method(methods, tuning={}))
    assert [len(tuning.trials) for tuning in plan.tunings.values()] == [12, 12]


def test_trials_are_made_on_models_and_draws_that_are_not_reported():
    plan = load(with_method())
    (experiment,) = plan.experiments.values()
    cells = list(experiment.trials.cells())
    assert {cell.request for cell in cells} == {"random-rate=0.1-seed=5000000"}
    (fleet,) = {cell.fleet for cell in cells}
    assert [member.seed for member in plan.fleets[fleet]] == [5_000_000, 5_000_001]
    assert not set(cells) & set(plan.cells)
    assert not any(cell.variant.startswith("trial-") for cell in plan.cells)


def test_draws_of_a_request_share_the_draw_they_are_tuned_on():
    plan = load(with_method(request={"name": "random", "rate": 0.1, "seed": [0, 1]}))
    assert len(set(plan.pilots.values())) == 1 and len(plan.pilots) == 2


@pytest.mark.parametrize(("label", "pilot"), [(0, 1), (1, 0), (7, 6)])
def test_a_class_is_tuned_on_another_class(label, pilot):
    plan = load(with_method(request={"name": "by_class", "label": label}))
    (name,) = plan.pilots.values()
    assert plan.requests[name].parameters["label"] == pilot


def test_only_the_oracle_track_needs_oracles():
    for tuned, expected in ((True, {"original"}), ("oracle", {"original", "retrain"})):
        plan = load(with_method(TUNED | {"tuned": tuned}))
        (experiment,) = plan.experiments.values()
        variants = {cell.variant for cell in experiment.trials.cells()}
        assert {name for name in variants if not name.startswith("trial-")} == expected


def test_a_table_shows_no_value_of_a_parameter_that_is_searched():
    plan = load(with_method())
    (experiment,) = plan.experiments.values()
    expected = {"method.guarantee": "none", "method.reads": "retain"}
    assert experiment.columns["variant"]["finetune-tuned=true"] == expected
    plan = load(with_method([TUNED, "finetune"], figure={"x": "method.lr", "y": "accuracy"}))
    (experiment,) = plan.experiments.values()
    columns = experiment.columns["variant"]
    assert columns["finetune-tuned=true"]["method.lr"] == "tuned"
    assert columns["finetune"]["method.lr"] == 0.01


def test_a_choice_knows_its_trials_in_their_order():
    plan = load(with_method())
    jobs = Jobs(plan)
    (name,) = plan.experiments
    (cell,) = union([jobs.choices(name)])
    job = jobs.choice(cell)
    assert job["track"] == "validation" and list(job["trials"][0]) == ["lr"]
    assert [trial["lr"] for trial in job["trials"]] == [trial["lr"] for trial in trials(plan)]


def test_what_is_tuned_is_another_job_and_so_is_another_number_of_pilots():
    """Where Snakemake's notes are lost, jobs run again only if their descriptions differ."""
    descriptions = []
    for tuned, members in ((True, 1), (True, 2), (False, 1)):
        methods = {"own": TUNED | {"tuned": tuned}}
        plan = load(with_method("own", methods=methods, tuning={"members": members}))
        cell = next(cell for cell in plan.cells if cell.variant == "own")
        choices = union([Jobs(plan).choices("accuracy")])
        job = Jobs(plan).unlearn(cell)
        assert type(job).read(job.describe()) == job
        descriptions.append((job.describe(), [Jobs(plan).choice(cell) for cell in choices]))
    (unlearn, choice), (same_unlearn, other_choice), (other_unlearn, _) = descriptions
    assert unlearn == same_unlearn != other_unlearn
    assert choice != other_choice


def test_the_report_lists_no_trial():
    assert not any(name.startswith("trial-") for name in Jobs(load(with_method())).guarantees())


def test_pilots_are_scored_where_requests_are():
    request = {"name": "memorised", "count": 10, "model": "mlp", "models": 40}
    plan = load(with_method(request=request))
    assert {name for _, name in plan.scorings} == {*plan.pilots, *plan.pilots.values()}


BAD = {
    "nothing to search": (
        with_method({"name": "bn_only", "tuned": True}, model={"name": "air", "width": 2}),
        "no parameter left to search",
    ),
    "a control": (
        with_method("finetune", methods={"original": {"tuned": True}}),
        "methods.original.tuned: a control has nothing to tune",
    ),
    "an inner method": (
        with_method({"name": "sham", "of": TUNED}),
        "is tuned, its parameters are not known; allowed: tuned: false",
    ),
    "a reported seed": (
        with_method(seeds=[5_000_001]),
        "5,000,001 is the seed of a model that methods are tuned on",
    ),
    "the draw of tuning": (
        with_method(request={"name": "random", "rate": 0.1, "seed": 5_000_000}),
        "is the draw that methods are tuned on; allowed: other draws",
    ),
    "the draw of tuning by another name": (
        with_method(
            requests={"few": {"name": "random", "rate": 0.1}},
            request={"name": "few", "seed": 5_000_000},
        ),
        "few-seed=5000000 is the draw that methods are tuned on; allowed: other draws",
    ),
    "a reference of values that are not known": (
        with_method(
            {"name": "influence_distillation", "tuned": True},
            figure={"x": "variant", "y": "kl_scratch"},
        ),
        "kl_scratch compares influence_distillation-tuned=true with a version that shares lr, "
        "which tuning chooses; allowed: values for them, or other metrics",
    ),
    "more pilots than memory holds": (
        with_method(model={"name": "mlp", "hidden": 30_000_000}, tuning={"members": 30}),
        "tuning: mlp-hidden=30000000, original on digits: 30 models",
    ),
    "the cost of no tuning": (
        with_method("finetune", figure={"x": "variant", "y": "tuning_trials"}),
        "unknown metric 'tuning_trials'",
    ),
    "too many cells": (
        with_method(
            [TUNED, {"name": "gradient_ascent", "tuned": True}],
            tuning={"trials": 200},
            request={"name": "random", "rate": 0.1, "seed": list(range(130))},
        ),
        "allowed: at most 50,000 cells in a study",
    ),
    "another track": (with_method(TUNED | {"tuned": "test"}), "tuned: 'test' is not one of"),
    "one trial": (with_method(tuning={"trials": 1}), "tuning.trials: 1 is not allowed"),
    "too many trials": (with_method(tuning={"trials": 201}), "tuning.trials"),
    "no member": (with_method(tuning={"members": 0}), "tuning.members"),
    "an unknown key": (with_method(tuning={"draws": 3}), "unknown key 'draws'"),
    "no validation split": (
        with_method(dataset={"name": "digits", "validation": 0}),
        "digits-validation=0 has no validation split, by which trials are judged",
    ),
    "additions": (
        with_method(
            dataset={"name": "digits", "held_out": 0.2},
            request={"name": "held_out", "count": 5},
        ),
        "deletes no point that trials could be judged on",
    ),
    "a checkpoint": (
        with_method(model={"name": "mlp", "checkpoint": "model-{seed}.pt"}),
        "checkpoint",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_tuning_that_cannot_be_is_refused(case):
    change, message = BAD[case]
    with pytest.raises(StudyError, match=re.escape(message)) as refusal:
        load(change)
    assert "\n" not in str(refusal.value)
