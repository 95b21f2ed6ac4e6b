"""Noise start: train from noise alone, as much as a certificate needs. A control."""

from dataclasses import replace

from unlearn.algorithms.certified.limits import batch_normalisation_problem
from unlearn.algorithms.certified.noise_calibration import output_noise_sigma
from unlearn.core.guarantee import Guarantee
from unlearn.methods.base import Method, Update, parameter
from unlearn.training.recipe import SCHEDULES


class NoiseStart(Method):
    """Train from noise alone: what noisy fine-tuning would be without the trained model. A control.

    The weights are those that `noisy_finetuning` with `mode: output_noise` has where its trained
    model is zero; the noise is the same, number by number, and so is the training after it:

        w <- N(0, sigma^2 I), then E epochs on D_r

    `sigma: null` is the least noise that certifies weights of norm `start_radius`. A certificate of
    a network at useful epsilon amounts to this retraining from noise if the two score alike.

    Cost:
        E passes over the retain set.

    Pitfalls:
        Noise far from the usual size of initial weights trains slowly. For the other modes of
        `noisy_finetuning`, name its `sigma`: one draw of it stands for that of the last step.

    References:
        The control of noisy fine-tuning: Koloskova, Allouah, Jha, Guerraoui, Koyejo, "Certified
        unlearning for neural networks", ICML 2025.
    """

    label = "noise alone"
    reads = frozenset({"retain"})
    guarantee = "approximate"
    is_control = True

    epsilon: float = parameter(1.0, above=0, help="What sigma is chosen for, at delta.")
    delta: float = parameter(1e-5, above=0, below=1, help="The delta that sigma is chosen for.")
    sigma: float | None = parameter(
        None, above=0, help="The standard deviation of the noise; null is the least for epsilon."
    )
    start_radius: float = parameter(
        0.004, above=0, help="C0: the norm of the weights that the noise would hide."
    )
    epochs: int = parameter(5, minimum=1, help="E: passes over the retain set.")
    lr: float = parameter(0.1, above=0, search=("log", 1e-3, 1.0))
    schedule: str = parameter("cosine", choices=SCHEDULES)

    def supports(self, setting):
        """Networks whose every tensor gets noise."""
        return batch_normalisation_problem(setting.model)

    def guarantee_for(self, setting):
        """A retraining of its own kind."""
        return Guarantee("exact", "the weights start from noise, and deleted points are not read")

    def gradient_evaluations(self, retained, deleted, recipe):
        """One for every retained point and epoch."""
        return self.epochs * retained

    def unlearn(self, task, original, request, seed):
        """The model that was trained from noise.

        ValueError if no point is left, or for a network with a tensor that gets no noise.
        """
        import torch

        from unlearn.algorithms.certified.noisy_finetuning import fine_tuned
        from unlearn.algorithms.certified.noisy_steps import Noise
        from unlearn.algorithms.certified.weight_vector import WeightVector

        if not len(request.retain_ids):
            raise ValueError("no training data left")
        sigma = self.sigma or output_noise_sigma(self.start_radius, self.epsilon, self.delta)
        vector = WeightVector(task, original)
        weights = Noise(sigma, seed, request.index).of(0, torch.zeros_like(vector.values()))
        recipe = replace(task.recipe, epochs=self.epochs, lr=self.lr, schedule=self.schedule)
        return Update(fine_tuned(vector, weights, request.retain_ids, recipe, seed))
