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
