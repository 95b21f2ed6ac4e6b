"""Noisy steps on clipped weights: by hand, and audited from below against their certificates."""

import math

import numpy as np
import pytest
import torch

from unlearn.algorithms.certified.noise_calibration import output_noise_sigma
from unlearn.algorithms.certified.noisy_steps import (
    Noise,
    clip,
    clipped_gradients,
    clipped_models,
)
from unlearn.certificates import chains
from unlearn.certificates.calibration import sigma_for
from unlearn.certificates.chains import NoisySteps
from unlearn.certificates.lower_bound import mu_lower_bound
from unlearn.certificates.privacy import mu_of

RUNS = 1000


def tensor(*values):
    return torch.tensor(values, dtype=torch.float64)


# -- clipping


def test_a_longer_vector_is_shortened_as_a_whole():
    assert torch.allclose(clip(tensor(3, 0, -4), 2.5), tensor(1.5, 0, -2), rtol=1e-15, atol=0)


def test_a_shorter_vector_stays_to_the_bit():
    vector = tensor(0.3, -0.4)
    assert torch.equal(clip(vector, 0.5), vector)
    assert torch.equal(clip(0 * vector, 0.0), 0 * vector)


def test_radius_0_leaves_nothing():
    assert torch.equal(clip(tensor(1, -2), 0.0), tensor(0, 0))


# -- noise


def test_noise_has_the_standard_deviation_that_it_states_in_float64():
    noise = Noise(0.03, seed=4, request=1).of(0, torch.zeros(100_000, dtype=torch.float64))
    assert noise.dtype == torch.float64 and not torch.equal(noise, noise.float().double())
    assert float(noise.std()) == pytest.approx(0.03, rel=0.01)
    assert float(noise.mean()) == pytest.approx(0, abs=4 * 0.03 / math.sqrt(100_000))


def test_noise_of_other_steps_requests_and_seeds_is_independent():
    like = torch.zeros(10_000)
    first = Noise(1.0, seed=0, request=1)
    assert torch.equal(first.of(0, like), Noise(1.0, seed=0, request=1).of(0, like))
    others = [first.of(1, like), Noise(1.0, 0, 2).of(0, like), Noise(1.0, 1, 1).of(0, like)]
    for other in others:
        correlation = torch.corrcoef(torch.stack([first.of(0, like), other]))[0, 1]
        assert abs(float(correlation)) < 0.04


# -- steps


def test_a_step_clips_the_gradient_without_the_weight_decay():
    """0.5 (clip((6, 8), 5) + 0.2 (10, -10)) = 0.5 ((3, 4) + (2, -2)) = (2.5, 1)."""
    steps = NoisySteps(rate=0.5, weight_decay=0.2, steps=1)
    noise = Noise(0.1, 0, 1)
    start = tensor(10, -10)
    after = clipped_gradients(start, [lambda w: tensor(6, 8)], 5.0, steps, noise)
    assert torch.allclose(after - noise.of(0, start), tensor(7.5, -11), rtol=1e-13)


def test_a_step_clips_the_model_before_its_noise():
    """(10, -10) - 0.5 ((6, 8) + (2, -2)) = (6, -13), shortened to the norm 2."""
    steps = NoisySteps(rate=0.5, weight_decay=0.2, steps=1)
    noise = Noise(0.1, 0, 1)
    start = tensor(10, -10)
    after = clipped_models(start, [lambda w: tensor(6, 8)], 2.0, steps, noise)
    before_noise = after - noise.of(0, start)
    expected = 2 / math.sqrt(6**2 + 13**2) * tensor(6, -13)
    assert torch.allclose(before_noise, expected, rtol=1e-13)


@pytest.mark.parametrize("descend", [clipped_gradients, clipped_models])
def test_later_steps_continue_with_new_noise(descend):
    """Two steps at once are one step, and another from there with the noise of the second."""
    steps = NoisySteps(rate=0.5, weight_decay=0.2, steps=2)
    noise = Noise(0.1, 0, 1)
    gradients = [lambda w: w**2, lambda w: 3 - w]
    start = tensor(1, -1)
    both = descend(start, gradients, 2.0, steps, noise)
    first = descend(start, gradients[:1], 2.0, steps, noise)
    second = descend(first, gradients[1:], 2.0, steps, noise)
    fresh = noise.of(1, start) - noise.of(0, start)
    assert torch.allclose(both, second + fresh, rtol=1e-12)


# -- audits


def ends(start, push, runs, radius, steps, sigma):
    """The ends of chains from +start whose gradient pushes upwards; those from -start mirrored."""
    sides = {}
    for sign in (1, -1):
        gradients = [lambda w, sign=sign: tensor(-sign * push)] * steps.steps
        seeds = range(runs) if sign > 0 else range(runs, 2 * runs)
        sides[sign] = [
            float(
                clipped_gradients(
                    clip(tensor(sign * 9), start), gradients, radius, steps, Noise(sigma, seed, 1)
                )
            )
            for seed in seeds
        ]
    return np.array(sides[-1]), np.array(sides[1])


def test_gradients_that_point_away_attain_the_bound():
    """Mean and spread of both chains, over many runs, are gap and mu of the accountant."""
    steps = NoisySteps(rate=0.5, weight_decay=0.4, steps=3)
    below, above = ends(1.0, 7.0, 4000, radius=2.0, steps=steps, sigma=0.5)
    bound = chains.gradient_clipping(1.0, 2.0, steps, sigma=0.5)
    gap = above.mean() - below.mean()
    assert gap == pytest.approx(bound.gap, rel=0.01)
    assert gap / np.sqrt((above.var() + below.var()) / 2) == pytest.approx(bound.mu, rel=0.03)


def test_an_audit_catches_the_noise_of_the_released_rule_and_no_other():
    """The rule forgets the order: its noise is gap / sqrt(2 epsilon), whatever delta is."""
    steps = NoisySteps(rate=0.1, weight_decay=0.0, steps=1)
    unit_bound = chains.gradient_clipping(1.0, 10.0, steps, sigma=1.0)
    released = unit_bound.gap / math.sqrt(2 * 1.0)
    least = sigma_for(unit_bound, 1.0, 1e-5)
    assert released < 0.2 * least
    promised = mu_of(1.0, 1e-5)
    assert mu_lower_bound(*ends(1.0, 50.0, RUNS, 10.0, steps, released)) > 2 * promised
    assert mu_lower_bound(*ends(1.0, 50.0, RUNS, 10.0, steps, least)) <= promised


@pytest.mark.parametrize(("share", "is_caught"), [(1.0, False), (0.2, True)])
def test_an_audit_of_model_clipping(share, is_caught):
    """Gradients that push as far apart as they can end at the radius, before the noise."""
    steps = NoisySteps(rate=1.0, weight_decay=0.0, steps=1)
    sigma = share * output_noise_sigma(3.0, 1.0, 1e-3)

    def end(sign, seed):
        noise = Noise(sigma, seed, 1)
        return float(clipped_models(tensor(0), [lambda w: tensor(sign * 99)], 3.0, steps, noise))

    runs = [np.array([end(sign, sign * s) for s in range(1, RUNS)]) for sign in (1, -1)]
    assert (mu_lower_bound(*runs) > mu_of(1.0, 1e-3)) is is_caught
