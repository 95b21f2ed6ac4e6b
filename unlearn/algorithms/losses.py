"""What unlearning minimises: cross-entropy, bounded ascent, distillation."""

from dataclasses import dataclass

import torch
from torch.nn import functional


def cross_entropy(
    logits: torch.Tensor, labels: torch.Tensor, label_smoothing: float = 0.0
) -> torch.Tensor:
    """The mean cross-entropy, in nats. `logits` N x C, `labels` N.

    `label_smoothing` is the share of every label that is spread evenly over the classes.
    """
    return functional.cross_entropy(logits.float(), labels, label_smoothing=label_smoothing)


def bounded(losses: torch.Tensor, bound: float) -> torch.Tensor:
    """min(loss, bound) of every point, with a gradient of exactly 0 from the bound on.

    With the loss of a uniform prediction, ln C, as the bound, raising the loss of points cannot
    diverge. An infinite bound is none.
    """
    return torch.where(losses < bound, losses, bound)


def bounded_ascent(logits: torch.Tensor, labels: torch.Tensor, bound: float) -> torch.Tensor:
    """Minus the mean cross-entropy, each point's up to `bound`: falls as the loss rises."""
    losses = functional.cross_entropy(logits.float(), labels, reduction="none")
    return -bounded(losses, bound).mean()


@dataclass(frozen=True)
class Distance:
    """How far a student's logits are from its teacher's, means over points.

    `kl`: tau^2 KL(softmax(teacher / tau) || softmax(student / tau)) (Hinton, Vinyals, Dean 2015).
    `logits`: half the mean square over classes of the difference of centred logits, to which the
    former tends as tau grows.
    """

    match: str
    temperature: float

    def target(self, teacher_logits: torch.Tensor) -> torch.Tensor:
        """What the distance needs of the teacher, N x C, float32."""
        if self.match == "kl":
            return functional.log_softmax(teacher_logits.float() / self.temperature, dim=1)
        return teacher_logits.float() - teacher_logits.float().mean(1, keepdim=True)

    def __call__(self, logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """The distance of student logits N x C to rows of what `target` returned."""
        if self.match == "logits":
            return 0.5 * (logits - logits.mean(1, keepdim=True) - target).square().mean()
        student = functional.log_softmax(logits / self.temperature, dim=1)
        divergence = functional.kl_div(student, target, reduction="batchmean", log_target=True)
        return self.temperature**2 * divergence


class Push:
    """The loss on deleted points that a student is pushed off, and how many are pushed.

    mean( w min(CE(student, label), bound) ), to be raised.
    """

    def __init__(self, bound: float):
        self.bound = bound
        self.active = torch.zeros((), dtype=torch.float64)
        """Points so far whose loss was below the bound."""
        self.points = 0
        """All points so far."""

    def __call__(self, losses: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
        """The weighted mean of the bounded losses N with weights N."""
        self.active += (losses.detach() < self.bound).sum().cpu()
        self.points += len(losses)
        return (weights * bounded(losses, self.bound)).mean()


@dataclass(frozen=True)
class Distillation:
    """The loss of a student on a minibatch of retained points, followed by pushed ones.

    (1 - alpha) CE(student, label) + alpha D(teacher, student)      means over retained points
    - beta mean( w min(CE(student, label), bound) )                 over pushed points
    """

    alpha: float
    beta: float
    distance: Distance
    """D."""
    push: Push
    label_smoothing: float = 0.0
    """Of the labels of retained points; pushed points have their labels as they are."""

    def __call__(
        self,
        logits: torch.Tensor,
        labels: torch.Tensor,
        targets: torch.Tensor,
        weights: torch.Tensor,
    ) -> torch.Tensor:
        """The loss of a minibatch of R retained and P pushed points.

        Args:
            logits: Those of the student, R + P rows.
            labels: R + P.
            targets: What `distance.target` returned for the retained points, R rows.
            weights: Those of the pushed points, P.
        """
        retained = len(targets)
        losses = functional.cross_entropy(
            logits[:retained],
            labels[:retained],
            reduction="none",
            label_smoothing=self.label_smoothing,
        )
        loss = self.alpha * self.distance(logits[:retained], targets)
        loss = loss + (1 - self.alpha) * losses.mean()
        if len(weights):
            pushed_losses = functional.cross_entropy(
                logits[retained:], labels[retained:], reduction="none"
            )
            loss = loss - self.beta * self.push(pushed_losses, weights)
        return loss
