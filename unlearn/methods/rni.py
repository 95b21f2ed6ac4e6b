"""RNI: noise and training for few tensors at a time, then training of all."""

from unlearn.core import seeding
from unlearn.methods.base import Method, Update, parameter

NOISED_SHARE = 2 / 3
"""Of the tensors of an epoch, those that get noise: 6 of the published 9."""


class Rni(Method):
    """RNI: reset the last layer, then add noise to a few random tensors at a time and train these.

    The epochs of the first part train a few parameter tensors each, with all batch normalisation.
    From the second epoch on, two thirds of them get noise first, where none was chosen before. The
    epochs of the second part train everything, the last one at a larger rate. Every step minimises

        CE(retained minibatch)

    The seventh place of the NeurIPS 2023 challenge.

    Cost:
        As many passes over the retain set as both parts have epochs.

    Pitfalls:
        Few tensors at a time and a small rate leave the new last layer behind. The published rate
        of 0.0002 is for large networks. Tensors that are never chosen get no noise.

    References:
        Triantafillou et al., "Are we making progress in unlearning? Findings from the first NeurIPS
        unlearning competition", 2024.
        Cadet, Borovykh, Malekzadeh, Ahmadi-Abhari, Haddadi, "Deep unlearn: benchmarking machine
        unlearning", 2024.
    """

    label = "RNI"
    reads = frozenset({"retain"})
    continues = True

    tensors: int = parameter(
        2,
        minimum=1,
        help="Parameter tensors outside batch normalisation that an epoch of part one trains.",
        search=("choice", (1, 2, 4)),
    )
    noise: float = parameter(
        0.04, minimum=0, help="Standard deviation of the noise.", search=("log", 0.01, 0.3)
    )
    noisy_epochs: int = parameter(4, minimum=1, help="Epochs of part one.")
    full_epochs: int = parameter(2, minimum=0, help="Epochs of part two, which train everything.")
    lr: float = parameter(0.005, above=0, maximum=1_000_000, search=("log", 1e-3, 1e-1))
    last_scale: float = parameter(
        5.0, above=0, help="The factor of the rate in the last epoch of part two."
    )

    def gradient_evaluations(self, retained, deleted, recipe):
        """One for every retained point and epoch."""
        return (self.noisy_epochs + self.full_epochs) * retained

    def unlearn(self, task, original, request, seed):
        """The trained model after both parts; ValueError for a network without a linear layer."""
        import numpy as np
        import torch

        from unlearn.algorithms.fine_tuning import train_epoch
        from unlearn.algorithms.new_layers import linear_layers, reset_layers
        from unlearn.algorithms.weight_noise import add_noise
        from unlearn.models.layers import batch_normalisations

        model = task.model(original)
        reset_layers(task, model, linear_layers(model)[-1:], seeding.derive(seed, "rni", "head"))
        generator = torch.Generator().manual_seed(seeding.derive(seed, "rni", "noise"))
        normalised = {id(p) for layer in batch_normalisations(model) for p in layer.parameters()}
        named = {name: p for name, p in model.named_parameters() if p.requires_grad}
        norm_names = [name for name, p in named.items() if id(p) in normalised]
        names = [name for name in named if name not in norm_names]
        draws = np.random.default_rng(seeding.derive(seed, "rni", "tensors"))
        noised_count = round(NOISED_SHARE * min(self.tensors, len(names)))
        earlier_names: set[str] = set()
        for epoch in range(self.noisy_epochs):
            chosen = list(draws.permutation(names)[: self.tensors])
            if epoch:
                noised = [n for n in chosen[:noised_count] if n not in earlier_names]
                add_noise([named[name] for name in noised], self.noise, generator)
            earlier_names |= set(chosen)
            optimizer = task.optimizer(model, lr=self.lr, only=[*chosen, *norm_names])
            train_epoch(task, optimizer, request.retain_ids, seed, epoch)
        last = self.noisy_epochs + self.full_epochs - 1
        for epoch in range(self.noisy_epochs, last + 1):
            scale = self.last_scale if epoch == last else 1.0
            optimizer = task.optimizer(model, lr=self.lr * scale)
            train_epoch(task, optimizer, request.retain_ids, seed, epoch)
        return Update(model)
