"""Random label: train on, with random labels for the deleted points."""

from unlearn.methods.base import Method, Update, parameter


class RandomLabel(Method):
    """Train on, with true labels for the retain set and random labels for the deleted points.

    Every step minimises

        CE(minibatch, labels')     labels' = labels on the retain set, random on the deleted points

    `sequential` goes over the deleted points and then over the retain set in every epoch, `mixed`
    over one shuffle of both. Passes over deleted points alone keep batch normalisation frozen.

    Cost:
        epochs x (retained + deleted points), forward and backward.

    Pitfalls:
        A rate that is too low leaves the deleted points known. On a random subset the random labels
        push below the oracle, which still predicts most of its points rightly. Labels drawn with
        the true one among them repeat one in C.

    References:
        Golatkar, Achille, Soatto, "Eternal sunshine of the spotless net", CVPR 2020. Graves,
        Nagisetty, Ganesh, "Amnesiac machine learning", AAAI 2021 (relabelling).
    """

    continues = True
    conformance_variants = ({"order": "sequential"}, {"redraw": False, "exclude_true": False})

    epochs: int = parameter(
        2, minimum=1, search=("choice", (1, 2, 3, 5)), help="Passes over the retain set."
    )
    lr: float = parameter(0.01, above=0, search=("log", 1e-3, 1e-1))
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
        """One for every point and epoch."""
        return self.epochs * (retained + deleted)

    def unlearn(self, task, original, request, seed):
        """The trained model after `epochs` epochs; fine-tuned alone if nothing is deleted."""
        from unlearn.algorithms.losses import cross_entropy
        from unlearn.algorithms.relabelling import Relabelling

        relabelling = Relabelling(self.order, self.redraw, self.exclude_true, self.batch_size)
        recipe = task.recipe
        model = task.model(original)
        optimizer = task.optimizer(model, lr=self.lr, nesterov=recipe.nesterov)
        for epoch in range(self.epochs):
            for batch in relabelling.minibatches(task, request, seed, epoch):
                model.train(not batch.deleted_only)
                logits = model(batch.images)
                optimizer.step(cross_entropy(logits, batch.labels, recipe.label_smoothing))
        return Update(model)
