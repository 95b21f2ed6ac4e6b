"""What the controls change, and what they leave as it is."""

from dataclasses import replace

import numpy as np
import pytest

from tests.support.conformance import (
    Subject,
    checksum,
    instance,
    ninth_ids,
    ninth_step,
    request,
    retrained,
)
from tests.support.streams import with_pixels
from tests.support.study import load
from unlearn.core import registry
from unlearn.core.setting import Setting
from unlearn.requests.request import NO_IDS
from unlearn.study.jobs import Jobs
from unlearn.study.load import StudyError


@pytest.fixture(scope="module")
def trained(digits):
    """Models of the standard trainer, by architecture."""
    return {model: Subject(instance("finetune"), digits, model=model).trained() for model in MODELS}


MODELS = ("mlp", "cnn1", "resnet9")


def serve(name, digits, trained, model="mlp", step=None, **options):
    """The state of a control after the deletion of a ninth, and the task."""
    subject = Subject(instance(name, **options), digits, name, model)
    return subject.serve(trained[model], step=step)


def names_of_parameters(task):
    return [name for name, _ in task.new_model(0).named_parameters()]


# -- partial retraining


def test_partial_retraining_at_1_is_the_oracle_to_the_bit(digits, trained):
    state, task = serve("partial_retraining", digits, trained, fraction=1)
    retain_ids = np.setdiff1d(digits.base_ids, ninth_ids(digits))
    oracle = next(retrained(Subject(instance("retrain"), digits), retain_ids))
    assert checksum(state) == checksum(oracle)
    _, oracle_task = serve("retrain", digits, trained)
    assert task.meter.gradient_evaluations == oracle_task.meter.gradient_evaluations
    assert task.meter.optimizer_steps == oracle_task.meter.optimizer_steps


@pytest.mark.parametrize("fraction", [0.1, 0.25, 0.5, 0.75])
def test_partial_retraining_costs_the_fraction_of_the_oracle(fraction, digits, trained):
    _, oracle_task = serve("retrain", digits, trained)
    _, task = serve("partial_retraining", digits, trained, fraction=fraction)
    oracle_steps = oracle_task.meter.optimizer_steps
    assert task.meter.optimizer_steps == round(fraction * oracle_steps)
    share = task.meter.gradient_evaluations / oracle_task.meter.gradient_evaluations
    assert share == pytest.approx(fraction, abs=2 / oracle_steps)
    assert task.meter.flops / oracle_task.meter.flops == pytest.approx(share)


def test_partial_retraining_ends_at_the_end_of_the_schedule(digits, trained):
    """A whole number of epochs is the oracle of a recipe with so many epochs."""
    state, _ = serve("partial_retraining", digits, trained, fraction=0.25)
    subject = Subject(instance("retrain"), digits)
    task = subject.task()
    short = replace(task, recipe=replace(task.recipe, epochs=2))
    assert task.recipe.epochs == 8 and task.recipe.schedule == "cosine"
    oracle = task.trainer.retrain(short, np.setdiff1d(digits.base_ids, ninth_ids(digits)), 0)
    assert checksum(state) == checksum({name: np.asarray(t) for name, t in oracle.items()})


def test_partial_retraining_takes_one_step_at_least(digits, trained):
    _, task = serve("partial_retraining", digits, trained, fraction=1e-9)
    assert task.meter.optimizer_steps == 1


# -- statistics of batch normalisation


@pytest.mark.parametrize("points", ["retain", "forget"])
def test_bn_only_moves_statistics_and_no_weight(points, digits, trained):
    state, task = serve("bn_only", digits, trained, "resnet9", points=points)
    before = trained["resnet9"]
    for name in names_of_parameters(task):
        assert np.array_equal(state[name], before[name]), name
    moved = {name for name in state if not np.array_equal(state[name], before[name])}
    statistics = {name for name in state if "running" in name or "tracked" in name}
    assert moved == statistics and statistics


@pytest.mark.parametrize("points", ["retain", "forget"])
def test_bn_only_reads_the_points_of_its_parameter_alone(points, digits, trained):
    ids = {"forget": ninth_ids(digits), "retain": np.setdiff1d(digits.base_ids, ninth_ids(digits))}
    method = instance("bn_only", points=points)
    state, task = Subject(method, digits, model="resnet9").serve(trained["resnet9"])
    assert task.meter.forward_evaluations == len(ids[points])
    assert task.meter.gradient_evaluations == 0 and task.meter.flops > 0
    for split, split_ids in ids.items():
        destroyed = with_pixels(digits, split_ids, 77)
        other, _ = Subject(method, digits, model="resnet9").serve(trained["resnet9"], destroyed)
        assert (checksum(other) == checksum(state)) is (split != points)


