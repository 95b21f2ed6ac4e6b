"""Certificates of models in a notebook."""

import copy
import json
from dataclasses import replace

import numpy as np
import pytest

from tests.support.clipped_noise import METHOD
from unlearn import api
from unlearn.methods.finetune import Finetune
from unlearn.models.mlp import Mlp

FIRST_IDS = [3, 14, 15]
SECOND_IDS = [9, 26]


@pytest.fixture(scope="module")
def original():
    dataset = api.load_dataset("digits", subset=150)
    return api.train(dataset, Mlp(hidden=8), recipe=api.Recipe(epochs=1))


@pytest.fixture(scope="module")
def method():
    """The certified method of the tests, as a cell of a notebook defines it."""
    names = {"__name__": "__main__"}
    exec(METHOD, names)
    return names["ClippedNoise"]


@pytest.fixture(scope="module")
def unlearned(original, method):
    return api.unlearn(original, method(), FIRST_IDS)


def test_a_certified_model_has_its_epsilon(unlearned):
    certificate = json.loads(json.dumps(api.certify(unlearned)))
    (entry,) = certificate["entries"]
    assert entry["promise"]["level"] == "certified"
    assert entry["promise"]["recomputed"]["epsilon"] == pytest.approx(1, abs=1e-9)
    assert entry["deleted"]["points"] == 3
    api.verify(certificate, unlearned)


def test_an_uncertified_model_has_scores_and_floors_instead(original):
    unlearned = api.unlearn(original, Finetune(epochs=1), FIRST_IDS)
    oracle = api.retrain(original, FIRST_IDS)
    certificate = json.loads(json.dumps(api.certify(unlearned, oracle)))
    (entry,) = certificate["entries"]
    assert entry["promise"] == {
        "level": "none",
        "reason": "",
        "reference": None,
        "record": None,
        "recomputed": None,
    }
    assert entry["measured"]["kl/forget"] > 0
    api.verify(certificate, unlearned, oracle)
    retrained = api.certify(oracle)["entries"][0]["promise"]
    assert retrained["level"] == "exact"


def test_a_certificate_of_a_later_request_counts_all_points(unlearned, method):
    later = api.unlearn(unlearned, method(), SECOND_IDS)
    (entry,) = api.certify(later)["entries"]
    assert entry["step"] == 2 and entry["deleted"]["points"] == 5
    assert entry["parent_sha256"] == api.certify(unlearned)["entries"][0]["weights"]["sha256"]
    with pytest.raises(ValueError, match="certificate: request_sha256: "):
        api.verify(api.certify(unlearned), later)


def test_the_first_difference_is_named(unlearned):
    certificate = api.certify(unlearned)
    wrong = copy.deepcopy(certificate)
    wrong["entries"][0]["promise"]["record"]["noise"] /= 100
    with pytest.raises(ValueError, match="epsilon from the record: mu"):
        api.verify(wrong, unlearned)
    name = next(iter(certificate["entries"][0]["weights"]["tensors"]))
    state = {key: np.asarray(unlearned.state[key]).copy() for key in unlearned.state}
    state[name].flat[0] += 1e-6
    with pytest.raises(ValueError, match="seed 0, step 1: weights"):
        api.verify(certificate, replace(unlearned, state=state))


def test_a_cheat_gets_no_certificate(original, method):
    with pytest.raises(ValueError, match="the plan says certified, the method claims nothing"):
        api.certify(api.unlearn(original, method(cheat="silence"), FIRST_IDS))
    with pytest.raises(ValueError, match="ledger, entry 1: deleted_points: 2 is claimed"):
        api.certify(api.unlearn(original, method(cheat="ledger"), FIRST_IDS))


def test_a_trained_model_has_nothing_to_certify(original):
    with pytest.raises(ValueError, match="it is a trained model"):
        api.certify(original)
