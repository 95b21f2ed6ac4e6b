"""Accuracy, CPU seconds and distance between seeds of the models of `configs/air.yaml`.

Snakemake trains the models; their predictions are computed from the stored weights. The distance
is the Kullback-Leibler divergence of two models with other seeds on test points, both ways, as it
is and with the temperature of each model calibrated on the validation split.

    snakemake --configfile configs/air.yaml --cores 1 --until train
    python -m timings.air results/air > docs/results/benchmark_air.json
"""

import argparse
import itertools
import json
from pathlib import Path

import numpy as np
import torch
from scipy.optimize import minimize_scalar

from unlearn.data.dataset import Dataset, load
from unlearn.jobs.description import FleetJob
from unlearn.jobs.setup import new_task
from unlearn.metrics.divergence import kl, log_softmax
from unlearn.storage.files import read_json
from unlearn.storage.fleet import Fleet

MAX_LOG_TEMPERATURE = 5.0


def temperature(logits: np.ndarray, labels: np.ndarray) -> float:
    """The temperature with the least cross-entropy: logits N x C are divided by it."""
    rows = np.arange(len(labels))

    def loss(log_temperature: float) -> float:
        return -float(log_softmax(logits / np.exp(log_temperature))[rows, labels].mean())

    bounds = (-MAX_LOG_TEMPERATURE, MAX_LOG_TEMPERATURE)
    return float(np.exp(minimize_scalar(loss, bounds=bounds, method="bounded").x))


def distance(logits: np.ndarray) -> float | None:
    """The mean divergence of two models of K, over ordered pairs; None for a single model.

    `logits` are K x N x C.
    """
    pairs = list(itertools.permutations(logits, 2))
    return float(np.mean([kl(*pair) for pair in pairs])) if pairs else None


def summary(
    validation_logits: np.ndarray,
    validation_labels: np.ndarray,
    test_logits: np.ndarray,
    test_labels: np.ndarray,
) -> dict[str, float | list[float] | None]:
    """Accuracies of the K models, and the distances between them; logits are K x N x C."""
    temperatures = [temperature(logits, validation_labels) for logits in validation_logits]
    calibrated_logits = test_logits / np.array(temperatures)[:, None, None]
    return {
        "validation accuracy": _accuracies(validation_logits, validation_labels),
        "test accuracy": _accuracies(test_logits, test_labels),
        "temperature": [round(value, 3) for value in temperatures],
        "kl": _rounded(distance(test_logits)),
        "calibrated kl": _rounded(distance(calibrated_logits)),
    }


def measured(folder: Path, dataset: Dataset) -> dict:
    """The summary of a trained fleet, with its epochs and the CPU seconds of each training."""
    job = FleetJob.read(read_json(folder / "record.json")["parameters"]["job"])
    costs = read_json(folder / "costs.json")
    task = new_task(dataset, job)
    logits = []
    for images in (dataset.validation_images, dataset.test_images):
        pixels = torch.from_numpy(np.array(images))
        states = Fleet(folder / "trained.safetensors")
        outputs = [task.trainer.predict(task, states[k], pixels) for k in range(len(job.members))]
        logits.append(torch.stack(outputs).numpy())
    predictions = summary(logits[0], dataset.validation_labels, logits[1], dataset.test_labels)
    return {
        "epochs": job.recipe["epochs"],
        "cpu seconds": [round(model["cpu_seconds"], 1) for model in costs["models"]],
        "precision": costs["machine"]["precision"],
        "processor": costs["machine"]["processor"],
        **predictions,
    }


def _accuracies(logits: np.ndarray, labels: np.ndarray) -> list[float]:
    return [round(float(value), 4) for value in (logits.argmax(2) == labels).mean(1)]


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)


def main() -> None:
    """Print the measurements of all models that are trained."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("results", type=Path)
    arguments = parser.parse_args()
    measurements = {}
    for record in sorted(arguments.results.glob("trained/*/*/standard/*/record.json")):
        dataset_name, model_name = record.parts[-5], record.parts[-4]
        dataset = load(arguments.results / "data" / dataset_name)
        measurements[model_name] = measured(record.parent, dataset)
    print(json.dumps(measurements, indent=2))


if __name__ == "__main__":
    main()
