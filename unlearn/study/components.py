"""What a study consists of: parts, cells, experiments, and their canonical names."""

import hashlib
import itertools
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from unlearn.study.grid import Cell, Grid


@dataclass(frozen=True)
class Part:
    """A resolved part: its canonical name, its registered kind and all its parameters."""

    name: str
    kind: str
    parameters: Mapping


@dataclass(frozen=True)
class Dataset(Part):
    """A data set, and the recipe that trains the models on it that name none."""

    recipe: str
    source: str | None = None
    """The data set of the images, where this one holds features of them, or noise on them."""
    noise: Part | None = None
    """The noise that images carry."""


@dataclass(frozen=True)
class Model(Part):
    """An architecture together with the recipe that trains it."""

    recipe: Part


@dataclass(frozen=True)
class Variant(Part):
    """A method with its hyper-parameters, and the trainer whose models it unlearns."""

    trainer: Part
    guarantee: tuple[str, str]
    """How exact it is (`exact`, `conditional`, `certified`, `approximate`, `none`), and why."""
    oracle: str
    """The variant that retrains the models that this one unlearns."""


@dataclass(frozen=True)
class Experiment:
    """A grid of cells, the figure drawn from it, and the parameters the figure needs as columns."""

    name: str
    description: str
    figure: Mapping
    grid: Grid
    columns: Mapping[str, Mapping[str, Mapping]]
    """Cell field -> canonical name (for models: dataset/model) -> {column: value}."""
    summary: tuple[str, ...] = ()
    """The columns of its wide table, metric/split."""

    @property
    def cells(self) -> tuple[Cell, ...]:
        """The cells of the grid."""
        return tuple(self.grid.cells())


@dataclass(frozen=True)
class Picture:
    """Images of some data sets with noise."""

    name: str
    description: str
    datasets: tuple[Dataset, ...]
    classes: int


@dataclass
class Study:
    """Everything a study computes. Parts by canonical name; models by (data set, model)."""

    name: str
    settings: Mapping
    datasets: dict[str, Dataset] = field(default_factory=dict)
    models: dict[tuple[str, str], Model] = field(default_factory=dict)
    noises: dict[str, Part] = field(default_factory=dict)
    requests: dict[str, Part] = field(default_factory=dict)
    variants: dict[str, Variant] = field(default_factory=dict)
    trainers: dict[str, Part] = field(default_factory=dict)
    fleets: dict[str, tuple[int, ...]] = field(default_factory=dict)
    experiments: dict[str, Experiment] = field(default_factory=dict)
    pictures: dict[str, Picture] = field(default_factory=dict)
    cells: tuple[Cell, ...] = ()
    references: dict[str, dict[str, str]] = field(default_factory=dict)
    """Variant -> name of a reference -> the variant that its models are compared with, too."""


def canonical_name(name: str, parameters: Mapping, base: Mapping) -> str:
    """`name`, followed by the parameters that differ from `base`; fits a path component."""
    changed = sorted(k for k in parameters if k not in base or parameters[k] != base[k])
    text = "".join([name, *(f"-{key}={_text(parameters[key])}" for key in changed)])
    if len(text) > 120:  # a path component holds 255 bytes
        text = f"{text[:100]}-{hashlib.sha256(text.encode()).hexdigest()[:12]}"
    return text


def _text(value) -> str:
    if value is None or isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return repr(int(value)) if value.is_integer() and abs(value) < 1e9 else repr(value)
    return re.sub(r"[^\w.+=-]", "_", str(value))


def control_name(kind: str, trainer: Part) -> str:
    """The name of a control: that of its method, and of its trainer if it is not standard."""
    return kind if trainer.name == "standard" else f"{kind}@{trainer.name}"


def choices(block) -> Iterator:
    """Every version of a block in which each list is replaced by one of its elements."""
    if isinstance(block, list):
        for element in block:
            yield from choices(element)
    elif isinstance(block, Mapping):
        for values in itertools.product(*(list(choices(v)) for v in block.values())):
            yield dict(zip(block, values, strict=True))
    else:
        yield block
