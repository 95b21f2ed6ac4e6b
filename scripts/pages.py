"""The pages of docs/ that hold results: templates, and the tables and records of runs.

    python -m scripts.pages [--results results/full [--add]] [--redraw] [--docs docs]

renders every `docs/*.md.j2` next to itself from what lies in `docs/results/`. With `--results` the
tables, figures and provenance of that finished study are copied there before, in place of those of
another one; with `--add` beside them, for experiments that were run on another day. With `--redraw`
the figures of experiments are drawn again from the tables that are there.
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

from scripts import figure
from unlearn.evaluation import formatting, placement, tables
from unlearn.storage.files import read_json, write_json, write_text
from unlearn.study import schema
from unlearn.study.load import load_study
from unlearn.study.resolve import SECTIONS

DRAWN = ("experiments", "pictures")
"""The parts of a configuration that make figures."""


class PageError(ValueError):
    """What a template or a page asks for is not there, or there is more than one."""


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
        return formatting.shown(self._row(experiment, metric, where))

    def mean(self, experiment: str, metric: str, **where) -> float:
        """The mean, percentages in percent."""
        row = self._row(experiment, metric, where)
        return row["mean"] * (100 if row["metric"] in placement.PERCENT else 1)

    def table(self, experiment: str) -> str:
        """The wide table, in Markdown."""
        return (self.folder / f"{experiment}.md").read_text(encoding="utf-8").strip()

    def measured(self, benchmark: str) -> dict:
        """The record of a benchmark."""
        return read_json(self.folder / f"benchmark_{benchmark}.json")

    def made(self, experiment: str) -> dict:
        """Commit (in short), day and machines of an experiment, and its description."""
        about = read_json(self.folder / f"{experiment}.json")
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
        return read_json(self.folder / "study.json")

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
    other experiments, beside them. PageError, and nothing is changed, if the study is not finished.
    """
    config, about = (_record(results / name) for name in ("study.json", "provenance.json"))
    files = {
        name: _files(results, name, config)
        for name in config["experiments"] | config.get("pictures", {})
    }
    there = add and (folder / "study.json").exists()
    together = _together(read_json(folder / "study.json") if there else {}, config)
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("*.json"):
        if not old.name.startswith("benchmark_") and (not add or old.stem in files):
            for path in folder.glob(f"{old.stem}.*"):
                path.unlink()
    for name, sources in files.items():
        block = config["experiments"].get(name) or config["pictures"][name]
        record = {key: about[key] for key in ("commit", "machines", "python")}
        record |= {"study": config["study"], "description": block.get("description", "")}
        made = sources[0].stat().st_mtime
        record["day"] = datetime.date.fromtimestamp(made).isoformat()
        for source in sources:
            if name in config["experiments"] or source.suffix != ".csv":
                shutil.copyfile(source, folder / source.name)
        write_json(folder / f"{name}.json", record)
    write_json(folder / "study.json", together)


def _record(path: Path) -> dict:
    if not path.exists():
        raise PageError(
            f"{path}: there is none, so this is not a finished study; run it to its end"
        )
    return read_json(path)


def _files(results: Path, name: str, config: dict) -> list[Path]:
    """The table of an experiment or a row of pictures, its figure, and its summary."""
    needed = [results / f"tables/{name}.csv", results / f"figures/{name}.png"]
    for path in needed:
        if not path.exists():
            raise PageError(f"{path}: there is none, so {name} is not finished; run it to its end")
    return [*needed, *(results / "summaries").glob(f"{name}.md")]


def redraw(folder: Path) -> None:
    """The figures of the experiments that are shown, from their tables, as the code draws today."""
    plan = load_study(read_json(folder / "study.json"), str(folder / "study.json"))
    for name, experiment in plan.experiments.items():
        table = folder / f"{name}.csv"
        if table.exists():
            figure.draw(table, experiment.figure, [folder / f"{name}.png"])


def _together(shown: dict, added: dict) -> dict:
    """One configuration of both: experiments of the added one in place of others of their name,
    settings as shown, definitions as far as they are in use. PageError where a name means two
    things.
    """
    left = {
        key: {n: b for n, b in shown.get(key, {}).items() if n not in added.get(key, {})}
        for key in DRAWN
    }
    earlier, now = _used(shown | left), _used(added)
    for section in SECTIONS:
        for name in earlier[section].keys() & now[section].keys():
            if earlier[section][name] != now[section][name]:
                raise PageError(
                    f"{section}: {name} is {now[section][name]} in the study to be added, "
                    f"{earlier[section][name]} in what is shown; give it another name"
                )
    return added | shown | {key: earlier[key] | now[key] for key in earlier}


def _used(config: dict) -> dict:
    """What is drawn, and of each section the blocks that it names, or that those name."""
    used = {key: config.get(key, {}) for key in DRAWN} | {section: {} for section in SECTIONS}
    ahead = [*used.values(), *_implicit()]
    while ahead:
        part = ahead.pop()
        if isinstance(part, dict):
            ahead.extend(part.values())
        elif isinstance(part, list):
            ahead.extend(part)
        elif isinstance(part, str):
            for section in SECTIONS:
                block = config.get(section, {}).get(part)
                if block is not None and part not in used[section]:
                    used[section][part] = block
                    ahead.append(block)
    return used


def _implicit() -> set[str]:
    """The recipes of data sets that name none."""
    return {block["properties"]["recipe"]["default"] for block in schema.read("datasets").values()}


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
    parser.add_argument("--redraw", action="store_true", help="figures, from the tables shown")
    parser.add_argument("--docs", type=Path, default=Path("docs"))
    arguments = parser.parse_args()
    if arguments.add and not arguments.results:
        parser.error("--add needs --results")
    if arguments.results:
        try:
            copy(arguments.results, arguments.docs / "results", arguments.add)
        except PageError as error:
            parser.error(str(error))
    if arguments.redraw:
        redraw(arguments.docs / "results")
    for template in sorted(arguments.docs.glob("*.md.j2")):
        page = render(template, arguments.docs / "results")
        write_text(template.with_suffix(""), page)
        print(template.with_suffix(""))


if __name__ == "__main__":
    main()
