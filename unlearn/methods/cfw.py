"""CFW: noise on the convolutions, then fine-tuning with weights of classes."""

from unlearn.core import seeding
from unlearn.methods.base import Method, Update, parameter
from unlearn.training.recipe import SCHEDULES


class Cfw(Method):
    """CFW: add noise to the weights of convolutions, fine-tune with weighted classes.

    The noise makes the network forget something of all points; the retain set is then learned
    again. Every step minimises

        mean( w CE(retained point) )        w of its class: 1 / (number of its retained points)

    where the mean of w is 1. A little noise is added once more before the last epoch. The third
    place of the NeurIPS 2023 challenge.

    Cost:
        E passes over the retain set; the noise is free.

    Pitfalls:
        Noise of the published 0.6 on all convolutions is another, destructive method; the
        published code meets the first convolution alone: `scope: stem`. Little noise leaves classes
        remembered.

    References:
        Triantafillou et al., "Are we making progress in unlearning? Findings from the first NeurIPS
        unlearning competition", 2024.
        Cadet, Borovykh, Malekzadeh, Ahmadi-Abhari, Haddadi, "Deep unlearn: benchmarking machine
        unlearning", 2024.
    """

    label = "CFW"
    reads = frozenset({"retain"})
    continues = True

    noise: float = parameter(
        0.1,
        minimum=0,
        help="Standard deviation of the noise before the first epoch.",
        search=("log", 0.02, 1.0),
    )
    last_noise: float = parameter(
        0.005, minimum=0, help="That of the noise before the last epoch, where there are two."
    )
    scope: str = parameter(
        "all",
        choices=("all", "stem"),
        help="Noise for all convolutions that are trained, or for the first of them alone.",
        search=("choice", ("all", "stem")),
    )
    epochs: int = parameter(4, minimum=1, help="Passes over the retain set.")
    lr: float = parameter(0.02, above=0, search=("log", 1e-3, 2e-1))
    schedule: str = parameter("cosine", choices=SCHEDULES)

    def supports(self, setting):
        """Architectures that can have convolutions."""
        if setting.model is None or not setting.model.flat:
            return None
        name = type(setting.model).__name__
        return f"{name} has no convolution; allowed: architectures with convolutions"

    def gradient_evaluations(self, retained, deleted, recipe):
        """One for every retained point and epoch."""
        return self.epochs * retained

    def unlearn(self, task, original, request, seed):
        """The trained model with noise, fine-tuned; ValueError without a convolution."""
        import torch

        from unlearn.algorithms.class_weights import class_weights, weighted_cross_entropy
        from unlearn.algorithms.convolutions import convolutions
        from unlearn.algorithms.fine_tuning import steps_per_epoch
        from unlearn.algorithms.weight_noise import add_noise

        model = task.model(original)
        kernels = [layer.weight for layer in convolutions(model).values()]
        if not kernels:
            raise ValueError("the network has no convolution; allowed: networks with convolutions")
        kernels = kernels if self.scope == "all" else kernels[:1]
        weights = class_weights(task, request.retain_ids, power=1)
        generator = torch.Generator().manual_seed(seeding.derive(seed, "cfw"))
        add_noise(kernels, self.noise, generator)
        epoch_steps = steps_per_epoch(task)
        optimizer = task.optimizer(
            model,
            lr=self.lr,
            nesterov=task.recipe.nesterov,
            schedule=self.schedule,
            steps=self.epochs * epoch_steps,
        )
        for epoch in range(self.epochs):
            if epoch and epoch == self.epochs - 1:
                add_noise(kernels, self.last_noise, generator)
            for batch in task.fine_tuning_batches(request.retain_ids, seed, epoch):
                logits = model(batch.images)
                smoothing = task.recipe.label_smoothing
                loss = weighted_cross_entropy(logits, batch.labels, weights, smoothing)
                optimizer.step(loss, epoch * epoch_steps + batch.index)
        return Update(model)
