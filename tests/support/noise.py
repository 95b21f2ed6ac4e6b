"""Noise made with small models."""

from unlearn.jobs.description import NoiseJob, block
from unlearn.jobs.perturb import make_noise

SMALL_SEARCHES = {
    "error_minimizing": {
        "batch_size": 32,
        "rounds": 6,
        "least_rounds": 2,
        "steps": 5,
        "stop_error": 0.02,
        "model": "cnn1",
    },
    "error_maximizing": {"batch_size": 32, "epochs": 4, "steps": 5, "model": "cnn1"},
    "random_noise": {},
    "separable": {"patch": 2},
    "autoregressive": {},
    "linear": {"batch_size": 32, "lr": 0.1, "training_steps": 300},
}
WITH_EPSILON = ("error_minimizing", "error_maximizing", "random_noise", "linear")


def noise_job(kind="error_minimizing", **parameters):
    """The description of a small search."""
    small = SMALL_SEARCHES[kind] | ({"epsilon": 0.1} if kind in WITH_EPSILON else {})
    return NoiseJob(
        noise=block("noises", kind, **small | parameters), device="cpu", precision="float32"
    )


def noise_of(digits, kind="error_minimizing", **parameters):
    """The noise of a small search, and its record with its costs."""
    values, record, costs = make_noise(digits, noise_job(kind, **parameters))
    return values, record | costs
