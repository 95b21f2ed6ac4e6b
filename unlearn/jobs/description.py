"""The description of a job: components by name and parameters, members, device, precision.

Rules write a description as one JSON string; tests and timings build it from Python.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from unlearn.core import registry
from unlearn.training.fleet import Member
from unlearn.training.recipe import Recipe

Block = dict[str, Any]
"""`{"kind": name, "parameters": {...}}`."""

STANDARD_TRAINER: Block = {"kind": "standard", "parameters": {}}


def block(family: str, kind: str, **parameters: Any) -> Block:
    """The block of a component with these parameters, its defaults filled in."""
    component = registry.find(family, kind)(**parameters)
    return {"kind": kind, "parameters": component.values()}


@dataclass(frozen=True, kw_only=True)
class FleetJob:
    """The job of training a fleet, or of unlearning from it."""

    model: Block
    recipe: Mapping[str, Any]
    """The parameters of a `training.recipe.Recipe`."""
    trainer: Block = field(default_factory=lambda: STANDARD_TRAINER)
    members: tuple[Member, ...] = (Member(0),)
    trained_members: tuple[Member, ...] | None = None
    """Those of the trained fleet, where others are unlearned from it."""
    method: Block | None = None
    """None for training."""
    tuned: tuple[str, ...] = ()
    """The parameters of the method that tuning chooses; those of `method` are then not used."""
    checkpoint: str | None = None
    """The path of already trained weights; {seed} stands for the seed of a member."""
    device: str = "auto"
    precision: str = "auto"
    torch: str | None = None
    """The version of torch that the plan has seen."""
    keeps_weights: bool = True
    """Whether the weights are stored: audits of populations need predictions alone."""

    def identity(self, fingerprint: str) -> dict[str, str]:
        """The origin of a fleet: fleets of other data, models, members or trainers do not agree."""
        described = replace(self, members=self.trained_members or self.members).describe()
        fleet = {
            key: described[key] for key in ("model", "recipe", "members", "precision", "checkpoint")
        }
        parts = {"fleet": fleet, "trainer": described["trainer"]}
        texts = {name: json.dumps(part, sort_keys=True) for name, part in parts.items()}
        digests = {n: hashlib.sha256(text.encode()).hexdigest() for n, text in texts.items()}
        return {"dataset": fingerprint, **digests}

    def describe(self) -> dict[str, Any]:
        """The job as JSON."""
        described = {
            "model": self.model,
            "recipe": dict(self.recipe),
            "trainer": self.trainer,
            "members": [member.describe() for member in self.members],
            "device": self.device,
            "precision": self.precision,
            "torch": self.torch,
            "checkpoint": self.checkpoint,
        }
        if self.trained_members is not None:
            described["trained_members"] = [m.describe() for m in self.trained_members]
        if not self.keeps_weights:
            described["keeps_weights"] = False
        if self.tuned:
            described["tuned"] = list(self.tuned)
        return described if self.method is None else described | {"method": self.method}

    @classmethod
    def read(cls, described: Mapping[str, Any]) -> "FleetJob":
        """The inverse of `describe`."""
        members = {
            key: tuple(map(Member.read, described[key]))
            for key in ("members", "trained_members")
            if key in described
        }
        names = {"tuned": tuple(described.get("tuned", ()))}
        return cls(**{**described, **members, **names})

    def modules(self) -> list[str]:
        """The modules that the job imports by a computed name."""
        modules = registry.modules("models", self.model)
        modules += registry.modules("trainers", self.trainer)
        if self.method is not None:
            modules += registry.modules("methods", self.method)
        return modules


@dataclass(frozen=True, kw_only=True)
class NoiseJob:
    """The job of making noise for the training images of a data set."""

    noise: Block
    device: str = "auto"
    precision: str = "auto"
    torch: str | None = None

    def fleet_job(self) -> FleetJob:
        """The job of training the source model."""
        noise = registry.create("noises", self.noise)
        return FleetJob(
            model={"kind": noise.architecture_name, "parameters": noise.architecture().values()},
            recipe=Recipe().values(),
            device=self.device,
            precision=self.precision,
            torch=self.torch,
        )

    def describe(self) -> dict[str, Any]:
        """The job as JSON."""
        return {
            "noise": self.noise,
            "device": self.device,
            "precision": self.precision,
            "torch": self.torch,
        }

    @classmethod
    def read(cls, described: Mapping[str, Any]) -> "NoiseJob":
        """The inverse of `describe`."""
        return cls(**described)

    def modules(self) -> list[str]:
        """The modules that the job imports by a computed name."""
        return [*registry.modules("noises", self.noise), *self.fleet_job().modules()]


def seeds(members: Sequence[Member]) -> list[int]:
    """The training seeds of members."""
    return [member.seed for member in members]
