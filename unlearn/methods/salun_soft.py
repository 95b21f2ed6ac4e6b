"""SalUn-soft: random labels, learnt with a sparse change of the weights."""

from unlearn.methods.base import Method, Update, parameter


class SalunSoft(Method):
    """Learn random labels for the deleted points, with a change of weights that is kept sparse.

    Instead of a mask that is found in advance, every step is followed by soft thresholding of the
    change of all p weights since a reference.

        CE(minibatch, labels')    then    change = sign(change) max(|change| - threshold, 0)

    The threshold of step t of T is the r-th smallest |change|, r = int(share (1 - t / T) p): at
    least r weights are what they were. So the change is sparsest at first. The reference is the
    trained model, or the model at the beginning of each epoch.

    Cost:
        epochs x (retained + deleted points), forward and backward; a selection among all weights in
        every step.

    Pitfalls:
        Every step takes the threshold off all changes. A large `share` at a small rate undoes most
        of the learning, and the model barely moves.

    References:
        Fan, Liu, Zhang, Wong, Wei, Liu, "SalUn: empowering machine unlearning via gradient-based
        weight saliency in both image classification and generation", ICLR 2024.
    """

    label = "SalUn-soft"
    continues = True
    conformance_variants = ({"reference": "epoch", "order": "sequential"},)
    neutral = (({"share": 0.0}, "random_label", {}),)

    epochs: int = parameter(
        2, minimum=1, search=("choice", (1, 2, 3, 5)), help="Passes over the retain set."
    )
    lr: float = parameter(0.01, above=0, search=("log", 1e-3, 1e-1))
    share: float = parameter(
        0.5,
        minimum=0,
        maximum=1,
        search=("uniform", 0.1, 0.9),
        help="The share of the weights that the first step leaves alone; it falls linearly to 0.",
    )
    reference: str = parameter(
        "original",
        choices=("original", "epoch"),
        search=("choice", ("original", "epoch")),
        help="The model since which changes count: the trained one, or that before each epoch.",
    )
    order: str = parameter(
        "mixed",
        choices=("mixed", "sequential"),
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
        """The trained model after a sparse change; fine-tuned so if nothing is deleted."""
        from unlearn.algorithms.losses import cross_entropy
        from unlearn.algorithms.relabelling import Relabelling
        from unlearn.algorithms.soft_thresholding import SparseChange

        relabelling = Relabelling(self.order, self.redraw, self.exclude_true, self.batch_size)
        places = relabelling.places(task, request)
        recipe = task.recipe
        model = task.model(original)
        optimizer = task.optimizer(model, lr=self.lr, nesterov=recipe.nesterov)
        weights = sum(parameter.numel() for parameter in optimizer.parameters)
        for epoch in range(self.epochs):
            if epoch == 0 or self.reference == "epoch":
                change = SparseChange(optimizer.parameters)
            for batch in relabelling.minibatches(task, request, seed, epoch):
                model.train(not batch.deleted_only)
                logits = model(batch.images)
                optimizer.step(cross_entropy(logits, batch.labels, recipe.label_smoothing))
                time = (epoch + batch.place / places) / self.epochs
                change.shrink(int(self.share * (1 - time) * weights))
        return Update(model)
