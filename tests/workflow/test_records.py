"""Records of jobs: a study is what its files say, without Snakemake's own notes, and undamaged."""

import copy
import json
import shutil
from pathlib import Path

import pytest

from tests.support.commands import paste, planned_command
from tests.support.project import SMALL, TINY, new_project
from tests.support.results import same_results, stable
from tests.workflow.test_reruns import AFTER_SCORES, END, cells, change, served

pytestmark = pytest.mark.xdist_group("records")

FLEET = "digits/cnn1"
CELL = f"{FLEET}/finetune/random-rate=0.1/seeds0-1"


@pytest.fixture
def bare(finished):
    """A finished study whose `.snakemake` is lost."""
    shutil.rmtree(finished.root / ".snakemake")
    return finished


def test_nothing_has_changed(bare):
    assert bare.planned() == []


def test_a_hyperparameter(bare):
    def slower(study, _):
        study["methods"] = {"finetune": {"epochs": 3}}

    assert change(bare, slower) == served(("finetune",))
    assert change(bare, lambda *_: None) == []  # and back
    assert change(bare, slower) == served(("finetune",))
    bare.run()
    assert bare.planned() == []


def test_the_code_of_a_metric(bare):
    bare.edit("unlearn/metrics/divergence.py", "ROUNDING = 1e-9", "ROUNDING = 1e-8")
    assert bare.planned() == sorted(cells("score") + AFTER_SCORES)
    bare.edit("unlearn/metrics/divergence.py", "ROUNDING = 1e-8", "ROUNDING = 1e-9")
    assert bare.planned() == []


def test_the_code_of_a_data_set_which_has_no_input(bare):
    bare.edit("unlearn/data/digits.py", "load_digits(", "load_digits(*(), ")
    plan = bare.planned()
    assert "data" in " ".join(plan) and "train seeds0-1" in plan


def test_a_description(bare):
    assert change(bare, lambda _, e: e.update(description="Other words.")) == END


def test_results_that_were_moved(finished):
    """And are named by `results:`."""
    (finished.root / "results").rename(finished.root / "elsewhere")
    study = TINY | {"results": "elsewhere"}
    finished.write_study(study)
    assert [job for job in finished.planned() if job not in END] == []
    finished.write_study(study | {"methods": {"finetune": {"epochs": 3}}})
    assert finished.planned() == served(("finetune",))


def test_a_dry_run_beside_a_running_workflow_leaves_its_records_alone(finished):
    locks = finished.root / ".snakemake/locks"
    locks.mkdir(parents=True, exist_ok=True)
    (locks / "0.input.lock").write_text("results/tiny/data/digits/record.json\n")
    finished.edit("unlearn/metrics/divergence.py", "ROUNDING = 1e-9", "ROUNDING = 1e-8")
    assert finished.planned() == sorted(cells("score") + AFTER_SCORES)
    assert min(path.stat().st_mtime for path in finished.results().rglob("*.json")) > 1.5e9


def cut(path):
    path.write_bytes(path.read_bytes()[:-1])


def empty(path):
    path.write_bytes(b"")


LOST = {
    "scores.csv": (empty, "scores"),
    "tables/accuracy.csv": (cut, "table accuracy"),
    "figures/accuracy.png": (empty, "figure accuracy"),
    "provenance.json": (Path.unlink, "report"),
    f"scores/{CELL}/scores.csv": (cut, "score finetune random-rate=0.1 seeds0-1"),
    f"unlearned/{CELL}/logits.npy": (Path.unlink, "unlearn finetune random-rate=0.1 seeds0-1"),
    f"unlearned/{CELL.replace('0.1', '0.2')}/votes.npy": (
        cut,
        "unlearn finetune random-rate=0.2 seeds0-1",
    ),
}


def test_what_is_lost_or_has_another_size_is_made_again(finished):
    """Snakemake looks only at the files that other jobs read."""
    scores = stable(finished.results("scores.csv"))
    for name, (damage, _) in LOST.items():
        damage(finished.results(name))
    jobs = {job for _, job in LOST.values()}
    plan = finished.planned()
    assert jobs <= set(plan) and not any(job.startswith(("train", "request")) for job in plan)
    finished.run()
    assert finished.planned() == []
    assert stable(finished.results("scores.csv")) == scores


