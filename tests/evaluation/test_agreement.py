"""Tables that agree, and tables that do not."""

import json
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from tests.support.project import ROOT
from unlearn.evaluation.agreement import agreement
from unlearn.evaluation.columns import CELL_COLUMNS
from unlearn.metrics.statistics import t_interval

CELL = dict.fromkeys(CELL_COLUMNS, "x") | {"rate": 0.1, "step": 1, "points": 3}


def table(values, metric="accuracy"):
    """One value for each row of values, one column for each seed."""
    rows = []
    for request, seeds in enumerate(values):
        mean, low, high, n = t_interval(np.asarray(seeds, dtype=float))
        row = CELL | {"request": f"r{request}", "metric": metric, "split": "test"}
        rows.append(row | {"mean": mean, "ci_low": low, "ci_high": high, "n": n})
    return pd.DataFrame(rows)


def test_equal_tables_are_the_same():
    values = np.random.default_rng(0).normal(size=(7, 5))
    result = agreement(table(values), table(values))
    assert (result.same, result.agreeing, result.different) == (7, 0, ())


def test_false_alarms_are_rare_and_real_differences_are_found():
    generator = np.random.default_rng(1)
    alarms = 0
    for _ in range(200):
        old, new = generator.normal(size=(2, 20, 5))
        alarms += bool(agreement(table(old), table(new)).different)
    assert alarms <= 18  # 5 % of 200 are 10, with a standard deviation of 3
    new = generator.normal(size=(20, 5))
    new[3] += 30
    result = agreement(table(old), table(new))
    assert len(result.different) == 1 and "accuracy/test of x/x/x/x/r3/" in result.different[0]
    assert result.agreeing == 19


def test_values_without_intervals_and_measured_times_are_not_compared():
    result = agreement(table([[1.0]]), table([[2.0]]))
    assert result.incomparable == 1 and result.different == ()
    times = [table(values, "wall_seconds") for values in ([[1.0, 1.1]], [[9.0, 9.1]])]
    result = agreement(*times)
    assert (result.same, result.agreeing, result.incomparable) == (0, 0, 0)


def test_exact_values_that_differ_are_different():
    assert agreement(table([[1.0, 1.0]]), table([[2.0, 2.0]])).different


def test_equal_arithmetic_allows_no_difference():
    old, new = table([[1.0, 2.0], [5.0, 6.0]]), table([[1.0, 2.0], [5.0, 6.0 + 1e-9]])
    assert agreement(old, new).different == ()
    assert len(agreement(old, new, is_exact=True).different) == 1


def test_a_value_that_one_table_lacks_is_told():
    old = table(np.ones((2, 3)))
    (line,) = agreement(old, old.iloc[:1]).different
    assert line.startswith("only published: accuracy/test of x/x/x/x/r1/")
    (line,) = agreement(old.iloc[:1], old).different
    assert line.startswith("only regenerated: ")


@pytest.mark.parametrize("count", ["draws", "failed", "diverged", "unconverged", "weak"])
def test_a_count_that_differs_is_told_whatever_the_intervals_are(count):
    old = table([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]).assign(**{count: 1})
    new = old.assign(**{count: [1, 2]})
    for is_exact in (False, True):
        result = agreement(old, new, is_exact=is_exact)
        (line,) = result.different
        assert line.startswith("differs: accuracy/test of x/x/x/x/r1/"), line
        assert line.endswith(f"{count} 1 and 2") and result.same == 1


def test_counts_that_an_earlier_table_lacks_are_not_compared():
    old = table([[1.0, 2.0, 3.0]])
    result = agreement(old, old.assign(draws=1, failed=0))
    assert (result.same, result.different) == (1, ())


def test_requests_without_a_rate_are_compared():
    old = table([[1.0, 2.0]]).assign(rate=np.nan)
    result = agreement(old, old.copy())
    assert (result.same, result.different) == (1, ())


def test_a_mean_that_one_table_lacks_differs():
    old = table([[1.0], [2.0]])
    new = old.assign(mean=[1.0, np.nan])
    for pair in ((old, new), (new, old)):
        (line,) = agreement(*pair).different
        assert "no value" in line and "/r1/" in line


def test_populations_of_one_cell_are_compared_each():
    old = pd.concat([table([[1.0, 2.0]]), table([[5.0, 6.0]])])
    old["population.oracles"] = [8, 64]
    new = old.assign(mean=[1.5, 5.6])
    (line,) = agreement(old, new, is_exact=True).different
    assert "accuracy/test of" in line and line.split(": ")[1].endswith("/64")
    assert len(agreement(old, old.drop(columns="population.oracles").iloc[:1]).different) == 3


