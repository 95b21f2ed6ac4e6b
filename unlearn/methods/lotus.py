"""LoTUS: a student follows the original model, through draws that soften on the forget set."""

import math

import numpy as np

from unlearn.core import seeding
from unlearn.methods.base import Method, Update, parameter

MIN_EXCESS = -0.01
"""The accuracy on the forget set, less that on unseen points, from which on an epoch is run."""


class Lotus(Method):
    """Logits tempering: make the model as unsure of the forget set as of points it never saw.

    A student starts as the original model o and is trained to follow random draws from it. Points
    of D_f and a share of D_r come in the same minibatches, and every step minimises

        CE(target || student)   with   target = one-hot draw from p_o(x)             on D_r
                                       target = softmax((z_o(x) + Gumbel noise) / T) on D_f

    T is exp(alpha (a_f - a_v)), anew for every epoch. Here a_f is the accuracy of the student on
    D_f, and a_v that of the original on the validation split; a_v is 0 where no class of D_f is
    retained. Training stops where a_f is a_v - 0.01 or less.

    Cost:
        At most `epochs` passes over D_f and over `share` of D_r, forward and backward, and as many
        forward passes of the original. One forward pass over the validation split, and one over
        D_f per epoch.

    Pitfalls:
        Where deleted points are mislabelled or hard, a_f begins below a_v: nothing is then done.
        T is below e^1 for gaps below 1 / alpha, so a well generalising model hardly changes.
        Targets are draws: results vary more between seeds than those of other methods.

    References:
        Spartalis, Semertzidis, Gavves, Daras, "LoTUS: large-scale machine unlearning with a taste
        of uncertainty", CVPR 2025.
    """

    label = "LoTUS"
    reads = frozenset({"forget", "retain", "validation"})
    serves = ("delete",)
    continues = True

    epochs: int = parameter(5, minimum=1, help="Passes over the forget set, at most.")
    lr: float = parameter(
        0.0005, above=0, search=("log", 1e-5, 1e-2), help="Learning rate of Adam."
    )
    alpha: float = parameter(
        8.0,
        minimum=0,
        maximum=100,
        search=("uniform", 2.0, 20.0),
        help="How fast the temperature rises with the gap of accuracies.",
    )
    share: float = parameter(
        0.3, above=0, maximum=1, help="The share of the retain set that the student is held by."
    )
    batch_size: int = parameter(128, minimum=1)

    def temperature(self, forget_accuracy: float, reference: float) -> float:
        """The temperature of an epoch, from accuracies between 0 and 1."""
        return math.exp(self.alpha * (forget_accuracy - reference))

    def unlearn(self, task, original, request, seed):
        """The student; the original if nothing is deleted. ValueError without validation points."""
        import torch

        from unlearn.algorithms.accuracies import charged_accuracy, unseen_accuracy
        from unlearn.algorithms.gumbel import GumbelTargets, soft_cross_entropy

        if not len(task.data.validation_labels):
            raise ValueError("the validation split has no point; allowed: validation above 0")
        if not len(request.deleted_ids):
            return Update()
        teacher, student = task.model(original).eval(), task.model(original)
        reference = unseen_accuracy(task, teacher, request)
        order = seeding.derive(seed, "lotus")
        targets = GumbelTargets(seeding.derive(order, "targets"))
        size = math.ceil(self.share * len(request.retain_ids))
        sample = seeding.shuffled(request.retain_ids, seeding.derive(order, "share"))[:size]
        ids = np.union1d(request.deleted_ids, sample)
        optimizer = task.optimizer(student, lr=self.lr, optimizer="adam", weight_decay=0.0)
        pixels = task.data.train_images[torch.from_numpy(request.deleted_ids)]
        labels = task.data.labels(request.deleted_ids)
        for epoch in range(self.epochs):
            accuracy = charged_accuracy(task, student, pixels, labels)
            if accuracy - reference <= MIN_EXCESS:
                break
            temperature = self.temperature(accuracy, reference)
            for batch in task.minibatches(ids, order, epoch, batch_size=self.batch_size):
                is_deleted = torch.from_numpy(np.isin(batch.ids, request.deleted_ids))[:, None]
                with torch.no_grad():
                    logits = teacher(batch.images)
                soft = targets.soft(logits, temperature)
                target = torch.where(is_deleted.to(logits.device), soft, targets.one_hot(logits))
                optimizer.step(soft_cross_entropy(student(batch.images), target))
        return Update(student)
