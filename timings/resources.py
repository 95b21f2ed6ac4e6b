"""What the jobs of a finished study took, rule by rule: for the memory and time that rules ask for.

From Snakemake's benchmark files; of rule `train`, which may be cached and has none, from what the
jobs recorded.

    python -m timings.resources results/STUDY
"""

import argparse
import json
from pathlib import Path

import pandas as pd

FOLDERS = {
    "data": "data",
    "features": "features",
    "noise": "noise",
    "noised": "noised",
    "request": "requests",
    "unlearn": "unlearned",
    "score": "scores",
}
"""Rule -> folder of its logs."""


def main() -> None:
    """Print one line a rule."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("results", type=Path)
    results = parser.parse_args().results
    rows = [
        {"rule": rule, **job_cost(path)}
        for rule, folder in FOLDERS.items()
        for path in results.glob(f"logs/{folder}/**/*.benchmark.jsonl")
    ]
    for path in results.glob("trained/**/costs.json"):
        record = json.loads(path.read_text())
        rows.append({"rule": "train", "minutes": minutes(record), "megabytes": peak(record)})
    if not rows:
        parser.error(f"{results}: no finished jobs there")
    table = pd.DataFrame(rows).groupby("rule", sort=False)
    print(table.agg(["count", "median", "max"]).round(1).to_string())


def job_cost(path: Path) -> dict:
    """Minutes and megabytes of one job."""
    line = json.loads(path.read_text().splitlines()[-1])
    return {"minutes": line["s"] / 60, "megabytes": line["max_rss"]}


def minutes(record: dict) -> float:
    """Of a training job: its models, and their predictions."""
    trained = sum(model["wall_seconds"] for model in record["models"])
    return (trained + record["evaluation_seconds"]) / 60


def peak(record: dict) -> float:
    """Resident megabytes of a training job."""
    return max((m["peak_memory_bytes"] for m in record["models"]), default=0) / 2**20


if __name__ == "__main__":
    main()
