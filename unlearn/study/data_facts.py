"""What the plan knows of a data set before it is loaded."""

from collections.abc import Mapping

from unlearn.core import registry
from unlearn.core.setting import DataFacts
from unlearn.data.source import DataSource
from unlearn.study import messages
from unlearn.study.components import Part
from unlearn.study.messages import InvalidError

MIN_TRAINING_POINTS = 2
"""Points in base training, at least: a request deletes one and leaves one."""


def data_facts(kind: str, source: DataSource, values: Mapping, has_noise: bool) -> DataFacts:
    """The facts of a data set before it is loaded.

    Args:
        kind: The registered name of the source.
        source: The source with its options.
        values: The options of the study beside those of the source.
        has_noise: Whether images carry noise.

    Raises:
        InvalidError: There cannot be such subsets or features.
    """
    facts = source.kept_facts()
    for key, available, split in (
        ("validation", facts.train_points - 1, "training"),
        ("subset", facts.train_points - source.validation_size, "training"),
        ("test_subset", facts.test_points, "test"),
    ):
        points = getattr(source, key) or 0
        if points > available:
            allowed = f"{kind} has {available} {split} points"
            raise InvalidError(key, f"{points} is too many; {allowed}")
    points = source.subset or facts.train_points - source.validation_size
    if points < MIN_TRAINING_POINTS:
        raise InvalidError(
            "validation",
            f"{source.validation_size} of {facts.train_points} points leaves {points} to train on; "
            f"allowed: at most {facts.train_points - MIN_TRAINING_POINTS}",
        )
    held_out = round(source.held_out * points)
    if points - held_out < MIN_TRAINING_POINTS:
        raise InvalidError(
            "held_out",
            f"{source.held_out} of {points} points leaves {points - held_out or 'none'} to train "
            f"on; allowed: {MIN_TRAINING_POINTS} or more",
        )
    base_points = points - held_out
    if values["squeeze"] and values["features"]:
        message = f"{values['squeeze']} changes images; allowed: null beside features"
        raise InvalidError("squeeze", message)
    swapped_classes = _swapped_classes(values, facts.classes, base_points)
    if swapped_classes and has_noise:
        raise InvalidError("swapped", "images of points with exchanged labels can carry no noise")
    names = tuple(name for name in (values["features"] or "").split("+") if name)
    shape = facts.shape
    if names:
        shape = (1, 1, sum(_feature_size(name, kind, facts.shape) for name in names))
    return DataFacts(
        name=kind,
        classes=facts.classes,
        shape=shape,
        points=points,
        held_out=held_out,
        source_points=source.facts().train_points,
        noised=values["noised"] if has_noise else None,
        swapped_classes=swapped_classes,
        swapped_points=_swapped_points(values["swapped"]),
        features=names,
        public_features=tuple(n for n in names if registry.find("features", n).standardise),
    )


def check_squeeze(squeeze: Part, facts: DataFacts) -> None:
    """Raise InvalidError for a squeeze of images that it cannot change."""
    try:
        squeeze.component.check(facts.shape)
    except ValueError as error:
        raise InvalidError("squeeze", f"{squeeze.name}: {facts.name} has {error}") from error


def _swapped_classes(values: Mapping, classes: int, base_points: int) -> tuple[int, int] | None:
    """The classes that exchange labels; None where none do, InvalidError where they cannot."""
    amount = values["swapped"]
    pair = values["swapped_classes"]
    if amount is None:
        for key, default in (("swapped_classes", None), ("swapped_seed", 0)):
            if values[key] != default:
                raise InvalidError(
                    key,
                    f"{values[key]} needs points; allowed: a share or a number at `swapped`, or "
                    f"{key}: {'null' if default is None else default}",
                )
        return None
    if amount >= 1 and (amount < 2 or not float(amount).is_integer()):
        allowed = "a share below 1, or a whole number from 2"
        raise InvalidError("swapped", f"{amount:g} is not allowed; allowed: {allowed}")
    if amount >= base_points:
        raise InvalidError(
            "swapped", f"{amount:g} is too many; there are {base_points} points in base training"
        )
    are_classes = (
        pair is not None
        and len(pair) == 2
        and all(type(label) is int and 0 <= label < classes for label in pair)
    )
    if not are_classes or pair[0] == pair[1]:
        given = "null" if pair is None else pair
        allowed = f"two different classes from 0 to {classes - 1}"
        raise InvalidError("swapped_classes", f"{given} is not allowed; allowed: {allowed}")
    return (pair[0], pair[1])


def _swapped_points(amount: float | None) -> int | None:
    """The number of points that exchange labels; None for a share, or where none do."""
    return int(amount) if amount is not None and amount >= 1 else None


def _feature_size(name: str, kind: str, shape: tuple[int, int, int]) -> int:
    """The number of features of an image; InvalidError where there are none."""
    if name not in registry.names("features"):
        raise InvalidError(
            "features", messages.unknown("features", name, registry.names("features"))
        )
    size = registry.find("features", name)().size(shape)
    if size <= 0:
        raise InvalidError("features", f"{name} has none of images of {kind}")
    return size
