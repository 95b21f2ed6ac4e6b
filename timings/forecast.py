"""What a study will cost before it starts, experiment by experiment, from what a recorded run took.

    snakemake -n --quiet rules --configfile STUDY.yaml     which jobs are left
    python -m timings.forecast STUDY.yaml               what they will cost
    python -m timings.forecast --record results/full    keep what a run took, for forecasts
    python -m timings.forecast --whole                  the cost of all jobs, finished or not

With `--add` the record keeps the jobs that this run does not have: those of other days.

Seconds are those of one core of the machine of the record (`timings/recorded.csv`), a model at a
time. A job that the record does not have costs what the most similar recorded ones did: of another
request, then of another data set, then of another method. The share of such seconds is printed.
Jobs that nothing recorded is like cost nothing, and are counted. A job is charged to the first
experiment that needs it. Finished jobs cost nothing.

The record in the project is of the full study on a CPU without bfloat16, two jobs
at a time beside other work.
"""

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from unlearn.storage.files import read_costs, write_text
from unlearn.study.components import Experiment
from unlearn.study.grid import Cell
from unlearn.study.grid import union as union_of_grids
from unlearn.study.jobs import Jobs
from unlearn.study.load import Study, StudyError, load_files

RECORD = Path(__file__).with_name("recorded.csv")
START_SECONDS = 4.0
"""Seconds of a job beside its work: starting Python, reading, writing, scores."""

BYTES_PER_LOGIT = 4
BYTES_PER_MB = 10**6
BYTES_PER_GB = 10**9

LEVELS = (
    ["rule", "dataset", "model", "what", "request"],
    ["rule", "dataset", "model", "what"],
    ["rule", "model", "what"],
    ["rule", "dataset", "model"],
    ["rule", "model"],
    ["rule"],
)
"""What a recorded job shares with the one to come, best first; the first two are no guess."""


FORWARD_SHARE = 1 / 3
"""Work of a prediction as a share of that of a gradient of the same point."""


class Job(NamedTuple):
    """A job that trains, unlearns, relearns or searches noise; `what`: trainer, variant or noise.

    Scoring models are trainings, on a share of the points. Relearning has no costs of its own: it
    takes a share of what the training of its models took.
    """

    rule: str
    dataset: str
    model: str
    what: str
    request: str
    fleet: str
    folder: str
    """Of its outputs, in the folder of the study's results."""
    models: int
    share: float = 1.0
    """The seconds of a model, as a share of those of a training by `what`."""
    gradients: int = 1
    """Those of a training step: adversarial training takes more than one."""


def jobs(plan: Study) -> Iterator[tuple[str, Job]]:
    """Each job of a study once, with the first experiment that needs it."""
    earlier_jobs: set[Job] = set()
    for name, experiment in plan.experiments.items():
        unlearned, oracles = population_cells(plan, experiment)
        cell_jobs = [
            job
            for cell in (*experiment.cells, *unlearned, *experiment.trials.cells())
            for job in _jobs_of(plan, cell)
        ]
        cell_jobs += [_oracle_job(plan, cell) for cell in oracles]
        cell_jobs += [job for cell in experiment.cells for job in _scoring_jobs(plan, cell)]
        if experiment.relearning is not None:
            relearning = experiment.relearning
            cell_jobs += [_relearning_job(plan, cell, relearning) for cell in experiment.cells]
        new_jobs = [job for job in dict.fromkeys(cell_jobs) if job not in earlier_jobs]
        yield from ((name, job) for job in new_jobs)
        earlier_jobs.update(new_jobs)


def population_cells(
    plan: Study, experiment: Experiment
) -> tuple[tuple[Cell, ...], tuple[Cell, ...]]:
    """The cells that the audits of an experiment need: those unlearned, and oracles."""
    unlearned, oracles = Jobs(plan).population_grids(experiment.audits.cells())
    return union_of_grids(unlearned), union_of_grids(oracles)


def _jobs_of(plan: Study, cell: Cell) -> Iterator[Job]:
    """The jobs of a cell: noise where its images carry some, training, unlearning."""
    trainer = plan.variants[cell.variant].trainer.name
    data = plan.datasets[cell.dataset]
    if data.parameters["features"] or data.squeeze:  # of images, which may be noisy
        data = plan.datasets[data.source]
    if data.noise and data.parameters["noised"] > 0:
        noise = data.noise.name
        yield Job("noise", data.source, "", noise, "", "", f"noise/{data.source}/{noise}", 1)
    fleet = plan.trained_fleets.get(cell.fleet, cell.fleet)
    folder = f"trained/{cell.dataset}/{cell.model}/{trainer}/{fleet}"
    models = len(plan.fleets[cell.fleet])
    trained_models = len(plan.fleets[fleet])
    gradients = _step_gradients(plan, cell)
    training = Job("train", cell.dataset, cell.model, trainer, "", fleet, folder, trained_models)
    yield training._replace(gradients=gradients)
    unlearning = Job("unlearn", *cell, f"unlearned/{'/'.join(cell)}", models)
    is_training = plan.variants[cell.variant].kind == "retrain"
    yield unlearning._replace(gradients=gradients if is_training else 1)


