"""Ranks of methods in tables: of scores by seeds, of audits by their errors."""

import numpy as np
import pandas as pd
import pytest

from tests.evaluation.test_controls import rows
from tests.support.study import load
from unlearn.evaluation import controls, ranking, tables, wide_tables
from unlearn.evaluation.seed_scores import seed_scores
from unlearn.metrics.significance import holm

CHANCE = np.random.default_rng(0)
NOISE = CHANCE.normal(scale=0.02, size=(4, 6))
MEANS = {"near": 0.1, "middle": 0.3, "far": 0.6}
ROLES = {"sham": "control", "original": "control", "retrain": "control"}


def scores_of(metric="kl", means=MEANS, oracle=0.0, **columns):
    """Scores of methods, of doing nothing, of the oracle and of a sham that is best of all."""
    values = dict(
        zip(means, (m + n for m, n in zip(means.values(), NOISE, strict=False)), strict=True)
    )
    values |= {"original": np.full(6, 0.9), "retrain": np.full(6, oracle), "sham": NOISE[3] / 9}
    return [row for v, numbers in values.items() for row in rows(v, metric, numbers, **columns)]


def ranked(scores, metrics=("kl",), draws=None, roles=ROLES):
    """The table with ranks, by variant."""
    frame = pd.DataFrame(scores)
    columns = {"variant": {v: {"method.role": roles.get(v, "method")} for v in frame["variant"]}}
    table = tables.summarise(frame, list(metrics), ["test"], columns, draws or {})
    values = seed_scores(frame, draws or {})
    return ranking.with_ranks(table, values, metrics).set_index("variant")


def test_methods_are_ranked_and_controls_are_not():
    """The sham has the smallest distance, and no method is second to it."""
    table = ranked(scores_of())
    assert table.loc[list(MEANS), "rank"].tolist() == [1, 2, 3]
    assert table.loc[list(MEANS), "rank_low"].tolist() == [1, 2, 3]
    assert table.loc[list(MEANS), "rank_group"].tolist() == ["a", "b", "c"]
    assert table.loc["near", "best_probability"] == 1 and table.loc["far", "halves_tau"] == 1
    assert table.loc[list(ROLES), list(ranking.COLUMNS)].isna().all(axis=None)


def test_methods_that_models_do_not_tell_apart_share_a_group():
    table = ranked(scores_of(means={"near": 0.3, "middle": 0.301, "far": 0.6}))
    assert table.loc["near", ["rank_low", "rank_high"]].tolist() == [1, 2]
    assert table.loc["near", "rank_group"] == table.loc["middle", "rank_group"] == "a"
    assert table.loc["far", "rank_group"] == "b"


def test_two_methods_have_no_ranks():
    table = ranked(scores_of(means={"near": 0.1, "far": 0.6}))
    assert table["rank"].isna().all() and table["rank_group"].isna().all()


def test_few_seeds_rank_nothing():
    """Two seeds have three resamples, whose intervals would claim what nobody knows."""
    few = [row for row in scores_of() if row["seed"] < 4]
    assert ranked(few)["rank"].isna().all()
    five = [row for row in scores_of() if row["seed"] < 5]
    assert ranked(five)["rank"].notna().any()


def test_accuracies_are_ranked_by_their_distance_to_the_oracle_seed_by_seed():
    """The oracle has .3: .3 is nearest, then .1, then .6."""
    table = ranked(scores_of("accuracy", oracle=0.3), ["accuracy"])
    assert table.loc[list(MEANS), "rank"].tolist() == [2, 1, 3]
    shifts = np.array([0.0, 0.2, 0.4, -0.2, 0.1, 0.3])
    scores = []
    for variant, gap in {"near": 0.01, "middle": 0.02, "far": 0.03, "retrain": 0.0}.items():
        scores += rows(variant, "accuracy", shifts + gap)
    sure = ranked(scores, ["accuracy"])
    assert sure.loc[list(MEANS), "rank_high"].tolist() == [1, 2, 3]  # seeds differ far more


def test_collapsed_failed_and_diverged_methods_have_no_rank():
    scores = scores_of(means=MEANS | {"worst": 0.8})
    scores += rows("near", "gate_collapse", [1.0] * 6, split="forget")
    table = ranked(scores)
    assert np.isnan(table.loc["near", "rank"])
    assert table.loc[["middle", "far", "worst"], "rank"].tolist() == [1, 2, 3]
    scores += rows("worst", "diverged", [1.0] * 6, split="forget")
    assert ranked(scores)["rank"].isna().all()


