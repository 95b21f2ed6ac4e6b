"""What goes wrong in practice: nothing is lost, nothing is half-written, the message says it."""

import os
import shutil
import signal
import subprocess
import sys
import time

import pandas as pd
import pytest
import yaml

from tests.support.project import SMALL, TINY
from tests.support.results import stable
from unlearn.report.figures import _notes

pytestmark = pytest.mark.xdist_group("faults")

BREAK = '        raise RuntimeError("this method is broken")\n'
HEAD = "        model = task.model(original)\n        recipe"


def test_one_failing_method(finished_small):
    """Its cells are shown as failed, all others are there, the next call tries it again."""
    good = stable(finished_small.results("scores.csv"))
    finished_small.edit("unlearn/methods/finetune.py", HEAD, BREAK + HEAD)
    process = finished_small.run(check=False)
    assert process.returncode != 0
    assert "1 of 4 fleets failed" in process.stdout + process.stderr
    assert "RuntimeError: this method is broken" in process.stdout + process.stderr
    table = pd.read_csv(finished_small.results("tables/accuracy.csv"))
    failed = table.query("variant == 'finetune'")
    assert len(failed) == 2 and (failed["failed"] == 2).all() and (failed["n"] == 0).all()
    assert failed["mean"].isna().all()
    # text is drawn as glyphs: ask the drawing code, on the same table
    notes = _notes.notes(table.assign(line=table["variant"]))
    assert "FAILED, left out: finetune (at most 2 of a cell's seeds)" in notes
    completed_rows = table.query("variant != 'finetune'")
    assert (
        len(completed_rows) == 4
        and (completed_rows["n"] == 2).all()
        and (completed_rows["failed"] == 0).all()
    )
    report = finished_small.results("report.html").read_text()
    assert "Failed cells" in report and "this method is broken" in report
    assert not finished_small.results("complete.json").exists()
    assert not list(finished_small.results("unlearned").rglob("finetune/**/*.json"))

    plan = finished_small.planned()
    assert "unlearn finetune random-rate=0.1 seeds0-1" in plan
    assert not any(job.startswith(("train", "unlearn original")) for job in plan)
    finished_small.edit("unlearn/methods/finetune.py", BREAK + HEAD, HEAD)
    finished_small.run()
    assert stable(finished_small.results("scores.csv")) == good
    assert finished_small.planned() == []


def test_failed_training(small):
    small.edit(
        "unlearn/trainers/standard.py",
        "        model = task",
        '        raise RuntimeError("no")\n        model = task',
    )
    process = small.run(check=False)
    assert process.returncode != 0
    assert "4 of 4 fleets failed" in process.stdout + process.stderr
    assert not list(small.results("trained").rglob("*.safetensors"))
    small.edit("unlearn/trainers/standard.py", '        raise RuntimeError("no")\n', "")
    assert len([job for job in small.planned() if job.startswith(("train", "unlearn"))]) == 4


def test_diverged_models_are_flagged_and_not_averaged(small):
    """Of one model only the unlearned ones, of the other all: the study ends, with their number."""
    study = yaml.safe_load(yaml.safe_dump(SMALL))
    study["recipes"]["wild"] = study["recipes"]["quick"] | {"lr": 1.0e30, "momentum": 0.0}
    study["experiments"]["accuracy"] |= {
        "model": ["mlp", {"name": "mlp", "recipe": "wild"}],
        "method": {"name": "gradient_ascent", "lr": 1.0e30},
    }
    small.write_study(study)
    small.run()
    table = pd.read_csv(small.results("tables/accuracy.csv"))
    wild = table["model"] == "mlp-recipe=wild"
    diverged = wild | (table["method"] == "gradient_ascent")
    assert wild.sum() == 6 and diverged.sum() == 8
    assert (table.loc[diverged, "diverged"] == 2).all() and (table.loc[diverged, "n"] == 0).all()
    assert table.loc[diverged, "mean"].isna().all()
    assert (table.loc[~diverged, "diverged"] == 0).all() and len(table[~diverged]) == 4
    assert "2 diverged" in small.results("overview.rst").read_text()


def test_killed_in_the_middle(small, small_once):
    """SIGKILL for snakemake and its jobs; the next call ends with the same bytes."""
    call = [sys.executable, "-m", "snakemake", "--configfile", "study.yaml", "--cores", "2"]
    with open(small.root / "killed.log", "w") as log:
        process = subprocess.Popen(
            call, cwd=small.root, stdout=log, stderr=log, start_new_session=True
        )
        deadline = time.monotonic() + 120
        while not list(small.results().glob("unlearned/**/costs.json")):
            assert time.monotonic() < deadline and process.poll() is None
            time.sleep(0.05)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    assert not small.results("scores.csv").exists()
    small.snakemake("--unlock")
    small.run()
    assert stable(small.results("scores.csv")) == stable(small_once.results("scores.csv"))
    for name in ("tables/accuracy.csv", "figures/accuracy.svg"):
        assert small.results(name).read_bytes() == small_once.results(name).read_bytes()
    assert not list(small.results().rglob("*.partial"))
    assert small.planned() == []


