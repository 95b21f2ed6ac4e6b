rule data:
    """One data set as memory-mappable arrays."""
    output:
        dataset=DATASET,
        arrays=ARRAYS,
    log:
        f"{LOGS}/data/{{dataset}}.log",
    wildcard_constraints:
        dataset=one_of(PIXELS),
    priority: 40
    conda:
        "../envs/torch.yaml"
    threads: 1
    resources:
        mem_mb=1500,
        runtime=60,
    params:
        dataset=dataset_block,
        code=data_code,
    shell:
        'python -m scripts.data --dataset {params.dataset:q} --folder "$UNLEARN_DATA"'
        " --output {output.dataset:q} --code {params.code:q} 2>&1 | tee {log:q}"


rule features:
    """Features of the images of a data set, in place of the images."""
    input:
        dataset=source_of,
    output:
        dataset=DATASET,
        arrays=ARRAYS,
    log:
        f"{LOGS}/features/{{dataset}}.log",
    wildcard_constraints:
        dataset=one_of(FEATURES),
    priority: 38
    conda:
        "../envs/torch.yaml"
    threads: 1
    resources:
        mem_mb=3000,
        runtime=120,
    params:
        features=features_of,
        code=features_code,
    shell:
        "python -m scripts.features --dataset {input.dataset:q}"
        " --features {params.features:q} --output {output.dataset:q}"
        " --code {params.code:q} 2>&1 | tee {log:q}"
