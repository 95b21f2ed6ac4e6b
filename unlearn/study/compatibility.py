"""What a schema cannot say: parts that do not fit each other.

Every check raises `schema.InvalidError` with the path below the checked block.
"""

import importlib
from collections.abc import Mapping

from unlearn.models import architectures
from unlearn.study import registry, schema
from unlearn.study.components import Dataset, Model, Part, Variant
from unlearn.study.schema import InvalidError

LEAST_RESERVE = 100
"""Public points that features are standardised by."""


def dataset(block: Dataset) -> None:
    """Subsets that exist, and something left to train on."""
    facts = registry.facts("data", block.kind)
    points, held_out = sizes(block)
    for key, part, what in (("subset", "TRAIN", "training"), ("test_subset", "TEST", "test")):
        if (block.parameters[key] or 0) > facts[part]:
            allowed = f"{block.kind} has {facts[part]} {what} points"
            raise InvalidError(key, f"{block.parameters[key]} is too many; {allowed}")
    if held_out >= points:
        share = block.parameters["held_out"]
        raise InvalidError("held_out", f"{share} of {points} points leaves none to train on")


def parameters(family: str, block: Part) -> None:
    """Parameters that fit each other; a module says in CHECK who knows."""
    knows = registry.facts(family, block.kind).get("CHECK")
    if knows:
        try:
            importlib.import_module(knows).check(**block.parameters)
        except ValueError as error:
            raise InvalidError("", f"{block.name}: {error}") from error


def picture(block: Dataset) -> None:
    """Images, of which some carry noise."""
    if block.noise is None or featured(block) or not block.parameters["noised"]:
        raise InvalidError("", f"{block.name} has no images that carry noise")


def features(block: Dataset) -> None:
    """Features that exist, and public points to standardise them by where they need some."""
    for name in featured(block):
        if name not in registry.names("features"):
            allowed = registry.names("features")
            raise InvalidError("features", schema.unknown("features", name, allowed))
        if not importlib.import_module(f"unlearn.data.features.{name}").size(
            registry.facts("data", block.kind)["SHAPE"]
        ):
            raise InvalidError("features", f"{name} has none of images of {block.kind}")
        if registry.facts("features", name)["RESERVE"] and sizes(block)[1] < LEAST_RESERVE:
            raise InvalidError(
                "held_out",
                f"{block.parameters['held_out']} leaves {sizes(block)[1]} public points to "
                f"standardise {name} by; allowed: {LEAST_RESERVE} points or more",
            )


def recipe(block: Part) -> None:
    """Combinations that the optimiser refuses."""
    if block.parameters["nesterov"] and not block.parameters["momentum"]:
        raise InvalidError("nesterov", "true needs a momentum above 0")


def request(data: Dataset, block: Part) -> None:
    """A request that selects some of the data and not all of it."""
    points, held_out = sizes(data)
    classes = registry.facts("data", data.kind)["CLASSES"]
    sampler = importlib.import_module(f"unlearn.requests.{block.kind}")
    try:
        sampler.check(points, classes, held_out, **block.parameters)
    except ValueError as error:
        raise InvalidError("", f"{block.name} on {data.name}: {error}") from error
    if "noised" in registry.facts("requests", block.kind).get("READS", ()) and not data.noise:
        raise InvalidError("", f"{block.name} on {data.name}: its images carry no noise")
    public = [n for n in featured(data) if registry.facts("features", n)["RESERVE"]]
    if public and "add" in registry.facts("requests", block.kind)["ASKS"]:
        raise InvalidError(
            "",
            f"{block.name} on {data.name}: {public[0]} is standardised by the held-out points, "
            "which are public and cannot be added",
        )


def possible(data: Dataset, block: Part, variant: Variant) -> bool:
    """Whether a method can serve a request that may leave no points: doing nothing can."""
    sampler = importlib.import_module(f"unlearn.requests.{block.kind}")
    empties = hasattr(sampler, "leaves_nothing") and sampler.leaves_nothing(
        data.parameters["noised"]
    )
    return variant.kind == "original" or not empties


