"""Fine-tuning: train on, on the retain set only."""

from dataclasses import replace

from unlearn.core import seeding
from unlearn.methods.base import Method, Update, parameter
from unlearn.training.recipe import SCHEDULES


class Finetune(Method):
    """Train on, on the retain set only, by the recipe's optimiser.

    Cost:
        `epochs` passes over the retain set.

    Pitfalls:
        Nothing pushes deleted points out: a low rate keeps them, and a whole class is hardly
        forgotten. One epoch at a high rate can move a model farther from the oracle than doing
        nothing.

    References:
        Golatkar, Achille, Soatto, "Eternal sunshine of the spotless net", CVPR 2020 (the baseline).
    """

    label = "fine-tuning"
    reads = frozenset({"retain"})
    continues = True

    epochs: int = parameter(2, minimum=1, help="Passes over the retain set.")
    lr: float = parameter(0.01, above=0, search=("log", 1e-4, 1e-1))
    schedule: str = parameter("constant", choices=SCHEDULES)

    def gradient_evaluations(self, retained, deleted, recipe):
        """One for every retained point and epoch."""
        return self.epochs * retained

    def unlearn(self, task, original, request, seed):
        """The trained model after `epochs` epochs on the retain set."""
        from unlearn.training.loop import fit

        model = task.model(original)
        recipe = replace(task.recipe, epochs=self.epochs, lr=self.lr, schedule=self.schedule)
        order = seeding.derive(seed, "finetune")
        fit(task, model, request.retain_ids, recipe, order, label="fine-tuning")
        return Update(model)
