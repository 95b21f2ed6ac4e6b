"""A deletion in parts, from what the model has memorised least to what it has memorised most.

Importable without torch.
"""

from dataclasses import replace
from itertools import pairwise

import numpy as np

from unlearn.requests.request import Step


def part_sizes(points: int, parts: int) -> list[int]:
    """The points of each part, as equal as can be: the later parts are the larger ones."""
    ends = [points * part // parts for part in range(parts + 1)]
    return [end - start for start, end in pairwise(ends)]


def ranked_parts(ids: np.ndarray, scores: np.ndarray, parts: int) -> list[np.ndarray]:
    """Points, sorted, in parts of ascending scores; the lower id comes first among equals.

    Args:
        ids: The points, N, sorted.
        scores: How much each is memorised, N.
        parts: The number of parts.
    """
    ranking = ids[np.argsort(scores, kind="stable")]
    cuts = np.cumsum(part_sizes(len(ids), parts))[:-1]
    return [np.sort(part) for part in np.split(ranking, cuts)]


def part_steps(request: Step, parts: list[np.ndarray]) -> list[Step]:
    """The step as one for each part; points of later parts are still retained.

    Args:
        request: The step.
        parts: Its deleted points; a part without points has a step, too.
    """
    base_ids = np.union1d(request.forget_ids, np.setdiff1d(request.retain_ids, request.added_ids))
    previous_ids = request.previous_ids
    steps = []
    for part, ids in enumerate(parts):
        retain_ids = np.union1d(request.retain_ids, np.concatenate([ids[:0], *parts[part + 1 :]]))
        step = replace(
            request,
            previous_ids=previous_ids,
            retain_ids=retain_ids,
            deleted_ids=ids,
            forget_ids=np.setdiff1d(base_ids, retain_ids),
            added_ids=np.setdiff1d(retain_ids, base_ids),
        )
        steps.append(step)
        previous_ids = retain_ids
    return steps
