"""What a certificate is about: one unlearned model after one step, and where it comes from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from unlearn.core.guarantee import Guarantee
from unlearn.requests.request import Step


@dataclass(frozen=True)
class Remnant:
    """A tensor or a file that may still know deleted points."""

    name: str
    sha256: str
    kind: str
    """`superseded`: a service must delete it; `stored`: later requests need it."""

    def describe(self) -> dict[str, str]:
        """The remnant as JSON."""
        return {"name": self.name, "sha256": self.sha256, "kind": self.kind}


@dataclass(frozen=True, kw_only=True)
class Publication:
    """The weights of one member after one step of its request."""

    seed: int
    steps: Sequence[Step]
    """All steps so far; the last is the one that was served."""
    weights: Mapping[str, np.ndarray]
    """The published tensors; none where no artefact has them, as of ensembles in a stream."""
    parent_sha256: str | None
    """The digest of the weights that the step started from; None where no artefact has them."""
    claim: str | None
    """The record of a certified method, as JSON."""
    measured: Mapping[str, float] = field(default_factory=dict)
    """Values of metrics, `kl/forget`, floors among them."""
    remnants: Sequence[Remnant] = ()


@dataclass(frozen=True, kw_only=True)
class CertificateSubject:
    """What all publications of a certificate share."""

    cell: Mapping[str, str] | None
    """The names of the cell; None for a model of a notebook."""
    dataset: str
    """The name of the data set."""
    dataset_sha256: str
    train_points: int
    base_points: int
    """Training points before the request."""
    request_sha256: str
    method: str
    parameters: Mapping[str, Any]
    training: Mapping[str, Any]
    """How the model was trained before: architecture, recipe, trainer."""
    code_sha256: str | None
    """The digest of the code of unlearning; None for code outside of modules."""
    guarantee: Guarantee
    tuned_on: str | None = None
    """The request that parameters were chosen on, where they were."""
    findings: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """The gates that the cell violates: `refused`, `flagged`."""
    remnants: Sequence[Remnant] = ()
    """Files that belong to all members."""
    publications: Sequence[Publication] = ()
