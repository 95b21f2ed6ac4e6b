"""Disks that are full, closed or not there: what was done stays, the next call goes on."""

import re
import subprocess
import sys

import pytest

from tests.support.results import same_results, stable

pytestmark = pytest.mark.xdist_group("disk_faults")


def test_no_space_for_results(small, small_once):
    """A limit on the size of files fails the same system call as a full disk."""
    limited = f"ulimit -f 40; exec {sys.executable} -m snakemake --configfile study.yaml --cores 1"
    process = subprocess.run(
        ["bash", "-c", limited], cwd=small.root, capture_output=True, text=True, check=False
    )
    assert process.returncode != 0
    assert "logits.npy: cannot be written, is there space left?" in process.stdout + process.stderr
    assert not list(small.results().rglob("*.partial"))
    assert not list(small.results().rglob("trained/**/*.safetensors"))
    assert list(small.results().rglob("train_images.npy"))  # what was done stays
    small.run("scores.csv")
    assert stable(small.results("scores.csv")) == stable(small_once.results("scores.csv"))


def with_mounts(project, script):
    """Run a script of the shell in the project with mounts of its own, which end with it."""
    call = ["unshare", "--user", "--map-root-user", "--mount"]
    try:
        subprocess.run([*call, "true"], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("this system lets nobody mount in a namespace of his own")
    snakemake = f"{sys.executable} -m snakemake --configfile study.yaml --cores 1"
    script = f'snakemake() {{ {snakemake} "$@"; }}\n{script}'
    process = subprocess.run(
        [*call, "bash", "-euc", script],
        cwd=project.root,
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    assert process.returncode == 0, process.stdout + process.stderr
    (project.root / "kept").rename(project.root / "results")


def steps(log):
    """How many jobs a call had done."""
    return max(int(n) for n in re.findall(r"^(\d+) of \d+ steps", log.read_text(), re.M))


JOBS = 15
"""Of the study of three cells."""


def test_full_disk(small, small_once):
    """The disk of the results fills up; with more room the next call goes on where it ended."""
    with_mounts(
        small,
        """
        mkdir results
        mount -t tmpfs -o size=600k disk results
        ! snakemake > full.log 2>&1
        find results -name '*.partial' > partial.log
        mount -o remount,size=100m disk results
        snakemake > room.log 2>&1
        mkdir kept
        cp -a results/. kept
        umount results
        rmdir results
        """,
    )
    log = small.root / "full.log"
    # a job's words, or Snakemake's own about its benchmark and log files
    assert re.search("is there space left|No space left on device", log.read_text())
    assert (small.root / "partial.log").read_text() == ""
    assert steps(log) + steps(small.root / "room.log") == JOBS
    same_results(small, small_once)
    assert small.planned() == []


def test_results_made_read_only(small, small_once):
    """In the middle of a run; once they can be written again the next call goes on."""
    with_mounts(
        small,
        """
        mkdir results
        mount -t tmpfs disk results
        snakemake > first.log 2>&1 &
        until ls results/tiny/unlearned/*/*/*/*/*/costs.json > /dev/null 2>&1; do sleep 0.05; done
        until mount -o remount,ro disk results 2> /dev/null; do sleep 0.001; done
        ! wait $!
        ! snakemake > second.log 2>&1
        mount -o remount,rw disk results
        snakemake --rerun-incomplete > third.log 2>&1
        mkdir kept
        cp -a results/. kept
        umount results
        rmdir results
        """,
    )
    second = (small.root / "second.log").read_text()
    assert "results folder results/tiny cannot be written" in second
    # the job whose end met the closed disk is done, and may be counted by neither
    assert steps(small.root / "first.log") + steps(small.root / "third.log") in (JOBS - 1, JOBS)
    same_results(small, small_once)
    assert small.planned() == []


def test_results_folder_that_is_a_file(project):
    (project.root / "results").write_text("not a folder")
    process = project.run(check=False)
    assert process.returncode != 0
    assert "results folder results/tiny cannot be written" in process.stdout + process.stderr
