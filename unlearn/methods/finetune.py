"""Fine-tuning: train on, on the retain set only."""

from unlearn.core import seeding
from unlearn.requests.request import Step
from unlearn.training.loop import fit
from unlearn.training.state import State, state_of
from unlearn.training.task import Task


class Finetune:
    """SGD on the retain set from the trained model (the baseline of Golatkar et al. 2020)."""

    trainer = "standard"
    guarantee = "none"
    serves = ("delete", "add")

    def __init__(self, epochs: int, lr: float, schedule: str):
        self.epochs = epochs
        self.lr = lr
        self.schedule = schedule

    def unlearn(self, task: Task, trained: State, request: Step, seed: int) -> State:
        """The trained model after `epochs` epochs on the retain set, by the recipe's optimiser."""
        model = task.model(trained)
        recipe = task.recipe | {"epochs": self.epochs, "lr": self.lr, "schedule": self.schedule}
        fine = seeding.derive(seed, "finetune")
        fit(task, model, request.retain, recipe, fine, what="fine-tuning")
        return state_of(model)
