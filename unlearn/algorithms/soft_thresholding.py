"""Soft thresholding: most weights stay as they were, and the others change by less."""

from collections.abc import Sequence

import torch


def smallest(changes: Sequence[torch.Tensor], rank: int) -> torch.Tensor:
    """The `rank`-th smallest absolute value of all changes, counted from 1, a scalar."""
    values = torch.cat([change.abs().flatten() for change in changes])
    return torch.kthvalue(values, rank).values


def soft_threshold(change: torch.Tensor, threshold: torch.Tensor) -> torch.Tensor:
    """The change, its absolute value less the threshold, or 0 where that is larger."""
    return torch.sign(change) * (change.abs() - threshold).clamp_min(0)


class SparseChange:
    """The change of parameters since a reference, which can be made sparse."""

    def __init__(self, parameters: Sequence[torch.Tensor]):
        """The reference is what the parameters are now."""
        self.parameters = list(parameters)
        self.references = [parameter.detach().clone() for parameter in self.parameters]

    @torch.no_grad()
    def shrink(self, rank: int) -> None:
        """Soft-threshold the change, in place, by its `rank`-th smallest absolute value.

        So at least `rank` weights are what they are in the reference, to the bit. A rank of 0
        leaves all as it is.
        """
        if rank == 0:
            return
        pairs = list(zip(self.parameters, self.references, strict=True))
        changes = [parameter - reference for parameter, reference in pairs]
        threshold = smallest(changes, rank)
        for (parameter, reference), change in zip(pairs, changes, strict=True):
            parameter.copy_(reference + soft_threshold(change, threshold))
