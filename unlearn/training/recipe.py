"""How a model is trained: the parameters of a recipe. Importable without torch."""

from typing import Any

from unlearn.core.parameters import Parameters, parameter

OPTIMIZERS = ("sgd", "adam")
ALTERNATING = "alternating"
"""The flip that mirrors an image in every second epoch, the first or the second by its point."""
SCHEDULES = ("constant", "cosine", "one_cycle")

LATER_PARAMETERS = {
    "label_smoothing": ("label_smoothing",),
    "strong": ("strong",),
    "adversarial": ("adversarial", "adversarial_radius", "adversarial_step"),
}
"""Parameters that earlier versions lacked, by the one that is 0 where they do nothing."""


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
    flip: bool | str = parameter(
        False,
        choices=(False, True, ALTERNATING),
        help="Horizontal flips at random, or alternating: each image in every second epoch.",
    )
    cutout: int = parameter(
        0,
        minimum=0,
        help="The side of a square that is blanked in every image (DeVries and Taylor 2017).",
    )
    strong: bool = parameter(
        False,
        help="Random fields of brightness and contrast, and orders of channels, image by image "
        "(after Qin et al. 2023).",
    )
    mixup: float = parameter(
        0.0,
        minimum=0,
        help="alpha of the Beta distribution by which images and labels of a minibatch are mixed "
        "in pairs (Zhang et al. 2018); 0 mixes none.",
    )

    label_smoothing: float = parameter(
        0.0,
        minimum=0,
        below=1,
        help="Share of a label that is spread evenly over all classes (Szegedy et al. 2016).",
    )

    adversarial: int = parameter(
        0,
        minimum=0,
        maximum=1000,
        help="Steps that move every image of a minibatch up the loss before the model is trained "
        "on it (Madry et al. 2018); 0 moves none.",
    )
    adversarial_radius: float = parameter(
        8 / 255,
        above=0,
        maximum=1,
        help="adversarial. How far a pixel moves at most, as a share of its range.",
    )
    adversarial_step: float = parameter(
        2 / 255, above=0, maximum=1, help="adversarial. The length of a step, as such a share."
    )

    def validate(self) -> None:
        """Raise ValueError for what the optimiser refuses."""
        if self.nesterov and not self.momentum:
            raise ValueError("nesterov: true needs a momentum above 0")
        if self.adversarial and self.adversarial_step > 2 * self.adversarial_radius:
            raise ValueError(
                f"adversarial_step: {self.adversarial_step:g} is longer than the ball is wide; "
                f"allowed: up to {2 * self.adversarial_radius:g}, twice adversarial_radius"
            )

    def identity(self) -> dict[str, Any]:
        """The parameters by name, without those of `LATER_PARAMETERS` that do nothing.

        So a checkpoint of a version without them has the same key as today's.
        """
        values = self.values()
        for switch, names in LATER_PARAMETERS.items():
            if not getattr(self, switch):
                values = {name: value for name, value in values.items() if name not in names}
        return values

    @property
    def moves_pixels(self) -> bool:
        """Whether images are changed in ways that features cannot be."""
        return bool(self.crop or self.flip or self.cutout or self.strong or self.adversarial)
