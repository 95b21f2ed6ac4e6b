"""Audits in a workflow: what they write, and what a change of the population computes."""

import copy
import csv

import numpy as np
import pytest

from tests.support.project import SMALL, finished_project

pytestmark = pytest.mark.xdist_group("populations")

POPULATION = {"originals": 4, "oracles": 8, "unlearned": 4, "fleet": 4}
STUDY = copy.deepcopy(SMALL)
STUDY["experiments"]["accuracy"] |= {
    "model": "mlp",
    "population": POPULATION,
    "figure": {"x": "variant", "y": ["klom", "ulira_auc", "accuracy"], "split": ["forget", "test"]},
}
AUDIT = "audits/digits/mlp/{variant}/random-rate=0.1/population4-8-4"


@pytest.fixture(scope="module")
def audited_once(tmp_path_factory):
    return finished_project(tmp_path_factory, "finished_population", STUDY)


@pytest.fixture
def audited(audited_once, tmp_path):
    """A private copy of a finished study with a population."""
    return audited_once.copy(tmp_path / "project")


def rows(project, path):
    with open(project.results(path), newline="") as file:
        return list(csv.DictReader(file))


def planned(project, **changes):
    study = copy.deepcopy(STUDY)
    study["experiments"]["accuracy"] |= changes
    project.write_study(study)
    return project.planned()


def test_nothing_is_left_to_do(audited):
    assert audited.planned() == []


def test_every_variant_has_an_audit(audited):
    for variant in ("original", "retrain", "finetune"):
        folder = AUDIT.format(variant=variant)
        table = rows(audited, f"{folder}/audit.csv")
        klom = next(r for r in table if (r["metric"], r["split"]) == ("klom", "forget"))
        assert float(klom["low"]) <= float(klom["value"]) <= float(klom["high"])
        assert klom["n"] == "4" and klom["failed"] == klom["diverged"] == "0"
        assert all(bool(row["value"]) is not bool(row["reason"]) for row in table)
        with np.load(audited.results(f"{folder}/examples.npz")) as examples:
            assert examples["klom"].shape == examples["ids"].shape == (20,)


def test_the_table_has_metrics_of_both_kinds(audited):
    table = rows(audited, "tables/accuracy.csv")
    assert {row["metric"] for row in table} == {"klom", "ulira_auc", "accuracy"}
    by_metric = {(row["metric"], row["split"], row["variant"]): row for row in table}
    audit = rows(audited, f"{AUDIT.format(variant='finetune')}/audit.csv")
    value = next(r["value"] for r in audit if (r["metric"], r["split"]) == ("klom", "test"))
    assert by_metric["klom", "test", "finetune"]["mean"] == value
    assert by_metric["klom", "test", "finetune"]["n"] == "4"
    assert by_metric["accuracy", "test", "finetune"]["n"] == "2"


def test_no_weights_of_a_population_are_stored_but_those_of_originals(audited):
    sizes = {}
    for rule in ("oracles", "unlearned", "trained"):
        files = audited.results(rule).rglob("*000000-*/*.safetensors")
        sizes[rule] = [path.stat().st_size for path in files if "constituents" not in path.name]
    assert sizes["oracles"] and max(sizes["oracles"]) < 1000
    assert sizes["unlearned"] and max(sizes["unlearned"]) < 1000
    assert sizes["trained"] and min(sizes["trained"]) > 1000


def test_a_larger_population_computes_the_new_models_alone(audited):
    larger = {"originals": 8, "oracles": 16, "unlearned": 8, "fleet": 4}
    jobs = planned(audited, population=larger)
    fleets = {job.split()[-1] for job in jobs if job.startswith(("train", "unlearn", "oracle"))}
    assert fleets == {"seeds1000004-1000007", "seeds2000004-2000007", "seeds3000004-3000007"}
    assert not [job for job in jobs if job.startswith(("request", "score ", "data"))]


def test_another_method_computes_its_own_models_alone(audited):
    jobs = planned(audited, method=["finetune", "gradient_ascent"])
    unlearned = [job for job in jobs if job.startswith(("train", "unlearn", "oracle"))]
    assert {job.split()[1] for job in unlearned} == {"gradient_ascent"}
    assert len(unlearned) == 2  # its paired fleet and its population


def test_a_changed_prediction_is_refused_by_name(audited):
    (path,) = audited.results("oracles/digits/mlp/retrain").rglob("*3000000-*/logits.npy")
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    (audited.results(AUDIT.format(variant="retrain")) / "audit.csv").unlink()
    process = audited.snakemake("--cores", "1", check=False)
    assert process.returncode != 0
    assert "logits.npy: it is not the file that its record" in process.stdout + process.stderr


def test_the_code_of_an_audit_metric_reruns_no_training(audited):
    audited.edit("unlearn/metrics/klom.py", "MIN_SIGMA = 1e-3", "MIN_SIGMA = 2e-3")
    rules = {job.split()[0] for job in audited.planned()}
    assert "audit" in rules and not rules & {"train", "unlearn", "oracle", "data", "request"}


HEAD = "        model = task.model(original)\n        recipe"
NOTHING = "        return Update()\n"


def test_a_method_that_does_nothing_has_no_audit_but_the_reason(audited):
    """Its table says so, too; the audits of others keep their values."""
    audited.edit("unlearn/methods/finetune.py", HEAD, NOTHING + HEAD)
    audited.run(check=False)
    audit = rows(audited, f"{AUDIT.format(variant='finetune')}/audit.csv")
    reason = "no-op: 4 of 4 models predict what the original does"
    assert {(row["value"], row["reason"], row["flags"]) for row in audit} == {("", reason, "no-op")}
    with np.load(audited.results(f"{AUDIT.format(variant='finetune')}/examples.npz")) as examples:
        assert set(examples) == {"ids", "labels"}
    table = [row for row in rows(audited, "tables/accuracy.csv") if row["metric"] == "klom"]
    reasons = {row["variant"]: (bool(row["mean"]), row["reason"]) for row in table}
    assert reasons["finetune"] == (False, reason) and reasons["retrain"] == (True, "")
    assert {row["flags"] for row in table if row["variant"] == "finetune"} == {"no-op"}
