"""A study of thousands of variants: no command is longer than Linux lets an argument be."""

import copy

import pandas as pd

from tests.support.commands import shell_commands
from tests.support.project import RESULTS, TINY
from tests.support.study import load
from unlearn.evaluation.columns import CELL_COLUMNS
from unlearn.storage import records
from unlearn.storage.files import write_json

VARIANTS = 1800
LONGEST_ARGUMENT = 2**17 - 1
"""Bytes, on Linux."""


def many_variants(config, experiment):
    """Learning rates on the x axis."""
    experiment["method"] = {
        "name": "finetune",
        "lr": [round(0.0001 * number, 4) for number in range(1, VARIANTS + 1)],
    }
    experiment["request"] = {"name": "random", "rate": 0.1}
    experiment["figure"] = {"x": "method.lr", "y": "accuracy", "split": ["test"], "xscale": "log"}
    experiment["summary"] = ["accuracy/test"]


def write_scores(project, plan):
    """Made up scores of every cell; thousands of fleets would take an hour to train."""
    for number, cell in enumerate(plan.cells):
        columns = dict.fromkeys(CELL_COLUMNS, 1) | cell._asdict()
        columns |= {"method": plan.variants[cell.variant].kind, "sampler": "random", "rate": 0.1}
        rows = [
            columns | {"seed": seed, "metric": metric, "split": split, "value": value}
            for seed in (0, 1)
            for metric, split, value in (
                ("completed", "forget", 1),
                ("diverged", "forget", 0),
                ("accuracy", "test", (number + seed) / (VARIANTS + 9)),
            )
        ]
        path = project.results(f"scores/{'/'.join(cell)}/scores.csv")
        path.parent.mkdir(parents=True)
        table = pd.DataFrame(rows)[[*CELL_COLUMNS, "seed", "metric", "split", "value"]]
        table.to_csv(path, index=False)
        record = records.content(records.Origin({}, ()), [path])
        write_json(path.with_name("record.json"), record)


def test_thousands_of_variants_reach_tables_figures_and_summaries(project):
    config = copy.deepcopy(TINY)
    many_variants(config, config["experiments"]["accuracy"])
    project.write_study(config)
    plan = load(many_variants)
    assert len(plan.variants) == VARIANTS + 2
    write_scores(project, plan)
    names = ["scores.csv", "figures/accuracy.png", "summaries/accuracy.csv"]
    files = [f"{RESULTS}/{name}" for name in names]
    rules = ["--allowed-rules", "table", "figure", "summary", "scores"]
    process = project.snakemake("--cores", "1", "--printshellcmds", *files, *rules)
    commands = shell_commands(process.stdout + process.stderr)
    assert max(map(len, commands)) > LONGEST_ARGUMENT
    table = pd.read_csv(project.results("tables/accuracy.csv"))
    assert len(table) == VARIANTS + 2 and (table["n"] == 2).all()
    assert len(pd.read_csv(project.results("summaries/accuracy.csv"))) == VARIANTS + 2
    config["experiments"]["accuracy"]["figure"]["yscale"] = "log"
    project.write_study(config)
    assert project.planned(*files, *rules) == ["figure accuracy"]


def test_no_argument_grows_with_the_number_of_variants(project):
    """What does is read from standard input, and is a parameter nevertheless."""
    config = copy.deepcopy(TINY)
    config["experiments"]["accuracy"]["summary"] = ["accuracy/test"]
    project.write_study(config)
    process = project.snakemake("-n", "--cores", "1", "--printshellcmds")
    commands = shell_commands(process.stdout + process.stderr)
    for rule in ("table", "summary", "figure", "scores", "report", "complete"):
        (command,) = [c for c in commands if f" {rule} --" in c]
        arguments, _, standard_input = command.partition("\n")
        assert "gradient_ascent" not in arguments and " --job - " in arguments
        has_variants = rule in ("table", "scores", "report", "complete")
        assert ("gradient_ascent" in standard_input) == has_variants
