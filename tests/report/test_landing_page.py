"""The landing page of the report, and numbers as readers see them."""

import pytest

from tests.support.figures import experiment, made_up, page_of
from unlearn.evaluation import formatting


def test_the_landing_page_prints_the_numbers_of_the_table():
    plan = experiment({"x": "rate", "y": "kl", "split": ["forget"]})
    table = made_up(plan)
    table["mean"] = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6]
    table["ci_low"] = table["mean"] - 0.01
    table["ci_high"] = table["mean"] + 0.01
    page = page_of(experiments={"e": ("what", plan.experiments["e"].figure, table)})
    text = page.replace("\u202f", " ")
    for value in table["mean"]:
        assert f"{value:.3f} ± 0.010" in text


@pytest.mark.parametrize(
    ("mean", "half_width", "expected"),
    [
        (0.5, 0.01, "0.500 ± 0.010"),
        (90_000.0, 0.0, "90,000"),
        (90_000.5, 20.0, "90,000 ± 20"),
        (7.79, 1e-16, "7.79"),
        (5.52e-5, 4.1e-6, "(5.52 ± 0.41)e-5"),
        (0.0, 0.0, "0"),
        (0.0, 0.01, "0 ± 0.01"),
        (3.0, float("nan"), "3.00"),
    ],
)
def test_means_and_intervals_are_written_for_readers(mean, half_width, expected):
    assert formatting.interval_text(mean, half_width, None) == expected


def test_the_landing_page_names_a_method_once_for_each_guarantee():
    guarantees = {
        "sisa-shards=5": ("exact", "isolated shards"),
        "sisa-shards=20-slices=2": ("exact", "isolated shards"),
        "original@sisa-shards=5": ("none", "nothing is done"),
        "deltagrad": ("approximate", ""),
        "deltagrad-mode=online": ("none", "made up"),
    }
    page = page_of(guarantees=guarantees)
    assert page.count("sisa") == 2 and "shards=" not in page and "original\\@sisa" in page
    assert "deltagrad-mode=online" in page


def test_the_landing_page_counts_many_variants_of_one_guarantee():
    guarantees = {f"sisa-shards={n}": ("exact", "isolated shards") for n in range(2, 8)}
    guarantees["sisa-partition=kmeans"] = ("conditional", "centroids know the points")
    page = page_of(guarantees=guarantees)
    assert "6 variants of sisa, such as sisa-shards=2" in page and "sisa-shards=3" not in page
    assert "sisa-partition=kmeans" in page


def test_the_landing_page_says_what_seeds_can_find():
    plan = experiment({"x": "rate", "y": "kl", "split": ["forget"]})
    table = made_up(plan).assign(n=5)
    page = page_of(experiments={"e": ("what", plan.experiments["e"].figure, table)})
    assert "With n = 5 seeds" in page and "1.68 of its standard deviations" in page
    assert "no p below 0.062" in page
    page = page_of(experiments={"e": ("what", plan.experiments["e"].figure, table.assign(n=1))})
    assert "standard deviations" not in page


def test_the_landing_page_lists_refused_and_flagged_cells():
    page = page_of(refusals={"cell/a": "no-op: none has changed"}, flags={"cell/b": "collapse: x"})
    assert page.index("Refused cells") < page.index("no-op: none has changed")
    assert page.index("Flagged cells") < page.index("collapse: x") < page.index("Results")
    assert "Refused cells" not in page_of() and "Flagged cells" not in page_of()


def test_the_landing_page_opens_with_what_was_run_and_ends_with_the_data():
    data = {"name": "d", "train_points": 1, "test_points": 1, "held_out_points": 0, "sha256": "0"}
    page = page_of(facts=[("Study", "s")], datasets=[data], guarantees={"finetune": ("none", "")})
    titles = ("What was run", "Guarantees", "Results", "Data sets")
    positions = [page.index(title) for title in titles]
    assert positions == sorted(positions)


def test_descriptions_cannot_break_the_page():
    plan = experiment({"x": "rate", "y": "kl", "split": ["forget"]})
    block = plan.experiments["e"].figure
    page = page_of(experiments={"e": ("{% a {{b}} *c* |d| e@f", block, made_up(plan))})
    assert "{" not in page and "\\*c\\*" in page and "e\\@f" in page
