"""Experiments and tables that are made up, for tests of figures."""

import copy
from collections.abc import Iterator

import pandas as pd
import yaml

from tests.support.project import TINY
from unlearn.evaluation import tables
from unlearn.report import landing_page
from unlearn.study.load import load_study

BASE = {
    "dataset": "digits",
    "model": "mlp",
    "method": ["finetune"],
    "request": {"name": "random", "rate": [0.1, 0.2]},
}
ONE_REQUEST = {"request": {"name": "random", "rate": 0.1}}
MEANS = ["mean", "ci_low", "ci_high"]


def experiment(figure, **parts):
    """A study with one experiment, `e`."""
    config = copy.deepcopy(TINY)
    config["datasets"]["digits"]["held_out"] = 0.2
    config["experiments"] = {"e": BASE | parts | {"figure": figure}}
    return load_study(yaml.safe_load(yaml.safe_dump(config)))


def page_of(**parts):
    """The landing page of a study with some of its parts."""
    return landing_page.page(landing_page.PageContent(study="s", **parts))


def made_up(plan, steps=1) -> pd.DataFrame:
    """The table of an experiment with a different mean in every row."""
    block = plan.experiments["e"]
    scores = pd.DataFrame(_scores(plan, steps)).drop_duplicates()
    figure = block.figure
    return tables.summarise(scores, figure["y"], figure["split"], block.columns, block.draws)


def _scores(plan, steps) -> Iterator[dict]:
    """Scores of two seeds; the mean rises by .006 from one value to the next."""
    figure = plan.experiments["e"].figure
    mean = 0.0
    for columns in _cell_columns(plan, steps):
        for metric in figure["y"]:
            for split in figure["split"] or ["forget"]:
                for seed in (0, 1):
                    row = columns | {"seed": seed}
                    value = mean + seed * 1e-6
                    yield row | {"metric": metric, "split": split, "value": value}
                    yield row | {"metric": "completed", "split": "forget", "value": 1}
                    yield row | {"metric": "diverged", "split": "forget", "value": 0}
                mean += 0.006


def _cell_columns(plan, steps) -> Iterator[dict]:
    """The columns of every cell at every step."""
    for cell in plan.experiments["e"].cells:
        request = plan.requests[cell.request]
        points = request.parameters.get("count") or 30
        for step in range(1, steps + 1):
            yield {
                "dataset": cell.dataset,
                "model": cell.model,
                "method": plan.variants[cell.variant].kind,
                "variant": cell.variant,
                "request": cell.request,
                "sampler": request.kind,
                "rate": request.parameters.get("rate") or 0.05,
                "step": step,
                "points": points * step // steps,
                "precision": "float32",
            }
