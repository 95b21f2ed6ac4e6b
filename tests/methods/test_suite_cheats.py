"""Methods that break one promise each: the conformance suite catches every one, in one line."""

from functools import partial
from typing import ClassVar

import numpy as np
import pytest
import torch

from unlearn.conformance import honesty, requests, results
from unlearn.conformance.subject import Subject, small_digits
from unlearn.core import seeding
from unlearn.methods.base import Method, Update
from unlearn.methods.finetune import Finetune
from unlearn.methods.gradient_ascent import GradientAscent


class Arithmetic(Method):
    """Halve every weight."""

    reads = frozenset()
    continues = True
    deterministic = True

    def unlearn(self, task, original, request, seed):
        """Half of every trainable tensor."""
        names = task.trainer.compared(task)
        return Update({name: self.half(original[name], seed) for name in names})

    def half(self, weights, seed):
        """Half of the weights."""
        return (np.asarray(weights) / 2).astype(np.float32)


class Tensors(Arithmetic):
    """Return tensors, no update."""

    def unlearn(self, task, original, request, seed):
        """The tensors of an update."""
        return super().unlearn(task, original, request, seed).tensors


class Gradients(Arithmetic):
    """Return lists in the place of tensors."""

    def half(self, weights, seed):
        """Half of the weights, as a list."""
        return (np.asarray(weights) / 2).tolist()


class Doubles(Arithmetic):
    """Return weights of another type."""

    def half(self, weights, seed):
        """Half of the weights in double precision."""
        return np.asarray(weights, dtype=np.float64) / 2


class Infinite(Arithmetic):
    """Return weights that are not finite."""

    def half(self, weights, seed):
        """Infinity."""
        return np.full_like(np.asarray(weights), np.inf)


class Columns(Arithmetic):
    """Return weights of another shape."""

    def half(self, weights, seed):
        """Half of the weights, in one column."""
        return super().half(weights, seed).reshape(-1, 1)


class InPlace(Arithmetic):
    """Halve the weights of the trained model itself."""

    def half(self, weights, seed):
        """Half of the weights, in their memory."""
        weights /= 2
        return weights.copy()


class SharedMemory(Arithmetic):
    """Return memory of the trained model."""

    def half(self, weights, seed):
        """The weights, turned around."""
        return np.asarray(weights)[::-1]


class GlobalNumbers(Arithmetic):
    """Draw from torch's global generator."""

    deterministic = False

    def half(self, weights, seed):
        """The weights with noise."""
        weights = torch.as_tensor(weights)
        return (weights + torch.randn(weights.shape)).numpy()


class Clock(Arithmetic):
    """Depend on the number of calls in this process."""

    deterministic = False
    calls: ClassVar = []

    def half(self, weights, seed):
        """The weights, less what has been called so far."""
        self.calls.append(seed)
        return (np.asarray(weights) + len(self.calls)).astype(np.float32)


class NoSeed(Arithmetic):
    """Give every seed the same, and do not say so."""

    deterministic = False


class Seeded(Arithmetic):
    """Depend on the seed, and call that deterministic."""

    def half(self, weights, seed):
        """The weights with noise of the seed."""
        weights = np.asarray(weights)
        random = np.random.default_rng(seeding.derive(seed, "noise"))
        return (weights + random.standard_normal(weights.shape)).astype(np.float32)


class Idle(Arithmetic):
    """Change nothing."""

    def half(self, weights, seed):
        """The weights."""
        return np.array(weights)


class Calm(Arithmetic):
    """Declare to change no weight, and halve all."""

    changes_weights = False


class DecayedMask(Method):
    """Freeze the first layer by zero gradients, so that weight decay moves it."""

    continues = True

    def unlearn(self, task, original, request, seed):
        """Fine-tuning of the last layer, as it is thought."""
        model = task.model(original)
        for weights in model[1].parameters():
            weights.register_hook(torch.zeros_like)
        optimizer = task.optimizer(model, lr=0.01)
        for batch in task.minibatches(request.retain_ids, seed, 0):
            optimizer.step(torch.nn.functional.cross_entropy(model(batch.images), batch.labels))
        return Update(model)


class MovedFilters(Arithmetic):
    """Move the first layer of air, which is not trained."""

    def unlearn(self, task, original, request, seed):
        """Other filters."""
        return Update({"0.filters": np.asarray(original["0.filters"]) + np.float32(1)})


class OtherStrength(Finetune):
    """Claim to be fine-tuning at twice its rate."""

    neutral = (({"lr": 0.02}, "finetune", {"lr": 0.01}),)


class FirstStepOnly(Arithmetic):
    """Lose the tensors at the second step."""

    def unlearn(self, task, original, request, seed):
        """Half of the weights, or none."""
        if request.index == 1:
            return super().unlearn(task, original, request, seed)
        return Update({}, remove=list(original))


class Breaking(Arithmetic):
    """Divide by the number of deleted points."""

    def unlearn(self, task, original, request, seed):
        """Weights over the number of points."""
        count = np.float32(len(request.deleted_ids))
        with np.errstate(divide="ignore"):
            return Update({n: np.asarray(original[n]) / count for n in original})


