"""Images that a user has as files, one folder a class."""

from pathlib import Path

import numpy as np

from unlearn.core.parameters import parameter
from unlearn.data.checks import checked
from unlearn.data.source import DataSource, RawData, SourceFacts
from unlearn.storage.files import UserFileError
from unlearn.storage.user_files import open_image

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".webp", ".tif", ".tiff")
SPLITS = ("train", "test")


class ImageFolder(DataSource):
    """The user's own images: `train/<class>/*.png` and `test/<class>/*.png`, all of one size.

    Classes are numbered in the order of their folders' names.
    """

    mean = (0.5,)
    std = (0.5,)

    path: str = parameter(help="The folder that holds `train` and `test`.")

    def facts(self) -> SourceFacts:
        """Sizes by the files' names and the first image; ValueError for folders without images."""
        train_files = self._files("train")
        test_files = self._files("test")
        shape = open_image(train_files[0][0]).shape
        return SourceFacts(len(self._classes()), shape, len(train_files), len(test_files))

    def files(self) -> tuple[str, ...]:
        """All images."""
        return tuple(str(path) for split in SPLITS for path, _ in self._files(split))

    def load(self, folder: Path) -> RawData:
        """The images; `folder` is not used. ValueError if their sizes differ."""
        arrays: list[np.ndarray] = []
        for split in SPLITS:
            files = self._files(split)
            images = [open_image(path) for path, _ in files]
            for (path, _), image in zip(files, images, strict=True):
                if image.shape != images[0].shape:
                    raise UserFileError(
                        f"{path}: size {image.shape} is not allowed; that of {files[0][0]} is "
                        f"{images[0].shape}"
                    )
            arrays += [np.stack(images), np.array([label for _, label in files])]
        try:
            return checked(*arrays)
        except ValueError as error:
            raise UserFileError(f"{self.path}: {error}") from error

    def _classes(self) -> list[str]:
        folder = Path(self.path, "train")
        if not folder.is_dir():
            raise UserFileError(f"{folder}: there is no such folder")
        return sorted(path.name for path in folder.iterdir() if path.is_dir())

    def _files(self, split: str) -> list[tuple[Path, int]]:
        """The images of a split with their labels, class by class."""
        classes = self._classes()
        folder = Path(self.path, split)
        extra = {path.name for path in folder.glob("*/")} - set(classes) if folder.is_dir() else ()
        if extra:
            raise UserFileError(f"{folder}: class {min(extra)} is not among those of train")
        files = [
            (path, label)
            for label, name in enumerate(classes)
            for path in sorted((folder / name).glob("*"))
            if path.suffix.lower() in SUFFIXES
        ]
        if not files:
            raise UserFileError(f"{folder}: has no images in folders of classes")
        return files
