"""NegGrad+: down on the loss of the retain set and up on that of the forget set, in one step."""

from unlearn.core import seeding
from unlearn.methods.base import Method, Update, parameter


class NeggradPlus(Method):
    """Train on, down on the loss of the retain set and up on that of the deleted points.

    Every step minimises

        alpha CE(retained minibatch) - (1 - alpha) CE(deleted minibatch)

    Each mean is over its own minibatch, so `alpha` weighs the two sets whatever their sizes. The
    deleted points come in cycles, as many in a step as retained ones, or all where there are fewer.

    Cost:
        twice the points of the retain set in every epoch, forward and backward; less where a
        minibatch is larger than the set of deleted points.

    Pitfalls:
        The ascent is not bounded. An `alpha` far below 0.99 can destroy a small network, and so can
        a larger rate. Close to 1 the method is fine-tuning, and a class is not forgotten. Few
        deleted points need a smaller rate or a larger `alpha`.

    References:
        Kurmanji, Triantafillou, Hayes, Triantafillou, "Towards unbounded machine unlearning",
        NeurIPS 2023 (the baseline). Golatkar, Achille, Soatto, "Eternal sunshine of the spotless
        net", CVPR 2020 (the ascent alone).
    """

    label = "NegGrad+"
    continues = True
    conformance_variants = ({"batch_size": 16}, {"batch_normalisation": "frozen"})
    neutral = (({"alpha": 1.0}, "finetune", {}),)

    epochs: int = parameter(2, minimum=1, help="Passes over the retain set.")
    lr: float = parameter(0.01, above=0, search=("log", 1e-3, 1e-1))
    alpha: float = parameter(
        0.99,
        minimum=0,
        maximum=1,
        search=("uniform", 0.9, 0.999),
        help="Weight of the retain set; 1 - alpha is that of the ascent.",
    )
    batch_size: int | None = parameter(
        None, minimum=2, help="Points of either minibatch; null takes that of the recipe."
    )
    batch_normalisation: str = parameter(
        "train",
        choices=("train", "frozen"),
        help="Statistics of either minibatch, which move the running ones; or the trained model's.",
    )

    def gradient_evaluations(self, retained, deleted, recipe):
        """Two for every retained point and epoch, where deleted points fill a minibatch."""
        if self.alpha == 1 or deleted == 0:
            return self.epochs * retained
        if deleted < (self.batch_size or recipe.batch_size):
            return None
        return 2 * self.epochs * retained

    def unlearn(self, task, original, request, seed):
        """The trained model after `epochs` epochs; fine-tuned alone if nothing is deleted."""
        from unlearn.algorithms.losses import cross_entropy
        from unlearn.training.cyclic_batches import CyclicBatches

        model = task.model(original)
        recipe = task.recipe
        optimizer = task.optimizer(model, lr=self.lr, nesterov=recipe.nesterov)
        size = self.batch_size or recipe.batch_size
        deleted_batches = CyclicBatches(
            request.deleted_ids, size, seeding.derive(seed, "neggrad plus")
        )
        for epoch in range(self.epochs):
            for batch in task.fine_tuning_batches(request.retain_ids, seed, epoch, size):
                model.train(self.batch_normalisation == "train")
                logits = model(batch.images)
                loss = self.alpha * cross_entropy(logits, batch.labels, recipe.label_smoothing)
                if self.alpha < 1 and len(request.deleted_ids):
                    ids = deleted_batches.next()[: len(batch.labels)]
                    model.train(self.batch_normalisation == "train" and len(ids) > 1)
                    deleted_logits = model(task.data.images(ids))
                    ascent = cross_entropy(deleted_logits, task.data.labels(ids))
                    loss = loss - (1 - self.alpha) * ascent
                optimizer.step(loss)
        return Update(model)
