"""Random tables of studies, and random figures of them: whatever is missing, nothing raises.

The number of cases is the environment variable `UNLEARN_RANDOM_TABLES`; a case can be drawn alone
with `pytest "tests/report/test_random_tables.py::test_random_tables[7]"`.
"""

import io
import os
import random
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
import pytest
from matplotlib import pyplot

from tests.support.figures import page_of
from unlearn.core import registry
from unlearn.evaluation import placement, tables, wide_tables
from unlearn.metrics.catalogue import METRICS
from unlearn.report.figures import _style

CASES = int(os.environ.get("UNLEARN_RANDOM_TABLES", "300"))
GROUPS = 20
"""Tests that share the cases: each has a seed of its own."""

SAVED_SHARE = 0.08
"""Cases that are saved as SVG; one in ten of these as PNG, too."""

NUMBERS = ("rate", "step", "points", "method.lr", "recipe.lr", "dataset.noised", "request.rate")
TEXTS = ("variant", "method", "model", "request", "sampler", "method.weights", "noise.kind")
MIXED = ("model.width", "method.cap")
"""Columns of parameters that are a number here and `none` there."""

VALUES = {
    "ordinary": lambda chance: chance.uniform(0, 1),
    "zeros": lambda chance: chance.choice([0.0, 0.0, 0.3]),
    "all 0": lambda chance: 0.0,
    "negative": lambda chance: -chance.uniform(0, 1),
    "both signs": lambda chance: chance.gauss(0, 1),
    "far apart": lambda chance: 10 ** chance.uniform(-12, 12),
    "equal": lambda chance: 0.5,
    "full": lambda chance: 1.0,
    "missing": lambda chance: None,
    "some missing": lambda chance: chance.choice([None, 0.25, 0.75]),
}


