"""Influence distillation: its loss, its controls, its streams, what it may and may not read."""

import dataclasses

import numpy as np
import pytest
import torch
from torch.nn import functional

from tests.support.jobs import job
from tests.support.streams import deletions, served_steps, with_pixels
from unlearn.algorithms.influence import curvature, forget_weights
from unlearn.algorithms.losses import cross_entropy
from unlearn.core import registry, seeding
from unlearn.core.setting import Setting
from unlearn.jobs.setup import new_task
from unlearn.jobs.train import train_fleet
from unlearn.jobs.unlearn import unlearn_fleet
from unlearn.requests.request import NO_IDS, Request
from unlearn.training.data import normalised
from unlearn.training.loop import fit
from unlearn.training.state import state_of

torch.set_num_threads(1)

QUICK = {"epochs": 2, "batch_size": 32, "curvature_points": 50}


def distillation_job(model="mlp", options=None, **recipe):
    parameters = QUICK | (options or {})
    recipe = {"epochs": 8} | recipe
    return job(model, method="influence_distillation", options=parameters, **recipe)


def naive_job(**options):
    return job("mlp", method="naive_finetuning", options=options, epochs=8)


class Run:
    """A teacher, and its students."""

    def __init__(self, data, model="mlp", **recipe):
        self.data = data
        self.model = model
        self.recipe = recipe
        self.task = new_task(data, distillation_job(model, **recipe))
        self.trained = self.task.trainer.train(self.task, data.base_ids, 0)

    def unlearn(self, request, trained=None, data=None, **options):
        """The states after each step; `meters` are those of the steps."""
        described = distillation_job(self.model, options, **self.recipe)
        method = registry.create("methods", described.method)
        self.task = new_task(data or self.data, described)
        self.student_task = method.student_task(self.task)
        states, self.meters = served_steps(method, self.task, trained or self.trained, request)
        return states

    def logits(self, state, ids):
        task = self.student_task
        return task.trainer.predict(task, state, task.data.train_images[torch.from_numpy(ids)])

    def loss(self, state, ids):
        labels = self.student_task.data.train_labels[torch.from_numpy(ids)]
        return float(functional.cross_entropy(self.logits(state, ids), labels))


@pytest.fixture(scope="module")
def run(digits):
    return Run(digits)


def same(a, b, names=None):
    names = [n for n in a if "/" not in n] if names is None else names
    return all(np.array_equal(np.asarray(a[n]), np.asarray(b[n])) for n in names)


# -- the controls --------------------------------------------------------------------------------


def test_the_student_from_scratch_is_plain_training(run, digits):
    """Bit for bit what the standard trainer gives for the student's architecture and recipe."""
    ids = digits.base_ids[::5]
    scratch = {"alpha": 0.0, "weights": "none", "student": "cnn1"}
    state = run.unlearn(deletions(ids), **scratch)[0]
    retain_ids = np.setdiff1d(digits.base_ids, ids)
    task = run.student_task
    order = seeding.derive(0, "training")
    model = task.new_model(seeding.derive(0, "initial weights"))
    optimizer = task.optimizer(
        model, lr=0.05, momentum=0.9, weight_decay=0.0005, schedule="cosine", steps=14, clip=5.0
    )
    for epoch in range(2):
        for batch in task.minibatches(retain_ids, order, epoch, batch_size=32, among=task.data.ids):
            loss = cross_entropy(model(batch.images), batch.labels)
            optimizer.step(loss, 7 * epoch + batch.index)
    assert same(state_of(model), state)
    free = task.new_model(seeding.derive(0, "initial weights"))
    recipe = dataclasses.replace(
        task.recipe,
        epochs=2,
        batch_size=32,
        lr=0.05,
        momentum=0.9,
        weight_decay=0.0005,
        schedule="cosine",
    )
    fit(task, free, retain_ids, recipe, order)
    assert same(state_of(free), run.unlearn(deletions(ids), **scratch | {"clip": None})[0])
    assert not any(n.startswith("teacher/") for n in state)  # no student will need it
    later = run.unlearn(deletions(ids[:9], ids[9:]), **scratch)[1]
    assert same(later, state)
    clean_teacher = scratch | {"alpha": 0.9, "teacher": "retrained"}
    assert same(
        run.unlearn(deletions(ids[:9], ids[9:]), **clean_teacher)[1],
        run.unlearn(deletions(ids), **clean_teacher)[0],
    )
    unused = run.unlearn(deletions(ids), **scratch | {"beta": 9.0, "temperature": 1.0})[0]
    assert same(unused, state)


