"""The loss of influence distillation, on made-up logits."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from unlearn.algorithms.losses import Distance, Distillation, Push, bounded, bounded_ascent
from unlearn.training.cyclic_batches import CyclicBatches

LOG_CLASSES = math.log(5)


class Objective:
    """The loss of a student on a minibatch whose first points are retained."""

    def __init__(
        self, alpha=0.7, match="kl", temperature=3.0, beta=0.4, bound=LOG_CLASSES, retained_count=6
    ):
        self.retained_count = retained_count
        self.distance = Distance(match, temperature)
        self.push = Push(bound)
        self.loss = Distillation(alpha, beta, self.distance, self.push)

    def __call__(self, logits, labels, teacher, weights):
        targets = self.distance.target(teacher)[: self.retained_count]
        return self.loss(logits, labels, targets, weights[self.retained_count :])


def minibatch(retained_count=6, deleted_count=4, classes=5, seed=0, dtype=torch.float64):
    torch.manual_seed(seed)
    point_count = retained_count + deleted_count
    labels = torch.randint(0, classes, (point_count,))
    weights = torch.full((point_count,), -1.0)
    weights[retained_count:] = torch.rand(deleted_count)
    logits = torch.randn(point_count, classes, dtype=dtype)
    teacher = 2 * torch.randn(point_count, classes)
    return logits, labels, teacher, weights


@pytest.mark.parametrize("match", ["kl", "logits"])
def test_the_loss_is_the_sum_of_its_terms(match):
    logits, labels, teacher, weights = minibatch()
    loss = Objective(match=match)(logits, labels, teacher, weights)
    losses = functional.cross_entropy(logits, labels, reduction="none")
    p, q = (torch.softmax(z[:6].double() / 3, 1) for z in (teacher, logits))
    distance = 9 * (p * (p.log() - q.log())).sum(1).mean()
    if match == "logits":
        s, t = (z[:6] - z[:6].mean(1, keepdim=True) for z in (logits, teacher))
        distance = 0.5 * ((t - s) ** 2).mean(1).mean()
    push = (weights[6:] * losses[6:].clamp(max=math.log(5))).mean()
    expected = 0.3 * losses[:6].mean() + 0.7 * distance - 0.4 * push
    assert float(loss) == pytest.approx(float(expected), rel=1e-6)


@pytest.mark.parametrize("match", ["kl", "logits"])
def test_gradients_agree_with_finite_differences(match):
    logits, labels, teacher, weights = minibatch(seed=1)
    objective = Objective(match=match)
    distances_to_bound = functional.cross_entropy(logits, labels, reduction="none") - math.log(5)
    assert distances_to_bound[6:].abs().min() > 1e-3
    logits.requires_grad_(True)
    assert torch.autograd.gradcheck(
        lambda z: objective(z, labels, teacher, weights), logits, eps=1e-6, atol=1e-6
    )


def test_points_beyond_the_bound_are_not_pushed():
    logits, labels, teacher, weights = minibatch()
    logits[6:] = -20 * functional.one_hot(labels[6:], 5).double()
    logits.requires_grad_(True)
    objective = Objective()
    objective(logits, labels, teacher, weights).backward()
    assert (logits.grad[6:] == 0).all() and (logits.grad[:6] != 0).any()
    assert float(objective.push.active) == 0 and objective.push.points == 4
    losses = torch.tensor([1.0, 2.0, 3.0], requires_grad=True)
    bounded(losses, 2.0).sum().backward()
    assert losses.grad.tolist() == [1, 0, 0]


def test_a_hot_teacher_is_matched_in_logits():
    logits, labels, teacher, weights = minibatch(deleted_count=0)
    values = []
    for match in ("kl", "logits"):
        distance = Distance(match, 1000.0)
        targets = distance.target(teacher).double()
        if match == "kl":  # float32 cannot hold what a temperature of 1000 leaves of differences
            targets = torch.log_softmax(teacher.double() / 1000, 1)
        student_loss = Distillation(1.0, 0.4, distance, Push(math.log(5)))
        values.append(float(student_loss(logits, labels, targets, weights[6:])))
    assert values[0] == pytest.approx(values[1], rel=0.01)


def test_the_perfect_student_has_nothing_to_learn():
    _, labels, teacher, weights = minibatch(deleted_count=0)
    logits = teacher.clone().requires_grad_(True)
    loss = Objective(alpha=1.0)(logits, labels, teacher, weights)
    loss.backward()
    assert float(loss.detach()) == pytest.approx(0, abs=1e-6)
    assert logits.grad.abs().max() < 1e-6


@settings(max_examples=60)
@given(
    st.floats(0, 100),
    st.floats(0.05, 1000),
    st.sampled_from(["kl", "logits"]),
    st.sampled_from([1.0, 100.0, 1e4]),
    st.integers(0, 2**31),
)
def test_the_bounded_loss_is_finite_and_bounded_below(beta, temperature, match, scale, seed):
    logits, labels, teacher, weights = minibatch(seed=seed, dtype=torch.float32)
    logits = (logits * scale).requires_grad_(True)
    objective = Objective(beta=beta, temperature=temperature, match=match)
    loss = objective(logits, labels, scale * teacher, weights)
    loss.backward()
    assert torch.isfinite(loss) and torch.isfinite(logits.grad).all()
    assert float(loss.detach()) >= -beta * math.log(5) * float(weights.max()) - 1e-4


def test_bounded_ascent_stays_finite_for_a_thousand_steps():
    logits, labels, teacher, weights = minibatch(dtype=torch.float32)
    logits = (1e4 * logits).requires_grad_(True)
    objective = Objective(beta=100.0)
    for _ in range(1000):
        (gradient,) = torch.autograd.grad(objective(logits, labels, teacher, weights), logits)
        assert torch.isfinite(gradient).all()
        logits = (logits - gradient).detach().requires_grad_(True)
    assert float(bounded_ascent(logits.detach(), labels, math.log(5))) >= -math.log(5) - 1e-6


def test_deleted_points_take_their_turns():
    batches = CyclicBatches(np.arange(10, 17), 3, 5)
    ids = np.concatenate([batches.next() for _ in range(14)])
    passes = ids.reshape(6, 7)
    assert (np.sort(passes, 1) == np.arange(10, 17)).all()
    assert len({tuple(p) for p in passes}) > 1
    assert len(CyclicBatches(np.arange(2), 32, 0).next()) == 2
