"""Records of certificates: written, read, recomputed, and refused where a number was changed."""

import dataclasses
import json
import math
import subprocess
import sys

import numpy as np
import pytest

from tests.support.project import ROOT
from unlearn.certificates.amplification import amplified_epsilon
from unlearn.certificates.calibration import langevin_closed_form, sigma_for
from unlearn.certificates.chains import Deletion, Descent
from unlearn.certificates.constants import Constant, Constants, fastest_rate, logistic_constants
from unlearn.certificates.privacy import epsilon_of
from unlearn.certificates.record import RULES, Certificate, Claims, Clipping, check, recompute

DELTA = 1e-5
CONSTANTS = logistic_constants(radius=1, weight_decay=0.01)
RATE = fastest_rate(CONSTANTS)
LEDGER = (Deletion(30, 1000, 12), Deletion(5, 970, 7))
REMOVALS = (Deletion(30, 1000, beta=(0.2, 0.1)), Deletion(5, 970, beta=(0.03, 0.4)))
NETWORK_CLIPPING = Clipping(start=0.01, gradient=2.0, model=0.3)

FIELDS = {
    "langevin": {"constants": CONSTANTS, "rate": RATE, "learning_steps": 50, "ledger": LEDGER},
    "rewind": {"constants": CONSTANTS, "rate": RATE, "learning_steps": 50, "ledger": LEDGER},
    "gradient_clipping": {"rate": 0.01, "weight_decay": 3.0, "clipping": NETWORK_CLIPPING},
    "model_clipping": {"clipping": NETWORK_CLIPPING},
    "output_noise": {"clipping": NETWORK_CLIPPING, "ledger": (Deletion(30, 1000, 1),)},
    "removal": {"learning_beta": (1e-9, 2e-9), "ledger": REMOVALS},
}
FIELDS["descent_to_delete"] = FIELDS["langevin"]


def certificate(rule: str, **fields) -> Certificate:
    """A certificate that holds."""
    defaults = {
        "level": "certified",
        "reason": "all constants are proved",
        "reference": "the same procedure on the retained points",
        "delta": DELTA,
        "noise": 0.3,
        "ledger": LEDGER,
    }
    record = Certificate(rule=rule, gap=0, mu=0, epsilon=0, **defaults | FIELDS[rule] | fields)
    return dataclasses.replace(record, **recompute(record)._asdict())


def test_every_rule_is_tried():
    assert set(FIELDS) == set(RULES)


@pytest.mark.parametrize("rule", FIELDS)
def test_a_record_comes_back_to_the_bit_and_holds(rule):
    record = certificate(rule)
    assert 0 < record.mu < math.inf and 0 < record.epsilon < math.inf
    again = Certificate.from_json(record.to_json())
    assert again == record
    assert again.to_json() == record.to_json()
    check(again)


@pytest.mark.parametrize("rule", sorted(set(FIELDS) - {"model_clipping"}))
def test_epsilon_is_that_of_mu(rule):
    record = certificate(rule)
    assert record.epsilon == epsilon_of(record.mu, DELTA)


def test_epsilon_of_model_clipping_counts_all_steps():
    record = certificate("model_clipping")
    assert record.mu == pytest.approx(2)
    assert record.epsilon == amplified_epsilon(record.mu, 7, DELTA) < epsilon_of(record.mu, DELTA)


def last_entry(record: Certificate, **fields) -> tuple[Deletion, ...]:
    return (*record.ledger[:-1], dataclasses.replace(record.ledger[-1], **fields))


