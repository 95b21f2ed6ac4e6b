"""Raw data through torchvision: found complete, or downloaded whole, or refused with a reason."""

import hashlib
import shutil
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path

ATTEMPTS = 3


class DataError(Exception):
    """Raw data that cannot be had or cannot be trusted."""


def complete(
    folder: Path, checksums: Mapping[str, str], download: Callable[[Path], None], algorithm: str
) -> None:
    """Make sure that `folder` holds every file of `checksums` (relative path -> digest).

    Nothing is written when all are there. Missing files are downloaded by `download(directory)`
    into a directory of their own beside them, checked, and only then moved to their place, so an
    interrupted download leaves nothing behind that could be taken for data.
    Raises DataError for a file with another checksum and when the download fails.
    """
    folder = Path(folder)
    missing = []
    for name, expected in checksums.items():
        path = folder / name
        if not path.is_file():
            missing.append(name)
        elif _checksum(path, algorithm) != expected:
            raise DataError(
                f"{path}: truncated or altered ({algorithm} is not {expected}); "
                "delete the file to have it downloaded again"
            )
    if not missing:
        return
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder, prefix=".download-") as directory:
            _retrying(download, Path(directory))
            for name in missing:
                fresh = Path(directory) / name
                if not fresh.is_file() or _checksum(fresh, algorithm) != checksums[name]:
                    raise DataError(f"the download of {name} is incomplete or altered")
            for name in missing:
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.move(Path(directory) / name, folder / name)
    except (OSError, RuntimeError, DataError) as error:
        raise DataError(
            f"{folder}: {missing[0]} is missing and the download failed ({error}). Put the files "
            "there in torchvision's layout, or name another folder with the key `data` of the "
            "study or with UNLEARN_DATA"
        ) from error


def _retrying(download: Callable[[Path], None], directory: Path) -> None:
    for attempt in range(1, ATTEMPTS + 1):
        try:
            return download(directory)
        except (OSError, RuntimeError):
            if attempt == ATTEMPTS:
                raise
            time.sleep(2**attempt)


def _checksum(path: Path, algorithm: str) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, algorithm).hexdigest()
