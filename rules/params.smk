"""The parameters of jobs: their descriptions as JSON, and the digests of the code that they run."""

from unlearn.metrics.audit_rows import FUNCTION_MODULES
from unlearn.metrics.catalogue import ENTRY_POINTS
from unlearn.study.jobs import Jobs, as_json

JOBS = Jobs(STUDY)

# -- descriptions ------------------------------------------------------------------------------
# What grows with a study goes to a command's standard input: an argument on Linux holds 128 KiB.


def dataset_block(wildcards):
    return as_json(JOBS.data(wildcards.dataset))


def features_of(wildcards):
    return as_json(JOBS.features(wildcards.dataset))


def noise_job(wildcards):
    return as_json(JOBS.noise(wildcards.noise).describe())


def noised_share(wildcards):
    return as_json(JOBS.noise_share(wildcards.dataset))


def squeeze_of(wildcards):
    return as_json(JOBS.squeeze(wildcards.dataset))


def swap_of(wildcards):
    return as_json(JOBS.swap(wildcards.dataset))


def request_block(wildcards):
    return as_json(JOBS.request(wildcards.request))


def train_job(wildcards):
    return as_json(_train_job(wildcards).describe())


def unlearn_job(wildcards):
    return as_json(JOBS.unlearn(cell_of(wildcards)).describe())


def relearn_job(wildcards):
    return as_json(JOBS.relearn(cell_of(wildcards), wildcards.relearning))


def score_job(wildcards):
    return as_json(JOBS.score(cell_of(wildcards), references_of(wildcards)))


def oracle_job(wildcards):
    return as_json(JOBS.oracle(cell_of(wildcards)).describe())


def audit_job(wildcards):
    job = JOBS.audit(audited_cell(wildcards))
    return as_json(job | {"groups": audit_listings(wildcards)})


def scores_of(wildcards):
    return as_json(score_listing(wildcards))


def gate_listing(wildcards):
    """Why the cells are refused or flagged, as `grid.files` lists it."""
    return _scored_files(wildcards, "gates.json")


def complete_job(wildcards):
    return as_json({"costs": cost_listing(wildcards), "gates": gate_listing(wildcards)})


def table_job(wildcards):
    job = JOBS.table(wildcards.experiment)
    listings = {"scores": score_listing(wildcards), "audits": audit_listing(wildcards)}
    relearned = relearned_of(wildcards.experiment)
    return as_json(job | listings | ({"relearned": relearned} if relearned else {}))


def relearned_of(experiment):
    """The curves of an experiment's cells, as `grid.files` lists them; none without relearning."""
    name = STUDY.experiments[experiment].relearning
    if name is None:
        return None
    pattern = f"{RELEARNED}/relearned.csv".replace("{relearning}", name)
    return [_listed_files(pattern, [STUDY.experiments[experiment].grid])]


def relearned_records(wildcards):
    listing = relearned_of(wildcards.experiment)
    paths = grid.files(listing, RESULTS) if listing else []
    return [f"{os.path.dirname(path)}/record.json" for path in paths]


def summary_job(wildcards):
    return as_json(JOBS.summary(wildcards.experiment))


def figure_job(wildcards):
    return as_json(JOBS.figure(wildcards.experiment))


def picture_classes(wildcards):
    return STUDY.pictures[wildcards.picture].classes


def report_job(wildcards):
    return as_json(
        {
            "config": config,
            "experiments": JOBS.experiments(),
            "guarantees": JOBS.guarantees(),
            "costs": cost_listing(wildcards),
            "gates": gate_listing(wildcards),
        }
    )


def _train_job(wildcards):
    return JOBS.train(
        wildcards.dataset, wildcards.model, wildcards.trainer, wildcards.fleet
    )


# -- code: the digests of what a command imports, computed names included


def code(*modules):
    """For rules whose code does not depend on wildcards."""
    return codehash.digests(*modules)


def metric_code(*modules):
    """For rules that read the catalogue of metrics, to which installed packages add."""
    return code(*modules, *(point.module for point in ENTRY_POINTS))


def data_code(wildcards):
    return code("scripts.data", *JOBS.data_modules(wildcards.dataset))


def features_code(wildcards):
    return code("scripts.features", *JOBS.features_modules(wildcards.dataset))


def squeezed_code(wildcards):
    return code("scripts.squeezed", *JOBS.squeeze_modules(wildcards.dataset))


def noise_code(wildcards):
    return code("scripts.noise", *JOBS.noise(wildcards.noise).modules())


def request_code(wildcards):
    return code("scripts.request", *JOBS.request_modules(wildcards.request))


def train_code(wildcards):
    return code("scripts.train", *_train_job(wildcards).modules())


def unlearn_code(wildcards):
    return code("scripts.unlearn", *JOBS.unlearn(cell_of(wildcards)).modules())


def oracle_code(wildcards):
    return code("scripts.oracle", *JOBS.oracle(cell_of(wildcards)).modules())


def relearn_code(wildcards):
    return code("scripts.relearn", *JOBS.unlearn(cell_of(wildcards)).modules())


def figure_code(wildcards):
    kind = STUDY.experiments[wildcards.experiment].figure["kind"]
    return metric_code("scripts.figure", registry.module("figures", kind))


def job_priority(wildcards):
    """Longest jobs first: retraining takes as long as training."""
    return 20 if STUDY.variants[wildcards.variant].kind == "retrain" else 10
