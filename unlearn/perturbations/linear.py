"""Noise that hides what a linear model sees in images, and shows it the label instead."""

from dataclasses import replace

from unlearn.core import seeding
from unlearn.core.parameters import parameter
from unlearn.perturbations import limits
from unlearn.perturbations.base import Perturbation


class Linear(Perturbation):
    """Noise from a linear model (PIL): it alone has the label, noisy images have none.

    The model is trained on the images; its logits are W x. The noise is -n, where signed steps
    lower `label_share` CE(W n, y) + (1 - `label_share`) KL(uniform, softmax(W (x - n))).

    References:
        Liu, Chen and Zhang, "Perturbation-induced linearization: constructing unlearnable data
        with solely linear classifiers", ICLR 2026.
    """

    epsilon: float = limits.epsilon_parameter()
    step: float | None = limits.step_parameter()
    steps: int = parameter(30, minimum=1, help="Steps of the noise.")
    label_share: float = parameter(
        0.9, minimum=0, maximum=1, help="The weight of the label; the rest hides the image."
    )
    training_steps: int = parameter(2940, minimum=1, help="Steps of the linear model.")
    batch_size: int = parameter(512, minimum=2, help="Of the training steps of the model.")
    lr: float = parameter(0.003, above=0, help="Falls to 0 on half a cosine.")
    momentum: float = parameter(0.9, minimum=0, below=1)
    seed: int = parameter(0, minimum=0)

    def validate(self):
        """Raise ValueError for noise that images cannot carry."""
        limits.check(self.epsilon, self.step)

    def make(self, task, ids):
        """The noise against a linear model trained on the points.

        `error` is the share of noisy images that the model gets wrong, `source_error` that of the
        clean ones, `label_error` the share of n without their noise that it gives another label.
        ValueError if training that model diverges.
        """
        import numpy as np

        from unlearn.data.source import LEVELS
        from unlearn.perturbations import linearization, pixel_steps, search

        data = task.data
        recipe = replace(
            task.recipe,
            optimizer="sgd",
            nesterov=False,
            momentum=self.momentum,
            weight_decay=0.0,
            schedule="cosine",
            lr=self.lr,
            batch_size=self.batch_size,
        )
        seed = seeding.derive(self.seed, "source of noise")
        weights = linearization.trained_weights(task, ids, recipe, self.training_steps, seed)
        step = self.epsilon / 10 if self.step is None else self.step
        errors = np.zeros(3)

        def draw(chunk_ids, labels):
            images = data.train_images.cpu().numpy()[chunk_ids] / LEVELS
            n = self.epsilon * search.random_values(chunk_ids, data.shape, self.seed)
            n = n.reshape(len(n), -1).astype(np.float64)
            image_logits = images.reshape(n.shape) @ weights.T
            for _ in range(self.steps):
                g = linearization.gradient(weights, n, image_logits, labels, self.label_share)
                n = np.clip(n - step * np.sign(g), -self.epsilon, self.epsilon)
            noise = (-n).reshape(images.shape)
            for index, x in enumerate((np.clip(images + noise, 0, 1), images, -noise)):
                logits = x.reshape(n.shape) @ weights.T
                errors[index] += (logits.argmax(1) != labels).sum()
            return noise * LEVELS

        noise = pixel_steps.noise_of_ids(task, ids, draw, self.bound(data.shape))
        linearization.charge(task, len(ids), self.steps)
        error, source_error, label_error = (float(e) / len(ids) for e in errors)
        record = {"converged": True, "error": error, "rounds": 1}
        return noise, record | {"source_error": source_error, "label_error": label_error}
