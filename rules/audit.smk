rule oracle:
    """A fleet of a population of oracles: ordinary trainings on what a request keeps."""
    input:
        dataset=DATASET,
        request=REQUEST,
    output:
        fleet=f"{ORACLES}/oracles.safetensors",
        logits=f"{ORACLES}/logits.npy",
        ids=f"{ORACLES}/ids.npy",
        votes=f"{ORACLES}/votes.npy",
        costs=f"{ORACLES}/costs.json",
        record=f"{ORACLES}/record.json",
    log:
        f"{LOGS}/oracles/{CELL}.log",
    priority: 20
    conda:
        "../envs/torch.yaml"
    threads: 1
    resources:
        mem_mb=per_attempt(2000),
        runtime=per_attempt(120),
        gpu=GPUS,
    params:
        job=oracle_job,
        code=oracle_code,
    shell:
        "python -m scripts.start torch oracle --dataset {input.dataset:q} --request {input.request:q}"
        " --job {params.job:q}"
        " --fleet {output.fleet:q} --logits {output.logits:q} --ids {output.ids:q}"
        " --votes {output.votes:q} --costs {output.costs:q}"
        " --record {output.record:q} --code {params.code:q} 2>&1 | tee {log:q}"


rule audit:
    """The metrics of populations, of one method on one request."""
    input:
        audited_records,
        dataset=DATASET,
        request=REQUEST,
    output:
        audit=f"{AUDITED}/audit.csv",
        examples=f"{AUDITED}/examples.npz",
        record=f"{AUDITED}/record.json",
    log:
        f"{LOGS}/audits/{CELL}.log".replace("{fleet}", "{population}"),
    priority: 25
    conda:
        "../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=per_attempt(2000),
        runtime=per_attempt(30),
    params:
        job=audit_job,
        code=metric_code("scripts.audit", *FUNCTION_MODULES),
    shell:
        "python -m scripts.start analysis audit --dataset {input.dataset:q} --request {input.request:q}"
        ' --results "$(dirname {input.dataset:q})"/../.. --job -'
        " --audit {output.audit:q} --examples {output.examples:q}"
        " --record {output.record:q} --code {params.code:q} 2>&1 <<'END' | tee {log:q}\n"
        "{params.job}\nEND"
