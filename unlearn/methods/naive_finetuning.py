"""Naive fine-tuning: train on, on the deleted points alone, against their labels."""

import math

from unlearn.algorithms import losses
from unlearn.core import seeding
from unlearn.requests.request import Step
from unlearn.training.loop import fit
from unlearn.training.state import State, state_of
from unlearn.training.task import Task


class NaiveFinetuning:
    """SGD with momentum on minus the cross-entropy of the deleted points, bounded or not.

    What influence distillation does to the deleted points, without a word on the others: its
    negative control. The bound is the loss of a uniform prediction, ln C. Batch normalisation is
    frozen.
    """

    trainer = "standard"
    guarantee = "none"
    serves = ("delete",)
    continues = True  # a later request builds on the model of an earlier one

    def __init__(
        self, epochs: int, lr: float, batch_size: int, momentum: float, bounded: bool, clip: float
    ):
        self.epochs = epochs
        self.lr = lr
        self.batch_size = batch_size
        self.momentum = momentum
        self.bounded = bounded
        self.clip = clip

    def unlearn(self, task: Task, trained: State, request: Step, seed: int) -> State:
        """The trained model after `epochs` epochs; unchanged if nothing is deleted."""
        model = task.model(trained).eval()
        plain = {
            "optimizer": "sgd",
            "nesterov": False,
            "weight_decay": 0.0,
            "momentum": self.momentum,
        }
        own = {"epochs": self.epochs, "lr": self.lr, "batch_size": self.batch_size}
        fit(
            task,
            model,
            request.deleted,
            task.recipe | plain | own | {"schedule": "constant"},
            seeding.derive(seed, "naive fine-tuning"),
            among=request.deleted,
            loss=losses.ascent(math.log(task.data.classes) if self.bounded else math.inf),
            clip=self.clip,
            what="naive fine-tuning",
        )
        return state_of(model)
