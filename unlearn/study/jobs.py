"""What every job of a study is told: the one place where descriptions of jobs are built.

A description is a plain value that becomes one JSON string, with sorted keys, because Snakemake
compares parameters by value. Every function names the code that its job imports by a computed
name, too: `modules`.
"""

import functools
import importlib.metadata
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from unlearn.core import registry
from unlearn.evaluation import placement
from unlearn.jobs import description
from unlearn.jobs.description import FleetJob, NoiseJob
from unlearn.study import sections
from unlearn.study.components import Experiment, Study
from unlearn.study.grid import Cell
from unlearn.study.scoring import Scoring


def as_json(content: Any) -> str:
    """The one textual form of a description."""
    return json.dumps(content, sort_keys=True)


@dataclass(frozen=True)
class Jobs:
    """The descriptions of the jobs of one study."""

    study: Study

    def data(self, dataset: str) -> dict[str, Any]:
        """A data set as arrays."""
        part = self.study.datasets[dataset]
        values = sections.own_parameters("data", part.kind, part.parameters)
        return {"kind": part.kind, "parameters": values}

    def data_modules(self, dataset: str) -> list[str]:
        """The code of a data set's source."""
        return registry.modules("data", self.data(dataset))

    def features(self, dataset: str) -> list[dict[str, Any]]:
        """The kinds of features that models see."""
        return [
            description.block("features", name) for name in self.study.datasets[dataset].features
        ]

    def features_modules(self, dataset: str) -> list[str]:
        """The code of the features."""
        return [m for kind in self.features(dataset) for m in registry.modules("features", kind)]

    def noise(self, noise: str) -> NoiseJob:
        """Noise for training images."""
        return NoiseJob(noise=self.study.noises[noise].block(), **self._arithmetic())

    def noise_share(self, dataset: str) -> dict[str, Any]:
        """How many points carry noise, and which."""
        parameters = self.study.datasets[dataset].parameters
        return {"share": parameters["noised"], "seed": parameters["noised_seed"]}

    def swap(self, dataset: str) -> dict[str, Any]:
        """How many points exchange labels, of which classes, and which."""
        parameters = self.study.datasets[dataset].parameters
        return {
            "classes": parameters["swapped_classes"],
            "amount": parameters["swapped"],
            "seed": parameters["swapped_seed"],
        }

    def request(self, request: str) -> dict[str, Any]:
        """The points that are deleted or added."""
        return self.study.requests[request].block()

    def request_modules(self, request: str) -> list[str]:
        """The code of the sampler."""
        return registry.modules("requests", self.request(request))

    def train(self, dataset: str, model: str, trainer: str, fleet: str) -> FleetJob:
        """A trained fleet."""
        part = self.study.models[dataset, model]
        return FleetJob(
            model=part.block(),
            recipe=part.recipe.component.values(),
            trainer=self.study.trainers[trainer].block(),
            members=self.study.fleets[fleet],
            checkpoint=part.checkpoint,
            **self._arithmetic(),
        )

    def scorers(self, scoring: Scoring, fleet: int) -> FleetJob:
        """A fleet of models that score points."""
        return FleetJob(
            model=scoring.model.block(),
            recipe=scoring.model.recipe.component.values(),
            members=scoring.members(fleet),
            **self._arithmetic(),
        )

    def unlearn(self, cell: Cell) -> FleetJob:
        """An unlearned fleet."""
        variant = self.study.variants[cell.variant]
        training = self.train(cell.dataset, cell.model, variant.trainer.name, cell.fleet)
        return FleetJob(**vars(training) | {"method": variant.block()})

    def score(self, cell: Cell, references: Mapping[str, str]) -> dict[str, Any]:
        """The columns that identify a cell's scores, and the names of the references.

        The rate is left out where the sampler has none.
        """
        request = self.study.requests[cell.request]
        columns = {
            "dataset": cell.dataset,
            "model": cell.model,
            "method": self.study.variants[cell.variant].kind,
            "variant": cell.variant,
            "request": cell.request,
            "sampler": request.kind,
        }
        rate = request.parameters.get("rate")
        columns |= {} if rate is None else {"rate": rate}
        return {"cell": columns, "references": list(references)}

    def table(self, experiment: str) -> dict[str, Any]:
        """Metrics, splits, the parameters that become columns, and requests that are averaged."""
        block = self.study.experiments[experiment]
        figure = block.figure
        pairs = [pair.split("/") for pair in block.summary]
        metrics = dict.fromkeys(
            [*figure["y"], *placement.floors(figure), *(metric for metric, _ in pairs)]
        )
        splits = figure["split"] and dict.fromkeys(
            [*figure["split"], *(split for _, split in pairs)]
        )
        return {
            "y": list(metrics),
            "split": list(splits),
            "columns": block.columns,
            "draws": block.draws,
        }

    def summary(self, experiment: str) -> dict[str, Any]:
        """The columns of the wide table, and the variants that it leaves out."""
        block = self._experiment(experiment)
        return {"columns": block.summary, "hidden": block.figure["hidden"]}

    def figure(self, experiment: str) -> Mapping[str, Any]:
        """The figure block."""
        return self._experiment(experiment).figure

    def experiments(self) -> dict[str, Any]:
        """What the landing page says of every experiment."""
        return {
            name: {"description": experiment.description, "figure": experiment.figure}
            for name, experiment in self.study.experiments.items()
        }

    def guarantees(self) -> dict[str, list[str]]:
        """How exact every variant is, and why."""
        return {
            name: [variant.guarantee.level, variant.guarantee.reason]
            for name, variant in self.study.variants.items()
        }

    def _experiment(self, name: str) -> Experiment:
        return self.study.experiments[name]

    def _arithmetic(self) -> dict[str, str]:
        """What decides about the bits of a result."""
        settings = {key: self.study.settings[key] for key in ("device", "precision")}
        return settings | {"torch": _torch_version()}


@functools.cache
def _torch_version() -> str:
    """torch's version where jobs run in this environment; conda environments are hashed anyway."""
    try:
        return importlib.metadata.version("torch")
    except importlib.metadata.PackageNotFoundError:
        return "of the rule's environment"
