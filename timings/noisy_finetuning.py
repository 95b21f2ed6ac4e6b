"""Noisy fine-tuning on MNIST against training from its noise alone, and against retraining.

A random 10 % of the points is deleted from perceptrons with one hidden layer. All noise has the
standard deviation 0.03, near the size of usual initial weights. The weights are clipped to the
norm that it hides with (epsilon, 1e-5), so larger epsilons keep more of the trained model. Printed
is the test accuracy after 1 and 5 epochs, mean and standard deviation over seeds, and the epsilon
of the certificate.

    python -m timings.noisy_finetuning [--data FOLDER] [--hidden 64] [--seeds 3] [--points 0]

`--points` keeps so many training points, for a quick try; 0 keeps all.
"""

import json
from dataclasses import replace

import numpy as np

from timings._common import job, mnist, options
from unlearn.certificates.privacy import mu_of
from unlearn.core import seeding
from unlearn.data.dataset import Dataset
from unlearn.jobs.description import FleetJob, block
from unlearn.jobs.train import train_fleet
from unlearn.jobs.unlearn import unlearn_fleet
from unlearn.requests.request import Request, deletion
from unlearn.training.fleet import Member

DELETED_SHARE = 0.1
SIGMA = 0.03
DELTA = 1e-5
EPSILONS = (1, 100, 1e4, 1e5, 2e5, 1e6)
EPOCHS = (1, 5)
RECIPE = {"epochs": 5, "batch_size": 128, "lr": 0.1, "momentum": 0.0, "weight_decay": 0.0}
GRADIENT_CLIPPING = {
    "mode": "gradient_clipping",
    "start_radius": 0.01,
    "gradient_radius": 10.0,
    "noisy_lr": 1e-4,
    "noisy_weight_decay": 750.0,
    "noisy_steps": 6,
}
"""Radii, rate and steps of the released program."""


def start_radius(epsilon: float) -> float:
    """The largest norm of weights that the noise hides."""
    return SIGMA * mu_of(epsilon, DELTA) / 2


def variants() -> dict[str, dict]:
    """The versions by name: `name` of the method and its parameters."""
    noise = {"sigma": SIGMA, "delta": DELTA}
    certified = {
        f"certified, epsilon {epsilon:g}": noise
        | {"name": "noisy_finetuning", "start_radius": start_radius(epsilon)}
        for epsilon in EPSILONS
    }
    clipping = GRADIENT_CLIPPING | {"name": "noisy_finetuning", "delta": DELTA}
    return {
        "noise start": noise | {"name": "noise_start"},
        "retrained": {"name": "retrain"},
        **certified,
        "gradient clipping, epsilon 1": clipping,
    }


class Comparison:
    """Models of several seeds, and the request that they serve."""

    def __init__(self, data: Dataset, hidden: int, seeds: int):
        """Train a model of each seed."""
        self.data = data
        described = job({"kind": "mlp", "hidden": hidden}, {"kind": "standard"}, RECIPE)
        self.training = replace(described, members=tuple(map(Member, range(seeds))))
        self.originals = train_fleet(data, self.training).states

    def request(self) -> Request:
        """The deletion of a tenth."""
        order = seeding.shuffled(self.data.base_ids, 0)
        return deletion(order[: round(DELETED_SHARE * len(order))])

    def row(self, variant: dict, epochs: int) -> dict[str, float]:
        """Accuracy on the test set, and the epsilon that the certificate states."""
        parameters = {key: value for key, value in variant.items() if key != "name"}
        unlearning: FleetJob = self.training
        if variant["name"] == "retrain":
            unlearning = replace(unlearning, recipe=unlearning.recipe | {"epochs": epochs})
        else:
            parameters["epochs"] = epochs
        method = block("methods", variant["name"], **parameters)
        unlearning = replace(unlearning, method=method)
        result = unlearn_fleet(self.data, unlearning, self.originals, self.request())
        labels = self.data.test_labels
        accuracies = (result.logits[:, 0, -len(labels) :].argmax(2) == labels).mean(1)
        cost = result.costs[0][0]
        row = {"mean": float(np.mean(accuracies)), "sd": float(np.std(accuracies, ddof=1))}
        if "certified_epsilon" in cost:
            row["certified epsilon"] = cost["certified_epsilon"]
        return row


def main() -> None:
    """Measure and print one JSON object."""
    arguments = options(__doc__, hidden=64, seeds=3, points=0)
    data = mnist(arguments.data, subset=arguments.points or None)
    comparison = Comparison(data, arguments.hidden, arguments.seeds)
    rows = {
        name: {f"{epochs} epochs": comparison.row(variant, epochs) for epochs in EPOCHS}
        for name, variant in variants().items()
    }
    print(json.dumps(rows, indent=2))


if __name__ == "__main__":
    main()
