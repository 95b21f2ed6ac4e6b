"""Influence distillation on MNIST, teacher cnn2 and student cnn1, against retraining the teacher.

A random 5 % of the points is deleted. Recipes are those of the full study: 5 epochs for the
teacher, 3 for the student, which learns no more in 5 (`--epochs`). Its push off the deleted points
is weighted in every way that needs no linear system. All run alternately, in one process with one
thread, storage included; medians are printed, with gradient evaluations, FLOPs and test accuracy.

    python -m timings.distillation [--data FOLDER] [--repeats 5] [--epochs 3] [--points 0]

`--points` keeps so many training points, for a quick try; 0 keeps all.
"""

import json
import statistics
import tempfile
from pathlib import Path

from timings._common import Service, job, mnist, options
from unlearn.core import seeding
from unlearn.requests.request import Request, deletion

DELETED_SHARE = 0.05
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


def cost(service: Service, request: Request, parameters: dict | None) -> dict:
    """The cost of a request, and accuracy on the test set.

    Args:
        service: The trained teacher.
        request: Points to delete.
        parameters: Those of the method; None retrains.
    """
    method = "retrain" if parameters is None else "influence_distillation"
    result = service.serve(method, request, **(parameters or {}))
    labels = service.data.test_labels
    correct = result.logits[0, 0, -len(labels) :].argmax(1) == labels
    return result.costs[0][0] | {"accuracy": float(correct.mean())}


def main() -> None:
    """Measure and print one JSON object."""
    arguments = options(__doc__, repeats=5, epochs=3, points=0)
    data = mnist(arguments.data, subset=arguments.points or None)
    order = seeding.shuffled(data.base_ids, 0)
    request = deletion(order[: round(DELETED_SHARE * len(order))])
    student = STUDENT | {"epochs": arguments.epochs}
    with tempfile.TemporaryDirectory() as name:
        training = job({"kind": "cnn2"}, {"kind": "teacher"}, TEACHER, "auto")
        service = Service(data, training, Path(name) / "trained.safetensors")
        rounds = [
            {
                variant: cost(service, request, None if choice is None else student | choice)
                for variant, choice in VARIANTS.items()
            }
            for _ in range(arguments.repeats)
        ]
    first, *students = VARIANTS
    seconds = [{name: cost["wall_seconds"] for name, cost in costs.items()} for costs in rounds]
    result = {
        "seconds, medians": {
            name: round(statistics.median(times[name] for times in seconds), 2) for name in VARIANTS
        },
        "of retraining, single rounds": {
            name: [round(times[name] / times[first], 2) for times in seconds] for name in students
        },
        "gradient evaluations": {n: c["gradient_evaluations"] for n, c in rounds[0].items()},
        "test accuracy": {name: cost["accuracy"] for name, cost in rounds[0].items()},
        "flops": {name: float(f"{cost['flops']:.2e}") for name, cost in rounds[0].items()},
    }
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
