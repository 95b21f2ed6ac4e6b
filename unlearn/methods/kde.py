"""KDE: reset the first and the last layer, then learn from the trained model and the labels."""

from unlearn.core import seeding
from unlearn.methods.base import Method, Update, parameter


class Kde(Method):
    """KDE: reset the first convolution and the last layer, then distil the trained model.

    The new layers first learn from the trained model on the validation split, whose points were
    never trained on. Then everything learns from the labels and the trained model on the retain
    set. Every step minimises, with predictions softened by the temperature T,

        KL(original || student)                                  validation minibatch, part one
        CE(student, label) + 2 KL(original || student)           retained minibatch, part two

    Published are KL and soft cross-entropy, which have the same gradient: hence the 2. The sixth
    place of the NeurIPS 2023 challenge.

    Cost:
        Passes over the validation split and over the retain set, and as many forward passes of
        the original.

    Pitfalls:
        The teacher knows the deleted points, and hands on what it knows. Divergences are not
        multiplied by T^2, so a rate that suits T = 1 is too small.

    References:
        Triantafillou et al., "Are we making progress in unlearning? Findings from the first NeurIPS
        unlearning competition", 2024.
        Cadet, Borovykh, Malekzadeh, Ahmadi-Abhari, Haddadi, "Deep unlearn: benchmarking machine
        unlearning", 2024.
    """

    label = "KDE"
    reads = frozenset({"retain", "validation"})
    continues = True

    validation_epochs: int = parameter(3, minimum=0, help="Passes over the validation split.")
    epochs: int = parameter(3, minimum=1, help="Passes over the retain set.")
    validation_lr: float = parameter(
        0.02, above=0, help="The rate on the validation split.", search=("log", 1e-3, 1e-1)
    )
    lr: float = parameter(
        0.02,
        above=0,
        help="The largest rate on the retain set; it falls on a cosine.",
        search=("log", 1e-3, 2e-1),
    )
    temperature: float = parameter(5.0, minimum=0.001, maximum=1000)

    def supports(self, setting):
        """Architectures that can have convolutions."""
        if setting.model is None or not setting.model.flat:
            return None
        name = type(setting.model).__name__
        return f"{name} has no convolution; allowed: architectures with convolutions"

    def unlearn(self, task, original, request, seed):
        """The student; ValueError for a network without a convolution or a linear layer."""
        import torch

        from unlearn.algorithms.convolutions import convolutions
        from unlearn.algorithms.entropies import softened_divergence
        from unlearn.algorithms.fine_tuning import fine_tuning_steps, steps_per_epoch
        from unlearn.algorithms.losses import cross_entropy
        from unlearn.algorithms.new_layers import linear_layers, reset_layers
        from unlearn.algorithms.validation_batches import validation_batches

        model = task.model(original)
        first = [name.rpartition(".")[0] for name in convolutions(model)][:1]
        if not first:
            raise ValueError("the network has no convolution; allowed: networks with convolutions")
        layers = [*first, *linear_layers(model)[-1:]]
        reset_layers(task, model, layers, seeding.derive(seed, "kde", "layers"))
        teacher = task.model(original).eval()
        optimizer = task.optimizer(model, lr=self.validation_lr)
        order = seeding.derive(seed, "kde", "validation")
        for epoch in range(self.validation_epochs):
            for images in validation_batches(task, order, epoch):
                with torch.no_grad():
                    target = teacher(images)
                optimizer.step(softened_divergence(target, model(images), self.temperature))
        steps = self.epochs * steps_per_epoch(task)
        optimizer = task.optimizer(model, lr=self.lr, schedule="cosine", steps=steps)
        for step, batch in fine_tuning_steps(task, request.retain_ids, seed, steps):
            with torch.no_grad():
                target = teacher(batch.images)
            logits = model(batch.images)
            loss = cross_entropy(logits, batch.labels, task.recipe.label_smoothing)
            divergence = softened_divergence(target, logits, self.temperature)
            optimizer.step(loss + 2 * divergence, step)
        return Update(model)