def trainer(data: Dataset, block: Part) -> None:
    """A trainer that can work on a data set of this size; its module says in PLAN who knows."""
    plan = registry.facts("trainers", block.kind).get("PLAN")
    if plan:
        points, held_out = sizes(data)
        classes = registry.facts("data", data.kind)["CLASSES"]
        try:
            importlib.import_module(plan).check(points, classes, held_out, **block.parameters)
        except ValueError as error:
            raise InvalidError("", f"{block.name} on {data.name}: {error}") from error


def model(data: Dataset, block: Model, variant: Variant) -> None:
    """A model that the trainer can work with, and data that the model can take."""
    if featured(data) and registry.facts("methods", variant.kind).get("IMAGES"):
        raise InvalidError(
            "", f"{variant.name} on {data.name}: the method is for images; allowed: features: null"
        )
    if featured(data) and block.kind not in architectures.FLAT:
        allowed = " and ".join(architectures.FLAT)
        raise InvalidError("", f"{block.kind} on {data.name}: features are for {allowed}")
    moved = any(block.recipe.parameters[name] for name in ("crop", "flip", "cutout"))
    if featured(data) and moved:
        raise InvalidError(
            "", f"{block.recipe.name} on {data.name}: features cannot be cropped, flipped or cut"
        )
    plan = registry.facts("trainers", variant.trainer.kind).get("PLAN")
    supports = getattr(importlib.import_module(plan), "supports", None) if plan else None
    if supports:
        options = variant.trainer.parameters | variant.parameters
        classes = registry.facts("data", data.kind)["CLASSES"]
        try:
            supports(shape(data), classes, sizes(data)[0], block, block.recipe, options)
        except ValueError as error:
            where = f"{variant.name}, {block.name} on {data.name}"
            raise InvalidError("", f"{where}: {error}") from error


def guarantee(method: str, block: Part, options: Mapping) -> tuple[str, str]:
    """How exact a method is with this trainer and these parameters of its own, and why."""
    level = registry.facts("methods", method)["guarantee"]
    plan = registry.facts("trainers", block.kind).get("PLAN")
    if not plan or level == "none":
        return level, ""
    if level == "exact":
        promise = importlib.import_module(plan).promise(**block.parameters)
    else:
        special = getattr(importlib.import_module(plan), "special", None)
        promise = special(**options) if special else None
    return (promise.level, promise.reason) if promise else (level, "")


def service(variant: Variant, block: Part) -> None:
    """A method that can do what the request asks for."""
    serves = registry.facts("methods", variant.kind)["serves"]
    plan = registry.facts("trainers", variant.trainer.kind).get("PLAN")
    if plan:
        options = variant.trainer.parameters
        allowed = importlib.import_module(plan).promise(**options).serves
        serves = [change for change in serves if change in allowed]
        try:
            importlib.import_module(plan).matches(options, block)
        except ValueError as error:
            raise InvalidError("", f"{variant.name}: {error}") from error
    for change in registry.facts("requests", block.kind)["ASKS"]:
        if change not in serves:
            allowed = " and ".join(serves)
            raise InvalidError(
                "", f"{variant.name} can only {allowed}, {block.name} asks to {change}"
            )


def sizes(block: Dataset) -> tuple[int, int]:
    """Training points of a data set, and how many of them are held out."""
    points = block.parameters["subset"] or registry.facts("data", block.kind)["TRAIN"]
    return points, round(block.parameters["held_out"] * points)


def featured(block: Dataset) -> list[str]:
    """The modules whose features models see instead of pixels."""
    return [name for name in (block.parameters["features"] or "").split("+") if name]


def shape(block: Dataset) -> tuple[int, int, int]:
    """What models see of a point: H, W, C."""
    own = registry.facts("data", block.kind)["SHAPE"]
    names = featured(block)
    if not names:
        return own
    modules = (importlib.import_module(f"unlearn.data.features.{name}") for name in names)
    return 1, 1, sum(module.size(own) for module in modules)