CHANGES = {
    "sigma / 100": lambda record: {"noise": record.noise / 100},
    "sigma * (1 + 1e-8)": lambda record: {"noise": record.noise * (1 + 1e-8)},
    "K + 1": lambda record: {"ledger": last_entry(record, steps=record.ledger[-1].steps + 1)},
    "S - 1": lambda record: {"ledger": last_entry(record, deleted_points=4)},
    "first S - 1": lambda record: {
        "ledger": (dataclasses.replace(record.ledger[0], deleted_points=29), record.ledger[1])
    },
    "n + 1": lambda record: {
        "ledger": tuple(dataclasses.replace(e, points=e.points + 1) for e in record.ledger)
    },
    "T + 1": lambda record: {"learning_steps": record.learning_steps + 1},
    "beta": lambda record: {"ledger": last_entry(record, beta=(0.03, 0.39))},
    "r_0": lambda record: {"learning_beta": (0.1, 0)},
    "delta": lambda record: {"delta": 2e-5},
    "lambda": lambda record: {"weight_decay": 3.1},
    "eta": lambda record: {"rate": record.rate * 0.99},
    "C0": lambda record: {"clipping": dataclasses.replace(record.clipping, start=0.011)},
    "C1": lambda record: {"clipping": dataclasses.replace(record.clipping, gradient=1.9)},
    "C2": lambda record: {"clipping": dataclasses.replace(record.clipping, model=0.29)},
    "M": lambda record: {
        "constants": dataclasses.replace(record.constants, gradient_bound=Constant(0.9, "proved"))
    },
}
ALWAYS = ("sigma / 100", "sigma * (1 + 1e-8)", "delta")
DESCENT = (*ALWAYS, "K + 1", "S - 1", "first S - 1", "n + 1", "T + 1", "eta", "M")
REFUSED = {
    "langevin": DESCENT,
    "descent_to_delete": DESCENT,
    "rewind": DESCENT,
    "gradient_clipping": (*ALWAYS, "K + 1", "lambda", "eta", "C0", "C1"),
    "model_clipping": (*ALWAYS, "K + 1", "C2"),
    "output_noise": (*ALWAYS, "K + 1", "C0"),
    "removal": (*ALWAYS, "K + 1", "beta", "r_0"),
}


@pytest.mark.parametrize(("rule", "change"), [(r, c) for r in REFUSED for c in REFUSED[r]])
def test_a_changed_record_is_refused(rule, change):
    record = certificate(rule)
    with pytest.raises(ValueError, match=r"^(gap|mu|epsilon|steps|points of request 2): "):
        check(dataclasses.replace(record, **CHANGES[change](record)))


@pytest.mark.parametrize("claim", Claims._fields)
@pytest.mark.parametrize("factor", [0.5, 1 - 1e-8, 1 + 1e-8, 2])
def test_a_changed_claim_is_refused_by_name(claim, factor):
    record = certificate("langevin")
    changed = dataclasses.replace(record, **{claim: getattr(record, claim) * factor})
    with pytest.raises(ValueError, match=f"{claim}: .* is not allowed; the record gives"):
        check(changed)
    rounded = dataclasses.replace(record, **{claim: getattr(record, claim) * (1 + 1e-12)})
    check(rounded)


def test_claims_in_closed_form_hold():
    descent = Descent(CONSTANTS, RATE, 50, LEDGER)
    sigma = sigma_for(langevin_closed_form(descent, 1), 1, DELTA)
    bound = langevin_closed_form(descent, sigma)
    record = certificate("langevin", noise=sigma)
    check(dataclasses.replace(record, **bound._asdict(), epsilon=1))


@pytest.mark.parametrize("name", ["gradient_bound", "smoothness", "convexity"])
def test_nothing_estimated_is_certified(name):
    constant = dataclasses.replace(getattr(CONSTANTS, name), source="estimated")
    constants = dataclasses.replace(CONSTANTS, **{name: constant})
    record = certificate("langevin", constants=constants)
    with pytest.raises(ValueError, match=f"level: 'certified' is not allowed, {name} is estimated"):
        check(record)
    check(dataclasses.replace(record, level="approximate"))


def test_clipped_constants_are_certified():
    clipped = dataclasses.replace(CONSTANTS, gradient_bound=Constant(0.5, "clipped"))
    check(certificate("langevin", constants=clipped))


def test_a_certificate_without_a_promise_is_written_too():
    steep = Constants(*(Constant(value, "estimated") for value in (34, 17, -17)))
    ledger = (Deletion(1, 10, 5),)
    fields = {"constants": steep, "level": "approximate", "ledger": ledger, "rate": 100.0}
    record = certificate("rewind", **fields, learning_steps=1000)
    assert record.gap == record.mu == record.epsilon == math.inf
    assert json.loads(record.to_json())["epsilon"] == "inf"
    assert Certificate.from_json(record.to_json()) == record
    check(record)


