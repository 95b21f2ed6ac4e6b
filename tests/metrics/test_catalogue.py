"""The catalogue is the only place that knows metrics, and its columns agree with each other."""

import ast

import pytest

from tests.support.project import ROOT
from unlearn.core import registry
from unlearn.metrics.catalogue import METRICS, floor
from unlearn.metrics.metric import AUDITED_SPLITS, PHASES, SPLITS
from unlearn.report.figures import _style

FUNCTIONS = ("of_model", "of_pair", "of_votes", "of_attack", "of_population", "of_classes")
MAX_NAMES = 4
"""Metrics that a literal outside the catalogue may name before it counts as a second table."""


@pytest.mark.parametrize("metric", METRICS.values(), ids=lambda metric: metric.name)
def test_the_columns_of_a_row_agree(metric):
    functions = [name for name in FUNCTIONS if getattr(metric, name)]
    is_cost = set(metric.splits) <= set(PHASES)
    assert len(functions) <= 1
    assert metric.label and metric.splits
    is_of_population = metric.scope == "population"
    assert bool(metric.of_population) is is_of_population
    allowed_splits = AUDITED_SPLITS if is_of_population else SPLITS
    classes_splits = ("test",) if metric.of_classes else ()
    is_of_relearning = metric.rule == "relearn" and set(metric.splits) <= set(SPLITS)
    is_about_points = (
        metric.splits in (allowed_splits, ("forget",), classes_splits) or is_of_relearning
    )
    assert is_about_points or is_cost or metric.splits == ("weights",)
    assert (metric.rule == "audit") is is_of_population
    assert metric.rule in ("score", "relearn", "audit") and (
        not metric.is_curve or is_of_relearning
    )
    if metric.splits == SPLITS:
        assert functions
    if metric.of_pair:
        assert metric.scope == "pair"
    if metric.is_distance:
        assert metric.better == "low" and not metric.is_signed
    if metric.is_frontier_cost:
        assert is_cost and metric.better == "low" and not metric.is_trainer_specific
    if "seconds" in metric.name:
        assert metric.is_clocked
    if "(%)" in metric.label or "(points)" in metric.label:
        assert metric.is_percentage
    if metric.floor_of:
        assert METRICS[metric.floor_of].splits == metric.splits
        assert floor(metric.floor_of) is metric
    if metric.speedup_of:
        assert METRICS[metric.speedup_of].is_clocked == metric.is_clocked


def test_every_label_is_used_on_axes():
    for name, metric in METRICS.items():
        assert _style.metrics_label([name]) == metric.label


def test_labels_tell_metrics_apart():
    labels = [metric.label for metric in METRICS.values()]
    assert len(set(labels)) == len(labels)


def test_every_metric_that_a_trainer_lists_has_a_row():
    names = set()
    for trainer in registry.names("trainers"):
        names |= set(registry.find("trainers", trainer).metrics)
    assert names == {name for name, metric in METRICS.items() if metric.is_trainer_specific}


def test_there_is_no_other_table_of_metrics():
    """No tuple, list, set or dictionary of many metrics, but those that trainers give their own."""
    tables = []
    for path in sorted(ROOT.glob("unlearn/**/*.py")):
        if path.name == "catalogue.py" or path.parts[-2] in ("trainers", "training", "jobs"):
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Tuple | ast.List | ast.Set):
                elements = node.elts
            elif isinstance(node, ast.Dict):
                elements = node.keys
            else:
                continue
            texts = {e.value for e in elements if isinstance(e, ast.Constant)}
            if len(texts & METRICS.keys()) > MAX_NAMES:
                tables.append(f"{path.relative_to(ROOT)}:{node.lineno}")
    assert not tables
