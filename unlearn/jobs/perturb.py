"""Make noise for the training images of a data set."""

from collections.abc import Mapping

import numpy as np

from unlearn.data.dataset import Dataset
from unlearn.jobs.setup import component, new_task
from unlearn.training import meter
from unlearn.training.meter import Meter


def make_noise(dataset: Dataset, job: Mapping, label: str = "") -> tuple[np.ndarray, dict]:
    """Noise for the training images, int8 like them, 0 outside base training; and its record:
    whether and how the search ended, what it cost, its share of negative and its largest steps.

    `job["noise"]` names it, `job["model"]` the model that it is made with.
    """
    task = new_task(dataset, job, label)
    task.meter = Meter()
    maker = component("noises", job["noise"])
    (made, record), cost = meter.measure(
        task.machine, task.meter, lambda: maker.make(task, dataset.base)
    )
    values = np.zeros(dataset.train_images.shape, dtype=np.int8)
    values[dataset.base] = made
    counted = ("wall_seconds", "gradient_evaluations", "forward_evaluations", "flops")
    about = {"kind": job["noise"]["kind"], **job["noise"]["parameters"]}
    return values, record | {
        "parameters": about,
        "negative": float((made < 0).mean()),
        "largest": int(np.abs(made.astype(np.int16)).max(initial=0)),
        **{name: cost[name] for name in counted},
    }
