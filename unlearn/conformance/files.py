"""The files that a method opens while it unlearns."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

CODE = {".py", ".pyc", ".so"}
SYSTEM = ("/proc/", "/sys/", "/dev/")

_listeners: list[list[str]] = []


def _record(event: str, arguments: tuple) -> None:
    """Hand the path of a file that is opened to those who listen."""
    if event != "open" or not _listeners or not isinstance(arguments[0], (str, bytes, Path)):
        return
    path = str(Path(arguments[0] if not isinstance(arguments[0], bytes) else arguments[0].decode()))
    if Path(path).suffix not in CODE and not path.startswith(SYSTEM):
        for listener in _listeners:
            listener.append(path)


@contextmanager
def opened_files() -> Iterator[list[str]]:
    """The files that are opened in a block, those with code left out."""
    if not hasattr(sys, "_unlearn_file_listener"):
        sys.addaudithook(_record)
        sys._unlearn_file_listener = True
    paths: list[str] = []
    _listeners.append(paths)
    try:
        yield paths
    finally:
        _listeners.remove(paths)