@dataclass
class Case:
    """A random experiment: its scores as the pipeline writes them, and its figure block."""

    seed: int
    chance: random.Random = field(init=False)

    def __post_init__(self):
        self.chance = random.Random(self.seed)
        self.seeds = self.chance.choice([1, 1, 2, 3, 5])
        self.datasets = self.names("data", 2)
        self.models = self.names("model", 2)
        self.trainers = self.chance.sample(
            ["", "@sisa", "@sisa-shards=3"], self.chance.choice([1, 1, 2])
        )
        self.variants = self.some_variants()
        self.requests = [f"request{number}" for number in range(self.chance.randint(1, 3))]
        self.steps = self.chance.choice([1, 1, 1, 1, 3])
        self.figure = self.some_figure()
        self.draws = self.some_draws()

    def names(self, word, most):
        count = self.chance.choice([1, 1, 1, 1, 1, most])
        return [f"{word}{number}" for number in range(count)]

    def some_variants(self):
        """Variant -> (method, trainer). The oracle can be missing, and there can be very many."""
        most = 60 if self.chance.random() < 0.01 else 4
        variants = {}
        for trainer in self.trainers:
            for control in placement.CONTROLS:
                if self.chance.random() < 0.85:
                    variants[f"{control}{trainer}"] = (control, trainer)
        for number in range(self.chance.randint(0 if variants else 1, most)):
            method = self.chance.choice(["finetune", "sisa", "other"])
            variants[f"{method}-lr={number}"] = (method, self.chance.choice(self.trainers))
        return variants

    def some_figure(self):
        kind = self.chance.choice(["lines", "lines", "frontier", "dots", "agreement"])
        is_by_cost = kind in ("frontier", "dots")
        costs = [name for name, metric in METRICS.items() if metric.is_frontier_cost]
        distances = [name for name, metric in METRICS.items() if metric.is_distance]
        qualities = [name for name, metric in METRICS.items() if metric.is_quality]
        choices = {"frontier": distances, "agreement": qualities}
        choices = choices.get(kind, list(METRICS))
        y = self.chance.sample(choices, self.chance.choice([1, 1, 1, 1, 2]))
        axes = [*NUMBERS, *TEXTS, *MIXED]
        x = self.chance.choice(axes)
        colour = self.chance.choice(["variant", "method", "metric", "split", *axes])
        if is_by_cost or kind == "agreement":
            x = f"{self.chance.choice(costs)}/forget" if is_by_cost else ""
            colour = self.chance.choice(["variant", "method"])
        splits = sorted({split for metric in y for split in METRICS[metric].splits})
        block = {
            "kind": kind,
            "x": x,
            "y": y,
            "split": self.chance.choice([[], splits[:2], *[splits[:1]] * 4]),
            "colour": colour,
            "facet": self.chance.choice([*[None] * len(axes), "split", *axes]),
            "methods": self.chance.choice([None, None, None, ["original"], ["finetune"]]),
            "hidden": self.chance.choice([[], [], ["finetune-lr=0"]]),
            "normalised": self.chance.choice([[], y[:1], y]) if kind == "dots" else [],
            "xscale": self.chance.choice(["linear", "log"]),
            "yscale": self.chance.choice(["linear", "log"]),
        }
        block |= placement.metrics_and_splits(block)
        block["x"] = block["x"] or None
        block["y"] = list(dict.fromkeys(block["y"]))
        return block

    def some_draws(self):
        if {"request", "request.seed"} & placement.axes(self.figure) or self.chance.random() < 0.7:
            return {}
        return dict.fromkeys(self.requests, "setting") if len(self.requests) > 1 else {}

    def columns(self):
        """The parameters of parts that an axis shows, as a plan gives them."""
        axes = placement.axes(self.figure)  # a plan refuses columns that no part has
        parts = {
            "dataset": (self.datasets, ["dataset.noised", "noise.kind"]),
            "model": (
                [f"{dataset}/{model}" for dataset in self.datasets for model in self.models],
                ["recipe.lr", "model.width"],
            ),
            "variant": (list(self.variants), ["method.lr", "method.weights", "method.cap"]),
            "request": (self.requests, ["request.rate"]),
        }
        columns = {
            kind: {
                name: {
                    key: self.parameter(key)
                    for key in keys
                    if key in axes and (name == names[0] or self.chance.random() < 0.8)
                }
                for name in names
            }
            for kind, (names, keys) in parts.items()
        }
        for name, (_, trainer) in self.variants.items():
            columns["variant"][name]["method.guarantee"] = self.chance.choice(["none", "exact"])
            if len(self.trainers) > 1 or self.trainers != [""]:
                oracle = {"method.oracle": f"retrain{trainer}"}
                trainer_kind = {"method.trainer": "sisa" if trainer else "standard"}
                columns["variant"][name] |= oracle | trainer_kind
        return columns

    def parameter(self, column):
        if column in MIXED:
            return self.chance.choice(["none", 1, 2.5, 1000])
        if column in TEXTS:
            return self.chance.choice(["first_noise", "second", "third_1e3"])
        return self.chance.choice([0, 0, 0.01, 0.1, 1, 32, 1e6])

    def scores(self):
        """The rows of all cells; a cell can have failed or diverged."""
        law = VALUES[self.chance.choice(list(VALUES))]
        rows = []
        is_broken = self.chance.choice([0, 0, 0.2, 1])
        for dataset in self.datasets:
            for model in self.models:
                precision = self.chance.choice(["float32", "float32", "bfloat16"])
                for request in self.requests:
                    rate = self.chance.choice([0.001, 0.1, 0.1, 0.5, 1])
                    for variant, (method, _) in self.variants.items():
                        cell = {"dataset": dataset, "model": model, "method": method}
                        cell |= {"variant": variant, "request": request, "rate": rate}
                        cell |= {"sampler": self.chance.choice(["random", "by_class"])}
                        failed = self.chance.random() < is_broken
                        is_known = not failed or self.chance.random() < 0.5
                        cell["precision"] = precision if is_known else "unknown"
                        rows += self.cell_rows(cell, law, failed)
        return pd.DataFrame(rows)

    def cell_rows(self, cell, law, failed):
        for step in range(1, self.steps + 1):
            points = step * 10 if cell["rate"] < 1 else 100
            for seed in range(self.seeds):
                row = cell | {"step": step, "points": points, "seed": seed}
                yield row | {"metric": "completed", "split": "forget", "value": float(not failed)}
                if failed:
                    continue
                diverged = float(self.chance.random() < 0.05)
                yield row | {"metric": "diverged", "split": "forget", "value": diverged}
                for metric in self.figure["y"]:
                    for split in METRICS[metric].splits:
                        if self.chance.random() < 0.97:
                            yield row | {
                                "metric": metric,
                                "split": split,
                                "value": law(self.chance),
                            }

    def table(self):
        scores = tables.parse(self.scores().drop_duplicates().to_csv(index=False))
        figure = self.figure
        table = tables.summarise(scores, figure["y"], figure["split"], self.columns(), self.draws)
        if self.chance.random() < 0.7:
            self.add_floors(table)
        return tables.parse(table.to_csv(index=False))

    def add_floors(self, table):
        """The columns of floors and normalised values, with gaps."""
        law = VALUES[self.chance.choice(list(VALUES))]
        for column in ("floor", "floor_low", "floor_high", "nothing"):
            table[column] = [law(self.chance) for _ in range(len(table))]
        floors = table["floor"].to_numpy(float)
        scale = table["nothing"].to_numpy(float) - floors
        is_present = np.array([self.chance.random() < 0.8 for _ in range(len(table))], bool)
        scale[(scale == 0) | ~is_present] = np.nan
        table["normalised"] = (table["mean"].to_numpy(float) - floors) / scale

    def summary(self):
        pairs = [
            f"{metric}/{split}" for metric in self.figure["y"] for split in METRICS[metric].splits
        ]
        return self.chance.sample(pairs, min(len(pairs), 4))


def assert_everything_has_a_place(figure):
    """Every number that is drawn has a position on its axes."""
    for axis in figure.axes:
        for line in axis.get_lines() if axis.get_visible() else ():
            y = np.array(line.get_ydata(), float)
            x = np.array(line.get_xdata(), float)
            if line.get_label() != "frontier":
                assert np.isfinite(axis.yaxis.get_transform().transform(y[np.isfinite(y)])).all()
                assert np.isfinite(axis.xaxis.get_transform().transform(x[np.isfinite(x)])).all()


def draw(case):
    """All that readers see of a case."""
    table = case.table()
    columns = case.summary()
    wide_tables.wide_numbers(table, columns).to_csv(index=False)
    wide_tables.wide_text(table, columns).to_latex(index=False)
    assert "Results" in page_of(experiments={"e": ("", case.figure, table)})
    figure = registry.find("figures", case.figure["kind"])().draw(table, case.figure)
    assert_everything_has_a_place(figure)
    assert figure.get_supxlabel()
    if case.chance.random() < SAVED_SHARE:
        _style.save(figure, io.BytesIO(), "svg")
        if case.chance.random() < 0.1:
            _style.save(figure, io.BytesIO(), "png")


@pytest.mark.parametrize("group", range(GROUPS))
def test_random_tables(group):
    for number in range(group, CASES, GROUPS):
        case = Case(number)
        try:
            draw(case)
        except Exception as error:
            raise AssertionError(f"case {number}: {case.figure}") from error
        finally:
            pyplot.close("all")
