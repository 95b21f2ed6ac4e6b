"""The whole pipeline on a tiny study: what a user finds."""

import csv
import json

import numpy as np
import pandas as pd
import pytest

from tests.support.commands import FLEET, RATES, VARIANTS, paste, planned_command
from unlearn.metrics.catalogue import METRICS

pytestmark = pytest.mark.xdist_group("workflow")


def test_scores_are_tidy(finished):
    with open(finished.results("scores.csv")) as file:
        rows = list(csv.DictReader(file))
    expected = "dataset, model, method, variant, request, sampler, rate, step, points, precision"
    assert list(rows[0]) == [*expected.split(", "), "seed", "metric", "split", "value"]
    assert {r["variant"] for r in rows} == set(VARIANTS)
    assert {r["rate"] for r in rows} == {"0.1", "0.2"}
    assert {r["seed"] for r in rows} == {"0", "1"}
    for row in rows:
        assert row["split"] in METRICS[row["metric"]].splits
    scored = {row["metric"] for row in rows}
    assert {name for name in scored if not name.startswith("gate_")} == {
        name
        for name, metric in METRICS.items()
        if metric.rule == "score"
        and not (metric.is_trainer_specific or metric.noise_field)
        and not (metric.scoring_field or metric.tuning_field)
        and not (metric.of_classes or name == "refused" or name.startswith("gate_"))
    }


def values(finished, variant, metric, split):
    scores = pd.read_csv(finished.results("scores.csv"))
    rows = scores.query("variant == @variant and metric == @metric and split == @split")
    return rows["value"].to_numpy()


def test_controls_score_as_they_must(finished):
    for split in ("forget", "retain", "test"):
        assert (values(finished, "retrain", "kl", split) == 0).all()
        assert (values(finished, "retrain", "js", split) < 1e-15).all()
        assert (values(finished, "original", "kl", split) > 0).all()
    assert (values(finished, "retrain", "l2", "weights") == 0).all()
    assert (values(finished, "original", "l2_relative", "weights") == 1).all()
    assert (values(finished, "finetune", "l2", "weights") > 0).all()
    assert (values(finished, "original", "gradient_evaluations", "forget") == 0).all()
    assert set(values(finished, "retrain", "gradient_evaluations", "forget")) == {2 * 180, 2 * 160}
    assert set(values(finished, "retrain", "gradient_evaluations", "learn")) == {400}
    assert set(values(finished, "finetune", "gradient_evaluations", "forget")) == {2 * 180, 2 * 160}
    assert (values(finished, "retrain", "completed", "forget") == 1).all()
    per_sample = values(finished, "retrain", "flops", "forget")
    assert (per_sample % values(finished, "retrain", "gradient_evaluations", "forget") == 0).all()


def test_table_has_the_mean_and_interval_of_the_scores(finished):
    table = pd.read_csv(finished.results("tables/accuracy.csv"))
    row = table.query("variant == 'retrain' and rate == 0.2 and split == 'test'").iloc[0]
    scores = pd.read_csv(finished.results("scores.csv"))
    values_by_seed = scores.query(
        "variant == 'retrain' and rate == 0.2 and metric == 'accuracy' and split == 'test'"
    )["value"].to_numpy()
    assert row["mean"] == pytest.approx(values_by_seed.mean(), abs=1e-15)
    half = (
        12.706204736432095 * values_by_seed.std(ddof=1) / np.sqrt(2)
    )  # t quantile of one degree of freedom
    assert row["ci_high"] - row["mean"] == pytest.approx(half)
    assert row["n"] == 2 and row["failed"] == 0 and row["diverged"] == 0
    assert set(table["split"]) == {"forget", "test"} and set(table["variant"]) == set(VARIANTS)


def test_figures_and_report(finished):
    svg = finished.results("figures/accuracy.svg").read_text()
    assert svg.startswith("<?xml") and "<dc:date>" not in svg
    assert finished.results("figures/accuracy.png").read_bytes()[1:4] == b"PNG"
    report = finished.results("report.html").read_text()
    assert len(report) > 1_000_000  # everything is inside
    assert "align-items: safe center" in report  # else the top of a tall page is out of reach
    for text in ("Study tiny", "SHA-256", "Commit", "gradient_ascent", "What was run"):
        assert text in report, text
    provenance = json.loads(finished.results("provenance.json").read_text())
    assert provenance["machines"][0]["device"] == "cpu"
    assert len(provenance["datasets"]["digits"]) == 64


@pytest.mark.parametrize("rule", ["score", "scores", "table", "complete"])
def test_commands_of_the_log_can_be_pasted(finished, rule):
    """With what they read from standard input."""
    command = planned_command(finished, rule)
    target = finished.root / command.split("--output ")[1].split()[0].strip("'")
    before = target.read_bytes()
    target.unlink()
    assert paste(finished, command).returncode == 0
    assert target.read_bytes() == before


def test_what_is_stored_is_what_was_trained(finished):
    """Doing nothing predicts what the trained model predicted, to the last bit."""
    trained = np.load(finished.results("trained/digits/cnn1/standard/seeds0-1/logits.npy"))
    for rate in RATES:
        folder = finished.results(f"unlearned/digits/cnn1/original/{rate}/{FLEET}")
        assert np.array_equal(np.load(folder / "logits.npy")[:, 0], trained)


def test_the_plan_imports_neither_torch_nor_pandas(finished):
    """Snakemake itself may have imported pandas before."""
    finished.edit(
        "Snakefile", "from snakemake", "import sys\n\nbefore = set(sys.modules)\nfrom snakemake"
    )
    heavy = '{"torch", "pandas", "matplotlib", "scipy"}'
    finished.edit(
        "Snakefile", "rule all:", f"assert not {heavy} & (set(sys.modules) - before)\n\n\nrule all:"
    )
    assert finished.planned() == []


def test_the_scheduler_rests_while_jobs_run(finished):
    """Once a job ends or starts it looks for more, not once a second for each that has ended."""
    log = (finished.root / "verbose.log").read_text()
    ended = log.count("Finished jobid:")
    assert ended > 20 and log.count("Ready jobs: ") <= 2 * ended
