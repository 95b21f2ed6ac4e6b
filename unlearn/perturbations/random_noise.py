"""Random noise: the control of noise that is searched for."""

import numpy as np

from unlearn.core.parameters import parameter
from unlearn.perturbations import limits
from unlearn.perturbations.base import Perturbation


class RandomNoise(Perturbation):
    """A control. Plus or minus epsilon with equal chance at every pixel."""

    epsilon: float = limits.epsilon_parameter()
    class_wise: bool = parameter(False, help="One noise for each class instead of each image.")
    uniform: bool = parameter(False, help="Anything between -epsilon and epsilon instead.")
    seed: int = parameter(0, minimum=0)

    def validate(self):
        """Raise ValueError for an epsilon that images cannot carry."""
        limits.check(self.epsilon)

    def make(self, task, ids):
        """Noise that is a function of the seed and of each id (or class) alone."""
        import torch

        from unlearn.perturbations import search
        from unlearn.training.task import index_of

        data = task.data
        ball = search.ball(task, self.epsilon, None)
        keys = data.labels(ids).cpu().numpy() if self.class_wise else ids
        values = search.random_values(keys, data.shape, self.seed)
        pixels = data.train_images[index_of(ids)]
        noise = torch.from_numpy(ball.radius * (values if self.uniform else np.sign(values)))
        rounded = search.rounded(pixels, noise.to(pixels.device), ball.radius, data.levels)
        return rounded, {"converged": True, "error": None, "rounds": 0}
