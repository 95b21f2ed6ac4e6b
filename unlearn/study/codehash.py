"""Digests of the code that a job really runs.

A job must run again when the code it imports changed, and only then. `closure` follows the
imports of a module through the project, parent packages and imports inside functions included,
and `digests` gives a short hash for each module found. Comments, docstrings and formatting do
not count.
"""

import ast
import hashlib
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def digests(*modules: str, root: Path = ROOT) -> list[str]:
    """`module@hash` for every project module that `modules` import, directly or not; sorted.

    Modules that are imported by a computed name cannot be seen: name them in `modules`.
    """
    return list(_digests(*modules, root=root))


@cache
def _digests(*modules: str, root: Path) -> tuple[str, ...]:
    return tuple(f"{name}@{_digest(root, name)}" for name in closure(*modules, root=root))


@cache
def closure(*modules: str, root: Path = ROOT) -> tuple[str, ...]:
    """Names of the project modules that importing `modules` would load; sorted.

    Raises ModuleNotFoundError for a name in `modules` that the project does not have.
    """
    seen: set[str] = set()
    for name in modules:
        if _source(root, name) is None:
            raise ModuleNotFoundError(f"no module {name} below {root}")
    todo = list(modules)
    while todo:
        name = todo.pop()
        if name in seen or _source(root, name) is None:
            continue
        seen.add(name)
        todo += _imports(root, name)
        if "." in name:
            todo.append(name.rpartition(".")[0])
    return tuple(sorted(seen))


def _source(root: Path, name: str) -> Path | None:
    path = root.joinpath(*name.split("."))
    for candidate in (path.with_suffix(".py"), path / "__init__.py"):
        if candidate.is_file():
            return candidate
    return None


@cache
def _imports(root: Path, name: str) -> tuple[str, ...]:
    path = _source(root, name)
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    found = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parent = ".".join(package.split(".")[: len(package.split(".")) - node.level + 1])
                base = f"{parent}.{base}".rstrip(".")
            # `from package import name` may name a module
            found += [base, *(f"{base}.{alias.name}" for alias in node.names)]
    return tuple(found)


@cache
def _digest(root: Path, name: str) -> str:
    tree = ast.parse(_source(root, name).read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list):
            body[:] = [statement for statement in body if not _is_text(statement)]
    return hashlib.sha256(ast.dump(tree).encode()).hexdigest()[:8]


def _is_text(statement: ast.stmt) -> bool:
    """Whether a statement is a string and nothing else: documentation."""
    value = statement.value if isinstance(statement, ast.Expr) else None
    return isinstance(value, ast.Constant) and isinstance(value.value, str)