def test_without_a_push_the_deleted_points_are_not_read(run, digits):
    ids = digits.base_ids[::5]
    none = run.unlearn(deletions(ids), weights="none")[0]
    assert same(none, run.unlearn(deletions(ids), beta=0.0, weights="uniform")[0])
    assert same(
        none, run.unlearn(deletions(ids), data=with_pixels(digits, ids, 77), weights="none")[0]
    )
    pushed = run.unlearn(deletions(ids), weights="uniform")[0]
    assert not same(none, pushed)
    assert not same(
        pushed, run.unlearn(deletions(ids), data=with_pixels(digits, ids, 77), weights="uniform")[0]
    )


def test_the_teacher_is_read_and_never_asked_again(run, digits):
    """Its logits come from the artefact: other logits there give another student."""
    ids = digits.base_ids[::5]
    first = run.unlearn(deletions(ids), weights="none")[0]
    assert run.meters[0].forward_evaluations == 0
    other = dict(run.trained) | {"cache/logits": run.trained["cache/logits"].flip(1)}
    assert not same(first, run.unlearn(deletions(ids), other, weights="none")[0])
    zeros = {n: t * 0 for n, t in run.trained.items() if "/" not in n}
    assert same(first, run.unlearn(deletions(ids), run.trained | zeros, weights="none")[0])
    logits = run.trained["cache/logits"].clone()
    logits[torch.from_numpy(ids)] = 1e9
    changed = run.trained | {"cache/logits": logits}
    assert same(first, run.unlearn(deletions(ids), changed, weights="none")[0])


def test_the_clean_teacher_is_the_retrained_one(run, digits):
    ids = digits.base_ids[::5]
    state = run.unlearn(deletions(ids), weights="none", teacher="retrained")[0]
    clean_state = run.task.trainer.train(run.task, np.setdiff1d(digits.base_ids, ids), 0)
    assert same(state, run.unlearn(deletions(ids), clean_state, weights="none")[0])
    assert not same(state, run.unlearn(deletions(ids), weights="none")[0])
    assert run.task.trainer.retrain(run.task, digits.base_ids, 0).keys() == set(
        run.task.trainer.served(run.trained)
    )


def test_fine_tuning_starts_from_the_teacher(run, digits):
    ids = digits.base_ids[::5]
    before = {name: tensor.clone() for name, tensor in run.trained.items()}
    near = run.unlearn(deletions(ids), start="teacher", lr=1e-9, weights="uniform")[0]
    assert all(np.allclose(near[n], run.trained[n], atol=1e-5) for n in near if "/" not in n)
    far = run.unlearn(deletions(ids), start="teacher", weights="uniform")[0]
    assert not same(far, run.trained)
    assert same(before, run.trained, before)


# -- weights -------------------------------------------------------------------------------------


@pytest.mark.parametrize("weights", ["uniform", "teacher_loss", "fisher", "hessian"])
def test_the_push_raises_the_loss_of_deleted_points(run, digits, weights):
    ids = digits.base_ids[::5]
    losses = []
    for beta in (0.0, 0.3, 3.0):
        state = run.unlearn(deletions(ids), weights=weights, beta=beta, epochs=6)[0]
        losses.append(run.loss(state, ids))
    assert losses[0] < losses[1] < losses[2]
    assert 0 < run.meters[0].counts["active_fraction"] <= 1


