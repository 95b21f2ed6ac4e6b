"""Entropies of predictions, and divergences between softened ones."""

import torch
from torch.nn import functional


def entropies(logits: torch.Tensor) -> torch.Tensor:
    """The entropy of the softmax of each row of logits N x C, in nats: N."""
    log_shares = functional.log_softmax(logits.float(), dim=1)
    return -(log_shares.exp() * log_shares).sum(1)


def softened_divergence(
    teacher_logits: torch.Tensor, logits: torch.Tensor, temperature: float
) -> torch.Tensor:
    """KL(softmax(teacher / T) || softmax(student / T)), mean over points, not multiplied by T^2.

    Args:
        teacher_logits: N x C.
        logits: Those of the student, N x C.
        temperature: T.
    """
    teacher = functional.log_softmax(teacher_logits.float() / temperature, dim=1)
    student = functional.log_softmax(logits.float() / temperature, dim=1)
    return functional.kl_div(student, teacher, reduction="batchmean", log_target=True)
