"""Error-minimising noise: images that a model learns nothing from."""

from unlearn.core.parameters import parameter
from unlearn.perturbations import limits
from unlearn.perturbations.base import Perturbation, model_parameter, size_parameter

KEPT, RENEWED = "kept", "renewed"
STARTS = ("zero", "uniform", "sign")


class ErrorMinimizing(Perturbation):
    """Noise from which a model, trained in turn with it, makes no mistakes; unlearnable examples.

    A model, the source, and the noise minimise the same loss in turn: a few training steps on
    noisy images, then signed gradient steps of the noise.

    - A `kept` source is trained on. The search ends when it makes no more than `stop_error`
      mistakes on noisy images, and at least `clean_error` on the images without noise: a source
      that knows the images asks nothing of the noise. One that does in three rounds running is
      renewed, at most three times. After `rounds` rounds the search ends anyway: the noise of
      the last round is kept and flagged.
    - A `renewed` source has new weights in every round, and the search has all its rounds.

    References:
        Huang et al., "Unlearnable examples: making personal data unexploitable", ICLR 2021, eq. 2.
    """

    model: str = model_parameter()
    size: int | None = size_parameter()
    epsilon: float = limits.epsilon_parameter()
    step: float | None = limits.step_parameter()
    class_wise: bool = parameter(
        False,
        help="One noise for each class instead of each image: the mean over a share of its images.",
    )
    source: str = parameter(
        KEPT,
        choices=(KEPT, RENEWED),
        help="Whether the source model is trained on, or gets new weights in every round.",
    )
    start: str = parameter(
        "zero", choices=STARTS, help="The first noise: none, uniform, or plus or minus epsilon."
    )
    steps: int = parameter(20, minimum=1, help="Steps of the noise in a round.")
    training_steps: int = parameter(10, minimum=1, help="Steps of the model in a round.")
    batch_size: int = parameter(512, minimum=2, help="Of the training steps of the model.")
    lr: float = parameter(0.1, above=0)
    momentum: float = parameter(0.9, minimum=0, below=1)
    weight_decay: float = parameter(0.0005, minimum=0, maximum=100)
    clip: float = parameter(5.0, above=0, help="The largest norm of a gradient.")
    stop_error: float = parameter(
        0.01,
        minimum=0,
        maximum=1,
        help="kept. The share of mistakes on noisy images at which the search ends.",
    )
    clean_error: float = parameter(
        0.3,
        minimum=0,
        maximum=1,
        help="kept. The least share of mistakes on images without noise at which it ends.",
    )
    least_rounds: int = parameter(5, minimum=1, help="kept. The fewest rounds.")
    rounds: int = parameter(
        30, minimum=1, help="The most rounds; the noise of the last is kept and flagged."
    )
    class_share: float = parameter(
        0.2,
        above=0,
        maximum=1,
        help="class_wise. The share of the images that the noise of classes is searched on.",
    )
    probe_lr: float = parameter(
        0.02, above=0, help="The largest learning rate of the models that try the noise."
    )
    seed: int = parameter(0, minimum=0)

    def validate(self):
        """Raise ValueError for noise that images cannot carry, or for an unknown source."""
        limits.check(self.epsilon, self.step)
        self.architecture()
        if self.source == KEPT and self.least_rounds > self.rounds:
            raise ValueError(
                f"least_rounds: {self.least_rounds} is above rounds; allowed: up to {self.rounds}"
            )

    def make(self, task, ids):
        """The noise, and the record of the search and of the probe.

        ValueError if the model diverges, or if a class has no image in the part of the data.
        """
        from unlearn.perturbations import probe
        from unlearn.perturbations.alternating_search import AlternatingSearch

        noise, record = AlternatingSearch(self, task, ids).run()
        return noise, record | probe.record(task, ids, noise, self.probe_lr, self.seed)