def test_weights_are_those_of_the_teacher(run, digits, monkeypatch):
    """Raw values against direct computation, point by point."""
    ids = digits.base_ids[::5]
    influences = []

    def recorded(raw, cap, ids, weights_of=forget_weights.weights_of):
        influences.append(raw)
        return weights_of(raw, cap, ids)

    monkeypatch.setattr(forget_weights, "weights_of", recorded)
    run.unlearn(deletions(ids), weights="teacher_loss")
    labels = torch.from_numpy(digits.train_labels[ids])
    network = run.task.model(run.trained).eval()
    images = normalised(run.task.data.train_images[torch.from_numpy(ids)], run.task.data)
    losses = functional.cross_entropy(network(images), labels, reduction="none").detach()
    assert influences[-1] == pytest.approx(losses.numpy(), rel=1e-4, abs=1e-6)
    run.unlearn(deletions(ids), weights="fisher", curvature_points=10_000, damping=0.3)
    retain_ids = np.setdiff1d(digits.base_ids, ids)

    def gradient(i):
        image = normalised(run.task.data.train_images[i : i + 1], run.task.data)
        loss = functional.cross_entropy(network(image), run.task.data.train_labels[i : i + 1])
        return torch.cat([g.flatten() for g in torch.autograd.grad(loss, network.parameters())])

    diagonal = torch.stack([gradient(i).square() for i in retain_ids]).double().mean(0)
    inverse = 1 / (diagonal + 0.3 * diagonal.mean())
    expected = [float((gradient(i).double() ** 2 * inverse).sum()) for i in ids]
    assert influences[-1] == pytest.approx(expected, rel=1e-3)
    spent = run.meters[0].gradient_evaluations
    run.unlearn(deletions(ids), weights="uniform")
    assert spent - run.meters[0].gradient_evaluations == len(ids) + len(retain_ids)


def test_systems_too_many_to_solve_are_refused(run, digits):
    with pytest.raises(ValueError, match=r"each of 32 deleted points; allowed: most_points: 31"):
        run.unlearn(
            deletions(digits.base_ids[::5]), weights="hessian", layers="all", most_points=31
        )
    with pytest.warns(UserWarning, match="not converged"):
        run.unlearn(
            deletions(digits.base_ids[:2]), weights="hessian", layers="all", damping=1e-9,
            curvature_points=5,
        )  # fmt: skip
    counts = run.meters[0].counts
    assert counts["unconverged_solves"] > 0 and counts["largest_residual"] > curvature.CG_TOLERANCE


def test_a_memorised_set_is_weighted_evenly(run, digits):
    certain = 1000.0 * functional.one_hot(torch.from_numpy(digits.train_labels), 10)
    trained = run.trained | {"cache/logits": certain}
    with pytest.warns(UserWarning, match="teacher_loss: no point has any influence"):
        state = run.unlearn(deletions(digits.base_ids[::5]), trained, weights="teacher_loss")[0]
    assert run.meters[0].counts["uniform_fallbacks"] == 1
    assert same(state, run.unlearn(deletions(digits.base_ids[::5]), trained, weights="uniform")[0])


def test_without_a_bound_divergence_is_a_result(digits):
    """The last weights that were finite, and a mark."""
    run = Run(digits)
    ids = digits.base_ids[::5]
    with pytest.warns(UserWarning, match="training has diverged"):
        state = run.unlearn(
            deletions(ids), weights="uniform", bounded=False, beta=1e30, lr=1e30, clip=1e30,
            epochs=20,
        )[0]  # fmt: skip
    assert run.meters[0].diverged
    assert all(np.isfinite(np.asarray(t)).all() for t in state.values())
    trained = train_fleet(digits, distillation_job()).states
    options = {"bounded": False, "beta": 1e30, "lr": 1e30, "clip": 1e30, "epochs": 20}
    with pytest.warns(UserWarning, match="diverged"):
        result = unlearn_fleet(digits, distillation_job(options=options), trained, deletions(ids))
    assert result.costs[0][0]["diverged"]
    chained = distillation_job(options=options | {"stream": "chained", "clip": None})
    later = Request([ids, NO_IDS], [NO_IDS, digits.held_out_ids[:5]])
    with pytest.warns(UserWarning, match="diverged"):
        result = unlearn_fleet(digits, chained, trained, later)
    assert [cost["diverged"] for cost in result.costs[0]] == [True, True]


