"""What work costs: gradient evaluations, FLOPs, time and memory."""

import subprocess
import sys
import time

import numpy as np
import torch
from torch import nn

from tests.support.jobs import task as new_task
from tests.support.project import ROOT
from unlearn.core import registry
from unlearn.training.loop import fit
from unlearn.training.meter import Meter, flops_per_sample, measure
from unlearn.training.state import state_of


def test_gradient_evaluations_are_counted(digits):
    task = new_task(digits, epochs=2)
    fit(task, task.new_model(0), np.arange(100), task.recipe, 0)
    assert task.meter.gradient_evaluations == 200


def test_flops_of_known_layers():
    assert flops_per_sample(nn.Linear(784, 10), torch.zeros(1, 784)) == (15_680, 15_680)
    mlp = nn.Sequential(nn.Linear(784, 128), nn.ReLU(), nn.Linear(128, 10))
    assert sum(flops_per_sample(mlp, torch.zeros(1, 784))) == 409_088
    conv = nn.Conv2d(1, 16, 3, padding=1)
    cnn = nn.Sequential(conv, nn.AdaptiveAvgPool2d(1), nn.Flatten())
    assert flops_per_sample(cnn, torch.zeros(1, 1, 28, 28)) == (225_792, 225_792)


def test_flops_are_those_of_torch_s_counter_without_its_compiler():
    """In a process of its own: importing the compiler would take two seconds of every job."""
    program = """if True:
        import sys
        import torch
        from torch.nn import functional
        from torch.utils.flop_counter import FlopCounterMode
        from unlearn.core import registry
        from unlearn.training import meter
        model = registry.find("models", "resnet9")(width=2).build((8, 8, 3), 10).eval()
        image = torch.randn(1, 3, 8, 8)
        flops = meter.flops_per_sample(model, image)
        assert "torch._dynamo" not in sys.modules
        with FlopCounterMode(display=False) as forward:
            logits = model(image)
        with FlopCounterMode(display=False) as backward:
            functional.cross_entropy(logits, torch.zeros(1, dtype=int)).backward()
        assert flops == (forward.get_total_flops(), backward.get_total_flops())
    """
    process = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert process.returncode == 0, process.stderr


def test_counting_flops_changes_nothing_of_the_model():
    model = registry.find("models", "resnet9")(width=2).build((8, 8, 1), 10)
    state = state_of(model)
    flops_per_sample(model, torch.randn(1, 1, 8, 8))
    assert model.training
    assert all(torch.equal(state[name], tensor) for name, tensor in model.state_dict().items())
    assert all(p.grad is None for p in model.parameters())


def test_counting_flops_runs_no_hook_of_a_user():
    """A hook that gathers statistics would take the batch of one for data."""
    model = registry.find("models", "cnn1")().build((8, 8, 1), 10)
    calls = []
    model[0].register_forward_hook(lambda *_: calls.append("forward"))
    model[0].register_full_backward_hook(lambda *_: calls.append("backward"))
    model[0].weight.register_hook(lambda gradient: calls.append("gradient"))
    handle = model[4].register_forward_hook(lambda *_: calls.append("removed"))
    images = torch.randn(1, 1, 8, 8)
    expected = flops_per_sample(registry.find("models", "cnn1")().build((8, 8, 1), 10), images)
    assert flops_per_sample(model, images) == expected
    assert not calls
    handle.remove()
    model(images).sum().backward()
    assert sorted(calls) == ["backward", "forward", "gradient"]


def test_measure_sees_time_and_memory(digits):
    task = new_task(digits)

    def work():
        block = np.ones(25_000_000)  # 200 MB
        return float(block.sum())

    _, large_cost = measure(task.machine, Meter(), work)
    _, small_cost = measure(task.machine, Meter(), lambda: None)
    assert large_cost["peak_memory_bytes"] - small_cost["peak_memory_bytes"] > 150e6
    assert large_cost["wall_seconds"] > 0 and large_cost["cpu_seconds"] > 0
    _, sleep_cost = measure(task.machine, Meter(), lambda: time.sleep(0.3))
    assert sleep_cost["wall_seconds"] >= 0.3 and sleep_cost["cpu_seconds"] < 0.1
