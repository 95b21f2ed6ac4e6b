"""What every command shares: arguments, the check of its code, errors, a quick end.

Run from the project's root: `python -m scripts.<rule> --help`.
"""

import argparse
import json
import os
import resource
import sys
import time
import traceback
from collections.abc import Callable, Mapping
from typing import Any

from unlearn.storage.files import ArtifactError, UserFileError
from unlearn.study import codehash, grid


class CommandError(Exception):
    """An error whose message says all; it is printed without a traceback."""


def parser(description: str) -> argparse.ArgumentParser:
    """An argument parser with `--code`, the digests that the rule declares."""
    arguments = argparse.ArgumentParser(description=description)
    arguments.add_argument("--code", nargs="*", default=[], help="module@digest, as in the rule")
    return arguments


def add_job(arguments: argparse.ArgumentParser, content: str) -> None:
    """An argument `--job`, the description of a job.

    Rules hand over on standard input what grows with a study: an argument on Linux holds 128 KiB.
    """
    text = f"JSON: {content}; - reads it from standard input"
    arguments.add_argument("--job", required=True, help=text)


def job(text: str) -> Any:
    """The description of a job, from such an argument."""
    return json.loads(sys.stdin.read() if text == "-" else text)


def file_list(block: Mapping, results: str) -> list[str]:
    """The files in the folder of the study's results that a description stands for."""
    return grid.files(block, os.path.normpath(results))


def run(main: Callable[[argparse.Namespace], None], arguments: argparse.ArgumentParser) -> None:
    """Parse, check the code, call `main(parsed)`, and leave without tearing the process down.

    The last line of its output says what the job took. Leaving at once saves a third of a second
    that torch needs to unload.
    """
    start = time.perf_counter()
    parsed = arguments.parse_args()
    declared = parsed.code
    status = 0
    try:
        _check_unchanged(declared)
        main(parsed)
        _check_declared(declared)
    except (ArtifactError, CommandError, UserFileError) as error:
        print(f"error: {error}", file=sys.stderr)
        status = 1
    except Exception:
        traceback.print_exc()
        status = 1
    print(f"resources: {time.perf_counter() - start:.1f} s, {_peak_megabytes():.0f} MB")
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


def _peak_megabytes() -> float:
    """The largest resident memory since it was last reset, which the measuring of costs does."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 2**10)


def _check_unchanged(declared: list[str]) -> None:
    modules = [entry.partition("@")[0] for entry in declared]
    current_digests = dict(entry.split("@") for entry in codehash.digests(*modules))
    for entry in declared:
        module, _, digest = entry.partition("@")
        if current_digests[module] != digest:
            raise CommandError(f"{module} changed under the running workflow; start it again")


def _check_declared(declared: list[str]) -> None:
    """A module that was loaded but not declared would make reruns inexact."""
    declared_modules = {entry.partition("@")[0] for entry in declared}
    loaded = {m for m in sys.modules if m.split(".")[0] == "unlearn" and sys.modules[m].__file__}
    if declared_modules and not loaded <= declared_modules:
        missing = ", ".join(sorted(loaded - declared_modules))
        raise CommandError(f"the rule does not declare the code it runs: {missing}")