def test_the_statistics_of_the_first_layer_are_the_means_over_the_points(digits, trained):
    """In closed form: the mean of the convolution's outputs over all points and pixels."""
    import torch

    state, task = serve("bn_only", digits, trained, "resnet9")
    retain_ids = np.setdiff1d(digits.base_ids, ninth_ids(digits))
    model = task.model(trained["resnet9"])
    with torch.no_grad():
        outputs = model[0][0](task.data.images(retain_ids))
    expected = outputs.mean(dim=(0, 2, 3)).cpu().numpy()
    assert state["0.1.running_mean"] == pytest.approx(expected, abs=1e-5)


def test_bn_only_changes_nothing_without_a_minibatch(digits, trained):
    for ids in (NO_IDS, digits.base_ids[:1]):
        step = request(digits, ids)
        state, _ = serve("bn_only", digits, trained, "resnet9", step, points="forget")
        assert checksum(state) == checksum(trained["resnet9"])


@pytest.mark.parametrize("model", registry.names("models"))
def test_bn_only_refuses_architectures_without_batch_normalisation(model, digits):
    from unlearn.models.layers import batch_normalisations

    architecture = registry.find("models", model)()
    has_layers = bool(batch_normalisations(architecture.build((8, 8, 1), 10)))
    assert architecture.has_batch_normalisation in (None, has_layers)
    reason = instance("bn_only").supports(Setting(model=architecture))
    assert (reason is None) is has_layers
    assert has_layers or "has no batch normalisation; allowed: " in reason


def test_bn_only_fails_in_one_line_on_a_network_without_batch_normalisation(digits, trained):
    with pytest.raises(ValueError, match=r"^Mlp has no batch normalisation$"):
        serve("bn_only", digits, trained)


def test_a_study_refuses_bn_only_on_networks_without_batch_normalisation():
    message = "model: bn_only, cnn1 on digits: Cnn1 has no batch normalisation; allowed: "
    with pytest.raises(StudyError, match=message):
        load(lambda _, experiment: experiment.update(method="bn_only"))


# -- the last layer


@pytest.mark.parametrize("model", MODELS)
def test_head_only_leaves_the_features_untouched_to_the_bit(model, digits, trained):
    state, task = serve("head_only", digits, trained, model)
    before = trained[model]
    head = names_of_parameters(task)[-2:]
    moved = [name for name in state if not np.array_equal(state[name], before[name])]
    assert sorted(moved) == sorted(head)


def test_head_only_raises_the_loss_of_the_forget_set(digits, trained):
    import torch

    def loss(state, task):
        ids = ninth_ids(digits)
        logits = task.trainer.predict(task, state, task.data.train_images[ids])
        return float(torch.nn.functional.cross_entropy(logits, task.data.labels(ids).cpu()))

    descent, task = serve("head_only", digits, trained, beta=0, epochs=5, lr=0.05)
    ascent, _ = serve("head_only", digits, trained, beta=1, epochs=5, lr=0.05)
    assert loss(ascent, task) > loss(trained["mlp"], task) > 0
    assert loss(ascent, task) > loss(descent, task)


def test_head_only_without_ascent_does_not_read_the_forget_set(digits, trained):
    method = instance("head_only", beta=0)
    state, task = Subject(method, digits).serve(trained["mlp"])
    destroyed = with_pixels(digits, ninth_ids(digits), 77)
    other, _ = Subject(method, digits).serve(trained["mlp"], destroyed)
    assert checksum(state) == checksum(other)
    assert task.meter.gradient_evaluations == len(digits.base_ids) - len(ninth_ids(digits))


# -- sham


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("of", ["finetune", "gradient_ascent", "retrain"])
def test_sham_noise_has_the_norm_of_the_change_in_every_tensor(of, model, digits, trained):
    before = trained[model]
    inner, inner_task = serve(of, digits, trained, model)
    state, task = serve("sham", digits, trained, model, of=of)
    for name in names_of_parameters(task):
        change = np.linalg.norm(inner[name].astype(float) - before[name])
        noise = np.linalg.norm(state[name].astype(float) - before[name])
        assert noise == pytest.approx(change, rel=1e-3), name
        assert not change or not np.array_equal(state[name], inner[name])
    for name in set(state) - set(names_of_parameters(task)):
        assert np.array_equal(state[name], before[name]), name
    counts = ("gradient_evaluations", "forward_evaluations", "optimizer_steps", "flops")
    assert [getattr(task.meter, name) for name in counts] == [
        getattr(inner_task.meter, name) for name in counts
    ]


