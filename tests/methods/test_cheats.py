"""Methods that cheat: each is caught by a check of the conformance suite, or by the job itself."""

import inspect
import json

import numpy as np
import pytest
import torch

from tests.support.conformance import (
    Subject,
    check_exact,
    check_reads,
    check_test_set,
    check_work,
    versions,
)
from tests.support.jobs import job
from tests.support.project import SMALL
from tests.support.streams import deletions
from unlearn.core import registry
from unlearn.core.guarantee import Guarantee
from unlearn.data.dataset import Dataset
from unlearn.jobs.train import train_fleet
from unlearn.jobs.unlearn import unlearn_fleet
from unlearn.methods.base import Method, Update, parameter
from unlearn.methods.finetune import Finetune
from unlearn.training.data import normalised


def trained_by_hand(task, original, images, labels):
    """A model after some steps of torch's own optimiser, which nobody charges."""
    model = task.bare_model(original)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
    for _ in range(3):
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(model(images), labels).backward()
        optimizer.step()
    return Update(model)


class TestSetOfTheCaller(Method):
    """Train on the test set, which lies in the frame of a caller."""

    __test__ = False
    guarantee = "exact"

    def unlearn(self, task, original, request, seed):
        """Free of charge."""
        for frame in inspect.stack():
            for value in frame.frame.f_locals.values():
                data = getattr(value, "data", value)
                if isinstance(data, Dataset):
                    pixels = torch.from_numpy(data.test_images)
                    labels = torch.from_numpy(data.test_labels)
                    return trained_by_hand(task, original, normalised(pixels, task.data), labels)
        raise AssertionError("no test set")


class TestSetOfAFile(Method):
    """Train on the test set as its source loads it."""

    __test__ = False

    def unlearn(self, task, original, request, seed):
        """Free of charge."""
        data = registry.find("data", "digits")().load("unused")
        pixels = torch.from_numpy(data.test_images)
        labels = torch.from_numpy(data.test_labels)
        return trained_by_hand(task, original, normalised(pixels, task.data), labels)


class FreeTraining(Method):
    """Train on the retain set, free of charge."""

    def unlearn(self, task, original, request, seed):
        """By torch's own optimiser."""
        ids = request.retain_ids
        return trained_by_hand(task, original, task.data.images(ids), task.data.labels(ids))


class CheapTraining(Method):
    """Train on the retain set, and charge a pass over one image."""

    def unlearn(self, task, original, request, seed):
        """By torch's own optimiser."""
        ids = request.retain_ids
        task.meter.forwards(task.bare_model(original), task.data.images(ids[:1]))
        return trained_by_hand(task, original, task.data.images(ids), task.data.labels(ids))


class BlindTraining(FreeTraining):
    """Train on the retain set, and declare to read nothing."""

    reads = frozenset()


class ExactFinetuning(Finetune):
    """Train on, and call that exact."""

    guarantee = "exact"


class ExactNothing(Method):
    """Do nothing, and call that exact."""

    guarantee = "exact"

    def unlearn(self, task, original, request, seed):
        """No change."""
        return Update()


class ExactForAReason(Finetune):
    """Train on from a model that knows the points, and call that exact for a reason."""

    def guarantee_for(self, setting):
        """Exact, it says."""
        return Guarantee("exact", "because")


class ExactAtItsDefaults(Method):
    """Retrain at the defaults, train on elsewhere, and call both exact."""

    guarantee = "exact"
    conformance_variants = ({"epochs": 1},)

    epochs: int = parameter(0, minimum=0)

    def unlearn(self, task, original, request, seed):
        """By the trainer, or by fine-tuning."""
        if self.epochs:
            return Finetune(epochs=self.epochs).unlearn(task, original, request, seed)
        return Update.replace(task.trainer.retrain(task, request.retain_ids, seed))


class SecretForgetSet(Method):
    """Read the forget set, and declare the retain set."""

    reads = frozenset({"retain"})

    def unlearn(self, task, original, request, seed):
        """One step uphill."""
        model = task.model(original)
        ids = request.forget_ids
        loss = torch.nn.functional.cross_entropy(
            model(task.data.images(ids)), task.data.labels(ids)
        )
        task.optimizer(model, lr=0.1).step(-loss)
        return Update(model)


CHEATS = [
    (TestSetOfTheCaller, check_test_set, "reads the test set"),
    (TestSetOfTheCaller, check_work, "changes weights and charges nothing"),
    (TestSetOfTheCaller, check_exact, "declares exact and differs from retraining"),
    (TestSetOfAFile, check_test_set, "reads a file while it unlearns: .*digits"),
    (FreeTraining, check_work, "changes weights and charges nothing"),
    (CheapTraining, check_work, r"charges \d+ FLOPs and does \d+"),
    (BlindTraining, check_reads, r"declares to read \[\] and reads the retain set"),
    (ExactFinetuning, check_exact, "declares exact and differs from retraining"),
    (ExactNothing, check_exact, "declares exact and differs from retraining"),
    (ExactForAReason, check_exact, "declares exact and depends on the deleted points"),
    (SecretForgetSet, check_reads, r"declares to read \['retain'\] and reads the forget set"),
]


@pytest.mark.parametrize(
    ("cheat", "check", "message"), CHEATS, ids=[f"{c.__name__}-{k.__name__}" for c, k, _ in CHEATS]
)
def test_a_cheat_is_caught_in_one_line(digits, cheat, check, message):
    subject = Subject(cheat(), digits)
    with pytest.raises(AssertionError, match=f"{cheat.__name__}: {message}") as caught:
        check(subject, subject.trained())
    assert len(str(caught.value).splitlines()) == 1


