"""The study, the layout of its results, and the files of its jobs."""

import os
import re
import sys
from pathlib import Path

from unlearn.core import registry
from unlearn.storage import records
from unlearn.study import codehash, grid
from unlearn.study.grid import Cell
from unlearn.study.load import load_study

# Commands say `python`: let that be the interpreter that runs Snakemake, activated or not.
os.environ.update(
    PATH=os.path.dirname(sys.executable) + os.pathsep + os.getenv("PATH", "")
)

if not os.path.isfile("scripts/command.py"):
    raise WorkflowError(f"start snakemake in the project's root, {workflow.basedir}")

try:
    CONFIG_FILES = [os.path.relpath(path) for path in workflow.configfiles]
    STUDY = load_study(config, " + ".join(CONFIG_FILES), CONFIG_FILES)
except StudyError as error:
    raise WorkflowError(str(error))

CELLS = frozenset(STUDY.cells)
GRIDS = grid.covering([e.grid for e in STUDY.experiments.values()])

# Not a parameter: where the raw data lie must not decide what reruns.
os.environ.setdefault("UNLEARN_DATA", STUDY.settings["data"])

STALE_LIMIT = ".snakemake/stale_limit"
records.write_limit(Path(STALE_LIMIT))

# -- layout ------------------------------------------------------------------------------------
# A record stands for its artefact: jobs depend on it, and it names the other files beside it.

RESULTS = os.path.join(STUDY.settings["results"], STUDY.name)
DATA = f"{RESULTS}/data/{{dataset}}"
DATASET = f"{DATA}/record.json"
NOISES = f"{RESULTS}/noise/{{dataset}}/{{noise}}"
NOISE = f"{NOISES}/record.json"
REQUESTS = f"{RESULTS}/requests/{{dataset}}/{{request}}"
REQUEST = f"{REQUESTS}/record.json"
TRAINED = f"{RESULTS}/trained/{{dataset}}/{{model}}/{{trainer}}/{{fleet}}"
CELL = "{dataset}/{model}/{variant}/{request}/{fleet}"
UNLEARNED = f"{RESULTS}/unlearned/{CELL}"
RELEARNED = f"{RESULTS}/relearned/{{relearning}}/{CELL}"
SCORED = f"{RESULTS}/scores/{CELL}"
CERTIFIED = f"{RESULTS}/certificates/{CELL}"
ORACLES = f"{RESULTS}/oracles/{CELL}"
AUDITED = f"{RESULTS}/audits/{CELL}".replace("{fleet}", "{population}")
SCORES = f"{RESULTS}/scores.csv"
TABLES = f"{RESULTS}/tables"
TABLE = f"{TABLES}/{{experiment}}.csv"
SUMMARY = f"{RESULTS}/summaries/{{experiment}}"
FIGURE = f"{RESULTS}/figures/{{experiment}}"
AUDIT_TABLE = f"{RESULTS}/tables/{{certificate_audit}}.csv"
AUDIT_FIGURE = f"{RESULTS}/figures/{{certificate_audit}}"
PICTURE_TABLE = f"{RESULTS}/tables/{{picture}}.csv"
PICTURE = f"{RESULTS}/figures/{{picture}}"
OVERVIEW = f"{RESULTS}/overview.rst"
REPORT = f"{RESULTS}/report.html"
COMPLETE = f"{RESULTS}/complete.json"
LOGS = f"{RESULTS}/logs"


def _nearest_existing(path):
    path = os.path.abspath(path)
    return path if os.path.exists(path) else _nearest_existing(os.path.dirname(path))


_existing_folder = _nearest_existing(RESULTS)
if not (os.path.isdir(_existing_folder) and os.access(_existing_folder, os.W_OK)):
    raise WorkflowError(
        f"the results folder {RESULTS} cannot be written; name another: results"
    )


def one_of(names):
    """A wildcard constraint: exactly these names; where there are none, nothing."""
    return "|".join(sorted(map(re.escape, set(names)), key=len, reverse=True)) or "(?!)"


# -- resources ---------------------------------------------------------------------------------
# Rules that fetch, collect or draw are local: on a cluster they run beside Snakemake, which has
# the internet, and end in the time that a submission would wait.

GPUS = int(STUDY.settings["device"] == "cuda")


def per_attempt(amount):
    """A resource of which each attempt gets as much again: schedulers kill what takes more."""

    def amount_of_attempt(wildcards, attempt):
        return amount * attempt

    return amount_of_attempt


# -- files -------------------------------------------------------------------------------------


FEATURED = [name for name, part in STUDY.datasets.items() if part.features]
DERIVED = [name for name, part in STUDY.datasets.items() if part.source]
SQUEEZED = [name for name, part in STUDY.datasets.items() if part.squeeze]
SWAPPED = [
    name
    for name in DERIVED
    if name not in (*FEATURED, *SQUEEZED) and STUDY.datasets[name].facts.swapped_classes
]
NOISED = [name for name in DERIVED if name not in (*FEATURED, *SQUEEZED, *SWAPPED)]
PLAIN = [name for name in STUDY.datasets if name not in DERIVED]
ARRAYS = [
    f"{DATA}/{split}_{array}.npy"
    for split in ("train", "validation", "test")
    for array in ("images", "labels")
]
ARRAYS += [f"{DATA}/{ids}_ids.npy" for ids in ("source", "held_out", "sample")]


