"""Tuning: the choice among the trials of a method, and what it is made from."""

TUNED = f"{RESULTS}/tuning/{{dataset}}/{{model}}/{{variant}}/{{request}}"
CHOICE = f"{TUNED}/record.json"
TRIALS = f"{TABLES}/{{experiment}}.trials.csv"
SENSITIVITY = f"{RESULTS}/figures/{{experiment}}.trials"

TUNED_EXPERIMENTS = [
    name for name in STUDY.experiments if any(JOBS.choices(name).cells())
]
"""The experiments with a tuned method that can serve a request."""


def choice_of(wildcards):
    """The choice that a cell's parameters come from, if its method is tuned."""
    if wildcards.variant not in STUDY.tunings:
        return []
    names = _names(wildcards, "dataset", "model", "variant")
    return [CHOICE.format(request=STUDY.pilots[wildcards.request], **names)]


def trials_of(wildcards):
    """The fleets of the trials of a tuned variant."""
    return grid.files(_choice(wildcards)["fleets"], RESULTS)


def reference_of(wildcards):
    """The fleet that trials are judged by: the originals, or the oracles."""
    variant = STUDY.variants[wildcards.variant]
    is_oracle = STUDY.tunings[wildcards.variant].track == "oracle"
    names = _names(wildcards, "dataset", "model", "request")
    names["variant"] = variant.oracle if is_oracle else variant.original
    return f"{UNLEARNED}/record.json".format(fleet=STUDY.pilot_fleet, **names)


def _choice(wildcards):
    """The description of a choice, with the trials as `grid.files` lists them."""
    names = _names(wildcards, "dataset", "model", "variant", "request")
    job = JOBS.choice(Cell(fleet=STUDY.pilot_fleet, **names))
    listing = [_listed_files(f"{UNLEARNED}/record.json", [job.pop("grid")])]
    return job | {"fleets": listing}


def choice_job(wildcards):
    return as_json(_choice(wildcards))


def choices_of(wildcards):
    """The choices of an experiment."""
    return grid.files([_listed_choices(wildcards.experiment, "record.json")], RESULTS)


def trials_job(wildcards):
    """The tables of the trials of an experiment, as `grid.files` lists them."""
    return as_json([_listed_choices(wildcards.experiment, "trials.csv")])


def sensitivity_job(wildcards):
    return as_json(JOBS.sensitivity(wildcards.experiment))


def _listed_choices(experiment, name):
    return _listed_files(f"{TUNED}/{name}", [JOBS.choices(experiment)])


def tuning_artefacts():
    """Every artefact of tuning that jobs read: its rule and wildcards."""
    for name, experiment in STUDY.experiments.items():
        for cell in experiment.trials.cells():
            names = cell._asdict()
            trainer = STUDY.variants[cell.variant].trainer.name
            trained = {key: names[key] for key in ("dataset", "model", "fleet")}
            yield request_artefact(cell)
            yield "train", trained | {"trainer": trainer}
            yield "unlearn", names
        for cell in JOBS.choices(name).cells():
            names = cell._asdict()
            del names["fleet"]
            yield "choice", names


def trial_tables():
    """The tables of trials, where experiments have any."""
    return [TRIALS.format(experiment=name) for name in TUNED_EXPERIMENTS]


def trial_figures():
    """The figures of trials, as SVG and PNG."""
    return [
        f"{SENSITIVITY.format(experiment=name)}.{kind}"
        for name in TUNED_EXPERIMENTS
        for kind in ("svg", "png")
    ]
