"""The result of a job."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np


@dataclass
class Result:
    """The result of a job, one entry a member."""

    states: list[Mapping[str, np.ndarray]]
    """After training, the whole state. After a request, tensors with the steps as first axis: the
    compared ones after every step; other tensors of predictions, where they changed, after the
    last step alone."""
    logits: np.ndarray
    """float32, K x P x C (training) or K x T x P x C (unlearning); P: the training points `ids`,
    then all validation points, then all test points."""
    votes: np.ndarray
    """int16, K x S x P or K x T x S x P: the class that each of S constituents predicts, -1 where
    a constituent is absent; S is 0 for a single network."""
    ids: np.ndarray
    """int64: the training ids of the first rows of the logits."""
    costs: list
    compared: Sequence[str]
    """Names of the tensors that an L2 distance compares."""
    superseded: Sequence[str]
    """Tensors of the trained state that a service must delete now."""
    machine: Mapping
    """Device, precision, versions."""
    evaluation_seconds: float
    """CPU seconds spent on predictions for the scores, outside the timed calls."""
    train_ids_sha256: Sequence[str] = ()
    """A digest of the training ids of each member."""
    certificates: Sequence[Sequence[Mapping | None]] = ()
    """After a request: what the method claims, K x T; empty where it claims nothing."""
    private_digests: Sequence[Sequence[Mapping[str, str]]] = ()
    """After a request of a method with claims, K x T: digests of the tensors that predictions do
    not need and that the request has changed, by name; no artefact keeps them."""
    constituents: Mapping[str, np.ndarray] = field(default_factory=dict)
    """After training: float32 P x C, the logits of every network of an ensemble for the sample,
    then for validation and test points, by a digest of its weights."""

    @classmethod
    def failed(cls) -> "Result":
        """The result of a job whose trainer or method raised an error."""
        return cls(
            states=[],
            logits=np.empty(0, np.float32),
            votes=np.empty(0, np.int16),
            ids=np.empty(0, np.int64),
            costs=[],
            compared=[],
            superseded=[],
            machine={},
            evaluation_seconds=0.0,
        )
