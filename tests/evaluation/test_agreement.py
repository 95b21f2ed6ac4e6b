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


def test_the_command_refuses_what_is_no_table(tmp_path):
    call = [sys.executable, "-m", "scripts.verify", str(tmp_path), str(tmp_path)]
    process = subprocess.run(call, cwd=ROOT, capture_output=True, text=True, check=False)
    assert process.returncode == 1 and process.stderr.startswith("error: ")
    assert "is no table" in process.stderr
