"""What every command shares: arguments, the check of its code, errors, a quick end.

Run from the project's root: `python -m scripts.<rule> --help`.
"""

import argparse
import os
import resource
import sys
import time
import traceback
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from unlearn.storage import records
from unlearn.storage.files import ArtifactError, UserFileError, write_json
from unlearn.study import codehash, grid


class CommandError(Exception):
    """An error whose message says all; it is printed without a traceback."""


class CommandParser(argparse.ArgumentParser):
    """The arguments of a command: input files, parameters of the study, and output files.

    Parameters have the names that they have in the rule. The record of the job tells them, the
    digests of the code and those of the outputs.
    """

    def __init__(self, description: str):
        super().__init__(description=description)
        self.parameters: list[str] = []
        self.outputs: list[str] = []
        self.add_argument("--code", nargs="*", default=[], help="module@digest, as in the rule")
        self.add_argument("--record", help="output: what the files were made from, json")

    def add_parameter(self, name: str, **keywords: Any) -> None:
        """A required parameter `--name`, which the plan decides."""
        self.add_argument(f"--{name}", required=True, **keywords)
        self.parameters.append(name)

    def add_output(
        self, name: str, content: str, *, is_recorded: bool = True, **keywords: Any
    ) -> None:
        """A required output file `--name`; one with costs differs from run to run: no record."""
        self.add_argument(f"--{name}", required=True, help=f"output: {content}", **keywords)
        if is_recorded:
            self.outputs.append(name)

    def add_job(self, content: str) -> None:
        """The parameter `--job`, the description of a job.

        Rules hand over on standard input what grows with a study: an argument on Linux holds
        128 KiB.
        """
        self.add_parameter("job", help=f"JSON: {content}; - reads it from standard input")

    def add_results(self) -> None:
        """The folder of the study's results, for a job that lists files."""
        self.add_argument("--results", required=True, help="folder of the study's results")

    def parse(self) -> argparse.Namespace:
        """The arguments of the command line, and what stands on standard input."""
        parsed = self.parse_args()
        for name in self.parameters:
            if getattr(parsed, name) == "-":
                setattr(parsed, name, sys.stdin.read())
        return parsed

    def record(self, parsed: argparse.Namespace) -> dict[str, Any]:
        """The record of a job that has ended well."""
        values = {name: getattr(parsed, name) for name in self.parameters}
        files: list[Path] = []
        for name in self.outputs:
            paths = getattr(parsed, name)
            files += map(Path, [paths] if isinstance(paths, str) else paths)
        return records.content(records.Origin.of_arguments(values, parsed.code), files)


def file_list(listing: Iterable[Mapping], results: str) -> list[str]:
    """The files in the folder of the study's results that a listing stands for."""
    return grid.files(listing, os.path.normpath(results))


def run(main: Callable[[argparse.Namespace], None], arguments: CommandParser) -> None:
    """Parse, check the code, call `main(parsed)`, write the record, and leave at once.

    The last line of its output says what the job took. Leaving without tearing the process
    down saves a third of a second that torch needs to unload.
    """
    start = time.perf_counter()
    parsed = arguments.parse()
    declared = parsed.code
    status = 0
    try:
        _check_unchanged(declared)
        main(parsed)
        _check_declared(declared)
        if parsed.record:
            write_json(parsed.record, arguments.record(parsed))
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
