"""What Snakemake's plan costs for a study of many cells: seconds and memory of a call.

A synthetic study of so many cells is planned from nothing (`-n`), done with commands that only
touch their files, and planned again, when nothing is to be done. Beside it, in turn: the start of
Snakemake alone, and a bare workflow of as many jobs, in pairs, with one input and one output each.

    python -m timings.planning [--cells 1000] [--rounds 3]
"""

import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import yaml

from timings import _common
from unlearn.evaluation import placement

COPIED_PATHS = ("Snakefile", "pyproject.toml", "rules", "scripts", "unlearn", "envs", "report")
SCORES_FILE = "results/many/scores.csv"
COMMAND = re.compile(r"^    shell:\n(        .*\n)+", re.M)
PARAMETER = re.compile(r"{params\.(?!code)(\w+)(?::q)?}")
TOUCH = """\
import sys
from pathlib import Path

from unlearn.storage import records
from unlearn.storage.files import write_json

record, names, *values = sys.argv[1:]
names = names.split(",") if names else []
parameters = dict(zip(names, values))
paths = list(map(Path, values[len(names) : values.index("--code")]))
for path in paths:
    path.touch()
origin = records.Origin.of_arguments(parameters, values[values.index("--code") + 1 :])
if record:
    write_json(Path(record), records.content(origin, [p for p in paths if p != Path(record)]))
"""
"""A command that writes empty files and their record, and nothing else."""

SCHEDULER = ("--scheduler", "greedy", "--scheduler-subsample", "1000")  # as the profiles have it
BARE = """\
rule all:
    input: expand("second/{{i}}", i=range({pairs}))

rule first:
    output: "first/{{i}}"
    shell: "touch {{output}}"

rule second:
    input: "first/{{i}}"
    output: "second/{{i}}"
    shell: "touch {{output}}"
"""


def touching(command: re.Match) -> str:
    """The shell directive of a rule, with a command that makes its files in no time."""
    names = list(dict.fromkeys(PARAMETER.findall(command[0])))
    values = "".join(f" {{params.{name}:q}}" for name in names)
    return (
        '    shell:\n        "touch {log:q}; python -m scripts.touch {output.record:q} '
        f"'{','.join(names)}'{values} {{output:q}} --code {{params.code:q}}\"\n"
    )


def main() -> None:
    """Measure, print one JSON object."""
    arguments = _common.options(__doc__, cells=1000, rounds=3)
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder, "study")
        bare = Path(folder, "bare")
        for name in COPIED_PATHS:
            source = Path(__file__).parents[1] / name
            target = root / name
            target.parent.mkdir(exist_ok=True)
            (shutil.copytree if source.is_dir() else shutil.copy2)(source, target)
        for rules in root.glob("rules/*.smk"):
            rules.write_text(re.sub(COMMAND, touching, rules.read_text()))
        (root / "scripts" / "touch.py").write_text(TOUCH)
        study = root / "study.yaml"
        study.write_text(yaml.safe_dump(study_of(arguments.cells)))
        config = ("--configfile", study.name)
        log, seconds, megabytes = call(root, "-n", *config)
        jobs = log.count("\n    jobid: ")
        plan = {"seconds": seconds, "megabytes": megabytes}
        result = {"cells": arguments.cells, "jobs": jobs, "plan": plan, "nothing to do": {}}
        bare.mkdir()
        (bare / "Snakefile").write_text(BARE.format(pairs=jobs // 2))
        for folder_of_call, options in ((root, config), (bare, ())):
            call(folder_of_call, "--cores", "2", *SCHEDULER, *options)
        calls = {"start": (bare, "--version"), "bare": (bare,), "study": (root, *config)}
        calls["one batch of ten"] = (root, "--batch", "scores=1/10", SCORES_FILE, *config)
        costs = {name: [] for name in calls}
        for _ in range(arguments.rounds):
            for name, (place, *options) in calls.items():
                log, *cost = call(place, "--cores", "1", *options)
                assert name == "start" or "Nothing to be done" in log, log[-3000:]
                costs[name].append(cost)
    for name, rows in costs.items():
        medians = (statistics.median(column) for column in zip(*rows, strict=True))
        result["nothing to do"][name] = dict(zip(plan, medians, strict=True))
    print(json.dumps(result, indent=2))


def study_of(cells: int) -> dict:
    """A study of about so many cells: `finetune` at many rates of learning, on many requests."""
    requests = max(1, round(cells**0.5 / 10) * 10)
    variants = cells // requests - len(placement.CONTROLS)
    return {
        "study": "many",
        "recipes": {"quick": {"epochs": 1}},
        "datasets": {"digits": {"recipe": "quick"}},
        "experiments": {
            "many": {
                "description": "Many cells.",
                "dataset": "digits",
                "model": "logistic",
                "method": {"name": "finetune", "lr": [(i + 1) / 10000 for i in range(variants)]},
                "request": {"name": "random", "count": list(range(1, requests + 1))},
                "figure": {"x": "points", "y": "accuracy", "split": "test", "colour": "variant"},
            }
        },
    }


def call(root: Path, *arguments: str) -> tuple[str, float, int]:
    """Run Snakemake: its output, seconds, and megabytes at the peak."""
    path = root / "called.log"
    with open(path, "w") as out:
        start = time.perf_counter()
        command = [sys.executable, "-m", "snakemake", *arguments]
        process = subprocess.Popen(command, cwd=root, stdout=out, stderr=out)
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - start
    log = path.read_text()
    if status:
        sys.exit(log[-3000:])
    return log, round(seconds, 1), usage.ru_maxrss // 1024


if __name__ == "__main__":
    main()
