"""Listings of files that grow with a study, and what audits read."""


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


def score_listing(wildcards):
    """The scores of an experiment's cells, or of all cells, as `grid.files` lists them."""
    return _scored_files(wildcards, "scores.csv")


def _scored_files(wildcards, name):
    experiment = getattr(wildcards, "experiment", None)
    grids = [STUDY.experiments[experiment].grid] if experiment else GRIDS
    return [_listed_files(f"{SCORED}/{name}", grids)]


def cost_listing(_):
    """The records of every training and unlearning job, as `grid.files` lists them."""
    unlearned, oracles = JOBS.population_grids(STUDY.audits)
    grids = [*GRIDS, *unlearned, *JOBS.judges()]
    trained = [
        g._replace(
            fleets=[STUDY.trained_fleets.get(fleet, fleet) for fleet in g.fleets]
        )
        for g in grids
    ]
    trainers = {name: v.trainer.name for name, v in STUDY.variants.items()}
    return [
        _listed_files(f"{TRAINED}/costs.json", trained) | {"trainers": trainers},
        _listed_files(f"{UNLEARNED}/costs.json", grids),
        _listed_files(f"{ORACLES}/costs.json", oracles),
    ]


def _listed_files(pattern, grids):
    """A block of a listing: a file of each cell of grids, as a path within the results.

    Where these lie is no parameter.
    """
    return {"grids": grids, "patterns": [os.path.relpath(pattern, RESULTS)]}
