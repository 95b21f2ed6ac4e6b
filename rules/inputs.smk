"""What audits read, beside what `common` lists."""


def audited_cell(wildcards):
    """The audit that wildcards name."""
    names = _names(wildcards, "dataset", "model", "variant", "request")
    return Cell(fleet=wildcards.population, **names)


def audit_listings(wildcards):
    """The records of the models that an audit compares, by group, as `grid.files` lists them."""
    groups = JOBS.audit_groups(audited_cell(wildcards))
    is_oracle = wildcards.variant == STUDY.variants[wildcards.variant].oracle
    folders = {
        "unlearned": ORACLES if is_oracle else UNLEARNED,
        "reference": ORACLES,
        "originals": UNLEARNED,
        "random": ORACLES,
    }
    return {
        group: [_listed_files(f"{folder}/record.json", [getattr(groups, group)])]
        for group, folder in folders.items()
    }


def audited_records(wildcards):
    """The records of the models that an audit compares."""
    listings = audit_listings(wildcards).values()
    return [path for listing in listings for path in grid.files(listing, RESULTS)]


def audit_listing(wildcards):
    """The audits of an experiment, as `grid.files` lists them."""
    return _audited_files(wildcards, "audit.csv")


def audit_records(wildcards):
    """The records of the audits of an experiment."""
    return grid.files(_audited_files(wildcards, "record.json"), RESULTS)


def _audited_files(wildcards, name):
    pattern = f"{AUDITED}/{name}".replace("{population}", "{fleet}")
    return [_listed_files(pattern, [STUDY.experiments[wildcards.experiment].audits])]