class Restless(GradientAscent):
    """Change the model though nothing is deleted."""

    def unlearn(self, task, original, request, seed):
        """Half of the weights."""
        return Update({name: np.asarray(original[name]) / 2 for name in original})


class Fresh(Finetune):
    """Train on from the last model, and deny it."""

    continues = False


class Forgetful(Method):
    """Start from nothing, and claim to build on the last model."""

    continues = True

    def unlearn(self, task, original, request, seed):
        """New weights."""
        return Update(task.new_model(seed))


class Descent(Method):
    """Descend on the forget set: the wrong direction."""

    continues = True
    sign = 1

    def unlearn(self, task, original, request, seed):
        """A few large steps."""
        model = task.model(original)
        optimizer = task.optimizer(model, lr=0.1, momentum=0.0, weight_decay=0.0)
        for epoch in range(5):
            for batch in task.minibatches(request.forget_ids, seed, epoch):
                loss = torch.nn.functional.cross_entropy(model(batch.images), batch.labels)
                optimizer.step(self.sign * loss)
        return Update(model)


class Collapse(Descent):
    """Ascend until nothing is known."""

    sign = -5


class FinetuneOnly(Finetune):
    """Fine-tune, and declare to read the forget set."""

    reads = frozenset({"forget", "retain"})


class WrongFormula(Finetune):
    """Declare half the cost."""

    def gradient_evaluations(self, retained, deleted, recipe):
        """Half of the passes."""
        return self.epochs * retained // 2


ON_SUBJECT = [
    (Tensors, results.check_update, "returns dict, no Update"),
    (Gradients, results.check_update, r"\d.\w+ is a list, no tensor"),
    (Doubles, results.check_state, r"\d.\w+ is float64, was float32"),
    (Infinite, results.check_state, r"\d.\w+ is not finite"),
    (Columns, results.check_state, r"\d.\w+ has the shape \(\d+, 1\)"),
    (InPlace, results.check_teacher, "changes the trained model in place"),
    (SharedMemory, results.check_teacher, "returns memory of the trained model"),
    (GlobalNumbers, results.check_seed, "draws from a global generator"),
    (Clock, results.check_seed, "depends on the global random numbers"),
    (NoSeed, results.check_seed, "declares deterministic = False, and .* the same bytes"),
    (Seeded, results.check_seed, "declares deterministic = True, and .* different bytes"),
    (Idle, results.check_change, "changes nothing if a ninth is deleted"),
    (Calm, results.check_change, "declares to change no weight and changes some"),
    (
        DecayedMask,
        results.check_frozen_weights,
        r"1.weight is frozen, and momentum or weight decay",
    ),
    (OtherStrength, results.check_neutral, "differs from finetune"),
    (Fresh, results.check_continuation, "declares continues = False, and .* depends on"),
    (Forgetful, results.check_continuation, "declares continues = True, and .* does not depend"),
    (
        Breaking,
        partial(requests.check_odd_request, kind="empty_request"),
        r"\d.\w+ is not finite",
    ),
    (
        Restless,
        partial(requests.check_odd_request, kind="empty_request"),
        "reads the forget set alone, and changes the model where it is empty",
    ),
    (WrongFormula, honesty.check_cost, r"declares 142 gradients of points, takes 284"),
]
"""Cheat, check of a subject and its trained model, message."""


@pytest.mark.parametrize(
    ("cheat", "check", "message"), ON_SUBJECT, ids=[cheat.__name__ for cheat, _, _ in ON_SUBJECT]
)
def test_a_broken_promise_is_caught_in_one_line(cheat, check, message):
    subject = Subject(cheat(), small_digits())
    with pytest.raises(AssertionError, match=f"{cheat.__name__}[^:]*: .*{message}") as caught:
        check(subject, subject.trained())
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize(
    ("cheat", "check", "message"),
    [
        (FirstStepOnly, results.check_stream, "step 2 lacks"),
        (Descent, requests.check_direction, "the loss of deleted points with wrong labels falls"),
        (Collapse, requests.check_direction, "the accuracy of the retain set is"),
    ],
)
def test_a_wrong_turn_is_caught_in_one_line(cheat, check, message):
    with pytest.raises(AssertionError, match=f"{cheat.__name__}: .*{message}") as caught:
        check(Subject(cheat(), small_digits()))
    assert len(str(caught.value).splitlines()) == 1


def test_a_first_layer_that_moves_is_noticed():
    subject = Subject(MovedFilters(), small_digits(), model="air")
    with pytest.raises(AssertionError, match=r"MovedFilters: moves 0\.filters"):
        results.check_frozen_layer(subject, subject.trained())


def test_a_forget_set_that_is_not_needed_is_noticed():
    message = "FinetuneOnly: declares to read the forget set and does not need it"
    with pytest.raises(AssertionError, match=message):
        honesty.check_awareness([Subject(FinetuneOnly(), small_digits())])
