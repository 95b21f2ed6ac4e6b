"""PRMQ: prune, draw what is pruned anew, fine-tune with matched entropies, round."""

from unlearn.core import seeding
from unlearn.methods.base import Method, Update, parameter
from unlearn.training.recipe import SCHEDULES

COUNT_POWER = 0.1
"""A class weighs (number of its retained points) ** -0.1, as published."""


class Prmq(Method):
    """PRMQ: replace the smallest weights by new ones, fine-tune, round to half precision.

    Only the largest weights of linear and convolutional layers survive; the rest start again, with
    biases of 0. The model then learns to be as sure of each retained point as the trained model
    was. Every step minimises

        mean( w CE(retained point) ) + mean( (H(student) - H(original))^2 )

    with entropies H of predictions, and w of its class: (number of its retained points)^-0.1,
    divided by their mean. The fourth place of the NeurIPS 2023 challenge.

    Cost:
        E passes over the retain set, and as many forward passes of the original; E may be 3.2.

    Pitfalls:
        The published share of 0.99 retrains a small network in three epochs. Normalisation keeps
        what it has learned. Matched entropies hand on how sure the trained model was.

    References:
        Triantafillou et al., "Are we making progress in unlearning? Findings from the first NeurIPS
        unlearning competition", 2024.
        Cadet, Borovykh, Malekzadeh, Ahmadi-Abhari, Haddadi, "Deep unlearn: benchmarking machine
        unlearning", 2024.
    """

    label = "PRMQ"
    reads = frozenset({"retain"})
    continues = True
    conformance_variants = ({"epochs": 2.5},)

    share: float = parameter(
        0.9,
        minimum=0,
        maximum=1,
        help="The share of weights and biases that is replaced, the smallest of all layers.",
        search=("uniform", 0.5, 0.99),
    )
    epochs: float = parameter(
        3.0, above=0, maximum=1_000_000, help="Passes over the retain set; part of one is allowed."
    )
    lr: float = parameter(0.05, above=0, search=("log", 1e-3, 2e-1))
    schedule: str = parameter("constant", choices=SCHEDULES)
    entropy_weight: float = parameter(
        1.0, minimum=0, help="The weight of the squared difference of entropies."
    )

    def gradient_evaluations(self, retained, deleted, recipe):
        """One for every retained point and epoch; None where an epoch ends before its points."""
        return int(self.epochs) * retained if self.epochs.is_integer() else None

    def unlearn(self, task, original, request, seed):
        """The trained model, pruned, fine-tuned for int(E x minibatches) steps, and rounded."""
        import torch

        from unlearn.algorithms.class_weights import class_weights, weighted_cross_entropy
        from unlearn.algorithms.entropies import entropies
        from unlearn.algorithms.fine_tuning import fine_tuning_steps, steps_per_epoch
        from unlearn.algorithms.pruning import replace_smallest, round_to_half

        model = task.model(original)
        teacher = task.model(original).eval()
        weights = class_weights(task, request.retain_ids, COUNT_POWER)
        replace_smallest(model, self.share, seeding.derive(seed, "prmq"))
        steps = max(1, int(self.epochs * steps_per_epoch(task)))
        optimizer = task.optimizer(
            model,
            lr=self.lr,
            nesterov=task.recipe.nesterov,
            schedule=self.schedule,
            steps=steps,
        )
        for step, batch in fine_tuning_steps(task, request.retain_ids, seed, steps):
            with torch.no_grad():
                target = entropies(teacher(batch.images))
            logits = model(batch.images)
            smoothing = task.recipe.label_smoothing
            loss = weighted_cross_entropy(logits, batch.labels, weights, smoothing)
            distance = (entropies(logits) - target).square().mean()
            optimizer.step(loss + self.entropy_weight * distance, step)
        round_to_half(model)
        return Update(model)
