"""The conformance suite: what every method must do. New methods are found by themselves."""

import hashlib
import importlib
import inspect

import numpy as np
import pytest
import torch

from tests.support.jobs import job
from unlearn.jobs.setup import component, new_task
from unlearn.jobs.train import train_fleet
from unlearn.jobs.unlearn import unlearn_fleet
from unlearn.requests.request import NO_IDS, Request, Step
from unlearn.study import registry, schema
from unlearn.training.loop import normalised

METHODS = registry.names("methods")
CHANGING = [name for name in METHODS if name != "original"]
GUARANTEES = ("exact", "certified", "approximate", "none")


MODELS = {
    "mlp": {"precision": "float32"},
    "cnn1": {"precision": "bfloat16"},
    "resnet9": {"precision": "float32"},
}


def described(model="mlp", **keywords):
    found = job(model, epochs=8, **MODELS[model], **keywords)
    if model == "resnet9":
        found["model"]["parameters"]["width"] = 2
    return found


@pytest.fixture(params=MODELS)
def model(request):
    """A model that the trainer of the method can work with."""
    name = request.node.callspec.params["name"]
    trainer = registry.facts("methods", name)["trainer"] or "standard"
    plan = registry.facts("trainers", trainer).get("PLAN")
    allowed = getattr(importlib.import_module(plan), "MODELS", MODELS) if plan else MODELS
    if request.param not in allowed:
        pytest.skip(f"{trainer} is not for {request.param}")
    return request.param


class Trained(dict):
    """A trained model for each (architecture, method that will unlearn it), made when needed."""

    def __init__(self, digits):
        self.digits = digits

    def __missing__(self, key):
        model, method = key
        trainer = registry.facts("methods", method)["trainer"] or "standard"
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
    return next(iter(Request([np.sort(ids)], [NO_IDS]).steps(200, digits.base_ids)))


def instance(name):
    parameters = schema.with_defaults({}, schema.read("methods")[name])
    return component("methods", {"kind": name, "parameters": parameters})


def serve(name, digits, trained, step, seed=0, model="mlp"):
    task = new_task(digits, described(model, method=name))
    state = instance(name).unlearn(task, trained, step, seed)
    return {key: np.asarray(value) for key, value in state.items()}, task


def checksum(state):
    sha = hashlib.sha256()
    for name in sorted(state):
        sha.update(name.encode() + np.ascontiguousarray(state[name]).tobytes())
    return sha.hexdigest()


def some(digits):
    return digits.base_ids[::9]


