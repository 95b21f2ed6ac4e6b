"""What a study consists of: parts, cells, experiments, and their canonical names."""

import hashlib
import itertools
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from unlearn.core import registry
from unlearn.core.guarantee import Guarantee
from unlearn.core.parameters import Parameters
from unlearn.core.setting import DataFacts, Setting
from unlearn.evaluation import placement
from unlearn.study.grid import NO_GRID, Cell, Grid
from unlearn.study.populations import Population
from unlearn.training.fleet import Member

MAX_NAME_BYTES = 120
"""Bytes of a canonical name; a path component holds 255, and files add endings."""


@dataclass(frozen=True)
class Part:
    """A resolved part: its canonical name, its registered kind and all its parameters."""

    name: str
    kind: str
    parameters: Mapping
    component: Parameters | None = field(default=None, compare=False, repr=False)
    """The component that the parameters make."""

    def block(self) -> dict[str, Any]:
        """The part as a job is told of it."""
        values = self.parameters if self.component is None else self.component.values()
        return {"kind": self.kind, "parameters": dict(values)}


@dataclass(frozen=True, kw_only=True)
class DatasetPart(Part):
    """A data set, and the recipe that trains the models on it that name none."""

    recipe: str
    facts: DataFacts
    source: str | None = None
    """The data set of the images, where this one holds features of them, or changed ones."""
    noise: Part | None = None
    """The noise that images carry."""
    squeeze: Part | None = None
    """The squeeze of training images, after any noise."""

    @property
    def features(self) -> tuple[str, ...]:
        """The kinds of features that models see instead of pixels."""
        return self.facts.features


@dataclass(frozen=True, kw_only=True)
class ModelPart(Part):
    """An architecture together with the recipe that trains it."""

    recipe: Part
    checkpoint: str | None = None
    """The path of already trained weights; {seed} stands for the seed of a member."""

    def checkpoint_files(self, members: Sequence[Member]) -> list[str]:
        """The checkpoints of members; none where models are trained."""
        if self.checkpoint is None:
            return []
        return [self.checkpoint.replace("{seed}", str(member.seed)) for member in members]


@dataclass(frozen=True, kw_only=True)
class Variant(Part):
    """A method with its hyper-parameters, and the trainer whose models it unlearns."""

    trainer: Part
    guarantee: Guarantee
    oracle: str
    """The variant that retrains the models that this one unlearns."""

    @property
    def original(self) -> str:
        """The variant that does nothing to these models."""
        return placement.original_of(self.oracle)


@dataclass(frozen=True)
class Selection:
    """The parts that an experiment is a grid of."""

    datasets: tuple[DatasetPart, ...]
    models: tuple[tuple[DatasetPart, ModelPart], ...]
    variants: tuple[Variant, ...]
    """Those that the experiment names, and the controls of their trainers."""
    references: tuple[Variant, ...]
    """Those that metrics compare them with besides."""
    requests: tuple[Part, ...]
    fleets: tuple[str, ...]
    populations: tuple[Population, ...] = ()


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
    relearning: str | None = None
    """The name of how its models relearn, where they do."""
    draws: Mapping[str, str] = field(default_factory=dict)
    """Request -> the name of its setting, for requests that differ in their seed alone.

    Their scores are averaged. It is empty where the figure tells the draws apart.
    """
    audits: Grid = NO_GRID
    """The audits; the fleet of each is the name of a population."""
    populations: tuple[Population, ...] = ()
    trials: Grid = NO_GRID
    """The trials of tuned variants, and the controls that judge them."""

    @property
    def cells(self) -> tuple[Cell, ...]:
        """The cells of the grid."""
        return tuple(self.grid.cells())


@dataclass(frozen=True)
class Picture:
    """Images of some data sets with noise."""

    name: str
    description: str
    datasets: tuple[DatasetPart, ...]
    classes: int


@dataclass(frozen=True)
class CertificateAudit:
    """Methods whose certificates are audited from below."""

    name: str
    description: str
    methods: tuple[Part, ...]
    runs: int
    noise_scales: tuple[float, ...]
    seed: int

    def job(self) -> dict[str, Any]:
        """The description of the job."""
        return {
            "methods": [{"variant": part.name, "block": part.block()} for part in self.methods],
            "runs": self.runs,
            "noise_scales": list(self.noise_scales),
            "seed": self.seed,
        }

    def modules(self) -> list[str]:
        """The code of the methods."""
        blocks = [part.block() for part in self.methods]
        return [module for block in blocks for module in registry.modules("methods", block)]