def test_numbers_of_numpy_are_written_as_numbers():
    ledger = (Deletion(np.int64(30), np.int32(1000), np.int64(12)), LEDGER[1])
    record = certificate("langevin", ledger=ledger, noise=np.float64(0.1) + np.float64(0.2))
    again = Certificate.from_json(record.to_json())
    assert again == record and again.noise == 0.1 + 0.2
    assert type(again.ledger[0].points) is int


def test_the_text_is_json_with_sorted_keys():
    record = json.loads(certificate("langevin").to_json(), parse_constant=pytest.fail)
    assert list(record) == sorted(record)
    assert record["constants"]["smoothness"] == {"source": "proved", "value": 0.26}
    assert record["ledger"][1] == {"beta": [], "deleted_points": 5, "points": 970, "steps": 7}


@pytest.mark.parametrize(
    ("rule", "fields", "message"),
    [
        ("langevin", {"constants": None}, "constants: rule langevin needs it; the record has none"),
        ("descent_to_delete", {"rate": None}, "rate: rule descent_to_delete needs it"),
        ("gradient_clipping", {"weight_decay": None}, "weight_decay: rule gradient_clipping needs"),
        ("gradient_clipping", {"clipping": Clipping(start=1)}, "clipping.gradient: rule gradient"),
        (
            "model_clipping",
            {"clipping": Clipping()},
            "clipping.model: rule model_clipping needs it",
        ),
        ("output_noise", {"ledger": LEDGER}, "steps: 7 is not allowed; allowed: 1"),
        ("gradient_clipping", {"ledger": ()}, "ledger: rule gradient_clipping needs a request"),
        ("removal", {"learning_beta": (0.1,)}, r"beta: \[1, 2, 2\] classifiers; allowed: the same"),
        (
            "removal",
            {"learning_beta": (), "ledger": ()},
            "beta: no classifier; allowed: at least 1",
        ),
        ("removal", {"ledger": LEDGER}, "steps: a removal takes none"),
        ("rewind", {"learning_steps": 6}, "steps: 7 is not allowed; allowed: whole numbers from 0"),
        ("langevin", {"learning_steps": 0.5}, "learning_steps: 0.5 is not allowed"),
        ("langevin", {"level": "exact"}, "level: 'exact' is not allowed; allowed: certified"),
        ("langevin", {"delta": 0}, "delta: 0 is not allowed"),
        ("langevin", {"noise": -1}, "noise: -1 is not allowed"),
        ("langevin", {"noise": math.nan}, "noise: nan is not allowed"),
    ],
)
def test_records_that_mean_nothing_are_refused(rule, fields, message):
    with pytest.raises(ValueError, match=message):
        certificate(rule, **fields)


def test_an_unknown_rule_is_refused():
    record = json.loads(certificate("langevin").to_json())
    with pytest.raises(ValueError, match="rule: 'newton' is not allowed; allowed: langevin, "):
        Certificate.from_json(json.dumps(record | {"rule": "newton"}))


@pytest.mark.parametrize(
    "change",
    [
        lambda record: record.pop("ledger"),
        lambda record: record.pop("noise"),
        lambda record: record.update(surplus=1),
        lambda record: record["ledger"][0].pop("points"),
        lambda record: record["constants"].pop("smoothness"),
    ],
)
def test_a_text_with_other_fields_is_refused(change):
    record = json.loads(certificate("langevin").to_json())
    change(record)
    with pytest.raises(ValueError, match="certificate: "):
        Certificate.from_json(json.dumps(record))


def test_importing_certificates_loads_no_scipy():
    program = (
        "import sys, unlearn.certificates.record, unlearn.certificates.calibration\n"
        "import unlearn.certificates.released, unlearn.certificates.lower_bound\n"
        "print([m for m in ('scipy', 'torch', 'pandas') if m in sys.modules])\n"
    )
    call = [sys.executable, "-c", program]
    process = subprocess.run(call, cwd=ROOT, capture_output=True, text=True, check=True)
    assert process.stdout.strip() == "[]"
