"""Pages with results are what their templates make of the tables and records of runs."""

import subprocess
import sys

import pytest

from scripts import pages
from tests.support.project import ROOT
from unlearn.evaluation import tables
from unlearn.storage.files import write_json

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
    conditions = 'variant="retrain", rate=0.1'
    (docs / "page.md.j2").write_text(
        '{{ figure("accuracy") }}\n{{ number("accuracy", "accuracy/test", ' + conditions + ") }}\n"
        '{{ "%.1f" % mean("accuracy", "accuracy/test", ' + conditions + ") }}\n"
        '{{ made("accuracy").study }}\n{{ seeds("accuracy") }} of {{ study().seeds }}\n'
    )
    call = [sys.executable, "-m", "scripts.pages", "--results", "results/tiny"]
    subprocess.run(call, cwd=finished.root, check=True, capture_output=True)
    _, picture, _, name, number, mean, study, seeds, *_ = (
        (docs / "page.md").read_text().splitlines()
    )
    assert name.startswith("`accuracy`")
    assert picture.endswith("](results/accuracy.png)") and (docs / "results/accuracy.png").exists()
    table = tables.parse((docs / "results/accuracy.csv").read_text())
    row = table.query("variant == 'retrain' and rate == 0.1 and metric == 'accuracy'")
    row = row[row["split"] == "test"]
    assert mean == f"{100 * row['mean'].item():.1f}" == number.split(" ± ")[0]
    assert study == "tiny" and seeds == "2 of 2"
    results = pages.Results(docs / "results")
    assert results.has_experiment("accuracy") and not results.has_experiment("stale")
    with pytest.raises(pages.PageError, match=r"accuracy: 2 rows of accuracy/test where .*retrain"):
        results.number("accuracy", "accuracy/test", variant="retrain")
    with pytest.raises(pages.PageError, match="accuracy: 0 rows"):
        results.number("accuracy", "accuracy/nowhere")
    with pytest.raises(pages.PageError, match=r"accuracy: no column method.lr; there are dataset"):
        results.number("accuracy", "accuracy/test", method_lr=0.1)


def test_experiments_of_another_day_stand_beside_those_shown(finished, tmp_path):
    """`--add` takes nothing of others away, and replaces all of what has the same name."""
    folder = tmp_path / "results"
    pages.copy(finished.results(), folder)
    write_json(folder / "other.json", {"commit": "c" * 40})
    write_json(folder / "accuracy.json", {"commit": "d" * 40})
    (folder / "accuracy.md").write_text("of a study with a summary")
    earlier = {"study": "tiny", "seeds": 7, "experiments": {"other": {"model": "mlp"}}}
    write_json(folder / "study.json", earlier)
    pages.add(finished.results(), folder)
    results = pages.Results(folder)
    assert (
        results.record("other")["commit"]
        == "c" * 7
        != results.record("accuracy")["commit"]
        != "d" * 7
    )
    assert {"other", "accuracy"} <= results.study()["experiments"].keys()
    assert results.study()["seeds"] == 7 and "recipes" in results.study()
    assert not (folder / "accuracy.md").exists()
    pages.copy(finished.results(), folder)
    assert not results.has_experiment("other") and "other" not in results.study()["experiments"]


def test_names_mean_what_the_experiments_that_are_shown_mean(finished, tmp_path):
    """Definitions go with the last experiment that used them."""
    folder = tmp_path / "results"
    pages.copy(finished.results(), folder)
    current = pages.Results(folder).study()
    assert current["datasets"].keys() == {"digits"} and "mlp" not in current["models"]
    recipes = {"slow": {"epochs": 9}, "standard": {"lr": 0.3}}  # that of data sets that name none
    earlier = current | {"recipes": {"quick": {"epochs": 3}, "unused": {"epochs": 1}} | recipes}
    earlier["datasets"] = {
        "digits": {"recipe": "quick"},
        "own": {"name": "mnist", "recipe": "slow"},
    }
    earlier["experiments"] = current["experiments"] | {"other": {"dataset": "own", "model": "cnn1"}}
    write_json(folder / "study.json", earlier)
    pages.add(finished.results(), folder)
    study = pages.Results(folder).study()
    assert study["recipes"] == {"quick": current["recipes"]["quick"]} | recipes
    assert study["datasets"] == {
        "digits": current["datasets"]["digits"],
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
    folder = tmp_path / "docs/results"
    results = tmp_path / "unfinished"
    pages.copy(finished.results(), folder)
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    results.mkdir()
    call = [sys.executable, "-m", "scripts.pages", "--docs", tmp_path / "docs", "--results"]
    for missing in ("study.json", "provenance.json", "accuracy.csv", "accuracy.png"):
        process = subprocess.run(
            [*call, results], cwd=ROOT, capture_output=True, text=True, check=False
        )
        assert process.returncode == 2 and missing in process.stderr.splitlines()[-1]
        source = next(finished.results().rglob(missing))
        target = results / source.relative_to(finished.results())
        target.parent.mkdir(exist_ok=True)
        target.write_bytes(source.read_bytes())
    subprocess.run([*call, results], cwd=ROOT, capture_output=True, check=True)
    earlier = pages.Results(folder).study()
    changed = earlier | {"recipes": {"quick": {"epochs": 3}}}
    changed["experiments"] = changed["experiments"] | {"other": earlier["experiments"]["accuracy"]}
    write_json(folder / "study.json", changed)
    with pytest.raises(pages.PageError, match=r"recipes: quick is .* in the study to be added"):
        pages.add(finished.results(), folder)
    write_json(folder / "study.json", earlier)
    assert before == {path.name: path.read_bytes() for path in folder.iterdir()}
