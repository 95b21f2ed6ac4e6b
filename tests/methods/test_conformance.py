"""The conformance suite: what every method must do. New methods are found by themselves."""

import hashlib
import inspect
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.support.jobs import job
from tests.support.project import ROOT
from tests.support.streams import deletions, served, with_pixels
from unlearn.core import parameters, registry
from unlearn.core.guarantee import LEVELS, Guarantee
from unlearn.core.setting import DataFacts, Setting
from unlearn.jobs.setup import new_task
from unlearn.jobs.train import train_fleet
from unlearn.jobs.unlearn import unlearn_fleet
from unlearn.methods.base import Method
from unlearn.requests.request import NO_IDS, Request, Step
from unlearn.training.data import normalised
from unlearn.training.state import Update
from unlearn.training.task import Task

METHODS = registry.names("methods")
CHANGING = [name for name in METHODS if name != "original"]
IDLE_IF_NOTHING_IS_ASKED = ("original", "sisa", "deltagrad", "gradient_ascent", "naive_finetuning")
"""Methods that return the trained model to the bit where a request is empty."""

OBVIOUS_PARAMETERS = {"epochs", "lr", "batch_size", "momentum", "weight_decay", "schedule"}
OBVIOUS_PARAMETERS |= {"temperature", "seed", "model", "size"}
"""Parameters that need no help text, because recipes have them or every paper calls them so."""

READABLE = {"forget", "retain", "validation"}

MODELS = {
    "mlp": {"precision": "float32"},
    "cnn1": {"precision": "bfloat16"},
    "resnet9": {"precision": "float32"},
}


def described(model="mlp", **keywords):
    size = {"width": 2} if model == "resnet9" else None
    return job(model, epochs=8, size=size, **MODELS[model], **keywords)


def trainer_of(name):
    return registry.find("methods", name).trainer or "standard"


def facts(digits):
    """What a plan knows of the digits."""
    points = len(digits.train_labels)
    return DataFacts("digits", 10, (8, 8, 1), points, len(digits.held_out_ids))


def setting(task, data, name):
    """The setting of a method with a task."""
    return Setting(
        data=data,
        model=task.architecture,
        recipe=task.recipe,
        trainer=task.trainer,
        method=instance(name),
    )


@pytest.fixture(params=MODELS)
def model(request, digits):
    """A model that the trainer of the method can work with."""
    name = request.node.callspec.params["name"]
    task = new_task(digits, described(request.param, method=name))
    reason = task.trainer.supports(setting(task, facts(digits), name))
    if reason:
        pytest.skip(f"{trainer_of(name)}: {reason}")
    return request.param


class Trained(dict):
    """A trained model for each (architecture, method that will unlearn it), made when needed."""

    def __init__(self, digits):
        self.digits = digits

    def __missing__(self, key):
        model, method = key
        trainer = trainer_of(method)
        if (model, trainer) not in self:
            state = train_fleet(self.digits, described(model, method=method)).states[0]
            self[model, trainer] = state
        return self[model, trainer]


@pytest.fixture(scope="module")
def trained_models(digits):
    return Trained(digits)


@pytest.fixture
def trained(trained_models):
    """The mlp of most tests."""
    return trained_models["mlp", "finetune"]


def request(digits, ids) -> Step:
    return next(iter(deletions(ids).steps(200, digits.base_ids)))


def instance(name, **options) -> Method:
    method = registry.find("methods", name)
    return method(**dict(method.conformance) | options)


def method_options(name) -> str:
    return str(dict(registry.find("methods", name).conformance) or " at its defaults")


def serve(name, digits, trained, step, seed=0, model="mlp"):
    """The state after a step, and the task."""
    task = new_task(digits, described(model, method=name))
    state = served(instance(name), task, trained, step, seed)
    task.meter.settle()
    return {key: np.asarray(value) for key, value in state.items()}, task


def checksum(state):
    sha = hashlib.sha256()
    for name in sorted(state):
        sha.update(name.encode() + np.ascontiguousarray(state[name]).tobytes())
    return sha.hexdigest()


def ninth_ids(digits):
    """Every ninth point of base training."""
    return digits.base_ids[::9]