@dataclass
class Study:
    """Everything a study computes. Parts by canonical name; models by (data set, model)."""

    name: str
    settings: Mapping
    datasets: dict[str, DatasetPart] = field(default_factory=dict)
    models: dict[tuple[str, str], ModelPart] = field(default_factory=dict)
    noises: dict[str, Part] = field(default_factory=dict)
    requests: dict[str, Part] = field(default_factory=dict)
    variants: dict[str, Variant] = field(default_factory=dict)
    trainers: dict[str, Part] = field(default_factory=dict)
    fleets: dict[str, tuple[Member, ...]] = field(default_factory=dict)
    relearnings: dict[str, Part] = field(default_factory=dict)
    experiments: dict[str, Experiment] = field(default_factory=dict)
    pictures: dict[str, Picture] = field(default_factory=dict)
    certificate_audits: dict[str, CertificateAudit] = field(default_factory=dict)
    cells: tuple[Cell, ...] = ()
    populations: dict[str, Population] = field(default_factory=dict)
    trained_fleets: dict[str, str] = field(default_factory=dict)
    """Fleet -> the trained fleet whose first member all of its models are unlearned from."""
    audits: tuple[Cell, ...] = ()
    """The audits of all experiments; the fleet of each is the name of a population."""
    scorings: dict[tuple[str, str], Any] = field(default_factory=dict)
    """(Data set, request) -> the `scoring.Scoring` whose scores the request reads."""
    tunings: dict[str, Any] = field(default_factory=dict)
    """Tuned variant -> its `tuning.Tuning`."""
    pilot_fleet: str = ""
    """The fleet that methods are tuned on, where any is."""
    pilots: dict[str, str] = field(default_factory=dict)
    """Request -> the one that methods are tuned on for it."""
    references: dict[str, dict[str, str]] = field(default_factory=dict)
    """Variant -> name of a reference -> the variant that its models are compared with, too."""

    def guarantee(self, cell: Cell) -> Guarantee:
        """How exact the method of a cell is in the setting of the cell, and why."""
        variant = self.variants[cell.variant]
        model = self.models[cell.dataset, cell.model]
        setting = Setting(
            data=self.datasets[cell.dataset].facts,
            model=model.component,
            recipe=model.recipe.component,
            trainer=variant.trainer.component,
            method=variant.component,
            request=self.requests[cell.request].component,
        )
        return variant.component.guarantee_for(setting)


def canonical_name(name: str, parameters: Mapping, base: Mapping) -> str:
    """`name`, followed by the parameters that differ from `base`; fits a path component."""
    changes = sorted(k for k in parameters if k not in base or parameters[k] != base[k])
    text = "".join([name, *(f"-{key}={_text(parameters[key])}" for key in changes)])
    content = text.encode()
    if len(content) > MAX_NAME_BYTES:
        start = content[:100].decode(errors="ignore")
        text = f"{start}-{hashlib.sha256(content).hexdigest()[:12]}"
    return text


def _text(value: Any) -> str:
    if value is None or isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return repr(int(value)) if value.is_integer() and abs(value) < 1e9 else repr(value)
    return re.sub(r"[^\w.+=-]", "_", str(value))


def original_name(variant: Variant) -> str:
    """The variant that does nothing with the models that a variant's oracle retrains."""
    return variant.oracle.replace("retrain", "original", 1)


def control_name(kind: str, trainer: Part) -> str:
    """The name of a control: that of its method, and of its trainer if it is not standard."""
    return kind if trainer.name == "standard" else f"{kind}@{trainer.name}"


def choices(block: Any, arrays: Collection[str] = ()) -> Iterator[Any]:
    """Every version of a block in which each list is replaced by one of its elements.

    The values of the keys `arrays` are lists themselves: there a list of lists multiplies.
    """
    if isinstance(block, list):
        for element in block:
            yield from choices(element, arrays)
    elif isinstance(block, Mapping):
        versions = [
            _array_versions(value) if key in arrays else list(choices(value, arrays))
            for key, value in block.items()
        ]
        for values in itertools.product(*versions):
            yield dict(zip(block, values, strict=True))
    else:
        yield block


def _array_versions(value: Any) -> list:
    nested = isinstance(value, list) and all(isinstance(element, list) for element in value)
    return value if nested else [value]
