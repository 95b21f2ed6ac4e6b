"""The models that score the points of a data set for a request, which a sampler asks for."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from unlearn.requests.scoring import FLEET_MODELS
from unlearn.study import memory
from unlearn.study.compatibility import IMMOVABLE_FEATURES
from unlearn.study.components import DatasetPart, ModelPart, Part, canonical_name
from unlearn.training.fleet import Member, Subset

if TYPE_CHECKING:
    from unlearn.study.resolve import Resolver

FIRST_SEED = 4_000_000
"""The seed of the first scoring model; no other model of a study may share them."""

STANDARD_FRACTION = 0.7
"""The share of base training that the name of a scoring leaves out."""


@dataclass(frozen=True)
class Scoring:
    """The scoring models of one data set for a request."""

    name: str
    """Of the architecture, the recipe and the share; more models have the same name."""
    model: ModelPart
    fraction: float
    models: int

    @property
    def fleets(self) -> range:
        """The numbers of the fleets."""
        return range(self.models // FLEET_MODELS)

    def members(self, fleet: int) -> tuple[Member, ...]:
        """The members of a fleet: their subsets leave out the parts of one random order in turn."""
        return tuple(
            Member(FIRST_SEED + fleet * FLEET_MODELS + turn, Subset(self.fraction, fleet, turn))
            for turn in range(FLEET_MODELS)
        )


def resolve_scoring(
    resolver: "Resolver", dataset: DatasetPart, request: Part, seeds: Sequence[int], path: str
) -> None:
    """Register the scoring models that a request needs on a data set, if it needs any.

    Args:
        resolver: Finds the model; raises StudyError for one that cannot be.
        dataset: The data set.
        request: The request.
        seeds: Those of the models of the experiment.
        path: Where the request stands, for error messages.
    """
    scoring = request.component.scoring()
    if scoring is None:
        return
    choice = {"name": scoring.model}
    if scoring.recipe is not None:
        choice["recipe"] = scoring.recipe
    model = resolver.model(choice, dataset, f"{path}.model")
    label = f"{request.name} on {dataset.name}: model {model.name}"
    if dataset.features and not model.component.flat:
        resolver.fail(f"{path}.model", f"{label}: features are for logistic and mlp")
    if dataset.features and model.recipe.component.moves_pixels:
        resolver.fail(f"{path}.recipe", f"{label}: {IMMOVABLE_FEATURES}")
    if model.checkpoint is not None:
        resolver.fail(f"{path}.model", f"{label}: scoring models are trained, it has a checkpoint")
    for problem in memory.scoring_problems(label, model.component, dataset):
        resolver.fail(f"{path}.{problem.key}", problem.message)
    clash = [seed for seed in seeds if FIRST_SEED <= seed < FIRST_SEED + scoring.models]
    if clash:
        resolver.fail(
            path.removesuffix("request") + "seeds",
            f"{clash[0]} is the seed of a scoring model of {request.name}; allowed: below "
            f"{FIRST_SEED}",
        )
    name = canonical_name(
        model.name, {"fraction": scoring.fraction}, {"fraction": STANDARD_FRACTION}
    )
    resolver.study.scorings[dataset.name, request.name] = Scoring(
        name, model, scoring.fraction, scoring.models
    )
