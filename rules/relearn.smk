rule relearn:
    """Fine-tuning of the unlearned models on half of the deleted points, scored on the other."""
    input:
        dataset=DATASET,
        request=REQUEST,
        trained=trained_of,
        unlearned=f"{UNLEARNED}/record.json",
        costs=f"{UNLEARNED}/costs.json",
    output:
        relearned=f"{RELEARNED}/relearned.csv",
        record=f"{RELEARNED}/record.json",
    log:
        f"{LOGS}/relearned/{{relearning}}/{CELL}.log",
    priority: 25
    conda:
        "../envs/torch.yaml"
    threads: 1
    resources:
        mem_mb=per_attempt(1500),
        runtime=per_attempt(30),
        gpu=GPUS,
    params:
        job=relearn_job,
        code=relearn_code,
    shell:
        "python -m scripts.start torch relearn --dataset {input.dataset:q} --request {input.request:q}"
        " --trained {input.trained:q} --unlearned {input.unlearned:q}"
        " --job {params.job:q} --output {output.relearned:q}"
        " --record {output.record:q} --code {params.code:q} 2>&1 | tee {log:q}"
