"""Certificates: asked for by their names alone, because nothing else reads them."""


def certificate_job(wildcards):
    is_tuned = wildcards.variant in STUDY.tunings
    return as_json(
        {
            "cell": cell_of(wildcards)._asdict(),
            "tuned_on": STUDY.pilots[wildcards.request] if is_tuned else None,
        }
    )


rule certificate:
    """What one cell promises of the points that it has deleted."""
    input:
        dataset=DATASET,
        request=REQUEST,
        trained=trained_of,
        unlearned=f"{UNLEARNED}/record.json",
        costs=f"{UNLEARNED}/costs.json",
        scores=f"{SCORED}/record.json",
        tuning=choice_of,
    output:
        certificate=f"{CERTIFIED}/certificate.json",
        record=f"{CERTIFIED}/record.json",
    log:
        f"{LOGS}/certificates/{CELL}.log",
    conda:
        "../envs/workflow.yaml"
    threads: 1
    resources:
        mem_mb=per_attempt(1000),
        runtime=per_attempt(15),
    params:
        job=certificate_job,
        code=metric_code("scripts.certificate"),
    shell:
        'python -m scripts.start workflow certificate --results "$(dirname {input.dataset:q})"/../..'
        " --job {params.job:q} --output {output.certificate:q}"
        " --record {output.record:q} --code {params.code:q} 2>&1 | tee {log:q}"
