"""Speed-up of SISA in gradient evaluations over retraining all shards: formula and measurement.

MNIST less 5 %, a perceptron, 5 epochs, 20 shards, 1 and 10 slices; K uniform deletions in one
batch. The measurement is the mean cost of several draws.

    python -m timings.speedups [--data FOLDER] [--draws 10]
"""

import json
import statistics

import numpy as np

from timings._common import job, mnist, options
from unlearn.jobs.train import train_fleet
from unlearn.jobs.unlearn import unlearn_fleet
from unlearn.requests.request import NOBODY, Request

SHARDS, EPOCHS = 20, 5


def main() -> None:
    """Measure and print one JSON object."""
    arguments = options(__doc__, draws=10)
    data = mnist(arguments.data, held_out=0.05)
    result = {}
    for slices in (1, 10):
        trainer = {"kind": "sisa", "shards": SHARDS, "slices": slices}
        described = job({"kind": "mlp"}, trainer, {"epochs": EPOCHS, "batch_size": 16})
        described |= {"method": {"kind": "sisa", "parameters": {}}}
        trained = train_fleet(data, described).states
        whole = EPOCHS * len(data.base)
        for deletions in (1, 8, 18):
            costs = []
            for draw in range(arguments.draws):
                random = np.random.default_rng([draw, deletions])
                ids = np.sort(random.choice(data.base, deletions, replace=False))
                request = Request([ids], [NOBODY])
                costs.append(unlearn_fleet(data, described, trained, request).costs[0][0])
            means = {
                name: statistics.mean(cost[f"{prefix}gradient_evaluations"] for cost in costs)
                for name, prefix in (("formula", "expected_"), ("measured", ""))
            }
            result[f"{slices} slices, {deletions} deletions"] = {
                name: round(whole / mean, 2) for name, mean in means.items()
            }
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
