"""Processes that have imported Snakemake, torch or pandas, and become any call of a copy.

A call of Snakemake imports for longer than it plans a small study. Here each worker of pytest
imports once, by the fork server of the project; each call and each job is a fork. Modules of the
project are read anew from the copy that the call runs in.
"""

import json
import os
import runpy
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from functools import cache
from pathlib import Path

from scripts import fork_server

ROOT = Path(__file__).resolve().parents[2]

SNAKEMAKE_LIBRARIES = (
    "snakemake.cli",
    "snakemake.report.html_reporter",
    "smart_open",
    "yte",
    "docutils.core",
    "pygments.lexers",
    "PIL.Image",
    "jsonschema",
    "safetensors",
)
"""What a call of Snakemake imports before it runs a job."""

LIBRARIES = {"snakemake": SNAKEMAKE_LIBRARIES} | fork_server.LIBRARIES
"""Environment -> what its server imports."""

PROJECT_PACKAGES = {"scripts", "tests", "unlearn", "timings"}

PATIENCE = 300
"""Seconds until a server must listen, on a machine that does a lot else."""


class WarmServers:
    """One server for each environment; they end with this process."""

    def __init__(self):
        self.folder = Path(tempfile.mkdtemp(prefix="warm-"))
        self.processes = [self._start(environment) for environment in LIBRARIES]

    def _start(self, environment: str) -> subprocess.Popen:
        variables = fork_server.ONE_THREAD | {"PYTHONDONTWRITEBYTECODE": "1"}
        return subprocess.Popen(
            [sys.executable, "-m", "tests.support.warm", environment, str(self.folder)],
            cwd=ROOT,
            env=os.environ | variables,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def snakemake(
        self, arguments: list[str], folder: Path, environment: dict[str, str]
    ) -> subprocess.CompletedProcess:
        """A call of Snakemake in a folder, as `python -m snakemake` would make it."""
        variables = environment | {fork_server.FOLDER_VARIABLE: str(self.folder)}
        call = {"arguments": arguments, "folder": str(folder), "environment": variables}
        with tempfile.TemporaryFile("w+") as output, tempfile.TemporaryFile("w+") as errors:
            status = self._status(call, (output.fileno(), errors.fileno()))
            output.seek(0)
            errors.seek(0)
            return subprocess.CompletedProcess(arguments, status, output.read(), errors.read())

    def _status(self, call: dict, streams: tuple[int, int]) -> int:
        """The exit status of a call whose output goes to these descriptors."""
        with self._connection() as connection, open(os.devnull) as nothing:
            socket.send_fds(connection, [b"\n"], [nothing.fileno(), *streams])
            connection.sendall(json.dumps(call).encode() + b"\n")
            status = connection.makefile().read()
        assert status, "the server of Snakemake has ended"
        return int(status)

    def _connection(self) -> socket.socket:
        """A connection to the server of Snakemake, once it listens."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            connection = socket.socket(socket.AF_UNIX)
            with suppress(FileNotFoundError, ConnectionRefusedError):
                connection.connect(str(self.folder / "snakemake"))
                return connection
            connection.close()
            time.sleep(0.05)
        raise TimeoutError("the server of Snakemake does not start")

    def stop(self) -> None:
        """End the servers, and remove their folder."""
        for process in self.processes:
            process.stdin.close()
            process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)


@cache
def servers() -> WarmServers:
    """Those of this process, started when they are needed first."""
    return WarmServers()


def stop() -> None:
    """End the servers of this process, if there are any."""
    if servers.cache_info().currsize:
        servers().stop()
        servers.cache_clear()


def _become_anew(folder: str) -> None:
    """Forget the project's modules, and find them and packages of PYTHONPATH as a new process."""
    for name in [name for name in sys.modules if name.partition(".")[0] in PROJECT_PACKAGES]:
        del sys.modules[name]
    extra_paths = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    sys.path[:1] = [folder, *filter(None, extra_paths)]
    sys.path_importer_cache.clear()


def main(environment: str, folder: str) -> None:
    """Serve; in a fork, become Snakemake or the job of a rule."""
    fork_server.LIBRARIES.update(LIBRARIES)
    job = fork_server.serve(environment, folder)
    _become_anew(job["folder"])
    if environment == "snakemake":
        sys.argv[:] = ["snakemake", *job["arguments"]]
        runpy.run_module("snakemake", run_name="__main__", alter_sys=True)
    else:
        sys.argv[1:] = job["arguments"]
        runpy.run_module(f"scripts.{job['command']}", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
