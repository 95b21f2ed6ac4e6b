"""Configurations: what they expand to."""

import copy
from operator import attrgetter

import pytest
import yaml

from scripts import reference
from tests.support.project import ROOT
from tests.support.study import load
from timings import forecast
from unlearn.core import parameters, registry
from unlearn.core.parameters import Parameters
from unlearn.study import schema, sections
from unlearn.study.components import Study
from unlearn.study.jobs import Jobs


@pytest.mark.parametrize(
    ("paths", "max_cells"),
    [
        (["config.yaml"], 1100),
        (["config.yaml", "configs/gpu.yaml"], 2200),
        (["configs/demo.yaml"], 60),
        (["configs/demo.yaml", "configs/digits.yaml"], 120),
        (["configs/air.yaml"], 20),
    ],
    ids=str,
)
def test_shipped_studies_are_valid(paths, max_cells):
    """And no larger than they are said to be; later files are laid over earlier ones."""
    plan = forecast.load([ROOT / path for path in paths])
    assert 0 < len(plan.cells) < max_cells


def seeds_by_fleet(plan: Study) -> dict[str, tuple[int, ...]]:
    """The training seeds of every fleet, whose members are all trained on base training."""
    members = [member for fleet in plan.fleets.values() for member in fleet]
    assert all(member.subset is None for member in members)
    return {name: tuple(map(attrgetter("seed"), fleet)) for name, fleet in plan.fleets.items()}


def test_lists_multiply_and_controls_are_always_there():
    plan = load()
    variants = {"original", "retrain", "finetune", "gradient_ascent"}
    assert set(plan.variants) == variants
    assert len(plan.cells) == 4 * 2
    assert seeds_by_fleet(plan) == {"seeds0-1": (0, 1)}


def test_lists_inside_blocks_multiply():
    def change(config, experiment):
        experiment["method"] = {"name": "finetune", "epochs": [1, 2, 3], "lr": [0.1, 0.2]}
        experiment["model"] = ["logistic", {"name": "mlp", "hidden": [8, 16]}]
        config["seeds"] = 5

    plan = load(change)
    assert len(plan.variants) == 2 + 6
    assert {m for _, m in plan.models} == {"logistic", "mlp-hidden=8", "mlp"}
    assert list(seeds_by_fleet(plan).values()) == [(0, 1), (2, 3), (4,)]
    assert len(plan.cells) == 8 * 3 * 2 * 3


@pytest.mark.parametrize(
    ("options", "level"),
    [
        ({}, "approximate"),
        ({"weights": "none"}, "approximate"),  # the teacher saw the points
        ({"alpha": 0}, "approximate"),  # the push did
        ({"weights": "none", "alpha": 0}, "exact"),
        ({"weights": "none", "teacher": "retrained"}, "exact"),
        ({"weights": "none", "alpha": 0, "start": "teacher", "student": None}, "approximate"),
    ],
    ids=str,
)
def test_students_in_which_deleted_points_have_no_part_are_exact(options, level):
    def change(config, experiment):
        block = {"name": "influence_distillation", "student": "mlp", "size": 8}
        if "student" in options:
            block.pop("size")
        experiment["method"] = block | options

    plan = load(change)
    (variant,) = (v for v in plan.variants.values() if v.kind == "influence_distillation")
    assert variant.guarantee.level == level
    assert bool(variant.guarantee.reason) == (level == "exact")


def test_an_experiment_has_fleets_of_its_own():
    def change(config, experiment):
        config["seeds"] = 5
        experiment["fleet"] = 3
        config["experiments"]["other"] = copy.deepcopy(experiment) | {"fleet": 5}

    plan = load(change)
    assert seeds_by_fleet(plan) == {
        "seeds0-2": (0, 1, 2),
        "seeds3-4": (3, 4),
        "seeds0-4": (0, 1, 2, 3, 4),
    }
    assert {cell.fleet for cell in plan.experiments["other"].cells} == {"seeds0-4"}


def test_a_name_says_only_what_differs():
    def change(config, experiment):
        config["methods"] = {"slow": {"name": "finetune", "epochs": 9}}
        experiment["method"] = [
            {"name": "slow", "epochs": 9},
            {"name": "slow", "lr": 0.5},
            {"name": "finetune", "epochs": 2, "lr": 0.01},
        ]

    plan = load(change)
    assert {"slow", "slow-lr=0.5", "finetune"} <= set(plan.variants)
    assert plan.variants["slow"].kind == "finetune"
    assert plan.variants["slow-lr=0.5"].parameters["epochs"] == 9


def test_5_and_5_point_0_are_the_same_number():
    a = load(lambda c, e: c["recipes"]["quick"].update(lr=1))
    b = load(lambda c, e: c["recipes"]["quick"].update(lr=1.0))
    assert a.models == b.models
    assert isinstance(next(iter(a.models.values())).recipe.parameters["lr"], float)


def test_equal_cells_of_two_experiments_are_one():
    plan = load(lambda c, e: c["experiments"].update(again=e))
    assert len(plan.cells) == 8


