"""The rooms of docs/architecture.md: who may import whom, torch, pandas, matplotlib; who opens files."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.project import ROOT
from unlearn.study import codehash

PACKAGE = ROOT / "unlearn"

FLOORS = (
    {"core", "metrics", "certificates"},
    {"models", "partitions"},
    {"requests", "training"},
    {"storage", "algorithms", "evaluation"},
    {"data"},
    {"trainers", "perturbations"},
    {"methods"},
    {"jobs", "report"},
    {"study"},
    {"certification"},
    {"api", "conformance"},
)
"""From the ground up. A room imports rooms of lower floors only."""

FLOOR_OF = {room: floor for floor, rooms in enumerate(FLOORS) for room in rooms}

IMPORTERS = {
    "torch": {
        "models/layers.py",
        "training",
        "algorithms",
        "perturbations/search.py",
        "perturbations/alternating_search.py",
        "perturbations/probe.py",
        "perturbations/deletion_noise.py",
        "perturbations/linearization.py",
        "jobs",
        "api",
        "conformance",
    },
    "pandas": {"evaluation", "report", "api"},
    "matplotlib": {"report/figures"},
    "pytest": {"conformance"},
    "snakemake": set(),
    "scripts": set(),
}
"""Who may import a package when it is imported itself; functions may import torch anywhere."""

FILE_OPENERS = {
    "storage": "artefacts and the user's files",
    "data/download.py": "raw data and their checksums",
    "data/features/imagenet.py": "the checksum of downloaded weights",
    "data/squeezes/jpeg.py": "images in memory",
    "core/registry.py": "source code",
    "study/codehash.py": "source code",
    "study/schema.py": "the schema of a study",
    "training/device.py": "/proc",
    "training/meter.py": "/proc",
}
OPENING = re.compile(
    r"\bopen\(|\.(read|write)_(text|bytes)\(|np\.(load|save\w*)\(|torch\.(load|save)\(|\bload_file\("
)


def modules() -> Iterator[tuple[str, Path]]:
    """Path below the package, and file, of every module."""
    for path in sorted(PACKAGE.rglob("*.py")):
        yield path.relative_to(PACKAGE).as_posix(), path


def room_of(place: str) -> str:
    return place.partition("/")[0].removesuffix(".py")


def imports(tree: ast.AST, everywhere: bool = True) -> Iterator[str]:
    """Names that a module imports; below `if TYPE_CHECKING:` nothing is."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and getattr(node.test, "id", None) == "TYPE_CHECKING":
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif everywhere or not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield from imports(node, everywhere)


