"""Amnesiac unlearning: subtract what the minibatches of deleted points did, then repair."""

from unlearn.core import seeding
from unlearn.methods.base import Method, Update, parameter


class Amnesiac(Method):
    """Subtract the updates of all minibatches that had a deleted point, then fine-tune.

    The trainer has logged the update of every minibatch b of training. The weights become

        theta_T - sum( update_b : b has a point of D_f )

    Statistics of batch normalisation are then estimated again on D_r, and every step of `epochs`
    passes over D_r minimises

        CE(retained minibatch)

    Later steps of a request start from the log again, with all points deleted so far; what earlier
    repairs have learned is thrown away.

    Cost:
        `epochs` passes over D_r, forward and backward, and with batch normalisation one more pass
        forward. The log holds one model for every step of training (`bytes_stored`).

    Pitfalls:
        Scattered points touch every minibatch of every epoch: the result is then the fine-tuned
        initial model. `touched_fraction` is the share that is subtracted; small or late requests
        have a small one. Updates of minibatches without deleted points were made at weights that
        knew them, so what is left is no model of D_r. Whoever keeps the log keeps a model that
        knows the deleted points. Training on random labels goes by the same name.

    References:
        Graves, Nagisetty, Ganesh, "Amnesiac machine learning", AAAI 2021.
    """

    label = "amnesiac unlearning"
    trainer = "amnesiac"
    reads = frozenset({"retain"})

    epochs: int = parameter(
        2, minimum=1, search=("choice", (1, 2, 3, 5)), help="Passes over the retain set."
    )
    lr: float = parameter(0.05, above=0, search=("log", 1e-3, 3e-1))

    def gradient_evaluations(self, retained, deleted, recipe):
        """One for every retained point and epoch."""
        return self.epochs * retained

    def unlearn(self, task, original, request, seed):
        """The trained weights less the updates that had a deleted point, fine-tuned."""
        from unlearn.algorithms import update_log
        from unlearn.algorithms.batch_statistics import estimate_again
        from unlearn.algorithms.losses import cross_entropy
        from unlearn.training.state import state_of

        model = task.model(original)
        steps = update_log.touched_steps(original, request.forget_ids)
        task.meter.count("touched_fraction", len(steps) / update_log.step_count(original))
        update_log.subtract(model, original, steps)
        statistics = seeding.derive(seed, "amnesiac statistics")
        estimate_again(task, model, request.retain_ids, statistics)
        repair = task.optimizer(model, lr=self.lr, nesterov=task.recipe.nesterov)
        for epoch in range(self.epochs):
            for batch in task.fine_tuning_batches(request.retain_ids, seed, epoch):
                smoothing = task.recipe.label_smoothing
                repair.step(cross_entropy(model(batch.images), batch.labels, smoothing))
        return Update(state_of(model))
