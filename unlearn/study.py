"""From a configuration to cells: what a study computes, checked before anything runs.

A study names *parts* (data sets, models with their recipes, methods, requests). An experiment is
a grid over parts; each point of the grid is a *cell*. Every part gets a canonical name: the name
it is called by, followed by the parameters that differ from what that name stands for, as in
`finetune-epochs=5`. The name is the part's place in every path, so equal cells of two experiments
are computed once.

Imported by the Snakefile: no torch, no pandas.
"""

import importlib
import itertools
from collections.abc import Iterator, Mapping

from unlearn import catalogue, schema, scoring
from unlearn.parts import (
    Cell,
    Experiment,
    Model,
    Part,
    Study,
    Variant,
    canonical_name,
    control_name,
)

CONTROLS = ("original", "retrain")
"""Methods that every experiment contains, asked for or not."""

# section of a study -> schema, family of modules (None: the schema alone knows the names)
SECTIONS = {
    "datasets": ("datasets", "data"),
    "models": ("models", None),
    "recipes": ("recipe", None),
    "requests": ("samplers", "requests"),
    "methods": ("methods", "methods"),
}


class StudyError(Exception):
    """A configuration that cannot run; says the file, the key, the value and what is allowed."""


def load(config: Mapping, source: str = "config.yaml") -> Study:
    """Check a configuration and expand it. `source` is the file's name for error messages.

    Raises StudyError on the first thing that cannot run.
    """
    return _Loader(config, source).study


