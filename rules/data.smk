rule data:
    """One data set as memory-mappable arrays."""
    input:
        files=data_files,
    output:
        dataset=f"{DATA}/dataset.json",
        arrays=ARRAYS,
        record=DATASET,
    log:
        f"{LOGS}/data/{{dataset}}.log",
    wildcard_constraints:
        dataset=one_of(PLAIN),
    priority: 40
    localrule: True
    conda:
        "../envs/torch.yaml"
    threads: 1
    resources:
        mem_mb=per_attempt(1500),
        runtime=per_attempt(60),
    params:
        dataset=dataset_block,
        code=data_code,
    shell:
        'python -m scripts.start torch data --dataset {params.dataset:q} --folder "$UNLEARN_DATA"'
        " --output {output.dataset:q} --arrays {output.arrays:q} --record {output.record:q} --code {params.code:q} 2>&1 | tee {log:q}"


rule features:
    """Features of the images of a data set, in place of the images."""
    input:
        dataset=source_of,
    output:
        dataset=f"{DATA}/dataset.json",
        arrays=ARRAYS,
        record=DATASET,
    log:
        f"{LOGS}/features/{{dataset}}.log",
    wildcard_constraints:
        dataset=one_of(FEATURED),
    priority: 38
    conda:
        "../envs/torch.yaml"
    threads: 1
    resources:
        mem_mb=per_attempt(3000),
        runtime=per_attempt(120),
    params:
        features=features_of,
        code=features_code,
    shell:
        "python -m scripts.start torch features --dataset {input.dataset:q}"
        " --features {params.features:q} --output {output.dataset:q} --arrays {output.arrays:q}"
        " --record {output.record:q} --code {params.code:q} 2>&1 | tee {log:q}"


rule noise:
    """Noise for the images of a data set, made with a model of its own."""
    input:
        dataset=DATASET,
    output:
        noise=f"{NOISES}/noise.json",
        values=f"{NOISES}/noise.npy",
        costs=f"{NOISES}/costs.json",
        record=NOISE,
    log:
        f"{LOGS}/noise/{{dataset}}/{{noise}}.log",
    wildcard_constraints:
        dataset=one_of(PLAIN),
    priority: 39
    conda:
        "../envs/torch.yaml"
    threads: 1
    resources:
        mem_mb=per_attempt(3000),
        runtime=per_attempt(240),
        gpu=GPUS,
    params:
        job=noise_job,
        code=noise_code,
    shell:
        "python -m scripts.start torch noise --dataset {input.dataset:q} --job {params.job:q}"
        " --output {output.noise:q} --values {output.values:q} --costs {output.costs:q}"
        " --record {output.record:q} --code {params.code:q} 2>&1 | tee {log:q}"


rule noised:
    """A data set whose training images, or a share of them, carry noise."""
    input:
        dataset=source_of,
        noise=noise_of,
    output:
        dataset=f"{DATA}/dataset.json",
        arrays=ARRAYS,
        record=DATASET,
    log:
        f"{LOGS}/noised/{{dataset}}.log",
    wildcard_constraints:
        dataset=one_of(NOISED),
    priority: 38
    conda:
        "../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=per_attempt(1500),
        runtime=per_attempt(30),
    params:
        share=noised_share,
        code=code("scripts.noised"),
    shell:
        "python -m scripts.start analysis noised --dataset {input.dataset:q} --noise {input.noise:q}"
        " --share {params.share:q} --output {output.dataset:q} --arrays {output.arrays:q}"
        " --record {output.record:q} --code {params.code:q} 2>&1 | tee {log:q}"


rule squeezed:
    """A data set whose training images are squeezed, so that less of their noise is left."""
    input:
        dataset=source_of,
    output:
        dataset=f"{DATA}/dataset.json",
        arrays=ARRAYS,
        record=DATASET,
    log:
        f"{LOGS}/squeezed/{{dataset}}.log",
    wildcard_constraints:
        dataset=one_of(SQUEEZED),
    priority: 38
    conda:
        "../envs/torch.yaml"
    threads: 1
    resources:
        mem_mb=per_attempt(1500),
        runtime=per_attempt(30),
    params:
        squeeze=squeeze_of,
        code=squeezed_code,
    shell:
        "python -m scripts.start torch squeezed --dataset {input.dataset:q}"
        " --squeeze {params.squeeze:q} --output {output.dataset:q} --arrays {output.arrays:q}"
        " --record {output.record:q} --code {params.code:q} 2>&1 | tee {log:q}"


rule swapped:
    """A data set in which points of two classes have exchanged their labels."""
    input:
        dataset=source_of,
    output:
        dataset=f"{DATA}/dataset.json",
        arrays=ARRAYS,
        record=DATASET,
    log:
        f"{LOGS}/swapped/{{dataset}}.log",
    wildcard_constraints:
        dataset=one_of(SWAPPED),
    priority: 38
    conda:
        "../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=per_attempt(1500),
        runtime=per_attempt(30),
    params:
        swap=swap_of,
        code=code("scripts.swapped"),
    shell:
        "python -m scripts.start analysis swapped --dataset {input.dataset:q} --swap {params.swap:q}"
        " --output {output.dataset:q} --arrays {output.arrays:q}"
        " --record {output.record:q} --code {params.code:q} 2>&1 | tee {log:q}"