def _step_gradients(plan: Study, cell: Cell) -> int:
    """The gradients of a training step of the model of a cell."""
    return plan.models[cell.dataset, cell.model].recipe.component.adversarial + 1


def _oracle_job(plan: Study, cell: Cell) -> Job:
    """The job of a population of oracles: it costs what training does."""
    trainer = plan.variants[cell.variant].trainer.name
    folder = f"oracles/{'/'.join(cell)}"
    models = len(plan.fleets[cell.fleet])
    job = Job("train", cell.dataset, cell.model, trainer, "", cell.fleet, folder, models)
    return job._replace(gradients=_step_gradients(plan, cell))


def _scoring_jobs(plan: Study, cell: Cell) -> Iterator[Job]:
    """The jobs that train the models by whose scores the request of a cell draws its points."""
    scoring = plan.scorings.get((cell.dataset, cell.request))
    for fleet in scoring.fleets if scoring else ():
        folder = f"memorisation/{cell.dataset}/{scoring.name}/fleets/{fleet}"
        yield Job(
            "train",
            cell.dataset,
            scoring.model.name,
            "standard",
            "",
            "",
            folder,
            len(scoring.members(fleet)),
            scoring.fraction,
        )


def _relearning_job(plan: Study, cell: Cell, name: str) -> Job:
    """The relearning of a cell. Its share is of gradients, and of predictions as parts of these."""
    relearning = plan.relearnings[name].component
    data = plan.datasets[cell.dataset]
    half = changed_points(plan, cell.dataset, cell.request) / 2
    test_points = data.component.test_subset or data.component.facts().test_points
    work = relearning.steps * min(relearning.batch_size, half)
    work += FORWARD_SHARE * len(relearning.scored_steps()) * (half + test_points)
    recipe = plan.models[cell.dataset, cell.model].recipe.component
    return Job(
        "relearn",
        cell.dataset,
        cell.model,
        plan.variants[cell.variant].trainer.name,
        "",
        cell.fleet,
        f"relearned/{name}/{'/'.join(cell)}",
        len(plan.fleets[cell.fleet]),
        work / (recipe.epochs * data.facts.base_points),
    )


def changed_points(plan: Study, dataset: str, request: str) -> int:
    """The points that a request deletes or adds, from what is known before data are loaded."""
    facts = plan.datasets[dataset].facts
    parameters = plan.requests[request].parameters
    if "label" in parameters:
        return round(parameters["fraction"] * facts.base_points / facts.classes)
    return parameters.get("count") or round((parameters.get("rate") or 0) * facts.base_points)


def population_bytes(plan: Study) -> int:
    """The bytes of the logits of all populations, from what is known before data are loaded."""
    unlearned, oracles = Jobs(plan).population_grids(plan.audits)
    total = 0
    for cell in (*union_of_grids(unlearned), *union_of_grids(oracles)):
        part = plan.datasets[cell.dataset]
        changed = changed_points(plan, cell.dataset, cell.request)
        sample = min(part.component.retain_sample or part.facts.base_points, part.facts.points)
        source = part.component.facts()
        test_points = part.component.test_subset or source.test_points
        points = sample + changed + part.component.validation_size + test_points
        models = len(plan.fleets[cell.fleet])
        total += models * points * part.facts.classes * BYTES_PER_LOGIT
    return total


def bytes_text(size: int) -> str:
    """A number of bytes in GB, or in MB below 1 GB, with one decimal: `2.8 MB`."""
    if size >= BYTES_PER_GB:
        return f"{size / BYTES_PER_GB:.1f} GB"
    return f"{size / BYTES_PER_MB:.1f} MB"


def job_seconds(results: Path, job: Job) -> float | None:
    """Seconds of a finished job, for each of its models; None if it is not there or failed."""
    if job.rule == "relearn":
        return 0.0 if (results / job.folder / "relearned.csv").exists() else None
    path = results / job.folder / "costs.json"
    if not path.exists():
        return None
    record = read_costs(path)
    if job.rule == "noise":
        return record["wall_seconds"]
    if record.get("error"):
        return None
    steps = [s for m in record["models"] for s in (m if isinstance(m, list) else [m])]
    spent = sum(step["wall_seconds"] for step in steps) + record.get("evaluation_seconds", 0)
    return spent / len(record["models"])


def union(record: pd.DataFrame, earlier: pd.DataFrame) -> pd.DataFrame:
    """A record, and what an earlier one has of other jobs."""
    return pd.concat([record, earlier]).drop_duplicates(LEVELS[0])


def record(plan: Study, results: Path) -> pd.DataFrame:
    """The seconds of every finished job of a study."""
    rows = [
        {key: getattr(job, key) for key in LEVELS[0]} | {"seconds": round(seconds, 2)}
        for _, job in jobs(plan)
        if job.share == 1 and (seconds := job_seconds(results, job)) is not None
    ]
    return pd.DataFrame(rows, columns=[*LEVELS[0], "seconds"]).drop_duplicates(LEVELS[0])


