"""SFRon: its mask, its ascent, and the fine-tuning around it."""

import numpy as np
import pytest
import torch
from torch.nn import functional

from tests.support.conformance import Subject, checksum, instance, ninth_ids, request
from tests.support.jobs import job
from tests.support.streams import served, with_pixels
from unlearn.algorithms.importance import squared_gradients
from unlearn.algorithms.masked_ascent import (
    AscentRule,
    MaskedAscent,
    forget_mask,
    inverse_loss_weights,
)
from unlearn.jobs.setup import new_task
from unlearn.requests.request import NO_IDS

PARAMETERS = ("0.weight", "0.bias")


@pytest.fixture(scope="module")
def trained(digits):
    """An mlp of the standard trainer."""
    return Subject(instance("sfron"), digits).trained()


def serve(digits, trained, step=None, **options):
    return Subject(instance("sfron", **options), digits, "sfron").serve(trained, step=step)


def test_points_weigh_by_the_inverse_root_of_their_loss():
    losses = torch.tensor([1.0, 4.0], requires_grad=True)
    weights = inverse_loss_weights(losses, 0.5)
    assert weights.tolist() == pytest.approx([2 / 3, 1 / 3]) and not weights.requires_grad
    assert inverse_loss_weights(losses, 0.0).tolist() == [0.5, 0.5]
    assert torch.isfinite(inverse_loss_weights(torch.tensor([0.0, 1.0]), 0.5)).all()


def ascended(digits, trained, rule, place=0, calls=1):
    """The trained model before and after ascents on the deleted points, and the mask."""
    ids = ninth_ids(digits)
    retained = np.setdiff1d(digits.base_ids, ids)
    task = new_task(digits, job(weight_decay=0.1))
    network = task.bare_model(trained).eval()
    forget = squared_gradients(task, network, ids)
    mask = forget_mask(forget, squared_gradients(task, network, retained))
    model = task.model(trained)
    ascent = MaskedAscent(task, model, mask, rule)
    for _ in range(calls):
        ascent.step(ids, place)
    assert model.training
    return network, model, mask, task


@pytest.mark.parametrize("place", [0, 5])
def test_one_ascent_is_the_masked_gradient(place, digits, trained):
    """lr c(t) times factor c(t) times the gradient of sum w loss, in the mask; no decay."""
    rule = AscentRule(lr=0.1, factor=2.0, exponent=0.5, clip=1e9, steps=10)
    network, model, mask, task = ascended(digits, trained, rule, place)
    ids = ninth_ids(digits)
    labels = task.data.labels(ids)
    losses = functional.cross_entropy(network(task.data.images(ids)), labels, reduction="none")
    weights = losses.detach() ** -0.5
    ((weights / weights.sum()) * losses).sum().backward()
    scale = 0.5 * (1 + np.cos(np.pi * place / 10))
    after = dict(model.named_parameters())
    for name, parameter in network.named_parameters():
        step = 0.1 * scale * 2.0 * scale * parameter.grad * mask[name]
        assert torch.allclose(after[name], parameter + step, rtol=1e-4, atol=1e-7), name
        assert torch.equal(after[name][~mask[name]], parameter[~mask[name]])
    shares = [float(part.float().mean()) for part in mask.values()]
    assert 0.05 < np.mean(shares) < 0.95


def test_the_gradient_of_an_ascent_is_clipped(digits, trained):
    rule = AscentRule(lr=1.0, factor=1000.0, exponent=0.5, clip=0.01, steps=10)
    network, model, _, _ = ascended(digits, trained, rule)
    pairs = zip(model.parameters(), network.parameters(), strict=True)
    length = sum(float((a - b).detach().square().sum()) for a, b in pairs) ** 0.5
    assert length == pytest.approx(0.01, rel=1e-3)


def test_many_ascents_leave_the_other_weights_alone(digits, trained):
    rule = AscentRule(lr=0.1, factor=1.0, exponent=0.5, clip=7.0, steps=10)
    network, model, mask, _ = ascended(digits, trained, rule, calls=5)
    after = dict(model.named_parameters())
    for name, parameter in network.named_parameters():
        assert torch.equal(after[name][~mask[name]], parameter[~mask[name]])


def test_the_mask_is_where_the_forget_set_matters_more():
    forget = {"w": torch.tensor([1.0, 2.0, 3.0])}
    retain = {"w": torch.tensor([2.0, 2.0, 2.0])}
    assert forget_mask(forget, retain)["w"].tolist() == [False, True, True]


def test_an_ascent_comes_before_every_fifth_step(digits, trained):
    """Charged: the mask, two passes over the retain set, and a minibatch for each five steps."""
    ids = ninth_ids(digits)
    retained = len(digits.base_ids) - len(ids)
    for period, ascents in ((5, 3), (4, 4), (100, 1)):
        _, task = serve(digits, trained, period=period, epochs=2)
        steps = 2 * 7  # of 200 points, held-out ones included, 32 at a time
        assert task.meter.optimizer_steps == steps + ascents
        expected = retained + len(ids) + 2 * retained + ascents * len(ids)
        assert task.meter.gradient_evaluations == expected


def test_the_first_ascent_comes_before_the_first_step(digits, trained):
    task = new_task(digits, job(batch_size=200))
    method = instance("sfron", epochs=1)
    served(method, task, trained, request(digits, ninth_ids(digits)))
    assert task.meter.optimizer_steps == 2


def test_it_reads_the_deleted_points(digits, trained):
    ids = ninth_ids(digits)
    state, _ = serve(digits, trained)
    other, _ = serve(with_pixels(digits, ids, 77), trained, request(digits, ids))
    assert checksum(state) != checksum(other)


def test_nothing_to_delete_is_fine_tuning(digits):
    subject = Subject(instance("sfron"), digits, "sfron", "cnn1")
    other = Subject(instance("finetune", schedule="cosine"), digits, "finetune", "cnn1")
    before = subject.trained()
    states = [s.serve(before, step=request(digits, NO_IDS))[0] for s in (subject, other)]
    assert checksum(states[0]) == checksum(states[1]) != checksum(before)


def test_a_class_is_forgotten_more_than_by_fine_tuning(digits, trained):
    ids = digits.base_ids[digits.train_labels[digits.base_ids] == 3]
    retained = np.setdiff1d(digits.base_ids, ids)

    def loss(factor, points):
        options = {"factor": factor, "lr": 0.03, "epochs": 4}
        state, task = serve(digits, trained, request(digits, ids), **options)
        logits = task.trainer.predict(task, state, task.data.train_images[points])
        return float(functional.cross_entropy(logits, task.data.train_labels[points].cpu()))

    assert loss(20.0, ids) > loss(0.0, ids) + 0.2
    assert loss(20.0, retained) < 1.0


def test_statistics_of_batch_normalisation_are_those_of_fine_tuning(digits):
    """The forgotten points pass through a frozen network."""
    subject = Subject(instance("sfron", lr=1e-12), digits, "sfron", "resnet9")
    before = subject.trained()
    state, _ = subject.serve(before)
    plain = Subject(instance("sfron", lr=1e-12, factor=0.0), digits, "sfron", "resnet9")
    other, _ = plain.serve(before)
    for name in (key for key in before if "running" in key):
        assert state[name] == pytest.approx(other[name], abs=1e-6)
        assert not np.array_equal(state[name], before[name])


def test_an_update_serves_later_steps(digits, trained):
    assert instance("sfron").continues
    task = new_task(digits, job())
    state = served(instance("sfron"), task, trained, request(digits, ninth_ids(digits)))
    assert set(state) == set(trained)