def test_batch_normalisation_is_warned_of(digits):
    run = Run(digits)
    with pytest.warns(UserWarning, match="deleted points into the statistics"):
        run.unlearn(deletions(digits.base_ids[:9]), student="resnet9", size=2, epochs=1)


def naive(digits, trained, request, **options):
    return unlearn_fleet(digits, naive_job(**options), [trained], request)


def test_naive_finetuning_raises_the_loss_up_to_its_bound(run, digits):
    ids = digits.base_ids[::5]
    labels = torch.from_numpy(digits.train_labels[ids])
    rows = np.searchsorted(digits.evaluated_ids(deletions(ids)), ids)

    def loss(**change):
        logits = naive(digits, run.trained, deletions(ids), **change).logits[0, 0][rows]
        return float(functional.cross_entropy(torch.from_numpy(logits), labels))

    gentle = {"lr": 0.01}
    strong = {"lr": 0.05, "epochs": 30}
    assert loss(lr=1e-9) < loss(**gentle) < loss(**strong)
    assert loss(**strong) < loss(**strong, bounded=False)
    divergent = {"lr": 1e30, "clip": 1e30, "bounded": False, "epochs": 20}
    with pytest.warns(UserWarning, match="training has diverged"):
        costs = naive(digits, run.trained, deletions(ids, digits.base_ids[1:3]), **divergent).costs[
            0
        ]
    assert [cost["diverged"] for cost in costs] == [True, True]
    state = naive(digits, run.trained, deletions([]), **strong).states[0]
    assert all(np.array_equal(state[n][0], run.trained[n]) for n in state)


# -- streams -------------------------------------------------------------------------------------


def test_the_original_teacher_teaches_every_student(run, digits):
    """The last student is that of one request for all."""
    parts = digits.base_ids[:5], digits.base_ids[40:50], digits.base_ids[100:103]
    for weights in ("none", "fisher", "teacher_loss"):
        states = run.unlearn(deletions(*parts), weights=weights, student="cnn1")
        whole = run.unlearn(deletions(np.concatenate(parts)), weights=weights, student="cnn1")[0]
        assert same(states[-1], whole)
        assert not same(states[0], whole)


def test_students_teach_students_in_a_chain(run, digits):
    parts = digits.base_ids[:5], digits.base_ids[40:50]
    options = {"student": "cnn1", "stream": "chained", "weights": "fisher"}
    first, second = run.unlearn(deletions(*parts), **options)
    assert [int(s["cache/generation"]) for s in (run.trained, first, second)] == [0, 1, 2]
    assert not any(name.startswith("teacher/") for name in second)
    logits = run.logits(first, digits.base_ids)
    retain_ids = np.setdiff1d(digits.base_ids, parts[0])
    cached = np.asarray(first["cache/logits"])
    assert np.allclose(cached[retain_ids], run.logits(first, retain_ids), atol=1e-5)
    assert (cached[parts[0]] == 0).all() and logits.shape == (160, 10)
    assert np.array_equal(np.flatnonzero(first["cache/present"]), retain_ids)
    assert run.meters[0].forward_evaluations == len(retain_ids)
    original = run.unlearn(deletions(*parts), student="cnn1")[1]
    assert not same(second, original)


def test_new_points_are_shown_to_the_teacher_once(run, digits):
    added_ids = digits.held_out_ids[:7]
    state = run.unlearn(Request([NO_IDS], [added_ids]))[0]
    assert run.meters[0].forward_evaluations == 7
    assert run.meters[0].gradient_evaluations == 2 * 167
    assert run.loss(state, added_ids) < run.loss(run.unlearn(deletions([]))[0], added_ids)
    parts = [digits.held_out_ids[i : i + 5] for i in (0, 5, 10)]
    run.unlearn(Request([NO_IDS] * 3, parts))
    assert [meter.forward_evaluations for meter in run.meters] == [5, 5, 5]
    run.unlearn(Request([NO_IDS], parts[:1]), alpha=0.0, weights="none")
    assert run.meters[0].forward_evaluations == 0


