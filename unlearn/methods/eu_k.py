"""EU-k: retrain the last layers from scratch."""

from dataclasses import replace
from typing import ClassVar

from unlearn.core import seeding
from unlearn.core.guarantee import Guarantee
from unlearn.methods.base import Method, Update, parameter
from unlearn.training.recipe import SCHEDULES


class EuK(Method):
    """EU-k: freeze all but the last k layers, give these new weights, and train them.

    The last layers forget exactly; what the earlier ones know of the deleted points stays, to the
    bit. Every step minimises, over the last k layers,

        CE(retained minibatch)

    New weights and minibatches are those of the oracle, so that the oracle is EU-k of all layers,
    trained by the recipe. The batch normalisation of a layer goes with it.

    Cost:
        E passes over the retain set, backward through k layers only. The paper takes as many epochs
        as training; a few are enough for small networks.

    Pitfalls:
        Features that were learned from the deleted points still separate them. Too few epochs or
        too small a rate leave the new layers behind the old ones in accuracy.

    References:
        Goel, Prabhu, Sanyal, Lim, Torr, Kumaraguru, "Towards adversarial evaluations for inexact
        machine unlearning", 2022.
    """

    label = "EU-k"
    reads = frozenset({"retain"})
    continues = True
    conformance: ClassVar = {"k": 1}
    conformance_variants = ({"k": 2}, {"k": None})
    conformance_exceptions: ClassVar = {
        "continuation": "a network of as many layers as are replaced starts anew"
    }

    k: int | None = parameter(
        2,
        minimum=1,
        help="The last layers that are replaced, counted by their weights; null replaces all.",
        search=("choice", (1, 2)),
    )
    epochs: int = parameter(3, minimum=1, help="Passes over the retain set.")
    lr: float = parameter(0.02, above=0, search=("log", 1e-3, 2e-1))
    schedule: str = parameter("cosine", choices=SCHEDULES)

    def supports(self, setting):
        """Architectures with k layers or more, where their number is known."""
        count = None if setting.model is None else setting.model.layer_count
        if self.k is None or count is None or self.k <= count:
            return None
        name = type(setting.model).__name__
        return f"k: {self.k} is more than the layers of {name}; allowed: 1 .. {count} or null"

    def guarantee_for(self, setting):
        """Exact where no layer is kept: the deleted points have no part in the model."""
        if self.k is None:
            return Guarantee("exact", "no layer of the trained model is kept")
        return Guarantee(self.guarantee)

    def gradient_evaluations(self, retained, deleted, recipe):
        """One for every retained point and epoch."""
        return self.epochs * retained

    def unlearn(self, task, original, request, seed):
        """The trained model with new last layers; ValueError if it has fewer than k."""
        import torch

        from unlearn.algorithms.last_layers import tensors_of_last_layers, train_only
        from unlearn.training.loop import fit

        prepared_ids = request.retain_ids if self.k is None else None
        model = task.new_model(seeding.derive(seed, "initial weights"), prepared_ids)
        names = tensors_of_last_layers(model, self.k)
        kept_names = set(model.state_dict()) - names
        model.load_state_dict({n: torch.as_tensor(original[n]) for n in kept_names}, strict=False)
        train_only(model, names)
        recipe = replace(task.recipe, epochs=self.epochs, lr=self.lr, schedule=self.schedule)
        order = seeding.derive(seed, "training")  # that of the standard trainer
        fit(task, model, request.retain_ids, recipe, order, label="training of the last layers")
        return Update(model)
