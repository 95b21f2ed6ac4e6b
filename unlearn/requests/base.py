"""The contract of samplers: how the points of a request are chosen."""

from typing import Any, ClassVar, Protocol

import numpy as np

from unlearn.core.parameters import Parameters
from unlearn.core.setting import Setting
from unlearn.requests.request import Request
from unlearn.requests.scoring import PointScores, ScoringModels

PILOT_DRAW = 5_000_000
"""The seed of requests that methods are tuned on."""


class PointSet(Protocol):
    """What a sampler may look at: a `data.dataset.Dataset`."""

    train_images: np.ndarray
    """uint8 N x H x W x C, or features, float32 N x 1 x 1 x F."""
    train_labels: np.ndarray
    """int64 N."""
    held_out_ids: np.ndarray
    """Sorted ids that are kept out of base training."""
    base_ids: np.ndarray
    """Sorted ids of base training."""
    noised_ids: np.ndarray
    """Sorted ids of base training whose images carry noise."""
    swapped_ids: np.ndarray
    """Sorted ids of base training whose labels were exchanged."""
    scores: PointScores | None
    """The scores of the points, by the models that the sampler asks for in `scoring`."""

    def ids_of_source(self, source_ids: np.ndarray) -> np.ndarray:
        """The ids of points at these places in the source; ValueError if one is not trained on."""


class Sampler(Parameters):
    """Chooses the points that a request deletes or adds; one file each."""

    changes: ClassVar[tuple[str, ...]] = ("delete",)
    """What the request asks for: `delete`, `add` or both."""

    reads_images: ClassVar[bool] = False
    """Whether `draw` compares images, which takes more memory and time than labels."""

    def check(self, setting: Setting) -> None:
        """Raise ValueError for parameters that select nothing or everything of `setting.data`."""

    def empties(self, setting: Setting) -> bool:
        """Whether the request leaves nothing to train on, so that only doing nothing serves it."""
        return False

    def pilot(self) -> dict[str, Any]:
        """Other values of parameters for the request that methods are tuned on.

        It should ask for other points. One without a draw of its own is its own pilot: methods are
        then tuned on the same points, and other models.
        """
        return {"seed": PILOT_DRAW} if "seed" in self.values() else {}

    def scoring(self) -> ScoringModels | None:
        """The models whose scores of the points `draw` reads; None where it reads none."""
        return None

    def files(self) -> tuple[str, ...]:
        """The user's own files that the request is read from."""
        return ()

    def draw(self, dataset: PointSet) -> Request:
        """The request: a function of the data set and of the sampler's parameters."""
        raise NotImplementedError
