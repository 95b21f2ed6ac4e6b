"""The hyper-parameters of certified methods and trainers, as their procedures read them."""

from typing import Protocol


class Promise(Protocol):
    """The privacy that a method promises."""

    epsilon: float
    delta: float


class DescentParameters(Promise, Protocol):
    """Those of methods that descend on."""

    start: str
    """`original`, or `retrained` for the reference of the certificate."""


class StepParameters(DescentParameters, Protocol):
    """Those of a method that takes a given number of steps."""

    steps: int
    """K."""


class LangevinParameters(DescentParameters, Protocol):
    """Those of Langevin unlearning."""

    steps: int | None
    """K; None takes the least that certifies epsilon."""
    max_steps: int


class RemovalParameters(Promise, Protocol):
    """Those of certified removal."""

    bound: str
    """`taylor` or `paper`."""
    budget: str
    """`exact` or `paper`."""


class PerturbationParameters(Protocol):
    """Those of the trainer of certified removal."""

    sigma: float
    """The standard deviation of the random linear term."""


class NoisyParameters(DescentParameters, Protocol):
    """Those of noisy fine-tuning."""

    mode: str
    """A rule of `certificates.record`."""
    sigma: float | None
    start_radius: float
    gradient_radius: float
    model_radius: float
    noisy_steps: int
    noisy_lr: float
    noisy_weight_decay: float
    epochs: int
    lr: float
    schedule: str
