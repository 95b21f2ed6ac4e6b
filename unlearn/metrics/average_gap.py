"""One number for several differences between a model and its reference.

Both are computed for a pair of models and averaged over pairs afterwards: the gap of two means can
be 0 although every pair differs.
"""

from collections.abc import Mapping

import numpy as np

Measures = Mapping[str, float | None]
"""Values in 0..1 by name: accuracies by split, and the success of an attack as `attack`."""

TOW_SPLITS = ("forget", "retain", "test")
"""The splits whose accuracies make up ToW."""


def average_gap(reference: Measures, model: Measures) -> float | None:
    """The mean absolute difference over the measures that both have, in 0..1.

    The measures are the accuracies on forget, retain and test set, and the success of the attack.
    None unless both have the same measures, one at least.

    References:
        Fan et al., SalUn, ICLR 2024.
    """
    names = [name for name in reference if name in model]
    if not names or len(names) < max(len(reference), len(model)):
        return None
    if any(reference[name] is None or model[name] is None for name in names):
        return None
    return float(np.mean([abs(model[name] - reference[name]) for name in names]))


def tow(reference: Measures, model: Measures) -> float | None:
    """(1 - |d_forget|) (1 - |d_retain|) (1 - |d_test|) of differences of accuracy, in 0..1.

    1 is the reference. None without an accuracy on each of the three.

    References:
        Zhao et al., What makes unlearning hard and what to do about it, NeurIPS 2024.
    """
    product = 1.0
    for split in TOW_SPLITS:
        pair = (reference.get(split), model.get(split))
        if None in pair:
            return None
        product *= 1 - abs(pair[1] - pair[0])
    return product