def test_a_killed_job_is_no_result(finished_small):
    """A job that the system kills fails; what others did stays; the next call resumes."""
    good = stable(finished_small.results("scores.csv"))
    kill = "        import os\n        os.kill(os.getpid(), 9)\n"
    finished_small.edit("unlearn/methods/finetune.py", HEAD, kill + HEAD)
    process = finished_small.run(check=False)
    assert process.returncode != 0
    assert not list(finished_small.results("unlearned").rglob("finetune/**/*.*"))
    assert not any(job.startswith("unlearn original") for job in finished_small.planned())
    finished_small.edit("unlearn/methods/finetune.py", kill, "")
    finished_small.run("scores.csv")
    assert stable(finished_small.results("scores.csv")) == good


def test_artefact_of_another_study(finished_small):
    """A trained fleet that was made from other data is refused."""
    folder = finished_small.results("trained/digits/cnn1/standard/seeds0-1")
    study = yaml.safe_load(yaml.safe_dump(SMALL)) | {"study": "other"}
    study["datasets"]["digits"]["subset"] = 210
    finished_small.write_study(study)
    target = "results/other/trained/digits/cnn1/standard/seeds0-1"
    finished_small.snakemake(f"{target}/costs.json", "--cores", "1")
    for path in folder.iterdir():
        shutil.copy(path, finished_small.root / target / path.name)
    process = finished_small.run(check=False)
    assert process.returncode != 0
    assert (
        "trained.safetensors: made for another study: dataset is" in process.stdout + process.stderr
    )


def test_broken_artefact(finished_small):
    """Nobody notices under a finished run; whoever needs it says so, and what cures it."""
    good = stable(finished_small.results("scores.csv"))
    folder = finished_small.results("trained/digits/cnn1/standard/seeds0-1")
    file = folder / "trained.safetensors"
    file.write_bytes(bytes(file.stat().st_size))
    assert finished_small.planned() == []
    study = yaml.safe_load(yaml.safe_dump(SMALL))
    study["experiments"]["accuracy"]["request"]["rate"] = [0.1, 0.3]
    finished_small.write_study(study)
    process = finished_small.run(check=False)
    assert process.returncode != 0
    log = process.stdout + process.stderr
    assert "trained.safetensors: it is not the file that its record" in log
    assert "delete its folder and start again" in log
    assert good == stable(finished_small.results("scores.csv"))  # nothing that is there was touched
    shutil.rmtree(folder)
    finished_small.run("scores.csv")
    assert set(good) < set(stable(finished_small.results("scores.csv")))


def test_truncated_raw_data(project, tmp_path):
    raw = tmp_path / "raw" / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for name in ("train-images", "t10k-images"):
        (raw / f"{name}-idx3-ubyte").write_bytes(b"short")
    study = yaml.safe_load(yaml.safe_dump(TINY))
    study["experiments"]["accuracy"]["dataset"] = "mnist"
    study["recipes"]["standard"] = {"epochs": 1}
    project.write_study(study)
    process = project.snakemake("--cores", "1", check=False, UNLEARN_DATA=str(tmp_path / "raw"))
    assert process.returncode != 0
    assert "train-images-idx3-ubyte: truncated or altered" in process.stdout + process.stderr
    assert not list(project.results("data").rglob("*.npy"))


def test_started_in_the_wrong_place(project, tmp_path):
    call = [sys.executable, "-m", "snakemake", "-s", str(project.root / "Snakefile"), "-n"]
    config = ["--configfile", str(project.root / "study.yaml")]
    process = subprocess.run(
        [*call, *config], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert process.returncode != 0
    assert "start snakemake in the project's root" in process.stdout + process.stderr


def test_undeclared_code_is_refused(small):
    """A rule that runs code it does not declare would miss reruns."""
    small.edit(
        "rules/params.smk",
        'code("scripts.unlearn", *JOBS.unlearn(cell_of(wildcards)).modules())',
        'code("scripts.unlearn", *JOBS.unlearn(cell_of(wildcards)).modules()[:-1])',
    )
    process = small.run(check=False)
    assert process.returncode != 0
    assert "does not declare the code it runs: unlearn.methods" in process.stdout + process.stderr
