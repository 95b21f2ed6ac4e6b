"""Boundary shrinking: give the deleted points to their nearest other class."""

from unlearn.core import seeding
from unlearn.methods.base import Method, Update, parameter


class BoundaryShrink(Method):
    """Train the deleted points to be what they nearly are: the class beyond their boundary.

    The new label y' of a deleted point is the trained model's prediction for its adversarial image,
    one step of size `bound` up its loss. Every step then minimises, over the deleted points alone,

        CE(x, y')

    Batch normalisation is frozen: its statistics over deleted points alone would change the model
    more than the training does.

    Cost:
        A gradient with respect to the image and a forward pass for each deleted point, and `epochs`
        passes over them: (`epochs` + 1) |D_f| gradients. The retain set is not used.

    Pitfalls:
        Where the adversarial image is still taken for its true class, y' is the true label, and the
        point is learnt instead of forgotten. `unflipped_fraction` is the share of these. Between
        rates that do nothing and rates that ruin the model lies little. The deleted points end with
        confident wrong predictions, which a retrained model need not have.

    References:
        Chen, Gao, Liu, Peng, Wang, "Boundary unlearning", CVPR 2023.
    """

    reads = frozenset({"forget"})
    serves = ("delete",)
    continues = True
    images_only = True

    epochs: int = parameter(3, minimum=1, help="Passes over the deleted points.")
    lr: float = parameter(0.001, above=0, search=("log", 1e-5, 1e-1))
    batch_size: int = parameter(64, minimum=1)
    bound: float = parameter(
        0.1,
        above=0,
        maximum=1,
        search=("log", 0.02, 0.5),
        help="How far pixels between 0 and 1 move towards the adversarial image.",
    )

    def gradient_evaluations(self, retained, deleted, recipe):
        """One for the image of every deleted point, and one for each epoch."""
        return (self.epochs + 1) * deleted

    def unlearn(self, task, original, request, seed):
        """The trained model after `epochs` epochs; unchanged if nothing is deleted."""
        from unlearn.algorithms.decision_boundary import neighbour_labels
        from unlearn.algorithms.losses import cross_entropy

        ids = request.deleted_ids
        if not len(ids):
            return Update()
        neighbours = neighbour_labels(task, task.bare_model(original).eval(), ids, self.bound)
        is_unflipped = neighbours == task.data.labels(ids)
        task.meter.count("unflipped_fraction", float(is_unflipped.float().mean()))
        labels = task.data.train_labels.clone()
        labels[ids] = neighbours
        model = task.model(original).eval()
        optimizer = task.optimizer(model, lr=self.lr)
        order = seeding.derive(seed, "boundary")
        for epoch in range(self.epochs):
            for batch in task.minibatches(
                ids, order, epoch, batch_size=self.batch_size, min_points=1
            ):
                optimizer.step(cross_entropy(model(batch.images), labels[batch.ids]))
        return Update(model)
