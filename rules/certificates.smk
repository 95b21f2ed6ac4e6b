"""Certificates, asked for by their names alone, and audits of certified methods from below."""


def certificate_audit_files():
    """The table and the figure of every audit."""
    tables = [
        AUDIT_TABLE.format(certificate_audit=name) for name in STUDY.certificate_audits
    ]
    figures = [
        f"{AUDIT_FIGURE.format(certificate_audit=name)}.{kind}"
        for name in STUDY.certificate_audits
        for kind in ("svg", "png")
    ]
    return tables + figures


def certificate_audit_job(wildcards):
    return as_json(JOBS.certificate_audit(wildcards.certificate_audit))


def certificate_audit_code(wildcards):
    modules = JOBS.certificate_audit_modules(wildcards.certificate_audit)
    return code("scripts.certified_audit", *modules)


def certificate_job(wildcards):
    is_tuned = wildcards.variant in STUDY.tunings
    return as_json(
        {
            "cell": cell_of(wildcards)._asdict(),
            "tuned_on": STUDY.pilots[wildcards.request] if is_tuned else None,
        }
    )


def certificate_code(wildcards):
    trainer = STUDY.variants[wildcards.variant].trainer.block()
    modules = registry.modules("trainers", trainer)
    return metric_code("scripts.certificate", *modules)


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
        code=certificate_code,
    shell:
        'python -m scripts.start workflow certificate --results "$(dirname {input.dataset:q})"/../..'
        " --job {params.job:q} --output {output.certificate:q}"
        " --record {output.record:q} --code {params.code:q} 2>&1 | tee {log:q}"


rule certified_audit:
    """Lower bounds of what certified methods leak, beside what they certify."""
    input:
        STALE_LIMIT,
    output:
        table=report(
            AUDIT_TABLE,
            caption="../report/certified_audit.rst",
            category="Tables",
            labels={"experiment": "{certificate_audit}"},
        ),
        record=f"{TABLES}/records/{{certificate_audit}}.json",
    log:
        f"{LOGS}/tables/{{certificate_audit}}.log",
    conda:
        "../envs/torch.yaml"
    threads: 1
    resources:
        mem_mb=per_attempt(1500),
        runtime=per_attempt(30),
    params:
        job=certificate_audit_job,
        code=certificate_audit_code,
    shell:
        "python -m scripts.start torch certified_audit --job {params.job:q} --output {output.table:q}"
        " --record {output.record:q} --code {params.code:q} 2>&1 | tee {log:q}"


rule certified_audit_figure:
    """Lower bounds against certificates, with controls whose noise is wrong."""
    input:
        table=AUDIT_TABLE,
    output:
        svg=report(
            f"{AUDIT_FIGURE}.svg",
            caption="../report/certified_audit.rst",
            category="Figures",
            labels={"experiment": "{certificate_audit}"},
        ),
        png=f"{AUDIT_FIGURE}.png",
        record=f"{RESULTS}/figures/records/{{certificate_audit}}.json",
    log:
        f"{LOGS}/figures/{{certificate_audit}}.log",
    localrule: True
    conda:
        "../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=per_attempt(500),
        runtime=per_attempt(10),
    params:
        code=code("scripts.certified_audit_figure"),
    shell:
        "python -m scripts.start analysis certified_audit_figure --table {input.table:q}"
        " --svg {output.svg:q} --png {output.png:q} --record {output.record:q} --code {params.code:q} 2>&1 | tee {log:q}"
