"""Memorisation and influence by hand, and on fleets that trained on digits with wrong labels."""

import warnings

import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier

from unlearn.metrics.divergence import log_softmax
from unlearn.metrics.klom import gaussian_klom, margins
from unlearn.metrics.memorisation import (
    influence,
    label_probabilities,
    mean_difference,
    memorisation,
)


def test_label_probabilities_are_those_of_the_softmax():
    generator = np.random.default_rng(0)
    logits = generator.normal(size=(3, 4, 5)).astype(np.float32) * 100
    labels = np.array([0, 4, 2, 1])
    expected = np.exp(log_softmax(logits))[:, np.arange(4), labels]
    np.testing.assert_allclose(label_probabilities(logits, labels), expected)


def test_memorisation_is_a_difference_of_means():
    membership = np.zeros((26, 2), bool)
    membership[:20, 0] = True
    membership[6:, 1] = True
    probabilities = np.full((26, 2), 0.25)
    probabilities[:10, 0] = 1
    probabilities[0, 1] = 0.85
    values = memorisation(probabilities, membership)
    assert values[0] == pytest.approx(0.625 - 0.25)
    assert values[1] == pytest.approx(0.25 - 0.35)


@pytest.mark.parametrize(
    ("members", "others", "has_value"), [(20, 5, True), (19, 6, False), (21, 4, False)]
)
def test_a_point_needs_twenty_models_that_trained_on_it_and_five_others(members, others, has_value):
    membership = np.repeat([True, False], [members, others])[:, None]
    value = memorisation(membership.astype(float), membership)
    assert (value == 1).all() if has_value else np.isnan(value).all()
    finding = mean_difference(value, members + others)
    assert finding.n == 25 and (finding.value == 1) == has_value
    assert ("20 models" in finding.reason) != has_value


def test_influence_is_memorisation_with_one_membership_for_all_points():
    generator = np.random.default_rng(0)
    originals = generator.random((20, 3))
    oracles = generator.random((8, 3))
    expected = originals.mean(axis=0) - oracles.mean(axis=0)
    np.testing.assert_allclose(influence(originals, oracles), expected)
    assert np.isnan(influence(originals[:19], oracles)).all()
    assert mean_difference(np.empty(0), 28).reason == "no points"


def test_input_that_cannot_be_compared_is_refused_by_name():
    probabilities = np.full((26, 2), 0.5)
    with pytest.raises(ValueError, match="membership: 26 x 1; allowed is the 26 x 2"):
        memorisation(probabilities, np.ones((26, 1), bool))
    with pytest.raises(ValueError, match="membership: int64; allowed is bool"):
        memorisation(probabilities, np.ones((26, 2), np.int64))
    with pytest.raises(ValueError, match=r"probabilities: 1.5; allowed is 0..1"):
        memorisation(probabilities + 1, np.ones((26, 2), bool))
    with pytest.raises(ValueError, match="2 and 1 points"):
        influence(probabilities, probabilities[:, :1])


@pytest.fixture(scope="module")
def digit_fleets():
    """Labels of 300 points, and log-probabilities of fleets with and without the first 40 of them.

    The first 20 points have wrong labels.
    """
    images, labels = load_digits(return_X_y=True)
    images = images[:300] / 16
    labels = labels[:300].copy()
    labels[:20] = (labels[:20] + 1) % 10
    fleets = {}
    for name, models, start in (("originals", 24, 0), ("oracles", 40, 40)):
        logits = []
        for seed in range(models):
            network = MLPClassifier(
                (32,),
                learning_rate_init=0.01,
                batch_size=50,
                max_iter=60,
                random_state=seed + start,
            )
            with warnings.catch_warnings(action="ignore", category=ConvergenceWarning):
                network.fit(images[start:], labels[start:])
            logits.append(network.predict_log_proba(images))
        fleets[name] = np.array(logits)
    return labels, fleets


def test_wrong_labels_are_memorised_and_the_rest_is_not(digit_fleets):
    labels, fleets = digit_fleets
    groups = [label_probabilities(fleets[name], labels) for name in ("originals", "oracles")]
    values = influence(*groups)
    assert values[:20].mean() > 0.5
    assert abs(values[20:40].mean()) < 0.25
    assert abs(values[40:].mean()) < 0.1


def test_klom_finds_models_that_kept_the_data_and_nothing_between_halves_of_oracles(digit_fleets):
    labels, fleets = digit_fleets
    half_a = margins(fleets["oracles"][:20], labels)
    half_b = margins(fleets["oracles"][20:], labels)
    floor = gaussian_klom(half_b, half_a)
    kept = gaussian_klom(margins(fleets["originals"][:20], labels), half_a)
    assert floor[:40].mean() < 0.2  # .115 for 20 Gaussian margins
    assert kept[:20].mean() > 10 * floor[:20].mean()
