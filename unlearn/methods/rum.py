"""RUM: delete in parts, each by a method that suits how much the model has memorised it."""

import itertools

from unlearn.core import inner_methods, registry, seeding
from unlearn.methods.base import Method, Update, parameter
from unlearn.training.state import Overlay


class Rum(Method):
    """Refine the deleted points by memorisation, and unlearn each part by a method of its own.

    The deleted points are ranked by a score m and cut into parts of equal size. The least memorised
    part comes first. Part k is deleted by its method, from the model that part k - 1 left, with

        D_r = D less the parts 1 .. k        later parts still count as retained

    m is the loss of the trained model (`loss`), or the probability that it gives the label, less
    the mean of that of `models` models retrained without the points (`retrained`).

    Cost:
        Those of the methods. `loss` takes a forward pass over D_f, `retrained` `models` retrainings
        and as many passes more.

    Pitfalls:
        The method `original` leaves a part alone: these points are only left out of the retain sets
        of later parts. The loss is a poor proxy where the model fits all points. `retrained` costs
        more than the oracle. Parameters of the methods are not searched.

    References:
        Zhao, Kurmanji, Barbulescu, Triantafillou, Triantafillou, "What makes unlearning hard and
        what to do about it", NeurIPS 2024.
    """

    label = "RUM"
    continues = True
    conformance_variants = (
        {"parts": 1},
        {"score": "retrained", "models": 2, "low": "gradient_ascent"},
    )
    neutral = (({"parts": 1}, "salun", {}), ({"parts": 1, "high": "finetune"}, "finetune", {}))

    parts: int = parameter(
        3,
        choices=(1, 2, 3),
        search=("choice", (1, 2, 3)),
        help="The number of parts: `high`; `low` and `high`; or `low`, `middle` and `high`.",
    )
    low: dict = parameter("original", help="The method of the part that is memorised least.")
    middle: dict = parameter("finetune", help="The method of the part between.")
    high: dict = parameter("salun", help="The method of the part that is memorised most.")
    score: str = parameter(
        "loss",
        choices=("loss", "retrained"),
        help="What stands for memorisation: the loss of the trained model, or how much surer it is "
        "than models without the points.",
    )
    models: int = parameter(5, minimum=1, help="score: retrained. The retrained models.")

    def validate(self) -> None:
        """Raise ValueError for methods that cannot take their turn."""
        for key, block in self.blocks():
            name = block["name"]
            names = [n for n in registry.names("methods") if n not in ("rum", "sham")]
            if name not in names:
                raise ValueError(f"{key}: {name} is not allowed; allowed: {', '.join(names)}")
            if not inner_methods.inner_method(key, block).continues:
                message = "does not go on from the model of an earlier part; allowed: methods"
                raise ValueError(f"{key}: {name} {message} that do")
            inner_methods.check_standard(key, block)

    def blocks(self) -> tuple[tuple[str, dict], ...]:
        """The key and the block of the method of every part, in order."""
        keys = {1: ("high",), 2: ("low", "high"), 3: ("low", "middle", "high")}[self.parts]
        return tuple((key, getattr(self, key)) for key in keys)

    def modules(self) -> tuple[str, ...]:
        """The modules of the methods."""
        modules = (inner_methods.inner_modules(key, block) for key, block in self.blocks())
        return tuple(itertools.chain.from_iterable(modules))

    def supports(self, setting):
        """What all methods support, and the requests that they serve."""
        reasons = (inner_methods.inner_refusal(key, block, setting) for key, block in self.blocks())
        return next((reason for reason in reasons if reason), None)

    def gradient_evaluations(self, retained, deleted, recipe):
        """Those of the methods, and of retrained models."""
        from unlearn.algorithms.deletion_parts import part_sizes

        total = self.models * recipe.epochs * retained if self.score == "retrained" else 0
        later = deleted
        for size, (key, block) in zip(part_sizes(deleted, self.parts), self.blocks(), strict=True):
            later -= size
            if size or key == "high":
                method = inner_methods.inner_method(key, block)
                cost = method.gradient_evaluations(retained + later, size, recipe)
                if cost is None:
                    return None
                total += cost
        return total

    def unlearn(self, task, original, request, seed):
        """The model after all parts; the method `high` runs even if nothing is deleted."""
        from unlearn.algorithms import memorisation
        from unlearn.algorithms.deletion_parts import part_steps, ranked_parts

        order = seeding.derive(seed, "rum")
        if self.score == "retrained":
            scores = memorisation.memorisation(task, original, request, self.models, order)
        else:
            scores = memorisation.losses(task, original, request.deleted_ids)
        parts = ranked_parts(request.deleted_ids, scores, self.parts)
        state = original
        for step, (key, block) in zip(part_steps(request, parts), self.blocks(), strict=True):
            if len(step.deleted_ids) or key == "high":
                part_seed = seed if key == "high" else seeding.derive(order, key)
                method = inner_methods.inner_method(key, block)
                state = Overlay(state, method.unlearn(task, state, step, part_seed))
        return Update.replace(state)
