"""Logistic regression with a random linear term in its loss, for certified removal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from unlearn.core.guarantee import Guarantee
from unlearn.core.parameters import parameter
from unlearn.core.setting import Setting
from unlearn.models.bounded_logistic import BoundedLogistic
from unlearn.trainers.base import Trainer

if TYPE_CHECKING:
    import numpy as np

    from unlearn.training.state import State
    from unlearn.training.task import Task

ALTERATIONS = {"crop": 0, "flip": False, "cutout": 0, "mixup": 0, "label_smoothing": 0}
"""Parts of a recipe that make another loss, with the values that leave it as it is."""


class RemovalTrainer(Trainer):
    """Logistic regression in float64 with objective perturbation, for certified removal.

    One classifier for two classes, one against the rest for each of more. Each minimises

        sum_i ln(1 + exp(-y_i w.x_i)) + decay n / 2 |w|^2 + b.w,    b ~ N(0, sigma^2 I)

    that is n times the mean loss with the recipe's weight decay, plus b.w, which does not grow with
    n. Damped Newton steps end at a gradient of norm 1e-9. Epochs, batch size, learning rate,
    momentum and schedule of the recipe do not matter. With more than two classes the outputs of the
    model are the scores of the classifiers, and the softmax of them is no fitted probability.

    A state has, beside the float64 weights, for C classifiers and R requests:

    `removal/residual`  float64 C, the norm of the gradient that training has left
    `removal/beta`      float64 R x C, what each request adds to the bound on that norm
    `removal/points`    int64 R + 1, the training points after training and after each request
    `removal/norm`      float64, the largest singular value of the inputs of the first training
    `removal/restarts`  int64, how often the budget was spent and the model trained again

    b is not kept. It is a function of the seed, so retraining with the same seed has the same b.

    References:
        Guo, Goldstein, Hannun, van der Maaten, "Certified data removal from machine learning
        models", ICML 2020.
    """

    metrics = ("certified_epsilon", "gap_bound", "residual", "residual_bound", "restarts")
    replays = True

    sigma: float = parameter(
        1.0, above=0, help="Standard deviation of the random linear term of the summed loss."
    )

    def supports(self, setting: Setting) -> str | None:
        """Bounded logistic regression with weight decay, and a recipe that leaves the loss."""
        if setting.model is not None and not isinstance(setting.model, BoundedLogistic):
            name = type(setting.model).__name__
            return f"the inputs of {name} have no proved bound; allowed: bounded_logistic"
        if setting.recipe is None:
            return None
        for name, value in ALTERATIONS.items():
            if getattr(setting.recipe, name) != value:
                found_value = getattr(setting.recipe, name)
                return f"{name}: {found_value} makes another loss; allowed: {value}"
        if setting.recipe.weight_decay == 0:
            return "weight_decay: 0 leaves a loss that is not strongly convex; allowed: above 0"
        return None

    def guarantee(self) -> Guarantee:
        """Retraining is paired with the original."""
        return Guarantee("exact", "the same random term, less the points, to a gradient of 1e-9")

    def train(self, task: Task, ids: np.ndarray, seed: int) -> State:
        """The minimum and its ledger. ValueError where there is no point, or no minimum."""
        from unlearn.algorithms.certified import removal

        return removal.train(self, task, ids, seed)

    def retrain(self, task: Task, ids: np.ndarray, seed: int) -> State:
        """The same weights, without the ledger."""
        from unlearn.algorithms.certified import removal

        return removal.retrain(self, task, ids, seed)
