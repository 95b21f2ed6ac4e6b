"""What the jobs of a finished study took, rule by rule: for the memory and time that rules ask for.

From the last line of every job's log, and from what training and unlearning jobs recorded: to
measure a method they reset the peak that the last line tells.

    python -m timings.resources results/STUDY
"""

import argparse
import json
import re
from pathlib import Path

import pandas as pd

FOLDERS = {
    "data": "data",
    "features": "features",
    "noise": "noise",
    "noised": "noised",
    "squeezed": "squeezed",
    "swapped": "swapped",
    "request": "requests",
    "train": "trained",
    "unlearn": "unlearned",
    "score": "scores",
}
"""Rule -> folder of its logs, and of its results."""

LAST_LINE = re.compile(r"^resources: ([\d.]+) s, (\d+) MB$", re.M)


def main() -> None:
    """Print one line a rule."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("results", type=Path)
    results = parser.parse_args().results
    rows = [
        {"rule": rule} | cost
        for rule, folder in FOLDERS.items()
        for log in sorted(results.glob(f"logs/{folder}/**/*.log"))
        if (cost := job_cost(log, results / log.relative_to(results / "logs").with_suffix("")))
    ]
    if not rows:
        parser.error(f"{results}: no finished jobs there")
    table = pd.DataFrame(rows).groupby("rule", sort=False)
    print(table.agg(["count", "median", "max"]).round(1).to_string())


def job_cost(log: Path, results: Path) -> dict | None:
    """Minutes and megabytes of one job, from its log and results; None if it has not finished."""
    lines = LAST_LINE.findall(log.read_text())
    if not lines:
        return None
    seconds, megabytes = lines[-1]
    return {"minutes": float(seconds) / 60, "megabytes": max(float(megabytes), peak(results))}


def peak(results: Path) -> float:
    """Megabytes that the models of a job took at most, where it recorded them."""
    path = results / "costs.json"
    if not path.exists():
        return 0.0
    members = json.loads(path.read_text())["models"]
    steps = [
        costs for member in members for costs in (member if isinstance(member, list) else [member])
    ]
    return max((costs["peak_memory_bytes"] for costs in steps), default=0) / 2**20


if __name__ == "__main__":
    main()
