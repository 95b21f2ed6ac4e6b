"""Tables set values beside the floor and doing nothing, with paired tests, all by hand."""

import gzip

import numpy as np
import pandas as pd
import pytest

from unlearn.evaluation import controls, tables
from unlearn.evaluation.columns import CELL_COLUMNS
from unlearn.metrics.significance import holm, pairwise_interval, sign_flip_test
from unlearn.metrics.statistics import t_interval
from unlearn.storage.files import write_compressed_text

SEEDS = range(6)
NOTHING = np.array([0.50, 0.52, 0.49, 0.51, 0.53, 0.50])
METHOD = NOTHING - np.array([0.20, 0.21, 0.19, 0.20, 0.22, 0.20])
PAIRS = np.array([0.10, 0.11, 0.09, 0.10, 0.12, 0.10])
"""Distances to the oracle of doing nothing, of a method, and of oracles of other seeds."""


def rows(variant, metric, values, split="test", **columns):
    """Scores of one cell, one a seed."""
    method = variant.partition("@")[0].partition("-")[0]
    cell = dict.fromkeys(CELL_COLUMNS, "x") | {"rate": 0.1, "step": 1, "points": 3}
    cell |= {"method": method, "variant": variant} | columns
    row = {"metric": metric, "split": split}
    return [cell | row | {"seed": s, "value": v} for s, v in zip(SEEDS, values, strict=False)]


def distance_scores():
    scores = rows("original", "kl", NOTHING) + rows("finetune", "kl", METHOD)
    return scores + rows("retrain", "kl", [0.0] * 6) + rows("retrain", "kl_reseeded", PAIRS)


def summary(scores, metrics=("kl",), columns=None, draws=None):
    """The table, by variant."""
    frame = pd.DataFrame(scores)
    table = tables.summarise(frame, list(metrics), ["test"], columns or {}, draws or {})
    return table.set_index("variant")


def test_a_distance_stands_beside_its_floor_and_doing_nothing():
    table = summary(distance_scores())
    assert set(table["metric"]) == {"kl"}  # the floor is read whether it is in the table or not
    floor = pairwise_interval(PAIRS)
    row = table.loc["finetune"]
    assert row["floor"] == pytest.approx(PAIRS.mean())
    assert (row["floor_low"], row["floor_high"]) == pytest.approx((floor.low, floor.high))
    assert row["nothing"] == pytest.approx(NOTHING.mean())
    expected = (METHOD.mean() - PAIRS.mean()) / (NOTHING.mean() - PAIRS.mean())
    assert row["normalised"] == pytest.approx(expected)
    assert table.loc["original", "normalised"] == 1


def test_old_columns_come_first_and_new_ones_behind():
    frame = pd.DataFrame(distance_scores())
    columns = list(tables.summarise(frame, ["kl"], ["test"], {}))
    old = ["metric", "split", "mean", "ci_low", "ci_high", "n", "draws", "failed", "diverged"]
    start = columns.index("metric")
    assert columns[start : start + 9] == old
    assert columns[start + 9 :] == [
        "refused",
        *controls.COLUMNS,
        *("difference", "difference_low", "difference_high", "p", "flags"),
    ]


def test_a_difference_is_of_one_seed():
    """Its interval is far narrower than those of the two means."""
    row = summary(distance_scores()).loc["finetune"]
    interval = t_interval(METHOD - NOTHING)
    names = ["difference", "difference_low", "difference_high"]
    assert row[names].tolist() == pytest.approx([interval.mean, interval.low, interval.high])
    assert row["p"] == sign_flip_test(METHOD - NOTHING) == 2 / 64
    table = summary(distance_scores())
    assert table.loc["original", ["difference", "p"]].isna().all()


def test_differences_are_paired_by_seed_and_draw():
    scores = []
    for draw, shift in (("a", 0.0), ("b", 0.3)):
        scores += rows("original", "kl", NOTHING + shift, request=draw)
        scores += rows("finetune", "kl", METHOD + shift, request=draw)
    row = summary(scores, draws={"a": "s", "b": "s"}).loc["finetune"]
    assert row["difference"] == pytest.approx((METHOD - NOTHING).mean())
    assert row["difference_high"] - row["difference_low"] < 0.05  # the draws' shift is gone
    assert row["p"] == 2 / 64


def test_a_seed_without_a_pair_does_not_count():
    scores = rows("original", "kl", NOTHING[:4]) + rows("finetune", "kl", METHOD)
    row = summary(scores).loc["finetune"]
    assert row["n"] == 6 and row["difference"] == pytest.approx((METHOD - NOTHING)[:4].mean())


