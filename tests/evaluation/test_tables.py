"""Means and intervals of tables; diverged and failed seeds."""

import numpy as np
import pandas as pd
import pytest

from tests.support.figures import ONE_REQUEST, experiment, made_up
from unlearn.evaluation import tables, wide_tables
from unlearn.evaluation.columns import CELL_COLUMNS
from unlearn.metrics.statistics import crossed_interval, mean_interval

CELL = dict.fromkeys(CELL_COLUMNS, "x") | {"rate": 0.1, "step": 1, "points": 3}
"""The columns of a cell."""


def scores(**columns):
    """Scores of one cell."""
    return pd.DataFrame(columns).assign(**CELL)


def test_diverged_models_are_counted_and_never_averaged():
    table = tables.summarise(
        scores(
            seed=[0, 1, 2] * 2,
            metric=["wall_seconds"] * 3 + ["diverged"] * 3,
            split=["forget"] * 6,
            value=[1.0, 3.0, 100.0, 0, 0, 1],
        ),
        ["wall_seconds"],
        [],
        {},
    )
    row = table.iloc[0]
    assert row["mean"] == 2 and row["n"] == 2 and row["diverged"] == 1


def test_a_diverged_original_does_not_spoil_retraining():
    table = tables.summarise(
        scores(
            seed=[0, 0, 0, 0],
            metric=["accuracy", "wall_seconds", "diverged", "diverged"],
            split=["test", "learn", "learn", "forget"],
            value=[0.5, 9.0, 1, 0],
        ),
        ["accuracy", "wall_seconds"],
        [],
        {},
    )
    means = dict(zip(table["metric"], table["mean"], strict=True))
    assert means["accuracy"] == 0.5 and np.isnan(means["wall_seconds"])


def test_one_seed_has_no_interval():
    table = tables.summarise(
        scores(seed=[0], metric=["kl"], split=["test"], value=[0.5]), ["kl"], [], {}
    )
    assert table["n"].item() == 1 and table[["ci_low", "ci_high"]].isna().all(axis=None)


@pytest.mark.parametrize(("seeds", "interval"), [(9, crossed_interval), (12, mean_interval)])
def test_from_ten_seeds_on_the_interval_is_a_bootstrap(seeds, interval):
    """That of skewed values leans to their long tail, and so does that of a difference."""
    values = np.random.default_rng(1).exponential(size=seeds) ** 2
    frame = scores(seed=np.arange(seeds), metric="kl", split="test", value=values)
    frame = pd.concat(
        [
            frame.assign(variant=v, method=v, value=c)
            for v, c in {"a": values, "original": 0}.items()
        ]
    )
    row = tables.summarise(frame, ["kl"], [], {}).set_index("variant").loc["a"]
    expected = interval(values[:, None])
    assert (row["ci_low"], row["ci_high"]) == (expected.low, expected.high)
    assert (row["difference_low"], row["difference_high"]) == (expected.low, expected.high)
    is_symmetric = row["ci_high"] - row["mean"] == pytest.approx(row["mean"] - row["ci_low"])
    assert is_symmetric == (seeds < 10)


def test_pairs_of_seeds_have_no_interval():
    """The values of a floor share seeds."""
    seed_values = [1.0, 2.0, 6.0]
    table = tables.summarise(
        scores(
            seed=[0, 1, 2] * 2,
            metric=["kl"] * 3 + ["kl_reseeded"] * 3,
            split=["test"] * 6,
            value=seed_values * 2,
        ),
        ["kl", "kl_reseeded"],
        ["test"],
        {},
    )
    rows = table.set_index("metric")
    assert rows["mean"].tolist() == [3, 3] and rows["n"].tolist() == [3, 3]
    assert np.isfinite(rows.loc["kl", "ci_low"]) and np.isnan(rows.loc["kl_reseeded", "ci_low"])


def test_a_failed_cell_has_rows_without_a_value():
    failed = scores(seed=[0], metric=["completed"], split=["forget"], value=[0.0])
    table = tables.summarise(failed, ["kl", "l2"], ["test", "weights"], {})
    assert list(zip(table["metric"], table["split"], strict=True)) == [
        ("kl", "test"),
        ("l2", "weights"),
    ]
    assert (table["failed"] == 1).all() and (table["n"] == 0).all() and table["mean"].isna().all()


def test_names_stay_text_and_numbers_keep_every_digit():
    """A variant may be called `1e3` or `NA`; only an empty field is a missing value."""
    text = "variant,request,value\n1e3,NA,0.1\nNone,7,\n"
    table = tables.parse(text)
    assert table["variant"].tolist() == ["1e3", "None"]
    assert table["request"].tolist() == ["NA", "7"]
    assert table["value"][0] == 0.1 and np.isnan(table["value"][1])


