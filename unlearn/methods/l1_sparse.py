"""l1-sparse: fine-tune with a penalty that makes weights vanish."""

from unlearn.methods.base import Method, Update, parameter


class L1Sparse(Method):
    """Fine-tune on the retain set with a penalty on the magnitudes of all weights.

    Weights that only the deleted points need shrink to zero; those that the retain set needs are
    held up by its loss. In epoch e = 0 .. E - 1, with E0 epochs at the end without penalty, every
    step minimises

        CE(retained minibatch) + gamma_e sum |weight|
        gamma_e = gamma (1 - e / (E - E0))      for e < E - E0, then 0

    Cost:
        E passes over the retain set.

    Pitfalls:
        The sum of magnitudes grows with the width of the network, so gamma does not carry over to
        another. A small gamma is plain fine-tuning, a large one ruins accuracy; a class needs a
        larger one, and a larger rate, than random points. Without epochs at the end that have no
        penalty, accuracy stays several points lower.

    References:
        Jia, Liu, Ram, Yao, Liu, Liu, Sharma, Liu, "Model sparsity can simplify machine unlearning",
        NeurIPS 2023.
    """

    label = "l1-sparse"
    reads = frozenset({"retain"})
    continues = True
    neutral = (({"gamma": 0.0, "epochs": 2, "lr": 0.01}, "finetune", {"epochs": 2, "lr": 0.01}),)

    epochs: int = parameter(3, minimum=1, help="Passes over the retain set: E.")
    tail_epochs: int = parameter(
        1, minimum=0, help="Epochs at the end without penalty: E0, below E."
    )
    lr: float = parameter(0.05, above=0, search=("log", 1e-3, 2e-1))
    gamma: float = parameter(
        5e-4,
        minimum=0,
        help="The weight of the penalty in the first epoch.",
        search=("log", 1e-5, 5e-3),
    )

    def validate(self):
        """Raise ValueError where no epoch has a penalty."""
        if self.tail_epochs >= self.epochs:
            raise ValueError(
                f"tail_epochs: {self.tail_epochs} leaves none of the {self.epochs} epochs; "
                f"allowed: 0 .. {self.epochs - 1}"
            )

    def gradient_evaluations(self, retained, deleted, recipe):
        """One for every retained point and epoch."""
        return self.epochs * retained

    def penalty(self, epoch: int) -> float:
        """gamma_e: falls by equal steps from gamma; 0 in the tail."""
        return self.gamma * max(0.0, 1 - epoch / (self.epochs - self.tail_epochs))

    def unlearn(self, task, original, request, seed):
        """The trained model after fine-tuning with the penalty."""
        from unlearn.algorithms.losses import cross_entropy

        model = task.model(original)
        optimizer = task.optimizer(model, lr=self.lr, nesterov=task.recipe.nesterov)
        for epoch in range(self.epochs):
            gamma = self.penalty(epoch)
            for batch in task.fine_tuning_batches(request.retain_ids, seed, epoch):
                logits = model(batch.images)
                loss = cross_entropy(logits, batch.labels, task.recipe.label_smoothing)
                if gamma:
                    magnitudes = sum(weight.abs().sum() for weight in optimizer.parameters)
                    loss = loss + gamma * magnitudes
                optimizer.step(loss)
        return Update(model)
