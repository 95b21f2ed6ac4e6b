"""Two teachers of one student: one for the points to forget, one for all others."""

import numpy as np
import torch
from torch import nn

from unlearn.algorithms.losses import Distance
from unlearn.training.minibatches import Batch

DIVERGENCE = Distance("kl", 1.0)


class TwoTeachers:
    """An incompetent teacher of the points to forget, and a competent one of the others."""

    def __init__(self, incompetent: nn.Module, competent: nn.Module, forget_ids: np.ndarray):
        """Both teach in evaluation mode."""
        self.incompetent = incompetent.eval()
        self.competent = competent.eval()
        self.forget_ids = forget_ids

    def divergence(self, student_logits: torch.Tensor, batch: Batch) -> torch.Tensor:
        """The mean of KL(teacher || student) over a minibatch; each point asks one teacher."""
        is_forgotten = torch.from_numpy(np.isin(batch.ids, self.forget_ids))
        is_forgotten = is_forgotten.to(batch.images.device)
        total = student_logits.new_zeros(())
        for index, teacher in ((is_forgotten, self.incompetent), (~is_forgotten, self.competent)):
            if index.any():
                with torch.no_grad():
                    target = DIVERGENCE.target(teacher(batch.images[index]))
                share = index.float().mean()
                total = total + share * DIVERGENCE(student_logits[index], target)
        return total