def test_wide_tables_hold_the_numbers_of_the_long_one():
    figure = {"kind": "frontier", "x": "flops/forget", "y": "kl", "split": ["forget", "test"]}
    table = made_up(experiment(figure, **ONE_REQUEST))
    columns = ["kl/test", "flops/forget", "l2/weights"]
    wide = wide_tables.wide_numbers(table, columns).set_index("variant")
    for column in columns[:2]:
        metric, split = column.split("/")
        rows = table[(table["metric"] == metric) & (table["split"] == split)]
        for name in ("mean", "ci_low", "n"):
            expected = rows.set_index("variant")[name].to_dict()
            assert wide[f"{column}/{name}"].to_dict() == expected
    assert wide["l2/weights/mean"].isna().all()  # no value is empty, not 0
    assert not wide["failed"].any()
    text = wide_tables.wide_text(table, columns).set_index("variant")
    mean = wide.loc["finetune", "kl/test/mean"]
    assert text.loc["finetune", "kl/test"].startswith(f"{mean:.3g}")
    assert "accuracy/test (%)" in wide_tables.wide_text(table, ["accuracy/test"])
    assert set(text["l2/weights"]) == {""}
    assert set(text["guarantee"]) == {"none", "exact"}


def test_rows_of_one_request_stand_together_with_the_controls_first():
    figure = {"kind": "lines", "x": "rate", "y": ["kl", "flops"], "split": ["forget"]}
    plan = experiment(figure, method=["scrub", "finetune"], model=["mlp", "logistic"])
    table = made_up(plan)
    columns = ["kl/forget", "flops/forget"]
    names = ["model", "request", "variant"]
    expected = [
        (model, request, variant)
        for model in ("mlp", "logistic")
        for request in ("random-rate=0.1", "random-rate=0.2")
        for variant in ("original", "retrain", "scrub", "finetune")
    ]
    for wide in (wide_tables.wide_numbers(table, columns), wide_tables.wide_text(table, columns)):
        assert [*wide[names].itertuples(index=False, name=None)] == expected
    numbers = wide_tables.wide_numbers(table, columns).set_index(names)
    means = table[table["metric"] == "flops"].set_index(names)["mean"]
    assert numbers["flops/forget/mean"].to_dict() == means.to_dict()


DRAWS = {"a": "s", "b": "s"}
"""Two requests of one setting."""


def draw_scores(**points):
    """Accuracies of two seeds on two draws, of two variants."""
    rows = []
    for variant, shift in (("v", 0.0), ("w", 0.5)):
        for draw, seed, value in (("a", 0, 0.1), ("a", 1, 0.2), ("b", 0, 0.3), ("b", 1, 0.6)):
            cell = CELL | {"variant": variant, "request": draw} | {"points": points.get(draw, 3)}
            for metric, number in (("accuracy", value + shift), ("diverged", 0)):
                row = {"seed": seed, "metric": metric, "value": number}
                rows.append(cell | row | {"split": "test" if metric == "accuracy" else "forget"})
    return pd.DataFrame(rows)


def test_draws_of_a_request_are_averaged():
    scores = draw_scores()
    table = tables.summarise(scores, ["accuracy"], ["test"], {}, DRAWS)
    assert table["request"].tolist() == ["s", "s"] and table["variant"].tolist() == ["v", "w"]
    assert table["mean"].tolist() == [pytest.approx(0.3), pytest.approx(0.8)]
    assert table["n"].tolist() == [2, 2] and table["draws"].tolist() == [2, 2]
    expected = crossed_interval(np.array([[0.1, 0.3], [0.2, 0.6]]))
    assert table["ci_low"][0] == pytest.approx(expected.low)
    apart = tables.summarise(scores, ["accuracy"], ["test"], {})
    assert apart["request"].tolist() == ["a", "b", "a", "b"] and set(apart["draws"]) == {1}


def test_draws_that_failed_or_diverged_are_counted_and_left_out():
    scores = draw_scores()
    is_last = (scores["request"] == "b") & (scores["seed"] == 1) & (scores["variant"] == "v")
    scores.loc[is_last & (scores["metric"] == "diverged"), "value"] = 1
    is_failed = (scores["request"] == "b") & (scores["variant"] == "w")
    failed = scores[is_failed & (scores["metric"] == "diverged")]
    failed = failed.assign(metric="completed", value=0.0)
    scores = pd.concat([scores[~is_failed], failed])
    table = tables.summarise(scores, ["accuracy"], ["test"], {}, DRAWS).set_index("variant")
    assert table["diverged"].to_dict() == {"v": 1, "w": 0}
    assert table["failed"].to_dict() == {"v": 0, "w": 2}
    assert table["draws"].to_dict() == {"v": 2, "w": 1}
    assert table["mean"].to_dict() == {
        "v": pytest.approx((0.2 + 0.2) / 2),
        "w": pytest.approx(0.65),
    }


def test_draws_of_two_sizes_have_their_mean_size():
    table = tables.summarise(draw_scores(a=10, b=13), ["accuracy"], ["test"], {}, DRAWS)
    assert table["points"].tolist() == [11.5, 11.5] and table["rate"].tolist() == [0.1, 0.1]


def test_draws_share_the_parameters_of_their_setting():
    columns = {"request": {"a": {"request.shape": 2}, "b": {"request.shape": 2}}}
    table = tables.summarise(draw_scores(), ["accuracy"], ["test"], columns, DRAWS)
    assert table["request.shape"].tolist() == [2, 2]