def test_the_floor_of_a_metric_whose_right_value_is_the_oracles():
    scores = rows("original", "accuracy", 1 - NOTHING / 10) + rows("finetune", "accuracy", METHOD)
    scores += rows("retrain", "accuracy", PAIRS)
    row = summary(scores, ["accuracy"]).loc["finetune"]
    interval = t_interval(PAIRS)
    assert (row["floor"], row["floor_low"]) == pytest.approx((interval.mean, interval.low))


def test_a_variant_is_compared_with_the_controls_of_its_trainer():
    scores = distance_scores() + rows("sisa", "kl", METHOD)
    scores += rows("original@sisa", "kl", NOTHING * 2) + rows(
        "retrain@sisa", "kl_reseeded", PAIRS * 2
    )
    columns = {"variant": {"sisa": {"method.oracle": "retrain@sisa"}}}
    table = summary(scores, columns=columns)
    assert table.loc["sisa", "nothing"] == pytest.approx(2 * NOTHING.mean())
    assert table.loc["sisa", "floor"] == pytest.approx(2 * PAIRS.mean())
    assert table.loc["finetune", "nothing"] == pytest.approx(NOTHING.mean())


def test_nothing_is_normalised_where_doing_nothing_is_at_the_floor():
    scores = rows("original", "kl", PAIRS + 0.001) + rows("finetune", "kl", METHOD)
    scores += rows("retrain", "kl_reseeded", PAIRS)
    assert np.isnan(summary(scores).loc["finetune", "normalised"])
    one_seed = pd.DataFrame(distance_scores()).query("seed == 0").to_dict("records")
    row = summary(one_seed).loc["finetune"]
    assert np.isnan(row["normalised"]) and np.isnan(row["p"]) and np.isfinite(row["difference"])


def few_seeds(shift, seeds):
    """Scores of doing nothing, which is so many standard errors above the floor, and of a method.

    Standard errors of both means are 1; a floor has those of the jackknife over its pairs.
    """
    values = np.linspace(-1, 1, seeds)
    values *= np.sqrt(seeds) / values.std(ddof=1)
    pairs = values * (seeds - 2) / (2 * (seeds - 1))
    nothing = 100 + values + shift * np.sqrt(2)
    scores = rows("original", "kl", nothing) + rows("finetune", "kl", values + 100)
    return scores + rows("retrain", "kl_reseeded", pairs + 100)


@pytest.mark.parametrize(
    ("seeds", "quantile"),
    [(3, 2.7764), (5, 2.3060), (6, 2.2281)],
)
def test_few_seeds_need_the_t_quantile_between_doing_nothing_and_the_floor(seeds, quantile):
    """That of 2 n - 2 degrees of freedom, because both have equal errors."""
    below = summary(few_seeds(quantile - 0.001, seeds)).loc["finetune"]
    assert np.isnan(below["normalised"])
    above = summary(few_seeds(quantile + 0.001, seeds)).loc["finetune"]
    assert above["normalised"] == pytest.approx(0)


def audited(shift, errors, counts):
    """Doing nothing and an oracle with their standard errors, as audits know them."""
    cell = dict.fromkeys(CELL_COLUMNS, "x") | {"rate": 0.1, "step": 1, "points": 3}
    cell |= {"metric": "klom", "split": "forget"}
    names = ("original", "retrain")
    means = (shift * np.hypot(*errors), 0.0)
    audit = [
        cell
        | {"variant": name, "method": name, "mean": mean, "error": error, "n": n}
        | {"ci_low": mean - 2 * error, "ci_high": mean + 2 * error}
        for name, mean, error, n in zip(names, means, errors, counts, strict=True)
    ]
    table = controls.with_controls(pd.DataFrame(audit), {}).set_index("variant")
    return table.loc["original", "normalised"]


@pytest.mark.parametrize(
    ("errors", "counts", "quantile"),
    [
        ((1.0, 1.0), (10, 10), 2.0),
        ((1.0, 1.0), (64, 10), 2.0),
        ((1.0, 1.0), (9, 9), 2.1199),  # 16 degrees of freedom
        ((1.0, 1.0), (9, 64), 2.0471),  # 28.4
        ((1.0, 0.0), (3, 64), 4.3027),  # 2, of the one that varies
    ],
)
def test_the_quantile_is_of_the_degrees_of_freedom_of_both(errors, counts, quantile):
    assert np.isnan(audited(quantile - 0.002, errors, counts))
    assert audited(quantile + 0.002, errors, counts) == 1


