"""Every gate of an audit is provoked, and a refused cell has no audit in a table."""

import numpy as np
import pandas as pd
import pytest

from tests.evaluation.test_controls import rows
from unlearn.evaluation import audit_gates, tables
from unlearn.metrics.gate_rows import METRICS_BY_GATE
from unlearn.metrics.populations import Populations

CLASSES = 4
MODELS = 8
SPLITS = {"forget": range(40), "retain": range(40, 200), "test": range(200, 400)}
LABELS = np.arange(400) % CLASSES
SEEDS = {
    name: range(i, i + MODELS) for i, name in enumerate(("reference", "originals", "unlearned"))
}


def models(forget=0.9, retain=0.98, test=0.9, seed=0):
    """Outputs of models of some accuracies, 8 x 400 x 4."""
    logits = np.random.default_rng(seed).normal(scale=0.1, size=(MODELS, 400, CLASSES))
    for points, accuracy in zip(SPLITS.values(), (forget, retain, test), strict=True):
        for place, point in enumerate(points):
            is_right = place < round(accuracy * len(points))
            logits[:, point, (LABELS[point] + (not is_right)) % CLASSES] += 3
    return logits


ORIGINALS = models(1, 1, seed=1)


def violations(is_original=False, is_oracle=False, seeds=SEEDS, **groups):
    """The gates that a sound population violates with some groups in the place of its own."""
    sound = {"reference": models(seed=2), "originals": ORIGINALS, "unlearned": models(seed=3)}
    table = {name: np.array(list(points)) for name, points in SPLITS.items()}
    populations = Populations(sound | groups, LABELS, table, is_original=is_original)
    return audit_gates.violations(populations, seeds, is_oracle=is_oracle)


def test_a_sound_population_passes():
    assert violations() == [] == violations(is_oracle=True)
    assert violations(unlearned=ORIGINALS, is_original=True) == []
    assert audit_gates.refusal([]) == "" and audit_gates.flags([]) == []


COLLAPSED = models(0.3, 0.3, 0.3, seed=4)
ONE_CLASS = models(seed=4)
ONE_CLASS[:, list(SPLITS["test"]), 1] += 9
TWIN = models(seed=2)
TWIN[5] = TWIN[2]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"unlearned": ORIGINALS}, "no-op: 8 of 8 models predict what the original does"),
        ({"unlearned": COLLAPSED}, "collapse: 8 of 8 models: retain accuracy 0.300 is below 0.500"),
        (
            {"unlearned": ONE_CLASS},
            "collapse: 8 of 8 models: class 1 is predicted for 100% of test points",
        ),
        (
            {"reference": models(0.3, 0.5, 0.4)},
            "oracle quality: the oracle's retain accuracy 0.500 is nearer to chance than 1.000",
        ),
        (
            {"originals": models(0.25, 0.25, 0.25)},
            "untrained base: the original's test accuracy 0.250 is at chance, 0.250",
        ),
        ({"reference": TWIN}, "seed collision: seeds 2 and 5 gave the same model, to the bit"),
        (
            {"seeds": SEEDS | {"reference": [0, 1, 2, 3, 4, 5, 6, 6]}},
            "seed collision: two members share a seed",
        ),
    ],
    ids=lambda value: value.partition(":")[0] if isinstance(value, str) else "",
)
def test_what_makes_an_audit_worthless_refuses_it(change, reason):
    findings = violations(**change)
    assert audit_gates.refusal(findings).startswith(reason)
    assert set(audit_gates.flags(findings)) <= set(METRICS_BY_GATE)


def test_half_b_of_the_oracles_passes_the_same_gates():
    assert "seeds 4 and 7" in audit_gates.refusal(violations(is_oracle=True, unlearned=TWIN))
    assert audit_gates.refusal(violations(unlearned=TWIN)) == ""  # methods may do so
    assert audit_gates.refusal(violations(is_oracle=True, unlearned=COLLAPSED)).startswith("coll")


@pytest.mark.parametrize(
    ("change", "gate"),
    [
        ({"reference": models(0.9, 0.97, seed=2)}, "oracle quality"),
        ({"unlearned": np.concatenate([COLLAPSED[:3], models(seed=3)[3:]])}, "collapse"),
        ({"unlearned": np.concatenate([ORIGINALS[:1], models(seed=3)[1:]])}, "no-op"),
    ],
    ids=["oracle quality", "collapse", "no-op"],
)
def test_what_calls_for_a_second_look_flags_it(change, gate):
    findings = violations(**change)
    assert audit_gates.refusal(findings) == "" and audit_gates.flags(findings) == [gate]


def table(scores, **columns):
    """The table of scores, and of an audit of each of their variants, by variant."""
    frame = pd.DataFrame(scores)
    audits = []
    for variant in ("original", "retrain", "finetune"):
        cell = frame[frame["variant"] == variant].iloc[0].drop(["seed", "value"]).to_dict()
        numbers = {"value": 1.0, "low": 0.9, "high": 1.1, "error": 0.05, "n": 32, "p": 0.5}
        numbers |= {"difference": 0.1, "difference_low": 0.0, "difference_high": 0.2}
        row = cell | numbers | {"metric": "klom", "split": "test", "population": "population"}
        audits.append(
            row | {"reason": np.nan, "failed": 0, "diverged": 0, "flags": np.nan} | columns
        )
    result = tables.summarise(frame, ["klom"], ["test"], {}, {}, pd.DataFrame(audits))
    return result.set_index("variant")


def sound_scores():
    variants = ("original", "retrain", "finetune")
    return [row for v in variants for row in rows(v, "accuracy", [0.5] * 6)]


def test_a_refused_cell_shows_no_audit():
    scores = sound_scores()
    assert table(scores)["mean"].tolist() == [1, 1, 1]
    for flag in ("refused", "gate_no_op"):
        scores += rows("finetune", flag, [1.0] * 6, split="forget")
    refused = table(scores)
    row = refused.loc["finetune"]
    assert np.isnan(row["mean"]) and np.isnan(row["p"]) and np.isnan(row["normalised"])
    assert row["n"] == 0 and row["reason"] == "a gate has refused the cell"
    assert row["flags"] == "no-op" and refused.loc["retrain", "mean"] == 1


def test_the_flags_of_an_audit_are_those_of_its_row():
    flags = table(sound_scores(), flags="oracle quality; collapse")["flags"]
    assert set(flags) == {"oracle quality; collapse"}
    scores = sound_scores() + rows("finetune", "gate_collapse", [1.0] * 6, split="forget")
    assert table(scores, flags="collapse")["flags"]["finetune"] == "collapse"  # once
