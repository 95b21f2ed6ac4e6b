"""How a model is trained: the parameters of a recipe. Importable without torch."""

from unlearn.core.parameters import Parameters, parameter

OPTIMIZERS = ("sgd", "adam")
SCHEDULES = ("constant", "cosine", "one_cycle")


class Recipe(Parameters):
    """How a model is trained."""

    epochs: int = parameter(10, minimum=1, help="Passes over the training set.")
    batch_size: int = parameter(128, minimum=1, help="Points of a minibatch.")
    optimizer: str = parameter("sgd", choices=OPTIMIZERS)
    lr: float = parameter(0.05, above=0, help="The largest learning rate of the schedule.")
    momentum: float = parameter(0.9, minimum=0, below=1)
    nesterov: bool = parameter(False)
    weight_decay: float = parameter(0.0005, minimum=0, maximum=1_000_000)
    schedule: str = parameter("cosine", choices=SCHEDULES)
    crop: int = parameter(0, minimum=0, help="Random crops after padding by so many pixels.")
    flip: bool = parameter(False, help="Random horizontal flips.")
    cutout: int = parameter(
        0,
        minimum=0,
        help="The side of a square that is blanked in every image (DeVries and Taylor 2017).",
    )
    mixup: float = parameter(
        0.0,
        minimum=0,
        help="alpha of the Beta distribution by which images and labels of a minibatch are mixed "
        "in pairs (Zhang et al. 2018); 0 mixes none.",
    )

    def validate(self) -> None:
        """Raise ValueError for what the optimiser refuses."""
        if self.nesterov and not self.momentum:
            raise ValueError("nesterov: true needs a momentum above 0")

    @property
    def moves_pixels(self) -> bool:
        """Whether images are augmented in ways that features cannot be."""
        return bool(self.crop or self.flip or self.cutout)
