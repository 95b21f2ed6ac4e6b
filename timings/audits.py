"""What an audit takes: seconds and memory of every metric of populations, on made-up outputs.

python -m timings.audits --models 64 --forget 6000 --points 60000
"""

import argparse
import resource
import sys
import time

import numpy as np

from unlearn.evaluation import audit
from unlearn.metrics.catalogue import METRICS
from unlearn.metrics.populations import GROUPS, Populations

RANDOM_NETWORKS = 8


def made_up(models: int, forget: int, points: int, classes: int = 10) -> Populations:
    """Populations of random outputs; a fourth of the points that are kept is test points."""
    generator = np.random.default_rng(0)
    labels = generator.integers(classes, size=points)
    sizes = dict.fromkeys(GROUPS, models) | {"random": RANDOM_NETWORKS}
    logits = {}
    for group, count in sizes.items():
        logits[group] = generator.normal(size=(count, points, classes)).astype(np.float32)
        logits[group][:, np.arange(points), labels] += 3
    ends = np.cumsum([forget, (points - forget) // 2, (points - forget) // 4])
    splits = ("forget", "retain", "validation", "test")
    rows = dict(zip(splits, np.split(np.arange(points), ends), strict=True))
    return Populations(logits, labels, rows)


def main() -> None:
    """Print the seconds of every metric, those of all, and the largest memory."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", type=int, default=64)
    parser.add_argument("--forget", type=int, default=6000)
    parser.add_argument("--points", type=int, default=60000)
    arguments = parser.parse_args()
    populations = made_up(arguments.models, arguments.forget, arguments.points)
    start = time.process_time()
    for metric in METRICS.values():
        if metric.of_population is None:
            continue
        metric_start = time.process_time()
        for split in metric.splits:
            metric.of_population(populations, split)
        print(f"{metric.name:30} {time.process_time() - metric_start:6.1f} CPU s")
    audit.examples(populations)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    megabytes = peak / (2**20 if sys.platform == "darwin" else 2**10)
    print(f"{'all, with examples':30} {time.process_time() - start:6.1f} CPU s, {megabytes:.0f} MB")


if __name__ == "__main__":
    main()
