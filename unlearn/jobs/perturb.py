"""Make noise for the training images of a data set."""

import numpy as np

from unlearn.core import registry
from unlearn.data.dataset import Dataset
from unlearn.jobs.description import NoiseJob
from unlearn.jobs.setup import new_task
from unlearn.perturbations.pixel_steps import size
from unlearn.training import meter
from unlearn.training.meter import Meter

RECORDED_COSTS = ("wall_seconds", "gradient_evaluations", "forward_evaluations", "flops")


def make_noise(dataset: Dataset, job: NoiseJob, label: str = "") -> tuple[np.ndarray, dict, dict]:
    """Noise for the training images, int8 like them, 0 outside base training; record and costs.

    The record tells whether and how the search ended, the bound of the noise, its size and its
    share of negative steps.
    ValueError if the search cannot be made.
    """
    task = new_task(dataset, job.fleet_job(), label)
    task.meter = Meter()
    perturbation = registry.create("noises", job.noise)
    (noise, record), cost = meter.measure(
        task.machine, task.meter, lambda: perturbation.make(task, dataset.base_ids)
    )
    values = np.zeros(dataset.train_images.shape, dtype=np.int8)
    values[dataset.base_ids] = noise
    bound = perturbation.bound(task.data.shape)
    record |= size(noise) | {
        "norm": bound.norm,
        "budget": bound.budget,
        "parameters": {"kind": job.noise["kind"], **job.noise["parameters"]},
        "negative": float((noise < 0).mean()),
    }
    return values, record, {name: cost[name] for name in RECORDED_COSTS}
