"""Gradient ascent: raise the loss on the forget set."""

from unlearn.algorithms import losses
from unlearn.core import seeding
from unlearn.requests.request import Step
from unlearn.training.loop import fit
from unlearn.training.state import State, state_of
from unlearn.training.task import Task


class GradientAscent:
    """Plain SGD on minus the cross-entropy of the points to delete (Graves et al. 2021).

    The retain set is not used. Batch normalisation is frozen: statistics over the deleted points
    alone would change the model more than the ascent does.
    """

    trainer = "standard"
    guarantee = "none"
    serves = ("delete",)

    def __init__(self, epochs: int, lr: float, batch_size: int):
        self.epochs = epochs
        self.lr = lr
        self.batch_size = batch_size

    def unlearn(self, task: Task, trained: State, request: Step, seed: int) -> State:
        """The trained model after `epochs` epochs of ascent; unchanged if nothing is deleted."""
        model = task.model(trained).eval()
        plain = {"optimizer": "sgd", "momentum": 0.0, "nesterov": False, "weight_decay": 0.0}
        own = {"epochs": self.epochs, "lr": self.lr, "batch_size": self.batch_size}
        fit(
            task,
            model,
            request.deleted,
            task.recipe | plain | own | {"schedule": "constant"},
            seeding.derive(seed, "gradient ascent"),
            among=request.deleted,
            loss=losses.ascent(),
            what="gradient ascent",
        )
        return state_of(model)
