"""Newton's step: from the trained model towards the minimum of what is left, for convex losses."""

import warnings
from functools import partial

from unlearn.methods.base import Method, Update, parameter


class NewtonStep(Method):
    """Take one Newton step on the loss of the retain set, for models whose loss is convex.

    With the gradient g and the exact Hessian H of the retain set's loss at the trained weights,
    both with the recipe's weight decay, the weights change once:

        w <- w - (H + damping I)^-1 g,    loss = mean CE over D_r + decay / 2 |w|^2

    The system is solved by conjugate gradients in double precision, from products with the Hessian.
    For a quadratic loss the step is exact.

    Cost:
        One gradient for every retained point, and as much for each product with the Hessian. The
        number of products is about that of the steps of conjugate gradients, and depends on the
        data.

    Pitfalls:
        The step leads to the minimum, not to where a retraining of few epochs would stop. Far from
        the minimum, after short training, it overshoots and overfits: `damping` prevents that.
        Without weight decay separable data have no minimum. Augmentation and mixup are not part of
        the loss. Systems that have not converged are counted as `unconverged_solves`.

    References:
        Guo, Goldstein, Hannun, van der Maaten, "Certified data removal from machine learning
        models", ICML 2020. Sekhari, Acharya, Kamath, Suresh, "Remember what you want to forget",
        NeurIPS 2021.
    """

    label = "Newton step"
    reads = frozenset({"retain"})
    continues = True
    deterministic = True

    damping: float = parameter(
        0.003,
        minimum=0,
        search=("log", 1e-5, 1.0),
        help="Added to every eigenvalue of the Hessian; shortens the step.",
    )
    tolerance: float = parameter(
        1e-6, above=0, below=1, help="The relative residual at which conjugate gradients end."
    )
    max_steps: int = parameter(
        500, minimum=1, help="Steps after which conjugate gradients give up."
    )

    def supports(self, setting):
        """Models whose loss is convex in the weights."""
        if setting.model is None or setting.model.is_convex is not False:
            return None
        name = type(setting.model).__name__
        allowed = "logistic, bounded_logistic"
        return f"the loss of {name} is not convex in its weights; allowed: {allowed}"

    def unlearn(self, task, original, request, seed):
        """The trained model after one step.

        ValueError for a network of more than one linear layer, and if no point is left.
        """
        from torch.nn import functional

        from unlearn.algorithms.newton import ConjugateGradients, SoftmaxRegression, is_linear
        from unlearn.algorithms.weights import move

        model = task.bare_model(original)
        if not is_linear(model):
            allowed = "logistic, bounded_logistic"
            raise ValueError(f"the network is not one linear layer; allowed: {allowed}")
        loss = partial(functional.cross_entropy, label_smoothing=task.recipe.label_smoothing)
        decay = task.recipe.weight_decay
        regression = SoftmaxRegression(task, model, request.retain_ids, loss, decay)
        step = regression.newton_step(
            ConjugateGradients(self.tolerance, self.max_steps), self.damping
        )
        task.meter.count("unconverged_solves", int(not step.is_converged))
        task.meter.count("largest_residual", step.residual)
        if not step.is_converged:
            warnings.warn(
                f"conjugate gradients have not converged in {self.max_steps} steps, the relative "
                f"residual is {step.residual:.2g}; a larger damping helps",
                stacklevel=2,
            )
        move(model, step.change)
        return Update(model.float())
