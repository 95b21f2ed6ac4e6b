"""The gate of certificates: every claim of a method, recomputed and held against the request."""

from collections.abc import Iterator, Sequence

from unlearn.certificates import record
from unlearn.certificates.record import Certificate
from unlearn.requests.request import Step

CERTIFIED = "certified"
"""The level of a guarantee that needs a certificate for every published model."""

FULL_LEDGER_RULES = ("langevin", "descent_to_delete", "rewind")
"""Rules whose bound grows with every request. Others may count from a later training on."""

Claims = Sequence[Sequence[str | None]]
"""K x T: the record that a method claims for a member after a step, as JSON; empty without any."""


def violation(
    claims: Claims, steps: Sequence[Step], seeds: Sequence[int], promised_level: str
) -> str | None:
    """The first claim of a cell that does not hold, and why; None where all hold.

    Args:
        claims: those of the unlearned fleet.
        steps: the T steps of the request.
        seeds: the seeds of the K members.
        promised_level: the level of guarantee that the plan states for the setting of the cell.
    """
    for member, seed in enumerate(seeds):
        for position, step in enumerate(steps):
            claim = claims[member][position] if claims else None
            reason = claim_violation(claim, steps[: position + 1], promised_level)
            if reason:
                return f"seed {seed}, step {step.index}: {reason}"
    return None


def claim_violation(claim: str | None, steps: Sequence[Step], promised_level: str) -> str | None:
    """Why a claim after some steps does not hold; None where it does.

    Args:
        claim: the record as JSON; None without a claim.
        steps: the steps of the request so far, at least one.
        promised_level: as of `violation`.
    """
    if claim is None:  # a step that deletes nothing may leave the model and the earlier claim
        is_promised = promised_level == CERTIFIED and len(steps[-1].deleted_ids)
        return f"the plan says {CERTIFIED}, the method claims nothing" if is_promised else None
    try:
        certificate = Certificate.from_json(claim)
        record.check(certificate)
    except ValueError as error:
        return str(error)
    if (certificate.level == CERTIFIED) != (promised_level == CERTIFIED):
        return f"level: {certificate.level!r} is claimed; the plan says {promised_level!r}"
    return ledger_violation(certificate, steps)


def ledger_violation(certificate: Certificate, steps: Sequence[Step]) -> str | None:
    """How the ledger of a certificate differs from the requests so far; None where it agrees.

    Requests that delete nothing have no entry.
    """
    if len(steps[-1].added_ids):
        return f"ledger: the request has added {len(steps[-1].added_ids)} points; allowed: 0"
    sizes = list(_sizes(steps))
    ledger = certificate.ledger
    is_whole = certificate.rule in FULL_LEDGER_RULES
    if len(ledger) > len(sizes) or (is_whole and len(ledger) < len(sizes)):
        return f"ledger: {len(ledger)} requests are claimed; the request has {len(sizes)}"
    first = len(sizes) - len(ledger)
    for number, deletion in enumerate(ledger, start=1):
        for name, size in sizes[first + number - 1].items():
            claimed_size = getattr(deletion, name)
            if claimed_size != size:
                return (
                    f"ledger, entry {number}: {name}: {claimed_size} is claimed; "
                    f"the request has {size}"
                )
    return None


def _sizes(steps: Sequence[Step]) -> Iterator[dict[str, int]]:
    """S_j and n_j of every step that deletes points."""
    for step in steps:
        if len(step.deleted_ids):
            yield {"deleted_points": len(step.deleted_ids), "points": len(step.previous_ids)}
