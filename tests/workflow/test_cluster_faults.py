"""What clusters do to jobs: each fault is provoked on a real SLURM of one node."""

import os
import re
import signal
import subprocess
import sys
import time

import pytest

from tests.support import slurm as one_node
from tests.support.project import TINY
from tests.support.results import same_results

pytestmark = pytest.mark.xdist_group("cluster_faults")

SITECUSTOMIZE = '''
"""Read by every Python that starts: makes chosen cells misbehave, the first time or always."""
import os
import pathlib
import sys
import time


def first(name):
    try:
        os.close(os.open(pathlib.Path(__file__).with_name(name), os.O_CREAT | os.O_EXCL))
    except FileExistsError:
        return False
    return True


def fill(megabytes):
    sys.ballast = b"x" * (megabytes << 20)
    time.sleep(4)  # SLURM looks once a second


command = " ".join(sys.orig_argv)
if "scripts.start" in sys.orig_argv and "unlearn" in sys.orig_argv:
    if "/finetune/random-rate=0.1/" in command and first("killed"):
        os.kill(os.getpid(), 9)
    if "/finetune/random-rate=0.2/" in command and first("slow"):
        time.sleep(600)
    if "/gradient_ascent/random-rate=0.1/" in command:
        fill(700)  # too much the first time
    if "/gradient_ascent/random-rate=0.2/" in command:
        fill(3000)  # always too much
'''
MEMORY_MB = 900  # times the attempt


def start(project, *arguments, **environment):
    """Snakemake in the background, and the file of what it says."""
    log = project.root / "called.log"
    with open(log, "w") as file:
        # where tests run in the background of a shell, it made their children deaf to Ctrl-C
        call = ["env", "--default-signal=INT", sys.executable, "-m", "snakemake"]
        call += ["--configfile", "study.yaml", *arguments]
        process = subprocess.Popen(
            call, cwd=project.root, env=os.environ | environment, stdout=file, stderr=file
        )
    return process, log


def wait(condition, process=None):
    """Wait for a condition, while the process runs if there is one."""
    deadline = time.monotonic() + 300
    while not condition():
        assert time.monotonic() < deadline
        assert process is None or process.poll() is None
        time.sleep(0.2)


def cancel(slurm, log):
    """What the documentation says after Snakemake was killed: cancel what it had submitted."""
    slurm.call("scancel", "--name", re.search(r"SLURM run ID: (\S+)", log.read_text())[1])


def test_faults(project, finished_once, slurm, tmp_path):
    """Jobs killed, too slow, too large, the node away; then Snakemake and SLURM themselves killed."""
    (tmp_path / "sitecustomize.py").write_text(SITECUSTOMIZE)
    project.write_study(TINY)
    unlearn_resources = {"mem_mb": f"attempt * {MEMORY_MB}", "runtime": "attempt"}
    profile = project.profile(
        "slurm",
        **one_node.SITE,
        **{
            "group-components": {"cells": 1, "scores": 100, "preparation": 50},
            "set-resources": {"unlearn": unlearn_resources},
        },
    )
    call = ("--workflow-profile", profile)
    process, log = start(project, *call, PYTHONPATH=str(tmp_path), **slurm.environment)
    wait(lambda: list(project.results("trained").rglob("costs.json")), process)
    slurm.stop("slurmd")
    time.sleep(2)
    slurm.start("slurmd")
    assert process.wait(600) != 0
    log_text = log.read_text()
    assert "exceeded memory limit" in log_text and "DUE TO TIME LIMIT" in log_text
    assert "Killed" in log_text
    outputs = re.findall(r"^Error in rule unlearn:.*?^    output: (\S+?),", log_text, re.M | re.S)
    too_large = [path for path in outputs if "/gradient_ascent/random-rate=0.2/" in path]
    assert len(too_large) == 3  # every attempt
    jobs = slurm.call("scontrol", "show", "job", "--oneliner")
    assert [jobs.count(f"TimeLimit=00:0{n}:00") for n in (1, 2, 3)] == [8, 4, 1]
    assert [jobs.count(f"MinMemoryNode={n * MEMORY_MB}M") for n in (1, 2, 3)] == [8, 4, 1]
    time_of_path = {path: path.stat().st_mtime_ns for path in project.results().rglob("costs.json")}
    assert len(time_of_path) == 1 + 7  # nothing but the cell that never fits is missing

    process, log = start(project, *call, **slurm.environment)
    # Snakemake cancels only the jobs whose numbers it has read.
    wait(lambda: "submitted with SLURM jobid" in log.read_text(), process)
    process.send_signal(signal.SIGINT)
    assert process.wait() != 0, log.read_text()
    wait(lambda: slurm.jobs() == [])  # SLURM needs a moment to clean up
    process, log = start(project, *call, **slurm.environment)
    wait(slurm.jobs, process)
    submission_time = time.time()
    # A controller that dies before it saves a job gives its number away twice.
    wait(lambda: (slurm.folder / "state" / "job_state").stat().st_mtime > submission_time)
    process.send_signal(signal.SIGKILL)
    process.wait()
    slurm.stop("slurmctld", signal.SIGKILL)
    slurm.start("slurmctld")
    slurm.until_up()
    cancel(slurm, log)
    project.snakemake("--unlock")
    project.snakemake(*call, **slurm.environment)
    same_results(project, finished_once)
    assert {path: path.stat().st_mtime_ns for path in time_of_path} == time_of_path
    assert not list(project.results().rglob("*.partial"))
    assert project.planned() == []
