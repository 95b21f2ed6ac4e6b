rule train:
    """The fleet of one model by one trainer, on the base training set."""
    input:
        dataset=DATASET,
        checkpoints=checkpoint_files,
    output:
        fleet=f"{TRAINED}/trained.safetensors",
        logits=f"{TRAINED}/logits.npy",
        ids=f"{TRAINED}/ids.npy",
        votes=f"{TRAINED}/votes.npy",
        constituents=f"{TRAINED}/constituents.safetensors",
        costs=f"{TRAINED}/costs.json",
        record=f"{TRAINED}/record.json",
    log:
        f"{LOGS}/trained/{{dataset}}/{{model}}/{{trainer}}/{{fleet}}.log",
    cache: True  # shared between workflows where SNAKEMAKE_OUTPUT_CACHE is set; hashes params
    priority: 30
    conda:
        "../envs/torch.yaml"
    threads: 1
    resources:
        mem_mb=per_attempt(2000),
        runtime=per_attempt(120),
        gpu=GPUS,
    params:
        job=train_job,
        code=train_code,
    shell:
        "python -m scripts.start torch train --dataset {input.dataset:q} --job {params.job:q}"
        " --fleet {output.fleet:q} --logits {output.logits:q} --ids {output.ids:q}"
        " --votes {output.votes:q}"
        " --constituents {output.constituents:q} --costs {output.costs:q}"
        " --record {output.record:q} --code {params.code:q} 2>&1 | tee {log:q}"
