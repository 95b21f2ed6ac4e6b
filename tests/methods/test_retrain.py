"""The oracle, with the minibatches of the original less the deleted points, or with full ones."""

import math

import numpy as np
import pandas as pd
import pytest

from tests.support.jobs import build, job
from tests.support.project import SMALL
from tests.support.streams import deletions, served, with_pixels
from tests.support.study import load
from unlearn.algorithms.losses import cross_entropy
from unlearn.core import seeding
from unlearn.core.setting import Setting
from unlearn.jobs.setup import new_task
from unlearn.methods.retrain import Retrain
from unlearn.study.load import StudyError

RECIPE = {"epochs": 3, "batch_size": 32}


def state_of_order(data, order, ids, model="mlp", seed=0, **keywords):
    """The retrained state as arrays, and its task."""
    task = new_task(data, job(model, method="retrain", **RECIPE | keywords))
    step = next(iter(deletions(ids).steps(200, data.base_ids)))
    state = served(Retrain(order=order), task, {}, step, seed)
    task.meter.settle()
    return {name: np.asarray(state[name]) for name in state}, task


def is_same_state(state, other_state):
    return all(np.array_equal(state[name], other_state[name]) for name in state)


@pytest.mark.parametrize("model", ["mlp", "cnn1"])
@pytest.mark.parametrize("trainer", ["standard", "teacher"])
def test_masked_is_the_training_of_the_trainer(digits, model, trainer):
    ids = digits.base_ids[::3]
    state, task = state_of_order(digits, "masked", ids, model, trainer={"kind": trainer})
    expected = task.trainer.retrain(task, np.setdiff1d(digits.base_ids, ids), 0)
    assert is_same_state(state, expected)
    assert task.ordered_ids is None


@pytest.mark.parametrize("trainer", ["standard", "teacher"])
def test_recut_is_a_training_on_full_minibatches_of_the_retain_set(digits, trainer):
    """To the bit, by a loop of its own."""
    ids = digits.base_ids[::3]
    retain_ids = np.setdiff1d(digits.base_ids, ids)
    state, task = state_of_order(digits, "recut", ids, "cnn1", trainer={"kind": trainer})
    steps = RECIPE["epochs"] * math.ceil(len(retain_ids) / RECIPE["batch_size"])
    assert task.meter.optimizer_steps == steps
    assert task.meter.gradient_evaluations == RECIPE["epochs"] * len(retain_ids)
    model = task.new_model(seeding.derive(0, "initial weights"))
    optimizer = task.optimizer(model, lr=task.recipe.lr, schedule="cosine", steps=steps)
    for epoch in range(RECIPE["epochs"]):
        for batch in task.minibatches(retain_ids, seeding.derive(0, "training"), epoch):
            optimizer.step(cross_entropy(model(batch.images), batch.labels))
    assert is_same_state(state, {n: t.numpy() for n, t in model.state_dict().items()})


def test_masked_minibatches_are_smaller_and_as_many_as_before(digits):
    ids = digits.base_ids[::3]
    steps = {}
    for order in ("masked", "recut"):
        _, task = state_of_order(digits, order, ids)
        steps[order] = task.meter.optimizer_steps
    assert steps == {"masked": 3 * math.ceil(200 / 32), "recut": 3 * math.ceil(106 / 32)}


def test_both_orders_of_no_deletion_are_the_original():
    """Where nothing is held out of base training."""
    data = build("digits", subset=200)
    masked_state, task = state_of_order(data, "masked", [])
    recut_state, _ = state_of_order(data, "recut", [])
    original = task.trainer.train(task, data.base_ids, 0)
    assert is_same_state(masked_state, original) and is_same_state(recut_state, original)


@pytest.mark.parametrize("order", ["masked", "recut"])
def test_deleted_pixels_have_no_part_and_seeds_do(digits, order):
    ids = digits.base_ids[::3]
    state, _ = state_of_order(digits, order, ids)
    assert is_same_state(state, state_of_order(with_pixels(digits, ids, 77), order, ids)[0])
    assert not is_same_state(state, state_of_order(digits, order, ids, seed=1)[0])


def test_an_order_that_a_trainer_cannot_follow_is_refused(digits):
    message = "order: recut is none of SisaTrainer; allowed: masked"
    task = new_task(digits, job(method="sisa"))
    setting = Setting(trainer=task.trainer)
    assert Retrain(order="recut").supports(setting) == message
    assert Retrain().supports(setting) is None
    step = next(iter(deletions(digits.base_ids[:5]).steps(200, digits.base_ids)))
    with pytest.raises(ValueError, match=message):
        Retrain(order="recut").unlearn(task, {}, step, 0)


def test_the_plan_keeps_one_oracle_whatever_is_named():
    """`retrain` beside its versions is the control, and every version is compared with it."""

    def change(config, experiment):
        experiment["method"] = [{"name": "retrain", "order": ["masked", "recut"]}, "retrain"]

    study = load(change)
    variants = {name: variant for name, variant in study.variants.items() if "retrain" in name}
    assert {name: v.parameters for name, v in variants.items()} == {
        "retrain": {"order": "masked"},
        "retrain-order=recut": {"order": "recut"},
    }
    assert {variant.oracle for variant in variants.values()} == {"retrain"}

    def misspell(config, experiment):
        experiment["method"] = {"name": "retrain", "order": "shuffled"}

    with pytest.raises(StudyError, match=r"order: 'shuffled' is not one of .*recut"):
        load(misspell)


def test_every_experiment_has_the_oracle_that_the_study_describes():
    """Whether it names `retrain` or not: the control takes the study's block for its method."""

    def change(config, experiment):
        config["methods"] = {"retrain": {"order": "recut"}}
        config["experiments"]["named"] = experiment | {"method": ["finetune", "retrain"]}

    study = load(change)
    retrained = {name: v.parameters for name, v in study.variants.items() if v.kind == "retrain"}
    assert retrained == {"retrain": {"order": "recut"}}

    def other_trainer(config, experiment):
        change(config, experiment)
        experiment["method"] = "sisa"

    message = r"retrain@sisa, random-rate=0.1: order: recut is none of SisaTrainer; allowed: masked"
    with pytest.raises(StudyError, match=message):
        load(other_trainer)


def test_a_study_compares_both_orders(project):
    block = SMALL["experiments"]["accuracy"] | {
        "model": "mlp",
        "method": {"name": "retrain", "order": ["masked", "recut"]},
        "request": {"name": "random", "rate": 0.3},
        "figure": {"x": "method.order", "y": ["accuracy", "accuracy_gap"], "split": "test"},
    }
    project.write_study(SMALL | {"experiments": {"accuracy": block}})
    project.run("tables/accuracy.csv")
    table = pd.read_csv(project.results("tables/accuracy.csv"))
    gaps = table.query("metric == 'accuracy_gap'").set_index("variant")
    assert gaps.loc["retrain", "mean"] == 0
    assert gaps.loc["retrain-order=recut", "method.order"] == "recut"
    assert gaps.loc["retrain-order=recut", "mean"] != 0
