"""SCRUB: a student is held to the original model on the retain set, and driven off it on D_f."""

from unlearn.methods.base import Method, Update, parameter


class Scrub(Method):
    """Hold a student to the original model on the retain set, and drive it away on the forget set.

    Each of the first `max_epochs` epochs begins with a pass over the deleted points; every step of
    it minimises

        - T^2 KL( original || student )

    and every epoch ends with a pass over the retain set that minimises

        gamma CE(student, label) + alpha T^2 KL( original || student )

    with both distributions at temperature T. One optimiser with momentum serves both passes. Batch
    normalisation is frozen while the student sees deleted points only.

    Cost:
        One pass of gradients over the retain set an epoch, and one over the deleted points in each
        of the first `max_epochs`: E |D_r| + min(M, E) |D_f|. Where alpha is not 0 the teacher goes
        forward over the same points.

    Pitfalls:
        At the first step student and teacher are equal: their distance is least, and its gradient
        exactly 0. So `max_epochs: 1` is distillation and forgets nothing; take 2 or more. The
        distance has no upper bound: the model collapses or diverges at larger rates, and where more
        points are deleted, because a pass then has more steps. Tune the rate and
        `forget_batch_size` for each kind of request.

    References:
        Kurmanji, Triantafillou, Hayes, Triantafillou, "Towards unbounded machine unlearning",
        NeurIPS 2023.
    """

    label = "SCRUB"
    continues = True
    neutral = (
        ({"max_epochs": 0, "alpha": 0.0, "epochs": 2, "lr": 0.01}, "finetune", {"lr": 0.01}),
    )
    conformance_variants = ({"schedule": "steps"},)

    epochs: int = parameter(4, minimum=1, help="Passes over the retain set.")
    max_epochs: int = parameter(
        2,
        minimum=0,
        search=("choice", (2, 3, 4)),
        help="Epochs that begin with a pass over the deleted points.",
    )
    lr: float = parameter(0.001, above=0, search=("log", 1e-4, 1e-1))
    schedule: str = parameter(
        "constant",
        choices=("constant", "steps"),
        help="steps is the published one: a tenth of the rate after each of epochs 3, 5 and 9.",
    )
    gamma: float = parameter(1.0, minimum=0, help="Weight of the cross-entropy on the retain set.")
    alpha: float = parameter(
        0.5,
        minimum=0,
        search=("log", 1e-3, 1.0),
        help="Weight of the distance to the original model on the retain set.",
    )
    temperature: float = parameter(4.0, minimum=0.001, maximum=1000)
    batch_size: int | None = parameter(
        None, minimum=1, help="Retained points of a minibatch; null takes that of the recipe."
    )
    forget_batch_size: int = parameter(
        64,
        minimum=1,
        search=("choice", (16, 32, 64, 128)),
        help="Deleted points of a minibatch.",
    )

    def gradient_evaluations(self, retained, deleted, recipe):
        """One for every retained point and epoch, and every deleted one of a maximisation."""
        return self.epochs * retained + min(self.epochs, self.max_epochs) * deleted

    def unlearn(self, task, original, request, seed):
        """The student after `epochs` epochs."""
        from unlearn.algorithms.scrubbing import Scrubbing

        scrubbing = Scrubbing(self, task, original, seed)
        for epoch in range(self.epochs):
            if epoch < self.max_epochs:
                scrubbing.max_pass(request.deleted_ids, epoch)
            scrubbing.min_pass(request.retain_ids, epoch)
        return Update(scrubbing.student)
