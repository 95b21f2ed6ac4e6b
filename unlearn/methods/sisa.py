"""SISA: retrain the constituents whose shards are hit, from the first slice that is hit."""

from unlearn.requests.request import Step
from unlearn.training.state import State
from unlearn.training.task import Task


class Sisa:
    """Exact unlearning (Bourtoule et al., IEEE S&P 2021).

    The result is what training from scratch on the reduced shards gives, to the bit. How shards
    and slices are cut, and when that keeps its promise, is the trainer's business.
    """

    trainer = "sisa"
    guarantee = "exact"
    serves = ("delete", "add")

    def unlearn(self, task: Task, trained: State, request: Step, seed: int) -> State:
        """The ensemble after the request; shards that it does not hit are not even read."""
        return task.trainer.update(task, trained, request, seed)
