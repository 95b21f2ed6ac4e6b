"""The study, the layout of its results, and the parameters of its jobs."""

import importlib.metadata
import json
import os
import re
import sys

sys.path.insert(0, workflow.basedir)

from snakemake.exceptions import WorkflowError
from unlearn import catalogue, checks, codehash, study

# Commands say `python`: let that be the interpreter that runs Snakemake, activated or not.
os.environ.update(
    PATH=os.path.dirname(sys.executable) + os.pathsep + os.getenv("PATH", "")
)

if not os.path.isfile("scripts/command.py"):
    raise WorkflowError(f"start snakemake in the project's root, {workflow.basedir}")

try:
    STUDY = study.load(config, " + ".join(map(os.path.relpath, workflow.configfiles)))
except study.StudyError as error:
    raise WorkflowError(str(error))

# Not a parameter: where the raw data lie must not decide what reruns.
os.environ.setdefault("UNLEARN_DATA", STUDY.settings["data"])

# -- layout ------------------------------------------------------------------------------------

RESULTS = os.path.join(STUDY.settings["results"], STUDY.name)
DATASET = f"{RESULTS}/data/{{dataset}}/dataset.json"
REQUEST = f"{RESULTS}/requests/{{dataset}}/{{request}}/request.npz"
TRAINED = f"{RESULTS}/trained/{{dataset}}/{{model}}/{{trainer}}/{{fleet}}"
CELL = "{dataset}/{model}/{variant}/{request}/{fleet}"
UNLEARNED = f"{RESULTS}/unlearned/{CELL}"
CELL_SCORES = f"{RESULTS}/scores/{CELL}/scores.csv"
SCORES = f"{RESULTS}/scores.csv"
TABLE = f"{RESULTS}/tables/{{experiment}}.csv"
FIGURE = f"{RESULTS}/figures/{{experiment}}"
OVERVIEW = f"{RESULTS}/overview.rst"
REPORT = f"{RESULTS}/report.html"
COMPLETE = f"{RESULTS}/complete.json"
LOGS = f"{RESULTS}/logs"


def _nearest_existing(path):
    path = os.path.abspath(path)
    return path if os.path.exists(path) else _nearest_existing(os.path.dirname(path))


_place = _nearest_existing(RESULTS)
if not (os.path.isdir(_place) and os.access(_place, os.W_OK)):
    raise WorkflowError(
        f"the results folder {RESULTS} cannot be written; name another: results"
    )


def one_of(names):
    """A wildcard constraint: exactly these names; where there are none, nothing."""
    return "|".join(sorted(map(re.escape, set(names)), key=len, reverse=True)) or "(?!)"


# -- files -------------------------------------------------------------------------------------


PIXELS, FEATURES = (
    [name for name, part in STUDY.datasets.items() if (part.source is None) == plain]
    for plain in (True, False)
)
ARRAYS = [
    os.path.join(os.path.dirname(DATASET), f"{split}_{array}.npy")
    for split in ("train", "test")
    for array in ("images", "labels")
]
ARRAYS += [
    os.path.join(os.path.dirname(DATASET), f"{ids}.npy")
    for ids in ("held_out", "sample")
]


def source_of(wildcards):
    """The data set of the images that features are of."""
    return DATASET.format(dataset=STUDY.datasets[wildcards.dataset].source)


def trained_of(wildcards):
    """The trained fleet that a cell starts from.

    Jobs depend on the small file of a fleet: Snakemake compares it by content, large ones by time.
    """
    trainer = STUDY.variants[wildcards.variant].trainer.name
    fleet = TRAINED.format(
        trainer=trainer, **_known(wildcards, "dataset", "model", "fleet")
    )
    return f"{fleet}/costs.json"


def oracle_of(wildcards):
    """The fleet retrained by the trainer of the cell."""
    oracle = STUDY.oracle(wildcards.variant)
    known = _known(wildcards, "dataset", "model", "request", "fleet")
    return f"{UNLEARNED.format(variant=oracle, **known)}/costs.json"


def cell_scores(wildcards):
    """The scores of an experiment's cells; of all cells where there is no experiment."""
    name = getattr(wildcards, "experiment", None)
    cells = STUDY.experiments[name].cells if name else STUDY.cells
    return [CELL_SCORES.format(**cell._asdict()) for cell in cells]


def fleet_costs(_):
    """The records of every training and unlearning job."""
    trained = {
        TRAINED.format(
            trainer=STUDY.variants[c.variant].trainer.name, **c._asdict()
        ): None
        for c in STUDY.cells
    }
    unlearned = [UNLEARNED.format(**cell._asdict()) for cell in STUDY.cells]
    return [f"{folder}/costs.json" for folder in [*trained, *unlearned]]


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


