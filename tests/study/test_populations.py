"""Populations of experiments: which models they need, and what is refused."""

import re

import pytest
import yaml

from tests.support.project import ROOT
from tests.support.study import load
from unlearn.study.grid import Cell, union
from unlearn.study.jobs import Jobs
from unlearn.study.load import StudyError

SMALL = {"originals": 8, "oracles": 8, "unlearned": 4, "fleet": 4}
LARGER = SMALL | {"unlearned": 8, "oracles": 16}


def with_population(population=SMALL, **changes):
    def change(config, experiment):
        config["seeds"] = changes.pop("seeds", config["seeds"])
        experiment["population"] = population
        experiment["request"] = {"name": "random", "rate": 0.1}
        experiment |= changes

    return change


def seeds(plan, fleets):
    return [member.seed for fleet in fleets for member in plan.fleets[fleet]]


def test_an_experiment_has_no_population_unless_it_asks_for_one():
    plan = load()
    assert plan.audits == () and plan.populations == {}


def test_other_sizes_follow_from_the_originals():
    plan = load(with_population({"originals": 6}))
    (population,) = plan.populations.values()
    assert population.name == "population6-12-6"


def test_every_variant_is_audited_once_a_request():
    plan = load(with_population())
    variants = {"original", "retrain", "finetune", "gradient_ascent"}
    assert {cell.variant for cell in plan.audits} == variants
    assert len(plan.audits) == len(variants)
    assert {cell.fleet for cell in plan.audits} == set(plan.populations)


def test_no_two_groups_share_a_seed():
    plan = load(with_population())
    (population,) = plan.populations.values()
    groups = [population.originals, population.reference, population.floor, population.random]
    numbers = [seed for fleets in groups for seed in seeds(plan, fleets)]
    assert [len(seeds(plan, fleets)) for fleets in groups] == [8, 4, 4, 8]
    assert len(set(numbers)) == len(numbers) and not set(numbers) & {0, 1}
    assert seeds(plan, population.unlearned) == seeds(plan, population.originals)[:4]


def test_an_audit_of_retraining_is_one_half_of_the_oracles_against_the_other():
    plan = load(with_population())
    (population,) = plan.populations.values()
    jobs = Jobs(plan)
    floor = jobs.audit_groups(Cell("digits", "cnn1", "retrain", "random-rate=0.1", population.name))
    assert floor.unlearned.variants == floor.reference.variants == ["retrain"]
    assert not set(floor.unlearned.fleets) & set(floor.reference.fleets)
    assert set(floor.unlearned.fleets) == set(population.floor)


def test_a_retraining_that_a_study_names_itself_is_audited_as_a_method():
    def change(config, experiment):
        with_population(method="masked")(config, experiment)
        config["methods"] = {"masked": {"name": "retrain"}}

    plan = load(change)
    (audit,) = (cell for cell in plan.audits if cell.variant == "masked")
    assert Jobs(plan).audit_groups(audit).unlearned.variants == ["masked"]


def test_a_larger_population_contains_the_smaller_one():
    larger = {key: 2 * SMALL[key] for key in ("originals", "oracles", "unlearned")} | {"fleet": 4}

    def cells(population):
        plan = load(with_population(population))
        grids = Jobs(plan).population_grids(plan.audits)
        return [set(union(group)) for group in grids]

    for small, large in zip(cells(SMALL), cells(larger), strict=True):
        assert small < large


def test_another_method_adds_its_own_cells_alone():
    def unlearned(methods):
        plan = load(with_population(method=methods))
        grids, oracles = Jobs(plan).population_grids(plan.audits)
        return set(union(grids)), set(union(oracles))

    one, oracles_of_one = unlearned(["finetune"])
    both, oracles_of_both = unlearned(["finetune", "gradient_ascent"])
    assert oracles_of_one == oracles_of_both
    assert {cell.variant for cell in both - one} == {"gradient_ascent"} and one < both


def test_models_of_audits_alone_keep_no_weights():
    plan = load(with_population())
    jobs = Jobs(plan)
    audited = union(jobs.population_grids(plan.audits)[0])
    assert not any(jobs.unlearn(cell).keeps_weights for cell in audited)
    assert all(jobs.unlearn(cell).keeps_weights for cell in plan.cells)


