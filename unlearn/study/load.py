"""From a configuration to cells: what a study computes, checked before anything runs.

A study names *parts* (data sets, models with their recipes, methods, requests). An experiment is
a grid over parts; each point of the grid is a *cell*. Every part gets a canonical name: the name
it is called by, followed by the parameters that differ from what that name stands for, as in
`finetune-epochs=5`. The name is the part's place in every path, so equal cells of two experiments
are computed once.

Imported by the Snakefile: no torch, no pandas.
"""

import itertools
from collections.abc import Iterator, Mapping, Sequence

from unlearn.evaluation import placement
from unlearn.evaluation.placement import CONTROLS
from unlearn.study import compatibility, figure_checks, registry, schema
from unlearn.study.components import (
    Dataset,
    Experiment,
    Model,
    Part,
    Picture,
    Study,
    Variant,
    canonical_name,
    choices,
    control_name,
)
from unlearn.study.grid import Cell, Grid, union
from unlearn.study.resolve import SECTIONS, Names, StudyError, trainer_of

__all__ = ["StudyError", "load_study"]


def load_study(config: Mapping, source: str = "config.yaml") -> Study:
    """Check a configuration and expand it. `source` is the file's name for error messages.

    Raises StudyError on the first thing that cannot run.
    """
    try:
        return _Loader(config, source).study
    except schema.InvalidError as error:  # of a module, not of a place in the configuration
        raise StudyError(f"{source}: {error}") from error