def test_a_request_leaves_a_list_of_what_must_go(digits):
    described = distillation_job(options={"student": "cnn1"})
    trained = train_fleet(digits, described)
    result = unlearn_fleet(digits, described, trained.states, deletions(digits.base_ids[:9]))
    assert set(result.superseded) == set(trained.states[0]) - {"cache/logits", "cache/present"}
    assert set(result.states[0]) == {"0.weight", "0.bias", "4.weight", "4.bias"}
    assert result.compared == ["0.weight", "0.bias", "4.weight", "4.bias"]
    assert result.logits.shape[-1] == 10 and not result.costs[0][0]["diverged"]
    assert result.costs[0][0]["bytes_stored"] > 200 * 10 * 4


def test_teachers_are_the_models_of_the_standard_trainer(digits):
    for model in ("mlp", "cnn1"):
        standard = train_fleet(digits, job(model, precision="bfloat16"))
        teacher = train_fleet(
            digits, job(model, precision="bfloat16", method="influence_distillation")
        )
        assert same(standard.states[0], teacher.states[0])
        names = {"cache/logits", "cache/present", "cache/generation"}
        assert set(teacher.states[0]) - set(standard.states[0]) == names
        assert np.array_equal(standard.logits, teacher.logits)


def test_nothing_left_and_nothing_gone(run, digits):
    with pytest.raises(ValueError, match="no training data left"):
        run.unlearn(deletions(digits.base_ids))
    nothing = run.unlearn(deletions([]))[0]
    assert same(nothing, run.unlearn(deletions([]), weights="none")[0])
    assert run.meters[0].gradient_evaluations == 2 * 160


# -- references and guarantee -----------------------------------------------------------------------


def method(**options):
    return registry.find("methods", "influence_distillation")(**options)


def test_references_are_students_without_influence_of_the_deleted_points():
    """They share training, and what is learnt from the teacher where there is one."""
    options = {"student": "cnn1", "lr": 0.2, "epochs": 3, "match": "logits", "start": "fresh"}
    references = method(**options | {"beta": 1.0, "cap": 3.0}).references()
    assert set(references) == {"scratch", "taught"}
    for parameters in references.values():
        reference = method(**parameters)
        assert {name: getattr(reference, name) for name in ("student", "lr", "epochs")} == {
            "student": "cnn1",
            "lr": 0.2,
            "epochs": 3,
        }
        assert reference.guarantee_for(Setting()).level == "exact"
        assert reference.beta == method().beta and reference.cap == method().cap
    assert method(**references["scratch"]).match == "kl"
    assert method(**references["taught"]).match == "logits"
    tuned = method(**options | {"temperature": 9.0, "alpha": 0.2}).references()
    assert tuned["scratch"] == references["scratch"]
    assert tuned["taught"] != references["taught"]


def test_a_reference_has_no_references():
    for parameters in method().references().values():
        assert method(**parameters).references() == {}
    assert method(weights="none").references() and method(teacher="retrained").references()


@pytest.mark.parametrize(
    ("options", "level"),
    [
        ({}, "approximate"),
        ({"weights": "none"}, "approximate"),
        ({"alpha": 0.0}, "approximate"),
        ({"teacher": "retrained"}, "approximate"),
        ({"weights": "none", "alpha": 0.0}, "exact"),
        ({"weights": "none", "teacher": "retrained"}, "exact"),
        ({"weights": "none", "alpha": 0.0, "start": "teacher"}, "approximate"),
        ({"weights": "none", "teacher": "retrained", "start": "teacher"}, "approximate"),
    ],
    ids=str,
)
def test_students_are_exact_where_deleted_points_have_no_part(options, level):
    assert method(**options).guarantee_for(Setting()).level == level


def test_the_reference_from_scratch_does_not_depend_on_the_deleted_points(run, digits):
    """What the guarantee says, computed: other pixels and another teacher change nothing."""
    ids = digits.base_ids[::5]
    references = method(**QUICK).references()
    data = with_pixels(digits, ids, 77)
    noise = {n: t + 1 for n, t in run.trained.items() if "/" not in n}
    for parameters in references.values():
        options = QUICK | parameters
        state = run.unlearn(deletions(ids), **options)[0]
        changed = run.unlearn(deletions(ids), run.trained | noise, data, **options)[0]
        assert same(state, changed)
