"""Random predictions: classes drawn from logits, hard or softened.

References:
    Jang, Gu, Poole, "Categorical reparameterization with Gumbel-softmax", ICLR 2017.
"""

import torch
from torch.nn import functional


class GumbelTargets:
    """Draws targets from logits N x C, a function of the seed and of the calls so far."""

    def __init__(self, seed: int):
        self._generator = torch.Generator().manual_seed(seed)

    def one_hot(self, logits: torch.Tensor) -> torch.Tensor:
        """A class of every row, drawn by softmax(logits), as N x C of 0 and 1."""
        noisy_logits = self._noisy(logits)
        return functional.one_hot(noisy_logits.argmax(1), logits.shape[1]).float()

    def soft(self, logits: torch.Tensor, temperature: float) -> torch.Tensor:
        """softmax((logits + Gumbel noise) / temperature), N x C: the flatter the higher it is."""
        return functional.softmax(self._noisy(logits) / temperature, dim=1)

    def _noisy(self, logits: torch.Tensor) -> torch.Tensor:
        """The logits with independent Gumbel noise."""
        exponentials = torch.empty(logits.shape).exponential_(generator=self._generator)
        return logits.float() - exponentials.log().to(logits.device)


def soft_cross_entropy(logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """The mean over N points of -sum_c target_c log softmax_c(logits), in nats. Both N x C."""
    return -(targets * functional.log_softmax(logits.float(), dim=1)).sum(1).mean()
