"""A process that has imported an environment's libraries and becomes the process of any job.

Importing torch takes longer than most jobs of a small study. Here it is imported once; each job is
a fork. Only libraries are imported early, never the project's own modules, so a job runs the code
that lies on the disk. A job keeps its own output, working directory and environment variables.

Snakemake launches one server for each environment whose libraries take long, and holds the other
end of its standard input: the servers end with it, however it ends.
"""

import gc
import importlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple, NoReturn

LIBRARIES = {
    "torch": ("torch", "safetensors.torch"),
    "analysis": ("pandas", "scipy.stats", "matplotlib.pyplot", "safetensors.numpy"),
}
"""What the jobs of an environment import, and no more: what is imported counts as their memory."""

FOLDER_VARIABLE = "UNLEARN_FORK_SERVERS"
"""The environment variable that names the folder of the sockets."""

ONE_THREAD = dict.fromkeys(
    ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS"), "1"
)
"""Libraries that import with these start no threads."""

WORTHWHILE_JOBS = 10
"""Fewer are done before the servers have imported."""

STANDARD_INPUT = 0
STANDARD_STREAMS = (0, 1, 2)

_lifelines: list[subprocess.Popen] = []


def launch_for(jobs: int) -> None:
    """Start the servers where so many jobs are worth it."""
    if jobs >= WORTHWHILE_JOBS:
        launch()


def launch() -> None:
    """Start the servers of all environments, for the commands that this process starts.

    They end with this process. Elsewhere than on Linux libraries may not survive a fork: there
    nothing starts, and every command imports for itself. Nor does anything start where servers
    of a process above this one listen.
    """
    if sys.platform != "linux" or os.path.isdir(os.environ.get(FOLDER_VARIABLE, "")):
        return
    folder = tempfile.mkdtemp(prefix="unlearn-")  # only its owner may open it
    for environment in LIBRARIES:
        server = subprocess.Popen(
            [sys.executable, "-m", "scripts.fork_server", environment, folder],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,  # a command that finds no server says itself what is wrong
            start_new_session=True,  # Ctrl-C ends the jobs first
            env=os.environ | ONE_THREAD,
        )
        _lifelines.append(server)
    os.environ[FOLDER_VARIABLE] = folder


def run(environment: str, command: str, arguments: list[str]) -> int | None:
    """Run a command in a fork of a server and wait for its end.

    Args:
        environment: a name in `LIBRARIES`.
        command: the name of a module in `scripts`.
        arguments: those of its command line.

    Returns:
        Its exit status, negative for the signal that ended it; None where no server listens.

    Raises:
        ConnectionError: the server ended before the command did.
    """
    folder = os.environ.get(FOLDER_VARIABLE)
    if folder is None:
        return None
    with socket.socket(socket.AF_UNIX) as connection:
        try:
            connection.connect(str(_socket_path(folder, environment)))
        except OSError:  # it still imports, or is on another machine
            return None
        job = {
            "command": command,
            "arguments": arguments,
            "folder": os.getcwd(),
            "environment": dict(os.environ),
        }
        socket.send_fds(connection, [b"\n"], STANDARD_STREAMS)
        connection.sendall(json.dumps(job).encode() + b"\n")
        status = connection.makefile().read()
    if not status:
        raise ConnectionError("the fork server ended before its job")
    return int(status)


def serve(environment: str, folder: str) -> dict:
    """Import the environment's libraries, then fork for every job.

    Returns in the child, with the job; the server itself ends with whoever launched it.
    """
    for library in LIBRARIES[environment]:
        importlib.import_module(library)
    if len(os.listdir("/proc/self/task")) > 1:
        sys.exit("a library has started a thread, and a process with threads must not fork")
    gc.collect()
    gc.freeze()  # else every job's collections copy the pages of the libraries
    server = _Server(_socket_path(folder, environment))
    return server.serve()


def _socket_path(folder: str, environment: str) -> Path:
    return Path(folder) / environment


class _Server:
    """Waits for the launcher's end, for new jobs, ended jobs, and clients that have gone."""

    def __init__(self, path: Path):
        self.path = path
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(str(path))
        self.listener.listen(socket.SOMAXCONN)
        self.poll = select.poll()
        self.poll.register(STANDARD_INPUT, select.POLLIN)
        self.poll.register(self.listener, select.POLLIN)
        self.jobs: dict[int, _Fork] = {}
        """By the descriptors of their ends and connections."""

    def serve(self) -> dict:
        """Fork for every job; in the child, return it."""
        while True:
            descriptor, _ = self.poll.poll()[0]  # what a handler closes must not follow
            if descriptor == STANDARD_INPUT:
                self._stop()
            elif descriptor == self.listener.fileno():
                connection, _ = self.listener.accept()
                pid = os.fork()
                if pid == 0:
                    self._forget()
                    return _take_over(connection)
                self._watch(_Fork(pid, os.pidfd_open(pid), connection))
            elif descriptor == self.jobs[descriptor].end:
                self._reap(self.jobs[descriptor])
            else:
                self._interrupt(self.jobs[descriptor])

    def _watch(self, fork: "_Fork") -> None:
        self.jobs |= {fork.end: fork, fork.connection.fileno(): fork}
        self.poll.register(fork.end, select.POLLIN)
        self.poll.register(fork.connection, select.POLLRDHUP)

    def _reap(self, fork: "_Fork") -> None:
        """Tell the client how its job has ended."""
        _, status = os.waitpid(fork.pid, 0)
        self.poll.unregister(fork.end)
        del self.jobs[fork.end]
        os.close(fork.end)
        if self.jobs.pop(fork.connection.fileno(), None):
            self.poll.unregister(fork.connection)
        with suppress(OSError), fork.connection:
            fork.connection.sendall(str(os.waitstatus_to_exitcode(status)).encode())

    def _interrupt(self, fork: "_Fork") -> None:
        """The client has gone: end its job as Ctrl-C would."""
        self.poll.unregister(fork.connection)
        del self.jobs[fork.connection.fileno()]
        os.kill(fork.pid, signal.SIGINT)

    def _stop(self) -> NoReturn:
        for pid in {fork.pid for fork in self.jobs.values()}:
            os.kill(pid, signal.SIGINT)
        self.path.unlink(missing_ok=True)
        with suppress(OSError):  # the last server removes the folder
            self.path.parent.rmdir()
        os._exit(0)

    def _forget(self) -> None:
        """Close in a child what is the server's."""
        self.listener.close()
        for descriptor, fork in self.jobs.items():
            if descriptor == fork.end:
                os.close(descriptor)
            fork.connection.close()


class _Fork(NamedTuple):
    """A running job."""

    pid: int
    end: int
    """The descriptor that becomes readable when it ends."""
    connection: socket.socket


def _take_over(connection: socket.socket) -> dict:
    """Read a job, and take the streams, folder and variables of the client."""
    _, descriptors, _, _ = socket.recv_fds(connection, 1, len(STANDARD_STREAMS))
    for descriptor, stream in zip(descriptors, STANDARD_STREAMS, strict=True):
        os.dup2(descriptor, stream)
        os.close(descriptor)
    job = json.loads(connection.makefile().readline())
    connection.close()
    os.chdir(job["folder"])
    os.environ.clear()
    os.environ.update(job["environment"])
    return job


if __name__ == "__main__":
    from scripts.start import run_here

    started_job = serve(*sys.argv[1:])
    run_here(started_job["command"], started_job["arguments"])
