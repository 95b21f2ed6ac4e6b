"""Learning rates."""

import math


def learning_rate(schedule: str, lr: float, step: int, steps: int) -> float:
    """The learning rate of a step, at most `lr`.

    Args:
        schedule: `constant`; `cosine` falls from lr to 0 on half a period (Loshchilov and Hutter
            2017); `one_cycle` rises linearly for the first quarter and falls linearly to 0 (after
            Smith 2018).
        lr: The largest rate.
        step: The place in the schedule, 0 <= step < steps.
        steps: Length of the schedule.
    """
    if schedule == "constant":
        return lr
    if schedule == "cosine":
        return lr * 0.5 * (1 + math.cos(math.pi * (step / steps)))
    rise = 0.25
    share = (step + 0.5) / steps
    return lr * (share / rise if share < rise else (1 - share) / (1 - rise))
