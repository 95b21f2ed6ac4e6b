"""Rule `report`: Snakemake's own report, with a landing page that shows what was run."""

import argparse
import importlib.metadata
import json
import platform
import subprocess
import sys
from pathlib import Path

import pandas as pd

from scripts import command
from unlearn.evaluation import tables
from unlearn.report import landing_page
from unlearn.storage.files import (
    check_unchanged,
    read_costs,
    read_json,
    read_text,
    replacing,
    write_json,
    write_text,
)

PACKAGES = (
    "snakemake",
    "torch",
    "torchvision",
    "numpy",
    "pandas",
    "matplotlib",
    "scipy",
    "safetensors",
)


def main(arguments: argparse.Namespace) -> None:
    """Gather provenance, write the landing page, have Snakemake make the report.

    Snakemake puts files into its report as they are, so each is compared with its record before.
    """
    embedded_files = [*arguments.tables, *arguments.figures]
    for path in (arguments.scores, *embedded_files):
        check_unchanged(path)
    job = json.loads(arguments.job)
    config = job["config"]
    write_json(arguments.study, config)
    folders = [Path(path).parent for path in arguments.datasets]
    datasets = [read_json(folder / "dataset.json") | {"name": folder.name} for folder in folders]
    costs = command.file_list(job["costs"], arguments.results)
    records = {path: read_costs(path) for path in costs}
    gates = command.file_list(job["gates"], arguments.results)
    reasons = {str(Path(path).parent): read_json(path) for path in gates}
    provenance = _provenance(records, config["study"], datasets, job["guarantees"])
    write_json(arguments.provenance, provenance)
    content = landing_page.PageContent(
        study=config["study"],
        facts=_facts(provenance),
        datasets=datasets,
        guarantees=provenance["guarantees"],
        experiments=_experiments(job["experiments"], arguments.tables),
        failures=provenance["failed"],
        refusals=_reasons(reasons, "refused"),
        flags=_reasons(reasons, "flagged"),
    )
    write_text(arguments.overview, landing_page.page(content))
    with replacing(arguments.report) as partial:
        html = Path(f"{partial}.html")  # snakemake tells the format from the ending
        try:
            _snakemake(arguments.study, html, embedded_files)
            html.replace(partial)
        finally:
            html.unlink(missing_ok=True)


def _provenance(
    records: dict[str, dict], study: str, datasets: list[dict], guarantees: dict
) -> dict:
    """The code, packages, data and machines of the results, and what failed.

    `records` are what fleets took, by the path of the record.
    """
    machines = {
        json.dumps(record["machine"], sort_keys=True): record["machine"]
        for record in records.values()
        if record["machine"]  # a failed fleet has none
    }
    errors = {path: record["error"] for path, record in records.items() if record["error"]}
    return {
        "study": study,
        "commit": _commit(),
        "python": platform.python_version(),
        "packages": {name: _version(name) for name in PACKAGES},
        "datasets": {description["name"]: description["sha256"] for description in datasets},
        "guarantees": guarantees,
        "machines": list(machines.values()),
        "failed": {str(Path(path).parent): error for path, error in errors.items()},
    }


def _reasons(gates: dict[str, dict[str, list[str]]], kind: str) -> dict[str, str]:
    """The reasons of one kind, `refused` or `flagged`, by the folder of the cell that has any."""
    return {folder: "; ".join(texts[kind]) for folder, texts in gates.items() if texts[kind]}


def _experiments(blocks: dict, paths: list[str]) -> dict[str, tuple[str, dict, pd.DataFrame]]:
    """Description, figure block and table of each experiment."""
    experiments = {}
    for path in map(Path, paths):
        block = blocks[path.stem]
        table = tables.parse(read_text(path))
        experiments[path.stem] = (block["description"], block["figure"], table)
    return experiments


def _snakemake(study: str, report: Path, targets: list[str]) -> None:
    """Have Snakemake write its report. CommandError if it fails."""
    call = [sys.executable, "-m", "snakemake", *targets, "--report", str(report)]
    call += ["--report-stylesheet", "report/style.css", "--configfile", study, "--nolock"]
    process = subprocess.run(call, capture_output=True, text=True, check=False)
    if process.returncode != 0:
        raise command.CommandError(f"snakemake --report failed:\n{process.stdout}{process.stderr}")


def _version(package: str) -> str:
    """The version of a package in this environment."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "not in this environment"


def _commit() -> str:
    """The commit of the working tree, with a mark if it has changes; "unknown" outside git."""
    try:
        commit = _git("rev-parse", "HEAD")
        return commit + (" with uncommitted changes" if _git("status", "--porcelain") else "")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def _git(*arguments: str) -> str:
    """The output of a git command."""
    process = subprocess.run(["git", *arguments], capture_output=True, text=True, check=True)
    return process.stdout.strip()


def _facts(provenance: dict) -> list[tuple[str, str]]:
    """What the landing page says of the run, as label and value."""
    packages = ", ".join(f"{k} {v}" for k, v in provenance["packages"].items())
    facts = [
        ("Study", provenance["study"]),
        ("Commit", provenance["commit"]),
        ("Versions", f"Python {provenance['python']}, {packages}"),
    ]
    for machine in provenance["machines"]:
        facts.append(("Hardware", f"{machine['processor']}, {machine['threads']} thread a job"))
        facts.append(("Device, precision", f"{machine['device']}, {machine['precision']}"))
    return list(dict.fromkeys(facts))


if __name__ == "__main__":
    parser = command.CommandParser(__doc__)
    parser.add_job(
        "config (the whole), experiments (description and figure of each), guarantees (level and "
        "reason by variant), costs and gates (files)"
    )
    parser.add_results()
    parser.add_argument("--scores", required=True, help="all scores, csv")
    for name in ("tables", "figures", "datasets"):
        parser.add_argument(f"--{name}", required=True, nargs="+")
    for name in ("report", "overview", "provenance", "study"):
        parser.add_output(name, "json, rst or html")
    command.run(main, parser)
