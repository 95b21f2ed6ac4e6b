"""Noise of patches that a linear model can separate by class."""

import math

from unlearn.core import seeding
from unlearn.core.parameters import parameter
from unlearn.perturbations import limits
from unlearn.perturbations.base import Perturbation
from unlearn.perturbations.limits import NoiseBound

DEFAULT_EPSILON = 0.0314
"""8 of 255."""

DEFAULT_RMS = 6 / 255
"""The root of the mean squared change of a pixel where no budget is given."""

SEPARATION = 10.0
"""Half the distance of class centres in a feature."""

MAX_FEATURES = 1024
"""Patches times channels, at most: a class has a matrix of features x features."""


class Separable(Perturbation):
    """Patches of one value, whose values are linearly separable by class (LSP); needs no model.

    The centre of a class is a vertex of a hypercube, and a matrix of its own shapes a Gaussian
    around it. An image draws one value for each patch and channel.

    References:
        Yu et al., "Availability attacks create shortcuts", KDD 2022.
    """

    patch: int = parameter(
        8, minimum=1, help="Pixels of the side of a patch; divides the sides of images."
    )
    project: str = parameter(
        "l2",
        choices=("l2", "linf", "sign"),
        help="How noise gets its size. l2: its norm on an image is `budget`; linf: its largest "
        "value is `epsilon`; sign: every value is plus or minus `epsilon`.",
    )
    budget: float | None = parameter(
        None,
        above=0,
        help="l2. The norm of the noise on an image, pixels in [0, 1]; null takes that of 6 of 255 "
        "at every pixel.",
    )
    epsilon: float | None = parameter(
        None,
        above=0,
        below=1,
        help="linf, sign. The largest change of a pixel, as a share of its range; null takes "
        f"{DEFAULT_EPSILON}.",
    )
    seed: int = parameter(0, minimum=0)

    def validate(self):
        """Raise ValueError for a budget or an epsilon that the projection does not have."""
        if self.project == "l2" and self.epsilon is not None:
            raise ValueError(
                f"epsilon: {self.epsilon} is not allowed with project: l2; allowed: null, or "
                "project: linf or sign"
            )
        if self.project != "l2" and self.budget is not None:
            raise ValueError(
                f"budget: {self.budget} is not allowed with project: {self.project}; allowed: "
                "null, or project: l2"
            )
        if self.epsilon is not None:
            limits.check(self.epsilon)

    def check(self, shape, classes):
        """Raise ValueError for a patch or a budget that does not fit the images or classes."""
        height, width, channels = shape
        if height % self.patch or width % self.patch:
            sides = (p for p in range(1, min(height, width) + 1) if not (height % p or width % p))
            raise ValueError(
                f"patch: {self.patch} does not divide images of {height} x {width}; allowed: "
                f"{', '.join(map(str, sides))}"
            )
        features = height * width * channels // self.patch**2
        if features > MAX_FEATURES:
            raise ValueError(
                f"patch: {self.patch} makes {features} features; allowed: up to {MAX_FEATURES}, "
                "by a larger patch"
            )
        if 2**features < classes:
            raise ValueError(
                f"patch: {self.patch} makes {features} features, with {2**features} vertices for "
                f"{classes} classes; allowed: a smaller patch"
            )
        if self.project == "l2":
            limits.check_budget(self.bound(shape).budget, shape)

    def bound(self, shape):
        """The L2 budget, or epsilon."""
        if self.project != "l2":
            return NoiseBound("linf", DEFAULT_EPSILON if self.epsilon is None else self.epsilon)
        default = DEFAULT_RMS * math.sqrt(math.prod(shape))
        return NoiseBound("l2", default if self.budget is None else self.budget)

    def make(self, task, ids):
        """Noise that is a function of the seed and of each id and its label alone."""
        import numpy as np

        from unlearn.data.source import LEVELS
        from unlearn.perturbations import pixel_steps

        height, width, channels = task.data.shape
        grid = (height // self.patch, width // self.patch, channels)
        features = math.prod(grid)
        centres, matrices = self._classes(task.data.classes, features)
        bound = self.bound(task.data.shape)
        seed = seeding.derive(self.seed, "points of separable noise")

        def draw(chunk_ids, labels):
            z = np.stack(
                [np.random.default_rng([seed, int(i)]).standard_normal(features) for i in chunk_ids]
            )
            f = centres[labels]
            for feature in range(features):  # a matrix product rounds by the size of the minibatch
                f += z[:, feature, None] * matrices[labels, feature]
            if self.project == "sign":
                f = np.sign(f)
            patches = f.reshape(-1, *grid)
            noise = patches.repeat(self.patch, axis=1).repeat(self.patch, axis=2)
            if bound.norm == "l2":
                return pixel_steps.scaled(noise, bound.budget)
            largest = np.abs(f).max(axis=1)[:, None, None, None]
            return bound.budget * LEVELS * noise / largest

        noise = pixel_steps.noise_of_ids(task, ids, draw, bound)
        return noise, {"converged": True, "error": None, "rounds": 0}

    def _classes(self, classes: int, features: int) -> tuple:
        """The centres, classes x features, and matrices, classes x features x features."""
        import numpy as np

        random = np.random.default_rng(seeding.derive(self.seed, "classes of separable noise"))
        corners = {}
        while len(corners) < classes:
            corner = random.choice((-1.0, 1.0), features)
            corners.setdefault(corner.tobytes(), corner)
        centres = SEPARATION * np.stack(list(corners.values()))
        return centres, random.uniform(-1, 1, (classes, features, features))
