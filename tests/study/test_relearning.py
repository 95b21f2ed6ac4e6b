"""The key `relearning` of an experiment: what a study may ask for."""

import pytest

from tests.support.study import load
from unlearn.study.jobs import Jobs
from unlearn.study.load import StudyError

CURVE = {"x": "relearning_step", "y": "relearned_accuracy", "facet": "split"}
SCALAR = {"x": "variant", "y": "relearning_steps"}


def relearning(**changes):
    """A change of the tiny study: its experiment relearns."""

    def change(config, experiment):
        config["datasets"]["digits"]["held_out"] = 0.2
        experiment["request"] = {"name": "random", "rate": 0.1}
        experiment["relearning"] = {"steps": 16}
        experiment["figure"] = CURVE
        experiment.update(changes)

    return change


def test_experiments_that_relearn_alike_share_a_name():
    def change(config, experiment):
        relearning()(config, experiment)
        config["experiments"]["same"] = experiment | {"relearning": {"steps": 16.0, "lr": 0.01}}
        config["experiments"]["usual"] = experiment | {"relearning": {}}
        plain = experiment | {"figure": {"x": "variant"}}
        config["experiments"]["none"] = {k: v for k, v in plain.items() if k != "relearning"}

    plan = load(change)
    names = [experiment.relearning for experiment in plan.experiments.values()]
    assert names == ["relearning-steps=16", "relearning-steps=16", "relearning", None]
    assert set(plan.relearnings) == {"relearning", "relearning-steps=16"}
    job = Jobs(plan).relearn(plan.cells[0], "relearning-steps=16")
    expected = {"steps": 16, "lr": 0.01, "batch_size": 64, "tolerance": 0.01}
    assert job["relearning"] == expected and job["cell"]["variant"] == plan.cells[0].variant


@pytest.mark.parametrize(
    "changes",
    [
        {"figure": SCALAR},
        {"figure": {"x": "variant"}, "summary": ["relearning_steps/forget"]},
        {"figure": CURVE | {"y": ["relearned_accuracy/test", "relearned_loss"]}},
        {"figure": CURVE | {"xscale": "log"}},
    ],
    ids=str,
)
def test_what_relearning_can_show(changes):
    assert load(relearning(**changes)).experiments["accuracy"].relearning == "relearning-steps=16"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"relearning": {"step": 3}}, "relearning: unknown key 'step'; .* Did you mean steps?"),
        ({"relearning": {"steps": 0}}, "relearning.steps: 0 is not allowed; allowed: between 1"),
        (
            {"relearning": {"lr": 0}},
            "relearning.lr: 0 is not allowed; allowed: between 0 and",
        ),
        ({"relearning": {"tolerance": 1}}, "relearning.tolerance: 1 is not allowed"),
        ({"relearning": {"batch_size": "all"}}, "relearning.batch_size: 'all' is not of type"),
        ({"relearning": [1]}, "relearning: .1. is not of type"),
        ({"relearning": None}, "figure.y: relearned_accuracy is of relearning; allowed: "),
        (
            {
                "relearning": None,
                "figure": {"x": "variant"},
                "summary": ["relearning_steps/forget"],
            },
            "summary: relearning_steps is of relearning; allowed: ",
        ),
        ({"method": "sisa"}, "method: sisa unlearns ensembles, .*; allowed: "),
        (
            {"request": {"name": "held_out", "rate": 0.1}, "method": "finetune"},
            "request: held_out-rate=0.1 deletes nothing",
        ),
        ({"request": {"name": "random", "count": 1}}, "request: random-count=1 deletes one point"),
        ({"figure": {"x": "variant"}}, "relearning: neither figure nor summary shows any of it"),
        ({"figure": CURVE | {"x": "variant"}}, "figure.x: variant does not fit relearned_accuracy"),
        (
            {"figure": CURVE | {"y": ["relearned_accuracy", "loss"]}},
            "figure.x: relearning_step does not fit loss; allowed: metrics of relearning",
        ),
        ({"figure": CURVE | {"split": "retain"}}, "figure.split: unknown split 'retain'"),
        (
            {"summary": ["relearned_accuracy/test"]},
            "summary: relearned_accuracy has a value for each relearning_step",
        ),
    ],
    ids=str,
)
def test_what_cannot_be_relearned_is_refused_in_one_line(changes, message):
    with pytest.raises(StudyError, match=f"experiments.accuracy.{message}") as error:
        load(relearning(**changes))
    assert "\n" not in str(error.value)
