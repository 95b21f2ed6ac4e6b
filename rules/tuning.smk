rule choice:
    """The parameters of a tuned method, chosen among its trials on pilot models."""
    input:
        dataset=DATASET,
        request=REQUEST,
        trials=trials_of,
        reference=reference_of,
    output:
        choice=f"{TUNED}/choice.json",
        table=f"{TUNED}/trials.csv",
        costs=f"{TUNED}/costs.json",
        record=CHOICE,
    log:
        f"{LOGS}/tuning/{{dataset}}/{{model}}/{{variant}}/{{request}}.log",
    wildcard_constraints:
        variant=one_of(STUDY.tunings),
    priority: 30
    conda:
        "../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=per_attempt(1000),
        runtime=per_attempt(15),
    params:
        job=choice_job,
        code=metric_code("scripts.choice"),
    shell:
        "python -m scripts.start analysis choice --dataset {input.dataset:q} --request {input.request:q}"
        ' --results "$(dirname {input.dataset:q})"/../.. --reference {input.reference:q} --job -'
        " --choice {output.choice:q} --table {output.table:q} --costs {output.costs:q}"
        " --record {output.record:q} --code {params.code:q} 2>&1 <<'END' | tee {log:q}\n"
        "{params.job}\nEND"


rule trials:
    """All trials of the tuned methods of an experiment, in one table."""
    input:
        choices_of,
    output:
        table=TRIALS,
        record=f"{TABLES}/records/{{experiment}}.trials.json",
    log:
        f"{LOGS}/tables/{{experiment}}.trials.log",
    wildcard_constraints:
        experiment=one_of(TUNED_EXPERIMENTS),
    localrule: True
    conda:
        "../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=per_attempt(500),
        runtime=per_attempt(10),
    params:
        job=trials_job,
        code=metric_code("scripts.trials"),
    shell:
        'python -m scripts.start analysis trials --results "$(dirname {output.table:q})"/..'
        " --job - --output {output.table:q}"
        " --record {output.record:q} --code {params.code:q} 2>&1 <<'END' | tee {log:q}\n"
        "{params.job}\nEND"


rule sensitivity:
    """The figure of all trials of an experiment: how much its parameters matter to a method."""
    input:
        table=TRIALS,
    output:
        svg=report(
            f"{SENSITIVITY}.svg",
            caption="../report/trials.rst",
            category="Tuning",
            labels={"experiment": "{experiment}"},
        ),
        png=f"{SENSITIVITY}.png",
        record=f"{RESULTS}/figures/records/{{experiment}}.trials.json",
    log:
        f"{LOGS}/figures/{{experiment}}.trials.log",
    wildcard_constraints:
        experiment=one_of(TUNED_EXPERIMENTS),
    localrule: True
    conda:
        "../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=per_attempt(500),
        runtime=per_attempt(10),
    params:
        job=sensitivity_job,
        code=metric_code("scripts.sensitivity"),
    shell:
        "python -m scripts.start analysis sensitivity --table {input.table:q} --job -"
        " --svg {output.svg:q} --png {output.png:q}"
        " --record {output.record:q} --code {params.code:q} 2>&1 <<'END' | tee {log:q}\n"
        "{params.job}\nEND"
