"""How soon a model relearns what it has forgotten."""

from collections.abc import Sequence

RELEARNING_STEP = "relearning_step"
"""The column of tables with the steps of relearning so far."""


def relearning_ratio(steps: float | None, oracle_steps: float | None) -> float | None:
    """The steps of a model as a multiple of the oracle's; 1 is right, and 0 needs no step.

    None where one of the two has not relearned, or the oracle has nothing to relearn.
    """
    if steps is None or not oracle_steps:
        return None
    return steps / oracle_steps


def relearning_steps(
    steps: Sequence[int], accuracies: Sequence[float | None], target: float | None
) -> float | None:
    """The steps after which an accuracy reaches a target, interpolated linearly between two.

    Args:
        steps: The numbers of steps at which the accuracy was measured, ascending.
        accuracies: The accuracy after each; None where there is none.
        target: The accuracy to be reached; None where there is none.

    Returns:
        The steps; None if the target is not reached, or if an accuracy before that is missing.
    """
    if target is None:
        return None
    for index, (step, accuracy) in enumerate(zip(steps, accuracies, strict=True)):
        if accuracy is None:
            return None
        if accuracy >= target:
            if index == 0:
                return float(step)
            start, start_accuracy = steps[index - 1], accuracies[index - 1]
            share = (target - start_accuracy) / (accuracy - start_accuracy)
            return start + share * (step - start)
    return None
