"""The record of a certificate: what it rests on, what it claims, and the claims recomputed."""

import dataclasses
import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from unlearn.certificates import chains
from unlearn.certificates.amplification import amplified_epsilon
from unlearn.certificates.chains import Deletion, Descent, NoisySteps
from unlearn.certificates.constants import Constant, Constants
from unlearn.certificates.contraction import Bound
from unlearn.certificates.limits import check_count, check_nonnegative, check_probability
from unlearn.certificates.privacy import epsilon_of

LEVELS = ("certified", "approximate")
"""Every constant is proved or enforced; or one is estimated, or the theorem has a gap."""

CLAIM_TOLERANCE = 1e-9
"""The relative difference that rounding may make between a claim and what the record gives."""


class Claims(NamedTuple):
    """What a certificate says about the published weights."""

    gap: float
    """The largest distance from the reference at equal noise: see the chain of the rule."""
    mu: float
    """Mu between the laws of the two."""
    epsilon: float
    """Epsilon at the delta of the certificate."""


@dataclass(frozen=True)
class Clipping:
    """Radii that the norm of a vector is clipped to; None where the rule has no such clipping."""

    start: float | None = None
    """C0: of all weights, before the noise."""
    gradient: float | None = None
    """C1: of the gradient of a minibatch."""
    model: float | None = None
    """C2: of all weights, before the noise of every step."""


@dataclass(frozen=True, kw_only=True)
class Certificate:
    """One publication of weights, and everything that its claims are computed from."""

    rule: str
    """The name of a function of `chains`."""
    level: str
    """One of `LEVELS`."""
    reason: str
    """Why it has this level, in words."""
    reference: str
    """What the published weights are compared with, in words."""
    delta: float
    noise: float
    """sigma, the standard deviation of the rule's noise."""
    ledger: tuple[Deletion, ...]
    """The requests since the weights were last trained from scratch."""
    gap: float
    mu: float
    epsilon: float
    learning_steps: int = 0
    """T."""
    learning_beta: tuple[float, ...] = ()
    """r_0 of removal: the norm of the residual gradient after training, one a classifier."""
    rate: float | None = None
    """eta."""
    weight_decay: float | None = None
    """lambda of noisy fine-tuning."""
    clipping: Clipping = Clipping()
    constants: Constants | None = None

    def __post_init__(self) -> None:
        _one_of("rule", self.rule, RULES)
        _one_of("level", self.level, LEVELS)
        check_probability("delta", self.delta)
        check_nonnegative("noise", self.noise)
        check_count("learning_steps", self.learning_steps)
        for name in Claims._fields:
            check_nonnegative(name, getattr(self, name), infinite=True)

    def to_json(self) -> str:
        """The record as JSON with sorted keys; floats are exact, and infinity is the text "inf"."""
        record = dataclasses.asdict(self)
        for name in Claims._fields:
            if math.isinf(record[name]):
                record[name] = str(record[name])
        return json.dumps(
            record, sort_keys=True, indent=2, allow_nan=False, default=np.generic.item
        )

    @classmethod
    def from_json(cls, text: str) -> "Certificate":
        """The record that `to_json` wrote.

        Raises:
            ValueError: the text is no JSON object with these fields.
        """
        record = json.loads(text)
        try:
            return cls(**record | _nested_fields(record))
        except (TypeError, KeyError) as error:
            raise ValueError(f"certificate: {error}") from None


def recompute(certificate: Certificate) -> Claims:
    """The claims that follow from the rest of the record, by the general contraction.

    Raises:
        ValueError: the rule needs a field that is missing, or fields do not fit each other.
    """
    bound = RULES[certificate.rule](certificate)
    if certificate.rule == "model_clipping":
        steps = _last_steps(certificate)
        return Claims(*bound, amplified_epsilon(bound.mu, steps, certificate.delta))
    return Claims(*bound, epsilon_of(bound.mu, certificate.delta))


def check(certificate: Certificate) -> None:
    """Raises ValueError, which names the field, where the certificate does not hold.

    Its claims must be those of `recompute` up to `CLAIM_TOLERANCE`, and level `certified` must rest
    on no estimated constant.
    """
    if certificate.level == "certified" and certificate.constants is not None:
        for name, constant in vars(certificate.constants).items():
            if constant.source == "estimated":
                raise ValueError(
                    f"level: 'certified' is not allowed, {name} is estimated; allowed: approximate"
                )
    claims = recompute(certificate)
    for name, value in claims._asdict().items():
        claim = getattr(certificate, name)
        if not math.isclose(claim, value, rel_tol=CLAIM_TOLERANCE):
            raise ValueError(f"{name}: {claim!r} is not allowed; the record gives {value!r}")


