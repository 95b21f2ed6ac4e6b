"""Digests of the code that a job really runs.

A job must run again when the code it imports changed, and only then. `closure` follows the
imports of a module through the project, parent packages and imports inside functions included,
and `digests` gives a short hash for each module found. Comments, docstrings, formatting, what only
type checkers see, the help texts and search spaces of parameters, and the labels of classes do not
count.

A module outside the project, such as a method of an installed package, is digested with all
modules of its package.
"""

import ast
import hashlib
import importlib.util
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

PARAMETER_FUNCTION = "parameter"
"""The function that declares a field: its help text and search space do not count."""

UNCOUNTED_KEYWORDS = ("help", "search")

LABEL = "label"
"""The attribute of a class that says how figures name it."""


def digests(*modules: str, root: Path = ROOT) -> list[str]:
    """`module@hash` for every project module that `modules` import, directly or not; sorted.

    Modules that are imported by a computed name cannot be seen: name them in `modules`.
    """
    return list(_digests(*modules, root=root))


@cache
def _digests(*modules: str, root: Path) -> tuple[str, ...]:
    entries = []
    for name in closure(*modules, root=root):
        digest = _package_digest(name) if _source(root, name) is None else _digest(root, name)
        entries.append(f"{name}@{digest}")
    return tuple(entries)


@cache
def closure(*modules: str, root: Path = ROOT) -> tuple[str, ...]:
    """Names of the project modules that importing `modules` would load; sorted.

    Packages from outside the project that `modules` lie in are among them. Raises
    ModuleNotFoundError for a name in `modules` that there is not.
    """
    reached: set[str] = set()
    outside = {_outside_package(root, name) for name in modules if _source(root, name) is None}
    queue = [name for name in modules if _source(root, name) is not None]
    for package in outside:
        queue += [name for name in _package_imports(package) if _source(root, name) is not None]
    while queue:
        name = queue.pop()
        if name in reached or _source(root, name) is None:
            continue
        reached.add(name)
        queue += _imports(root, name)
        if "." in name:
            queue.append(name.rpartition(".")[0])
    return tuple(sorted(reached | outside))


def _outside_package(root: Path, name: str) -> str:
    """The top-level package of a module from outside the project."""
    package = name.partition(".")[0]
    if _source(root, package) is not None or importlib.util.find_spec(package) is None:
        raise ModuleNotFoundError(f"no module {name} below {root}")
    return package


def _package_files(package: str) -> list[Path]:
    """The files of an installed package or module, data files included."""
    spec = importlib.util.find_spec(package)
    folders = spec.submodule_search_locations
    if not folders:
        return [Path(spec.origin)]
    files = (path for folder in folders for path in Path(folder).rglob("*") if path.is_file())
    return sorted(path for path in files if "__pycache__" not in path.parts)


@cache
def _package_digest(package: str) -> str:
    """One digest for all files of an installed package."""
    sha = hashlib.sha256()
    for path in _package_files(package):
        content = _meaning(path) if path.suffix == ".py" else path.read_bytes()
        sha.update(f"{path.parent.name}/{path.name}\n".encode() + content)
    return sha.hexdigest()[:8]


@cache
def _package_imports(package: str) -> tuple[str, ...]:
    """What the files of an installed package import."""
    sources = [path for path in _package_files(package) if path.suffix == ".py"]
    names = [_imported_names(path, package) for path in sources]
    return tuple(dict.fromkeys(name for part in names for name in part))


@cache
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
    return tuple(_imported_names(path, package))


def _imported_names(path: Path, package: str) -> list[str]:
    """What a file imports; imports that only type checkers see are left out."""
    names = []
    for node in _run_nodes(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parent = ".".join(package.split(".")[: len(package.split(".")) - node.level + 1])
                base = f"{parent}.{base}".rstrip(".")
            # `from package import name` may name a module
            names += [base, *(f"{base}.{alias.name}" for alias in node.names)]
    return names


def _run_nodes(tree: ast.AST) -> list[ast.AST]:
    """All statements but those below `if TYPE_CHECKING:`; an expression holds no import."""
    nodes = []
    queue = [tree]
    while queue:
        node = queue.pop()
        nodes.append(node)
        if _is_for_type_checkers(node):
            queue += node.orelse
        else:
            queue += (n for n in ast.iter_child_nodes(node) if not isinstance(n, ast.expr))
    return nodes


@cache
def _digest(root: Path, name: str) -> str:
    return hashlib.sha256(_meaning(_source(root, name))).hexdigest()[:8]


def _meaning(path: Path) -> bytes:
    """The code of a file without what does not count."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if _is_for_type_checkers(node):
            body.clear()
        if isinstance(body, list):
            body[:] = [statement for statement in body if not _is_text(statement)]
        if isinstance(node, ast.ClassDef):
            body[:] = [statement for statement in body if not _is_label(statement)]
            _drop_uncounted_keywords(node)
    return ast.dump(tree).encode()


def _is_for_type_checkers(node: ast.AST) -> bool:
    """Whether a node is `if TYPE_CHECKING:`."""
    return isinstance(node, ast.If) and getattr(node.test, "id", None) == "TYPE_CHECKING"


def _drop_uncounted_keywords(component: ast.ClassDef) -> None:
    """Take the help texts and search spaces out of the fields of a class."""
    for statement in component.body:
        call = getattr(statement, "value", None)
        if not isinstance(statement, ast.AnnAssign) or not isinstance(call, ast.Call):
            continue
        if getattr(call.func, "id", None) == PARAMETER_FUNCTION:
            call.keywords = [k for k in call.keywords if k.arg not in UNCOUNTED_KEYWORDS]


def _is_text(statement: ast.stmt) -> bool:
    """Whether a statement is a string and nothing else: documentation."""
    value = statement.value if isinstance(statement, ast.Expr) else None
    return isinstance(value, ast.Constant) and isinstance(value.value, str)


def _is_label(statement: ast.stmt) -> bool:
    """Whether a statement of a class gives it a label, or none."""
    if isinstance(statement, ast.Assign):
        targets = statement.targets
    else:
        targets = [statement.target] if isinstance(statement, ast.AnnAssign) else []
    is_constant = isinstance(getattr(statement, "value", None), ast.Constant)
    return is_constant and [getattr(target, "id", None) for target in targets] == [LABEL]
