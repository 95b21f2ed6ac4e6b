"""Noise in which every pixel is a weighted sum of its neighbours, with weights of the class."""

from unlearn.core import seeding
from unlearn.core.parameters import parameter
from unlearn.perturbations import limits
from unlearn.perturbations.base import Perturbation
from unlearn.perturbations.limits import NoiseBound

CHANNELS = 3
MIN_SIDE = 16
"""Pixels of the side of an image, at least: smaller ones hold few windows to tell classes by."""


class Autoregressive(Perturbation):
    """Noise of an autoregressive process for each class (AR); needs no model.

    A pixel is a weighted sum of the eight before it in its window of 3 x 3. The weights of a class,
    eight a channel with the sum 1, give noise that the filter of the class answers with 0, and the
    filters of other classes do not.

    References:
        Sandoval-Segura et al., "Autoregressive perturbations for data poisoning", NeurIPS 2022.
    """

    budget: float = parameter(
        1.0, above=0, help="The L2 norm of the noise on an image, pixels in [0, 1]."
    )
    pool: int = parameter(
        1500,
        minimum=2,
        maximum=10000,
        help="Candidates for the weights of classes; those with the most different answers stay.",
    )
    seed: int = parameter(0, minimum=0)

    def check(self, shape, classes):
        """Raise ValueError for images that are grey or small, or for too few candidates."""
        height, width, channels = shape
        if channels != CHANNELS or min(height, width) < MIN_SIDE:
            raise ValueError(
                f"autoregressive: images of {height} x {width} x {channels} are not allowed; "
                f"allowed: {CHANNELS} channels, sides of {MIN_SIDE} pixels or more"
            )
        if self.pool < classes:
            raise ValueError(f"pool: {self.pool} is too small; allowed: at least {classes} classes")
        limits.check_budget(self.budget, shape)

    def bound(self, shape):
        """The L2 budget."""
        return NoiseBound("l2", self.budget)

    def make(self, task, ids):
        """Noise that is a function of the seed and of each id and its label alone.

        `answer` is the least answer of a class's filter to noise of another class, of norm 1.
        """
        import numpy as np

        from unlearn.perturbations import autoregression, pixel_steps

        height, width, _ = task.data.shape
        random = np.random.default_rng(seeding.derive(self.seed, "weights of autoregression"))
        weights, answer = autoregression.class_weights(
            random, task.data.classes, self.pool, (height, width)
        )
        seed = seeding.derive(self.seed, "points of autoregressive noise")

        def draw(chunk_ids, labels):
            borders = autoregression.borders(chunk_ids, seed, (height, width), CHANNELS)
            signals = autoregression.signals(borders, weights[labels].transpose(2, 1, 0))
            return pixel_steps.scaled(signals.transpose(3, 0, 1, 2), self.budget)

        noise = pixel_steps.noise_of_ids(task, ids, draw, self.bound(task.data.shape))
        return noise, {"converged": True, "error": None, "rounds": 0, "answer": answer}
