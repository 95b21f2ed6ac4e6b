"""How far metrics agree about methods: orders, and who is nearer than doing nothing."""

import numpy as np
import pandas as pd
import pytest

from tests.support.figures import MEANS, ONE_REQUEST, experiment, made_up
from unlearn.evaluation.metric_agreement import agreements

METHODS = [{"name": "finetune", "epochs": [1, 3, 5, 7]}]
VARIANTS = [f"finetune-epochs={epochs}" for epochs in (1, 3, 5, 7)]
FIGURE = {"kind": "agreement", "y": ["kl/forget", "accuracy_gap/forget", "attack_auc/forget"]}
CONTROLS = {"original": (0.5, 0.5, 0.9), "retrain": (0.0, 0.0, 0.6)}


def comparison(values, **parts):
    """The figure block and a table in which each variant has these three values."""
    plan = experiment(FIGURE, method=METHODS, **ONE_REQUEST | parts)
    table = made_up(plan).drop(columns="normalised", errors="ignore")
    for variant, numbers in {**CONTROLS, **values}.items():
        for metric, number in zip(("kl", "accuracy_gap", "attack_auc"), numbers, strict=True):
            is_row = (table["variant"] == variant) & (table["metric"] == metric)
            table.loc[is_row, MEANS] = number
    return plan.experiments["e"].figure, table


def names(result):
    return {(first[0], second[0]): agreement for (first, second), agreement in result.items()}


VALUES = dict(
    zip(
        VARIANTS,
        [(0.1, -0.1, 0.5), (0.2, 0.2, 0.4), (0.3, -0.3, 0.95), (0.4, 0.6, 0.7)],
        strict=True,
    )
)
"""By KL and by the size of the gap the order is 1, 3, 5, 7; by the attack 1 = 7, 3, 5."""


def test_signed_values_are_ranked_by_their_distance_from_the_oracle():
    figure, table = comparison(VALUES)
    result = names(agreements(table, figure))
    assert set(result) == {
        ("kl", "accuracy_gap"), ("kl", "attack_auc"), ("accuracy_gap", "attack_auc")
    }  # fmt: skip
    assert result["kl", "accuracy_gap"].correlation.tau == 1
    # of 6 pairs one is a tie by the attack, 3 have the same order, 2 the opposite one
    expected = (3 - 2) / np.sqrt(6 * 5)
    assert result["kl", "attack_auc"].correlation.tau == pytest.approx(expected)


def test_metrics_disagree_where_one_alone_is_nearer_than_doing_nothing():
    figure, table = comparison(VALUES)
    result = names(agreements(table, figure))
    assert result["kl", "accuracy_gap"][1:] == (4, 1)  # a gap of .6 is further than .5
    assert result["kl", "attack_auc"][1:] == (4, 1)  # .95 is further from .6 than .9
    assert result["accuracy_gap", "attack_auc"][1:] == (4, 2)


def test_cells_whose_floor_is_not_told_from_doing_nothing_give_no_verdict():
    figure, table = comparison(VALUES)
    table["normalised"] = np.where(table["variant"] == VARIANTS[3], np.nan, 0.5)
    assert names(agreements(table, figure))["kl", "accuracy_gap"][1:] == (3, 0)


def test_controls_and_failed_methods_are_not_ranked():
    figure, table = comparison(VALUES)
    assert names(agreements(table, figure))["kl", "accuracy_gap"].correlation.items == 4
    is_failed = table["variant"] == VARIANTS[0]
    table.loc[is_failed, MEANS] = np.nan
    table.loc[is_failed, "n"] = 0
    assert names(agreements(table, figure))["kl", "accuracy_gap"].correlation.items == 3


def test_every_request_has_a_ranking_and_an_oracle_of_its_own():
    figure, table = comparison(VALUES)
    other = table.assign(request="other")
    is_gap = (other["metric"] == "accuracy_gap") & (other["method"] == "finetune")
    other.loc[is_gap, MEANS] = 1 / other.loc[is_gap, MEANS].abs()
    both = pd.concat([table, other], ignore_index=True)
    result = names(agreements(both, figure | {"facet": "request"}))["kl", "accuracy_gap"]
    assert result.correlation.tau == pytest.approx(0) and result.correlation.groups == 2
    assert result.cells == 8
