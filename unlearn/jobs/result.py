"""What a job leaves."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np


@dataclass
class Result:
    """What a job leaves, one entry a model."""

    states: list[Mapping[str, np.ndarray]]
    """After training the whole state. After a request, steps first: the tensors that a distance
    compares after every step; of the others that predictions need, those that changed, after the
    last step alone."""
    logits: np.ndarray
    """float32, K x P x C (training) or K x T x P x C (unlearning); P: the evaluated training
    points (see `Dataset.evaluated`), then all test points."""
    votes: np.ndarray
    """int16, K x S x P or K x T x S x P: the class that each of S constituents predicts, -1 where
    a constituent is absent; S is 0 for a single model."""
    costs: list
    parameters: list[str]
    """Names of the tensors that an L2 distance compares."""
    superseded: list[str]
    """Tensors of the trained state that a service must delete now, where the method says so."""
    machine: Mapping
    """Device, precision, versions."""
    evaluation_seconds: float
    """CPU seconds spent on predictions for the scores, outside the timed calls."""
    constituents: Mapping[str, np.ndarray] = field(default_factory=dict)
    """After training: float32 P x C, what every constituent of an ensemble says of the sample,
    then of all test points, by a digest of its weights: once asked it need not be asked again."""