def source(name) -> str:
    """The file of a method, in this package or an installed one."""
    return Path(inspect.getsourcefile(registry.find("methods", name))).read_text(encoding="utf-8")


def test_methods_are_importable_and_can_be_made_without_torch():
    """So that the plan of a study, the schema and the reference page need none."""
    code = """
import sys
from unlearn.core import parameters, registry
from unlearn.core.setting import Setting
for name in registry.names("methods"):
    method = registry.find("methods", name)()
    method.modules(), method.references(), method.supports(Setting()), method.continues
    parameters.schema(type(method))
assert not {"torch", "scipy", "sklearn", "pandas", "matplotlib"} & set(sys.modules), sys.modules.keys()
"""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", METHODS)
class TestEveryMethod:
    def test_declares_itself(self, name):
        method = registry.find("methods", name)
        assert issubclass(method, Method)
        assert isinstance(method.reads, (set, frozenset)) and method.reads <= READABLE
        assert isinstance(method.serves, tuple) and set(method.serves) <= {"delete", "add"}
        assert method.serves
        assert method.guarantee in LEVELS
        assert method.trainer is None or method.trainer in registry.names("trainers")
        assert isinstance(method.images_only, bool) and isinstance(method().continues, bool)
        assert parameters.summary(method).endswith((".", ":"))

    def test_parameters_explain_themselves(self, name):
        for parameter, field in parameters.fields(registry.find("methods", name)).items():
            assert field.limits.help or parameter in OBVIOUS_PARAMETERS | {"step"}, parameter
            assert not field.required, f"{parameter} needs a default"

    def test_the_default_instance_holds_its_fields_and_nothing_else(self, name):
        method = instance(name)
        assert vars(method) == method.values() == instance(name, **method.values()).values()
        assert set(method.values()) == set(parameters.fields(type(method)))
        for parameter in method.values():
            with pytest.raises(AttributeError):
                setattr(method, parameter, 0)

    def test_ranges_are_those_of_the_schema(self, name):
        """A value outside of the schema's range is refused by the class, too."""
        component = registry.find("methods", name)
        for parameter, property_ in parameters.schema(component)["properties"].items():
            outside = property_.get("minimum", property_.get("exclusiveMinimum"))
            if outside is not None:
                with pytest.raises(ValueError, match=f"{parameter}: .* is not allowed"):
                    component(**{parameter: outside - 1})
            if "enum" in property_:
                with pytest.raises(ValueError, match=f"{parameter}: 'nonsense' is not allowed"):
                    component(**{parameter: "nonsense"})

    def test_searches_within_its_ranges(self, name):
        for parameter, field in parameters.fields(registry.find("methods", name)).items():
            if field.limits.search is not None:
                kind, *span = field.limits.search
                values = span[0] if kind == "choice" else span
                assert all(field.limits.allow(value) for value in values), parameter

    def test_file_has_one_class_and_no_other_method(self, name):
        text = source(name)
        assert len(re.findall(r"^class ", text, re.M)) == 1
        for line in re.findall(r"^\s*(?:from|import) .*", text, re.M):
            assert "unlearn.methods" not in line or "from unlearn.methods.base import" in line
        assert not re.search(r"^(?:from|import) torch", text, re.M)

    def test_promises_what_its_trainer_can_keep(self, name, digits):
        task = new_task(digits, described(method=name))
        promise = instance(name).guarantee_for(setting(task, facts(digits), name))
        assert isinstance(promise, Guarantee)
        if instance(name).guarantee == "exact":
            assert promise == task.trainer.guarantee()
        else:
            assert LEVELS.index(promise.level) <= LEVELS.index("none")

    def test_references_are_versions_of_itself(self, name, digits):
        method = instance(name)
        task = new_task(digits, described(method=name))
        for suffix, options in method.references().items():
            assert f"kl_{suffix}" in task.trainer.metrics
            assert instance(name, **options).values() != method.values()

    def test_student_task_shares_data_meter_and_trainer(self, name, digits):
        task = new_task(digits, described(method=name))
        student_task = instance(name).student_task(task)
        assert isinstance(student_task, Task)
        assert student_task.data is task.data and student_task.trainer is task.trainer
        assert student_task.meter is task.meter

    def test_returns_an_update_of_tensors_of_the_state(self, name, model, digits, trained_models):
        trained = trained_models[model, name]
        task = new_task(digits, described(model, method=name))
        update = instance(name).unlearn(task, trained, request(digits, ninth_ids(digits)), 0)
        assert isinstance(update, Update)
        assert not update.removed & set(update.tensors)
        assert update.removed <= set(trained)
        for tensor in update.tensors.values():
            assert isinstance(tensor, (torch.Tensor, np.ndarray, np.generic))
            assert torch.as_tensor(tensor).device.type == "cpu"
            assert not torch.as_tensor(tensor).requires_grad

    def test_gives_a_state_like_the_trained_one(self, name, model, digits, trained_models):
        trained = trained_models[model, name]
        state, task = serve(name, digits, trained, request(digits, ninth_ids(digits)), model=model)
        dtypes = {k: v.dtype for k, v in state.items() if k in trained or "/" not in k}
        assert dtypes == {k: v.dtype for k, v in trained.items()}
        for key in task.trainer.served(trained):
            assert state[key].shape == trained[key].shape
            assert state[key].dtype == trained[key].dtype
        assert all(np.isfinite(v).all() for v in state.values())

    def test_does_not_touch_its_input(self, name, model, digits, trained_models):
        trained = trained_models[model, name]
        before = checksum(trained)
        state, _ = serve(name, digits, trained, request(digits, ninth_ids(digits)), model=model)
        for value in state.values():
            value[...] = 0  # neither does a later change of the result
        assert checksum(trained) == before

    def test_is_deterministic_given_the_seed(self, name, model, digits, trained_models):
        """The state of the global random numbers does not matter."""
        trained = trained_models[model, name]
        step = request(digits, ninth_ids(digits))
        first, _ = serve(name, digits, trained, step, model=model)
        for seed in (99, 100):
            task = new_task(digits, described(model, method=name))  # seeds the global ones
            torch.manual_seed(seed)
            np.random.seed(seed)
            state = served(instance(name), task, trained, step)
            assert checksum(first) == checksum({key: np.asarray(state[key]) for key in state})

    def test_has_no_memory(self, name, digits, trained_models):
        """A second call of the same instance with the same task gives the same."""
        trained = trained_models["mlp", name]
        step = request(digits, ninth_ids(digits))
        task = new_task(digits, described(method=name))
        method = instance(name)
        states = []
        for seed in (0, 1, 0):
            state = served(method, task, trained, step, seed)
            states.append({key: np.asarray(state[key]) for key in state})
        assert checksum(states[0]) == checksum(states[2])
        assert vars(method) == instance(name).values()

    @pytest.mark.parametrize("ids", ["none", "one", "class"])
    def test_survives_odd_requests(self, name, model, ids, digits, trained_models):
        chosen = {
            "none": NO_IDS,
            "one": digits.base_ids[:1],
            "class": digits.base_ids[digits.train_labels[digits.base_ids] == 3],
        }[ids]
        step = request(digits, chosen)
        state, _ = serve(name, digits, trained_models[model, name], step, model=model)
        assert all(np.isfinite(v).all() for v in state.values())

    def test_survives_additions(self, name, digits, trained_models):
        trained = trained_models["mlp", name]
        addition = Request([NO_IDS], [digits.held_out_ids[:9]])
        step = next(iter(addition.steps(200, digits.base_ids)))
        state, _ = serve(name, digits, trained, step)
        assert all(np.isfinite(v).all() for v in state.values())

    def test_serves_streams(self, name, digits):
        described = job(epochs=2, seeds=(0, 1), method=name)
        base = train_fleet(digits, described)
        stream = Request([digits.base_ids[:5], NO_IDS], [NO_IDS, digits.held_out_ids[:5]])
        result = unlearn_fleet(digits, described, base.states, stream)
        assert result.logits.shape == (2, 2, 560, 10)
        assert [len(costs) for costs in result.costs] == [2, 2]
        assert all(len(s[n]) == 2 for s in result.states for n in result.compared)

    def test_refuses_requests_outside_the_data(self, name, digits):
        described = job(epochs=1, method=name)
        base = train_fleet(digits, described)
        for point in (200, digits.held_out_ids[0]):
            with pytest.raises(ValueError, match=f"point {point}"):
                unlearn_fleet(digits, described, base.states, deletions([point]))

    def test_leaves_global_random_state_alone(self, name, digits, trained_models):
        trained = trained_models["mlp", name]
        task = new_task(digits, described(method=name))
        torch.manual_seed(5)
        np.random.seed(5)
        expected = torch.random.get_rng_state()
        numbers = np.random.get_state()[1].copy()
        instance(name).unlearn(task, trained, request(digits, ninth_ids(digits)), 0)
        assert torch.equal(torch.random.get_rng_state(), expected)
        assert np.array_equal(np.random.get_state()[1], numbers)

    def test_charges_work_for_weights_that_changed(self, name, model, digits, trained_models):
        trained = trained_models[model, name]
        state, task = serve(name, digits, trained, request(digits, ninth_ids(digits)), model=model)
        meter = task.meter
        work = meter.gradient_evaluations + meter.forward_evaluations + meter.optimizer_steps
        served_names = task.trainer.served(trained)
        changed = any(not np.array_equal(state[key], trained[key]) for key in served_names)
        if not instance(name).reads:  # arithmetic on weights is no work on points
            assert work == meter.flops == 0, f"{name} reads no points and charges {work}"
        elif changed:
            assert work > 0, f"{name} changes weights and charges nothing"
        assert (work > 0) is (meter.flops > 0), f"{name} charges {work} passes, no FLOPs"

    def test_does_not_read_what_it_does_not_declare(self, name, digits, trained_models):
        """Points whose use is not declared can be destroyed without being missed."""
        trained = trained_models["mlp", name]
        ids = ninth_ids(digits)
        state, task = serve(name, digits, trained, request(digits, ids))
        reads = instance(name).reads
        assert (task.data.validation is None) is ("validation" not in reads)
        unread = {"forget": ids, "retain": np.setdiff1d(digits.base_ids, ids)}
        for split in unread.keys() - reads:
            changed = with_pixels(digits, unread[split], 77)
            other, _ = serve(name, changed, trained, request(digits, ids))
            assert checksum(state) == checksum(other), split


