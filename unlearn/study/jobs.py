"""What every job of a study is told: the one place where descriptions of jobs are built.

A description is a plain value that becomes one JSON string, with sorted keys, because Snakemake
compares parameters by value. Every function names the code that its job imports by a computed
name, too: `modules`.
"""

import functools
import importlib.metadata
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from unlearn.core import registry
from unlearn.evaluation import placement
from unlearn.jobs import description
from unlearn.jobs.description import FleetJob, NoiseJob
from unlearn.study import populations, sections
from unlearn.study.components import Experiment, Study, original_name
from unlearn.study.grid import NO_GRID, Cell, Grid, covering
from unlearn.study.scoring import Scoring

CHOICE_COLUMNS = ("dataset", "model", "method", "variant", "request")
"""The columns that identify what trials are made for."""


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

    def squeeze(self, dataset: str) -> dict[str, Any]:
        """How training images are squeezed."""
        return self.study.datasets[dataset].squeeze.block()

    def squeeze_modules(self, dataset: str) -> list[str]:
        """The code of the squeeze."""
        return registry.modules("squeezes", self.squeeze(dataset))

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
        content = {"method": variant.block(), "keeps_weights": cell in self._scored_cells}
        if cell.variant in self.study.tunings:
            content["tuned"] = self.study.tunings[cell.variant].searched
        trained_fleet = self.study.trained_fleets.get(cell.fleet)
        if trained_fleet is not None:
            content["trained_members"] = self.study.fleets[trained_fleet]
        return FleetJob(**vars(training) | content)

    def oracle(self, cell: Cell) -> FleetJob:
        """A fleet of a population, trained on what a request keeps; no weights are stored."""
        trainer = self.study.variants[cell.variant].trainer.name
        training = self.train(cell.dataset, cell.model, trainer, cell.fleet)
        return FleetJob(**vars(training) | {"keeps_weights": False, "checkpoint": None})

    def audit(self, cell: Cell) -> dict[str, Any]:
        """The columns that identify an audit."""
        is_oracle = cell.variant == self.study.variants[cell.variant].oracle
        columns = self._cell_columns(cell) | {"population": cell.fleet}
        return {"cell": columns, "is_oracle": is_oracle}

    def audit_groups(self, cell: Cell) -> populations.AuditGroups:
        """The grids of the models that an audit compares."""
        variant = self.study.variants[cell.variant]
        return populations.audit_groups(
            cell,
            self.study.populations[cell.fleet],
            original=original_name(variant),
            oracle=variant.oracle,
            is_oracle=cell.variant == variant.oracle,
        )

    def choice(self, cell: Cell) -> dict[str, Any]:
        """What the parameters of a tuned variant are chosen among; the request is the pilot's.

        The grid holds the trials, in their order.
        """
        tuning = self.study.tunings[cell.variant]
        columns = self._cell_columns(cell)
        return {
            "cell": {name: columns[name] for name in CHOICE_COLUMNS},
            "track": tuning.track,
            "grid": Grid(
                [(cell.dataset, cell.model)], list(tuning.trials), [cell.request], [cell.fleet]
            ),
            "trials": [
                {name: self.study.variants[trial].parameters[name] for name in tuning.searched}
                for trial in tuning.trials
            ],
        }

    def choices(self, experiment: str) -> Grid:
        """The tuned variants of an experiment, with the requests that they are tuned on."""
        trials = self._experiment(experiment).trials
        tuned = [v for v in self._experiment(experiment).grid.variants if v in self.study.tunings]
        return trials._replace(variants=tuned) if trials.variants else NO_GRID

    def judges(self) -> list[Grid]:
        """The controls that trials are judged by."""
        return [
            e.trials._replace(variants=[v for v in e.trials.variants if self._is_judge(v)])
            for e in self.study.experiments.values()
            if e.trials.variants
        ]

    def _is_judge(self, variant: str) -> bool:
        return self.study.variants[variant].kind in placement.CONTROLS

    def population_grids(self, audits: Iterable[Cell]) -> tuple[list[Grid], list[Grid]]:
        """The grids of cells that are unlearned for audits alone, and of oracles, each once."""
        unlearned: list[Grid] = []
        oracles: list[Grid] = []
        for cell in audits:
            groups = self.audit_groups(cell)
            is_oracle = cell.variant == self.study.variants[cell.variant].oracle
            unlearned += [groups.originals] if is_oracle else [groups.originals, groups.unlearned]
            oracles += [groups.reference, groups.random]
            oracles += [groups.unlearned] if is_oracle else []
        return covering(unlearned), covering(oracles)

    def relearn(self, cell: Cell, relearning: str) -> dict[str, Any]:
        """The fleet of a cell, how it relearns, and the columns that identify its curves."""
        return {
            "unlearn": self.unlearn(cell).describe(),
            "relearning": self.study.relearnings[relearning].component.values(),
            "cell": self.score(cell, {})["cell"],
        }

    def score(self, cell: Cell, references: Mapping[str, str]) -> dict[str, Any]:
        """The columns that identify a cell's scores, its guarantee, names of the references."""
        guarantee = self.study.guarantee(cell)
        return {
            "cell": self._cell_columns(cell),
            "guarantee": {"level": guarantee.level, "reason": guarantee.reason},
            "references": list(references),
        }

    def _cell_columns(self, cell: Cell) -> dict[str, Any]:
        """The columns that identify a cell; the rate is left out where the sampler has none."""
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
        return columns | ({} if rate is None else {"rate": rate})

    def table(self, experiment: str) -> dict[str, Any]:
        """Metrics (`primary`: the figure's), splits, columns of parameters, averaged requests."""
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
            "primary": list(figure["y"]),
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
        blocks = {}
        for name, experiment in self.study.experiments.items():
            figure = {key: value for key, value in experiment.figure.items() if key != "labels"}
            blocks[name] = {"description": experiment.description, "figure": figure}
        return blocks

    def sensitivity(self, experiment: str) -> dict[str, Any]:
        """The labels of the methods of an experiment."""
        return {"labels": self._experiment(experiment).figure["labels"]}

    def guarantees(self) -> dict[str, list[str]]:
        """How exact every variant is, and why; trials are versions of these."""
        trials = {trial for tuning in self.study.tunings.values() for trial in tuning.trials}
        return {
            name: [variant.guarantee.level, variant.guarantee.reason]
            for name, variant in self.study.variants.items()
            if name not in trials
        }

    @functools.cached_property
    def _scored_cells(self) -> frozenset[Cell]:
        """The cells that are compared in pairs, which needs their weights."""
        return frozenset(self.study.cells)

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
