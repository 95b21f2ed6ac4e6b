"""Studies with random mistakes load, or are refused in one line that names a key; none hangs."""

import copy
import datetime
import math
import random
import re
import signal
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import yaml

from tests.support.project import ROOT, TINY
from unlearn.study.load import StudyError, load_study
from unlearn.study.schema import study_schema

STUDIES = 400
"""Mutated studies in all."""

BATCHES = 8
"""Tests that share them, each with a seed of its own."""

MAX_MUTATIONS = 2

MAX_CPU_SECONDS = 2.0
"""What loading one study may take."""

SISA = {"name": "sisa", "shards": [2, 4], "partition": "uniform"}
NOISE = {"name": "error_minimizing", "epsilon": [0.05, 0.1], "model": "mlp", "size": 8}

RICH = copy.deepcopy(TINY) | {
    "methods": {"slow": {"name": "finetune", "epochs": 9}},
    "noises": {"weak": {"name": "random_noise", "epsilon": 0.02}},
    "requests": {"few": {"name": "random", "count": 5}},
    "pictures": {"examples": {"dataset": {"name": "digits", "noise": "weak"}, "classes": 3}},
}
RICH["experiments"] = RICH["experiments"] | {
    "shards": {
        "dataset": "digits",
        "model": [{"name": "mlp", "recipe": {"name": "quick", "lr": [0.1, 0.2]}}],
        "method": [SISA, "slow", {"name": "influence_distillation", "student": "cnn1"}],
        "request": ["few"],
        "seeds": [3, 4],
        "figure": {"x": "method.shards", "y": ["accuracy/test", "kl/forget"], "facet": "recipe.lr"},
        "summary": ["accuracy/test", "wall_seconds/forget"],
    },
    "noise": {
        "description": "Noise.",
        "dataset": [{"name": "digits", "noise": NOISE, "noised": [0.5, 0.9]}],
        "model": "cnn1",
        "method": "original",
        "request": "noised",
        "figure": {"x": "dataset.noised", "y": "accuracy", "colour": "dataset.noise"},
    },
    "cost": {
        "dataset": {"name": "digits", "held_out": 0.2},
        "model": "mlp",
        "method": ["finetune", "naive_finetuning"],
        "request": [{"name": "ids", "ids": [[1, 2, 3]]}, {"name": "by_class", "label": 3}],
        "figure": {"kind": "frontier", "x": "flops/forget", "y": "kl", "facet": "request"},
    },
}
BASES = [RICH, TINY, yaml.safe_load((ROOT / "configs/demo.yaml").read_text())]


def endless_list() -> list:
    """A list that contains itself, as a YAML alias can."""
    values: list = [1]
    values.append(values)
    return values


def endless_block() -> dict:
    """A block that contains itself."""
    block: dict = {"name": "mlp"}
    block["name"] = block
    return block


def bomb(level: int = 9) -> list:
    """A list of nine lists of nine lists ..., all aliases of one."""
    return [1] if level == 0 else [bomb(level - 1)] * 9


JUNK = (
    None, True, False, 0, 1, -1, 2, 2.5, -0.0, 1e-9, 1e30, 1e300, -1e300, 10**9, 10**30, 10**5000,
    math.nan, math.inf, -math.inf, "", " ", "nan", "1e-3", "0x10", "a/b", "../..", "~", "null", "é" * 90,
    "a" * 250, "a" * 100_000, "x\ny", "\x00", "\ud800", "{seed}", "{", "*", ".. include:: /etc/passwd",
    "accuracy", "digits", "mlp", "finetune", "random", "seeds", "method.lr", "name", b"bytes", (1, 2),
    {1, 2}, datetime.date(2024, 1, 1), [], {}, [[]], [None], [{}], [[[]]], ["a", "a"], [1, 1.0, True],
    [0.1, "b", None], list(range(3000)), [f"m{i}" for i in range(300)], {"name": None}, {"name": 5},
    {"name": "mlp", "name+": "x"}, {"a": {"b": {"c": [{"d": 1}]}}}, {5: 6}, {None: 1}, {(1, 2): 3},
    {"name": ["mlp", "cnn1"]}, {"name": {"name": "mlp"}}, {"name": "digits", "noise": {"name": []}},
)  # fmt: skip

MAKERS = (endless_list, endless_block, bomb)

KEYS = (
    "zzz",
    "name",
    "noise",
    "recipe",
    "seed",
    "lr",
    "method+",
    "figure",
    "",
    "a b",
    "é",
    "x" * 300,
)


def blocks(value, path=()) -> Iterator[tuple[tuple, object]]:
    """The blocks and lists below a value, with their paths."""
    if isinstance(value, dict | list):
        yield path, value
        for key, inner_value in list(
            value.items() if isinstance(value, dict) else enumerate(value)
        ):
            yield from blocks(inner_value, (*path, key))


def mutate(block: dict | list, draw: random.Random) -> str | int:
    """Change one place of a block or list; its key."""
    key = draw.choice(list(block) if isinstance(block, dict) else range(len(block)))
    junk = draw.choice((*JUNK, *MAKERS))
    value = junk() if callable(junk) else copy.deepcopy(junk)
    action = draw.random()
    if action < 0.6:
        block[key] = value
    elif action < 0.75 and isinstance(block, dict):
        key = draw.choice(KEYS)
        block[key] = value
    elif action < 0.85 and len(block) > 1:
        del block[key]
    elif action < 0.95:
        block[key] = [copy.copy(block[key]), value, copy.copy(block[key])]
    else:
        block[key] = {"name": block[key], "zzz": value}
    return key


@contextmanager
def cpu_limit(seconds: float) -> Iterator[None]:
    """TimeoutError in a block that takes more seconds of the processor."""

    def stop(*_: object) -> None:
        raise TimeoutError(f"more than {seconds} s")

    handler = signal.signal(signal.SIGVTALRM, stop)
    signal.setitimer(signal.ITIMER_VIRTUAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, handler)


@pytest.mark.parametrize("batch", range(BATCHES))
def test_a_random_study_loads_or_is_refused_in_a_line(batch):
    draw = random.Random(batch)
    refusals = 0
    for number in range(STUDIES // BATCHES):
        config = copy.deepcopy(draw.choice(BASES))
        paths = []
        places = draw.sample(list(blocks(config)), draw.randint(1, MAX_MUTATIONS))
        for path, block in places:
            paths.append((*path, mutate(block, draw)) if block else path)
        place = f"study {number} of batch {batch}, changed at {str(paths)[:300]}"
        try:
            with cpu_limit(MAX_CPU_SECONDS):
                plan = load_study(config, "my.yaml")
        except StudyError as error:
            refusals += 1
            message = str(error)
            assert "\n" not in message and len(message) < 5000, place
            assert message.startswith("my.yaml: "), f"{place}: {message}"
            assert names_a_key(message, paths), f"{place}: {message}"
        except BaseException as error:
            raise AssertionError(place) from error
        else:
            assert 0 < len(plan.cells) <= 50_000, place
    assert refusals > STUDIES // BATCHES // 2


def names_a_key(message: str, paths: list[tuple]) -> bool:
    """Whether a message begins with the path of a key of studies, or speaks of a changed key."""
    key = re.match(r"my\.yaml: (\w+)", message)
    is_path = key is not None and key[1] in study_schema()["properties"]
    keys = [key for path in paths for key in path if isinstance(key, str) and key]
    return is_path or "key " in message or any(key in message for key in keys)
