"""Train again without the deleted points: the oracle."""

from unlearn.requests.request import Step
from unlearn.training.state import State
from unlearn.training.task import Task


class Retrain:
    """The trainer's own training from scratch on the retain set, as cheap as it can be had.

    Same initial weights, same minibatches less the deleted points, same schedule as the original
    of the same seed, so that the two are paired.
    """

    trainer = None
    guarantee = "exact"
    serves = ("delete", "add")

    def unlearn(self, task: Task, trained: State, request: Step, seed: int) -> State:
        """A state that never saw the deleted points."""
        return task.trainer.retrain(task, request.retain, seed)
