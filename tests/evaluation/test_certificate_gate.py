"""The gate of certificates, provoked claim by claim."""

from dataclasses import replace

import numpy as np
import pytest

from unlearn.certificates.calibration import sigma_for
from unlearn.certificates.chains import Deletion, Descent, descent_to_delete
from unlearn.certificates.constants import Constant, fastest_rate, logistic_constants
from unlearn.certificates.record import Certificate, recompute
from unlearn.evaluation import certificate_gate
from unlearn.requests.request import NO_IDS, Request

POINTS = 200
DELTA = 1e-5


def steps(*sizes, added=0):
    """Steps that delete so many points each."""
    ids = np.arange(POINTS)
    parts = np.split(ids[: sum(sizes)], np.cumsum(sizes)[:-1])
    base_ids = ids[: POINTS - added]
    additions = [ids[POINTS - added :], *[NO_IDS] * (len(sizes) - 1)]
    return list(Request(parts, additions).steps(POINTS, base_ids))


def claim(ledger, rule="descent_to_delete", **change):
    """A certificate of Descent-to-Delete at epsilon 1 whose claims follow from its record."""
    constants = logistic_constants(radius=1, weight_decay=0.1)
    rate = fastest_rate(constants)
    descent = Descent(constants, rate, learning_steps=30, ledger=tuple(ledger))
    sigma = sigma_for(descent_to_delete(descent, sigma=1), epsilon=1, delta=DELTA)
    certificate = Certificate(
        rule=rule,
        level="certified",
        reason="proved",
        reference="descent on the rest",
        delta=DELTA,
        noise=sigma,
        ledger=tuple(ledger),
        gap=0,
        mu=0,
        epsilon=0,
        learning_steps=30,
        rate=rate,
        constants=constants,
    )
    certificate = replace(certificate, **change)
    return replace(certificate, **recompute(certificate)._asdict())


FIRST = Deletion(deleted_points=5, points=POINTS, steps=4)
SECOND = Deletion(deleted_points=3, points=POINTS - 5, steps=2)
STREAM = [claim([FIRST]).to_json(), claim([FIRST, SECOND]).to_json()]


def violation(claims, request, level="certified"):
    return certificate_gate.violation([claims], request, [7], level)


def test_claims_that_follow_from_the_request_pass():
    assert violation(STREAM, steps(5, 3)) is None


@pytest.mark.parametrize(
    "field, factor", [("epsilon", 1 + 1e-6), ("mu", 0.9), ("gap", 1.1), ("noise", 0.01)]
)
def test_a_claim_that_its_record_does_not_give_is_refused_with_both_numbers(field, factor):
    certificate = claim([FIRST])
    value = getattr(certificate, field) * factor
    reason = violation([replace(certificate, **{field: value}).to_json()], steps(5))
    changed_field = "mu" if field == "noise" else field
    assert reason.startswith(f"seed 7, step 1: {changed_field}: ")
    expected = recompute(replace(certificate, **{field: value}))
    assert repr(getattr(expected, changed_field)) in reason
    claimed = getattr(replace(certificate, **{field: value}), changed_field)
    assert repr(claimed) in reason


def test_a_later_claim_is_checked_as_well():
    wrong = replace(claim([FIRST, SECOND]), epsilon=0.5).to_json()
    assert "step 2: epsilon: 0.5" in violation([STREAM[0], wrong], steps(5, 3))


def test_a_promise_without_a_claim_is_refused():
    reason = certificate_gate.violation([], steps(5), [7], "certified")
    assert reason == "seed 7, step 1: the plan says certified, the method claims nothing"
    assert "step 2" in violation([STREAM[0], None], steps(5, 3))
    assert certificate_gate.violation([], steps(5), [7], "exact") is None
    assert certificate_gate.violation([], steps(0), [7], "certified") is None


def test_a_level_that_the_plan_does_not_state_is_refused():
    assert "'certified' is claimed; the plan says 'none'" in violation(STREAM, steps(5, 3), "none")
    weak = claim([FIRST], level="approximate").to_json()
    assert "'approximate' is claimed; the plan says 'certified'" in violation([weak], steps(5))
    assert violation([weak], steps(5), "approximate") is None


def test_an_estimated_constant_certifies_nothing():
    estimated = replace(
        logistic_constants(radius=1, weight_decay=0.1), smoothness=Constant(0.2, "estimated")
    )
    reason = violation([claim([FIRST], constants=estimated).to_json()], steps(5))
    assert "smoothness is estimated" in reason


def test_a_ledger_of_other_numbers_is_refused():
    reason = violation([claim([FIRST]).to_json()], steps(6))
    assert "entry 1: deleted_points: 5 is claimed; the request has 6" in reason
    short = Deletion(deleted_points=5, points=POINTS + 1, steps=4)
    assert "points: 201 is claimed; the request has 200" in violation(
        [claim([short]).to_json()], steps(5)
    )
    reason = violation([STREAM[0], claim([SECOND]).to_json()], steps(5, 3))
    assert "step 2: ledger: 1 requests are claimed; the request has 2" in reason
    assert "2 requests are claimed; the request has 1" in violation([STREAM[1]], steps(5))


def removal(ledger):
    """A certificate of removal, which counts from the last training on."""
    return claim(ledger, rule="removal", learning_beta=(1e-9,), constants=None, rate=None).to_json()


def test_a_ledger_starts_anew_where_a_method_trains_again():
    entry = replace(FIRST, steps=0, beta=(0.1,))
    later = replace(SECOND, steps=0, beta=(0.1,))
    assert violation([removal([entry]), removal([later])], steps(5, 3)) is None
    assert violation([removal([entry]), removal([])], steps(5, 3)) is None
    wrong = replace(later, points=POINTS)
    assert "points: 200" in violation([removal([entry]), removal([wrong])], steps(5, 3))


def test_points_that_are_added_are_not_certified():
    assert "has added 2 points" in violation([STREAM[0]], steps(5, added=2))


def test_a_step_that_deletes_nothing_has_no_entry():
    assert violation([STREAM[0], STREAM[0]], steps(5, 0)) is None
    assert violation([STREAM[0], None], steps(5, 0)) is None
