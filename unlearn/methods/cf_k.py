"""CF-k: fine-tune the last layers alone, and let them forget."""

from dataclasses import replace

from unlearn.core import seeding
from unlearn.methods.base import Method, Update, parameter
from unlearn.training.recipe import SCHEDULES


class CfK(Method):
    """CF-k: freeze all but the last k layers, and fine-tune these on the retain set.

    The last layers see no deleted point any more and may forget them. The features of the earlier
    layers stay as they are, to the bit. Every step minimises, over the last k layers,

        CE(retained minibatch)

    The batch normalisation of a layer goes with it: that of frozen layers keeps its statistics.

    Cost:
        E passes over the retain set, backward through k layers only.

    Pitfalls:
        It cannot forget a class: nothing in the retain set speaks against the old label.
        Small rates leave the model as it was. Whatever the frozen layers know stays.

    References:
        Goel, Prabhu, Sanyal, Lim, Torr, Kumaraguru, "Towards adversarial evaluations for inexact
        machine unlearning", 2022.
    """

    label = "CF-k"
    reads = frozenset({"retain"})
    continues = True
    neutral = (({"k": None, "epochs": 2, "lr": 0.01}, "finetune", {"epochs": 2, "lr": 0.01}),)

    k: int | None = parameter(
        2,
        minimum=1,
        help="The last layers that are trained, counted by their weights; null trains all.",
        search=("choice", (1, 2)),
    )
    epochs: int = parameter(3, minimum=1, help="Passes over the retain set.")
    lr: float = parameter(0.02, above=0, search=("log", 1e-3, 2e-1))
    schedule: str = parameter("constant", choices=SCHEDULES)

    def supports(self, setting):
        """Architectures with k layers or more, where their number is known."""
        count = None if setting.model is None else setting.model.layer_count
        if self.k is None or count is None or self.k <= count:
            return None
        name = type(setting.model).__name__
        return f"k: {self.k} is more than the layers of {name}; allowed: 1 .. {count} or null"

    def gradient_evaluations(self, retained, deleted, recipe):
        """One for every retained point and epoch."""
        return self.epochs * retained

    def unlearn(self, task, original, request, seed):
        """The trained model after fine-tuning of its last layers; ValueError if it has fewer."""
        from unlearn.algorithms.last_layers import tensors_of_last_layers, train_only
        from unlearn.training.loop import fit

        model = task.model(original)
        train_only(model, tensors_of_last_layers(model, self.k))
        recipe = replace(task.recipe, epochs=self.epochs, lr=self.lr, schedule=self.schedule)
        order = seeding.derive(seed, "finetune")
        fit(task, model, request.retain_ids, recipe, order, label="fine-tuning")
        return Update(model)
