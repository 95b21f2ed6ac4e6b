"""The files of a study, in YAML or JSON, read strictly: each key once, errors with file and line.

Snakemake reads its `--configfile` itself and lets the last of two equal keys win.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from unlearn.storage.files import UserFileError

TEMPLATE_KEY = "__use_yte__"
"""The key by which Snakemake takes a YAML file for a template, whose Python it runs."""


def check(path: str | Path) -> None:
    """Raise UserFileError unless `read` reads the file."""
    _parsed(Path(path))


def read(path: str | Path) -> dict[str, Any]:
    """The content of the file of a study.

    Raises UserFileError, in one line, for a file that is missing, is neither YAML nor JSON, has no
    keys at its top level, is a template, or gives a key twice.
    """
    content = _parsed(Path(path))
    if isinstance(content, yaml.Node):
        try:
            content = yaml.SafeLoader("").construct_document(content)
        except (yaml.YAMLError, ValueError, TypeError, RecursionError) as error:
            raise UserFileError(_message(Path(path), error)) from error
    if not isinstance(content, dict):
        raise UserFileError(f"{path}: has no keys at its top level")
    return content


def _parsed(path: Path) -> dict | list | yaml.Node | None:
    """The content of a JSON file, or the checked nodes of a YAML file."""
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise UserFileError(f"{path}: is not text in UTF-8") from error
    except OSError as error:
        raise UserFileError(f"{path}: cannot be read: {error.strerror}") from error
    try:
        return json.loads(text, object_pairs_hook=lambda pairs: _unique(path, pairs))
    except RecursionError as error:
        raise UserFileError(_message(path, error)) from error
    except json.JSONDecodeError:
        pass  # YAML, then
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except (yaml.YAMLError, RecursionError) as error:
        raise UserFileError(_message(path, error)) from error
    if isinstance(root, yaml.MappingNode):
        for key, _ in root.value:
            if key.value == TEMPLATE_KEY:
                reason = f"{TEMPLATE_KEY} would run Python from a study; write out the values"
                raise UserFileError(f"{_place(path, key.start_mark)}: {reason}")
    for mapping in _mappings(root):
        _check_keys(path, mapping)
    return root


def _unique(path: Path, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """The object of some pairs of a JSON file; UserFileError if two share a key."""
    content: dict[str, Any] = {}
    for key, value in pairs:
        if key in content:
            raise UserFileError(f"{path}: the key {key!r} is given twice")
        content[key] = value
    return content


def _mappings(root: yaml.Node | None) -> Iterator[yaml.MappingNode]:
    """The mappings below a node, each once, in any order: aliases can make circles."""
    queue = [root]
    visited: set[int] = set()
    while queue:
        node = queue.pop()
        if id(node) in visited:
            continue
        visited.add(id(node))
        if isinstance(node, yaml.MappingNode):
            yield node
            queue += [part for pair in node.value for part in pair]
        elif isinstance(node, yaml.SequenceNode):
            queue += node.value


def _check_keys(path: Path, mapping: yaml.MappingNode) -> None:
    """UserFileError if a mapping gives a key twice; what `<<` merges in gives none."""
    lines: dict[tuple[str, str], int] = {}
    for key, _ in mapping.value:
        if not isinstance(key, yaml.ScalarNode):
            continue
        identity = (key.tag, key.value)
        if identity in lines:
            first = lines[identity]
            reason = f"the key {key.value!r} is given twice, first in line {first}"
            raise UserFileError(f"{_place(path, key.start_mark)}: {reason}")
        lines[identity] = key.start_mark.line + 1


def _message(path: Path, error: Exception) -> str:
    """What is wrong with a file, in one line that names it."""
    if isinstance(error, RecursionError):
        return f"{path}: is nested too deep"
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    context = getattr(error, "context", None)
    problem = getattr(error, "problem", None) or str(error)
    text = " ".join(f"{context}: {problem}".split() if context else problem.split())
    return f"{_place(path, mark)}: is not valid YAML: {text}"


def _place(path: Path, mark: yaml.Mark | None) -> str:
    """A file, and a line of it."""
    return str(path) if mark is None else f"{path}, line {mark.line + 1}"
