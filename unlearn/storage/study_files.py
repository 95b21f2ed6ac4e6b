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

MAX_MERGED_KEYS = 20_000
"""Keys that `<<` merges into the blocks of a file, where each alias counts as often as it stands
there: as many as a study has values."""

MAX_INTEGER_LETTERS = 100
"""Letters of a whole number; Python reads no more than 4,300 digits."""

MERGE_TAG = "tag:yaml.org,2002:merge"
INTEGER_TAG = "tag:yaml.org,2002:int"


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
        return json.loads(
            text,
            object_pairs_hook=lambda pairs: _unique(path, pairs),
            parse_int=lambda digits: _integer(path, text, digits),
        )
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
    for node in _nodes(root):
        if isinstance(node, yaml.MappingNode):
            _check_keys(path, node)
        elif isinstance(node, yaml.ScalarNode) and node.tag == INTEGER_TAG:
            _check_integer(_place(path, node.start_mark), node.value)
    try:
        _check_merges(path, root)
    except RecursionError as error:
        raise UserFileError(_message(path, error)) from error
    return root


def _unique(path: Path, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """The object of some pairs of a JSON file; UserFileError if two share a key."""
    content: dict[str, Any] = {}
    for key, value in pairs:
        if key in content:
            raise UserFileError(f"{path}: the key {key!r} is given twice")
        content[key] = value
    return content


def _integer(path: Path, text: str, digits: str) -> int:
    """The whole number of some digits in the text of a JSON file."""
    line = text.count("\n", 0, text.index(digits)) + 1
    _check_integer(f"{path}, line {line}", digits)
    return int(digits)


def _check_integer(place: str, digits: str) -> None:
    """UserFileError for a whole number that is too long to be read."""
    if len(digits) > MAX_INTEGER_LETTERS:
        excerpt = f"{digits[:10]}..."
        raise UserFileError(
            f"{place}: the whole number {excerpt} has {len(digits):,} letters; allowed: at most "
            f"{MAX_INTEGER_LETTERS}"
        )


def _check_merges(path: Path, root: yaml.Node | None) -> None:
    """UserFileError if `<<` merges more keys into the blocks of a file than a study can have."""
    counts: dict[int, int] = {}
    merged_keys = 0
    for node in _nodes(root):
        if not isinstance(node, yaml.MappingNode):
            continue
        for key, value in node.value:
            if key.tag == MERGE_TAG:
                merged_keys += _merged_count(value, counts)
            if merged_keys > MAX_MERGED_KEYS:
                reason = f"`<<` merges more than {MAX_MERGED_KEYS:,} keys into the file's blocks"
                raise UserFileError(f"{_place(path, key.start_mark)}: {reason}")


def _merged_count(node: yaml.Node, counts: dict[int, int]) -> int:
    """The keys that a block gets by `<<: node`, equal ones included.

    `counts` remembers those of each node; a node that contains itself adds none there.
    """
    if id(node) in counts:
        return counts[id(node)]
    counts[id(node)] = 0
    count = 0
    if isinstance(node, yaml.SequenceNode):
        count = sum(_merged_count(part, counts) for part in node.value)
    elif isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            count += _merged_count(value, counts) if key.tag == MERGE_TAG else 1
    counts[id(node)] = count
    return count


def _nodes(root: yaml.Node | None) -> Iterator[yaml.Node]:
    """A node and all below it, each once, in any order: aliases can make circles."""
    queue = [root]
    visited: set[int] = set()
    while queue:
        node = queue.pop()
        if node is None or id(node) in visited:
            continue
        visited.add(id(node))
        yield node
        if isinstance(node, yaml.MappingNode):
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