def test_an_ensemble_is_compared_with_oracles_of_its_trainer():
    plan = load(with_population(method=[{"name": "sisa", "shards": 2}]))
    jobs = Jobs(plan)
    audit = next(cell for cell in plan.audits if cell.variant.startswith("sisa"))
    groups = jobs.audit_groups(audit)
    assert groups.reference.variants == [plan.variants[audit.variant].oracle]
    assert plan.variants[groups.originals.variants[0]].trainer.kind == "sisa"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            with_population(SMALL | {"oracles": 9}),
            "population.oracles: 9 give a floor of 4 models, methods have 4",
        ),
        (
            with_population(SMALL | {"unlearned": 16, "oracles": 32}),
            "population.unlearned: 16 models cannot be unlearned from 8 originals",
        ),
        (with_population(SMALL | {"originals": 1}), "population"),
        (with_population(SMALL | {"size": 1}), "population"),
        (
            with_population(seeds=[5, 1_000_003]),
            "seed 1,000,003 is one of the seeds of populations",
        ),
        (with_population([SMALL, LARGER]), "2 populations would share one point"),
        (
            with_population(
                [SMALL, LARGER],
                figure={"x": "population.unlearned", "y": "klom/forget"},
                summary=["klom/forget"],
            ),
            "klom has a value for each of 2 populations; allowed: one",
        ),
        (
            with_population(
                [SMALL, SMALL | {"kind": "single"}],
                figure={"x": "population.unlearned", "y": "klom/forget"},
            ),
            "two populations would share one point",
        ),
        (
            with_population(
                [SMALL, LARGER],
                figure={
                    "kind": "agreement",
                    "y": ["klom/forget", "ulira_auc/forget"],
                    "facet": "population.unlearned",
                },
            ),
            "agreement is about one population; there are 2",
        ),
        (
            with_population(figure={"x": "variant", "y": "forgetting_quality/forget"}),
            "forgetting_quality needs 32 models a side, the population has 4; allowed: "
            r"\{originals: 32, oracles: 64, unlearned: 32\} or more",
        ),
        (
            with_population(figure={"x": "population.unlearned", "y": "accuracy"}),
            "accuracy is no metric of a population",
        ),
    ],
)
def test_populations_that_cannot_be_audited_are_refused(change, message):
    with pytest.raises(StudyError, match=message):
        load(change)


def test_models_of_a_single_original_differ_in_the_seed_of_the_method():
    plan = load(with_population(SMALL | {"kind": "single", "unlearned": 8, "oracles": 16}))
    (population,) = plan.populations.values()
    members = [member for fleet in population.unlearned for member in plan.fleets[fleet]]
    assert population.name.endswith("-single")
    assert {member.seed for member in members} == {plan.fleets[population.originals[0]][0].seed}
    assert [member.method_seed for member in members] == list(range(8))
    assert {plan.trained_fleets[fleet] for fleet in population.unlearned} == {
        population.originals[0]
    }


def test_an_ensemble_cannot_be_unlearned_with_another_seed():
    change = with_population(SMALL | {"kind": "single"}, method="sisa")
    with pytest.raises(StudyError, match=r"single: .*sisa is served with the seed of training"):
        load(change)


def test_a_metric_of_populations_needs_a_population():
    def change(config, experiment):
        experiment["figure"] = {"x": "rate", "y": "klom"}

    with pytest.raises(StudyError, match="klom compares populations; set the key `population`"):
        load(change)


def test_the_examples_of_the_page_of_audits_can_be_planned():
    """The second replaces the population and the figure of the first."""
    page = (ROOT / "docs/audits.md").read_text(encoding="utf-8")
    first, second = map(yaml.safe_load, re.findall(r"```yaml\n(.*?)```", page, re.DOTALL))
    experiments = first["experiments"] | {"sizes": first["experiments"]["audits"] | second}
    plan = load(lambda config, _: config.update(experiments=experiments))
    assert plan.experiments["audits"].figure["kind"] == "dots"
    sizes = {p.columns["population.unlearned"] for p in plan.populations.values()}
    assert sizes == {8, 16, 32}
