"""Error-maximising noise: images that a trained model gets wrong. A control."""

from dataclasses import replace

from unlearn.core import seeding
from unlearn.core.parameters import parameter
from unlearn.perturbations import limits
from unlearn.perturbations.base import Perturbation, model_parameter, size_parameter


class ErrorMaximizing(Perturbation):
    """A control. Noise that makes the loss of a trained model large.

    With `shift` the noise makes the loss of another label small instead: targeted adversarial
    poisoning (TAP).

    References:
        Madry et al., "Towards deep learning models resistant to adversarial attacks", ICLR 2018.
        Fowl et al., "Adversarial examples make strong poisons", NeurIPS 2021.
    """

    model: str = model_parameter()
    size: int | None = size_parameter()
    epsilon: float = limits.epsilon_parameter()
    step: float | None = limits.step_parameter()
    steps: int = parameter(20, minimum=1, help="Steps of the noise.")
    shift: int = parameter(
        0,
        minimum=0,
        help="The noise leads to the label that is so much higher, after the last the first again; "
        "0: away from the label.",
    )
    epochs: int = parameter(10, minimum=1, help="Training of the source model.")
    batch_size: int = parameter(128, minimum=2)
    lr: float = parameter(0.1, above=0)
    seed: int = parameter(0, minimum=0)

    def validate(self):
        """Raise ValueError for noise that images cannot carry, or for an unknown source."""
        limits.check(self.epsilon, self.step)
        self.architecture()

    def check(self, shape, classes):
        """Raise ValueError for a shift that comes back to the label."""
        if self.shift >= classes:
            raise ValueError(f"shift: {self.shift} is too large; allowed: below {classes} classes")

    def make(self, task, ids):
        """The noise against a model trained on the points.

        `error` is the share of noisy images that the model gets wrong, `source_error` that of the
        clean ones.
        ValueError if training that model diverges.
        """
        import torch

        from unlearn.perturbations import search
        from unlearn.training.loop import fit
        from unlearn.training.task import index_of

        data = task.data
        ball = search.ball(task, self.epsilon, self.step)
        source = task.new_model(seeding.derive(self.seed, "source of noise"), ids)
        recipe = replace(
            task.recipe,
            epochs=self.epochs,
            batch_size=self.batch_size,
            lr=self.lr,
            schedule="one_cycle",
        )
        fit(task, source, ids, recipe, seeding.derive(self.seed, "training"))
        if not all(torch.isfinite(parameter).all() for parameter in source.parameters()):
            raise ValueError(f"lr: {self.lr} lets the source of the noise diverge; allowed: less")
        source.eval()
        pixels = data.train_images[index_of(ids).to(task.machine.device)]
        labels = data.labels(ids)
        noise = torch.zeros(pixels.shape, device=pixels.device)
        source_error = search.error_rate(task, source, pixels, labels, noise)
        aims = (labels + self.shift) % data.classes
        uphill = self.shift == 0
        search.follow(task, source, pixels, aims, noise, ball, self.steps, uphill=uphill)
        error = search.error_rate(task, source, pixels, labels, noise)
        record = {"converged": True, "error": error, "source_error": source_error, "rounds": 1}
        return search.rounded(pixels, noise, ball.radius, data.levels), record
