rule picture_table:
    """The pixels of some noisy images, before and after."""
    input:
        clean=clean_of_picture,
        noisy=noisy_of_picture,
    output:
        table=report(
            PICTURE_TABLE,
            caption="../report/picture.rst",
            category="Tables",
            labels={"experiment": "{picture}"},
        ),
        record=f"{TABLES}/records/{{picture}}.json",
    log:
        f"{LOGS}/tables/{{picture}}.log",
    localrule: True
    conda:
        "../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=per_attempt(1000),
        runtime=per_attempt(10),
    params:
        classes=picture_classes,
        code=code("scripts.picture_table"),
    shell:
        "python -m scripts.start analysis picture_table --clean {input.clean:q} --noisy {input.noisy:q}"
        " --classes {params.classes:q} --output {output.table:q}"
        " --record {output.record:q} --code {params.code:q} 2>&1 | tee {log:q}"


rule picture:
    """Images, their noise and their sum, from their table."""
    input:
        table=PICTURE_TABLE,
    output:
        svg=report(
            f"{PICTURE}.svg",
            caption="../report/picture.rst",
            category="Figures",
            labels={"experiment": "{picture}"},
        ),
        png=f"{PICTURE}.png",
        record=f"{RESULTS}/figures/records/{{picture}}.json",
    log:
        f"{LOGS}/figures/{{picture}}.log",
    localrule: True
    conda:
        "../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=per_attempt(500),
        runtime=per_attempt(10),
    params:
        code=code("scripts.picture"),
    shell:
        "python -m scripts.start analysis picture --table {input.table:q}"
        " --svg {output.svg:q} --png {output.png:q} --record {output.record:q} --code {params.code:q} 2>&1 | tee {log:q}"
