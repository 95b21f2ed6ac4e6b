rule request:
    """The points that a request deletes or adds."""
    input:
        dataset=DATASET,
        ids=id_files,
        scores=point_scores_of,
    output:
        request=f"{REQUESTS}/request.npz",
        record=REQUEST,
    log:
        f"{LOGS}/requests/{{dataset}}/{{request}}.log",
    priority: 35
    conda:
        "../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=per_attempt(1500),
        runtime=per_attempt(30),
    params:
        request=request_block,
        code=request_code,
    shell:
        "python -m scripts.start analysis request --dataset {input.dataset:q} --request {params.request:q}"
        " --ids {input.ids:q} --scores {input.scores:q} --output {output.request:q}"
        " --record {output.record:q} --code {params.code:q} 2>&1 | tee {log:q}"
