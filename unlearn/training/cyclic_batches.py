"""Endless minibatches of ids."""

import numpy as np

from unlearn.core import seeding


class CyclicBatches:
    """Endless minibatches of ids: a new seeded permutation on every pass."""

    def __init__(self, ids: np.ndarray, size: int, seed: int):
        """Minibatches of `size` of the ids, or of all where there are fewer."""
        self.ids = ids
        self.size = min(size, len(ids))
        self.seed = seed
        self._rest = ids[:0]
        self._passes = 0

    def next(self) -> np.ndarray:
        """The next ids; each comes once in a pass over all."""
        while len(self._rest) < self.size:
            order = seeding.shuffled(self.ids, seeding.derive(self.seed, "pass", self._passes))
            self._rest = np.append(self._rest, order)
            self._passes += 1
        batch_ids = self._rest[: self.size]
        self._rest = self._rest[self.size :]
        return batch_ids
