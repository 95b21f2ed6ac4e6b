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

CODE = ("Snakefile", "pyproject.toml", "rules", "scripts", "schemas", "unlearn", "envs", "report")
SCORES = "results/many/scores.csv"
COMMAND = re.compile(r"^    shell:\n(        .*\n)+", re.M)
TOUCH = '    shell:\n        "touch {output:q} {log:q}"\n'
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


def main() -> None:
    """Measure, print one JSON object."""
    arguments = _common.options(__doc__, cells=1000, rounds=3)
    with tempfile.TemporaryDirectory() as folder:
        root, bare = Path(folder, "study"), Path(folder, "bare")
        for name in CODE:
            source, target = Path(__file__).parents[1] / name, root / name
            target.parent.mkdir(exist_ok=True)
            (shutil.copytree if source.is_dir() else shutil.copy2)(source, target)
        for rules in root.glob("rules/*.smk"):
            rules.write_text(re.sub(COMMAND, TOUCH, rules.read_text()))
        study = root / "study.yaml"
        study.write_text(yaml.safe_dump(study_of(arguments.cells)))
        config = ("--configfile", study.name)
        said, *cost = call(root, "-n", *config)
        jobs = said.count("\n    jobid: ")
        plan = {"seconds": cost[0], "megabytes": cost[1]}
        result = {"cells": arguments.cells, "jobs": jobs, "plan": plan, "nothing to do": {}}
        bare.mkdir()
        (bare / "Snakefile").write_text(BARE.format(pairs=jobs // 2))
        for place, options in ((root, config), (bare, ())):
            call(place, "--cores", "2", *SCHEDULER, *options)
        calls = {"start": (bare, "--version"), "bare": (bare,), "study": (root, *config)}
        calls["one batch of ten"] = (root, "--batch", "scores=1/10", SCORES, *config)
        costs = {name: [] for name in calls}
        for _ in range(arguments.rounds):
            for name, (place, *options) in calls.items():
                said, *cost = call(place, "--cores", "1", *options)
                assert name == "start" or "Nothing to be done" in said, said[-3000:]
                costs[name].append(cost)
    for name, found in costs.items():
        medians = (statistics.median(values) for values in zip(*found, strict=True))
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
    """Run Snakemake: what it said, seconds, and megabytes at the peak."""
    log = root / "called.log"
    with open(log, "w") as out:
        start = time.perf_counter()
        command = [sys.executable, "-m", "snakemake", *arguments]
        process = subprocess.Popen(command, cwd=root, stdout=out, stderr=out)
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - start
    said = log.read_text()
    if status:
        sys.exit(said[-3000:])
    return said, round(seconds, 1), usage.ru_maxrss // 1024


if __name__ == "__main__":
    main()
