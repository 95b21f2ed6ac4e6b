"""A study of noisy images."""

import yaml

from tests.support.project import TINY


def config(experiment=None, **data):
    """The tiny study with noise on shares of its images; `data` changes the data set's block."""
    study = yaml.safe_load(yaml.safe_dump(TINY))
    study["noises"] = {"quick": {"name": "error_minimizing", "model": "cnn1", "rounds": 2}}
    study["noises"]["quick"] |= {"epsilon": 0.1, "steps": 3, "training_steps": 3}
    study["noises"]["quick"] |= {"least_rounds": 1}
    noised = {"name": "digits", "noise": "quick", "noised": [0, 0.5, 1]}
    study["experiments"]["accuracy"] |= {
        "dataset": noised | data,
        "method": "original",
        "request": "noised",
        "figure": {"x": "dataset.noised", "y": "accuracy/test"},
    } | (experiment or {})
    return study
