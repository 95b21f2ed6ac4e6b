"""Influence unlearning: one step that undoes the influence of the deleted points."""

import warnings
from functools import partial

import numpy as np

from unlearn.algorithms.influence.limits import memory_problem
from unlearn.core import seeding
from unlearn.methods.base import Method, Update, parameter


class Iu(Method):
    """Move the weights once, by the influence of the deleted points on the minimum of the loss.

    Nothing is trained. F is the mean of s s' over the gradients s of `curvature_points` retained
    points. With the mean gradients g_f of the deleted and g_r of the retained points, the weights
    change once:

        w <- w + alpha (lambda I + F)^-1 |D_f| / n (g_f - g_r)

    The system is solved exactly, among points instead of weights. Losses are those of training.
    Batch normalisation is frozen.

    Cost:
        One gradient for every training point before the request, and one more for every point of F:
        |D| + N. The memory holds N gradients, and N^2 products of them are counted.

    Pitfalls:
        The step holds near a stationary point of the training loss. Elsewhere it neglects the
        gradient that training has left. `nonstationarity` in the costs is the norm of that
        gradient, with weight decay, in units of the vector that the system is solved for. Above 1
        the job warns, and `max_nonstationarity` refuses. A `damping` a few times too small ruins
        the model; one too large leaves a plain gradient step. Published versions iterate a formula
        that keeps a single retained gradient, so their numbers are of another algorithm.

    References:
        Izzo, Smart, Chaudhuri, Zou, "Approximate data deletion from machine learning models",
        AISTATS 2021. Jia et al., "Model sparsity can simplify machine unlearning", NeurIPS 2023.
    """

    label = "IU"
    serves = ("delete",)
    continues = True
    deterministic = True
    neutral = (({"alpha": 0.0}, "original", {}),)

    alpha: float = parameter(
        1.0, minimum=0, search=("log", 0.1, 20.0), help="The length of the step; 1 is Newton's."
    )
    damping: float = parameter(
        0.3,
        above=0,
        search=("log", 0.01, 10.0),
        help="lambda, added to every eigenvalue of F; smaller values give longer steps.",
    )
    curvature_points: int = parameter(
        400, minimum=1, help="N, the retained points that F is a mean over, at most."
    )
    max_nonstationarity: float | None = parameter(
        None,
        above=0,
        help="Models with more are refused; null serves all, and warns above 1.",
    )

    def supports(self, setting):
        """Networks of which so many gradients fit into the memory."""
        if setting.data is None or setting.model is None:
            return None
        weights = setting.model.weight_count(setting.data.shape, setting.data.classes)
        return memory_problem(weights, min(self.curvature_points, setting.data.points))

    def gradient_evaluations(self, retained, deleted, recipe):
        """One for every training point, and one more for every point of F."""
        return retained + deleted + min(self.curvature_points, retained)

    def unlearn(self, task, original, request, seed):
        """The trained model after one step; unchanged if nothing is deleted.

        ValueError if no point is left, and for a model that is further from a stationary point than
        allowed.
        """
        from torch.nn import functional

        from unlearn.algorithms.influence.removal import DrawnFisher, influence
        from unlearn.algorithms.weights import move

        if not len(request.deleted_ids):
            return Update()
        model = task.bare_model(original).eval()
        loss = partial(functional.cross_entropy, label_smoothing=task.recipe.label_smoothing)
        draw = seeding.derive(seed, "curvature")
        curvature = DrawnFisher(self.curvature_points, self.damping, draw)
        parts = (request.deleted_ids, np.setdiff1d(request.previous_ids, request.deleted_ids))
        removal = influence(task, model, parts, curvature, loss)
        task.meter.count("nonstationarity", removal.nonstationarity)
        self.check_stationarity(removal.nonstationarity)
        move(model, removal.change, self.alpha)
        return Update(model)

    def check_stationarity(self, value: float) -> None:
        """ValueError above the limit; a warning where more is neglected than is used."""
        if self.max_nonstationarity is not None and value > self.max_nonstationarity:
            raise ValueError(
                f"max_nonstationarity: the gradient that training left is {value:.3g} times the "
                f"influence of the deleted points; allowed: at most {self.max_nonstationarity:g}"
            )
        if value > 1:
            warnings.warn(
                f"the gradient that training left is {value:.2g} times the influence of the "
                "deleted points: far from a stationary point influence means little",
                stacklevel=3,
            )
