"""Pages with results are what their templates make of the tables and records of runs."""

import subprocess
import sys

import pytest

from scripts import pages
from tests.support.project import ROOT

TEMPLATES = sorted((ROOT / "docs").glob("*.md.j2"))


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: path.name)
def test_pages_are_what_their_templates_make(template):
    page = template.with_suffix("").read_text(encoding="utf-8")
    assert page == pages.render(template, ROOT / "docs/results"), "say python -m scripts.pages"


def test_a_page_of_a_finished_study(finished):
    """Numbers come from its tables; what is not there once is an error that names it."""
    docs = finished.root / "docs"
    stale = docs / "results/stale.json"
    stale.parent.mkdir(parents=True, exist_ok=True)
    stale.write_text("{}")
    where = 'variant="retrain", rate=0.1'
    (docs / "page.md.j2").write_text(
        '{{ figure("accuracy") }}\n{{ number("accuracy", "accuracy/test", ' + where + ") }}\n"
        '{{ "%.1f" % mean("accuracy", "accuracy/test", ' + where + ") }}\n"
        '{{ made("accuracy").study }}\n{{ seeds("accuracy") }} of {{ study().seeds }}\n'
    )
    call = [sys.executable, "-m", "scripts.pages", "--results", "results/tiny"]
    subprocess.run(call, cwd=finished.root, check=True, capture_output=True)
    _, picture, _, name, number, mean, study, seeds, *_ = (
        (docs / "page.md").read_text().splitlines()
    )
    assert name.startswith("`accuracy`")
    assert picture.endswith("](results/accuracy.png)") and (docs / "results/accuracy.png").exists()
    table = pages.tables.read(docs / "results/accuracy.csv")
    row = table.query("variant == 'retrain' and rate == 0.1 and metric == 'accuracy'")
    row = row[row["split"] == "test"]
    assert mean == f"{100 * row['mean'].item():.1f}" == number.split(" ± ")[0]
    assert study == "tiny" and seeds == "2 of 2"
    shown = pages.Shown(docs / "results")
    assert shown.finished("accuracy") and not shown.finished("stale")
    with pytest.raises(pages.PageError, match=r"accuracy: 2 rows of accuracy/test where .*retrain"):
        shown.number("accuracy", "accuracy/test", variant="retrain")
    with pytest.raises(pages.PageError, match="accuracy: 0 rows"):
        shown.number("accuracy", "accuracy/nowhere")
    with pytest.raises(pages.PageError, match=r"accuracy: no column method.lr; there are dataset"):
        shown.number("accuracy", "accuracy/test", method_lr=0.1)


def test_experiments_of_another_day_stand_beside_those_shown(finished, tmp_path):
    """`--add` takes nothing of others away, and replaces all of what has the same name."""
    folder = tmp_path / "results"
    pages.copy(finished.results(), folder)
    pages.artifacts.write_json(folder / "other.json", {"commit": "c" * 40})
    pages.artifacts.write_json(folder / "accuracy.json", {"commit": "d" * 40})
    (folder / "accuracy.md").write_text("of a study with a summary")
    earlier = {"study": "tiny", "seeds": 7, "experiments": {"other": {"model": "mlp"}}}
    pages.artifacts.write_json(folder / "study.json", earlier)
    pages.copy(finished.results(), folder, add=True)
    shown = pages.Shown(folder)
    assert shown.made("other")["commit"] == "c" * 7 != shown.made("accuracy")["commit"] != "d" * 7
    assert {"other", "accuracy"} <= shown.study()["experiments"].keys()
    assert shown.study()["seeds"] == 7 and "recipes" in shown.study()
    assert not (folder / "accuracy.md").exists()
    pages.copy(finished.results(), folder)
    assert not shown.finished("other") and "other" not in shown.study()["experiments"]


def test_names_mean_what_the_experiments_that_are_shown_mean(finished, tmp_path):
    """Definitions go with the last experiment that used them."""
    folder = tmp_path / "results"
    pages.copy(finished.results(), folder)
    now = pages.Shown(folder).study()
    assert now["datasets"].keys() == {"digits"} and "mlp" not in now["models"]
    others = {"slow": {"epochs": 9}, "standard": {"lr": 0.3}}  # that of data sets that name none
    earlier = now | {"recipes": {"quick": {"epochs": 3}, "unused": {"epochs": 1}} | others}
    earlier["datasets"] = {
        "digits": {"recipe": "quick"},
        "own": {"name": "mnist", "recipe": "slow"},
    }
    earlier["experiments"] = now["experiments"] | {"other": {"dataset": "own", "model": "cnn1"}}
    pages.artifacts.write_json(folder / "study.json", earlier)
    pages.copy(finished.results(), folder, add=True)
    shown = pages.Shown(folder).study()
    assert shown["recipes"] == {"quick": now["recipes"]["quick"]} | others
    assert shown["datasets"] == {
        "digits": now["datasets"]["digits"],
        "own": earlier["datasets"]["own"],
    }


def test_figures_are_drawn_again_from_the_tables_that_are_shown(finished, tmp_path):
    """The same code draws the same bytes, without results."""
    folder = tmp_path / "docs/results"
    pages.copy(finished.results(), folder)
    picture = folder / "accuracy.png"
    before = picture.read_bytes()
    picture.write_bytes(b"")
    call = [sys.executable, "-m", "scripts.pages", "--redraw", "--docs", tmp_path / "docs"]
    subprocess.run(call, cwd=ROOT, check=True, capture_output=True)
    assert picture.read_bytes() == before


def test_nothing_is_lost_to_a_study_that_is_not_finished(finished, tmp_path):
    """What is shown stays until all that takes its place is there."""
    folder, results = tmp_path / "docs/results", tmp_path / "unfinished"
    pages.copy(finished.results(), folder)
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    results.mkdir()
    call = [sys.executable, "-m", "scripts.pages", "--docs", tmp_path / "docs", "--results"]
    for missing in ("study.json", "provenance.json", "accuracy.csv", "accuracy.png"):
        done = subprocess.run(
            [*call, results], cwd=ROOT, capture_output=True, text=True, check=False
        )
        assert done.returncode == 2 and missing in done.stderr.splitlines()[-1]
        source = next(finished.results().rglob(missing))
        target = results / source.relative_to(finished.results())
        target.parent.mkdir(exist_ok=True)
        target.write_bytes(source.read_bytes())
    subprocess.run([*call, results], cwd=ROOT, capture_output=True, check=True)
    earlier = pages.Shown(folder).study()
    other = earlier | {"recipes": {"quick": {"epochs": 3}}}
    other["experiments"] = other["experiments"] | {"other": other["experiments"]["accuracy"]}
    pages.artifacts.write_json(folder / "study.json", other)
    with pytest.raises(pages.PageError, match=r"recipes: quick is .* in the study to be added"):
        pages.copy(finished.results(), folder, add=True)
    pages.artifacts.write_json(folder / "study.json", earlier)
    assert before == {path.name: path.read_bytes() for path in folder.iterdir()}
