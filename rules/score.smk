rule score:
    """The metrics of one cell, from logits, weights and costs."""
    input:
        unpack(compared_fleets),
        dataset=DATASET,
        request=REQUEST,
        scoring=point_scores_of,
        tuning=choice_of,
    output:
        scores=f"{SCORED}/scores.csv",
        gates=f"{SCORED}/gates.json",
        record=f"{SCORED}/record.json",
    log:
        f"{LOGS}/scores/{CELL}.log",
    priority: 25
    conda:
        "../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=per_attempt(1000),
        runtime=per_attempt(15),
    params:
        job=score_job,
        code=metric_code("scripts.score"),
    shell:
        "python -m scripts.start analysis score --dataset {input.dataset:q} --request {input.request:q}"
        " --trained {input.trained:q} --unlearned {input.unlearned:q}"
        " --oracle {input.oracle:q} --original {input.original:q} --references {input.references:q} --noise {input.noise:q}"
        " --scoring {input.scoring:q} --tuning {input.tuning:q} --job {params.job:q} --output {output.scores:q} --gates {output.gates:q}"
        " --record {output.record:q} --code {params.code:q} 2>&1 | tee {log:q}"


rule scores:
    """The scores of all cells in one file."""
    input:
        score_records,
    output:
        scores=SCORES,
        record=f"{RESULTS}/records/scores.json",
    log:
        f"{LOGS}/scores.log",
    localrule: True
    conda:
        "../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=per_attempt(500),
        runtime=per_attempt(10),
    params:
        job=scores_of,
        code=code("scripts.scores"),
    shell:
        'python -m scripts.start analysis scores --results "$(dirname {output.scores:q})"'
        " --job - --output {output.scores:q} --record {output.record:q} --code {params.code:q} 2>&1 <<'END' | tee {log:q}\n"
        "{params.job}\nEND"
