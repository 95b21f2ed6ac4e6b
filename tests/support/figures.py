"""Experiments and tables that are made up, for tests of figures."""

import copy

import pandas as pd
import yaml

from tests.support.project import TINY
from unlearn.evaluation import tables
from unlearn.study.load import load_study

BASE = {
    "dataset": "digits",
    "model": "mlp",
    "method": ["finetune"],
    "request": {"name": "random", "rate": [0.1, 0.2]},
}


def experiment(figure, **parts):
    config = copy.deepcopy(TINY)
    config["datasets"]["digits"]["held_out"] = 0.2
    config["experiments"] = {"e": BASE | parts | {"figure": figure}}
    return load_study(yaml.safe_load(yaml.safe_dump(config)))


def made_up(plan, steps=1) -> pd.DataFrame:
    """The table of an experiment with a mean of its own in every row."""
    e = plan.experiments["e"]
    rows = []
    for cell in e.cells:
        request = plan.requests[cell.request]
        for step in range(1, steps + 1):
            for metric in e.figure["y"]:
                for split in e.figure["split"] or ["forget"]:
                    rows += [
                        {
                            "dataset": cell.dataset,
                            "model": cell.model,
                            "method": plan.variants[cell.variant].kind,
                            "variant": cell.variant,
                            "request": cell.request,
                            "sampler": request.kind,
                            "rate": request.parameters.get("rate") or 0.05,
                            "step": step,
                            "points": (request.parameters.get("count") or 30) * step // steps,
                            "seed": seed,
                            "metric": m,
                            "split": s,
                            "value": v,
                        }
                        for seed in (0, 1)
                        for m, s, v in [
                            (metric, split, len(rows) / 1000 + seed * 1e-6),
                            ("completed", "forget", 1),
                            ("diverged", "forget", 0),
                        ]
                    ]
    scores = pd.DataFrame(rows).drop_duplicates()
    return tables.summarise(scores, e.figure["y"], e.figure["split"], e.columns)


ONE = {"request": {"name": "random", "rate": 0.1}}
