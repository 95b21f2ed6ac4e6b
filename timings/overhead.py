"""Share of a study's CPU time that is neither training, unlearning nor prediction.

Runs the study from scratch and compares the CPU seconds of Snakemake and all its jobs with those
that the jobs recorded around training, unlearning and prediction.

    python -m timings.overhead CONFIGFILE [--cores 2]
"""

import argparse
import json
import resource
import subprocess
import sys
from pathlib import Path

import yaml


def main() -> None:
    """Run, add up, print one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("configfile")
    parser.add_argument("--cores", default="2")
    arguments = parser.parse_args()
    config = yaml.safe_load(Path(arguments.configfile).read_text())
    results = Path(config.get("results", "results")) / config["study"]
    if results.exists():
        sys.exit(f"{results} is there: a study that is partly done says nothing of its costs")
    call = [sys.executable, "-m", "snakemake", "--configfile", arguments.configfile]
    subprocess.run([*call, "--cores", arguments.cores], check=True)
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    total = usage.ru_utime + usage.ru_stime
    seconds = {"train": 0.0, "unlearn": 0.0, "predict": 0.0}
    for path in results.glob("*trained/**/costs.json"):
        record = json.loads(path.read_text())
        seconds["train"] += sum(model["cpu_seconds"] for model in record["models"])
        seconds["predict"] += record["evaluation_seconds"]
    for path in results.glob("unlearned/**/costs.json"):
        record = json.loads(path.read_text())
        seconds["unlearn"] += sum(s["cpu_seconds"] for model in record["models"] for s in model)
        seconds["predict"] += record["evaluation_seconds"]
    share = 1 - sum(seconds.values()) / total
    rounded = {name: round(value, 1) for name, value in seconds.items()}
    print(json.dumps({"total": round(total, 1), **rounded, "share outside": round(share, 3)}))


if __name__ == "__main__":
    main()
