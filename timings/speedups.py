"""Speed-up of SISA in gradient evaluations over retraining all shards: formula and measurement.

MNIST less 5 %, a perceptron, 5 epochs, 20 shards, 1 and 10 slices; K uniform deletions in one
batch. The measurement is the mean cost of several draws.

    python -m timings.speedups [--data FOLDER] [--draws 10] [--points 0]

`--points` keeps so many training points, for a quick try; 0 keeps all.
"""

import json
import statistics
from dataclasses import replace

import numpy as np

from timings._common import job, mnist, options
from unlearn.jobs.description import block
from unlearn.jobs.train import train_fleet
from unlearn.jobs.unlearn import unlearn_fleet
from unlearn.requests.request import deletion

SHARDS = 20
EPOCHS = 5


def main() -> None:
    """Measure and print one JSON object."""
    arguments = options(__doc__, draws=10, points=0)
    data = mnist(arguments.data, held_out=0.05, subset=arguments.points or None)
    base_ids = data.base_ids
    result = {}
    for slices in (1, 10):
        trainer = {"kind": "sisa", "shards": SHARDS, "slices": slices}
        training = job({"kind": "mlp"}, trainer, {"epochs": EPOCHS, "batch_size": 16})
        trained = train_fleet(data, training).states
        unlearning = replace(training, method=block("methods", "sisa"))
        retraining_evaluations = EPOCHS * len(base_ids)
        for deletions in (1, 8, 18):
            costs = []
            for draw in range(arguments.draws):
                random = np.random.default_rng([draw, deletions])
                request = deletion(random.choice(base_ids, deletions, replace=False))
                costs.append(unlearn_fleet(data, unlearning, trained, request).costs[0][0])
            means = {
                name: statistics.mean(cost[f"{prefix}gradient_evaluations"] for cost in costs)
                for name, prefix in (("formula", "expected_"), ("measured", ""))
            }
            result[f"{slices} slices, {deletions} deletions"] = {
                name: round(retraining_evaluations / mean, 2) for name, mean in means.items()
            }
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