class _Loader:
    """Expands one configuration; every method may raise StudyError."""

    def __init__(self, config: Mapping, source: str):
        self.source = source
        top = schema.read("study")
        self._check(config, top, "")
        self.config = schema.with_defaults(config, top)
        for section in SECTIONS:
            for name in self.config[section]:
                self._part(section, name, f"{section}.{name}", complete=False)
        settings = {key: self.config[key] for key in ("results", "data", "device", "precision")}
        self.study = Study(name=self.config["study"], settings=settings)
        for name, block in self.config["experiments"].items():
            self.study.experiments[name] = self._experiment(name, block)
        cells = [cell for e in self.study.experiments.values() for cell in e.cells]
        self.study.cells = tuple(dict.fromkeys(cells))

    def _experiment(self, name: str, block: Mapping) -> Experiment:
        path = f"experiments.{name}"
        definitions = schema.read("study")["$defs"]
        block = schema.with_defaults(block, definitions["experiment"])
        figure = schema.with_defaults(block["figure"], definitions["figure"])
        parts = {
            "dataset": self._parts("datasets", block["dataset"], f"{path}.dataset"),
            "variant": self._variants(block["method"], f"{path}.method"),
            "request": self._parts("requests", block["request"], f"{path}.request"),
        }
        for dataset, request in itertools.product(parts["dataset"], parts["request"]):
            self._check_request(dataset, request, f"{path}.request")
        models = [
            (dataset, self._model(choice, dataset, f"{path}.model"))
            for dataset in parts["dataset"]
            for choice in _choices(block["model"])
        ]
        grid = itertools.product(
            models,
            parts["variant"],
            parts["request"],
            self._fleets(block.get("seeds", self.config["seeds"])),
        )
        cells = [
            Cell(dataset.name, model.name, variant.name, request.name, fleet)
            for (dataset, model), variant, request, fleet in grid
        ]
        available = {
            "dataset": {p.name: _prefixed("dataset", p.parameters) for p in parts["dataset"]},
            "request": {p.name: _prefixed("request", p.parameters) for p in parts["request"]},
            "variant": {
                p.name: _prefixed("method", p.trainer.parameters | p.parameters)
                for p in parts["variant"]
            },
            "model": {
                f"{d.name}/{m.name}": _prefixed("model", m.parameters)
                | _prefixed("recipe", m.recipe.parameters)
                for d, m in models
            },
        }
        self._check_figure(figure, available, f"{path}.figure")
        wanted = {figure[key] for key in ("x", "colour", "facet")}
        columns = {
            field: {n: {c: row[c] for c in row if c in wanted} for n, row in rows.items()}
            for field, rows in available.items()
        }
        return Experiment(name, block["description"], figure, tuple(dict.fromkeys(cells)), columns)

    def _parts(self, section: str, choice, path: str) -> list[Part]:
        store = getattr(self.study, section)
        found = [self._part(section, c, path) for c in _choices(choice)]
        return [self._register(store, part.name, part) for part in found]

    def _variants(self, choice, path: str) -> list[Variant]:
        """The variants that are asked for, preceded by the controls of each of their trainers."""
        asked = [self._variant(c, path) for c in _choices(choice)]
        trainers = {variant.trainer.name: variant.trainer for variant in asked}
        controls = [
            Variant(control_name(kind, trainer), kind, {}, trainer)
            for trainer in trainers.values()
            for kind in CONTROLS
        ]
        listed = {variant.name: variant for variant in controls + asked}
        return [self._register(self.study.variants, v.name, v) for v in listed.values()]

    def _variant(self, choice, path: str) -> Variant:
        part = self._part("methods", choice, path)
        own = schema.read("methods")[part.kind]["properties"]
        of_trainer = {k: v for k, v in part.parameters.items() if k not in own}
        of_method = {k: v for k, v in part.parameters.items() if k in own}
        kind = _trainer(part.kind)
        defaults = schema.with_defaults({}, schema.read("trainers")[kind])
        trainer = Part(canonical_name(kind, of_trainer, defaults), kind, of_trainer)
        self._register(self.study.trainers, trainer.name, trainer)
        return Variant(part.name, part.kind, of_method, trainer)

    def _model(self, choice, dataset: Part, path: str) -> Model:
        recipe = choice.get("recipe") if isinstance(choice, Mapping) else None
        if isinstance(recipe, Mapping):
            recipe = self._part("recipes", recipe, f"{path}.recipe")
            choice = choice | {"recipe": recipe.name}
        part = self._part("models", choice, path)
        parameters = dict(part.parameters)
        named = parameters.pop("recipe") or dataset.parameters["recipe"]
        if not isinstance(recipe, Part):
            recipe = self._part("recipes", named, f"{path}.recipe")
        model = Model(part.name, part.kind, parameters, recipe)
        return self._register(self.study.models, (dataset.name, model.name), model)

    def _fleets(self, seeds) -> list[str]:
        seeds = list(range(seeds)) if isinstance(seeds, int) else list(seeds)
        names = []
        size = self.config["fleet"]
        for start in range(0, len(seeds), size):
            fleet = tuple(seeds[start : start + size])
            run = len(fleet) > 1 and fleet == tuple(range(fleet[0], fleet[-1] + 1))
            name = f"seeds{fleet[0]}-{fleet[-1]}" if run else "seed" + "+".join(map(str, fleet))
            self.study.fleets[name] = fleet
            names.append(name)
        return names

    def _part(self, section: str, choice, path: str, complete: bool = True) -> Part:
        """Resolve a name or a block. `complete=False` accepts a block without required values."""
        name = choice if isinstance(choice, str) else choice["name"]
        alias = dict(self.config[section].get(name) or {})
        kind = self._kind(section, name, alias.pop("name", None), path)
        rules = schema.read(SECTIONS[section][0])[kind]
        if section == "methods":
            more = schema.read("trainers")[_trainer(kind)]["properties"]
            rules = rules | {"properties": rules["properties"] | more}
        optional = {k: v for k, v in rules.items() if k != "required"}
        overrides = (
            {} if isinstance(choice, str) else {k: v for k, v in choice.items() if k != "name"}
        )
        self._check(alias, optional, f"{section}.{name}")
        self._check(overrides, optional, path)
        if complete:
            self._check(alias | overrides, rules, path)
        parameters = schema.with_defaults(alias | overrides, rules)
        return Part(
            canonical_name(name, parameters, schema.with_defaults(alias, rules)), kind, parameters
        )

    def _kind(self, section: str, name: str, alias_of: str | None, path: str) -> str:
        """The registered name that `name` stands for."""
        schemas, family = SECTIONS[section]
        known = [n for n in schema.read(schemas) if not family or n in catalogue.names(family)]
        implicit = "standard" if section == "recipes" and name in self.config[section] else name
        kind = alias_of or implicit
        if kind not in known:
            allowed = {*known, *self.config[section]} - {kind}
            self._fail(path, schema.unknown(section.removesuffix("s"), kind, allowed))
        return kind

    def _check_request(self, dataset: Part, request: Part, path: str) -> None:
        facts = catalogue.facts("data", dataset.kind)
        points = dataset.parameters["subset"] or facts["TRAIN"]
        if points > facts["TRAIN"]:
            allowed = f"{dataset.kind} has {facts['TRAIN']} training points"
            self._fail(f"datasets.{dataset.name}.subset", f"{points} is too many; {allowed}")
        held_out = round(dataset.parameters["held_out"] * points)
        sampler = importlib.import_module(f"unlearn.requests.{request.kind}")
        try:
            sampler.check(points, facts["CLASSES"], held_out, **request.parameters)
        except ValueError as error:
            self._fail(path, f"{request.name} on {dataset.name}: {error}")

    def _check_figure(self, figure: Mapping, available: Mapping, path: str) -> None:
        if figure["kind"] not in catalogue.names("figures"):
            kinds = catalogue.names("figures")
            self._fail(f"{path}.kind", schema.unknown("kind of figure", figure["kind"], kinds))
        metrics = as_list(figure["y"])
        for metric in metrics:
            if metric not in scoring.METRICS:
                self._fail(f"{path}.y", schema.unknown("metric", metric, scoring.METRICS))
        splits = {split for metric in metrics for split in scoring.METRICS[metric]}
        for split in as_list(figure["split"]):
            if split not in splits:
                self._fail(f"{path}.split", schema.unknown("split", split, splits))
        parameters = {c for rows in available.values() for row in rows.values() for c in row}
        allowed = {*scoring.CELL, "metric", "split", *parameters}
        for key in ("x", "colour", "facet"):
            if figure[key] is not None and figure[key] not in allowed:
                self._fail(f"{path}.{key}", schema.unknown("column", figure[key], allowed))

    def _register(self, store: dict, key, part):
        if store.setdefault(key, part) != part:
            other = dict(store[key].parameters)
            self._fail("", f"two parts are called {part.name}: {other} and {dict(part.parameters)}")
        return part

    def _check(self, instance, rules: Mapping, path: str) -> None:
        try:
            schema.check(instance, rules)
        except schema.InvalidError as error:
            self._fail(f"{path}.{error.path}".strip("."), str(error))

    def _fail(self, path: str, message: str):
        raise StudyError(": ".join(filter(None, (self.source, path, message))))


def as_list(value) -> list:
    """A list as it is, anything else as a list of one."""
    return value if isinstance(value, list) else [value]


def _choices(block) -> Iterator:
    """Every version of a block in which each list is replaced by one of its elements."""
    if isinstance(block, list):
        for element in block:
            yield from _choices(element)
    elif isinstance(block, Mapping):
        for values in itertools.product(*(list(_choices(v)) for v in block.values())):
            yield dict(zip(block, values, strict=True))
    else:
        yield block


def _trainer(method: str) -> str:
    """The trainer that a method declares; `None` there means any, hence the standard one."""
    return catalogue.facts("methods", method)["trainer"] or "standard"


def _prefixed(part: str, parameters: Mapping) -> dict:
    """Parameters as columns of a table: `method.epochs`, `model.width`, `recipe.lr`, ..."""
    return {f"{part}.{key}": value for key, value in parameters.items()}