def test_the_draws_of_sham_are_independent_of_each_other_and_of_the_change(digits, trained):
    before = trained["mlp"]
    inner, _ = serve("finetune", digits, trained)
    states = [serve("sham", digits, trained, draw=draw)[0] for draw in (0, 1)]
    changes = [(state["1.weight"] - before["1.weight"]).ravel() for state in (*states, inner)]
    for first, second in ((0, 1), (0, 2), (1, 2)):
        assert abs(np.corrcoef(changes[first], changes[second])[0, 1]) < 0.05


def test_sham_runs_the_method_at_its_parameters(digits, trained):
    block = {"name": "finetune", "epochs": 5, "lr": 0.1}
    inner, _ = serve("finetune", digits, trained, epochs=5, lr=0.1)
    state, _ = serve("sham", digits, trained, of=block)
    before = trained["mlp"]
    change = np.linalg.norm(inner["1.weight"].astype(float) - before["1.weight"])
    assert np.linalg.norm(state["1.weight"] - before["1.weight"]) == pytest.approx(change, rel=1e-3)


def test_sham_of_a_method_that_reads_the_retain_set_reads_no_other(digits, trained):
    state, _ = serve("sham", digits, trained)
    destroyed = with_pixels(digits, ninth_ids(digits), 77)
    other, _ = Subject(instance("sham"), digits).serve(trained["mlp"], destroyed)
    assert checksum(state) == checksum(other)


OTHER_METHODS = ", ".join(name for name in registry.names("methods") if name != "sham")


@pytest.mark.parametrize(
    ("of", "message"),
    [
        ("sham", f"of: sham is no other method; allowed: {OTHER_METHODS}"),
        ("finetun", f"of: finetun is no other method; allowed: {OTHER_METHODS}"),
        ("original", "of: original changes no weight"),
        ("bn_only", "of: bn_only changes no weight"),
        ("sisa", "of: sisa unlearns models of the trainer sisa"),
        ({"name": "finetune", "epoch": 3}, "of: finetune has no epoch; allowed: epochs, lr, "),
        ({"name": "finetune", "epochs": 0}, "epochs: 0 is not allowed"),
        ({"epochs": 3}, "of: {'epochs': 3} is not allowed; allowed: name or block"),
        (3, "of: 3 is not allowed; allowed: name or block"),
    ],
    ids=str,
)
def test_sham_refuses_what_it_cannot_copy_in_one_line(of, message):
    with pytest.raises(ValueError) as error:
        registry.find("methods", "sham")(of=of)
    assert str(error.value).startswith(message) and "\n" not in str(error.value)


def test_a_study_names_the_method_of_sham_as_its_own_methods():
    """By a name of the study or by a block with a name, whose lists multiply."""

    def change(config, experiment):
        config["methods"] = {"slow": {"name": "finetune", "epochs": 9}}
        inner = {"name": "finetune", "epochs": [3, 4]}
        experiment["method"] = [{"name": "sham", "of": "slow"}, {"name": "sham", "of": inner}]
        experiment["figure"] = {"x": "method.of", "split": "test", "colour": "request"}

    plan = load(change)
    shams = {n: v.block()["parameters"]["of"] for n, v in plan.variants.items() if v.kind == "sham"}
    assert {name: of["epochs"] for name, of in shams.items()} == {
        "sham-of=slow": 9,
        "sham-of=finetune-epochs=3": 3,
        "sham-of=finetune-epochs=4": 4,
    }
    assert {of["name"] for of in shams.values()} == {"finetune"}
    cell = next(cell for cell in plan.cells if cell.variant == "sham-of=slow")
    assert "unlearn.methods.finetune" in Jobs(plan).unlearn(cell).modules()


@pytest.mark.parametrize(
    ("of", "message"),
    [
        ("finetun", "method.of: unknown method 'finetun'; .* Did you mean finetune?"),
        ({"name": "finetune", "epoch": 1}, "method.of: unknown key 'epoch'"),
        ({"name": "finetune", "epochs": 0}, "method.of.epochs: 0 is not allowed"),
        ({"epochs": 3}, "method.of: 'name' is a required property"),
        ("sisa", "method: sham-of=sisa: of: sisa unlearns models of the trainer sisa"),
    ],
    ids=str,
)
def test_a_study_refuses_what_sham_cannot_copy(of, message):
    with pytest.raises(StudyError, match=f"experiments.accuracy.{message}"):
        load(lambda _, experiment: experiment.update(method={"name": "sham", "of": of}))


def test_a_study_refuses_sham_where_its_method_cannot_serve():
    def change(config, experiment):
        experiment["method"] = {"name": "sham", "of": "gradient_ascent"}
        config["datasets"]["digits"]["held_out"] = 0.2
        experiment["request"] = {"name": "held_out", "rate": 0.1}

    with pytest.raises(StudyError, match="gradient_ascent can only delete"):
        load(change)


def test_a_ninth_is_deleted_in_these_tests(digits):
    assert len(ninth_step(digits).forget_ids) == 18
