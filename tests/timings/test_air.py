"""The summary of models with other seeds, on made-up logits and on small trained fleets."""

import copy
import json
import subprocess
import sys

import numpy as np
import pytest

from tests.support.project import RESULTS, TINY
from timings import air
from unlearn.metrics.divergence import kl

CLASSES = 4


def made_up(scale=1.0, seed=0, points=4000):
    """Logits whose labels are drawn from their softmax at temperature 1 / scale, and the labels."""
    random = np.random.default_rng(seed)
    logits = random.normal(size=(points, CLASSES)) * 2
    shares = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    labels = (shares.cumsum(1) > random.random((points, 1))).argmax(1)
    return logits * scale, labels


def test_the_temperature_is_that_of_the_labels():
    logits, labels = made_up()
    assert air.temperature(logits, labels) == pytest.approx(1, abs=0.06)
    scaled_logits = 3 * logits
    expected = 3 * air.temperature(logits, labels)
    assert air.temperature(scaled_logits, labels) == pytest.approx(expected, rel=1e-4)


def test_calibration_takes_confidence_out_of_the_distance():
    """Two models that differ in their temperature alone differ by nothing once calibrated."""
    logits, labels = made_up()
    models = np.stack([logits, 0.4 * logits])
    row = air.summary(models, labels, models, labels)
    expected = (kl(models[0], models[1]) + kl(models[1], models[0])) / 2
    assert row["kl"] == pytest.approx(expected, abs=1e-4) and expected > 0.1
    assert row["calibrated kl"] == pytest.approx(0, abs=1e-4)
    accuracy = (logits.argmax(1) == labels).mean()
    assert (
        row["test accuracy"]
        == row["validation accuracy"]
        == pytest.approx([accuracy] * 2, abs=1e-4)
    )


def test_one_model_has_no_distance():
    logits, labels = made_up()
    row = air.summary(logits[None], labels, logits[None], labels)
    assert row["kl"] is None and row["calibrated kl"] is None


def test_trained_fleets_are_measured(project):
    study = copy.deepcopy(TINY)
    study["datasets"]["digits"]["test_subset"] = 100
    study["experiments"]["accuracy"] |= {
        "model": {"name": "air", "width": 4, "whiten": True},
        "method": "original",
    }
    project.write_study(study)
    project.snakemake("--cores", "1", "--until", "train")
    call = [sys.executable, "-m", "timings.air", RESULTS]
    done = subprocess.run(call, cwd=project.root, check=True, capture_output=True, text=True)
    (row,) = json.loads(done.stdout).values()
    assert row["epochs"] == 2 and len(row["cpu seconds"]) == 2
    results = project.root / RESULTS
    labels = np.load(next((results / "data").rglob("test_labels.npy")))
    logits = np.load(next((results / "trained").rglob("logits.npy")))
    test_logits = logits.reshape(2, -1, 10)[:, -100:]
    expected = (test_logits.argmax(2) == labels).mean(1)
    assert row["test accuracy"] == pytest.approx(expected.tolist(), abs=1e-4)
    assert row["kl"] == pytest.approx(air.distance(test_logits), abs=2e-4)
