"""Tables of relearning: a row for each number of steps; failed and diverged models."""

import numpy as np
import pandas as pd
import pytest

from unlearn.evaluation import tables
from unlearn.evaluation.agreement import agreement
from unlearn.evaluation.columns import CELL_COLUMNS
from unlearn.evaluation.relearned_tables import summarise_relearned, with_ratios

CELL = dict.fromkeys(CELL_COLUMNS, "x") | {"rate": 0.1, "step": 1, "points": 3}
METRICS = ["relearning_steps", "accuracy", "relearned_accuracy"]


def scores(variant, failed=(), diverged=()):
    """The flags of two models and, where they completed, their accuracy."""
    rows = []
    for seed in (0, 1):
        cell = CELL | {"variant": variant, "seed": seed}
        flags = {"completed": seed not in failed, "diverged": seed in diverged}
        rows += [
            cell | {"metric": k, "split": "forget", "value": float(v)} for k, v in flags.items()
        ]
        if seed not in failed:
            rows.append(cell | {"metric": "accuracy", "split": "test", "value": 0.5 + seed / 10})
    return rows


def curves(variant, values=((0.2, 0.4), (0.6, 0.8))):
    """The curves of two models after 0 and 4 steps."""
    rows = []
    for step, values_of_step in zip((0, 4), values, strict=True):
        for seed, value in enumerate(values_of_step):
            cell = CELL | {"variant": variant, "seed": seed, "relearning_step": step}
            rows.append(cell | {"metric": "relearned_accuracy", "split": "test", "value": value})
    for seed in (0, 1):
        cell = CELL | {"variant": variant, "seed": seed, "relearning_step": np.nan}
        rows.append(cell | {"metric": "relearning_steps", "split": "forget", "value": 2.0 + seed})
    return rows


def table(score_rows, curve_rows):
    def summary(rows, metrics):
        return tables.summarise(rows, metrics, [], {})

    columns = [*CELL_COLUMNS, "relearning_step", "seed", "metric", "split", "value"]
    relearned = pd.DataFrame(curve_rows, columns=columns)
    return summarise_relearned(summary, pd.DataFrame(score_rows), relearned, METRICS)


def test_a_curve_has_a_row_for_each_number_of_steps():
    rows = table(scores("a"), curves("a"))
    assert list(rows["metric"]) == [*METRICS, "relearned_accuracy"]
    assert list(rows["mean"]) == pytest.approx([2.5, 0.55, 0.3, 0.7])
    steps = rows["relearning_step"].astype(object).where(rows["relearning_step"].notna(), None)
    assert list(steps) == [None, None, 0, 4]
    assert (rows["n"] == 2).all()
    assert list(rows.columns[: len(CELL_COLUMNS) + 1]) == [*CELL_COLUMNS, "relearning_step"]


def test_a_failed_cell_stays_visible_at_every_number_of_steps():
    rows = table(scores("a") + scores("b", failed=(0, 1)), curves("a"))
    failed = rows[(rows["variant"] == "b") & (rows["metric"] == "relearned_accuracy")]
    assert list(failed["relearning_step"]) == [0, 4]
    assert (failed["failed"] == 2).all() and (failed["n"] == 0).all()
    assert failed["mean"].isna().all()


def test_a_table_of_failed_cells_alone_has_a_row_without_steps():
    rows = table(scores("b", failed=(0, 1)), [])
    failed = rows[rows["metric"] == "relearned_accuracy"]
    assert len(failed) and (failed["failed"] == 2).all() and failed["mean"].isna().all()


def test_diverged_models_are_counted_and_never_averaged():
    rows = table(scores("a", diverged=(1,)), curves("a"))
    curve = rows[rows["metric"] == "relearned_accuracy"]
    assert list(curve["mean"]) == [0.2, 0.6]
    assert (curve["n"] == 1).all() and (curve["diverged"] == 1).all()


def test_a_table_survives_its_csv_and_agrees_with_itself():
    rows = table(scores("a"), curves("a"))
    parsed = tables.parse(rows.to_csv(index=False))
    assert list(parsed["relearning_step"].dropna()) == [0, 4]
    result = agreement(parsed, parsed)
    assert result.same == 4 and not result.different
    other = parsed.assign(mean=parsed["mean"] + 0.1 * (parsed["relearning_step"] == 4))
    (line,) = agreement(parsed, other, is_exact=True).different
    assert "relearned_accuracy" in line


def steps_of(variant, *values):
    """Steps until relearnt, one a seed."""
    cell = CELL | {"variant": variant, "metric": "relearning_steps", "split": "forget"}
    cell["relearning_step"] = np.nan
    return [cell | {"seed": seed, "value": value} for seed, value in enumerate(values)]


def test_steps_are_divided_by_those_of_the_oracle_seed_by_seed():
    """Of 10 / 20 and 60 / 40 the mean is 1; the ratio of the means is 70 / 60."""
    rows = steps_of("a", 10.0, 60.0) + steps_of("retrain", 20.0, 40.0) + steps_of("original", 0, 0)
    rows += steps_of("b@sisa", 10.0, 30.0) + steps_of("retrain@sisa", 5.0, 10.0)
    oracles = dict.fromkeys(["b@sisa", "retrain@sisa"], "retrain@sisa")
    curves = with_ratios(pd.DataFrame(rows), oracles)
    ratios = curves[curves["metric"] == "relearning_ratio"].groupby("variant")["value"].apply(list)
    assert ratios["a"] == [0.5, 1.5] and ratios["b@sisa"] == [2, 3]
    assert ratios["retrain"] == ratios["retrain@sisa"] == [1, 1] and ratios["original"] == [0, 0]
    row = table_of_ratios(curves).loc["a"]
    half_width = 12.706 * 0.5  # t of one degree of freedom, times the standard error
    assert row["mean"] == 1 and row["ci_high"] == pytest.approx(1 + half_width, abs=1e-3)
    assert row["n"] == 2


def test_what_is_not_relearned_has_no_ratio():
    rows = steps_of("a", 10.0, np.nan, 5.0) + steps_of("retrain", np.nan, 40.0, 0.0)
    curves = with_ratios(pd.DataFrame(rows), {}).query("variant == 'a'")
    assert curves.loc[curves["metric"] == "relearning_ratio", "value"].isna().all()


def table_of_ratios(curves):
    """The table of the ratio alone, by variant."""

    def summary(rows, metrics):
        return tables.summarise(rows, metrics, [], {}, {})

    flags = [row for variant in curves["variant"].unique() for row in scores(variant)]
    table = summarise_relearned(summary, pd.DataFrame(flags), curves, ["relearning_ratio"])
    return table.set_index("variant")
