rule request:
    """The points that a request deletes or adds."""
    input:
        dataset=DATASET,
        ids=id_files,
        scores=[],
    output:
        request=f"{REQUESTS}/request.npz",
        record=REQUEST,
    log:
        f"{LOGS}/requests/{{dataset}}/{{request}}.log",
    wildcard_constraints:
        request=one_of(STUDY.requests.keys() - SCORED_REQUESTS),
    priority: 35
    conda:
        "../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=for_request(of_images=1500, of_labels=500),
        runtime=for_request(of_images=30, of_labels=10),
    params:
        request=request_block,
        code=request_code,
    shell:
        "python -m scripts.start analysis request --dataset {input.dataset:q} --request {params.request:q}"
        " --ids {input.ids:q} --scores {input.scores:q} --output {output.request:q}"
        " --record {output.record:q} --code {params.code:q} 2>&1 | tee {log:q}"


# A rule of its own, because clusters group `request` with what the scoring models wait for.
use rule request as scored_request with:
    input:
        dataset=DATASET,
        ids=[],
        scores=point_scores_of,
    wildcard_constraints:
        request=one_of(SCORED_REQUESTS),
