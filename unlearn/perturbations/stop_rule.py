"""When the search with a kept source ends, and when its source is renewed."""

from enum import Enum

PATIENCE = 3
"""Rounds running in which a source may know the images; then it is renewed."""

MAX_RENEWALS = 3


class Decision(Enum):
    """What follows a round."""

    GO_ON = "go on"
    CONVERGED = "converged"
    RENEW = "renew"


class StopRule:
    """Decides after each round of a search from the mistakes of its source.

    The search has converged when the source makes few mistakes on noisy images and many on the
    same images without noise: then it has learnt the noise. A source that makes few on both knows
    the images, asks nothing more of the noise, and is renewed after PATIENCE such rounds running.
    """

    def __init__(self, stop_error: float, clean_error: float, least_rounds: int):
        """The most mistakes on noisy images, the least on clean ones, and the fewest rounds."""
        self.stop_error = stop_error
        self.clean_error = clean_error
        self.least_rounds = least_rounds
        self._renewals = 0
        self._rounds = 0
        self._knowing_rounds = 0

    def after(self, error: float, clean_error: float) -> Decision:
        """The decision after a round that leaves these shares of mistakes."""
        self._rounds += 1
        knows_noise = error <= self.stop_error
        knows_images = clean_error < self.clean_error
        if knows_noise and not knows_images and self._rounds >= self.least_rounds:
            return Decision.CONVERGED
        self._knowing_rounds = self._knowing_rounds + 1 if knows_noise and knows_images else 0
        if self._knowing_rounds < PATIENCE or self._renewals == MAX_RENEWALS:
            return Decision.GO_ON
        self._knowing_rounds = 0
        self._renewals += 1
        return Decision.RENEW