@pytest.mark.parametrize("name", CHANGING)
def test_changes_the_model(name, model, digits, trained_models):
    """Trainable weights and predictions, not the statistics of batch normalisation alone."""
    trained = trained_models[model, name]
    state, task = serve(name, digits, trained, request(digits, ninth_ids(digits)), model=model)
    weights = task.trainer.compared(task) or task.trainer.served(trained)
    changed = any(not np.array_equal(state[k], trained[k]) for k in weights)
    advice = "name parameters that do in the attribute `conformance`"
    assert changed, f"{name}{method_options(name)} changes nothing if a ninth is deleted; {advice}"
    pixels = torch.from_numpy(digits.test_images).to(task.machine.device)
    before = task.trainer.predict(task, trained, pixels)
    after = task.trainer.predict(task, state, pixels)
    assert not torch.equal(before, after)


@pytest.mark.parametrize("name", IDLE_IF_NOTHING_IS_ASKED)
def test_changes_nothing_if_nothing_is_asked(name, model, digits, trained_models):
    trained = trained_models[model, name]
    state, task = serve(name, digits, trained, request(digits, NO_IDS), model=model)
    assert checksum(state) == checksum(trained)
    assert task.meter.gradient_evaluations == task.meter.optimizer_steps == 0


def test_one_step_of_finetuning_is_the_analytic_step(digits, trained):
    """w - lr (gradient on the retain set + decay w), one minibatch, no momentum."""
    ids = ninth_ids(digits)
    retained = np.setdiff1d(digits.base_ids, ids)
    plain = {"batch_size": 200, "momentum": 0.0, "weight_decay": 0.01}
    task = new_task(digits, job(**plain))
    method = instance("finetune", epochs=1, lr=0.3, schedule="constant")
    state = served(method, task, trained, request(digits, ids))
    model = task.model(trained)
    images = normalised(task.data.train_images[retained], task.data)
    torch.nn.functional.cross_entropy(model(images), task.data.train_labels[retained]).backward()
    for name, parameter in model.named_parameters():
        step = parameter.grad.cpu().numpy() + 0.01 * trained[name]
        assert np.asarray(state[name]) == pytest.approx(trained[name] - 0.3 * step, abs=1e-6)


