"""Influence distillation on MNIST, teacher cnn2 and student cnn1, against retraining the teacher.

A random 5 % of the points is deleted. Recipes are those of the full study: 5 epochs for the
teacher, 3 for the student, which learns no more in 5 (`--epochs`). Its push off the deleted points
is weighted in every way that needs no linear system. All run alternately, in one process with one
thread, storage included; medians are printed, with gradient evaluations, FLOPs and test accuracy.

    python -m timings.distillation [--data FOLDER] [--repeats 5] [--epochs 3]
"""

import json
import statistics
import tempfile
from pathlib import Path

import numpy as np

from timings._common import job, mnist, options
from unlearn.core import seeding
from unlearn.jobs.train import train_fleet
from unlearn.jobs.unlearn import unlearn_fleet
from unlearn.requests.request import NOBODY, Request
from unlearn.storage.fleet import Fleet, write_fleet
from unlearn.study import schema

SHARE = 0.05
TEACHER = {"epochs": 5, "batch_size": 128, "lr": 0.1, "schedule": "one_cycle"}
STUDENT = {"student": "cnn1", "batch_size": 256, "lr": 0.05}
VARIANTS = {
    "retraining the teacher": None,
    "the student alone": {"weights": "none", "alpha": 0.0},
    "distillation, no push": {"weights": "none"},
    "distillation, uniform": {"weights": "uniform"},
    "distillation, teacher_loss": {"weights": "teacher_loss"},
    "distillation, fisher": {"weights": "fisher"},
    "distillation, fisher of the last layer": {"weights": "fisher", "layers": "last"},
}


class Service:
    """A trained teacher on disk, and one request made of it."""

    def __init__(self, data, folder: Path, epochs: int):
        self.data, self.epochs, self.folder = data, epochs, folder
        self.job = job({"kind": "cnn2"}, {"kind": "distillation"}, TEACHER, "auto")
        path = folder / "trained.safetensors"
        write_fleet(path, train_fleet(data, self.job).states, {})
        self.trained = Fleet(path)
        gone = seeding.shuffled(data.base, 0)[: round(SHARE * len(data.base))]
        self.request = Request([np.sort(gone)], [NOBODY])

    def serve(self, options: dict | None) -> dict:
        """What it cost, and accuracy on the test set. Without options: retraining."""
        method = {"kind": "retrain", "parameters": {}}
        if options is not None:
            rules = schema.read("methods")["influence_distillation"]
            own = STUDENT | {"epochs": self.epochs} | options
            own = schema.with_defaults(own, rules)
            method = {"kind": "influence_distillation", "parameters": own}
        described = self.job | {"method": method}
        done = unlearn_fleet(self.data, described, self.trained, self.request, store=self._store)
        labels = self.data.test_labels
        right = done.logits[0, 0, -len(labels) :].argmax(1) == labels
        return done.costs[0][0] | {"accuracy": float(right.mean())}

    def _store(self, tensors) -> None:
        write_fleet(self.folder / "scratch", [tensors], {})


def main() -> None:
    """Measure and print one JSON object."""
    arguments = options(__doc__, repeats=5, epochs=3)
    with tempfile.TemporaryDirectory() as name:
        service = Service(mnist(arguments.data), Path(name), arguments.epochs)
        rounds = [
            {variant: service.serve(own) for variant, own in VARIANTS.items()}
            for _ in range(arguments.repeats)
        ]
    first, *others = VARIANTS
    seconds = [{name: cost["wall_seconds"] for name, cost in one.items()} for one in rounds]
    result = {
        "seconds, medians": {
            name: round(statistics.median(one[name] for one in seconds), 2) for name in VARIANTS
        },
        "of retraining, single rounds": {
            name: [round(one[name] / one[first], 2) for one in seconds] for name in others
        },
        "gradient evaluations": {n: c["gradient_evaluations"] for n, c in rounds[0].items()},
        "test accuracy": {name: cost["accuracy"] for name, cost in rounds[0].items()},
        "flops": {name: float(f"{cost['flops']:.2e}") for name, cost in rounds[0].items()},
    }
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
