rule report:
    """Figures, tables and what was run, in one page that needs no network.

    The records of costs that it reads are there, because the scores were made from them.
    """
    input:
        tables=tables(),
        figures=figures(),
        pictures=pictures(),
        trials=trial_figures(),
        summaries=[path for path in summaries() if path.endswith(".csv")],
        scores=SCORES,
        datasets=expand(DATASET, dataset=STUDY.datasets),
        captions=["report/figure.rst", "report/table.rst", "report/picture.rst"],
        style="report/style.css",
    output:
        report=REPORT,
        overview=OVERVIEW,
        provenance=f"{RESULTS}/provenance.json",
        study=f"{RESULTS}/study.json",
        record=f"{RESULTS}/records/report.json",
    log:
        f"{LOGS}/report.log",
    localrule: True
    conda:
        "../envs/workflow.yaml"
    threads: 1
    resources:
        mem_mb=per_attempt(1000),
        runtime=per_attempt(15),
    params:
        job=report_job,
        code=metric_code("scripts.report"),
    shell:
        "python -m scripts.start workflow report --job - --scores {input.scores:q}"
        " --tables {input.tables:q}"
        " --figures {input.figures:q} {input.pictures:q} {input.trials:q} {input.summaries:q}"
        " --datasets {input.datasets:q}"
        ' --results "$(dirname {output.report:q})" --report {output.report:q} --overview {output.overview:q}'
        " --provenance {output.provenance:q} --study {output.study:q}"
        " --record {output.record:q} --code {params.code:q} 2>&1 <<'END' | tee {log:q}\n"
        "{params.job}\nEND"


rule complete:
    """Ends the run with an error if a method failed or a cell is refused, after everything else."""
    input:
        costs=cost_files,
        report=REPORT,
    output:
        complete=COMPLETE,
        record=f"{RESULTS}/records/complete.json",
    log:
        f"{LOGS}/complete.log",
    localrule: True
    conda:
        "../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=per_attempt(500),
        runtime=per_attempt(10),
    params:
        job=complete_job,
        code=code("scripts.complete"),
    shell:
        'python -m scripts.start analysis complete --results "$(dirname {output.complete:q})"'
        " --report {input.report:q} --job - --output {output.complete:q} --record {output.record:q} --code {params.code:q} 2>&1 <<'END' | tee {log:q}\n"
        "{params.job}\nEND"
