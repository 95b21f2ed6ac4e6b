"""Images and labels that a user has as numpy arrays."""

from pathlib import Path

from unlearn.core.parameters import parameter
from unlearn.data.checks import checked
from unlearn.data.source import DataSource, RawData, SourceFacts
from unlearn.storage.files import UserFileError
from unlearn.storage.user_files import open_array, open_arrays

NAMES = ("train_images", "train_labels", "test_images", "test_labels")


class Arrays(DataSource):
    """The user's own arrays: a folder with train_images.npy and so on, or one .npz file.

    Images are uint8 N x H x W or N x H x W x C, labels whole numbers from 0.
    """

    mean = (0.5,)
    std = (0.5,)

    path: str = parameter(
        help="A folder with train_images.npy, train_labels.npy, test_images.npy and "
        "test_labels.npy, or an .npz file with arrays of these names."
    )

    def facts(self) -> SourceFacts:
        """Sizes as the files have them; ValueError for arrays that make no data set."""
        data = self._read()
        classes = int(data.train_labels.max()) + 1
        shape = tuple(data.train_images.shape[1:])
        return SourceFacts(classes, shape, len(data.train_labels), len(data.test_labels))

    def files(self) -> tuple[str, ...]:
        """The file, or the files of the folder."""
        path = Path(self.path)
        return (
            (self.path,)
            if path.suffix == ".npz"
            else tuple(str(path / f"{name}.npy") for name in NAMES)
        )

    def load(self, folder: Path) -> RawData:
        """The arrays; `folder` is not used."""
        return self._read()

    def _read(self) -> RawData:
        path = Path(self.path)
        if path.suffix == ".npz":
            arrays = open_arrays(path)
            absent = [name for name in NAMES if name not in arrays]
            if absent:
                raise UserFileError(f"{path}: has no array {absent[0]}")
        else:
            arrays = {name: open_array(path / f"{name}.npy") for name in NAMES}
        try:
            return checked(*(arrays[name] for name in NAMES))
        except ValueError as error:
            raise UserFileError(f"{path}: {error}") from error