# -- parameters: one JSON string a job, keys sorted, because Snakemake compares params by value


def as_json(content):
    """The one textual form of a parameter."""
    return json.dumps(content, sort_keys=True)


def dataset_block(wildcards):
    dataset = STUDY.datasets[wildcards.dataset]
    parameters = {k: v for k, v in dataset.parameters.items() if k != "features"}
    return as_json({"kind": dataset.kind, "parameters": parameters})


def features_of(wildcards):
    return as_json(checks.featured(STUDY.datasets[wildcards.dataset]))


def request_block(wildcards):
    return as_json(_block(STUDY.requests[wildcards.request]))


def train_job(wildcards):
    """What a training job is told."""
    return as_json(_fleet_job(wildcards, STUDY.trainers[wildcards.trainer]))


def unlearn_job(wildcards):
    """What an unlearning job is told."""
    variant = STUDY.variants[wildcards.variant]
    return as_json(_fleet_job(wildcards, variant.trainer) | {"method": _block(variant)})


def cell_columns(wildcards):
    """The columns that identify a cell's scores; the rate is left out where the sampler has none."""
    request = STUDY.requests[wildcards.request]
    columns = {
        "dataset": wildcards.dataset,
        "model": wildcards.model,
        "method": STUDY.variants[wildcards.variant].kind,
        "variant": wildcards.variant,
        "request": wildcards.request,
        "sampler": request.kind,
    }
    rate = request.parameters.get("rate")
    return as_json(columns | ({} if rate is None else {"rate": rate}))


def table_job(wildcards):
    """What a table shows: metrics, splits, and the parameters that become columns."""
    experiment = STUDY.experiments[wildcards.experiment]
    shown = {key: experiment.figure[key] for key in ("y", "split")}
    return as_json(shown | {"columns": experiment.columns})


def figure_job(wildcards):
    return as_json(STUDY.experiments[wildcards.experiment].figure)


def study_config(_):
    return as_json(config)


def shown_experiments(_):
    """What the landing page says of every experiment."""
    shown = {
        name: {"description": experiment.description, "figure": experiment.figure}
        for name, experiment in STUDY.experiments.items()
    }
    return as_json(shown)


def guarantees(_):
    """How exact every variant is, and why."""
    return as_json(
        {name: variant.guarantee for name, variant in STUDY.variants.items()}
    )


def _fleet_job(wildcards, trainer):
    model = STUDY.models[wildcards.dataset, wildcards.model]
    return {
        "model": _block(model),
        "recipe": _block(model.recipe),
        "trainer": _block(trainer),
        "seeds": STUDY.fleets[wildcards.fleet],
        "device": STUDY.settings["device"],
        "precision": STUDY.settings["precision"],
        "torch": _torch_version(),
    }


def _torch_version():
    """torch's version where jobs run in this environment; conda environments are hashed anyway."""
    try:
        return importlib.metadata.version("torch")
    except importlib.metadata.PackageNotFoundError:
        return "of the rule's environment"


def _block(part):
    return {"kind": part.kind, "parameters": part.parameters}


def _known(wildcards, *names):
    return {name: getattr(wildcards, name) for name in names}


# -- code: the digests of what a command imports, computed names included


def code(*modules):
    """For rules whose code does not depend on wildcards."""
    return codehash.digests(*modules)


def data_code(wildcards):
    kind = STUDY.datasets[wildcards.dataset].kind
    return code("scripts.data", f"unlearn.data.{kind}")


def features_code(wildcards):
    names = checks.featured(STUDY.datasets[wildcards.dataset])
    return code("scripts.features", *(f"unlearn.features.{name}" for name in names))


def request_code(wildcards):
    request = STUDY.requests[wildcards.request]
    return code("scripts.request", *_modules("requests", request))


def train_code(wildcards):
    trainer = STUDY.trainers[wildcards.trainer]
    return code("scripts.train", *_modules("trainers", trainer))


def unlearn_code(wildcards):
    variant = STUDY.variants[wildcards.variant]
    trainer = _modules("trainers", variant.trainer)
    return code("scripts.unlearn", f"unlearn.methods.{variant.kind}", *trainer)


def _modules(family, part):
    used = catalogue.used(family, part.kind, part.parameters)
    return [f"unlearn.{family}.{part.kind}", *used]


def figure_code(wildcards):
    kind = STUDY.experiments[wildcards.experiment].figure["kind"]
    return code("scripts.figure", f"unlearn.figures.{kind}")


def retraining_first(wildcards):
    """Longest jobs first: retraining takes as long as training."""
    return 20 if STUDY.variants[wildcards.variant].kind == "retrain" else 10
