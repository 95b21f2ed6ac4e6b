"""Scores of training points for samplers that ask for them: models on random subsets."""

from unlearn.requests.scoring import FLEET_MODELS

SCORERS = f"{RESULTS}/memorisation/{{dataset}}/{{scoring}}/fleets/{{block}}"
SCORED_POINTS = f"{RESULTS}/memorisation/{{dataset}}/{{scoring}}/{{models}}"
SCORED_POINTS_RECORD = f"{SCORED_POINTS}/record.json"

SCORINGS = {
    (dataset, scoring.name): scoring for (dataset, _), scoring in STUDY.scorings.items()
}
"""By data set and name: any of those that differ in the number of models alone."""


def point_scores_of(wildcards):
    """The scores that the request of wildcards reads, if it reads any."""
    scoring = STUDY.scorings.get((wildcards.dataset, wildcards.request))
    if scoring is None:
        return []
    names = {"scoring": scoring.name, "models": scoring.models}
    return [SCORED_POINTS_RECORD.format(dataset=wildcards.dataset, **names)]


def scorers_of(wildcards):
    """The fleets of scoring models that scores are made from."""
    names = {"dataset": wildcards.dataset, "scoring": wildcards.scoring}
    blocks = range(int(wildcards.models) // FLEET_MODELS)
    return [f"{SCORERS}/record.json".format(block=block, **names) for block in blocks]


def scored_artefacts():
    """Every artefact that scored requests read: its rule and wildcards."""
    for (dataset, _), scoring in STUDY.scorings.items():
        names = {"dataset": dataset, "scoring": scoring.name}
        for block in scoring.fleets:
            yield "scorers", names | {"block": str(block)}
        yield "memorisation", names | {"models": str(scoring.models)}


def _scorers_job(wildcards):
    scoring = SCORINGS[wildcards.dataset, wildcards.scoring]
    return JOBS.scorers(scoring, int(wildcards.block))


def scorers_job(wildcards):
    return as_json(_scorers_job(wildcards).describe())


def scorers_code(wildcards):
    return code("scripts.scorers", *_scorers_job(wildcards).modules())


def scoring_models(wildcards):
    return wildcards.models


rule scorers:
    """Ten models on random subsets of base training; their predictions for all of it."""
    input:
        dataset=DATASET,
    output:
        predictions=f"{SCORERS}/predictions.npz",
        costs=f"{SCORERS}/costs.json",
        record=f"{SCORERS}/record.json",
    log:
        f"{LOGS}/memorisation/{{dataset}}/{{scoring}}/fleets/{{block}}.log",
    wildcard_constraints:
        scoring=one_of(scoring.name for scoring in STUDY.scorings.values()),
        block=r"\d+",
    priority: 37
    conda:
        "../envs/torch.yaml"
    threads: 1
    resources:
        mem_mb=per_attempt(2000),
        runtime=per_attempt(240),
        gpu=GPUS,
    params:
        job=scorers_job,
        code=scorers_code,
    shell:
        "python -m scripts.start torch scorers --dataset {input.dataset:q} --job {params.job:q}"
        " --output {output.predictions:q} --costs {output.costs:q}"
        " --record {output.record:q} --code {params.code:q} 2>&1 | tee {log:q}"


rule memorisation:
    """The scores of the points in base training, from all scoring models."""
    input:
        dataset=DATASET,
        scorers=scorers_of,
    output:
        scores=f"{SCORED_POINTS}/memorisation.npz",
        costs=f"{SCORED_POINTS}/costs.json",
        record=SCORED_POINTS_RECORD,
    log:
        f"{LOGS}/memorisation/{{dataset}}/{{scoring}}/{{models}}.log",
    wildcard_constraints:
        scoring=one_of(scoring.name for scoring in STUDY.scorings.values()),
        models=r"\d+",
    priority: 36
    conda:
        "../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=per_attempt(1000),
        runtime=per_attempt(10),
    params:
        models=scoring_models,
        code=code("scripts.memorisation"),
    shell:
        "python -m scripts.start analysis memorisation --dataset {input.dataset:q}"
        " --scorers {input.scorers:q} --models {params.models:q}"
        " --output {output.scores:q} --costs {output.costs:q}"
        " --record {output.record:q} --code {params.code:q} 2>&1 | tee {log:q}"