def all_imports(tree: ast.AST) -> Iterator[str]:
    """Names that a module imports, those that only type checkers see included."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def allowed(place: str, places: set[str]) -> bool:
    return any(place == p or place.startswith(f"{p}/") for p in places)


def test_every_room_has_its_floor():
    rooms = {path.name for path in PACKAGE.iterdir() if path.is_dir() and path.name[0] != "_"}
    assert rooms == set(FLOOR_OF)


@pytest.mark.parametrize("room", sorted(FLOOR_OF))
def test_a_room_imports_lower_floors_only(room):
    for place, path in modules():
        if room_of(place) != room:
            continue
        for name in all_imports(ast.parse(path.read_text())):
            package, _, rest = name.partition(".")
            other = rest.partition(".")[0]
            if package == "unlearn" and other != room:
                assert FLOOR_OF[other] < FLOOR_OF[room], f"{place} imports {name}"


@pytest.mark.parametrize("package", sorted(IMPORTERS))
def test_who_may_import(package):
    for place, path in modules():
        tree = ast.parse(path.read_text())
        names = {name.partition(".")[0] for name in imports(tree, everywhere=package != "torch")}
        assert package not in names or allowed(place, IMPORTERS[package]), place


def test_who_may_open_files():
    for place, path in modules():
        source = ast.unparse(ast.parse(path.read_text()))
        assert not OPENING.search(source) or allowed(place, set(FILE_OPENERS)), place


@pytest.mark.parametrize("command", ["request", "noised", "score", "table", "figure", "report"])
def test_commands_of_analysis_load_no_torch(command):
    for module in codehash.closure(f"scripts.{command}"):
        path = codehash._source(ROOT, module)
        names = imports(ast.parse(path.read_text()), everywhere=False)
        assert not any(name.partition(".")[0] == "torch" for name in names), module


def test_a_method_imports_no_other_method():
    for place, path in modules():
        if room_of(place) == "methods":
            tree = ast.parse(path.read_text())
            names = [name for name in all_imports(tree) if "unlearn.methods" in name]
            assert all(name.startswith("unlearn.methods.base.") for name in names), place


def test_the_plan_loads_neither_torch_nor_pandas_nor_matplotlib():
    program = (
        "import sys, yaml\n"
        "from unlearn.core import registry\n"
        "from unlearn.study.load import load_study\n"
        "load_study(yaml.safe_load(open('config.yaml')))\n"
        "for family in registry.FAMILIES:\n"
        "    for name in registry.names(family):\n"
        "        registry.find(family, name)\n"
        "print([m for m in ('torch', 'pandas', 'matplotlib', 'sklearn') if m in sys.modules])\n"
    )
    call = [sys.executable, "-c", program]
    done = subprocess.run(call, cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_no_two_public_classes_share_a_name():
    """But for a trainer and the method that unlearns its models, which are called alike."""
    places: dict[str, list[str]] = {}
    for place, path in modules():
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.ClassDef) and node.name[0] != "_":
                places.setdefault(node.name, []).append(place)
    shared = {name: rooms for name, rooms in places.items() if len(rooms) > 1}
    pairs = {name: {room_of(place) for place in rooms} for name, rooms in shared.items()}
    assert all(rooms == {"methods", "trainers"} for rooms in pairs.values()), shared


PRONOUNS = {"its", "own", "found", "gone", "said", "there", "them", "ours", "theirs", "asked"}
PRONOUNS |= {"known", "seen", "wanted", "shown", "here", "something", "everything", "alike", "told"}


def identifiers(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id
        elif isinstance(node, ast.arg):
            yield node.arg
        elif isinstance(node, ast.FunctionDef | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            yield node.attr


@pytest.mark.parametrize("folder", ["unlearn", "scripts", "tests", "timings"])
def test_an_identifier_is_a_noun(folder):
    """None of the words that say nothing about a value."""
    for path in sorted((ROOT / folder).rglob("*.py")):
        words = set(identifiers(ast.parse(path.read_text()))) & PRONOUNS
        assert not words, f"{path.relative_to(ROOT)}: {', '.join(sorted(words))}"


CALLERS = ("unlearn", "scripts", "timings")
"""The folders in which a function of the package must be used; a test is no use."""


def references(tree: ast.AST) -> Iterator[str]:
    """Names that a piece of code reads, imports, or has as a text, by which metrics are called."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
            yield node.id
        elif isinstance(node, ast.Attribute):
            yield node.attr
        elif isinstance(node, ast.alias):
            yield node.name.rpartition(".")[2]
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


def test_every_function_of_the_package_has_a_caller():
    """But for those of the API, which notebooks call."""
    rules = [*ROOT.glob("rules/*.smk"), ROOT / "Snakefile"]
    words = {word for path in rules for word in re.findall(r"\w+", path.read_text())}
    files = [path for folder in CALLERS for path in sorted((ROOT / folder).rglob("*.py"))]
    statements = [(path, node) for path in files for node in ast.parse(path.read_text()).body]
    functions = [
        (path, node)
        for path, node in statements
        if isinstance(node, ast.FunctionDef) and path.is_relative_to(PACKAGE)
    ]
    users: dict[str, int] = {}
    for _, node in statements:
        for name in {*references(node)} - {getattr(node, "name", None)}:
            users[name] = users.get(name, 0) + 1
    idle = [
        f"{path.relative_to(ROOT)}: {node.name}"
        for path, node in functions
        if not users.get(node.name) and node.name not in words
        if path.relative_to(PACKAGE).parts[0] != "api"
    ]
    assert not idle
