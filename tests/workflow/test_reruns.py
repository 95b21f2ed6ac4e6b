"""A call after a change runs again what the change touches, and nothing else."""

import shutil

import pytest
import yaml

from tests.support.commands import FLEET, RATES, VARIANTS, paste, planned_command
from tests.support.project import TINY

pytestmark = pytest.mark.xdist_group("reruns")

END = ["complete", "report"]
AFTER_SCORES = [*END, "figure accuracy", "scores", "table accuracy"]


def cells(rule, variants=VARIANTS, rates=RATES, fleet=FLEET):
    return [f"{rule} {v} {r} {fleet}" for v in variants for r in rates]


def served(variants=VARIANTS, rates=RATES, fleet=FLEET):
    """The jobs of these cells and all that follows them."""
    jobs = cells("unlearn", variants, rates, fleet) + cells("score", variants, rates, fleet)
    return sorted(jobs + AFTER_SCORES)


EVERYTHING_AFTER_DATA = sorted([*served(), f"train {FLEET}", *(f"request {r}" for r in RATES)])


def test_nothing_changed(finished):
    assert "Nothing to be done" in finished.run().stdout + finished.run().stderr


def test_touched_files(finished):
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
    finished.edit("unlearn/training/loop.py", '"""The training loop', '"""The only training loop')
    finished.edit(
        "unlearn/methods/finetune.py", "        model = ", "        # why\n        model = "
    )
    finished.edit("unlearn/models/cnn1.py", "2 x 2 pooling, ReLU", "pooling of 2 x 2, ReLU")
    finished.edit(
        "unlearn/training/state.py", "a trained or unlearned model", "an unlearned or trained model"
    )
    assert finished.planned() == []


def test_a_help_text_and_an_import_for_type_checkers(finished):
    finished.edit("unlearn/methods/finetune.py", "Passes over the retain set.", "Epochs.")
    finished.edit(
        "unlearn/trainers/base.py",
        "if TYPE_CHECKING:\n",
        "if TYPE_CHECKING:\n    from unlearn.requests.request import Request\n",
    )
    assert finished.planned() == []


def test_the_label_of_a_method(finished):
    """It is drawn, and nothing else."""
    finished.edit("unlearn/methods/finetune.py", '"fine-tuning"', '"tuning"')
    assert finished.planned() == ["complete", "figure accuracy", "report"]


def test_a_default(finished):
    """It is a parameter of the cells that do not set it."""
    finished.edit("unlearn/methods/finetune.py", "parameter(2, minimum=1", "parameter(3, minimum=1")
    assert finished.planned() == served(("finetune",))


def test_one_method(finished):
    finished.edit("unlearn/methods/finetune.py", '"finetune")', '"fine-tune")')
    assert finished.planned() == served(("finetune",))


def test_the_oracle(finished):
    """Every cell is compared with it."""
    finished.edit("unlearn/methods/retrain.py", "retain_ids, seed)", "retain_ids, seed + 0)")
    assert finished.planned() == sorted(
        cells("unlearn", ("retrain",)) + cells("score") + AFTER_SCORES
    )


def test_a_module_that_training_shares(finished):
    finished.edit("unlearn/training/schedules.py", "rise = 0.25", "rise = 0.3")
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
    finished.edit("unlearn/report/figures/_lines.py", "alpha=0.18", "alpha=0.2")
    assert finished.planned() == ["complete", "figure accuracy", "report"]


def test_the_table_code(finished):
    finished.edit("unlearn/metrics/statistics.py", "0.975", "0.9750")
    assert finished.planned() == []  # the same number
    finished.edit("unlearn/metrics/statistics.py", "0.9750", "0.95")
    assert finished.planned() == ["complete", "figure accuracy", "report", "table accuracy"]


def test_a_sampler(finished):
    finished.edit("unlearn/requests/random.py", '"random request")', '"random")')
    jobs = [f"request {r}" for r in RATES]
    assert finished.planned() == sorted(served() + jobs)


def test_an_unrelated_new_module(finished):
    (finished.root / "unlearn" / "methods" / "other.py").write_text(
        "from unlearn.methods.base import Method\n\n\nclass Other(Method):\n    trainer = None\n"
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
    variant = {"name": "finetune", "epochs": 4}
    plan = change(finished, lambda s, e: e["method"].append(variant))
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
    process = paste(finished, command)
    assert process.returncode != 0
    assert "unlearn.metrics.distance changed under the running workflow" in process.stdout


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
        process = project.snakemake(
            target, "--cores", "1", "--cache", SNAKEMAKE_OUTPUT_CACHE=str(cache)
        )
        return process, (folder / "costs.json").read_bytes()  # seconds differ if trained again

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
    _, record = train(seeds=[0])
    assert record == targets["seed 0"]
