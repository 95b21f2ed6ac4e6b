"""Learning rates."""

import math
from collections.abc import Mapping


def learning_rate(recipe: Mapping, step: int, total: int) -> float:
    """The rate of step 0 <= step < total, at most `recipe["lr"]`.

    `cosine` falls from lr to 0 on half a period (Loshchilov and Hutter 2017); `one_cycle` rises
    linearly for the first quarter and falls linearly to 0 (after Smith 2018).
    """
    top, done = recipe["lr"], step / total
    if recipe["schedule"] == "constant":
        return top
    if recipe["schedule"] == "cosine":
        return top * 0.5 * (1 + math.cos(math.pi * done))
    rise = 0.25
    done = (step + 0.5) / total
    return top * (done / rise if done < rise else (1 - done) / (1 - rise))
