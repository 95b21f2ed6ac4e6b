"""Second pass: names of a study -> parts. Which component a name or a block stands for, each once.

A part is named by the name it is called by, followed by the parameters that differ from what that
name stands for, as in `finetune-epochs=5`. The name is the part's place in every path, so equal
cells of two experiments are computed once.
"""

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from unlearn.core import registry
from unlearn.core.parameters import Parameters
from unlearn.study import messages, schema, sections, tuning
from unlearn.study.components import (
    DatasetPart,
    ModelPart,
    Part,
    Selection,
    Study,
    canonical_name,
    choices,
)
from unlearn.study.data_facts import check_squeeze, data_facts
from unlearn.study.messages import InvalidError
from unlearn.study.population_blocks import resolve_populations
from unlearn.study.scoring import resolve_scoring
from unlearn.study.variants import resolve_variants
from unlearn.training.fleet import Member
from unlearn.training.recipe import Recipe


class StudyError(Exception):
    """A configuration that cannot run; says the file, the key, the value and what is allowed."""


class Resolver:
    """Finds the parts of one configuration; every method may raise StudyError."""

    def __init__(self, config: Mapping, source: str, study: Study):
        """Check the blocks of all sections, used or not.

        Args:
            config: A validated configuration.
            source: The name of its file, for error messages.
            study: Takes the parts.
        """
        self.config = config
        self.source = source
        self.study = study
        for section in sections.FAMILIES:
            for name in config[section]:
                self.block(section, name, f"{section}.{name}", complete=False)

    def selection(self, block: Mapping, path: str, metrics: Sequence[str]) -> Selection:
        """The parts of an experiment; `metrics` may compare its variants with others."""
        datasets = [
            self.dataset(choice, f"{path}.dataset") for choice in self.choices(block["dataset"])
        ]
        variants, references = resolve_variants(self, block["method"], f"{path}.method", metrics)
        requests = [
            self.request(choice, f"{path}.request") for choice in self.choices(block["request"])
        ]
        models = [
            (dataset, self.model(choice, dataset, f"{path}.model"))
            for dataset in datasets
            for choice in self.choices(block["model"])
        ]
        seeds = block["seeds"] if isinstance(block["seeds"], list) else range(int(block["seeds"]))
        fleets = self.fleets(seeds, block["fleet"])
        audited = tuple(resolve_populations(self, block["population"], seeds, f"{path}.population"))
        for dataset, request in itertools.product(datasets, requests):
            self.scoring(dataset, request, seeds, path)
        return Selection(
            tuple(datasets),
            tuple(models),
            tuple(variants),
            tuple(references),
            tuple(requests),
            tuple(fleets),
            audited,
        )

    def dataset(self, choice: Any, path: str) -> DatasetPart:
        """The data set of a choice, and those that it is made from."""
        block = choice if isinstance(choice, Mapping) else {"name": choice}
        choice, noise = self._inner_part(choice, "noise", path)
        choice, squeeze = self._inner_part(choice, "squeeze", path)
        name, kind, values = self.block("datasets", choice, path)
        if values["noise"] and noise is None:
            noise = self._part("noises", values["noise"], f"{path}.noise")
        if noise is None:
            self._check_clean(values, path)
        if values["squeeze"] and squeeze is None:
            squeeze = self._part("squeezes", values["squeeze"], f"{path}.squeeze")
        component = self.component("data", kind, values, path)
        facts = self.at(path, data_facts, kind, component, values, noise is not None)
        parameters = {key: value for key, value in values.items() if key != "recipe"}
        source = None
        if values["features"]:  # of noisy images, if there are any
            source = self.dataset(block | {"features": None}, path).name
        elif squeeze:
            self.at(path, check_squeeze, squeeze, facts)
            source = self.dataset(block | {"squeeze": None}, path).name
        elif noise:
            clean = {"noise": None, "noised": 1, "noised_seed": 0}
            source = self.dataset(block | clean, path).name
            shape = component.kept_facts().shape
            self.at(f"{path}.noise", noise.component.check, shape, facts.classes)
            self.register(self.study.noises, noise.name, noise)
        elif values["swapped"]:
            true_labels = {"swapped": None, "swapped_classes": None, "swapped_seed": 0}
            source = self.dataset(block | true_labels, path).name
        part = DatasetPart(
            name,
            kind,
            parameters,
            component,
            recipe=values["recipe"],
            facts=facts,
            source=source,
            noise=noise,
            squeeze=squeeze,
        )
        return self.register(self.study.datasets, part.name, part)

    def _check_clean(self, values: Mapping, path: str) -> None:
        """Raise StudyError for a share of noisy points in a data set without noise."""
        for key in ("noised", "noised_seed"):
            default = sections.DATASET_DEFAULTS[key]
            if values[key] != default:
                self.fail(
                    f"{path}.{key}",
                    f"{values[key]:g} needs noise; allowed: a kind of noise at `noise`, or {key}: "
                    f"{default:g}",
                )

    def at(self, path: str, check: Callable, *arguments: Any) -> Any:
        """The value of a call whose errors are about what stands at `path`."""
        try:
            return check(*arguments)
        except InvalidError as error:
            return self.fail(f"{path}.{error.path}".strip("."), str(error))
        except ValueError as error:
            return self.fail(path, str(error))

    def fail(self, path: str, message: str) -> Any:
        """Raise StudyError about what stands at `path`."""
        raise StudyError(": ".join(filter(None, (self.source, path, message))))

    def register(self, store: dict, key: Any, part: Any) -> Any:
        """Put a part into `store`, or find it there; two that differ cannot share a name."""
        if store.setdefault(key, part) != part:
            earlier = dict(store[key].parameters)
            self.fail(
                "", f"two parts are called {part.name}: {earlier} and {dict(part.parameters)}"
            )
        return part

    @staticmethod
    def choices(block: Any) -> Iterator[Any]:
        """Every version of a block of an experiment."""
        return choices(block, sections.array_parameters())

    def block(
        self, section: str, choice: Any, path: str, complete: bool = True
    ) -> tuple[str, str, dict]:
        """Canonical name, registered kind and values of a name or a block.

        Args:
            section: The section of the study.
            choice: A name, or a block with a name and parameters.
            path: Where it stands, for error messages.
            complete: False accepts a block without required values.
        """
        name = choice.get("name") if isinstance(choice, Mapping) else choice
        if not isinstance(name, str):
            self.fail(path, f"name: {messages.excerpt(name)} is no name; allowed: text")
        alias = dict(self.config[section].get(name) or {})
        kind = self._kind(section, name, alias.pop("name", None), path)
        rules = sections.block_schema(section, kind)
        optional = {key: value for key, value in rules.items() if key != "required"}
        overrides = dict(choice) if isinstance(choice, Mapping) else {}
        overrides.pop("name", None)
        self.at(f"{section}.{name}", schema.check, alias, optional)
        self.at(path, schema.check, overrides, optional)
        if complete:
            self.at(path, schema.check, alias | overrides, rules)
        values = schema.with_defaults(alias | overrides, rules)
        base = schema.with_defaults(alias, rules)
        if values.get(tuning.KEY):
            base = tuning.naming_base(kind, base, overrides.keys() - alias.keys())
        return canonical_name(name, values, base), kind, values

    def _kind(self, section: str, name: str, alias_of: str | None, path: str) -> str:
        """The registered name that `name` stands for.

        Args:
            section: The section of the study.
            name: A registered name, or a name of the study.
            alias_of: The registered name that the study gives for it, if it does.
            path: Where the name stands, for error messages.
        """
        registered = sections.kinds(section)
        is_own_recipe = section == "recipes" and name in self.config[section]
        default = sections.STANDARD_RECIPE if is_own_recipe else name
        if name in registered and alias_of not in (None, name):
            self.fail(f"{section}.{name}.name", f"{name} is no other name for {alias_of}")
        kind = alias_of or default
        if kind not in registered:
            allowed = {*registered, *self.config[section]} - {kind}
            self.fail(path, messages.unknown(section.removesuffix("s"), kind, allowed))
        if section != "recipes":
            sections.check_declaration(sections.FAMILIES[section], kind)
        return kind

    def _part(self, section: str, choice: Any, path: str) -> Part:
        """The part of a section whose blocks have the parameters of a component alone."""
        name, kind, values = self.block(section, choice, path)
        family = sections.FAMILIES[section]
        return Part(name, kind, values, self.component(family, kind, values, path, name))

    def component(
        self, family: str, kind: str, values: Mapping, path: str, name: str | None = None
    ) -> Parameters:
        """The component that those of the values make that are its parameters.

        Args:
            family: The family of the component.
            kind: Its registered name.
            values: Its parameters, and others.
            path: Where it stands, for error messages.
            name: The name of the part, which begins the message if there is one.
        """
        parameters = sections.own_parameters(family, kind, values)
        try:
            return registry.find(family, kind)(**parameters)
        except ValueError as error:
            return self.fail(path, f"{name}: {error}" if name else str(error))

    def _inner_part(self, choice: Any, key: str, path: str) -> tuple[Any, Part | None]:
        """A choice in which a block at `key` has become a name, and the part that it names."""
        block = choice.get(key) if isinstance(choice, Mapping) else None
        if not isinstance(block, Mapping):
            return choice, None
        if "name" not in block:
            self.fail(f"{path}.{key}", f"{dict(block)} needs the name of the {key} it changes")
        place = f"{path}.{key}"
        part = (
            self._recipe(block, place) if key == "recipe" else self._part(f"{key}s", block, place)
        )
        return choice | {key: part.name}, part

    def _recipe(self, choice: Any, path: str) -> Part:
        name, kind, values = self.block("recipes", choice, path)
        component = self.at(f"recipes.{name}", lambda: Recipe(**values))
        return Part(name, kind, values, component)

    def request(self, choice: Any, path: str) -> Part:
        """The request of a choice."""
        part = self._part("requests", choice, path)
        return self.register(self.study.requests, part.name, part)

    def model(self, choice: Any, dataset: DatasetPart, path: str) -> ModelPart:
        """The model of a choice, trained on a data set."""
        choice, recipe = self._inner_part(choice, "recipe", path)
        name, kind, values = self.block("models", choice, path)
        component = self.component("models", kind, values, path, name)
        parameters = dict(values)
        recipe_name = parameters.pop("recipe")
        checkpoint = parameters.pop("checkpoint")
        if recipe is None:
            place = f"{path}.recipe" if recipe_name else f"datasets.{dataset.name}.recipe"
            recipe = self._recipe(recipe_name or dataset.recipe, place)
        model = ModelPart(name, kind, parameters, component, recipe=recipe, checkpoint=checkpoint)
        return self.register(self.study.models, (dataset.name, model.name), model)

    def scoring(self, dataset: DatasetPart, request: Part, seeds: Sequence[int], path: str) -> None:
        """Register the models whose scores of points a request reads; see `resolve_scoring`."""
        resolve_scoring(self, dataset, request, seeds, f"{path}.request")

    def fleets(self, seeds: Iterable[int], size: int) -> tuple[str, ...]:
        """The names of the fleets of some seeds: 0-4, 5-9, ... for a size of 5."""
        names = []
        for _, group in itertools.groupby(sorted(map(int, seeds)), lambda seed: seed // size):
            fleet = tuple(group)
            is_run = len(fleet) > 1 and fleet == tuple(range(fleet[0], fleet[-1] + 1))
            seed_list = canonical_name("seed" + "+".join(map(str, fleet)), {}, {})
            name = f"seeds{fleet[0]}-{fleet[-1]}" if is_run else seed_list
            self.study.fleets[name] = tuple(map(Member, fleet))
            names.append(name)
        return tuple(names)