def test_draws_of_a_request_are_averaged_before_seeds_are_drawn():
    scores = scores_of(request="a") + scores_of(request="b")
    table = ranked(scores, draws={"a": "s", "b": "s"})
    assert table.loc[list(MEANS), "rank"].tolist() == [1, 2, 3]
    assert table.loc["near", "draws"] == 2


def test_metrics_that_are_not_primary_have_no_ranks():
    names = ["kl", "js", "accuracy", "loss", "kl_reverse"]
    scores = [row for name in names for row in scores_of(name)]
    table = ranked(scores, names).set_index("metric", append=True)["rank"].unstack()
    assert table.loc[list(MEANS), names[:4]].notna().all(axis=None)
    assert table["kl_reverse"].isna().all()


def audits(errors=0.01):
    """The table of an audit: KLoM of three methods, and areas with the floor .5."""
    cell = pd.DataFrame(scores_of()).iloc[0].drop(["seed", "value"]).to_dict()
    records = []
    for metric, means in {"klom": [0.1, 0.3, 0.6], "ulira_auc": [0.45, 0.9, 0.3]}.items():
        for variant, mean in zip(MEANS, means, strict=True):
            row = cell | {"variant": variant, "method": variant, "metric": metric, "mean": mean}
            floor = {"floor": 0.5 if metric == "ulira_auc" else 0.05, "n": 32, "flags": ""}
            records.append(row | floor | {"ci_low": mean - errors, "ci_high": mean + errors})
    return pd.DataFrame(records)


def test_audits_are_ranked_by_their_intervals():
    """Areas by their distance from the floor: .45, .3, .9."""
    table = ranking.with_ranks(audits(), pd.DataFrame(scores_of()), ["klom", "ulira_auc"])
    assert table["rank"].tolist() == [1, 2, 3, 1, 3, 2]
    assert table["rank_group"].tolist() == ["a", "b", "c", "a", "c", "b"]
    assert table["halves_tau"].isna().all()
    wide = ranking.with_ranks(audits(2.0), pd.DataFrame(scores_of()), ["klom", "ulira_auc"])
    assert (wide["rank_low"] == 1).all() and (wide["rank_high"] == 3).all()


def test_an_audit_without_an_interval_ranks_nothing():
    table = audits()
    table.loc[0, ["ci_low", "ci_high"]] = np.nan
    table = ranking.with_ranks(table, pd.DataFrame(scores_of()), ["klom", "ulira_auc"])
    assert table["rank"].isna().tolist() == [True] * 3 + [False] * 3


def test_summaries_show_ranks_where_there_are_some():
    scores = scores_of() + scores_of("js", means={"near": 0.1, "far": 0.6})
    table = ranked(scores, ["kl", "js"]).reset_index()
    table = table.assign(**{"method.guarantee": "none"})
    numbers = wide_tables.wide_numbers(table, ["kl/test", "js/test"]).set_index("variant")
    assert numbers.loc["middle", "kl/test/rank"] == 2 and "js/test/rank" not in numbers
    text = wide_tables.wide_text(table, ["kl/test", "js/test"]).set_index("variant")
    assert text.loc["near", "rank by kl/test"] == "1 (1 to 1) a"
    assert text.loc["sham", "rank by kl/test"] == ""
    parsed = tables.parse(table.to_csv(index=False))
    assert wide_tables.wide_text(parsed, ["kl/test", "js/test"]).equals(
        wide_tables.wide_text(table, ["kl/test", "js/test"])
    )


CONTROLS = ["head_only", "partial_retraining", {"name": "sham", "of": "finetune"}]


def test_the_tests_of_controls_are_not_among_those_that_are_corrected():
    """Two methods and five controls: the family has two tests."""

    def change(config, experiment):
        experiment["method"] = ["finetune", "gradient_ascent", *CONTROLS]

    plan = load(change)
    roles = plan.experiments["accuracy"].columns["variant"]
    methods = [name for name, row in roles.items() if row["method.role"] == "method"]
    assert methods == ["finetune", "gradient_ascent"] and len(roles) == 7
    kinds = [plan.variants[name].kind for name in roles]
    table = pd.DataFrame({"method": kinds, "variant": list(roles), "metric": "accuracy"})
    table["method.role"] = [row["method.role"] for row in roles.values()]
    table["p"] = np.linspace(0.01, 0.04, len(table))
    corrected = controls.with_holm(table, ["accuracy"]).set_index("variant")["p_holm"]
    is_method = table["variant"].isin(methods)
    assert corrected[methods].tolist() == pytest.approx(holm(table.loc[is_method, "p"].tolist()))
    assert corrected.drop(methods).isna().all()


def test_a_study_without_further_controls_names_no_roles():
    columns = load().experiments["accuracy"].columns["variant"]
    assert all("method.role" not in row for row in columns.values())
