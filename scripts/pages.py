"""The pages of docs/ that hold results: templates, and the tables and records of runs.

    python -m scripts.pages [--results results/full [--add]] [--docs docs]

renders every `docs/*.md.j2` next to itself from what lies in `docs/results/`. With `--results` the
tables, figures and provenance of that finished study are copied there before, in place of those of
another one; with `--add` beside them, for experiments that were run on another day.
Templates say

    figure("sisa_shards")                                     a picture with its description
    number("sisa_shards", "accuracy/test", variant="retrain") mean and half of its interval
    mean("sisa_shards", "accuracy/test", variant="retrain")   the mean alone, to be calculated with
    table("comparison")                                       the wide table of an experiment
    measured("noise")                                         the record of a benchmark
    made("sisa_shards")                                       commit, day and machine
    finished("sisa_shards")                                   whether the study that is shown has it
    seeds("sisa_shards")                                      how many models its means are over
    study()                                                   the configuration of that study
"""

import argparse
import datetime
import shutil
from pathlib import Path

import jinja2

from unlearn import artifacts, intervals, layout, tables


class PageError(ValueError):
    """A number that a template asks for and that is not there, or more than one."""


class Shown:
    """What templates ask for, in a folder of tables, pictures, summaries and records."""

    def __init__(self, folder: Path):
        self.folder = folder

    def functions(self) -> dict:
        """By the names that templates know."""
        public = (name for name in vars(type(self)) if not name.startswith("_"))
        return {name: getattr(self, name) for name in public if name != "functions"}

    def figure(self, experiment: str) -> str:
        """A picture; below it its name, with which it is made again, and its description."""
        about = " ".join(self.made(experiment)["description"].split())
        return f"![{experiment}]({self.folder.name}/{experiment}.png)\n\n`{experiment}`: {about}"

    def number(self, experiment: str, metric: str, **where) -> str:
        """`mean ± half of the 95 % interval`, percentages in percent."""
        return intervals.shown(self._row(experiment, metric, where))

    def mean(self, experiment: str, metric: str, **where) -> float:
        """The mean, percentages in percent."""
        row = self._row(experiment, metric, where)
        return row["mean"] * (100 if row["metric"] in layout.PERCENT else 1)

    def table(self, experiment: str) -> str:
        """The wide table, in Markdown."""
        return (self.folder / f"{experiment}.md").read_text(encoding="utf-8").strip()

    def measured(self, benchmark: str) -> dict:
        """The record of a benchmark."""
        return artifacts.read_json(self.folder / f"benchmark_{benchmark}.json")

    def made(self, experiment: str) -> dict:
        """Commit (in short), day and machines of an experiment, and its description."""
        about = artifacts.read_json(self.folder / f"{experiment}.json")
        commit, *remark = about["commit"].split(" ", 1)
        return about | {"commit": " ".join([commit[:7], *remark])}

    def finished(self, experiment: str) -> bool:
        """Whether there is anything to show of an experiment."""
        return (self.folder / f"{experiment}.json").exists()

    def seeds(self, experiment: str) -> int:
        """The models of an experiment: how many seeds a mean is over where none failed."""
        return int(tables.read(self.folder / f"{experiment}.csv")["n"].max())

    def study(self) -> dict:
        """The configuration of the study that is shown."""
        return artifacts.read_json(self.folder / "study.json")

    def _row(self, experiment: str, metric: str, where: dict) -> dict:
        name, split = metric.split("/")
        table = tables.read(self.folder / f"{experiment}.csv")
        found = table[(table["metric"] == name) & (table["split"] == split)]
        for key, value in where.items():
            named = key if key in table else key.replace("_", ".", 1)
            if named not in table:
                raise PageError(f"{experiment}: no column {named}; there are {', '.join(table)}")
            found = found[found[named].isna() if value is None else found[named] == value]
        if len(found) != 1:
            raise PageError(f"{experiment}: {len(found)} rows of {metric} where {where}; needed: 1")
        return found.iloc[0].to_dict()


def copy(results: Path, folder: Path, add: bool = False) -> None:
    """Tables, figures, summaries and records of a finished study, in place of another's or, of
    other experiments, beside them.
    """
    folder.mkdir(parents=True, exist_ok=True)
    shown = artifacts.read_json(folder / "study.json") if add else {}
    for old in () if add else folder.glob("*.json"):
        if not old.name.startswith("benchmark_"):
            for path in folder.glob(f"{old.stem}.*"):
                path.unlink()
    config = artifacts.read_json(results / "study.json")
    artifacts.write_json(folder / "study.json", _together(shown, config))
    about = artifacts.read_json(results / "provenance.json")
    for name, block in (config["experiments"] | config.get("pictures", {})).items():
        record = {key: about[key] for key in ("commit", "machines", "python")}
        record |= {"study": config["study"], "description": block.get("description", "")}
        made = (results / f"tables/{name}.csv").stat().st_mtime
        record["day"] = datetime.date.fromtimestamp(made).isoformat()
        for source in (
            *(results / "figures").glob(f"{name}.png"),
            *(results / "summaries").glob(f"{name}.md"),
        ):
            shutil.copyfile(source, folder / source.name)
        if name in config["experiments"]:
            shutil.copyfile(results / f"tables/{name}.csv", folder / f"{name}.csv")
        artifacts.write_json(folder / f"{name}.json", record)


def _together(shown: dict, added: dict) -> dict:
    """One configuration: blocks of both, the added entry where both have one; settings as shown."""
    blocks = {name: block for name, block in added.items() if isinstance(block, dict)}
    return added | shown | {name: shown.get(name, {}) | block for name, block in blocks.items()}


def render(template: Path, folder: Path) -> str:
    """The page of a template; PageError or a jinja2 error where something is missing."""
    environment = jinja2.Environment(
        undefined=jinja2.StrictUndefined, keep_trailing_newline=True, autoescape=False
    )
    page = environment.from_string(template.read_text(encoding="utf-8"))
    head = f"<!-- made by `python -m scripts.pages` from {template.name}: change that -->\n"
    return head + page.render(Shown(folder).functions())


def main() -> None:
    """Copy if asked for, then render."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--results", type=Path, help="of a finished study, to be shown from now on")
    parser.add_argument("--add", action="store_true", help="beside the experiments shown already")
    parser.add_argument("--docs", type=Path, default=Path("docs"))
    arguments = parser.parse_args()
    if arguments.add and not arguments.results:
        parser.error("--add needs --results")
    if arguments.results:
        copy(arguments.results, arguments.docs / "results", arguments.add)
    for template in sorted(arguments.docs.glob("*.md.j2")):
        page = render(template, arguments.docs / "results")
        artifacts.write_text(template.with_suffix(""), page)
        print(template.with_suffix(""))


if __name__ == "__main__":
    main()