@pytest.mark.parametrize("name", METHODS)
class TestEveryMethod:
    def test_declares_itself(self, name):
        facts = registry.facts("methods", name)
        assert set(facts["serves"]) <= {"delete", "add"}
        assert facts["guarantee"] in GUARANTEES
        assert facts["trainer"] is None or facts["trainer"] in registry.names("trainers")

    def test_constructor_only_stores_what_the_schema_lists(self, name):
        method = instance(name)
        parameters = schema.with_defaults({}, schema.read("methods")[name])
        assert vars(method) == parameters
        signature = inspect.signature(type(method))
        assert all(p.default is p.empty for p in signature.parameters.values())

    def test_gives_a_state_like_the_trained_one(self, name, model, digits, trained_models):
        trained = trained_models[model, name]
        state, _ = serve(name, digits, trained, request(digits, some(digits)), model=model)
        own = {k: v.dtype for k, v in state.items() if k in trained or "/" not in k}
        assert own == {k: v.dtype for k, v in trained.items()}
        served = new_task(digits, described(model, method=name)).trainer.served(trained)
        assert all(state[k].shape == trained[k].shape for k in served)
        assert all(np.isfinite(v).all() for v in state.values())

    def test_does_not_touch_its_input(self, name, model, digits, trained_models):
        trained = trained_models[model, name]
        before = checksum(trained)
        state, _ = serve(name, digits, trained, request(digits, some(digits)), model=model)
        for value in state.values():
            value[...] = 0  # neither does a later change of the result
        assert checksum(trained) == before

    def test_is_deterministic_given_the_seed(self, name, model, digits, trained_models):
        trained, step = trained_models[model, name], request(digits, some(digits))
        first, _ = serve(name, digits, trained, step, model=model)
        torch.manual_seed(99)
        np.random.seed(99)
        again, _ = serve(name, digits, trained, step, model=model)
        assert checksum(first) == checksum(again)

    @pytest.mark.parametrize("ids", ["nobody", "one", "class"])
    def test_survives_odd_requests(self, name, model, ids, digits, trained_models):
        chosen = {
            "nobody": NO_IDS,
            "one": digits.base_ids[:1],
            "class": digits.base_ids[digits.train_labels[digits.base_ids] == 3],
        }[ids]
        step = request(digits, chosen)
        state, _ = serve(name, digits, trained_models[model, name], step, model=model)
        assert all(np.isfinite(v).all() for v in state.values())

    def test_survives_additions(self, name, digits, trained_models):
        trained = trained_models["mlp", name]
        step = next(iter(Request([NO_IDS], [digits.held_out_ids[:9]]).steps(200, digits.base_ids)))
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
        for ids in ([200], [digits.held_out_ids[0]]):
            outside = Request([np.array(ids)], [NO_IDS])
            with pytest.raises(ValueError, match=f"point {ids[0]}"):
                unlearn_fleet(digits, described, base.states, outside)

    def test_leaves_global_random_state_alone(self, name, digits, trained_models):
        trained = trained_models["mlp", name]
        task = new_task(digits, described("mlp", method=name))
        torch.manual_seed(5)
        expected = torch.random.get_rng_state()
        instance(name).unlearn(task, trained, request(digits, some(digits)), 0)
        assert torch.equal(torch.random.get_rng_state(), expected)


@pytest.mark.parametrize("name", CHANGING)
def test_changes_the_model(name, model, digits, trained_models):
    """Trainable weights and predictions, not the statistics of batch normalisation alone."""
    trained = trained_models[model, name]
    state, task = serve(name, digits, trained, request(digits, some(digits)), model=model)
    weights = task.trainer.parameters(task) or task.trainer.served(trained)
    assert any(not np.array_equal(state[k], trained[k]) for k in weights)
    pixels = task.data.test_images
    before, after = (task.trainer.predict(task, s, pixels) for s in (trained, state))
    assert not torch.equal(before, after)


def test_one_step_of_finetuning_is_the_analytic_step(digits, trained):
    """w - lr (gradient on the retain set + decay w), one minibatch, no momentum."""
    ids = some(digits)
    retained = np.setdiff1d(digits.base_ids, ids)
    plain = {"batch_size": 200, "momentum": 0.0, "weight_decay": 0.01}
    task = new_task(digits, job(**plain))
    method = component(
        "methods",
        {"kind": "finetune", "parameters": {"epochs": 1, "lr": 0.3, "schedule": "constant"}},
    )
    state = method.unlearn(task, trained, request(digits, ids), 0)
    model = task.model(trained)
    images = normalised(task.data.train_images[retained], task.data)
    torch.nn.functional.cross_entropy(model(images), task.data.train_labels[retained]).backward()
    for name, parameter in model.named_parameters():
        step = parameter.grad.cpu().numpy() + 0.01 * trained[name]
        assert np.asarray(state[name]) == pytest.approx(trained[name] - 0.3 * step, abs=1e-6)


def test_work_is_charged_to_the_sample(digits, trained):
    ids = some(digits)
    retained = len(digits.base_ids) - len(ids)
    expected = {"original": 0, "retrain": 8 * retained, "finetune": 2 * retained}
    expected["gradient_ascent"] = 5 * len(ids)
    for name, count in expected.items():
        _, task = serve(name, digits, trained, request(digits, ids))
        assert task.meter.gradient_evaluations == count, name
        assert (task.meter.flops > 0) is (count > 0)


