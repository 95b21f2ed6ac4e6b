"""The parameters of jobs: what they are told, and the digests of the code that they run."""

import functools
import importlib.metadata
import json

from unlearn.evaluation import placement
from unlearn.models import architectures
from unlearn.study import schema

# -- parameters: one JSON string a job, keys sorted, because Snakemake compares params by value


def as_json(content):
    """The one textual form of a parameter."""
    return json.dumps(content, sort_keys=True)


def dataset_block(wildcards):
    dataset = STUDY.datasets[wildcards.dataset]
    changes = ("features", "noise", "noised", "noised_seed")
    parameters = {k: v for k, v in dataset.parameters.items() if k not in changes}
    return as_json({"kind": dataset.kind, "parameters": parameters})


def noise_job(wildcards):
    """What a job that makes noise is told: the noise, and the model that it is made with."""
    part = STUDY.noises[wildcards.noise]
    kind, size = (part.parameters.get(key) for key in ("model", "size"))
    kind = kind or "logistic"
    model = {"kind": kind, "parameters": architectures.parameters(kind, size)}
    standard = schema.with_defaults({}, schema.read("recipe")["standard"])
    recipe = {"kind": "standard", "parameters": standard}
    trainer = {"kind": "standard", "parameters": {}}
    job = {"noise": _block(part), "model": model, "recipe": recipe, "trainer": trainer}
    return as_json(job | _machine())


def noised_share(wildcards):
    """How many points carry noise, and which."""
    parameters = STUDY.datasets[wildcards.dataset].parameters
    return as_json({"share": parameters["noised"], "seed": parameters["noised_seed"]})


def features_of(wildcards):
    return as_json(compatibility.featured(STUDY.datasets[wildcards.dataset]))


def request_block(wildcards):
    return as_json(_block(STUDY.requests[wildcards.request]))


def train_job(wildcards):
    """What a training job is told."""
    return as_json(_fleet_job(wildcards, STUDY.trainers[wildcards.trainer]))


def unlearn_job(wildcards):
    """What an unlearning job is told."""
    variant = STUDY.variants[wildcards.variant]
    return as_json(_fleet_job(wildcards, variant.trainer) | {"method": _block(variant)})


def score_job(wildcards):
    """The columns that identify a cell's scores, and the names of the references.

    The rate is left out where the sampler has none.
    """
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
    columns |= {} if rate is None else {"rate": rate}
    return as_json({"cell": columns, "references": list(references_of(wildcards))})


def scores_of(wildcards):
    """The score files that a job reads."""
    return as_json(listed_scores(wildcards))


def costs_of(wildcards):
    """The records that a job reads."""
    return as_json(listed_costs(wildcards))


def table_job(wildcards):
    """What a table shows: metrics, splits, and the parameters that become columns."""
    experiment = STUDY.experiments[wildcards.experiment]
    figure = experiment.figure
    pairs = [pair.split("/") for pair in experiment.summary]
    metrics = dict.fromkeys(
        [*figure["y"], *placement.floors(figure), *(metric for metric, _ in pairs)]
    )
    splits = figure["split"] and dict.fromkeys(
        [*figure["split"], *(split for _, split in pairs)]
    )
    return as_json(
        {"y": list(metrics), "split": list(splits), "columns": experiment.columns}
    )


def summary_job(wildcards):
    experiment = STUDY.experiments[wildcards.experiment]
    hidden = experiment.figure["hidden"]
    return as_json({"columns": experiment.summary, "hidden": hidden})


def figure_job(wildcards):
    return as_json(STUDY.experiments[wildcards.experiment].figure)


def picture_classes(wildcards):
    return STUDY.pictures[wildcards.picture].classes


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
        **_machine(),
    }


def _machine():
    """What decides about arithmetic."""
    settings = {key: STUDY.settings[key] for key in ("device", "precision")}
    return settings | {"torch": _torch_version()}


@functools.cache
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
    return code("scripts.data", registry.module("data", kind))


def features_code(wildcards):
    names = compatibility.featured(STUDY.datasets[wildcards.dataset])
    return code("scripts.features", *(registry.module("features", name) for name in names))


def noise_code(wildcards):
    noise = STUDY.noises[wildcards.noise]
    return code(
        "scripts.noise", registry.module("noises", noise.kind), "unlearn.trainers.standard"
    )


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
    used = registry.used(family, part.kind, part.parameters)
    return [registry.module(family, part.kind), *used]


def figure_code(wildcards):
    kind = STUDY.experiments[wildcards.experiment].figure["kind"]
    return code("scripts.figure", registry.module("figures", kind))


def retraining_first(wildcards):
    """Longest jobs first: retraining takes as long as training."""
    return 20 if STUDY.variants[wildcards.variant].kind == "retrain" else 10