class _Loader:
    """Expands one configuration; every method may raise StudyError."""

    def __init__(self, config: Mapping, source: str):
        top = schema.read("study")
        self.config = schema.with_defaults(config, top)
        self.names = Names(self.config, source)
        self.names.check(config, top, "")
        for section in SECTIONS:
            for name in self.config[section]:
                self.names.part(section, name, f"{section}.{name}", complete=False)
        settings = {key: self.config[key] for key in ("results", "data", "device", "precision")}
        self.study = Study(name=self.config["study"], settings=settings)
        for name, block in self.config["experiments"].items():
            self.study.experiments[name] = self._experiment(name, block)
        for name, block in self.config["pictures"].items():
            self.study.pictures[name] = self._picture(name, block)
        self.study.cells = union([e.grid for e in self.study.experiments.values()])

    def _experiment(self, name: str, block: Mapping) -> Experiment:
        path = f"experiments.{name}"
        definitions = schema.read("study")["$defs"]
        block = schema.with_defaults(block, definitions["experiment"])
        figure = schema.with_defaults(block["figure"], definitions["figure"])
        figure |= placement.shown(figure)
        if figure["colour"] is None:
            figure["colour"] = "method" if figure["x"].startswith("method.") else "variant"
        datasets = [self._dataset(c, f"{path}.dataset") for c in choices(block["dataset"])]
        metrics = [*figure["y"], *(pair.partition("/")[0] for pair in block["summary"])]
        drawn, others = self._variants(block["method"], f"{path}.method", metrics)
        variants = [*drawn, *others]
        figure["hidden"] = [variant.name for variant in others]
        requests = [self._request(c, f"{path}.request") for c in choices(block["request"])]
        for dataset, request in itertools.product(datasets, requests):
            self.names.at(f"{path}.request", compatibility.request, dataset, request)
        for dataset, variant in itertools.product(datasets, variants):
            self.names.at(f"{path}.method", compatibility.trainer, dataset, variant.trainer)
        for variant, request in itertools.product(variants, requests):
            self.names.at(f"{path}.method", compatibility.service, variant, request)
        models = [
            (dataset, self._model(choice, dataset, f"{path}.model"))
            for dataset in datasets
            for choice in choices(block["model"])
        ]
        for (dataset, model), variant in itertools.product(models, variants):
            self.names.at(f"{path}.model", compatibility.model, dataset, model, variant)
        own = {key: block.get(key, self.config[key]) for key in ("seeds", "fleet")}
        fleets = self._fleets(own["seeds"], own["fleet"])
        grid = self._grid(models, variants, requests, fleets)
        available = {
            "dataset": {
                p.name: _prefixed("dataset", p.parameters) | _noise_columns(p) for p in datasets
            },
            "request": {p.name: _prefixed("request", p.parameters) for p in requests},
            "variant": {
                p.name: _prefixed("method", p.trainer.parameters | p.parameters)
                | {"method.trainer": p.trainer.kind, "method.guarantee": p.guarantee[0]}
                for p in variants
            },
            "model": {
                f"{d.name}/{m.name}": _prefixed("model", m.parameters)
                | _prefixed("recipe", m.recipe.parameters)
                for d, m in models
            },
        }
        cells = tuple(grid.cells())
        self.names.at(f"{path}.figure", figure_checks.figure, figure, cells, available, self.study)
        self.names.at(f"{path}.summary", figure_checks.summary, block["summary"], cells, self.study)
        wanted = placement.axes(figure) | {"method.guarantee"}
        if any(variant.trainer.kind != "standard" for variant in variants):
            wanted.add("method.trainer")
        columns = {
            field: {n: {c: row[c] for c in row if c in wanted} for n, row in rows.items()}
            for field, rows in available.items()
        }
        summary = tuple(block["summary"])
        return Experiment(name, block["description"], figure, grid, columns, summary)

    @staticmethod
    def _grid(
        models: Sequence[tuple[Dataset, Model]],
        variants: Sequence[Variant],
        requests: Sequence[Part],
        fleets: Sequence[str],
    ) -> Grid:
        """The cells of an experiment; parts that are listed twice count once."""
        impossible = [
            Cell(dataset.name, model.name, variant.name, request.name, fleet)
            for (dataset, model), variant, request, fleet in itertools.product(
                models, variants, requests, fleets
            )
            if not compatibility.possible(dataset, request, variant)
        ]
        return Grid(
            list(dict.fromkeys((dataset.name, model.name) for dataset, model in models)),
            *(list(dict.fromkeys(p.name for p in parts)) for parts in (variants, requests)),
            list(fleets),
            list(dict.fromkeys(impossible)),
        )

    def _picture(self, name: str, block: Mapping) -> Picture:
        path = f"pictures.{name}"
        block = schema.with_defaults(block, schema.read("study")["$defs"]["picture"])
        datasets = tuple(self._dataset(c, f"{path}.dataset") for c in choices(block["dataset"]))
        for dataset in datasets:
            self.names.at(f"{path}.dataset", compatibility.picture, dataset)
        if name in self.config["experiments"]:
            self.names.fail(path, "an experiment has this name")
        return Picture(name, block["description"], datasets, block["classes"])

    def _dataset(self, choice, path: str) -> Dataset:
        named = choice if isinstance(choice, Mapping) else {"name": choice}
        choice, noise = self.names.named(choice, "noise", path)
        part = self.names.part("datasets", choice, path)
        if part.parameters["noise"] and noise is None:
            noise = self.names.part("noises", part.parameters["noise"], f"{path}.noise")
        if noise:
            self.names.at(f"{path}.noise", compatibility.parameters, "noises", noise)
        parameters = {k: v for k, v in part.parameters.items() if k != "recipe"}
        source = None
        if parameters["features"]:  # of noisy images, if there are any
            source = self._dataset(named | {"features": None}, path).name
        elif noise:
            without = {"noise": None, "noised": 1, "noised_seed": 0}
            source = self._dataset(named | without, path).name
            self.names.register(self.study.noises, noise.name, noise)
        dataset = Dataset(
            part.name, part.kind, parameters, part.parameters["recipe"], source, noise
        )
        self.names.at(path, compatibility.dataset, dataset)
        self.names.at(path, compatibility.features, dataset)
        return self.names.register(self.study.datasets, dataset.name, dataset)

    def _request(self, choice, path: str) -> Part:
        part = self.names.part("requests", choice, path)
        return self.names.register(self.study.requests, part.name, part)

    def _variants(
        self, choice, path: str, metrics: Sequence[str]
    ) -> tuple[list[Variant], list[Variant]]:
        """The variants that are asked for, preceded by the controls of each of their trainers; and
        those that metrics compare them with besides.
        """
        asked = [self._variant(c, path) for c in choices(choice)]
        trainers = {v.trainer.name: self._controlled(v.trainer) for v in asked}
        controls = [
            self._built(control_name(kind, trainer), kind, {}, trainer)
            for trainer in trainers.values()
            for kind in CONTROLS
        ]
        others = [other for v in asked for other in self._references(v, asked, metrics)]
        listed = {variant.name: variant for variant in controls + asked}
        added = {v.name: v for v in others if v.name not in listed}
        for variant in [*listed.values(), *added.values()]:
            self.names.register(self.study.variants, variant.name, variant)
        return list(listed.values()), list(added.values())

    def _variant(self, choice, path: str) -> Variant:
        part = self.names.part("methods", choice, path)
        self.names.at(path, compatibility.parameters, "methods", part)
        own = schema.read("methods")[part.kind]["properties"]
        of_trainer = {k: v for k, v in part.parameters.items() if k not in own}
        of_method = {k: v for k, v in part.parameters.items() if k in own}
        kind = trainer_of(part.kind)
        return self._built(part.name, part.kind, of_method, self._trained(kind, of_trainer))

    def _built(self, name: str, kind: str, parameters: Mapping, trainer: Part) -> Variant:
        oracle = control_name("retrain", self._controlled(trainer))
        return Variant(
            name,
            kind,
            parameters,
            trainer,
            compatibility.guarantee(kind, trainer, parameters),
            oracle,
        )

    def _trained(self, kind: str, parameters: Mapping) -> Part:
        defaults = schema.with_defaults({}, schema.read("trainers")[kind])
        trainer = Part(canonical_name(kind, parameters, defaults), kind, parameters)
        return self.names.register(self.study.trainers, trainer.name, trainer)

    def _controlled(self, trainer: Part) -> Part:
        """The trainer whose controls serve: another one, if that trains the very same models."""
        same = registry.facts("trainers", trainer.kind).get("CONTROLS")
        return self._trained(same, {}) if same else trainer

    def _references(
        self, variant: Variant, asked: Sequence[Variant], metrics: Sequence[str]
    ) -> Iterator[Variant]:
        """The versions of a variant that `metrics` compare it with, as its method defines them:
        `set` these parameters, `keep` those, take the defaults of all others.
        """
        blocks = registry.facts("methods", variant.kind).get("REFERENCES", {})
        if any(block["set"].items() <= variant.parameters.items() for block in blocks.values()):
            return  # it is such a version itself
        defaults = schema.with_defaults({}, schema.read("methods")[variant.kind])
        for name, block in blocks.items():
            if not any(metric.endswith(f"_{name}") for metric in metrics):
                continue
            kept = {key: variant.parameters[key] for key in block["keep"]}
            parameters = defaults | kept | block["set"]
            decisive = (kept | block["set"]).items()
            alike = (v for v in asked if (v.kind, v.trainer) == (variant.kind, variant.trainer))
            other = next((v for v in alike if decisive <= v.parameters.items()), None)
            if other is None:
                found = canonical_name(variant.kind, parameters, defaults)
                other = self._built(found, variant.kind, parameters, variant.trainer)
            self.study.references.setdefault(variant.name, {})[name] = other.name
            yield other

    def _model(self, choice, dataset: Dataset, path: str) -> Model:
        choice, recipe = self.names.named(choice, "recipe", path)
        part = self.names.part("models", choice, path)
        parameters = dict(part.parameters)
        named = parameters.pop("recipe")
        if recipe is None:
            where = f"{path}.recipe" if named else f"datasets.{dataset.name}.recipe"
            recipe = self.names.part("recipes", named or dataset.recipe, where)
        self.names.at(f"recipes.{recipe.name}", compatibility.recipe, recipe)
        model = Model(part.name, part.kind, parameters, recipe)
        return self.names.register(self.study.models, (dataset.name, model.name), model)

    def _fleets(self, seeds, size: int) -> list[str]:
        seeds = sorted(map(int, seeds)) if isinstance(seeds, list) else range(int(seeds))
        names = []
        for _, group in itertools.groupby(seeds, lambda seed: seed // size):
            fleet = tuple(group)
            run = len(fleet) > 1 and fleet == tuple(range(fleet[0], fleet[-1] + 1))
            listed = canonical_name("seed" + "+".join(map(str, fleet)), {}, {})
            name = f"seeds{fleet[0]}-{fleet[-1]}" if run else listed
            self.study.fleets[name] = fleet
            names.append(name)
        return names


def _prefixed(part: str, parameters: Mapping) -> dict:
    """Parameters as columns of a table: `method.epochs`, `model.width`, `recipe.lr`, ...

    A parameter that is null is not one that is missing: it shows as none.
    """
    return {f"{part}.{k}": "none" if v is None else v for k, v in parameters.items()}


def _noise_columns(dataset: Dataset) -> dict:
    """The parameters of the noise that images of a data set carry, if any do."""
    if dataset.noise is None or not dataset.parameters["noised"]:
        return {}
    return _prefixed("noise", dataset.noise.parameters) | {"noise.kind": dataset.noise.kind}
