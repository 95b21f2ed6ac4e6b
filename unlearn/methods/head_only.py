"""The last layer alone: a control that edits the classifier and leaves the features."""

import math

from unlearn.core import seeding
from unlearn.methods.base import Method, Update, parameter


class HeadOnly(Method):
    """Edit the classifier, and leave the features untouched to the bit.

    The last linear layer alone is trained: down on the loss of the retain set, up on that of the
    forget set. Every step minimises

        CE(retained minibatch) - beta mean( min(CE(forgotten point), ln C) )

    The bound ln C is the loss of a uniform prediction, so that the ascent cannot diverge. This is
    a control: a metric that calls its models unlearned looks at the last layer only.

    Cost:
        `epochs` passes over the retain set, and as many minibatches of deleted points.

    Pitfalls:
        Predictions look unlearned and features are not: relearning a few points brings the others
        back.
    """

    continues = True
    is_control = True

    epochs: int = parameter(1, minimum=1, help="Passes over the retain set.")
    lr: float = parameter(0.01, above=0, search=("log", 1e-4, 1e-1))
    beta: float = parameter(1.0, minimum=0, help="Weight of the ascent on the forget set.")

    def gradient_evaluations(self, retained, deleted, recipe):
        """One for every retained point and epoch, and a minibatch of forgotten points a step."""
        if not self.beta:
            return self.epochs * retained
        steps = self.epochs * math.ceil(retained / recipe.batch_size)
        return self.epochs * retained + steps * min(deleted, recipe.batch_size)

    def unlearn(self, task, original, request, seed):
        """The trained model with another last layer; ValueError for a network without one."""
        from torch import nn

        from unlearn.algorithms.losses import bounded_ascent, cross_entropy
        from unlearn.training.cyclic_batches import CyclicBatches

        model = task.model(original).eval()  # statistics of batch normalisation are features
        linear = [name for name, layer in model.named_modules() if isinstance(layer, nn.Linear)]
        if not linear:
            raise ValueError("the network has no linear layer that could be edited alone")
        head = model.get_submodule(linear[-1])
        names = [f"{linear[-1]}.{name}".lstrip(".") for name, _ in head.named_parameters()]
        optimizer = task.optimizer(model, lr=self.lr, only=names)
        bound = math.log(task.data.classes)
        order = seeding.derive(seed, "head only")
        forget_batches = CyclicBatches(request.forget_ids, task.recipe.batch_size, order)
        for epoch in range(self.epochs):
            for batch in task.minibatches(request.retain_ids, order, epoch, min_points=1):
                loss = cross_entropy(model(batch.images), batch.labels)
                if self.beta and len(request.forget_ids):
                    ids = forget_batches.next()
                    logits = model(task.data.images(ids))
                    loss = loss + self.beta * bounded_ascent(logits, task.data.labels(ids), bound)
                optimizer.step(loss)
        return Update(model)
