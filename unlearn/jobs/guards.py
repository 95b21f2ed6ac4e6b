"""Gates that only a job can judge; what they refuse fails, with the reason.

A trained model that a method changes in place would spoil every later comparison. An oracle that
meets a deleted point in a minibatch is none.
"""

from collections.abc import Collection

import numpy as np

from unlearn.storage.files import digest
from unlearn.training.state import State


def model_digest(state: State, names: Collection[str]) -> str:
    """SHA-256 of the tensors of a state that predictions need."""
    return digest(*(np.asarray(state[name]) for name in sorted(names)))


def check_teacher(before: str, after: str, method: str) -> None:
    """Raise ValueError where the trained model has changed while a method unlearned.

    Args:
        before: the digest of the trained model before the method's call.
        after: that after it.
        method: the name of the method.
    """
    if before != after:
        raise ValueError(
            f"teacher moved: {method} has changed the trained model in place; return an `Update`"
        )


def check_oracle(fed: np.ndarray, forget_ids: np.ndarray) -> None:
    """Raise ValueError where an oracle was trained on deleted points.

    Args:
        fed: for each training point whether a minibatch had it, N booleans.
        forget_ids: the ids of the deleted points.
    """
    deleted_ids = forget_ids[fed[forget_ids]]
    if len(deleted_ids):
        raise ValueError(
            f"contaminated oracle: it was trained on {len(deleted_ids)} deleted points, the first "
            f"is {deleted_ids[0]}"
        )
