"""What the study asks for, compared with the records of what lies in its results."""

from types import SimpleNamespace


def _compare(rule_name, wildcards, path):
    """Compare the record of one artefact with what the study asks for."""
    names = SimpleNamespace(**wildcards)
    values = {
        key: value(names) if callable(value) else value
        for key, value in workflow.get_rule(rule_name).params.items()
    }
    origin = records.Origin.of_arguments(values, values.pop("code"))
    records.compare(Path(path), origin)


def _artefacts():
    """Every artefact of the study: its rule and wildcards."""
    for name, part in STUDY.datasets.items():
        rule_name = "data"
        if name in DERIVED:
            rule_name = "features" if name in FEATURED else "noised"
        yield rule_name, {"dataset": name}
        if name in NOISED:
            yield "noise", {"dataset": part.source, "noise": part.noise.name}
    for cell in CELLS:
        names = cell._asdict()
        trainer = STUDY.variants[cell.variant].trainer.name
        yield "request", {key: names[key] for key in ("dataset", "request")}
        fleet = {key: names[key] for key in ("dataset", "model", "fleet")}
        yield "train", fleet | {"trainer": trainer}
        yield "unlearn", names
        yield "score", names
    for name, experiment in STUDY.experiments.items():
        yield "table", {"experiment": name}
        yield "figure", {"experiment": name}
        if experiment.summary:
            yield "summary", {"experiment": name}
    for name in STUDY.pictures:
        yield "picture_table", {"picture": name}
        yield "picture", {"picture": name}
    for rule_name in ("scores", "report", "complete"):
        yield rule_name, {}


def _artefacts_once():
    """The artefacts, each once, with the paths of their records."""
    artefacts = {(name, *names.items()): names for name, names in _artefacts()}
    for (rule_name, *_), wildcards in artefacts.items():
        template = workflow.get_rule(rule_name).output.record
        yield rule_name, wildcards, template.apply_wildcards(wildcards)


def records_of_study():
    """The record of every artefact: a call for all of them makes again what has lost its own."""
    return [path for *_, path in _artefacts_once()]


def _is_running():
    """Whether a call works with these records now: a dry run beside it must leave them alone."""
    folder = ".snakemake/locks"
    return os.path.isdir(folder) and bool(os.listdir(folder))


if workflow.is_main_process and not _is_running():
    for _artefact in _artefacts_once():
        if os.path.exists(_artefact[-1]):
            _compare(*_artefact)
