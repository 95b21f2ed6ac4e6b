"""Do nothing: the negative control."""

from unlearn.requests.request import Step
from unlearn.training.state import Changed, State
from unlearn.training.task import Task


class Original:
    """Returns the trained model as it is. Every method must beat it."""

    trainer = None
    guarantee = "none"
    serves = ("delete", "add")

    def unlearn(self, task: Task, trained: State, request: Step, seed: int) -> State:
        """The trained state."""
        return Changed(trained, {})