def test_original_is_the_trained_model(digits, trained):
    state, task = serve("original", digits, trained, request(digits, some(digits)))
    assert checksum(state) == checksum(trained)
    assert task.meter.gradient_evaluations == 0


def test_retrain_of_nothing_is_the_original_to_the_bit(digits, trained):
    state, _ = serve("retrain", digits, trained, request(digits, NO_IDS))
    assert checksum(state) == checksum(trained)


def test_retrain_does_not_depend_on_the_trained_model(digits, trained):
    step = request(digits, some(digits))
    state, _ = serve("retrain", digits, trained, step)
    zeros = {name: np.zeros_like(value) for name, value in trained.items()}
    again, _ = serve("retrain", digits, zeros, step)
    assert checksum(state) == checksum(again)


def with_pixels(digits, ids, value):
    pixels = digits.train_images.copy()
    pixels[ids] = value
    fields = {name: getattr(digits, name) for name in digits.__dataclass_fields__}
    return type(digits)(**fields | {"train_images": pixels})


@pytest.mark.parametrize(
    ("name", "blind"), [("retrain", True), ("finetune", True), ("gradient_ascent", False)]
)
def test_who_reads_the_forget_set(name, blind, digits, trained):
    ids = some(digits)
    state, _ = serve(name, digits, trained, request(digits, ids))
    other, _ = serve(name, with_pixels(digits, ids, 77), trained, request(digits, ids))
    assert (checksum(state) == checksum(other)) is blind


def test_gradient_ascent_does_not_read_the_retain_set(digits, trained):
    ids = some(digits)
    retained = np.setdiff1d(digits.base_ids, ids)
    state, _ = serve("gradient_ascent", digits, trained, request(digits, ids))
    other, _ = serve(
        "gradient_ascent", with_pixels(digits, retained, 77), trained, request(digits, ids)
    )
    assert checksum(state) == checksum(other)


def test_gradient_ascent_raises_the_loss_of_the_forget_set(digits, trained):
    ids = some(digits)
    step = request(digits, ids)
    task = new_task(digits, job())
    labels = task.data.train_labels[ids].cpu()

    def loss(state):
        logits = task.trainer.predict(task, state, task.data.train_images[ids])
        return float(torch.nn.functional.cross_entropy(logits, labels))

    values = [loss(trained)]
    for epochs in (1, 4):
        method = component(
            "methods",
            {
                "kind": "gradient_ascent",
                "parameters": {"epochs": epochs, "lr": 0.02, "batch_size": 8},
            },
        )
        values.append(loss(method.unlearn(task, trained, step, 0)))
    assert values[0] < values[1] < values[2]


def test_one_step_of_gradient_ascent_is_the_gradient(digits, trained):
    ids = some(digits)
    task = new_task(digits, job())
    model = task.model(trained)
    images = normalised(task.data.train_images[ids], task.data)
    torch.nn.functional.cross_entropy(model(images), task.data.train_labels[ids]).backward()
    parameters = {"epochs": 1, "lr": 0.5, "batch_size": 1000}
    method = component("methods", {"kind": "gradient_ascent", "parameters": parameters})
    state = method.unlearn(task, trained, request(digits, ids), 0)
    for name, parameter in model.named_parameters():
        expected = trained[name] + 0.5 * parameter.grad.cpu().numpy()
        assert np.asarray(state[name]) == pytest.approx(expected, abs=1e-6)


def test_frozen_batch_statistics(digits):
    data = digits
    described = job("resnet9", epochs=1, method="gradient_ascent")
    described["model"]["parameters"]["width"] = 2
    base = train_fleet(data, described)
    result = unlearn_fleet(data, described, base.states, Request([data.base_ids[:20]], [NO_IDS]))
    moved = {
        n: not np.array_equal(result.states[0][n][0], base.states[0][n]) for n in base.states[0]
    }
    assert not any(m for n, m in moved.items() if "running" in n or "tracked" in n)
    assert any(m for n, m in moved.items() if "weight" in n)
