"""Jobs refuse methods that change the trained model, and oracles that meet deleted points."""

import numpy as np
import pytest

from tests.support.jobs import job
from tests.support.streams import deletions
from unlearn.core import registry
from unlearn.jobs.train import train_fleet
from unlearn.jobs.unlearn import unlearn_fleet
from unlearn.methods.base import Update
from unlearn.methods.finetune import Finetune
from unlearn.methods.retrain import Retrain


class MovingTeacher(Finetune):
    """Fine-tune, and halve the weights of the trained model in place."""

    def unlearn(self, task, original, request, seed):
        """The trained model is an array in memory here."""
        update = super().unlearn(task, original, request, seed)
        original["1.bias"] *= 0.5
        return update


class LeakingOracle(Retrain):
    """Retrain on all points, the deleted ones too."""

    def unlearn(self, task, original, request, seed):
        """As if nothing had been deleted."""
        return Update.replace(task.trainer.retrain(task, task.data.base_ids, seed))


def unlearned_by(method, name, digits, monkeypatch):
    """The result of a job whose method is registered under a name."""
    fleet_job = job("mlp", method=name)
    states = [dict(state) for state in train_fleet(digits, fleet_job).states]
    find = registry.find

    def find_method(family, kind):
        return method if (family, kind) == ("methods", name) else find(family, kind)

    monkeypatch.setattr(registry, "find", find_method)
    return unlearn_fleet(digits, fleet_job, states, deletions(digits.base_ids[:9]))


def test_a_method_that_changes_the_trained_model_fails(digits, monkeypatch):
    message = "teacher moved: MovingTeacher has changed the trained model in place"
    with pytest.raises(ValueError, match=message):
        unlearned_by(MovingTeacher, "finetune", digits, monkeypatch)


def test_an_oracle_that_meets_deleted_points_fails(digits, monkeypatch):
    message = f"contaminated oracle: .* 9 deleted points, the first is {digits.base_ids[0]}"
    with pytest.raises(ValueError, match=message):
        unlearned_by(LeakingOracle, "retrain", digits, monkeypatch)


@pytest.mark.parametrize("name", ["retrain", "finetune"])
def test_honest_methods_pass(digits, monkeypatch, name):
    result = unlearned_by(registry.find("methods", name), name, digits, monkeypatch)
    assert np.isfinite(result.logits).all()