FLIPPED = {
    "data/digits/train_images.npy": "unlearn",
    "data/digits/train_labels.npy": "score",
    "data/digits/sample_ids.npy": "score",
    "data/digits/dataset.json": "score",
    "requests/digits/random-rate=0.1/request.npz": "score",
    f"trained/{FLEET}/standard/seeds0-1/trained.safetensors": "unlearn",
    f"trained/{FLEET}/standard/seeds0-1/constituents.safetensors": "unlearn",
    f"unlearned/{CELL}/logits.npy": "score",
    f"unlearned/{CELL}/unlearned.safetensors": "score",
    f"unlearned/{CELL}/costs.json": "score",
    f"scores/{CELL}/scores.csv": "table",
    "tables/accuracy.csv": "figure",
    "scores.csv": "report",
    "figures/accuracy.svg": "report",
    "figures/accuracy.png": "report",
    "report.html": "complete",
}
"""A file, and a command that reads it."""


def test_a_single_flipped_bit_is_refused_where_the_file_is_read(finished):
    commands = {
        rule: planned_command(finished, rule, f"/{CELL}/" if rule in ("unlearn", "score") else "")
        for rule in set(FLIPPED.values())
    }
    for name, rule in FLIPPED.items():
        path = finished.results(name)
        content = path.read_bytes()
        changed = bytearray(content)
        changed[-3 if name.endswith(".json") else len(content) * 2 // 3] ^= 1
        path.write_bytes(changed)
        process = paste(finished, commands[rule])
        assert process.returncode != 0, name
        assert f"error: results/tiny/{name}: " in process.stdout, process.stdout
        assert "Traceback" not in process.stdout
        path.write_bytes(content)


PRESENTED = {
    "summary": {"summary": ["accuracy/test"]},
    "picture": {"dataset": {"name": "digits", "noise": "random_noise"}},
}
"""What TINY does not have, and a report shows."""


def test_a_report_shows_no_summary_and_no_picture_that_was_edited(small):
    study = copy.deepcopy(SMALL)
    study["experiments"]["accuracy"] |= PRESENTED["summary"]
    small.write_study(study | {"pictures": {"images": PRESENTED["picture"]}})
    small.run("summaries/accuracy.csv", "figures/images.svg", "tables/images.csv", "report.html")
    command = planned_command(small, "report")
    for name in ("summaries/accuracy.csv", "figures/images.svg", "tables/images.csv"):
        path = small.results(name)
        content = path.read_text()
        path.write_text(f"{content[:-2]}7\n")
        process = paste(small, command)
        assert process.returncode != 0, name
        error = f"error: results/tiny/{name}: it is not the file that its record"
        assert error in process.stdout and "delete this file" in process.stdout, process.stdout
        path.write_text(content)
    assert paste(small, command).returncode == 0


def test_two_runs_give_the_same_bytes(project, finished_once):
    """Of every artefact that holds no time or memory, on other orders of jobs too."""
    project.snakemake("--cores", "4")
    same_results(project, finished_once)
    clocked = {"costs.json", "scores.csv", "provenance.json", "report.html", "overview.rst"}
    paths = [path for path in finished_once.results().rglob("*") if path.is_file()]
    compared_names = set()
    for path in paths:
        name = path.relative_to(finished_once.results())
        is_of_scores = name.parts[0] in ("scores", "records", "logs")
        if is_of_scores or name.name in clocked:
            continue
        compared_names.add(name.name)
        assert project.results(str(name)).read_bytes() == path.read_bytes(), name
    assert {
        "trained.safetensors",
        "record.json",
        "request.npz",
        "train_images.npy",
    } <= compared_names


def test_a_record_tells_parameters_code_and_files(finished):
    record = json.loads(finished.results(f"unlearned/{CELL}/record.json").read_text())
    assert record["parameters"]["job"]["method"]["kind"] == "finetune"
    assert any(entry.startswith("unlearn.methods.finetune@") for entry in record["code"])
    assert set(record["files"]) == {"unlearned.safetensors", "logits.npy", "ids.npy", "votes.npy"}


def test_a_failed_training_is_not_shared_by_the_cache(project, tmp_path):
    """With a cache the job fails instead of being a result that says so."""
    cache = tmp_path / "cache"
    cache.mkdir()
    line = "        model = task"
    project.edit("unlearn/trainers/standard.py", line, f'        raise RuntimeError("no")\n{line}')
    target = f"results/tiny/trained/{FLEET}/standard/seeds0-1/record.json"
    call = (target, "--cores", "1", "--cache")
    process = project.snakemake(*call, check=False, SNAKEMAKE_OUTPUT_CACHE=str(cache))
    assert process.returncode != 0
    output = process.stdout + process.stderr
    assert "RuntimeError: no" in output and "the shared cache keeps no failed training" in output
    assert not list(cache.iterdir())


def test_another_project_starts_from_nothing(tmp_path):
    """A plan alone writes no results."""
    project = new_project(tmp_path / "planned")
    project.planned()
    assert not project.results().exists()
