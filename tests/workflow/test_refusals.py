"""A cell that a gate refuses: shown without values, never lost, and the call ends with an error."""

import gzip
import json

import pandas as pd
import pytest

from unlearn.evaluation import tables
from unlearn.report.figures import _notes

pytestmark = pytest.mark.xdist_group("faults")

HEAD = "        model = task.model(original)\n        recipe"
NOTHING = "        return Update()\n"


def test_a_method_that_does_nothing_is_refused(finished_small):
    """Its cell has flags alone; its artefacts stay, because another try would give the same."""
    good = finished_small.results("tables/accuracy.csv").read_bytes()
    finished_small.edit("unlearn/methods/finetune.py", HEAD, NOTHING + HEAD)
    process = finished_small.run(check=False)
    output = process.stdout + process.stderr
    assert process.returncode != 0 and "1 of 3 cells are refused" in output
    assert "no-op: 2 of 2 models predict what the original does" in output
    (gates,) = finished_small.results("scores").rglob("finetune/**/gates.json")
    assert json.loads(gates.read_text())["refused"] == [
        "no-op: 2 of 2 models predict what the original does"
    ]
    table = tables.parse(finished_small.results("tables/accuracy.csv").read_text())
    refused = table.query("variant == 'finetune'")
    assert len(refused) == 2 and (refused["refused"] == 2).all() and (refused["n"] == 0).all()
    assert refused["mean"].isna().all() and (refused["failed"] == 0).all()
    assert refused["flags"].str.contains("no-op").all()
    assert (table.query("variant != 'finetune'")["n"] == 2).all()
    notes = _notes.notes(table.assign(line=table["variant"]))
    assert "REFUSED, left out: finetune (at most 2 of a cell's seeds)" in notes
    assert "flagged, no-op: finetune" in notes
    assert not any(note.startswith("no value") for note in notes)
    report = finished_small.results("report.html").read_text()
    assert "Refused cells" in report and "models predict what the original does" in report
    assert not finished_small.results("complete.json").exists()
    assert not any(job.startswith(("train", "unlearn")) for job in finished_small.planned())

    finished_small.edit("unlearn/methods/finetune.py", NOTHING + HEAD, HEAD)
    finished_small.run()
    assert finished_small.results("tables/accuracy.csv").read_bytes() == good


def test_scores_of_seeds_are_published_beside_the_table(finished_small):
    """From them anybody can make the table again; two runs give the same bytes."""
    path = finished_small.results("tables/accuracy.seeds.csv.gz")
    record = json.loads(finished_small.results("tables/records/accuracy.json").read_text())
    assert set(record["files"]) == {"accuracy.csv", "accuracy.seeds.csv.gz"}
    scores = tables.parse(gzip.decompress(path.read_bytes()).decode())
    table = tables.parse(finished_small.results("tables/accuracy.csv").read_text())
    again = tables.summarise(scores, ["accuracy"], ["forget", "test"], {})
    columns = ["variant", "split", "mean", "n", "difference", "p", "floor", "nothing"]
    pd.testing.assert_frame_equal(again[columns], table[columns])
    content = path.read_bytes()
    path.unlink()
    assert "table accuracy" in finished_small.planned()
    finished_small.run()
    assert path.read_bytes() == content
