"""A deletion request as users have it: a list of ids, or a file with one id a line."""

import numpy as np

from unlearn.core.parameters import parameter
from unlearn.core.setting import Setting
from unlearn.requests.amount import check_steps, steps_parameter
from unlearn.requests.base import PointSet, Sampler
from unlearn.requests.request import Request, deletion


class Ids(Sampler):
    """The training points with these ids: places in the training arrays of the source, from 0.

    Give `ids` or `file`, a text file with one id a line.
    """

    ids: list | None = parameter(None, help="The ids.")
    file: str | None = parameter(
        None, help="A text file with one id a line, relative to the working directory."
    )
    steps: int = steps_parameter()

    def validate(self) -> None:
        """Raise ValueError unless there is one list of whole numbers, each once."""
        if (self.ids is None) == (self.file is None):
            raise ValueError("give either ids or file")
        if self.ids is not None and not self.ids:
            raise ValueError("ids: there is no id; allowed: at least one")
        invalid = [value for value in self.ids or () if type(value) is not int or value < 0]
        if invalid:
            raise ValueError(f"ids: {invalid[0]!r} is not allowed; allowed: whole numbers from 0")
        if self.ids is not None and len(set(self.ids)) < len(self.ids):
            raise ValueError("ids: an id is given twice")

    def files(self) -> tuple[str, ...]:
        """The files that the request is read from."""
        return (self.file,) if self.file else ()

    def check(self, setting: Setting) -> None:
        """Raise ValueError for an id that the data set does not have, or for all of them."""
        if self.ids is not None:
            data = setting.data
            self._check_ids(data.source_points or data.points, data.base_points)

    def with_ids(self, ids: np.ndarray) -> "Ids":
        """This sampler with the content of its file."""
        return Ids(ids=ids.tolist(), steps=self.steps)

    def draw(self, dataset: PointSet) -> Request:
        """The request to delete the points in their order.

        ValueError if the file is not read, or where `check` would refuse the ids.
        """
        if self.ids is None:
            raise ValueError(f"file: {self.file} is not read yet")
        ids = np.array(self.ids, dtype=np.int64)
        self._check_ids(int(ids.max()) + 1, len(dataset.base_ids))
        return deletion(dataset.ids_of_source(ids), self.steps)

    def _check_ids(self, points: int, base_points: int) -> None:
        if max(self.ids) >= points:
            raise ValueError(f"ids: {max(self.ids)} is not allowed; allowed: 0 to {points - 1}")
        if len(self.ids) >= base_points:
            raise ValueError(
                f"{len(self.ids)} points leave nothing of the {base_points} in the training set"
            )
        check_steps(self.steps, len(self.ids))