def test_a_method_is_checked_at_the_parameters_that_it_names(digits):
    usual, named = (Subject(method, digits) for method in versions(ExactAtItsDefaults))
    trained = usual.trained()
    check_exact(usual, trained)
    message = "ExactAtItsDefaults-epochs=1: declares exact and differs from retraining"
    with pytest.raises(AssertionError, match=message):
        check_exact(named, trained)


@pytest.mark.parametrize("check", [check_exact, check_reads, check_test_set, check_work])
@pytest.mark.parametrize("order", ["masked", "recut"])
def test_the_oracle_is_no_cheat(digits, order, check):
    subject = Subject(registry.find("methods", "retrain")(order=order), digits)
    check(subject, subject.trained())


# -- the job --------------------------------------------------------------------------------------


def unlearned_by(cheat, digits, monkeypatch, ids):
    """The result of a job whose method is the cheat, registered as `finetune`."""
    fleet_job = job("mlp", method="finetune")
    trained = train_fleet(digits, fleet_job)
    find = registry.find

    def find_cheat(family, name):
        return cheat if (family, name) == ("methods", "finetune") else find(family, name)

    monkeypatch.setattr(registry, "find", find_cheat)
    plain_job = job("mlp", method="finetune")
    return unlearn_fleet(digits, plain_job, trained.states, deletions(ids))


@pytest.mark.parametrize("cheat", [TestSetOfTheCaller, TestSetOfAFile, FreeTraining])
def test_a_job_refuses_weights_that_changed_without_work(digits, monkeypatch, cheat):
    message = rf"{cheat.__name__}: 1\.bias has changed and no work was charged"
    with pytest.raises(ValueError, match=message):
        unlearned_by(cheat, digits, monkeypatch, digits.base_ids[:9])


class Shrinking(Method):
    """Arithmetic on weights."""

    reads = frozenset()

    def unlearn(self, task, original, request, seed):
        """Half of every weight."""
        return Update({name: np.asarray(original[name]) / 2 for name in original})


class Swapping(Method):
    """Tensors of the state, moved."""

    def unlearn(self, task, original, request, seed):
        """The bias of the last layer, reset to what is kept beside it."""
        return Update({"3.bias": original["3.bias"], "note/bias": original["3.bias"]})


class EarlierCheckpoint(Method):
    """Go back to a tensor that the state holds under another name."""

    def unlearn(self, task, original, request, seed):
        """The bias of the checkpoint."""
        if "checkpoint/bias" in original:
            return Update({"3.bias": original["checkpoint/bias"]})
        images = task.data.images(request.retain_ids[:1])
        task.meter.forwards(task.bare_model(original), images)
        old_bias = np.asarray(original["3.bias"])
        return Update({"checkpoint/bias": old_bias, "3.bias": old_bias + 1})


@pytest.mark.parametrize("method", [Shrinking, Swapping])
def test_a_job_accepts_arithmetic_that_is_declared_and_tensors_that_stay(
    digits, monkeypatch, method
):
    result = unlearned_by(method, digits, monkeypatch, digits.base_ids[:9])
    assert result.costs[0][0]["gradient_evaluations"] == 0


def test_a_job_accepts_an_earlier_checkpoint_of_the_state(digits, monkeypatch):
    fleet_job = job("mlp", method="finetune")
    trained = train_fleet(digits, fleet_job)
    monkeypatch.setattr(registry, "create", lambda family, block, create=registry.create: (
        EarlierCheckpoint() if family == "methods" else create(family, block)
    ))  # fmt: skip
    request = deletions(digits.base_ids[:3], digits.base_ids[3:6])
    result = unlearn_fleet(digits, fleet_job, trained.states, request)
    biases = result.states[0]["3.bias"]
    assert np.array_equal(biases[1], trained.states[0]["3.bias"])
    assert [cost["forward_evaluations"] for cost in result.costs[0]] == [1, 0]


def test_retraining_on_nothing_is_no_cheat(digits):
    """A request that deletes all points leaves the initial weights, and no work."""
    fleet_job = job("mlp", method="retrain")
    trained = train_fleet(digits, fleet_job)
    result = unlearn_fleet(digits, fleet_job, trained.states, deletions(digits.base_ids))
    assert result.costs[0][0]["gradient_evaluations"] == 0


CHEAT = '''"""Train on the test set, free of charge."""

from unlearn.methods.base import Method, Update


class Cheat(Method):
    """Train on the test set, and call that exact."""

    guarantee = "exact"

    def unlearn(self, task, original, request, seed):
        """By torch's own optimiser."""
        import gc

        import torch

        from unlearn.data.dataset import Dataset
        from unlearn.training.data import normalised

        (data,) = [value for value in gc.get_objects() if isinstance(value, Dataset)]
        images = normalised(torch.from_numpy(data.test_images.copy()), task.data)
        labels = torch.from_numpy(data.test_labels.copy())
        model = task.bare_model(original)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
        for _ in range(20):
            optimizer.zero_grad()
            torch.nn.functional.cross_entropy(model(images), labels).backward()
            optimizer.step()
        return Update(model)
'''


@pytest.mark.xdist_group("extending")
def test_a_real_run_shows_the_cheat_as_failed(project):
    (project.root / "unlearn/methods/cheat.py").write_text(CHEAT)
    block = SMALL["experiments"]["accuracy"] | {"method": "cheat"}
    project.write_study(SMALL | {"experiments": {"accuracy": block}})
    process = project.snakemake("--cores", "1", "results/tiny/tables/accuracy.csv", check=False)
    (record,) = project.results("unlearned").rglob("cheat/**/costs.json")
    costs = json.loads(record.read_text())
    assert costs["status"] == "failed", process.stdout + process.stderr
    assert "Cheat: 0.bias has changed and no work was charged; train networks" in costs["error"]
