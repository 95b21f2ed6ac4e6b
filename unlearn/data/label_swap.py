"""A data set in which points of two classes have exchanged their labels before training."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from unlearn.core import seeding
from unlearn.data.dataset import Dataset
from unlearn.storage.files import digest


def with_swapped_labels(
    dataset: Dataset, classes: Sequence[int], amount: float, seed: int
) -> Dataset:
    """The data set with the labels of some points in base training exchanged between two classes.

    Test and validation labels stay, and so do those of held-out points. The description keeps the
    ids of the points and their true labels.

    Args:
        dataset: The data set with true labels.
        classes: Two classes.
        amount: Below 1 the share of the points of each class; else their number, half of each
            class, one more of the first where it is odd.
        seed: Decides the points; smaller amounts are contained in larger ones.

    Raises:
        ValueError: More points than a class has, or none; the message names the class.
    """
    first, second = classes
    base_ids = dataset.base_ids
    order = seeding.shuffled(base_ids, seeding.derive(seed, "swapped"))
    order_labels = np.asarray(dataset.train_labels)[order]
    halves = {first: (int(amount) + 1) // 2, second: int(amount) // 2}
    labels = np.array(dataset.train_labels)
    swapped_ids = []
    for label, other in ((first, second), (second, first)):
        class_ids = order[order_labels == label]
        points = halves[label] if amount >= 1 else int(amount * len(class_ids) + 0.5)
        if points > len(class_ids):
            raise ValueError(
                f"swapped: {amount:g} is not allowed; allowed: at most twice the "
                f"{len(class_ids)} points of class {label}"
            )
        if points == 0:
            raise ValueError(
                f"swapped: {amount:g} selects no point of class {label}, which has "
                f"{len(class_ids)}; allowed: a larger share"
            )
        labels[class_ids[:points]] = other
        swapped_ids.append(class_ids[:points])
    ids = np.sort(np.concatenate(swapped_ids))
    swapped = replace(dataset, train_labels=labels)
    description = dataset.description | {
        "swap": {
            "classes": [first, second],
            "amount": amount,
            "seed": seed,
            "ids": ids.tolist(),
            "true_labels": dataset.train_labels[ids].tolist(),
        },
        "sha256": digest(*swapped.arrays().values()),
    }
    return replace(swapped, description=description)
