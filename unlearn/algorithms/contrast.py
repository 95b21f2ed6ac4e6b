"""Losses that flatten predictions, and that push logits of some points off those of others."""

import torch
from torch.nn import functional


def uniform_divergence(logits: torch.Tensor) -> torch.Tensor:
    """The mean of KL(uniform || softmax(logits)) over N points, in nats. `logits` N x C."""
    log_classes = torch.log(torch.tensor(float(logits.shape[1]), device=logits.device))
    return -functional.log_softmax(logits.float(), dim=1).mean() - log_classes


def contrast(
    forget_logits: torch.Tensor, retain_logits: torch.Tensor, temperature: float
) -> torch.Tensor:
    """How unevenly points to be forgotten resemble retained ones; ln R where they do so evenly.

    The mean of -log softmax_j(z_f . z_r / temperature) over all pairs, where j counts the retained
    points. There is no gradient through the logits of retained points.

    Args:
        forget_logits: z_f, F x C.
        retain_logits: z_r, R x C.
        temperature: Divides the similarities.
    """
    similarities = forget_logits.float() @ retain_logits.detach().float().t() / temperature
    return -functional.log_softmax(similarities, dim=1).mean()