def test_work_is_charged_to_the_sample(digits, trained):
    ids = ninth_ids(digits)
    retained = len(digits.base_ids) - len(ids)
    expected = {"original": 0, "retrain": 8 * retained, "finetune": 2 * retained}
    expected["gradient_ascent"] = 5 * len(ids)
    for name, count in expected.items():
        _, task = serve(name, digits, trained, request(digits, ids))
        assert task.meter.gradient_evaluations == count, name
        assert (task.meter.flops > 0) is (count > 0)


def test_original_is_the_trained_model(digits, trained):
    state, task = serve("original", digits, trained, request(digits, ninth_ids(digits)))
    assert checksum(state) == checksum(trained)
    assert task.meter.gradient_evaluations == 0


def test_retrain_of_nothing_is_the_original_to_the_bit(digits, trained):
    state, _ = serve("retrain", digits, trained, request(digits, NO_IDS))
    assert checksum(state) == checksum(trained)


def test_retrain_does_not_depend_on_the_trained_model(digits, trained):
    step = request(digits, ninth_ids(digits))
    state, _ = serve("retrain", digits, trained, step)
    zeros = {name: np.zeros_like(value) for name, value in trained.items()}
    second, _ = serve("retrain", digits, zeros, step)
    assert checksum(state) == checksum(second)


