"""Rule `report`: Snakemake's own report, with a landing page that says what was run."""

import importlib.metadata
import json
import platform
import subprocess
import sys
from pathlib import Path

from scripts import command
from unlearn.evaluation import tables
from unlearn.report import landing_page
from unlearn.storage.files import read_json, replacing, write_json, write_text

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


def main(arguments):
    """Gather provenance, write the landing page, have Snakemake make the report."""
    config = json.loads(arguments.config)
    write_json(arguments.study, config)
    costs = command.listed(arguments.costs, arguments.results)
    records = {path: read_json(path) for path in costs}
    datasets = [read_json(path) | {"name": Path(path).parent.name} for path in arguments.datasets]
    machines = {json.dumps(r["machine"], sort_keys=True): r["machine"] for r in records.values()}
    machines.pop("{}", None)
    provenance = {
        "study": config["study"],
        "commit": _commit(),
        "python": platform.python_version(),
        "packages": {name: _version(name) for name in PACKAGES},
        "datasets": {d["name"]: d["sha256"] for d in datasets},
        "guarantees": json.loads(arguments.guarantees),
        "machines": list(machines.values()),
        "failed": {str(Path(p).parent): r["error"] for p, r in records.items() if r["error"]},
    }
    write_json(arguments.provenance, provenance)
    experiments = {}
    for path in arguments.tables:
        shown = json.loads(arguments.experiments)[Path(path).stem]
        table = tables.read(path)
        experiments[Path(path).stem] = (shown["description"], shown["figure"], table)
    page = landing_page.page(
        config["study"],
        _facts(provenance),
        datasets,
        provenance["guarantees"],
        experiments,
        provenance["failed"],
    )
    write_text(arguments.overview, page)
    with replacing(arguments.report) as partial:
        made = Path(f"{partial}.html")  # snakemake tells the format from the ending
        try:
            _snakemake(arguments.study, made, [*arguments.tables, *arguments.figures])
            made.replace(partial)
        finally:
            made.unlink(missing_ok=True)


def _snakemake(study: str, report: Path, targets: list[str]) -> None:
    call = [sys.executable, "-m", "snakemake", *targets, "--report", str(report)]
    call += ["--report-stylesheet", "report/style.css", "--configfile", study, "--nolock"]
    done = subprocess.run(call, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise command.CommandError(f"snakemake --report failed:\n{done.stdout}{done.stderr}")


def _version(package: str) -> str:
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
    done = subprocess.run(["git", *arguments], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def _facts(provenance: dict) -> list[tuple[str, str]]:
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
    parser = command.parser(__doc__)
    parser.add_argument("--config", required=True, help="JSON: the whole configuration")
    parser.add_argument("--experiments", required=True, help="JSON: description and figure of each")
    parser.add_argument("--guarantees", required=True, help="JSON: level and reason by variant")
    command.add_listed(parser, "--costs")
    for name in ("tables", "figures", "datasets"):
        parser.add_argument(f"--{name}", required=True, nargs="+")
    for name in ("report", "overview", "provenance", "study"):
        parser.add_argument(f"--{name}", required=True, help="output")
    command.run(main, parser)