def test_recipe_of_the_model_wins_over_that_of_the_data_set():
    def change(config, experiment):
        config["recipes"]["slow"] = {"epochs": 7}
        experiment["model"] = [
            "mlp",
            {"name": "mlp", "recipe": ["slow", {"name": "quick", "lr": 0.3}]},
        ]

    models = load(change).models
    epochs = {name: m.recipe.parameters["epochs"] for (_, name), m in models.items()}
    assert epochs == {"mlp": 2, "mlp-recipe=slow": 7, "mlp-recipe=quick-lr=0.3": 2}


def test_long_names_still_fit_a_path():
    def change(config, experiment):
        name = "x" * 100
        config["methods"] = {name: {"name": "finetune"}}
        experiment["method"] = {"name": name, "epochs": [3, 4], "lr": 0.123456789}

    plan = load(change)
    assert all(len(name) < 130 for name in plan.variants)
    assert len(plan.variants) == 4


@pytest.mark.parametrize("family", registry.FAMILIES)
def test_every_file_of_a_family_holds_a_component(family):
    """And every name of the family is that of a file; both are classes with checked parameters."""
    for name in registry.names(family):
        component = registry.find(family, name)
        bases = {base.__name__ for base in component.__mro__}
        assert issubclass(component, Parameters) and registry.FAMILIES[family].base in bases
        assert component.__module__ == registry.module(family, name)


@pytest.mark.parametrize("family", registry.FAMILIES)
def test_every_component_says_what_it_is(family):
    for name in registry.names(family):
        component = registry.find(family, name)
        assert component.__doc__ and not component.__doc__.startswith(f"{component.__name__}("), (
            name
        )


@pytest.mark.parametrize("section", sections.FAMILIES)
def test_every_parameter_has_a_default_or_is_required(section):
    for name in sections.kinds(section):
        entry = sections.block_schema(section, name)
        assert entry["additionalProperties"] is False, name
        for parameter, rules in entry["properties"].items():
            assert "default" in rules or parameter in entry.get("required", []), parameter


def test_the_reference_page_is_what_the_components_declare():
    page = (ROOT / reference.PAGE).read_text(encoding="utf-8")
    assert page == reference.page(), "run python -m scripts.reference"
    for family in registry.FAMILIES:
        for name in registry.names(family):
            component = registry.find(family, name)
            assert f"### `{name}`\n\n{parameters.summary(component)}\n" in page
            for parameter, field in parameters.fields(component).items():
                assert f"| `{parameter}` |" in page and field.limits.text() in page


def test_the_reference_page_has_the_keys_of_a_population():
    """With default, range and help of the schema of studies."""
    block = schema.definition("population")
    section = reference.page().partition("\n### `population`\n")[2].partition("\n## ")[0]
    assert block["description"] in section
    rows = {line.split("`")[1]: line for line in section.splitlines() if line.startswith("| `")}
    assert list(rows) == list(block["properties"])
    for key, rules in block["properties"].items():
        assert rows[key].endswith(f"| {rules['description']} |")
    assert "between 2 and 10,000" in rows["originals"] and "between 4 and 20,000" in rows["oracles"]
    assert "| `multi` | multi, single |" in rows["kind"] and "| `8` |" in rows["fleet"]


def test_air_is_measured_by_the_recipes_of_the_full_study():
    study, full_study = (
        yaml.safe_load((ROOT / path).read_text()) for path in ("configs/air.yaml", "config.yaml")
    )
    for section in ("recipes", "models"):
        names = study[section].keys() - {"air_long", "air_l_long", "air_wide"}
        assert names
        assert {name: study[section][name] for name in names}.items() <= full_study[section].items()


def test_flips_of_all_kinds_make_a_grid():
    def change(config, experiment):
        recipe = {"name": "quick", "flip": [False, True, "alternating"]}
        experiment["model"] = {"name": "cnn1", "recipe": recipe}

    names = {name for _, name in load(change).models}
    flips = {"cnn1-recipe=quick-flip=true", "cnn1-recipe=quick-flip=alternating"}
    assert names == flips | {"cnn1-recipe=quick"}


def test_figures_get_the_labels_of_the_methods_that_names_are_made_of():
    """Those of variants, and those that are parameters."""

    def change(config, experiment):
        config["methods"] = {"own_name": {"name": "neggrad_plus"}}
        experiment["method"] = ["own_name", "head_only", "sisa", {"name": "sham", "of": "scrub"}]

    plan = load(change)
    assert plan.experiments["accuracy"].figure["labels"] == {
        "original": "doing nothing",
        "retrain": "retrained",
        "sisa": "SISA",
        "neggrad_plus": "NegGrad+",
        "scrub": "SCRUB",
    }


def test_the_report_is_not_told_the_labels():
    """Its command has a limited length, and its pages write names as studies do."""
    plan = load()
    (block,) = Jobs(plan).experiments().values()
    figure = plan.experiments["accuracy"].figure
    assert block["figure"] == {key: figure[key] for key in figure if key != "labels"}
