"""What samplers need: memory and time, and for some the scores of training points."""

from unlearn.requests.scoring import FLEET_MODELS

SCORERS = f"{RESULTS}/memorisation/{{dataset}}/{{scoring}}/fleets/{{block}}"
SCORED_POINTS = f"{RESULTS}/memorisation/{{dataset}}/{{scoring}}/{{models}}"
SCORED_POINTS_RECORD = f"{SCORED_POINTS}/record.json"

SCORINGS = {
    (dataset, scoring.name): scoring for (dataset, _), scoring in STUDY.scorings.items()
}
"""By data set and name: any of those that differ in the number of models alone."""

SCORED_REQUESTS = {request for _, request in STUDY.scorings}


def point_scores_of(wildcards):
    """The scores that the request of wildcards reads, if it reads any."""
    scoring = STUDY.scorings.get((wildcards.dataset, wildcards.request))
    if scoring is None:
        return []
    names = {"scoring": scoring.name, "models": scoring.models}
    return [SCORED_POINTS_RECORD.format(dataset=wildcards.dataset, **names)]


def scorers_of(wildcards):
    """The fleets of scoring models that scores are made from."""
    names = {"dataset": wildcards.dataset, "scoring": wildcards.scoring}
    blocks = range(int(wildcards.models) // FLEET_MODELS)
    return [f"{SCORERS}/record.json".format(block=block, **names) for block in blocks]


def scored_artefacts():
    """Every artefact that scored requests read: its rule and wildcards."""
    for (dataset, _), scoring in STUDY.scorings.items():
        names = {"dataset": dataset, "scoring": scoring.name}
        for block in scoring.fleets:
            yield "scorers", names | {"block": str(block)}
        yield "memorisation", names | {"models": str(scoring.models)}


def _scorers_job(wildcards):
    scoring = SCORINGS[wildcards.dataset, wildcards.scoring]
    return JOBS.scorers(scoring, int(wildcards.block))


def scorers_job(wildcards):
    return as_json(_scorers_job(wildcards).describe())


def scorers_code(wildcards):
    return code("scripts.scorers", *_scorers_job(wildcards).modules())


def scoring_models(wildcards):
    return wildcards.models


def for_request(of_images, of_labels):
    """A resource that is larger for samplers that compare images; more with each attempt."""

    def amount_of_attempt(wildcards, attempt):
        sampler = STUDY.requests[wildcards.request].component
        return attempt * (of_images if sampler.reads_images else of_labels)

    return amount_of_attempt
