"""Streams of distillation, its references and its guarantee."""

import numpy as np
import pytest
import torch

from tests.support.distillation import QUICK, Run, distillation_job, method, same
from tests.support.jobs import job
from tests.support.streams import deletions, with_pixels
from unlearn.core.setting import Setting
from unlearn.jobs.train import train_fleet
from unlearn.jobs.unlearn import unlearn_fleet
from unlearn.requests.request import NO_IDS, Request

torch.set_num_threads(1)


@pytest.fixture(scope="module")
def run(digits):
    return Run(digits)


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
