"""The machine a job runs on: device, arithmetic, threads."""

import contextlib
import ctypes
import os
import platform
import random
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from threadpoolctl import threadpool_limits

_LIMITS = ("ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA", "MKL_ENABLE_INSTRUCTIONS", "MKL_CBWR")
"""Environment variables that keep libraries from a CPU's widest instructions."""

_EXTENSIONS = ("amx_tile", "avx512_bf16", "avx512_vnni", "avx512f", "avx2")
"""What oneDNN's and MKL's choice of kernels depends on, the widest first, as Linux names it."""


class MachineError(RuntimeError):
    """A machine that lacks what was asked for: no fault of a method."""


@dataclass(frozen=True)
class Machine:
    """Where and in which arithmetic a model is trained."""

    device: torch.device
    precision: str
    """`float32` or `bfloat16` (autocast; weights stay float32)."""

    def autocast(self) -> torch.autocast:
        """The context of a training step."""
        enabled = self.precision == "bfloat16"
        return torch.autocast(self.device.type, torch.bfloat16, enabled=enabled)

    def synchronize(self) -> None:
        """Wait for the device, before a clock is read."""
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)

    @property
    def arithmetic(self) -> str:
        """What decides about the bits of a result, versions apart, as one text.

        The same float32 training under AVX2 and under AVX512 ends with models whose predictions
        differ on many points: rounding differs, and training amplifies it.
        """
        if self.device.type == "cuda":
            kind = torch.cuda.get_device_name(self.device)
        else:
            limits = [f"{name}={os.environ[name]}" for name in _LIMITS if name in os.environ]
            kind = " ".join(["cpu", torch.backends.cpu.get_cpu_capability(), *_widest(), *limits])
        return f"{kind} {self.precision}"

    def describe(self) -> dict:
        """What is recorded with every result."""
        cuda = self.device.type == "cuda"
        return {
            "device": torch.cuda.get_device_name(self.device) if cuda else "cpu",
            "precision": self.precision,
            "arithmetic": self.arithmetic,
            "processor": _processor(),
            "threads": torch.get_num_threads(),
            "python": platform.python_version(),
            "torch": torch.__version__,
            "numpy": np.__version__,
        }


def choose(device: str, precision: str, convolutional: bool) -> Machine:
    """Resolve `auto` and make the process deterministic, with one CPU thread.

    MachineError for `cuda` where there is none.
    """
    torch.set_num_threads(1)
    threadpool_limits(1)  # numpy's
    _keep_freed_memory()
    random.seed(0)
    np.random.seed(0)
    torch.manual_seed(0)
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    if device == "cuda":
        if not torch.cuda.is_available():
            raise MachineError("device: cuda was asked for, there is none; allowed: auto, cpu")
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        torch.backends.cudnn.benchmark = False
        torch.backends.cudnn.allow_tf32 = False
        torch.use_deterministic_algorithms(True, warn_only=True)
    if precision == "auto":
        fast = (
            torch.cuda.is_bf16_supported(including_emulation=False)
            if device == "cuda"
            else _multiplies_bfloat16()
        )
        precision = "bfloat16" if fast and convolutional else "float32"
    return Machine(torch.device(device), precision)


def _keep_freed_memory() -> None:
    """Have glibc reuse large blocks instead of returning them to the system at every step.

    Activations of a large minibatch would otherwise be mapped and cleared anew each time, which
    costs a third of the speed of `cnn2` at batch 512.
    """
    m_trim_threshold = -1
    m_mmap_threshold = -3
    with contextlib.suppress(OSError):
        libc = ctypes.CDLL("libc.so.6")
        libc.mallopt(m_mmap_threshold, 1 << 30)
        libc.mallopt(m_trim_threshold, (1 << 31) - 1)


def release_freed_memory() -> None:
    """Have glibc return all freed memory to the system once."""
    with contextlib.suppress(OSError):
        ctypes.CDLL("libc.so.6").malloc_trim(0)


def _multiplies_bfloat16() -> bool:
    """Whether the CPU has AVX512-BF16 or AMX; without them autocast is slower than float32."""
    flags = _cpuinfo("flags").split()
    return "avx512_bf16" in flags or "amx_bf16" in flags


def _widest() -> list[str]:
    """The CPU's widest extension, where the system tells."""
    flags = _cpuinfo("flags").split()
    return [name for name in _EXTENSIONS if name in flags][:1]


def _processor() -> str:
    return _cpuinfo("model name") or platform.processor() or platform.machine()


def _cpuinfo(key: str) -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return ""
    return next((line.partition(":")[2].strip() for line in lines if line.startswith(key)), "")
