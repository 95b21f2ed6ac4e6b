"""CT: transpose the convolution kernels, then fine-tune."""

from dataclasses import replace

from unlearn.core import seeding
from unlearn.methods.base import Method, Update, parameter
from unlearn.training.recipe import SCHEDULES


class Ct(Method):
    """CT: transpose every convolution kernel over its two spatial axes, then fine-tune.

    The transposition breaks what the network computes and keeps the size of its weights, so that
    fine-tuning learns back only what the retain set teaches. Every step then minimises

        CE(retained minibatch)

    The fifth place of the NeurIPS 2023 challenge on machine unlearning.

    Cost:
        E passes over the retain set; the transposition is free.

    Pitfalls:
        It does nothing to linear layers, to 1 x 1 kernels and to symmetric kernels. The published
        rate of 0.001 is too small for small networks: they stay broken. A layer that is whitened
        and frozen is left as it is.

    References:
        Triantafillou et al., "Are we making progress in unlearning? Findings from the first NeurIPS
        unlearning competition", 2024.
        Cadet, Borovykh, Malekzadeh, Ahmadi-Abhari, Haddadi, "Deep unlearn: benchmarking machine
        unlearning", 2024.
    """

    label = "CT"
    reads = frozenset({"retain"})
    continues = True

    epochs: int = parameter(
        3, minimum=1, help="Passes over the retain set.", search=("choice", (1, 2, 3, 5))
    )
    lr: float = parameter(0.02, above=0, search=("log", 1e-3, 2e-1))
    schedule: str = parameter("cosine", choices=SCHEDULES)

    def supports(self, setting):
        """Architectures that can have convolutions."""
        if setting.model is None or not setting.model.flat:
            return None
        name = type(setting.model).__name__
        return f"{name} has no convolution; allowed: architectures with kernels above 1 x 1"

    def gradient_evaluations(self, retained, deleted, recipe):
        """One for every retained point and epoch."""
        return self.epochs * retained

    def unlearn(self, task, original, request, seed):
        """The trained model, transposed and fine-tuned; ValueError where no kernel can change."""
        from unlearn.algorithms.convolutions import transpose_kernels
        from unlearn.training.loop import fit

        model = task.model(original)
        transpose_kernels(model)
        recipe = replace(task.recipe, epochs=self.epochs, lr=self.lr, schedule=self.schedule)
        order = seeding.derive(seed, "finetune")
        fit(task, model, request.retain_ids, recipe, order, label="fine-tuning")
        return Update(model)
