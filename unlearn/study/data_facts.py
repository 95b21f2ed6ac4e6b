"""What the plan knows of a data set before it is loaded."""

from collections.abc import Mapping

from unlearn.core import registry
from unlearn.core.setting import DataFacts
from unlearn.data.source import DataSource
from unlearn.study import messages
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
    facts = source.facts()
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
        source_points=facts.train_points,
        noised=values["noised"] if has_noise else None,
        features=names,
        public_features=tuple(n for n in names if registry.find("features", n).standardise),
    )


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
