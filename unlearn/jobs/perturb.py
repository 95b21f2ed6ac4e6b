"""Make noise for the training images of a data set."""

import numpy as np

from unlearn.core import registry
from unlearn.data.dataset import Dataset
from unlearn.jobs.description import NoiseJob
from unlearn.jobs.setup import new_task
from unlearn.training import meter
from unlearn.training.meter import Meter

RECORDED_COSTS = ("wall_seconds", "gradient_evaluations", "forward_evaluations", "flops")


def make_noise(dataset: Dataset, job: NoiseJob, label: str = "") -> tuple[np.ndarray, dict, dict]:
    """Noise for the training images, int8 like them, 0 outside base training; record and costs.

    The record tells whether and how the search ended, its share of negative and its largest steps.
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
    record |= {
        "parameters": {"kind": job.noise["kind"], **job.noise["parameters"]},
        "negative": float((noise < 0).mean()),
        "largest": int(np.abs(noise.astype(np.int16)).max(initial=0)),
    }
    return values, record, {name: cost[name] for name in RECORDED_COSTS}
