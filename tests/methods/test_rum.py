"""RUM: parts and their steps, the scores, the methods of the parts, what it refuses."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from tests.support.conformance import Subject, checksum, instance, ninth_ids, ninth_step, request
from tests.support.streams import served
from unlearn.algorithms.deletion_parts import part_sizes, part_steps, ranked_parts
from unlearn.algorithms.memorisation import losses, memorisation
from unlearn.core import registry, seeding
from unlearn.core.setting import Setting
from unlearn.requests.held_out import HeldOut
from unlearn.requests.request import NO_IDS, Request


@pytest.fixture(scope="module")
def trained(digits):
    """A cnn1 of the standard trainer."""
    return Subject(instance("finetune"), digits, model="cnn1").trained()


def serve(digits, trained, step=None, **options):
    """The state of the method after a step, and the task."""
    return Subject(instance("rum", **options), digits, model="cnn1").serve(trained, step=step)


def test_parts_are_disjoint_cover_all_and_ascend_in_their_scores():
    random = np.random.default_rng(0)
    ids = np.sort(random.permutation(100)[:20])
    scores = random.standard_normal(20)
    parts = ranked_parts(ids, scores, 3)
    assert [len(part) for part in parts] == part_sizes(20, 3) == [6, 7, 7]
    assert np.array_equal(np.sort(np.concatenate(parts)), ids)
    by_id = dict(zip(ids.tolist(), scores.tolist(), strict=True))
    part_scores = [[by_id[point] for point in part.tolist()] for part in parts]
    assert max(part_scores[0]) < min(part_scores[1])
    assert max(part_scores[1]) < min(part_scores[2])
    assert all(np.array_equal(part, np.sort(part)) for part in parts)


def test_a_single_point_belongs_to_what_is_memorised_most():
    assert part_sizes(1, 3) == [0, 0, 1]
    assert part_sizes(0, 2) == [0, 0]


def test_points_of_later_parts_are_retained_by_the_step_of_a_part():
    """A stream: the second step deletes a point that the first one added."""
    base_ids = np.arange(8)
    stream = Request([np.array([0]), np.array([1, 2, 3, 9])], [np.array([9]), np.array([8])])
    _, step = stream.steps(10, base_ids)
    first, second, last = part_steps(step, [np.array([3, 9]), np.array([1]), np.array([2])])
    assert first.previous_ids.tolist() == [1, 2, 3, 4, 5, 6, 7, 9]
    assert first.retain_ids.tolist() == [1, 2, 4, 5, 6, 7, 8]
    assert second.previous_ids.tolist() == first.retain_ids.tolist()
    assert second.retain_ids.tolist() == [2, 4, 5, 6, 7, 8]
    assert [s.deleted_ids.tolist() for s in (first, second, last)] == [[3, 9], [1], [2]]
    assert [s.forget_ids.tolist() for s in (first, second, last)] == [
        [0, 3],
        [0, 1, 3],
        [0, 1, 2, 3],
    ]
    for key in ("retain_ids", "forget_ids", "added_ids", "index", "train_points"):
        assert np.array_equal(getattr(last, key), getattr(step, key)), key
    late = part_steps(step, [np.array([1]), np.array([2, 3, 9])])[0]
    assert late.added_ids.tolist() == [8, 9]
    (whole,) = part_steps(step, [step.deleted_ids])
    for key, value in vars(step).items():
        assert np.array_equal(getattr(whole, key), value), key


def test_the_loss_is_the_cross_entropy_of_every_point(digits, trained):
    task = Subject(instance("rum"), digits, model="cnn1").task()
    ids = ninth_ids(digits)
    logits = task.trainer.predict(task, trained, task.data.train_images[ids])
    expected = torch.nn.functional.cross_entropy(logits, task.data.labels(ids), reduction="none")
    assert losses(task, trained, ids) == pytest.approx(expected.numpy(), rel=1e-3, abs=1e-5)
    assert task.meter.forward_evaluations == len(ids)
    assert losses(task, trained, NO_IDS).shape == (0,)


def test_memorisation_is_what_retrained_models_are_less_sure_of(digits, trained):
    """The mean over two models, by hand; points that training saw are memorised."""
    task = Subject(instance("rum"), digits, model="cnn1").task()
    step = ninth_step(digits)
    scores = memorisation(task, trained, step, 2, 5)
    expected = np.zeros(len(scores))
    for index, share in ((None, 1.0), (0, -0.5), (1, -0.5)):
        state = trained
        if index is not None:
            seed = seeding.derive(5, "scoring model", index)
            state = task.trainer.retrain(task, step.retain_ids, seed)
        logits = task.trainer.predict(task, state, task.data.train_images[step.deleted_ids])
        labels = task.data.labels(step.deleted_ids)
        expected += share * logits.double().softmax(1)[torch.arange(len(labels)), labels].numpy()
    assert scores == pytest.approx(expected, abs=1e-3)
    assert scores.mean() > 0


def test_each_part_goes_to_its_method_from_the_model_before(digits, trained):
    """Three methods by hand, each with the ids, the seed and the model that it must have."""
    options = {"low": "gradient_ascent", "middle": "random_label", "high": "finetune"}
    state, task = serve(digits, trained, **options)
    ids = ninth_ids(digits)
    ranking = ids[np.argsort(losses(task, trained, ids), kind="stable")]
    parts = [np.sort(part) for part in np.split(ranking, [6, 12])]
    order = seeding.derive(0, "rum")
    seeds = [seeding.derive(order, "low"), seeding.derive(order, "middle"), 0]
    expected = trained
    left_ids = digits.base_ids
    methods = ("gradient_ascent", "random_label", "finetune")
    for name, part, seed in zip(methods, parts, seeds, strict=True):
        new_task = Subject(instance("rum"), digits, model="cnn1").task()
        previous_ids = left_ids
        left_ids = np.setdiff1d(left_ids, part)
        step = replace(
            request(digits, part),
            previous_ids=previous_ids,
            retain_ids=left_ids,
            forget_ids=np.setdiff1d(digits.base_ids, left_ids),
        )
        expected = served(instance(name), new_task, expected, step, seed)
    assert checksum(state) == checksum({name: expected[name] for name in expected})


def test_two_parts_leave_out_the_middle(digits, trained):
    state, _ = serve(digits, trained, parts=2, low="gradient_ascent", middle="scrub")
    same, _ = serve(digits, trained, parts=2, low="gradient_ascent", middle="finetune")
    assert checksum(state) == checksum(same)
    other, _ = serve(digits, trained, parts=2)
    assert checksum(state) != checksum(other)
    assert "unlearn.methods.scrub" not in instance("rum", parts=2, middle="scrub").modules()
    assert "unlearn.methods.scrub" in instance("rum", middle="scrub").modules()


def test_one_part_is_its_method_to_the_bit(digits, trained):
    step = ninth_step(digits)
    block = {"name": "salun", "epochs": 1, "share": 0.2}
    state, task = serve(digits, trained, step, parts=1, high=block)
    subject = Subject(instance("salun", epochs=1, share=0.2), digits, model="cnn1")
    inner, inner_task = subject.serve(trained, step=step)
    assert checksum(state) == checksum(inner)
    assert task.meter.gradient_evaluations == inner_task.meter.gradient_evaluations
    extra = task.meter.forward_evaluations - inner_task.meter.forward_evaluations
    assert extra == len(step.deleted_ids)


def test_the_order_of_parts_follows_the_scores(digits, trained):
    """`retrained` ranks otherwise than the loss, so the result is another one."""
    states = [
        serve(digits, trained, score=score, models=1, low="gradient_ascent")[0]
        for score in ("loss", "retrained")
    ]
    assert checksum(states[0]) != checksum(states[1])


def test_what_is_added_is_learnt_by_the_last_method_where_nothing_is_deleted(digits, trained):
    addition = Request([NO_IDS], [digits.held_out_ids[:9]])
    (step,) = addition.steps(len(digits.train_labels), digits.base_ids)
    state, _ = serve(digits, trained, step, high="finetune")
    inner, _ = Subject(instance("finetune"), digits, model="cnn1").serve(trained, step=step)
    assert checksum(state) == checksum(inner)


def test_costs_are_those_of_its_parts_and_scoring_models(digits, trained):
    method = instance("rum", score="retrained", models=3, low="gradient_ascent")
    recipe = Subject(method, digits, model="cnn1").task().recipe
    low = instance("gradient_ascent").gradient_evaluations(154, 6, recipe)
    middle = instance("finetune").gradient_evaluations(148, 6, recipe)
    high = instance("salun").gradient_evaluations(142, 6, recipe)
    expected = low + middle + high + 3 * recipe.epochs * 142
    assert method.gradient_evaluations(142, 18, recipe) == expected
    _, task = Subject(method, digits, model="cnn1").serve(trained)
    assert task.meter.gradient_evaluations == expected
    dependent = instance("rum", parts=1, high="amun")
    assert dependent.gradient_evaluations(142, 18, recipe) is None


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"low": "rum"}, "low: rum is not allowed; allowed: amnesiac, "),
        ({"high": "sham"}, "high: sham is not allowed; allowed: amnesiac, "),
        ({"high": "salum"}, "high: salum is not allowed; allowed: amnesiac, "),
        ({"middle": "retrain"}, "middle: retrain does not go on from the model of an earlier"),
        ({"middle": "lotus"}, "middle: lotus reads the validation split or changes the archi"),
        ({"high": {"name": "salun", "epoch": 1}}, "high: salun has no epoch; allowed: epochs, "),
        ({"high": {"name": "salun", "epochs": 0}}, "epochs: 0 is not allowed"),
        ({"parts": 4}, "parts: 4 is not allowed; allowed: integer 1, 2, 3"),
        ({"models": 0}, "models: 0 is not allowed"),
    ],
    ids=str,
)
def test_refuses_methods_that_cannot_serve_a_part_in_one_line(options, message):
    with pytest.raises(ValueError) as error:
        registry.find("methods", "rum")(**options)
    assert str(error.value).startswith(message)
    assert "\n" not in str(error.value)


def test_supports_what_every_method_of_a_part_does():
    setting = Setting(request=HeldOut(rate=0.1))
    assert instance("rum").supports(setting) is None
    refused = instance("rum", low="gradient_ascent")
    assert refused.supports(setting) == "gradient_ascent can only delete"
    assert instance("rum", parts=1, low="gradient_ascent").supports(setting) is None
