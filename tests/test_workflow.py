"""The whole pipeline on a tiny study: what a user finds, and that reruns are exact."""

import csv
import json
import os
import shutil
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import yaml
from conftest import TINY

from unlearn import scoring

pytestmark = pytest.mark.xdist_group("workflow")

VARIANTS = ("finetune", "gradient_ascent", "original", "retrain")
RATES = ("random-rate=0.1", "random-rate=0.2")
FLEET = "seeds0-1"
END = ["complete", "report"]
AFTER_SCORES = [*END, "figure accuracy", "scores", "table accuracy"]


def cells(rule, variants=VARIANTS, rates=RATES, fleet=FLEET):
    return [f"{rule} {v} {r} {fleet}" for v in variants for r in rates]


def served(variants=VARIANTS, rates=RATES, fleet=FLEET):
    """The jobs of these cells and all that follows them."""
    jobs = cells("unlearn", variants, rates, fleet) + cells("score", variants, rates, fleet)
    return sorted(jobs + AFTER_SCORES)


EVERYTHING_AFTER_DATA = sorted([*served(), f"train {FLEET}", *(f"request {r}" for r in RATES)])


# -- what a user finds ---------------------------------------------------------------------------


def test_scores_are_tidy(finished):
    with open(finished.results("scores.csv")) as file:
        rows = list(csv.DictReader(file))
    expected = "dataset, model, method, variant, request, sampler, rate, step, points, seed, metric, split, value"
    assert list(rows[0]) == expected.split(", ")
    assert {r["variant"] for r in rows} == set(VARIANTS)
    assert {r["rate"] for r in rows} == {"0.1", "0.2"}
    assert {r["seed"] for r in rows} == {"0", "1"}
    for row in rows:
        assert row["split"] in scoring.METRICS[row["metric"]]
    assert {r["metric"] for r in rows} == set(scoring.METRICS) - {*scoring.SPECIAL, *scoring.NOISE}


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
    two = scores.query(
        "variant == 'retrain' and rate == 0.2 and metric == 'accuracy' and split == 'test'"
    )["value"].to_numpy()
    assert row["mean"] == pytest.approx(two.mean(), abs=1e-15)
    half = 12.706204736432095 * two.std(ddof=1) / np.sqrt(2)  # t quantile of one degree of freedom
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


def planned_command(finished, rule):
    log = finished.snakemake("-n", "--forcerun", rule, "--cores", "1").stdout
    line = next(line for line in log.splitlines() if f"python -m scripts.{rule}" in line)
    return line.removeprefix("Shell command: ")


def paste(finished, command):
    path = os.path.dirname(sys.executable) + os.pathsep + os.environ["PATH"]
    call = ["bash", "-o", "pipefail", "-c", command]
    env = os.environ | {"PATH": path}
    return subprocess.run(
        call, cwd=finished.root, env=env, capture_output=True, text=True, check=False
    )


def test_commands_of_the_log_can_be_pasted(finished):
    command = planned_command(finished, "score")
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


# -- reruns only what changed --------------------------------------------------------------------


def test_the_scheduler_rests_while_jobs_run(finished):
    """Once a job ends or starts it looks for more, not once a second for each that has ended."""
    log = (finished.root / "verbose.log").read_text()
    ended = log.count("Finished jobid:")
    assert ended > 20 and log.count("Ready jobs: ") <= 2 * ended


def test_nothing_changed(finished):
    assert "Nothing to be done" in finished.run().stdout + finished.run().stderr


def test_touched_files(finished):
    """Also those that are too large for Snakemake to compare by content (1 MB)."""
    weights = finished.results(f"trained/digits/cnn1/standard/{FLEET}/trained.safetensors")
    with open(weights, "ab") as file:
        file.truncate(2_000_000)
    for path in finished.root.rglob("*"):
        if path.is_file() and ".snakemake" not in path.parts:
            path.touch()
    assert finished.planned() == []


def test_a_new_clone_beside_old_results(finished, project):
    shutil.copytree(finished.results(), project.results())
    shutil.copytree(finished.root / ".snakemake", project.root / ".snakemake", dirs_exist_ok=True)
    for path in project.root.rglob("*.py"):
        path.touch()
    assert project.planned() == []


def test_a_comment_and_a_docstring(finished):
    finished.edit("unlearn/training.py", '"""The one training loop', '"""The only training loop')
    finished.edit(
        "unlearn/methods/finetune.py", "        model = ", "        # why\n        model = "
    )
    finished.edit("unlearn/models.py", "x + f(x)", "x plus f(x)")
    finished.edit(
        "unlearn/task.py", "A trained or unlearned model", "An unlearned or trained model"
    )
    assert finished.planned() == []


def test_one_method(finished):
    finished.edit("unlearn/methods/finetune.py", '"finetune")', '"fine-tune")')
    assert finished.planned() == served(("finetune",))


def test_the_oracle(finished):
    """Every cell is compared with it."""
    finished.edit(
        "unlearn/methods/retrain.py", "request.retain, seed)", "request.retain, seed + 0)"
    )
    assert finished.planned() == sorted(
        cells("unlearn", ("retrain",)) + cells("score") + AFTER_SCORES
    )


def test_a_module_that_training_shares(finished):
    finished.edit("unlearn/training.py", "rise = 0.25", "rise = 0.3")
    torch_jobs = [j for j in EVERYTHING_AFTER_DATA if not j.startswith("request")]
    assert finished.planned() == torch_jobs


def test_a_metric(finished):
    finished.edit("unlearn/metrics/divergence.py", "ROUNDING = 1e-9", "ROUNDING = 1e-8")
    assert finished.planned() == sorted(cells("score") + AFTER_SCORES)


