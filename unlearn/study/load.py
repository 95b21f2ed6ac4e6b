"""From a configuration to cells: what a study computes, checked before anything runs.

A study names *parts* (data sets, models with their recipes, methods, requests). An experiment is
a grid over parts; each point of the grid is a *cell*. Three passes, each a module: `schema`
(shapes, ranges, defaults), `resolve` (names to parts), `expand` (grids to cells).

Imported by the Snakefile: no torch, no pandas.
"""

from collections.abc import Mapping

from unlearn.core.registry import ContractError
from unlearn.study import expand, schema
from unlearn.study.components import Study
from unlearn.study.grid import union
from unlearn.study.resolve import Resolver, StudyError

__all__ = ["StudyError", "load_study"]


def load_study(config: Mapping, source: str = "config.yaml") -> Study:
    """Check a configuration and expand it. `source` is the file's name for error messages.

    Raises StudyError on the first thing that cannot run.
    """
    try:
        config = schema.validate(config)
    except schema.InvalidError as error:
        message = ": ".join(filter(None, (source, error.path, str(error))))
        raise StudyError(message) from error
    try:
        return _expanded(config, source)
    except ContractError as error:
        raise StudyError(f"{source}: {error}") from error


def _expanded(config: Mapping, source: str) -> Study:
    """The study of a validated configuration."""
    settings = {key: config[key] for key in ("results", "data", "device", "precision")}
    study = Study(name=config["study"], settings=settings)
    resolver = Resolver(config, source, study)
    for name, block in config["experiments"].items():
        study.experiments[name] = expand.experiment(name, block, resolver)
    for name, block in config["pictures"].items():
        study.pictures[name] = expand.picture(name, block, resolver, config["experiments"])
    study.cells = union([experiment.grid for experiment in study.experiments.values()])
    return study
