"""The functions of the templates of docs/, which read a folder of results.

Templates use these functions:

    figure("sisa_shards")                                     a picture with its description
    number("sisa_shards", "accuracy/test", variant="retrain") mean and half of its interval
    mean("sisa_shards", "accuracy/test", variant="retrain")   the mean alone, to be calculated with
    table("comparison")                                       the wide table of an experiment
    measured("noise")                                         the record of a benchmark
    made("sisa_shards")                                       commit, day and machine
    finished("sisa_shards")                                   whether there are results of it
    seeds("sisa_shards")                                      how many models its means are over
    study()                                                   the configuration of the study
"""

from collections.abc import Callable
from pathlib import Path

import pandas as pd

from unlearn.evaluation import formatting, tables
from unlearn.metrics.catalogue import METRICS
from unlearn.storage.files import read_json


class PageError(ValueError):
    """The results that a template or a page needs do not exist, or there is more than one."""


class Results:
    """A folder of tables, pictures, summaries and records, as templates see it."""

    def __init__(self, folder: Path):
        self.folder = folder

    def functions(self) -> dict[str, Callable]:
        """The functions of templates, by the names that templates use."""
        return {
            "figure": self.figure,
            "number": self.number,
            "mean": self.mean,
            "table": self.table,
            "measured": self.benchmark,
            "made": self.record,
            "finished": self.has_experiment,
            "seeds": self.seeds,
            "study": self.study,
        }

    def figure(self, experiment: str) -> str:
        """A picture; below it the name of the experiment and its description."""
        description = " ".join(self.record(experiment)["description"].split())
        picture = f"![{experiment}]({self.folder.name}/{experiment}.png)"
        return f"{picture}\n\n`{experiment}`: {description}"

    def number(self, experiment: str, metric: str, **conditions) -> str:
        """`mean ± half of the 95 % interval`, percentages in percent."""
        return formatting.row_text(self._row(experiment, metric, conditions))

    def mean(self, experiment: str, metric: str, **conditions) -> float:
        """The mean, percentages in percent."""
        row = self._row(experiment, metric, conditions)
        return row["mean"] * METRICS[row["metric"]].scale

    def table(self, experiment: str) -> str:
        """The wide table, in Markdown."""
        return (self.folder / f"{experiment}.md").read_text(encoding="utf-8").strip()

    def benchmark(self, name: str) -> dict:
        """The record of a benchmark."""
        return read_json(self.folder / f"benchmark_{name}.json")

    def record(self, experiment: str) -> dict:
        """Commit (in short), day and machines of an experiment, and its description."""
        record = read_json(self.folder / f"{experiment}.json")
        commit, *remark = record["commit"].split(" ", 1)
        return record | {"commit": " ".join([commit[:7], *remark])}

    def has_experiment(self, experiment: str) -> bool:
        """Whether there are results of an experiment."""
        return (self.folder / f"{experiment}.json").exists()

    def seeds(self, experiment: str) -> int:
        """The number of seeds that a mean is over where none failed."""
        return int(self._long_table(experiment)["n"].max())

    def study(self) -> dict:
        """The configuration of the study."""
        return read_json(self.folder / "study.json")

    def _long_table(self, experiment: str) -> pd.DataFrame:
        """The table of an experiment."""
        return tables.parse((self.folder / f"{experiment}.csv").read_text(encoding="utf-8"))

    def _row(self, experiment: str, metric: str, conditions: dict) -> dict:
        """The only row of a metric, `metric/split`, that meets all conditions.

        A condition is a value by its column, with `_` in place of the dot. PageError unless there
        is exactly one row.
        """
        name, split = metric.split("/")
        table = self._long_table(experiment)
        rows = table[(table["metric"] == name) & (table["split"] == split)]
        for key, value in conditions.items():
            column = key if key in table else key.replace("_", ".", 1)
            if column not in table:
                raise PageError(f"{experiment}: no column {column}; there are {', '.join(table)}")
            rows = rows[rows[column].isna() if value is None else rows[column] == value]
        if len(rows) != 1:
            raise PageError(
                f"{experiment}: {len(rows)} rows of {metric} where {conditions}; needed: 1"
            )
        return rows.iloc[0].to_dict()
