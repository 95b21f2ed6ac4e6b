"""SCRUB+R: SCRUB, rewound to the epoch that makes as many errors as unseen points would."""

from unlearn.methods.base import Method, Update, parameter


class ScrubRewind(Method):
    """SCRUB, rewound to the epoch whose error on the deleted points is that on unseen ones.

    An error on deleted points that is higher than on unseen points tells who was deleted. The
    student is trained as by SCRUB: steps on deleted points and on retained ones minimise

        - T^2 KL( original || student )
        gamma CE(student, label) + alpha T^2 KL( original || student )

    After every epoch its weights and its error on the deleted points are kept. The reference is the
    error of the last student on validation points, weighted to the classes of the deleted points.
    The epoch whose error is nearest is returned, the last of several.

    Cost:
        That of SCRUB in gradients: E |D_r| + min(M, E) |D_f|. E |D_f| more points go forward, and
        once the validation points of the classes of D_f; E copies of the weights are held.

    Pitfalls:
        Those of SCRUB. With one epoch there is nothing to rewind to. Only epochs that were passed
        can be returned: the original is not among them. Where few points are deleted their error is
        coarse, and the choice is mostly chance. A validation split is needed.

    References:
        Kurmanji, Triantafillou, Hayes, Triantafillou, "Towards unbounded machine unlearning",
        NeurIPS 2023.
    """

    label = "SCRUB+R"
    reads = frozenset({"forget", "retain", "validation"})
    continues = True
    neutral = (({"epochs": 1}, "scrub", {"epochs": 1}),)
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
        """The student of the chosen epoch; ValueError without validation points of the classes."""
        from unlearn.algorithms.scrubbing import Scrubbing, nearest_epoch
        from unlearn.training.state import state_of

        scrubbing = Scrubbing(self, task, original, seed)
        forget_ids = request.deleted_ids
        scrubbing.check_validation(forget_ids)
        checkpoints = []
        errors = []
        for epoch in range(self.epochs):
            if epoch < self.max_epochs:
                scrubbing.max_pass(forget_ids, epoch)
            scrubbing.min_pass(request.retain_ids, epoch)
            if len(forget_ids):
                checkpoints.append(state_of(scrubbing.student))
                errors.append(scrubbing.error(forget_ids))
        if not len(forget_ids):
            return Update(scrubbing.student)
        chosen_epoch = nearest_epoch(errors, scrubbing.reference_error(forget_ids))
        return Update.replace(checkpoints[chosen_epoch])