def study_cost(plan: Study, recorded: pd.DataFrame) -> dict:
    """The core-minutes of a study by experiment, nothing finished; the share that is guessed."""
    table = forecast(plan, None, recorded)
    total = table.sum()
    return {
        "jobs": int(total["jobs"]),
        "core-hours": round(total["seconds"] / 3600, 1),
        "guessed": round(total["guessed"] / max(total["seconds"], 1), 3),
        "jobs without a forecast": int(total["unknown"]),
        "core-minutes": (table["seconds"] / 60).round(1).to_dict(),
    }


def forecast(plan: Study, results: Path | None, recorded: pd.DataFrame) -> pd.DataFrame:
    """The cost of the unfinished jobs; without results none are finished.

    One row an experiment: jobs, seconds of one core, how many of the seconds are guessed, and
    `unknown`, the jobs that no recorded job is like, which have no seconds.
    """
    means = [(names, recorded.groupby(names)["seconds"].mean().to_dict()) for names in LEVELS]
    empty = {"jobs": 0, "seconds": 0.0, "guessed": 0.0, "unknown": 0}
    rows = {name: dict(empty) for name in plan.experiments}
    for name, job in jobs(plan):
        if results and job_seconds(results, job) is not None:
            continue
        level, seconds = _nearest(job, means)
        seconds *= job.models * job.share
        if level > 2 or (level == 2 and "recipe=" not in job.model):  # recorded with others
            seconds *= job.gradients
        rows[name]["jobs"] += 1
        rows[name]["seconds"] += seconds + START_SECONDS
        rows[name]["guessed"] += seconds * (level > 1)
        rows[name]["unknown"] += level == len(LEVELS)
    return pd.DataFrame(rows).T


def _nearest(job: Job, means: list[tuple[list[str], dict]]) -> tuple[int, float]:
    """How far off the recorded jobs are that are most like this one, and what they took."""
    job = job._replace(rule="train") if job.rule == "relearn" else job
    for level, (names, seconds_by_key) in enumerate(means):
        key = tuple(getattr(job, name) for name in names)
        key = key if len(key) > 1 else key[0]
        if key in seconds_by_key:
            return level, seconds_by_key[key]
    return len(LEVELS), 0.0


def _recorded() -> pd.DataFrame:
    return pd.read_csv(RECORD, keep_default_na=False)


def load(paths: list[Path]) -> Study:
    """The study of some configuration files, later ones laid over earlier ones."""
    try:
        return load_files(paths)
    except StudyError as error:
        raise SystemExit(f"error: {error}") from error


def main() -> None:
    """Print a table, or write the record."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("config", nargs="*", type=Path, help="default: config.yaml")
    parser.add_argument("--record", type=Path, help="results of a study: write its seconds")
    parser.add_argument("--add", action="store_true", help="to the jobs that are recorded already")
    parser.add_argument("--whole", action="store_true", help="print the cost of all jobs, as JSON")
    arguments = parser.parse_args()
    if arguments.add and not arguments.record:
        parser.error("--add needs --record")
    if arguments.whole and arguments.record:
        parser.error("--whole or --record: first record, then ask what the whole costs")
    plan = load(arguments.config or [Path("config.yaml")])
    if arguments.record:
        seconds = record(plan, arguments.record)
        if seconds.empty:
            parser.error(
                f"{arguments.record}: no finished job of {plan.name}; name its configuration"
            )
        if arguments.add and RECORD.exists():
            seconds = union(seconds, _recorded())
        write_text(RECORD, seconds.to_csv(index=False, lineterminator="\n"))
        return
    if not RECORD.exists():
        parser.error(f"{RECORD.name}: no run is recorded yet; say --record results/STUDY after one")
    if arguments.whole:
        print(json.dumps(study_cost(plan, _recorded()), indent=2))
        return
    recorded = _recorded()
    table = forecast(plan, Path(plan.settings["results"]) / plan.name, recorded)
    total = table.sum()
    rows = pd.DataFrame({"jobs": table["jobs"], "core-minutes": table["seconds"] / 60})
    rows = rows[rows["jobs"] > 0].astype({"jobs": int}).round(1)
    print(rows.to_string() if len(rows) else "nothing is left to do")
    print(
        f"{total['seconds'] / 3600:.1f} core-hours for {total['jobs']:.0f} jobs, "
        f"{total['guessed'] / max(total['seconds'], 1):.0%} of them guessed from similar jobs"
    )
    if plan.audits:
        size = bytes_text(population_bytes(plan))
        print(f"populations: about {size} of predictions on disk, no weights of oracles")
    if total["unknown"]:
        print(
            f"{total['unknown']:.0f} jobs are like nothing that is recorded: without their seconds"
        )


if __name__ == "__main__":
    main()
