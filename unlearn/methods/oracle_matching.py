"""Oracle matching: regress on the outputs of retrained models. A control."""

from unlearn.core import seeding
from unlearn.methods.base import Method, Update, parameter


class OracleMatching(Method):
    """Regress the model on the outputs of retrained models: a control that no method can beat.

    Models of other seeds are trained without the deleted points first. The mean of their logits is
    the target on all deleted points and on a fresh draw of retained points each epoch. Every step,
    by Adam, minimises one of

        KL( softmax(target) || model )                                   match: kl
        half the mean square of the difference of centred logits         match: logits

    It shows how near fine-tuning by outputs can come to retraining. Points that a request adds are
    matched like deleted ones. Batch normalisation is frozen.

    Cost:
        The retrainings, each as long as the oracle's, and E (|D_f| + draw |D_f|) gradients. The
        targets take as many forward passes of every oracle. It always costs more than retraining,
        so it is a control and never ranked among methods.

    Pitfalls:
        Matching on deleted points alone (`draw: 0`) damages the retain set. A small draw from a
        large retain set does so, too. The oracles are of other seeds than the paired one, so their
        disagreement with it is a floor that the control cannot pass.

    References:
        Georgiev, Rinberg, Park, Garg, Ilyas, Madry, Neel, "Attribute-to-delete: machine unlearning
        via datamodel matching", 2024.
    """

    continues = True
    is_control = True
    conformance_variants = ({"match": "logits"},)

    oracles: int = parameter(2, minimum=1, help="The number of retrained models.")
    epochs: int = parameter(
        3, minimum=1, search=("choice", (2, 3, 5, 8)), help="Passes over the deleted points."
    )
    lr: float = parameter(0.001, above=0, search=("log", 1e-4, 1e-2))
    batch_size: int | None = parameter(
        None, minimum=1, help="Points of a minibatch; null takes that of the recipe."
    )
    draw: float = parameter(
        2.0,
        minimum=0,
        search=("choice", (1.0, 2.0, 4.0, 8.0)),
        help="Retained points that are drawn in every epoch, for each deleted one.",
    )
    match: str = parameter(
        "kl",
        choices=("kl", "logits"),
        search=("choice", ("kl", "logits")),
        help="Kullback-Leibler divergence, or squared error of centred logits.",
    )

    def gradient_evaluations(self, retained, deleted, recipe):
        """Those of the retrainings, and one for every matched point and epoch."""
        matched = min(retained, round(self.draw * deleted)) + deleted
        return self.oracles * recipe.epochs * retained + self.epochs * matched

    def unlearn(self, task, original, request, seed):
        """The matched model; unchanged if nothing has been deleted or added."""
        import numpy as np
        import torch

        from unlearn.algorithms.matching import MatchedPoints, match_outputs

        changed_ids = np.union1d(request.forget_ids, request.added_ids)
        if not len(changed_ids):
            return Update()
        oracles = []
        for number in range(self.oracles):
            oracle_seed = seeding.derive(seed, "oracle matching", number)
            state = task.trainer.retrain(task, request.retain_ids, oracle_seed)
            oracles.append(task.model(state).eval())

        @torch.no_grad()
        def mean_logits(images: torch.Tensor) -> torch.Tensor:
            return torch.stack([oracle(images) for oracle in oracles]).mean(0)

        model = task.model(original)
        points = MatchedPoints(changed_ids, request.retain_ids)
        match_outputs(self, task, model, points, mean_logits, seed)
        return Update(model)
