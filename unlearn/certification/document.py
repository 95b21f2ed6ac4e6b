"""The text of a certificate, from its subject. The same subject gives the same text."""

import json
import math
from typing import Any

from unlearn.certificates.record import Certificate, recompute
from unlearn.certification.subject import CertificateSubject, Publication
from unlearn.core.guarantee import Guarantee
from unlearn.evaluation.certificate_gate import claim_violation
from unlearn.storage.files import digest
from unlearn.storage.fleet import state_digest

FORMAT = 1
"""The version of the form; `study/certificate.schema.yaml` describes it."""

RETRAINED = "the model that was trained without the deleted points, in the same way"
"""The reference of exact methods."""

PAIRED_GAP = "l2_twin/weights"
"""The measured distance from the reference at equal noise."""

RESIDUAL = "residual/forget"
"""The measured residual of the equations that a method solves."""

COVERED = (
    "the weights of each entry, by their digest",
    "the deleted points of each entry, by the digest of their ids",
    "one publication of each entry: several with independent noise have the root of the sum of "
    "the squares of their mu",
    "requests that were chosen without sight of earlier outputs",
)

NOT_COVERED = (
    "what still knows the points: the remnants, backups, copies that others have",
    "seeds of noise: they are public here, so this is a certificate of a benchmark, not of a "
    "deployment",
    "features, learning rates and numbers of steps that were chosen by the deleted points",
    "rounding of the noise, which is drawn in floating point",
    "points that resemble the deleted ones and were kept",
)

VALID_UNTIL = "the first event of `void_after`; no date ends it"

VOID_AFTER = (
    "training on deleted points, or adding them again",
    "publication of weights without noise, or of an earlier state",
    "a request beyond the budget of the method",
    "another digest of the weights or of the code",
)


def document(subject: CertificateSubject) -> dict[str, Any]:
    """The certificate of a subject as JSON.

    Raises:
        ValueError: a claim does not hold; the message names member and step.
    """
    return {
        "format": FORMAT,
        "cell": None if subject.cell is None else dict(subject.cell),
        "dataset": {
            "name": subject.dataset,
            "sha256": subject.dataset_sha256,
            "train_points": subject.train_points,
            "base_points": subject.base_points,
        },
        "request_sha256": subject.request_sha256,
        "method": {
            "name": subject.method,
            "parameters": dict(subject.parameters),
            "tuned_on": subject.tuned_on,
            "code_sha256": subject.code_sha256,
        },
        "training": dict(subject.training),
        "gates": {name: list(subject.findings.get(name, ())) for name in ("refused", "flagged")},
        "entries": [_entry(part, subject.guarantee) for part in subject.publications],
        "remnants": [remnant.describe() for remnant in subject.remnants],
        "valid_until": VALID_UNTIL,
        "void_after": list(VOID_AFTER),
        "covered": list(COVERED),
        "not_covered": list(NOT_COVERED),
    }


def _entry(publication: Publication, guarantee: Guarantee) -> dict[str, Any]:
    """What is said of one member after one step."""
    step = publication.steps[-1]
    label = f"seed {publication.seed}, step {step.index}"
    reason = claim_violation(publication.claim, publication.steps, guarantee.level)
    if reason:
        raise ValueError(f"{label}: {reason}")
    measured = publication.measured
    return {
        "seed": publication.seed,
        "step": step.index,
        "deleted": {"points": len(step.forget_ids), "sha256": digest(step.forget_ids)},
        "retained": {"points": len(step.retain_ids), "sha256": digest(step.retain_ids)},
        "weights": {
            "tensors": sorted(publication.weights),
            "sha256": state_digest(publication.weights),
        },
        "parent_sha256": publication.parent_sha256,
        "promise": _promise(publication.claim, guarantee),
        "paired_gap": measured.get(PAIRED_GAP),
        "residual": measured.get(RESIDUAL),
        "measured": dict(measured),
        "remnants": [remnant.describe() for remnant in publication.remnants],
    }


def _promise(claim: str | None, guarantee: Guarantee) -> dict[str, Any]:
    """The level of a model, why it has it, and the record that its numbers follow from."""
    if claim is None:
        is_exact = guarantee.level in ("exact", "conditional")
        return {
            "level": guarantee.level,
            "reason": guarantee.reason,
            "reference": RETRAINED if is_exact else None,
            "record": None,
            "recomputed": None,
        }
    certificate = Certificate.from_json(claim)
    claims = recompute(certificate)._asdict()
    return {
        "level": certificate.level,
        "reason": certificate.reason,
        "reference": certificate.reference,
        "record": json.loads(claim),
        "recomputed": {name: _number(value) for name, value in claims.items()},
    }


def _number(value: float) -> float | str:
    """A number as JSON has it: infinity is a text."""
    return str(value) if math.isinf(value) else value