@pytest.fixture
def verify(tmp_path):
    def run(old, new):
        for name, content in (("old", old), ("new", new)):
            (tmp_path / name).mkdir(exist_ok=True)
            content.to_csv(tmp_path / name / "t.csv", index=False)
        call = [
            sys.executable,
            "-m",
            "scripts.verify",
            str(tmp_path / "old"),
            str(tmp_path / "new"),
        ]
        return subprocess.run(call, cwd=ROOT, capture_output=True, text=True, check=False)

    return run


def test_the_command_says_what_differs(verify, tmp_path):
    same = table([[1.0, 2.0, 3.0]])
    process = verify(same, same)
    assert process.returncode == 0 and process.stdout == "t.csv: the same bytes\n"
    process = verify(same, table([[101.0, 102.0, 103.0]]))
    assert process.returncode == 1 and "1 different" in process.stdout
    near = table([[1.1, 2.1, 3.1]])
    process = verify(same, near)
    assert process.returncode == 0 and "1 within their intervals" in process.stdout
    machine = {"arithmetic": "cpu AVX512 float32", "torch": "2"}
    for name in ("old", "new"):
        provenance = {"machines": [machine]}
        (tmp_path / name / "provenance.json").write_text(json.dumps(provenance))
    process = verify(same, near)
    assert process.returncode == 1 and "1 different" in process.stdout


def test_trials_are_compared_in_the_same_arithmetic_alone(verify, tmp_path):
    """Their objectives have no intervals."""
    same = table([[1.0, 2.0, 3.0]])
    verify(same, same)
    for name, objective in (("old", 0.1), ("new", 0.2)):
        trials = pd.DataFrame({"trial": [0], "objective": [objective]})
        trials.to_csv(tmp_path / name / "t.trials.csv", index=False)
    process = verify(same, same)
    assert process.returncode == 0
    assert process.stdout == "t.csv: the same bytes\nt.trials.csv: not compared\n"
    provenance = {"machines": [{"arithmetic": "cpu AVX512 float32", "torch": "2"}]}
    for name in ("old", "new"):
        (tmp_path / name / "provenance.json").write_text(json.dumps(provenance))
    process = verify(same, same)
    assert process.returncode == 1 and "t.trials.csv: different" in process.stdout


GOOD = table([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])

BROKEN = {
    "nothing": ("", "No columns to parse from file"),
    "no rows of a table": ("a,b\n1,2\n", "has no column dataset; needed: dataset, model"),
    "a row twice": (
        pd.concat([GOOD, GOOD.iloc[:1]]).to_csv(index=False),
        "accuracy/test of x/x/x/x/r0/x/0.1/1/3 is there twice; allowed: one row for each",
    ),
    "a mean that is nan": (
        GOOD.astype({"mean": object}).assign(mean=["nan", 5.0]).to_csv(index=False),
        "mean: 'nan' is no number; allowed: numbers, empty fields",
    ),
    "a mean that is infinite": (
        GOOD.assign(mean=[np.inf, 5.0]).to_csv(index=False),
        "mean: 'inf' is no number",
    ),
    "a count that is text": (
        GOOD.assign(failed=["none", "0"]).to_csv(index=False),
        "failed: 'none' is no number",
    ),
    "a count without a number": (
        GOOD.assign(failed=[0, None]).to_csv(index=False),
        "failed: an empty field is not allowed",
    ),
    "a row that is longer": (f"{GOOD.to_csv(index=False)}{'1,' * 50}\n", "Error tokenizing data"),
}


@pytest.mark.parametrize("name", BROKEN)
@pytest.mark.parametrize("is_published", [False, True])
def test_the_command_says_in_one_line_what_is_no_table(name, is_published, tmp_path):
    text, message = BROKEN[name]
    GOOD.to_csv(tmp_path / "good.csv", index=False)
    (tmp_path / "broken.csv").write_text(text)
    names = ("broken.csv", "good.csv") if is_published else ("good.csv", "broken.csv")
    call = [sys.executable, "-m", "scripts.verify", *(str(tmp_path / name) for name in names)]
    process = subprocess.run(call, cwd=ROOT, capture_output=True, text=True, check=False)
    assert process.returncode == 1
    assert process.stderr.startswith(f"error: {tmp_path / 'broken.csv'}: is no table: {message}")
    assert len(process.stderr.splitlines()) == 1


def test_the_command_refuses_what_is_no_table(tmp_path):
    call = [sys.executable, "-m", "scripts.verify", str(tmp_path), str(tmp_path)]
    process = subprocess.run(call, cwd=ROOT, capture_output=True, text=True, check=False)
    assert process.returncode == 1 and process.stderr.startswith("error: ")
    assert "is no table" in process.stderr
