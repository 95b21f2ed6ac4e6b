"""The pages of docs/ that hold results: templates, and the tables and records of runs.

    python -m scripts.pages [--results results/full [--add]] [--redraw] [--docs docs]

renders every `docs/*.md.j2` next to itself from the files in `docs/results/`. `--results` first
copies the tables, figures and provenance of a finished study there, in place of those of another
study. `--add` keeps the experiments that are there already, for experiments of another day.
`--redraw` draws the figures of experiments again from the tables that are there.

Templates use the functions of `scripts.page_functions`.
"""

import argparse
import datetime
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path

import jinja2

from scripts import figure
from scripts.page_functions import PageError, Results
from unlearn.storage.files import read_json, write_json, write_text
from unlearn.study import sections
from unlearn.study.load import load_study

FIGURE_SECTIONS = ("experiments", "pictures")
"""The sections of a configuration that make figures."""


def copy(results: Path, folder: Path) -> None:
    """Copy tables, figures, summaries and records of a finished study, in place of another study.

    Raises PageError, and changes nothing, if the study is not finished.
    """
    config = _finished_json(results / "study.json")
    provenance = _finished_json(results / "provenance.json")
    paths = _result_paths(results, config)
    _remove(folder, _names(folder))
    _copy_files(folder, paths, config, provenance)
    write_json(folder / "study.json", _merged_config({}, config))


def add(results: Path, folder: Path) -> None:
    """Copy the same beside other experiments, in place of those with the same names.

    Raises PageError, and changes nothing, if the study is not finished, or if one of its names
    means something else in the folder.
    """
    config = _finished_json(results / "study.json")
    provenance = _finished_json(results / "provenance.json")
    paths = _result_paths(results, config)
    has_study = (folder / "study.json").exists()
    merged_config = _merged_config(read_json(folder / "study.json") if has_study else {}, config)
    _remove(folder, _names(folder) & paths.keys())
    _copy_files(folder, paths, config, provenance)
    write_json(folder / "study.json", merged_config)


def _names(folder: Path) -> set[str]:
    """The names of the records in a folder, those of benchmarks excepted."""
    names = {path.stem for path in folder.glob("*.json")}
    return {name for name in names if not name.startswith("benchmark_")}


def _remove(folder: Path, names: Iterable[str]) -> None:
    """Remove all files with these names, whatever their suffix."""
    for name in names:
        for path in folder.glob(f"{name}.*"):
            path.unlink()


def _copy_files(
    folder: Path, paths: Mapping[str, list[Path]], config: dict, provenance: dict
) -> None:
    """Copy the files of experiments and pictures, with a record of each.

    Args:
        folder: where the files are copied to.
        paths: the files by the name of their experiment or picture, as `_result_paths` lists them.
        config: the configuration of the study.
        provenance: the provenance of its results.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for name, sources in paths.items():
        block = config["experiments"].get(name) or config["pictures"][name]
        day = datetime.date.fromtimestamp(sources[0].stat().st_mtime)
        record = {key: provenance[key] for key in ("commit", "machines", "python")}
        record |= {"study": config["study"], "description": block.get("description", "")}
        record["day"] = day.isoformat()
        for source in sources:
            if name in config["experiments"] or source.suffix != ".csv":
                shutil.copyfile(source, folder / source.name)
        write_json(folder / f"{name}.json", record)


def _finished_json(path: Path) -> dict:
    """The content of a file that every finished study has. PageError without it."""
    if not path.exists():
        raise PageError(
            f"{path}: there is none, so this is not a finished study; run it to its end"
        )
    return read_json(path)


def _result_paths(results: Path, config: dict) -> dict[str, list[Path]]:
    """Table, figure, summary and trials of each experiment and picture.

    PageError if a table or a figure is missing.
    """
    paths = {}
    for name in config["experiments"] | config.get("pictures", {}):
        required = [results / f"tables/{name}.csv", results / f"figures/{name}.png"]
        for path in required:
            if not path.exists():
                raise PageError(
                    f"{path}: there is none, so {name} is not finished; run it to its end"
                )
        optional = [f"summaries/{name}.md", f"tables/{name}.trials.csv"]
        optional += [f"figures/{name}.trials.png"]
        found_paths = [results / path for path in optional if (results / path).exists()]
        paths[name] = required + found_paths
    return paths


def redraw(folder: Path) -> None:
    """Draw the figures of the experiments in a folder again, from their tables."""
    plan = load_study(read_json(folder / "study.json"), str(folder / "study.json"))
    for name, experiment in plan.experiments.items():
        table = folder / f"{name}.csv"
        if table.exists():
            figure.draw(table, experiment.figure, [folder / f"{name}.png"])


def _merged_config(base: dict, addition: dict) -> dict:
    """One configuration of two studies.

    It has the experiments of both; of two with one name, that of `addition`. Settings are those of
    `base`. Definitions are kept as far as an experiment uses them. PageError where a name means
    two things.
    """
    kept_figures = {
        section: {
            name: block
            for name, block in base.get(section, {}).items()
            if name not in addition.get(section, {})
        }
        for section in FIGURE_SECTIONS
    }
    base_parts = _used_parts(base | kept_figures)
    added_parts = _used_parts(addition)
    for section in sections.FAMILIES:
        for name in base_parts[section].keys() & added_parts[section].keys():
            base_block = base_parts[section][name]
            added_block = added_parts[section][name]
            if base_block != added_block:
                raise PageError(
                    f"{section}: {name} is {added_block} in the study to be added, "
                    f"{base_block} in what is shown; give it another name"
                )
    parts = {key: base_parts[key] | added_parts[key] for key in base_parts}
    return addition | base | parts


def _used_parts(config: dict) -> dict:
    """The figures of a configuration, and the blocks of each section that they refer to."""
    parts = {key: config.get(key, {}) for key in FIGURE_SECTIONS}
    parts |= {section: {} for section in sections.FAMILIES}
    queue = [*parts.values(), *_default_recipes()]
    while queue:
        content = queue.pop()
        if isinstance(content, dict):
            queue.extend(content.values())
        elif isinstance(content, list):
            queue.extend(content)
        elif isinstance(content, str):
            for section in sections.FAMILIES:
                block = config.get(section, {}).get(content)
                if block is not None and content not in parts[section]:
                    parts[section][content] = block
                    queue.append(block)
    return parts


def _default_recipes() -> set[str]:
    """The recipes of data sets that name none."""
    return {sections.STANDARD_RECIPE}


def render(template: Path, folder: Path) -> str:
    """The page of a template. PageError or a jinja2 error where results are missing."""
    environment = jinja2.Environment(
        undefined=jinja2.StrictUndefined, keep_trailing_newline=True, autoescape=False
    )
    page = environment.from_string(template.read_text(encoding="utf-8"))
    head = f"<!-- made by `python -m scripts.pages` from {template.name}: change that -->\n"
    return head + page.render(Results(folder).functions())


def main() -> None:
    """Copy results if there are any, then render every template."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--results", type=Path, help="folder of a finished study")
    parser.add_argument("--add", action="store_true", help="keep other experiments")
    parser.add_argument("--redraw", action="store_true", help="draw figures again")
    parser.add_argument("--docs", type=Path, default=Path("docs"))
    arguments = parser.parse_args()
    if arguments.add and not arguments.results:
        parser.error("--add needs --results")
    if arguments.results:
        copy_results = add if arguments.add else copy
        try:
            copy_results(arguments.results, arguments.docs / "results")
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
