"""SFRon: fine-tune, and now and then ascend on the forget set where it matters most."""

import math

from unlearn.core import seeding
from unlearn.methods.base import Method, Update, parameter


class Sfron(Method):
    """Fine-tune on the retain set, and ascend on the forget set with the weights that matter to it.

    Every step minimises CE over a minibatch of the retain set. Before the first, and before every
    `period`-th after it, a step of plain SGD descends along the gradient of

        - factor c(t) sum_i w_i CE(x_i, y_i)    over a forgotten minibatch,    w_i ~ CE_i^-exponent

    with sum w_i = 1. Both c(t) and the rate fall along a half cosine. The ascent moves only
    weights with I_f >= I_r, the mean squared gradients of single points of the forget set and of
    the retain set. It has no momentum and no decay, and keeps batch normalisation frozen.

    Cost:
        One gradient for every retained and deleted point for the mask. Then `epochs` passes over
        the retain set, and a minibatch of forgotten points for each `period` steps.

    Pitfalls:
        Points of low loss get the largest weights, so the ascent is on what the model knows best.
        Where the gradient is clipped, larger values of `factor` all do the same. Too large a rate
        of the ascent ruins the retained points faster than fine-tuning mends them.

    References:
        Huang, Cheng, Zheng, Wang, He, Li, Huang, "Unified gradient-based machine unlearning with
        remain geometry enhancement", NeurIPS 2024.
    """

    label = "SFRon"
    continues = True
    neutral = (
        ({"factor": 0.0, "lr": 0.01}, "finetune", {"lr": 0.01, "schedule": "cosine", "epochs": 2}),
    )

    epochs: int = parameter(2, minimum=1, help="Passes over the retain set.")
    lr: float = parameter(0.01, above=0, search=("log", 1e-4, 1e-1))
    factor: float = parameter(
        5.0, minimum=0, search=("log", 0.1, 50.0), help="Scale of the ascent; 0 only fine-tunes."
    )
    period: int = parameter(5, minimum=1, help="Steps on the retain set for each ascent.")
    exponent: float = parameter(
        0.5, minimum=0, maximum=10, help="How much more points of low loss weigh; 0 weighs evenly."
    )
    clip: float = parameter(7.0, above=0, help="The largest norm of the gradient of an ascent.")

    def unlearn(self, task, original, request, seed):
        """The trained model after `epochs` epochs; fine-tuned alone if nothing is deleted."""
        from unlearn.algorithms.importance import squared_gradients
        from unlearn.algorithms.losses import cross_entropy
        from unlearn.algorithms.masked_ascent import AscentRule, MaskedAscent, forget_mask
        from unlearn.training.cyclic_batches import CyclicBatches

        recipe = task.recipe
        among = task.cut_ids
        epoch_steps = math.ceil(len(among) / recipe.batch_size)
        steps = self.epochs * epoch_steps
        model = task.model(original)
        ascends = self.factor > 0 and len(request.deleted_ids) > 0
        if ascends:
            bare_model = task.bare_model(original).eval()
            forget = squared_gradients(task, bare_model, request.deleted_ids)
            retain = squared_gradients(task, bare_model, request.retain_ids)
            rule = AscentRule(self.lr, self.factor, self.exponent, self.clip, steps)
            ascent = MaskedAscent(task, model, forget_mask(forget, retain), rule)
            order = seeding.derive(seed, "forgotten minibatches")
            forget_batches = CyclicBatches(request.deleted_ids, recipe.batch_size, order)
        optimizer = task.optimizer(
            model, lr=self.lr, nesterov=recipe.nesterov, schedule="cosine", steps=steps
        )
        for epoch in range(self.epochs):
            for batch in task.fine_tuning_batches(request.retain_ids, seed, epoch):
                place = epoch * epoch_steps + batch.index
                if ascends and optimizer.steps_taken % self.period == 0:
                    ascent.step(forget_batches.next(), place)
                logits = model(batch.images)
                loss = cross_entropy(logits, batch.labels, recipe.label_smoothing)
                optimizer.step(loss, place)
        return Update(model)
