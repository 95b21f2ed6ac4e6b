"""The contract of methods: how a trained model forgets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from unlearn.core.guarantee import Guarantee
from unlearn.core.parameters import Parameters, parameter
from unlearn.core.setting import Setting
from unlearn.training.state import State, Update

if TYPE_CHECKING:
    from unlearn.algorithms.certified.worst_case import AuditedLoop
    from unlearn.models.base import Architecture
    from unlearn.requests.request import Step
    from unlearn.training.recipe import Recipe
    from unlearn.training.task import Task

__all__ = ["Method", "Update", "parameter"]


class Method(Parameters):
    """Serves a request with a trained model. One file each, importable without torch.

    A method declares its hyper-parameters as fields and writes `unlearn`. The class attributes
    have defaults that suit a method that trains on from a model of the standard trainer.
    """

    label: ClassVar[str | None] = None
    """How figures and pages name the method, as "NegGrad+"; None is the name of its file in words.
    A label is no code: an edit runs no job again but those of figures."""

    trainer: ClassVar[str | None] = "standard"
    """The trainer whose models are unlearned; None for any, hence the standard one by default."""

    reads: ClassVar[frozenset[str] | set[str]] = frozenset({"forget", "retain"})
    """What the method looks at: `forget`, `retain`, `validation`. A method that reads nothing may
    change weights by arithmetic alone; any other must charge work where weights change."""

    guarantee: ClassVar[str] = "none"
    """A level of `core.guarantee.LEVELS`; `exact` is as exact as the trainer promises."""

    serves: ClassVar[tuple[str, ...]] = ("delete", "add")
    """The changes of the training set that the method can make."""

    changes_weights: ClassVar[bool] = True
    """Whether the method changes trainable weights; False for those that do nothing, or that move
    statistics of batch normalisation alone."""

    deterministic: ClassVar[bool] = False
    """Whether every seed gives the same result."""
    is_control: ClassVar[bool] = False
    """Whether the method is there to be compared with: it is not ranked, and its tests are not
    among those that are corrected for each other."""

    images_only: ClassVar[bool] = False
    """Whether models must see pixels, not features."""

    conformance: ClassVar[Mapping[str, Any]] = {}
    """Parameters at which the conformance suite runs, where those of the defaults do nothing to
    its small models. The suite deletes every ninth of 160 points."""

    conformance_variants: ClassVar[tuple[Mapping[str, Any], ...]] = ()
    """More parameters at which the suite runs: those that make the method another algorithm, or
    change what it guarantees."""

    conformance_exceptions: ClassVar[Mapping[str, str]] = {}
    """Checks of the suite that do not apply, each with the reason, which the suite prints:
    `{"direction": "adds noise, which has no direction"}`."""

    neutral: ClassVar[tuple[tuple[Mapping[str, Any], str, Mapping[str, Any]], ...]] = ()
    """Parameters at which the method is another one, to the bit, with the name of the other method
    and its own: `(({"alpha": 1.0}, "finetune", {"epochs": 2}),)`. The suite compares them."""

    @property
    def continues(self) -> bool:
        """Whether a later step builds on the model of an earlier one, and diverges if that did."""
        return False

    def supports(self, setting: Setting) -> str | None:
        """Why the method cannot serve a setting; None if it can."""
        return None

    def guarantee_for(self, setting: Setting) -> Guarantee:
        """How exact the method is with the trainer of the setting, and why."""
        if self.guarantee == "exact":
            return setting.trainer.guarantee()
        return Guarantee(self.guarantee)

    def gradient_evaluations(self, retained: int, deleted: int, recipe: Recipe) -> int | None:
        """The points that go forward and backward while one deletion is served, by the formula.

        Networks without batch normalisation are meant: others leave out minibatches of one point.
        The conformance suite compares the formula with what is counted.

        Args:
            retained: The number of points that are left.
            deleted: The number of points that are deleted.
            recipe: The recipe that the models were trained by.

        Returns:
            None where the number depends on the points or on the weights.
        """
        return None

    def references(self) -> Mapping[str, Mapping[str, Any]]:
        """Versions of this method that its models are compared with, by the suffix of the metrics.

        `{"scratch": {...}}` gives `kl_scratch`, `accuracy_gap_scratch` and `loss_gap_scratch`. A
        version is told by the parameters that matter; the others take their defaults.
        """
        return {}

    def audited_loop(self) -> AuditedLoop | None:
        """The loop of a certified method, to be audited on the worst case; None without one."""
        return None

    def student_architecture(self) -> Architecture | None:
        """The architecture of the unlearned models, where they are of another one."""
        return None

    def student_task(self, task: Task) -> Task:
        """The task as the unlearned models see it, where they are of another architecture."""
        return task

    def unlearn(self, task: Task, original: State, request: Step, seed: int) -> Update:
        """What changes in the state of the trained model.

        Args:
            task: Data, networks, recipe, machine and meter.
            original: The trained model; from the second step of a request on, the state after the
                step before. To be left as it is.
            request: The step to be served.
            seed: The seed of the member: all that is random is a function of it.

        Raises:
            ValueError: The request cannot be served; the cell is then shown as failed.
        """
        raise NotImplementedError
