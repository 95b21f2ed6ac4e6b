"""Rule `choice`: which trials can be judged, on the costs that fleets leave behind."""

import numpy as np
import pytest

from scripts import choice
from unlearn.evaluation.trials import Judgement
from unlearn.storage.files import digest, write_array, write_costs

JUDGED = [Judgement(0.1, 0.1, 0.1)]


def fleet(folder, divergence, status="ok"):
    """The record of models of which each has diverged, or not, after each step."""
    arrays = {
        "logits": np.zeros((len(divergence), 2, 3, 4)),
        "votes": np.zeros(0),
        "ids": np.zeros(0),
    }
    for name, array in arrays.items():
        write_array(folder / f"{name}.npy", array)
    costs = [[{"gradient_evaluations": 5.0, "diverged": d} for d in steps] for steps in divergence]
    content = {"status": status, "error": "ValueError: no", "models": costs}
    write_costs(folder / "costs.json", content | {"outputs_sha256": digest(*arrays.values())})
    return str(folder / "record.json")


FINITE = [[False, False], [False, False]]


def test_a_trial_is_judged_if_every_model_is_finite_after_every_step(tmp_path):
    trial = choice._trial(fleet(tmp_path, FINITE), lambda logits: JUDGED, "")
    assert (trial.judgements, trial.gradient_evaluations) == (JUDGED, 10)


@pytest.mark.parametrize("divergence", [[[False, True], [False] * 2], [[True, False], [False] * 2]])
def test_a_trial_of_which_a_model_diverges_at_a_step_cannot_be_chosen(tmp_path, divergence):
    trial = choice._trial(fleet(tmp_path, divergence), lambda logits: JUDGED, "")
    assert (trial.objective, trial.problem) == (None, "1 of 2 models diverged")


def test_no_trial_can_be_chosen_by_models_that_failed_or_diverged(tmp_path):
    """Their logits are not numbers, and so is every objective."""
    assert choice._reference_problem(fleet(tmp_path, FINITE)) == ""
    failed = choice._reference_problem(fleet(tmp_path, [], status="failed"))
    assert failed == "the models that judge it have failed"
    diverged = fleet(tmp_path, [[False], [True]])
    problem = choice._reference_problem(diverged)
    assert problem == "1 of 2 models that judge it diverged"
    trial = choice._trial(fleet(tmp_path, FINITE), lambda logits: JUDGED, problem)
    assert (trial.objective, trial.problem) == (None, problem)