def _descent(certificate: Certificate) -> Descent:
    """The descent of a certificate on a mean loss."""
    return Descent(
        constants=_required(certificate, "constants"),
        rate=_required(certificate, "rate"),
        learning_steps=certificate.learning_steps,
        ledger=certificate.ledger,
    )


def _langevin(certificate: Certificate) -> Bound:
    return chains.langevin(_descent(certificate), certificate.noise)


def _descent_to_delete(certificate: Certificate) -> Bound:
    return chains.descent_to_delete(_descent(certificate), certificate.noise)


def _rewind(certificate: Certificate) -> Bound:
    return chains.rewind(_descent(certificate), certificate.noise)


def _gradient_clipping(certificate: Certificate) -> Bound:
    noisy_steps = NoisySteps(
        rate=_required(certificate, "rate"),
        weight_decay=_required(certificate, "weight_decay"),
        steps=_last_steps(certificate),
    )
    start_radius = _radius(certificate, "start")
    gradient_radius = _radius(certificate, "gradient")
    return chains.gradient_clipping(start_radius, gradient_radius, noisy_steps, certificate.noise)


def _model_clipping(certificate: Certificate) -> Bound:
    return chains.model_clipping(_radius(certificate, "model"), certificate.noise)


def _output_noise(certificate: Certificate) -> Bound:
    if _last_steps(certificate) != 1:
        raise ValueError(f"steps: {_last_steps(certificate)} is not allowed; allowed: 1")
    return chains.output_noise(_radius(certificate, "start"), certificate.noise)


def _removal(certificate: Certificate) -> Bound:
    betas = [certificate.learning_beta, *(deletion.beta for deletion in certificate.ledger)]
    if any(deletion.steps for deletion in certificate.ledger):
        raise ValueError("steps: a removal takes none; allowed: 0")
    if any(len(beta) != len(betas[0]) for beta in betas):
        raise ValueError(
            f"beta: {[len(beta) for beta in betas]} classifiers; "
            "allowed: the same number after learning and in every request"
        )
    totals = tuple(math.fsum(column) for column in zip(*betas, strict=True))
    return chains.removal(totals, certificate.noise)


RULES: Mapping[str, Callable[[Certificate], Bound]] = {
    "langevin": _langevin,
    "descent_to_delete": _descent_to_delete,
    "rewind": _rewind,
    "gradient_clipping": _gradient_clipping,
    "model_clipping": _model_clipping,
    "output_noise": _output_noise,
    "removal": _removal,
}
"""What a record means, by the name of its rule."""


def _last_steps(certificate: Certificate) -> int:
    """The steps of the last request, at least 1; earlier requests leave no trace in the bound."""
    if not certificate.ledger or not certificate.ledger[-1].steps:
        raise ValueError(f"ledger: rule {certificate.rule} needs a request with steps")
    return certificate.ledger[-1].steps


def _required(certificate: Certificate, name: str) -> Any:
    """A field that the rule needs."""
    value = getattr(certificate, name)
    if value is None:
        raise ValueError(f"{name}: rule {certificate.rule} needs it; the record has none")
    return value


def _radius(certificate: Certificate, name: str) -> float:
    """A radius that the rule needs."""
    radius = getattr(certificate.clipping, name)
    if radius is None:
        raise ValueError(f"clipping.{name}: rule {certificate.rule} needs it; the record has none")
    return radius


def _one_of(name: str, value: str, choices: Mapping[str, object] | tuple[str, ...]) -> None:
    """Raises ValueError unless `value` is among the choices."""
    if value not in choices:
        raise ValueError(f"{name}: {value!r} is not allowed; allowed: {', '.join(choices)}")


def _nested_fields(record: dict[str, Any]) -> dict[str, Any]:
    """The fields of a parsed record that are not plain numbers and texts."""
    constants = record["constants"]
    if constants is not None:
        pairs = ((name, Constant(**constant)) for name, constant in constants.items())
        constants = Constants(**dict(pairs))
    ledger = (Deletion(**entry | {"beta": tuple(entry["beta"])}) for entry in record["ledger"])
    return {name: float(record[name]) for name in Claims._fields} | {
        "constants": constants,
        "ledger": tuple(ledger),
        "clipping": Clipping(**record["clipping"]),
        "learning_beta": tuple(record["learning_beta"]),
    }
