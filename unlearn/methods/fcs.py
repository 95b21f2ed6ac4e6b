"""FCS: flatten predictions on the forget set, then contrast it with the retain set and repair."""

import math

from unlearn.core import seeding
from unlearn.methods.base import Method, Update, parameter


class Fcs(Method):
    """Forget, contrast, strengthen: make predictions on D_f uniform, then push and repair in turns.

    The winner of the NeurIPS 2023 challenge. One pass over D_f minimises

        KL(uniform || p(x_f))

    Each of `rounds` rounds then has a forget pass over D_f, whose minibatches are paired with
    retained ones, and a retain pass over D_r. Their steps minimise

        mean_fr( -log softmax_r( z(x_f) . z(x_r) / temperature ) )
        CE(retained minibatch)

    Logits z(x_r) are constants of the forget pass. The three kinds of passes have optimisers of
    their own, with the momentum of the recipe; only retain passes decay weights. Statistics of
    batch normalisation move in retain passes alone.

    Cost:
        `rounds` passes over D_r and `rounds` + 1 passes over D_f, forward and backward. One more
        forward pass over as many retained minibatches as D_f has, per round.

    Pitfalls:
        With a `contrast_lr` that is too low, retain passes bring back what the first pass removed.
        With one that is too high the logits grow without bound and training diverges.
        Retrained models are not uniform on D_f, so the first pass alone overshoots.

    References:
        Triantafillou et al., "Are we making progress in unlearning? Findings from the first NeurIPS
        unlearning competition", 2024 (its first place).
    """

    label = "FCS"
    continues = True
    neutral = (
        (
            {"rounds": 2, "uniform_lr": 0.0, "contrast_lr": 0.0, "lr": 0.01},
            "finetune",
            {"epochs": 2, "lr": 0.01},
        ),
    )

    rounds: int = parameter(
        3, minimum=1, search=("choice", (1, 2, 3, 5, 8)), help="Pairs of forget and retain pass."
    )
    uniform_lr: float = parameter(
        0.01,
        minimum=0,
        maximum=1e6,
        search=("log", 1e-4, 1e-1),
        help="Learning rate of the first pass over the forget set; 0 leaves it out.",
    )
    contrast_lr: float = parameter(
        0.001,
        minimum=0,
        maximum=1e6,
        search=("log", 1e-5, 1e-2),
        help="Learning rate of forget passes, on a cosine over all of them; 0 leaves them out.",
    )
    lr: float = parameter(
        0.004, above=0, search=("log", 1e-4, 1e-1), help="Learning rate of retain passes."
    )
    temperature: float = parameter(1.15, above=0)
    batch_size: int = parameter(64, minimum=1, help="Deleted points of a minibatch.")

    def gradient_evaluations(self, retained, deleted, recipe):
        """One for every retained point and round, and for every deleted one and forget pass."""
        forget_passes = bool(self.uniform_lr) + self.rounds * bool(self.contrast_lr)
        return self.rounds * retained + forget_passes * deleted

    def unlearn(self, task, original, request, seed):
        """The trained model after the first pass and all rounds."""
        import torch

        from unlearn.algorithms.contrast import contrast, uniform_divergence
        from unlearn.algorithms.losses import cross_entropy
        from unlearn.training.cyclic_batches import CyclicBatches

        model = task.model(original)
        order = seeding.derive(seed, "fcs")

        def forget_batches(epoch):
            model.eval()
            return task.minibatches(
                request.deleted_ids, order, epoch, batch_size=self.batch_size, min_points=1
            )

        if self.uniform_lr:
            flattening = task.optimizer(model, lr=self.uniform_lr, weight_decay=0.0)
            for batch in forget_batches(0):
                flattening.step(uniform_divergence(model(batch.images)))
        if self.contrast_lr:
            steps = self.rounds * math.ceil(len(request.deleted_ids) / self.batch_size)
            forgetting = task.optimizer(
                model, lr=self.contrast_lr, weight_decay=0.0, schedule="cosine", steps=steps
            )
        repair = task.optimizer(model, lr=self.lr, nesterov=task.recipe.nesterov)
        retain_batches = CyclicBatches(request.retain_ids, task.recipe.batch_size, order)
        for index in range(self.rounds):
            for batch in forget_batches(index + 1) if self.contrast_lr else ():
                with torch.no_grad():
                    retain_logits = model(task.data.images(retain_batches.next()))
                loss = contrast(model(batch.images), retain_logits, self.temperature)
                forgetting.step(loss)
            model.train()
            for batch in task.fine_tuning_batches(request.retain_ids, seed, index):
                smoothing = task.recipe.label_smoothing
                repair.step(cross_entropy(model(batch.images), batch.labels, smoothing))
        return Update(model)
