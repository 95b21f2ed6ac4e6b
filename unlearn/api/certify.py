"""Deletion certificates of models in a notebook."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from unlearn.api.models import Model, setting_of, weights_digest, weights_of
from unlearn.api.scores import evaluate
from unlearn.certification.artefacts import code_digest
from unlearn.certification.document import document
from unlearn.certification.subject import CertificateSubject, Publication, Remnant
from unlearn.certification.verification import checks_of_subject, checks_of_text
from unlearn.core.parameters import Parameters
from unlearn.metrics.catalogue import METRICS
from unlearn.storage.files import digest
from unlearn.storage.request import request_digest
from unlearn.study import codehash


def certify(model: Model, oracle: Model | None = None) -> dict[str, Any]:
    """The certificate of an unlearned model: what is promised of the deleted points, and why.

    Args:
        model: What `unlearn` returned.
        oracle: What `retrain` returned for the same points; the scores against it are added.

    Returns:
        JSON of the form in `docs/certificates.md`, with one entry.

    Raises:
        ValueError: A trained model, or a claim that does not follow from its record.
    """
    return document(_subject(model, oracle))


def verify(certificate: Mapping[str, Any], model: Model, oracle: Model | None = None) -> None:
    """Raise ValueError, which names the first thing in which a certificate differs from a model.

    Args:
        certificate: What `certify` returned, or the same from a file.
        model: The model that it is about.
        oracle: The model that `certify` was given.
    """
    subject = _subject(model, oracle)
    for checks in (checks_of_text(certificate), checks_of_subject(certificate, subject)):
        for check in checks:
            if check.problem:
                raise ValueError(f"certificate: {check.name}: {check.problem}")


def _subject(model: Model, oracle: Model | None) -> CertificateSubject:
    """What a certificate of a model is about."""
    if model.method is None or model.original is None:
        raise ValueError("model: it is a trained model; allowed: what `unlearn` returned")
    dataset = model.dataset
    publication = Publication(
        seed=model.seed,
        steps=model.steps(),
        weights=weights_of(model),
        parent_sha256=model.parent_sha256,
        claim=model.claim,
        measured={} if oracle is None else _measured(model, oracle),
        remnants=_remnants(model),
    )
    return CertificateSubject(
        cell=None,
        dataset=dataset.description["name"],
        dataset_sha256=digest(*dataset.arrays().values()),
        train_points=len(dataset.train_labels),
        base_points=len(dataset.base_ids),
        request_sha256=request_digest(model.request),
        method=type(model.method).__name__,
        parameters=model.method.values(),
        training={
            "model": _described(model.task.architecture),
            "recipe": model.task.recipe.values(),
            "trainer": _described(model.task.trainer),
        },
        code_sha256=_code(type(model.method).__module__),
        guarantee=model.method.guarantee_for(setting_of(model, model.method)),
        publications=[publication],
    )


def _measured(model: Model, oracle: Model) -> dict[str, float]:
    """The scores against the oracle, but for times, memory and flags."""
    scores = evaluate(model, oracle)["unlearned"].dropna()
    return {
        f"{metric}/{split}": float(value)
        for (metric, split), value in scores.items()
        if not (METRICS[metric].is_clocked or METRICS[metric].is_flag)
    }


def _remnants(model: Model) -> list[Remnant]:
    """The trained weights, and the tensors of the states that later requests need."""
    remnants = [Remnant("trained", weights_digest(model.original), "superseded")]
    served = model.task.trainer.served
    for place, state in (("trained", model.original.state), ("state", model.state)):
        for name in sorted({*state} - {*served(state)}):
            remnants.append(Remnant(f"{place}/{name}", digest(np.asarray(state[name])), "stored"))
    return remnants


def _described(component: Any) -> dict[str, Any]:
    """Name and parameters of a component; a function of the user's has none."""
    values = component.values() if isinstance(component, Parameters) else {}
    return {"kind": type(component).__name__, "parameters": values}


def _code(module: str) -> str | None:
    """The digest of the code of a method; None where it lies in no module, as in a notebook."""
    try:
        return code_digest(codehash.digests(module))
    except (ModuleNotFoundError, ValueError):
        return None
