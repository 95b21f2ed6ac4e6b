"""Noise of the size of another method's change: the control of what a metric measures."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from unlearn.core import registry, seeding
from unlearn.core.inner_methods import (
    check_standard,
    inner_method,
    inner_modules,
    inner_refusal,
)
from unlearn.methods.base import Method, Update, parameter
from unlearn.training.state import Overlay

if TYPE_CHECKING:
    from unlearn.core.setting import Setting
    from unlearn.requests.request import Step
    from unlearn.training.recipe import Recipe
    from unlearn.training.state import State
    from unlearn.training.task import Task


class Sham(Method):
    """Add Gaussian noise to the weights, as large in every tensor as another method's change.

    The other method runs, and its weights are thrown away: only the norm of the change of each
    trainable tensor is kept. Statistics of batch normalisation stay as they are in the original.
    Costs are those of the other method. A metric that scores the noise like the method does not
    measure unlearning.

    Cost:
        That of the other method.

    Pitfalls:
        The noise has the size of the change in every tensor, not its direction: it is no method.
    """

    continues = True
    conformance_variants = ({"of": "retrain"}, {"of": "gradient_ascent"})
    is_control = True

    of: dict = parameter(
        "finetune",
        help="The method whose change is copied in size: a name, or a block with its parameters.",
    )
    draw: int = parameter(0, minimum=0, help="Which noise.")

    def validate(self) -> None:
        """Raise ValueError for a method that does not change weights of standard models."""
        name = self.of["name"]
        if name not in registry.names("methods") or name == "sham":
            allowed = ", ".join(n for n in registry.names("methods") if n != "sham")
            raise ValueError(f"of: {name} is no other method; allowed: {allowed}")
        method = self.method()
        if not method.changes_weights:
            raise ValueError(f"of: {name} changes no weight; allowed: methods that change some")
        check_standard("of", self.of)

    def modules(self) -> tuple[str, ...]:
        """The modules of the other method."""
        return inner_modules("of", self.of)

    def supports(self, setting: Setting) -> str | None:
        """What the other method supports; requests that it serves."""
        if setting.request is not None and getattr(setting.request, "steps", 1) > 1:
            return "its noise is of the size of one change; allowed: requests of one step"
        return inner_refusal("of", self.of, setting)

    def gradient_evaluations(self, retained: int, deleted: int, recipe: Recipe) -> int | None:
        """Those of the other method."""
        return self.method().gradient_evaluations(retained, deleted, recipe)

    def method(self) -> Method:
        """The other method; ValueError for parameters that it does not allow."""
        return inner_method("of", self.of)

    def unlearn(self, task: Task, original: State, request: Step, seed: int) -> Update:
        """The original with noise in every tensor that the other method changes."""
        state = Overlay(original, self.method().unlearn(task, original, request, seed))
        tensors = {}
        for name in task.trainer.compared(task):
            weights = np.asarray(original[name])
            change = np.asarray(state[name], dtype=np.float64) - weights
            key = seeding.derive(seed, "sham", self.draw, name)
            noise = np.random.default_rng(key).standard_normal(weights.shape)
            size = np.linalg.norm(change)
            if size:
                noise *= size / np.linalg.norm(noise)
                tensors[name] = (weights + noise).astype(weights.dtype)
        return Update(tensors)
