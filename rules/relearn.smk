"""Relearning: how soon unlearned models learn again what they have forgotten."""

RELEARNED = f"{RESULTS}/relearned/{{relearning}}/{CELL}"


def relearned_of(experiment):
    """The curves of an experiment's cells, as `grid.files` lists them; none without relearning."""
    relearning = STUDY.experiments[experiment].relearning
    if relearning is None:
        return None
    folder = _path_in_results(RELEARNED).replace("{relearning}", relearning)
    return {
        "grids": [STUDY.experiments[experiment].grid],
        "patterns": [f"{folder}/relearned.csv"],
    }


def relearned_records(wildcards):
    listing = relearned_of(wildcards.experiment)
    paths = grid.files(listing, RESULTS) if listing else []
    return [f"{os.path.dirname(path)}/record.json" for path in paths]


def relearn_job(wildcards):
    return as_json(JOBS.relearn(cell_of(wildcards), wildcards.relearning))


def relearn_code(wildcards):
    modules = JOBS.unlearn(cell_of(wildcards)).modules()
    return code("scripts.relearn", *modules)


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
