"""SalUn: random labels, learnt by the weights that matter most for the deleted points."""

from unlearn.methods.base import Method, Update, parameter


class Salun(Method):
    """Learn random labels for the deleted points, with their most salient weights alone.

    The gradient g of the cross-entropy is summed over the deleted points at the trained model, in
    evaluation mode. The weights with the largest |g|, a `share` of all in one ranking over the
    network, are trained as by random label; the others keep their values to the bit.

        CE(minibatch, labels')     over weights with |g| among the largest

    Statistics of batch normalisation are no weights: those of the retain set move.

    Cost:
        epochs x (retained + deleted) + deleted points, forward and backward.

    Pitfalls:
        As for random label: a rate that is too low forgets nothing. A small `share` needs a larger
        rate. At `share: 1` the method is random label; in small networks half of the weights do
        nearly the same.

    References:
        Fan, Liu, Zhang, Wong, Wei, Liu, "SalUn: empowering machine unlearning via gradient-based
        weight saliency in both image classification and generation", ICLR 2024.
    """

    label = "SalUn"
    continues = True
    conformance_variants = ({"order": "sequential", "share": 0.1},)
    neutral = (({"share": 1.0}, "random_label", {}),)

    epochs: int = parameter(
        2, minimum=1, search=("choice", (1, 2, 3, 5)), help="Passes over the retain set."
    )
    lr: float = parameter(0.01, above=0, search=("log", 1e-3, 1e-1))
    share: float = parameter(
        0.5,
        above=0,
        maximum=1,
        search=("uniform", 0.1, 0.9),
        help="The share of the weights that is trained.",
    )
    order: str = parameter(
        "mixed",
        choices=("mixed", "sequential"),
        search=("choice", ("mixed", "sequential")),
        help="Deleted points shuffled among the retained ones, or before them in every epoch.",
    )
    redraw: bool = parameter(True, help="Whether every epoch draws the labels anew.")
    exclude_true: bool = parameter(True, help="Whether a random label is never the true one.")
    batch_size: int | None = parameter(
        None, minimum=2, help="Points of a minibatch; null takes that of the recipe."
    )

    def gradient_evaluations(self, retained, deleted, recipe):
        """One for every point and epoch, and one for every deleted point."""
        return self.epochs * (retained + deleted) + deleted

    def unlearn(self, task, original, request, seed):
        """The trained model with other salient weights; fine-tuned alone if nothing is deleted."""
        from unlearn.algorithms import saliency
        from unlearn.algorithms.losses import cross_entropy
        from unlearn.algorithms.relabelling import Relabelling

        relabelling = Relabelling(self.order, self.redraw, self.exclude_true, self.batch_size)
        recipe = task.recipe
        model = task.model(original)
        mask = None  # where nothing is deleted no weight is more salient than another
        if len(request.deleted_ids):
            sums = saliency.gradient_sums(task, original, request.deleted_ids)
            mask = saliency.masks(sums, self.share)
        optimizer = task.optimizer(model, lr=self.lr, nesterov=recipe.nesterov, mask=mask)
        for epoch in range(self.epochs):
            for batch in relabelling.minibatches(task, request, seed, epoch):
                model.train(not batch.deleted_only)
                logits = model(batch.images)
                optimizer.step(cross_entropy(logits, batch.labels, recipe.label_smoothing))
        return Update(model)
