"""Error-minimising noise: images that a model learns nothing from."""

from unlearn.core.parameters import parameter
from unlearn.perturbations import limits
from unlearn.perturbations.base import Perturbation, model_parameter, size_parameter


class ErrorMinimizing(Perturbation):
    """Noise from which a model, trained in turn with it, makes no mistakes; unlearnable examples.

    A model and the noise minimise the same loss in turn: a few training steps on noisy images, then
    signed gradient steps of the noise. The search ends when the model makes no more than
    `stop_error` mistakes on noisy images. After `rounds` rounds it ends anyway: the noise of the
    last round is kept and flagged.

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
        help="The share of mistakes on noisy images at which the search ends.",
    )
    rounds: int = parameter(
        30, minimum=1, help="The most rounds; the noise of the last is kept and flagged."
    )
    class_share: float = parameter(
        0.2,
        above=0,
        maximum=1,
        help="class_wise. The share of the images that the noise of classes is searched on.",
    )
    random_start: bool = parameter(False)
    seed: int = parameter(0, minimum=0)

    def validate(self):
        """Raise ValueError for noise that images cannot carry, or for an unknown source."""
        limits.check(self.epsilon, self.step)
        self.source()

    def make(self, task, ids):
        """The noise, and the record of the search.

        ValueError if the model diverges, or if a class has no image in the part of the data.
        """
        from unlearn.perturbations.alternating_search import AlternatingSearch

        return AlternatingSearch(self, task, ids).run()
