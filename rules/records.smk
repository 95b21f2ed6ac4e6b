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


def _made_for_jobs():
    """Every artefact that jobs read: its rule and wildcards."""
    for name, part in STUDY.datasets.items():
        rule_name = "data"
        if name in DERIVED:
            rule_name = "swapped" if name in SWAPPED else "noised"
            rule_name = "squeezed" if name in SQUEEZED else rule_name
            rule_name = "features" if name in FEATURED else rule_name
        yield rule_name, {"dataset": name}
        if name in NOISED:
            yield "noise", {"dataset": part.source, "noise": part.noise.name}
    yield from scored_artefacts()
    yield from tuning_artefacts()
    for cell in CELLS:
        names = cell._asdict()
        trainer = STUDY.variants[cell.variant].trainer.name
        yield request_artefact(cell)
        fleet = {key: names[key] for key in ("dataset", "model", "fleet")}
        yield "train", fleet | {"trainer": trainer}
        yield "unlearn", names
        yield "score", names
        yield "certificate", names
    for experiment in STUDY.experiments.values():
        if experiment.relearning is not None:
            for cell in experiment.cells:
                yield "relearn", cell._asdict() | {"relearning": experiment.relearning}
    yield from _made_for_audits()


def request_artefact(cell):
    """The rule and the wildcards of the request of a cell."""
    rule_name = "scored_request" if cell.request in SCORED_REQUESTS else "request"
    return rule_name, {"dataset": cell.dataset, "request": cell.request}


def _made_for_audits():
    """Every artefact that audits read, and their results: its rule and wildcards."""
    unlearned, oracles = JOBS.population_grids(STUDY.audits)
    for cell in grid.union(unlearned):
        names = cell._asdict()
        trainer = STUDY.variants[cell.variant].trainer.name
        fleet = {key: names[key] for key in ("dataset", "model")}
        fleet["fleet"] = STUDY.trained_fleets.get(cell.fleet, cell.fleet)
        yield "train", fleet | {"trainer": trainer}
        yield "unlearn", names
    for cell in grid.union(oracles):
        yield "oracle", cell._asdict()
    for cell in STUDY.audits:
        names = cell._asdict()
        yield "audit", names | {"population": names.pop("fleet")}


def _made_for_people():
    """Every artefact that people read: its rule and wildcards."""
    for name, experiment in STUDY.experiments.items():
        yield "table", {"experiment": name}
        yield "figure", {"experiment": name}
        if experiment.summary:
            yield "summary", {"experiment": name}
        if name in TUNED_EXPERIMENTS:
            yield "trials", {"experiment": name}
            yield "sensitivity", {"experiment": name}
    for name in STUDY.pictures:
        yield "picture_table", {"picture": name}
        yield "picture", {"picture": name}
    for name in STUDY.certificate_audits:
        yield "certified_audit", {"certificate_audit": name}
        yield "certified_audit_figure", {"certificate_audit": name}
    for rule_name in ("scores", "report", "complete"):
        yield rule_name, {}


def _with_records(artefacts):
    """Artefacts, each once, with the paths of their records."""
    seen = {}
    for rule_name, wildcards in artefacts:
        seen[rule_name, *wildcards.items()] = (rule_name, wildcards)
    for rule_name, wildcards in seen.values():
        template = workflow.get_rule(rule_name).output.record
        yield rule_name, wildcards, template.apply_wildcards(wildcards)


def _is_running():
    """Whether a call works with these records now: a dry run beside it must leave them alone."""
    folder = ".snakemake/locks"
    return os.path.isdir(folder) and bool(os.listdir(folder))


LOST_RECORDS = []
"""Records of artefacts whose files are missing, or have another size than the record said."""

if workflow.is_main_process and not _is_running():
    for _artefact in _with_records([*_made_for_jobs(), *_made_for_people()]):
        _record = _artefact[-1]
        if os.path.exists(_record):
            _compare(*_artefact)
        if os.path.isdir(os.path.dirname(_record)) and not os.path.exists(_record):
            LOST_RECORDS.append(_record)


def records_to_make():
    """The records that a call for everything asks for: of what people read, and what is lost.

    Snakemake makes no file again that only finished jobs have read.
    """
    for_people = [path for *_, path in _with_records(_made_for_people())]
    return list(dict.fromkeys([*for_people, *LOST_RECORDS]))