def cell_of(wildcards):
    """The cell that wildcards name."""
    return Cell(**_names(wildcards, *Cell._fields))


def data_files(wildcards):
    """The user's own files that a data set is read from, and what its record may be older than."""
    return [*STUDY.datasets[wildcards.dataset].component.files(), STALE_LIMIT]


def checkpoint_files(wildcards):
    """The user's own checkpoints that stand for a trained fleet, if there are any."""
    model = STUDY.models[wildcards.dataset, wildcards.model]
    members = STUDY.fleets[wildcards.fleet]
    return model.checkpoint_files(members) if wildcards.trainer == "standard" else []


def source_of(wildcards):
    """The data set of the images that features are of, or that are changed or get other labels."""
    return DATASET.format(dataset=STUDY.datasets[wildcards.dataset].source)


def noise_of(wildcards):
    """The noise that the images of a data set get."""
    part = STUDY.datasets[wildcards.dataset]
    return NOISE.format(dataset=part.source, noise=part.noise.name)


def noise_of_images(wildcards):
    """The noise on the images of a data set, squeezed or as features or not, if there is any."""
    part = STUDY.datasets[wildcards.dataset]
    name = part.source if part.features or part.squeeze else part.name
    if name not in NOISED:
        return []
    part = STUDY.datasets[name]
    return [NOISE.format(dataset=part.source, noise=part.noise.name)]


def id_files(wildcards):
    """The user's file that a request is read from, if it is."""
    return list(STUDY.requests[wildcards.request].component.files())


def trained_of(wildcards):
    """The trained fleet that a cell starts from."""
    trainer = STUDY.variants[wildcards.variant].trainer.name
    names = _names(wildcards, "dataset", "model", "fleet")
    names["fleet"] = STUDY.trained_fleets.get(names["fleet"], names["fleet"])
    return f"{TRAINED.format(trainer=trainer, **names)}/record.json"


def oracle_of(wildcards):
    """The fleet that was retrained; none where nothing is left to train on."""
    return _control_of(STUDY.variants[wildcards.variant].oracle, wildcards)


def original_of(wildcards):
    """The fleet to which nothing was done."""
    return _control_of(STUDY.variants[wildcards.variant].original, wildcards)


def _control_of(variant, wildcards):
    """The fleet of a control, if the study has it."""
    names = _names(wildcards, "dataset", "model", "request", "fleet")
    has_control = Cell(variant=variant, **names) in CELLS
    return [_fleet_of(variant, wildcards)] if has_control else []


def references_of(wildcards):
    """The other fleets that a cell is compared with, where the study has them."""
    names = _names(wildcards, "dataset", "model", "request", "fleet")
    return {
        name: _fleet_of(variant, wildcards)
        for name, variant in STUDY.references.get(wildcards.variant, {}).items()
        if Cell(variant=variant, **names) in CELLS
    }


def compared_fleets(wildcards):
    """The fleet before the request, what a cell is compared with, and what all of them cost."""
    fleets = {
        "trained": trained_of(wildcards),
        "unlearned": f"{UNLEARNED}/record.json".format(**cell_of(wildcards)._asdict()),
        "oracle": oracle_of(wildcards),
        "original": original_of(wildcards),
        "references": list(references_of(wildcards).values()),
        "noise": noise_of_images(wildcards),
    }
    records = [path for paths in fleets.values() for path in _listed(paths)]
    costs = [os.path.join(os.path.dirname(path), "costs.json") for path in records]
    return fleets | {"costs": list(dict.fromkeys(costs))}


def _listed(paths):
    """Paths, where there may be one path alone."""
    return [paths] if isinstance(paths, str) else paths


def _fleet_of(variant, wildcards):
    names = _names(wildcards, "dataset", "model", "request", "fleet")
    return f"{UNLEARNED.format(variant=variant, **names)}/record.json"


def score_records(wildcards):
    return grid.files(_scored_files(wildcards, "record.json"), RESULTS)


def cost_files(wildcards):
    return grid.files(cost_listing(wildcards), RESULTS)


def tables():
    """The table of every experiment."""
    return [TABLE.format(experiment=name) for name in STUDY.experiments]


def figures():
    """The figure of every experiment, as SVG and PNG."""
    return [
        f"{FIGURE.format(experiment=name)}.{kind}"
        for name in STUDY.experiments
        for kind in ("svg", "png")
    ]


def summaries():
    """The wide tables, where experiments ask for them."""
    return [
        f"{SUMMARY.format(experiment=name)}.{kind}"
        for name, experiment in STUDY.experiments.items()
        for kind in ("csv", "md", "tex")
        if experiment.summary
    ]


def pictures():
    """Every picture, and its table."""
    images = [
        f"{PICTURE.format(picture=name)}.{kind}"
        for name in STUDY.pictures
        for kind in ("svg", "png")
    ]
    return images + [PICTURE_TABLE.format(picture=name) for name in STUDY.pictures]


def clean_of_picture(wildcards):
    sources = [part.source for part in STUDY.pictures[wildcards.picture].datasets]
    return [DATASET.format(dataset=name) for name in sources]


def noisy_of_picture(wildcards):
    names = [part.name for part in STUDY.pictures[wildcards.picture].datasets]
    return [DATASET.format(dataset=name) for name in names]


def _names(wildcards, *fields):
    """The names that wildcards give to fields of a cell."""
    return {field: getattr(wildcards, field) for field in fields}
