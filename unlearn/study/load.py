"""From a configuration to cells: what a study computes, checked before anything runs.

A study names *parts* (data sets, models with their recipes, methods, requests). An experiment is
a grid over parts; each point of the grid is a *cell*. Three passes, each a module: `schema`
(shapes, ranges, defaults), `resolve` (names to parts), `expand` (grids to cells).

Imported by the Snakefile: no torch, no pandas.
"""

import os
from collections.abc import Iterable, Mapping
from typing import Any

from unlearn.core.registry import ContractError
from unlearn.storage import study_files
from unlearn.storage.files import UserFileError
from unlearn.study import certificate_audits, expand, grid_size, messages, schema
from unlearn.study.components import Study
from unlearn.study.grid import union
from unlearn.study.resolve import Resolver, StudyError

__all__ = ["StudyError", "check_files", "load_files", "load_study"]


def load_study(
    config: Mapping, source: str = "config.yaml", files: Iterable[str | os.PathLike] = ()
) -> Study:
    """Check a configuration and expand it.

    Args:
        config: The configuration.
        source: The name of its file, for error messages.
        files: The files that the configuration was read from by a reader that lets the last of
            two equal keys win, as Snakemake does; they are checked as well.

    Raises:
        StudyError: The first thing that cannot run, in one line.
    """
    check_files(files)
    try:
        return _expanded(schema.validate(config), source)
    except schema.InvalidError as error:
        message = ": ".join(filter(None, (source, error.path, str(error))))
        raise StudyError(messages.one_line(message)) from error
    except (ContractError, StudyError) as error:
        message = f"{source}: {error}" if isinstance(error, ContractError) else str(error)
        raise StudyError(messages.one_line(message)) from error


def load_files(paths: Iterable[str | os.PathLike]) -> Study:
    """The study of some files; later ones are laid over earlier ones.

    Raises StudyError, which names file and line where it is about the text of a file.
    """
    files = list(paths)
    config: dict[str, Any] = {}
    for path in files:
        try:
            content = study_files.read(path)
        except UserFileError as error:
            raise StudyError(messages.one_line(str(error))) from error
        config = _merged(config, content)
    return load_study(config, " + ".join(map(os.fspath, files)))


def check_files(paths: Iterable[str | os.PathLike]) -> None:
    """Raise StudyError for a file that gives a key twice, is a template, or cannot be read.

    What is no regular file, such as a pipe, has been read already and is left alone.
    """
    for path in paths:
        if os.path.exists(path) and not os.path.isfile(path):
            continue
        try:
            study_files.check(path)
        except UserFileError as error:
            raise StudyError(messages.one_line(str(error))) from error


def _merged(lower: Mapping, upper: Mapping) -> dict[str, Any]:
    """A block laid over another, key by key."""
    merged = dict(lower)
    for key, value in upper.items():
        below = merged.get(key)
        is_block = isinstance(value, Mapping) and isinstance(below, Mapping)
        merged[key] = _merged(below, value) if is_block else value
    return merged


def _expanded(config: Mapping, source: str) -> Study:
    """The study of a validated configuration."""
    grid_size.check(config)
    settings = {key: config[key] for key in ("results", "data", "device", "precision")}
    study = Study(name=config["study"], settings=settings)
    resolver = Resolver(config, source, study)
    for name, block in config["experiments"].items():
        study.experiments[name] = expand.experiment(name, block, resolver)
    for name, block in config["pictures"].items():
        study.pictures[name] = expand.picture(name, block, resolver, config["experiments"])
    for name, block in config["certificate_audits"].items():
        study.certificate_audits[name] = certificate_audits.resolve(name, block, resolver)
    study.cells = union([experiment.grid for experiment in study.experiments.values()])
    study.audits = union([experiment.audits for experiment in study.experiments.values()])
    return study
