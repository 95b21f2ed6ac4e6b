rule data:
    """One data set as memory-mappable arrays."""
    output:
        dataset=DATASET,
        arrays=[
            dataset_files(f"{name}.npy")
            for name in (
                "train_images",
                "train_labels",
                "test_images",
                "test_labels",
                "held_out",
                "sample",
            )
        ],
    log:
        f"{LOGS}/data/{{dataset}}.log",
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
