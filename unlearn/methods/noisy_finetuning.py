"""Noisy fine-tuning: clip the weights, add noise, and fine-tune what is left of them."""

from unlearn.algorithms.certified.limits import batch_normalisation_problem
from unlearn.algorithms.certified.noise_calibration import REASON
from unlearn.core.guarantee import Guarantee
from unlearn.methods.base import Method, parameter
from unlearn.training.recipe import SCHEDULES

MODES = ("output_noise", "gradient_clipping", "model_clipping")

UNCLIPPED = {"mode": "model_clipping", "start_radius": 100, "model_radius": 100, "sigma": 0.03}
"""Radii that no small model reaches: the noise hides nothing, and epsilon is huge."""

NEUTRAL = {"mode": "gradient_clipping", "gradient_radius": 0, "noisy_steps": 1}
NEUTRAL |= {"noisy_weight_decay": 0}
"""A noisy step that does not move the weights."""


class NoisyFinetuning(Method):
    """Clip all weights to a small norm, hide the rest under noise, then fine-tune on D_r.

    Clipping to the norm C0, of all weights as one vector, bounds how far any two trained models can
    be apart. Noise of standard deviation sigma hides that distance, in T steps of a mode:

        w <- clip(w, C0)
        output_noise:       w <- w + N(0, sigma^2 I), once
        gradient_clipping:  w <- w - eta (clip(g, C1) + lambda w) + N(0, sigma^2 I)
        model_clipping:     w <- clip(w - eta (g + lambda w), C2) + N(0, sigma^2 I)

    g is the mean gradient of a minibatch of D_r. E epochs of fine-tuning without noise follow, by
    the recipe's optimiser. `sigma: null` is the least noise that is (epsilon, delta)-certified, for
    any loss and any number of deleted points. The reference is the procedure on a model that never
    saw them: `start: retrained`. Noise is drawn and added in float64; the sum is rounded to
    float32. Nothing else is kept.

    Cost:
        T minibatches, and E passes over the retain set.

    Pitfalls:
        At useful epsilon little of the trained model is left: only what is better than
        `noise_start`, which trains from the noise alone, is due to it. The bound on the gap is that
        after the noisy steps; fine-tuning may move two models farther apart.

    References:
        Koloskova, Allouah, Jha, Guerraoui, Koyejo, "Certified unlearning for neural networks",
        ICML 2025.
    """

    label = "noisy fine-tuning"
    reads = frozenset({"retain"})
    guarantee = "certified"
    serves = ("delete",)
    conformance_variants = ({"mode": "gradient_clipping"}, UNCLIPPED, {"start": "retrained"})
    neutral = ((NEUTRAL, "noisy_finetuning", {"mode": "output_noise"}),)

    mode: str = parameter("output_noise", choices=MODES, help="What the noisy steps clip.")
    start: str = parameter(
        "original",
        choices=("original", "retrained"),
        help="retrained is the reference: a model that never saw the deleted points.",
    )
    epsilon: float = parameter(1.0, above=0, help="What sigma is chosen for, at delta.")
    delta: float = parameter(1e-5, above=0, below=1, help="The delta of the certificate.")
    sigma: float | None = parameter(None, above=0, help="Of the noise; null is the least.")
    start_radius: float = parameter(
        0.004, above=0, help="C0: the largest norm of all weights before the noise."
    )
    gradient_radius: float = parameter(
        10.0, minimum=0, help="gradient_clipping. C1: the largest norm of a gradient."
    )
    model_radius: float = parameter(
        0.004, above=0, help="model_clipping. C2: the largest norm of all weights in each step."
    )
    noisy_steps: int = parameter(6, minimum=1, help="T: steps with noise; output_noise takes one.")
    noisy_lr: float = parameter(0.0001, above=0, help="eta: the learning rate of noisy steps.")
    noisy_weight_decay: float = parameter(750.0, minimum=0, help="lambda: of noisy steps.")
    epochs: int = parameter(5, minimum=1, help="E: passes over the retain set, without noise.")
    lr: float = parameter(0.1, above=0, search=("log", 1e-3, 1.0))
    schedule: str = parameter("cosine", choices=SCHEDULES)

    @property
    def continues(self):
        """A later request clips the model of an earlier one, but for the reference."""
        return self.start == "original"

    def supports(self, setting):
        """Networks whose every tensor gets noise; images that deleted points have no part in."""
        if setting.data is not None and setting.data.noised is not None:
            return "noise on images may know deleted points; allowed: data sets without a noise"
        return batch_normalisation_problem(setting.model)

    def guarantee_for(self, setting):
        """Certified by clipping; the reference never saw the deleted points."""
        if self.start == "retrained":
            return Guarantee("exact", "the deleted points have no part in the model it starts from")
        return Guarantee(self.guarantee, REASON, serves=self.serves)

    def references(self):
        """The same procedure, with the same noise, on a model that never saw the deleted points."""
        if self.start == "retrained":
            return {}
        return {"twin": self.values() | {"start": "retrained"}}

    def gradient_evaluations(self, retained, deleted, recipe):
        """One for every point of a noisy step, and for every retained point and epoch."""
        from unlearn.algorithms.certified.noisy_finetuning import noisy_points

        steps = 0 if self.mode == "output_noise" else self.noisy_steps
        epochs = self.epochs + (recipe.epochs if self.start == "retrained" else 0)
        return noisy_points(retained, recipe.batch_size, steps) + epochs * retained

    def unlearn(self, task, original, request, seed):
        """The fine-tuned model and its certificate; no change if nothing is deleted.

        ValueError if no point is left, or for a network with a tensor that gets no noise.
        """
        from unlearn.algorithms.certified import noisy_finetuning

        return noisy_finetuning.unlearn(self, task, original, request, seed)