@pytest.mark.parametrize(
    ("name", "blind"), [("retrain", True), ("finetune", True), ("gradient_ascent", False)]
)
def test_who_reads_the_forget_set(name, blind, digits, trained):
    ids = ninth_ids(digits)
    state, _ = serve(name, digits, trained, request(digits, ids))
    other, _ = serve(name, with_pixels(digits, ids, 77), trained, request(digits, ids))
    assert (checksum(state) == checksum(other)) is blind


def test_gradient_ascent_does_not_read_the_retain_set(digits, trained):
    ids = ninth_ids(digits)
    retained = np.setdiff1d(digits.base_ids, ids)
    state, _ = serve("gradient_ascent", digits, trained, request(digits, ids))
    other, _ = serve(
        "gradient_ascent", with_pixels(digits, retained, 77), trained, request(digits, ids)
    )
    assert checksum(state) == checksum(other)


def test_gradient_ascent_raises_the_loss_of_the_forget_set(digits, trained):
    ids = ninth_ids(digits)
    step = request(digits, ids)
    task = new_task(digits, job())
    labels = task.data.train_labels[ids].cpu()

    def loss(state):
        logits = task.trainer.predict(task, state, task.data.train_images[ids])
        return float(torch.nn.functional.cross_entropy(logits, labels))

    values = [loss(trained)]
    for epochs in (1, 4):
        method = instance("gradient_ascent", epochs=epochs, lr=0.02, batch_size=8)
        values.append(loss(served(method, task, trained, step)))
    assert values[0] < values[1] < values[2]


def test_one_step_of_gradient_ascent_is_the_gradient(digits, trained):
    ids = ninth_ids(digits)
    task = new_task(digits, job())
    model = task.model(trained)
    images = normalised(task.data.train_images[ids], task.data)
    torch.nn.functional.cross_entropy(model(images), task.data.train_labels[ids]).backward()
    method = instance("gradient_ascent", epochs=1, lr=0.5, batch_size=1000)
    state = served(method, task, trained, request(digits, ids))
    for name, parameter in model.named_parameters():
        expected = trained[name] + 0.5 * parameter.grad.cpu().numpy()
        assert np.asarray(state[name]) == pytest.approx(expected, abs=1e-6)


def test_frozen_batch_statistics(digits):
    described = job("resnet9", epochs=1, method="gradient_ascent", size={"width": 2})
    base = train_fleet(digits, described)
    result = unlearn_fleet(digits, described, base.states, deletions(digits.base_ids[:20]))
    moved = {
        n: not np.array_equal(result.states[0][n][0], base.states[0][n]) for n in base.states[0]
    }
    assert not any(m for n, m in moved.items() if "running" in n or "tracked" in n)
    assert any(m for n, m in moved.items() if "weight" in n)
