"""The fork server: jobs end, speak and fail as they would alone, and nothing outlives Snakemake."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from scripts import fork_server
from tests.support.results import same_results

pytestmark = [
    pytest.mark.xdist_group("fork_server"),
    pytest.mark.skipif(sys.platform != "linux", reason="the server forks on Linux only"),
]

COMMAND = """
import os, signal, sys, time
from pathlib import Path
kind, *values = sys.argv[1:]
print("parent", os.getppid(), flush=True)
if kind == "exit":
    sys.exit(int(values[0]))
if kind == "kill":
    os.kill(os.getpid(), signal.SIGKILL)
if kind == "raise":
    raise ValueError("a reason")
if kind == "show":
    print(os.getcwd(), os.environ["MARK"], sys.argv[1:], "torch" in sys.modules)
    print(sorted(m for m in sys.modules if m.split(".")[0] == "unlearn"))
    print("to the other stream", file=sys.stderr)
if kind == "wait":
    try:
        Path(values[0]).write_text(str(os.getpid()))
        time.sleep(60)
    finally:
        Path(values[0]).unlink()
"""


LAUNCHER = """
import os, sys
from scripts import fork_server
fork_server.launch()
print(os.environ[fork_server.FOLDER_VARIABLE], flush=True)
sys.stdin.read()
"""


def wait(condition):
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


class Launched:
    """Servers for the commands of a copy of the project, and the process that holds them."""

    def __init__(self, root: Path):
        self.root = root
        self.process = subprocess.Popen(
            [sys.executable, "-c", LAUNCHER],
            cwd=root,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.folder = Path(self.process.stdout.readline().strip())

    def wait_until_ready(self):
        wait(lambda: {path.name for path in self.folder.iterdir()} == set(fork_server.LIBRARIES))

    def start(self, *arguments, **environment) -> subprocess.Popen:
        variables = {fork_server.FOLDER_VARIABLE: str(self.folder)} | environment
        return subprocess.Popen(
            [sys.executable, "-m", "scripts.start", *arguments],
            cwd=self.root,
            env=os.environ | variables,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *arguments, **environment) -> tuple[int, str, str]:
        process = self.start(*arguments, **environment)
        outputs = process.communicate(timeout=60)
        return process.returncode, *outputs


@pytest.fixture
def launched(project):
    (project.root / "scripts" / "echo.py").write_text(COMMAND)
    servers = Launched(project.root)
    yield servers
    servers.process.kill()
    servers.process.communicate()
    wait(lambda: not servers.folder.exists())


def test_a_job_ends_and_speaks_as_it_would_alone(launched):
    launched.wait_until_ready()
    alone = str(launched.folder / "nowhere")
    for arguments in (("exit", "0"), ("exit", "3"), ("kill",), ("raise",), ("show", "a b", "'é")):
        forked = launched.run("torch", "echo", *arguments, MARK="mark")
        single = launched.run(
            "torch", "echo", *arguments, MARK="mark", **{fork_server.FOLDER_VARIABLE: alone}
        )
        assert forked[0] == single[0]
        assert f"parent {os.getpid()}\n" in single[1]
        assert f"parent {os.getpid()}\n" not in forked[1]
        assert forked[1].splitlines()[1:] == [
            line.replace("False", "True") for line in single[1].splitlines()[1:]
        ]
        assert forked[2].splitlines()[-1:] == single[2].splitlines()[-1:]


def test_libraries_are_imported_and_the_project_is_read_anew(launched):
    launched.wait_until_ready()
    assert "True\n[]\n" in launched.run("torch", "echo", "show", MARK="")[1]
    assert "False\n[]\n" in launched.run("analysis", "echo", "show", MARK="")[1]
    echo = launched.root / "scripts" / "echo.py"
    echo.write_text(echo.read_text() + "print('a new line')\n")
    assert "a new line" in launched.run("torch", "echo", "show", MARK="")[1]


def test_many_jobs_at_once(launched):
    launched.wait_until_ready()
    jobs = [launched.start("analysis", "echo", "exit", str(status)) for status in range(20)]
    assert [job.wait(60) for job in jobs] == list(range(20))
    for job in jobs:
        job.communicate()


@pytest.mark.parametrize("way", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_a_job_ends_with_its_client(launched, tmp_path, way):
    """And cleans up as after Ctrl-C."""
    launched.wait_until_ready()
    mark = tmp_path / "running"
    job = launched.start("torch", "echo", "wait", str(mark))
    wait(mark.exists)
    wait(mark.read_text)
    pid = int(mark.read_text())
    job.send_signal(way)
    job.communicate(timeout=60)
    wait(lambda: not mark.exists())
    wait(lambda: not Path(f"/proc/{pid}").exists())
    assert launched.run("torch", "echo", "exit", "5")[0] == 5


def test_servers_and_jobs_end_with_the_process_that_launched_them(launched, tmp_path):
    launched.wait_until_ready()
    mark = tmp_path / "running"
    job = launched.start("torch", "echo", "wait", str(mark))
    wait(mark.exists)
    launched.process.kill()
    _, error = job.communicate(timeout=60)
    assert job.returncode != 0 and "the fork server ended before its job" in error
    wait(lambda: not mark.exists())
    wait(lambda: not launched.folder.exists())


def test_a_call_below_others_takes_their_servers(launched):
    launched.wait_until_ready()
    call = [sys.executable, "-c", LAUNCHER]
    variables = os.environ | {fork_server.FOLDER_VARIABLE: str(launched.folder)}
    process = subprocess.run(
        call, cwd=launched.root, env=variables, input="", capture_output=True, text=True, check=True
    )
    assert process.stdout.strip() == str(launched.folder)


def test_results_without_servers_are_the_same(project, finished_once):
    """`--no-hooks` is the switch: every command then imports for itself."""
    assert fork_server.WORTHWHILE_JOBS <= 20
    project.snakemake("--cores", "1", "--no-hooks")
    same_results(project, finished_once)