def test_values_without_an_error_are_normalised():
    """A method that is the same for every seed, and a floor that is, too."""
    scores = rows("original", "kl", [0.5] * 3) + rows("finetune", "kl", [0.25] * 3)
    scores += rows("retrain", "kl_reseeded", [0.125] * 3)
    assert summary(scores).loc["finetune", "normalised"] == pytest.approx(1 / 3)


def test_rows_of_another_origin_get_the_same_columns():
    """Those of an audit have no seeds."""
    cell = dict.fromkeys(CELL_COLUMNS, "x") | {"rate": 0.1, "step": 1, "points": 3}
    numbers = {"metric": "kl", "split": "test", "n": 64}
    means = {"original": 1.0, "finetune": 0.4}
    audit = [
        cell
        | numbers
        | {"variant": v, "method": v, "mean": m, "ci_low": m - 0.1, "ci_high": m + 0.1}
        for v, m in means.items()
    ]
    floor = {"variant": "retrain", "method": "retrain", "metric": "kl_reseeded", "mean": 0.2}
    audit.append(audit[0] | floor | {"ci_low": 0.1, "ci_high": 0.3})
    table = controls.with_controls(pd.DataFrame(audit), {}).set_index("variant")
    assert table.loc["finetune", "normalised"] == pytest.approx((0.4 - 0.2) / (1.0 - 0.2))
    assert table.loc["finetune", "floor_high"] == 0.3


def test_holm_is_over_methods_and_primary_metrics():
    names = ["kl", "js", "accuracy", "loss", "kl_reverse"]
    methods = ["finetune", "ascent", "original", "retrain"]
    pairs = [(method, metric) for metric in names for method in methods]
    table = pd.DataFrame(pairs, columns=["method", "metric"])
    table["p"] = np.linspace(0.001, 0.02, len(table))
    corrected = controls.with_holm(table, ["wall_seconds", *names])
    is_method = table["method"].isin(methods[:2]) & (table["metric"] != "kl_reverse")
    assert is_method.sum() == 8  # two methods, four primary metrics
    assert corrected.loc[is_method, "p_holm"].tolist() == holm(table.loc[is_method, "p"].tolist())
    assert corrected.loc[~is_method, "p_holm"].isna().all()


def test_flags_name_gates_values_below_the_floor_and_few_seeds():
    scores = distance_scores() + rows("near", "kl", PAIRS / 20) + rows("sisa", "kl", [0.0] * 6)
    scores += rows("finetune", "gate_collapse", [1.0] * 6, split="forget")
    table = summary(scores)
    flags = table["flags"].to_dict()
    assert flags.pop("near") == "below floor" and flags.pop("finetune") == "collapse"
    assert set(flags) == {"original", "retrain", "sisa"} and not any(flags.values())
    few = summary(pd.DataFrame(distance_scores()).query("seed < 4").to_dict("records"))
    assert set(few["flags"]) == {"n < 5"}


def test_a_refused_cell_has_rows_without_a_value():
    scores = distance_scores()
    scores += rows("ascent", "refused", [1.0] * 6, split="forget")
    scores += rows("ascent", "gate_no_op", [1.0] * 6, split="forget")
    row = summary(scores).loc["ascent"]
    assert row["refused"] == 6 and row["n"] == 0 and np.isnan(row["mean"])
    assert row["failed"] == 0 and row["flags"] == "no-op"


def test_the_published_scores_of_seeds_are_those_of_the_table(tmp_path):
    frame = pd.DataFrame(distance_scores() + rows("finetune", "js", METHOD))
    frame = frame[[*CELL_COLUMNS, "seed", "metric", "split", "value"]]
    text = tables.selected_text([frame.to_csv(index=False)] * 2, ["kl"], ["test"])
    for name in ("a", "b"):
        write_compressed_text(tmp_path / name, text)
    content = (tmp_path / "a").read_bytes()
    assert content == (tmp_path / "b").read_bytes() and content[4:8] == bytes(4)  # no time
    published = tables.parse(gzip.decompress(content).decode())
    assert len(published) == 24 and set(published["metric"]) == {"kl", "kl_reseeded"}
    assert tables.summarise(published, ["kl"], ["test"], {}).equals(
        tables.summarise(tables.parse(frame.to_csv(index=False)), ["kl"], ["test"], {})
    )
