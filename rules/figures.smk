rule table:
    """Means, 95 % intervals and tests of one experiment, and the scores of its seeds."""
    input:
        scores=score_records,
        audits=audit_records,
        relearned=relearned_records,
    output:
        table=report(
            TABLE,
            caption="../report/table.rst",
            category="Tables",
            labels={"experiment": "{experiment}"},
        ),
        seeds=f"{TABLES}/{{experiment}}.seeds.csv.gz",
        record=f"{TABLES}/records/{{experiment}}.json",
    log:
        f"{LOGS}/tables/{{experiment}}.log",
    localrule: True
    conda:
        "../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=per_attempt(500),
        runtime=per_attempt(10),
    params:
        job=table_job,
        code=metric_code("scripts.table"),
    shell:
        'python -m scripts.start analysis table --results "$(dirname {output.table:q})"/..'
        " --job - --output {output.table:q} --seeds {output.seeds:q} --record {output.record:q} --code {params.code:q} 2>&1 <<'END' | tee {log:q}\n"
        "{params.job}\nEND"


rule summary:
    """The wide table of one experiment: one row a variant."""
    input:
        table=TABLE,
    output:
        csv=report(
            f"{SUMMARY}.csv",
            caption="../report/table.rst",
            category="Summaries",
            labels={"experiment": "{experiment}"},
        ),
        markdown=f"{SUMMARY}.md",
        latex=f"{SUMMARY}.tex",
        record=f"{RESULTS}/summaries/records/{{experiment}}.json",
    log:
        f"{LOGS}/summaries/{{experiment}}.log",
    localrule: True
    conda:
        "../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=per_attempt(500),
        runtime=per_attempt(10),
    params:
        job=summary_job,
        code=metric_code("scripts.summary"),
    shell:
        "python -m scripts.start analysis summary --table {input.table:q} --job -"
        " --csv {output.csv:q} --markdown {output.markdown:q} --latex {output.latex:q}"
        " --record {output.record:q} --code {params.code:q} 2>&1 <<'END' | tee {log:q}\n"
        "{params.job}\nEND"


rule figure:
    """The figure of one experiment, from its table."""
    input:
        table=TABLE,
    output:
        svg=report(
            f"{FIGURE}.svg",
            caption="../report/figure.rst",
            category="Figures",
            labels={"experiment": "{experiment}"},
        ),
        png=f"{FIGURE}.png",
        record=f"{RESULTS}/figures/records/{{experiment}}.json",
    log:
        f"{LOGS}/figures/{{experiment}}.log",
    localrule: True
    conda:
        "../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=per_attempt(500),
        runtime=per_attempt(10),
    params:
        job=figure_job,
        code=figure_code,
    shell:
        "python -m scripts.start analysis figure --table {input.table:q} --job -"
        " --svg {output.svg:q} --png {output.png:q}"
        " --record {output.record:q} --code {params.code:q} 2>&1 <<'END' | tee {log:q}\n"
        "{params.job}\nEND"
