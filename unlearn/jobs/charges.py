"""Refusal of weights that changed without any work: their cost would be a false 0."""

from collections.abc import Collection

import numpy as np

from unlearn.training.meter import Meter
from unlearn.training.state import Overlay, State


def check_charged(
    method: str, meter: Meter, state: Overlay, before: State, served_names: Collection[str]
) -> None:
    """Raise ValueError where a method has changed weights and charged nothing.

    A tensor that the state before had under another name has been moved, not changed: an ensemble
    may go back to an earlier checkpoint.

    Args:
        method: Its name, for the message.
        meter: Charged by the method.
        state: The state after the step.
        before: The state that the step met.
        served_names: Tensors of `state` that predictions need.
    """
    meter.settle()
    if meter.gradient_evaluations or meter.forward_evaluations or meter.flops:
        return
    for name in sorted(set(state.written) & set(served_names)):
        tensor = np.asarray(state[name])
        if tensor.dtype.kind == "f" and not _holds(before, name, tensor):
            raise ValueError(
                f"{method}: {name} has changed and no work was charged; train networks of the task "
                "with its optimisers, charge other work to `task.meter`, or declare "
                "`reads = frozenset()` for arithmetic on weights that looks at no point"
            )


def _holds(before: State, name: str, tensor: np.ndarray) -> bool:
    """Whether a state has the values of a tensor, under its name or under another one."""
    names = [name] if name in before else []
    names += [other for other in before if other != name]
    return any(np.array_equal(np.asarray(before[other]), tensor) for other in names)
