"""What only a GPU can show: the same results as the CPU's, the same bytes twice, speed.

The conformance suite runs there with `UNLEARN_TEST_DEVICE=cuda python -m pytest tests/methods`.
"""

import dataclasses
import json
import time

import numpy as np
import pytest
import torch

from tests.support.jobs import build, job, raw_data
from tests.support.project import new_project
from tests.support.results import stable
from unlearn.core import registry
from unlearn.jobs.description import FleetJob, NoiseJob, block
from unlearn.jobs.perturb import make_noise
from unlearn.jobs.train import train_fleet
from unlearn.jobs.unlearn import unlearn_fleet
from unlearn.requests.request import NO_IDS, Request

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")


def on(device: str, *arguments, **keywords) -> FleetJob:
    return dataclasses.replace(job(*arguments, **keywords), device=device)


@pytest.mark.parametrize("model", ["logistic", "mlp", "cnn2", "resnet9"])
def test_training_agrees_with_the_cpu(digits, model):
    """In float32, as far as sums in another order allow; the labels given are the same."""
    cpu, gpu = (train_fleet(digits, on(d, model, epochs=1, lr=0.02)) for d in ("cpu", "cuda"))
    assert gpu.machine["device"] != cpu.machine["device"] == "cpu"
    np.testing.assert_allclose(gpu.logits, cpu.logits, atol=2e-3)
    assert gpu.costs[0]["gradient_evaluations"] == cpu.costs[0]["gradient_evaluations"]


@pytest.mark.parametrize("name", registry.names("methods"))
def test_unlearning_agrees_with_the_cpu(digits, name):
    """From the same trained model: logits of the unlearned one."""
    described = {device: on(device, "mlp", method=name, lr=0.02) for device in ("cpu", "cuda")}
    base = train_fleet(digits, described["cpu"])
    request = Request([digits.base_ids[::9]], [NO_IDS])
    cpu, gpu = (unlearn_fleet(digits, described[d], base.states, request) for d in ("cpu", "cuda"))
    np.testing.assert_allclose(gpu.logits, cpu.logits, atol=5e-3)


def test_a_study_gives_the_same_bytes_twice(tmp_path):
    def scores(folder):
        project = new_project(tmp_path / folder)
        project.snakemake("--cores", "8", "--config", "device=cuda", "precision=bfloat16")
        costs = project.results("trained/digits/cnn1/standard/seeds0-1/costs.json")
        machine = json.loads(costs.read_text())["machine"]
        assert machine["device"] != "cpu" and machine["precision"] == "bfloat16"
        return stable(project.results("scores.csv"))

    assert scores("one") == scores("two")


def test_noise_for_all_of_cifar10_with_resnet18(capsys):
    """50,000 images, two rounds of the search; the bounds hold and the source is fooled."""
    data = build("cifar10", raw_data("cifar-10-batches-py"), retain_sample=1000)
    parameters = {"model": "resnet18", "rounds": 2, "steps": 3, "training_steps": 50}
    noise = block("noises", "error_minimizing", batch_size=128, **parameters)
    described = NoiseJob(noise=noise, device="cuda")
    start = time.perf_counter()
    values, record, _ = make_noise(data, described)
    seconds = time.perf_counter() - start
    with capsys.disabled():
        print("\nresnet18, 50,000 images:", json.dumps(record), f"{seconds:.1f} s")
    assert values.shape == data.train_images.shape and abs(values.astype(int)).max() <= 8
    assert (values < 0).mean() > 0.2 and (values > 0).mean() > 0.2
    noisy = data.train_images.astype(int) + values
    assert noisy.min() >= 0 and noisy.max() <= 255
    assert record["error"] < 0.8  # by guessing a model makes 0.9
