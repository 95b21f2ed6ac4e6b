rule unlearn:
    """One request served by one method, for the whole fleet."""
    input:
        dataset=DATASET,
        request=REQUEST,
        trained=trained_of,
        choice=choice_of,
    output:
        fleet=f"{UNLEARNED}/unlearned.safetensors",
        logits=f"{UNLEARNED}/logits.npy",
        ids=f"{UNLEARNED}/ids.npy",
        votes=f"{UNLEARNED}/votes.npy",
        costs=f"{UNLEARNED}/costs.json",
        record=f"{UNLEARNED}/record.json",
    log:
        f"{LOGS}/unlearned/{CELL}.log",
    priority: job_priority
    conda:
        "../envs/torch.yaml"
    threads: 1
    resources:
        mem_mb=per_attempt(1500),
        runtime=per_attempt(60),
        gpu=GPUS,
    params:
        job=unlearn_job,
        code=unlearn_code,
    shell:
        "python -m scripts.start torch unlearn --dataset {input.dataset:q} --trained {input.trained:q}"
        " --request {input.request:q} --choice {input.choice:q} --job {params.job:q}"
        " --fleet {output.fleet:q} --logits {output.logits:q} --ids {output.ids:q}"
        " --votes {output.votes:q}"
        " --costs {output.costs:q}"
        " --record {output.record:q} --code {params.code:q} 2>&1 | tee {log:q}"
