"""AMUN: fine-tune with adversarial examples of the deleted points, labelled as predicted."""

import math

from unlearn.core import seeding
from unlearn.methods.base import Method, Update, parameter


class Amun(Method):
    """Fine-tune with the nearest adversarial example of every deleted point, wrongly labelled.

    For a deleted point (x, y), gradient ascent in growing L2 balls around x finds an image a near x
    that the trained model o takes for another class. A holds the pairs of a and that class. Every
    step then minimises, over a minibatch of the points and its share of A,

        CE(images, labels)     points: D_r and D_f (`all`), D_r (`retained`), or D_f (`deleted`)

    The model keeps its predictions on A and so loses its certainty on D_f, close by. Points of D_f
    keep their true labels. Without D_r batch normalisation is frozen.

    Cost:
        At most (`doublings` + 1) `steps` gradients with respect to each deleted image, and a
        forward pass for every ball. Then `epochs` passes over the points and A.

    Pitfalls:
        With `points: all` a deleted class stays known, only less surely; `retained` forgets it.
        A point without an example after all doublings is left out of A: `unflipped_fraction` is
        the share of these. A point that the trained model gets wrong is its own example.

    References:
        Ebrahimpour-Boroojeny, Sundaram, Chandrasekaran, "AMUN: adversarial machine unlearning",
        ICML 2025.
    """

    label = "AMUN"
    continues = True
    images_only = True
    conformance_variants = ({"points": "all"}, {"points": "deleted"})

    epochs: int = parameter(
        3, minimum=1, search=("choice", (1, 3, 5, 10)), help="Passes over the points."
    )
    lr: float = parameter(0.01, above=0, search=("log", 1e-4, 1e-1))
    points: str = parameter(
        "retained",
        choices=("retained", "all", "deleted"),
        search=("choice", ("retained", "all")),
        help="The points that are trained on beside the examples: all that are left, these and the "
        "deleted ones, or the deleted ones alone.",
    )
    radius: float = parameter(
        0.32, above=0, help="Radius of the first ball, in pixels between 0 and 1."
    )
    doublings: int = parameter(
        7, minimum=0, maximum=30, help="How often the radius doubles, at most."
    )
    steps: int = parameter(50, minimum=1, help="Gradients in a ball, each a tenth of its radius.")

    def supports(self, setting):
        """Additions only where the retain set is trained on."""
        changes = () if setting.request is None else setting.request.changes
        if self.points == "deleted" and "add" in changes:
            return "points: deleted learns no added point; allowed: points: retained or all"
        return None

    def unlearn(self, task, original, request, seed):
        """The trained model after `epochs` epochs; fine-tuned alone if nothing is deleted."""
        import numpy as np

        from unlearn.algorithms.adversarial_examples import NearestExampleSearch
        from unlearn.algorithms.fine_tuning import steps_per_epoch
        from unlearn.algorithms.losses import cross_entropy

        ids = request.deleted_ids
        if self.points == "deleted" and not len(ids):
            return Update()
        search = NearestExampleSearch(self.radius, self.doublings, self.steps)
        examples = search.examples(task, task.bare_model(original).eval(), ids)
        if len(ids):
            task.meter.count("unflipped_fraction", 1 - len(examples.ids) / len(ids))
        recipe = task.recipe
        model = task.model(original).train(self.points != "deleted")
        optimizer = task.optimizer(model, lr=self.lr, nesterov=recipe.nesterov)
        order = seeding.derive(seed, "amun")
        trained_ids = {
            "retained": request.retain_ids,
            "all": np.union1d(request.retain_ids, ids),
            "deleted": ids,
        }[self.points]
        for epoch in range(self.epochs):
            if self.points == "deleted":
                batches = task.minibatches(ids, order, epoch, min_points=1)
                places = math.ceil(len(ids) / recipe.batch_size)
            else:
                batches = task.fine_tuning_batches(trained_ids, seed, epoch)
                places = steps_per_epoch(task)
            mixed_order = seeding.derive(order, "examples", epoch)
            for images, labels in examples.mixed(batches, places, mixed_order):
                optimizer.step(cross_entropy(model(images), labels, recipe.label_smoothing))
        return Update(model)