def test_a_caption(finished):
    finished.edit("report/figure.rst", "Lines and points are means", "Lines and points show means")
    assert finished.planned() == END


def test_a_description(finished):
    plan = change(finished, lambda s, e: e.update(description="What {{ is }} *shown* {% here"))
    assert plan == END
    finished.run()
    assert "shown" in finished.results("report.html").read_text()


def test_a_figure(finished):
    finished.edit("unlearn/figures/lines.py", "alpha=0.18", "alpha=0.2")
    assert finished.planned() == ["complete", "figure accuracy", "report"]


def test_the_table_code(finished):
    finished.edit("unlearn/tables.py", "0.975", "0.9750")
    assert finished.planned() == []  # the same number
    finished.edit("unlearn/tables.py", "0.9750", "0.95")
    assert finished.planned() == ["complete", "figure accuracy", "report", "table accuracy"]


def test_a_sampler(finished):
    finished.edit("unlearn/requests/random.py", '"random request")', '"random")')
    jobs = [f"request {r}" for r in RATES]
    assert finished.planned() == sorted(served() + jobs)


def test_an_unrelated_new_module(finished):
    (finished.root / "unlearn" / "methods" / "other.py").write_text(
        "class Other:\n    trainer = None\n"
    )
    assert finished.planned() == []


def change(finished, edit):
    study = yaml.safe_load(yaml.safe_dump(TINY))
    edit(study, study["experiments"]["accuracy"])
    finished.write_study(study)
    return finished.planned()


def test_a_hyperparameter_of_one_method(finished):
    plan = change(finished, lambda s, e: s.update(methods={"finetune": {"epochs": 3}}))
    assert plan == served(("finetune",))


def test_two_swapped_values(finished):
    """Snakemake compares parameters as an unnamed set; ours are one string with names."""
    first = {"finetune": {"epochs": 1, "lr": 2.0}}
    change(finished, lambda s, e: s.update(methods=first))
    finished.run("scores.csv")
    plan = change(finished, lambda s, e: s.update(methods={"finetune": {"epochs": 2, "lr": 1.0}}))
    assert plan == served(("finetune",))


def test_a_new_seed(finished):
    plan = change(finished, lambda s, e: s.update(seeds=3))
    assert plan == sorted([*served(fleet="seed2"), "train seed2"])


def test_a_new_rate(finished):
    plan = change(finished, lambda s, e: e["request"].update(rate=[0.1, 0.2, 0.3]))
    assert plan == sorted([*served(rates=["random-rate=0.3"]), "request random-rate=0.3"])


def test_a_new_method(finished):
    new = {"name": "finetune", "epochs": 4}
    plan = change(finished, lambda s, e: e["method"].append(new))
    assert plan == served(("finetune-epochs=4",))


def test_the_name_of_a_recipe(finished):
    def edit(study, experiment):
        study["recipes"] = {"renamed": study["recipes"]["quick"]}
        study["datasets"]["digits"]["recipe"] = "renamed"

    assert not [job for job in change(finished, edit) if job.startswith(("data", "request"))]


def test_a_recipe(finished):
    plan = change(finished, lambda s, e: s["recipes"]["quick"].update(epochs=3))
    assert plan == [j for j in EVERYTHING_AFTER_DATA if not j.startswith("request")]


def test_how_a_figure_is_drawn(finished):
    plan = change(finished, lambda s, e: e["figure"].update(xscale="log"))
    assert plan == ["complete", "figure accuracy", "report"]


def test_a_new_experiment_on_known_cells(finished):
    def edit(study, experiment):
        figure = {"x": "rate", "y": "l2"}
        study["experiments"]["distance"] = experiment | {"figure": figure}

    assert change(finished, edit) == ["complete", "figure distance", "report", "table distance"]


def test_where_data_and_results_lie_is_no_reason(finished):
    plan = change(finished, lambda s, e: s.update(data="elsewhere", results="results"))
    assert plan == END


def test_edit_while_running_stops_the_job(finished):
    """The digest is checked again when the command starts."""
    command = planned_command(finished, "score")
    finished.edit("unlearn/metrics/distance.py", "square = 0.0", "square = 1.0")
    done = paste(finished, command)
    assert done.returncode != 0
    assert "unlearn.metrics.distance changed under the running workflow" in done.stdout


# -- the cache between workflows -----------------------------------------------------------------


def test_cache_is_shared_by_equal_trainings_only(project, tmp_path):
    """Two seeds, two recipes, two data sets can never share an entry."""
    cache = tmp_path / "cache"
    cache.mkdir()
    targets = {}

    def train(**study):
        config = TINY | study
        project.write_study(config)
        fleet = "seed" + "+".join(map(str, config["seeds"]))
        folder = project.results(f"trained/digits/cnn1/standard/{fleet}")
        target = str((folder / "costs.json").relative_to(project.root))
        done = project.snakemake(
            target, "--cores", "1", "--cache", SNAKEMAKE_OUTPUT_CACHE=str(cache)
        )
        return done, (folder / "costs.json").read_bytes()  # seconds differ if trained again

    for name, study in {
        "seed 0": {"seeds": [0]},
        "seed 1": {"seeds": [1]},
        "recipe": {"seeds": [0], "recipes": {"quick": {"epochs": 2, "batch_size": 32, "lr": 0.2}}},
        "data": {"seeds": [0], "datasets": {"digits": {"recipe": "quick", "subset": 210}}},
    }.items():
        shutil.rmtree(project.root / "results", ignore_errors=True)
        shutil.rmtree(project.root / ".snakemake", ignore_errors=True)
        _, targets[name] = train(**study)
    assert len(set(targets.values())) == 4
    shutil.rmtree(project.root / "results")
    shutil.rmtree(project.root / ".snakemake")
    _, again = train(seeds=[0])
    assert again == targets["seed 0"]
