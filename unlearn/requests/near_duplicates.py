"""Deletion of points that have a twin among the others, or of both twins."""

import itertools

import numpy as np

from unlearn.core.parameters import parameter
from unlearn.core.setting import Setting
from unlearn.requests.amount import check_steps, steps_parameter
from unlearn.requests.base import PointSet, Sampler
from unlearn.requests.neighbours import Pair, Similarities
from unlearn.requests.request import Request, deletion


class NearDuplicates(Sampler):
    """One or both points of pairs that are similar in what models see: pixels, or features.

    `pairs` takes the most similar pairs, without a point in two of them; `threshold` alone takes
    all pairs. No seed decides anything.
    """

    reads_images = True

    pairs: int | None = parameter(
        None,
        minimum=1,
        help="Number of pairs, the most similar first, no point in two; null takes all above "
        "`threshold`.",
    )
    threshold: float | None = parameter(
        None,
        above=0,
        maximum=1,
        help="The least cosine similarity of a pair; null allows any, for `pairs`.",
    )
    which: str = parameter(
        "one",
        choices=("one", "both"),
        help="`one` deletes points whose twin stays, `both` deletes all points of the pairs.",
    )
    centred: bool = parameter(
        True,
        help="Whether the mean of its values is subtracted from each point, so that brightness "
        "alone makes no images similar.",
    )
    steps: int = steps_parameter()

    def validate(self) -> None:
        """Raise ValueError unless pairs or a threshold are given."""
        if self.pairs is None and self.threshold is None:
            raise ValueError("give pairs or threshold, or both")

    def check(self, setting: Setting) -> None:
        """Raise ValueError for more pairs than there can be, or steps than points."""
        if self.pairs is None:
            return
        most_pairs = setting.data.base_points // 2
        if self.pairs > most_pairs:
            raise ValueError(
                f"pairs: {self.pairs} is not allowed; allowed: at most {most_pairs}, half of the "
                "points in base training"
            )
        self._check_rest(self.pairs * self._points_of_pair, setting.data.base_points)
        check_steps(self.steps, self.pairs * self._points_of_pair)

    def draw(self, dataset: PointSet) -> Request:
        """The points of the most similar pairs first; of `threshold` alone, in the order of ids.

        ValueError where there are too few pairs; it names how many there are.
        """
        base_ids = dataset.base_ids
        similarities = Similarities(dataset.train_images, base_ids, self.centred)
        if self.pairs is None:
            positions = self._above_threshold(similarities)
        else:
            pairs = self._most_similar(similarities)
            columns = slice(2, 3) if self.which == "one" else slice(1, 3)
            positions = np.array([pair[columns] for pair in pairs], dtype=np.int64).ravel()
        self._check_rest(len(positions), len(base_ids))
        check_steps(self.steps, len(positions))
        return deletion(base_ids[positions], self.steps)

    @property
    def _points_of_pair(self) -> int:
        return 1 if self.which == "one" else 2

    def _most_similar(self, similarities: Similarities) -> list[Pair]:
        """The pairs that `pairs` asks for; ValueError for too few above the threshold."""
        limit = -1.0 if self.threshold is None else self.threshold
        pairs = list(
            itertools.takewhile(
                lambda pair: pair[0] >= limit,
                itertools.islice(similarities.disjoint_pairs(), self.pairs),
            )
        )
        if len(pairs) < self.pairs:
            above = "" if self.threshold is None else f" with a similarity of {self.threshold:g}"
            raise ValueError(
                f"pairs: {self.pairs} is not allowed; allowed: at most {len(pairs)}, there are no "
                f"more{above}"
            )
        return pairs

    def _above_threshold(self, similarities: Similarities) -> np.ndarray:
        """The positions of points that are deleted for a threshold alone; ValueError for none.

        For `one` a point goes where a point before it stays that is similar to it: every deleted
        point keeps a twin, and no two points that stay are similar.
        """
        first, second = similarities.pairs_above(self.threshold)
        if not len(first):
            raise ValueError(f"threshold: no pair has a similarity of {self.threshold:g}")
        if self.which == "both":
            return np.union1d(first, second)
        order = np.lexsort((second, first))
        is_deleted = np.zeros(len(similarities.ids), dtype=bool)
        for position, partner in zip(first[order], second[order], strict=True):
            if not is_deleted[position]:
                is_deleted[partner] = True
        return np.flatnonzero(is_deleted)

    @staticmethod
    def _check_rest(points: int, base_points: int) -> None:
        """ValueError where a deletion leaves nothing."""
        if points >= base_points:
            raise ValueError(
                f"{points} points leave nothing of the {base_points} in the training set"
            )
