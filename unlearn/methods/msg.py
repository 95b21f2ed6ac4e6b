"""MSG: reset the convolution weights that the forget set does not tell apart, then fine-tune."""

from dataclasses import replace

from unlearn.core import seeding
from unlearn.methods.base import Method, Update, parameter


class Msg(Method):
    """MSG: give new values to convolution weights with similar gradients on both sets, fine-tune.

    The gradient of the loss of as many retained points as deleted ones, less that of the deleted
    points, says which weights tell the two apart. In every convolution the weights with the
    smallest magnitudes of

        g = gradient of CE(retained sample) - CE(deleted points)

    get new values. Then every step minimises CE(retained minibatch), where the gradient of the
    other convolution weights is multiplied by `gradient_scale`. The rate rises and falls by epochs:
    1/3, 2/3, 1, 2/3, 1/3 of the largest for five. The second place of the NeurIPS 2023 challenge.

    Cost:
        E passes over the retain set and two over the deleted points.

    Pitfalls:
        It is weak on classes. Weight decay is not multiplied by `gradient_scale`. Linear layers
        keep their weights, so networks of linear layers are refused. Where a step deletes nothing,
        it is plain fine-tuning.

    References:
        Triantafillou et al., "Are we making progress in unlearning? Findings from the first NeurIPS
        unlearning competition", 2024.
        Cadet, Borovykh, Malekzadeh, Ahmadi-Abhari, Haddadi, "Deep unlearn: benchmarking machine
        unlearning", 2024.
    """

    label = "MSG"
    continues = True
    neutral = (
        (
            {"ratio": 0.0, "gradient_scale": 1.0, "epochs": 1, "lr": 0.01},
            "finetune",
            {"epochs": 1, "lr": 0.01},
        ),
    )

    ratio: float = parameter(
        0.3,
        minimum=0,
        maximum=1,
        help="The share of the weights of every convolution that get new values.",
        search=("uniform", 0.1, 0.8),
    )
    gradient_scale: float = parameter(
        0.1, minimum=0, help="The factor of the gradients of the other convolution weights."
    )
    epochs: int = parameter(3, minimum=1, help="Passes over the retain set.")
    lr: float = parameter(0.05, above=0, search=("log", 1e-3, 2e-1), help="The largest rate.")

    def supports(self, setting):
        """Architectures that can have convolutions."""
        if setting.model is None or not setting.model.flat:
            return None
        name = type(setting.model).__name__
        return f"{name} has no convolution; allowed: architectures with convolutions"

    def gradient_evaluations(self, retained, deleted, recipe):
        """One for every retained point and epoch, and two for every deleted point."""
        return self.epochs * retained + deleted + min(deleted, retained)

    def unlearn(self, task, original, request, seed):
        """The trained model, reset in part and fine-tuned; ValueError without a convolution."""
        from unlearn.algorithms.charged_gradients import mean_gradient
        from unlearn.algorithms.convolutions import convolutions, reset_smallest, scale_gradients
        from unlearn.algorithms.fine_tuning import train_epoch
        from unlearn.algorithms.losses import cross_entropy

        model = task.model(original)
        layers = convolutions(model)
        if not layers:
            raise ValueError("the network has no convolution; allowed: networks with convolutions")
        if len(request.deleted_ids):
            order = seeding.derive(seed, "msg", "retained sample")
            sample_ids = seeding.shuffled(request.retain_ids, order)[: len(request.deleted_ids)]
            network = task.bare_model(original).eval()
            retained = mean_gradient(task, network, sample_ids, cross_entropy)
            deleted = mean_gradient(task, network, request.deleted_ids, cross_entropy)
            scores = {name: retained[name] - deleted[name] for name in layers}
            masks = reset_smallest(layers, scores, self.ratio, seeding.derive(seed, "msg", "reset"))
            scale_gradients(layers, masks, self.gradient_scale)
        optimizer = task.optimizer(model, lr=self.lr, nesterov=task.recipe.nesterov)
        for epoch in range(self.epochs):
            rate = self.lr * (1 - abs(2 * epoch + 1 - self.epochs) / (self.epochs + 1))
            optimizer.recipe = replace(optimizer.recipe, lr=rate)
            train_epoch(task, optimizer, request.retain_ids, seed, epoch)
        return Update(model)
