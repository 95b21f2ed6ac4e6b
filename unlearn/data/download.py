"""Raw data through torchvision: found complete, or downloaded whole, or refused with a reason."""

import shutil
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from unlearn.storage.records import file_digest

ATTEMPTS = 3
"""Downloads before it is given up."""


class DataError(Exception):
    """Raw data that cannot be had or cannot be trusted."""


def complete(
    folder: Path, checksums: Mapping[str, str], download: Callable[[Path], None], algorithm: str
) -> None:
    """Make sure that `folder` holds every file of `checksums` (relative path -> digest).

    Nothing is written if all of them exist. Missing files are downloaded into another directory,
    checked, and only then moved, so that an interrupted download leaves nothing that could be
    taken for data.

    Args:
        folder: Where the files lie.
        checksums: The expected digests.
        download: Downloads all files into a directory.
        algorithm: That of the digests, by its name in hashlib.

    Raises:
        DataError: A file has another checksum, or the download fails.
    """
    folder = Path(folder)
    missing_names = []
    for name, expected in checksums.items():
        path = folder / name
        if not path.is_file():
            missing_names.append(name)
        elif file_digest(path, algorithm) != expected:
            raise DataError(
                f"{path}: truncated or altered ({algorithm} is not {expected}); "
                "delete the file to have it downloaded again"
            )
    if not missing_names:
        return
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder, prefix=".download-") as directory:
            _retrying(download, Path(directory))
            for name in missing_names:
                download_path = Path(directory) / name
                if (
                    not download_path.is_file()
                    or file_digest(download_path, algorithm) != checksums[name]
                ):
                    raise DataError(f"the download of {name} is incomplete or altered")
            for name in missing_names:
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.move(Path(directory) / name, folder / name)
    except (OSError, RuntimeError, DataError) as error:
        raise DataError(
            f"{folder}: {missing_names[0]} is missing and the download failed ({error}). Put the "
            "files there in torchvision's layout, or name another folder with the key `data` of "
            "the study or with UNLEARN_DATA"
        ) from error


def _retrying(download: Callable[[Path], None], directory: Path) -> None:
    for attempt in range(1, ATTEMPTS + 1):
        try:
            return download(directory)
        except (OSError, RuntimeError):
            if attempt == ATTEMPTS:
                raise
            time.sleep(2**attempt)
