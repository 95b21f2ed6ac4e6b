"""A matrix of a metric: cells of labels that the study names, published values below."""

import copy

import pytest

from tests.support.figures import MEANS, experiment, made_up
from unlearn.core import registry
from unlearn.report.figures import _style
from unlearn.study.load import StudyError

FIGURE = {
    "kind": "matrix",
    "y": "accuracy/test",
    "methods": ["original"],
    "rows": [
        {"label": "random signs", "noise.kind": "random_noise"},
        {"label": "clean", "noise.kind": None},
    ],
    "columns": [
        {"label": "no counter-measure", "dataset.squeeze": None, "recipe.strong": False},
        {"label": "bits, two kept", "squeeze.kind": "bits", "recipe.strong": False},
        {"label": "strong", "dataset.squeeze": None, "recipe.strong": True},
    ],
    "published": {
        "source": "Nobody (2024), ResNet-18",
        "values": {"random signs": {"no counter-measure": 93.25, "strong": 20}},
    },
}
PARTS = {
    "dataset": [
        {"name": "digits", "squeeze": [None, "bits"]},
        {"name": "digits", "noise": "random_noise", "squeeze": [None, "bits"]},
    ],
    "model": "mlp",
    "method": "original",
    "request": {"name": "random", "rate": 0.1},
}
COLUMNS = [
    {"label": "none", "dataset.squeeze": None},
    {"label": "bits", "squeeze.kind": "bits"},
]
STRONG = {"name": "mlp", "recipe": {"name": "standard", "strong": [False, True]}}


def plan_of(change=None, **parts):
    figure = copy.deepcopy(FIGURE) | (change or {})
    return experiment(figure, **PARTS | parts)


def strong_plan():
    """Both recipes, strong without a squeeze alone."""
    return plan_of(model=STRONG)


def texts(figure):
    """The texts of the cells, by column, row and place below the middle."""
    (axis,) = figure.axes
    return {
        (round(x), round(y), y > round(y)): text.get_text()
        for text in axis.texts
        for x, y in [text.get_position()]
    }


def drawn(plan, table):
    return registry.find("figures", "matrix")().draw(table, plan.experiments["e"].figure)


def with_values(table, value):
    """The table with means of `value(row)`, and intervals around them."""
    for index, row in table.iterrows():
        mean = value(row)
        table.loc[index, MEANS] = [mean, mean - 0.012, mean + 0.012]
    return table


def value_of(row):
    has_noise = "noise" in row["dataset"]
    is_squeezed = "squeeze" in row["dataset"]
    return 0.5 + 0.1 * has_noise + 0.02 * is_squeezed + 0.3 * bool(row["recipe.strong"])


def test_numbers_stand_in_the_cells_of_their_labels():
    plan = strong_plan()
    figure = drawn(plan, with_values(made_up(plan), value_of))
    cells = texts(figure)
    assert {place: text for place, text in cells.items() if not place[2]} == {
        (0, 0, False): "60 ± 1.2",
        (1, 0, False): "62 ± 1.2",
        (2, 0, False): "90 ± 1.2",
        (0, 1, False): "50 ± 1.2",
        (1, 1, False): "52 ± 1.2",
        (2, 1, False): "80 ± 1.2",
    }
    below = {place: text for place, text in cells.items() if place[2]}
    assert below == {(0, 0, True): "93.2", (2, 0, True): "20"}
    (axis,) = figure.axes
    assert [label.get_text() for label in axis.get_yticklabels()] == ["random signs", "clean"]
    columns = [label.get_text() for label in axis.get_xticklabels()]
    assert columns == ["no counter-\nmeasure", "bits, two\nkept", "strong"]
    assert axis.get_title(loc="left") == "Accuracy, test points (%)"
    assert "grey: published values, Nobody (2024), ResNet-18" in figure._supxlabel.get_text()
    _style.pyplot.close(figure)


def test_shades_go_with_percentages_and_published_numbers_are_smaller():
    plan = strong_plan()
    figure = drawn(plan, with_values(made_up(plan), value_of))
    (axis,) = figure.axes
    (image,) = axis.images
    assert image.get_array()[0].tolist() == pytest.approx([60, 62, 90])
    assert image.get_clim() == (0, 100)
    sizes = {text.get_text(): text.get_fontsize() for text in axis.texts}
    assert sizes["93.2"] < sizes["60 ± 1.2"]
    _style.pyplot.close(figure)


def test_cells_without_a_number_say_why():
    plan = strong_plan()
    table = with_values(made_up(plan), value_of)
    is_failed = table["dataset"].str.contains("noise") & table["recipe.strong"].astype(bool)
    table.loc[is_failed, MEANS] = float("nan")
    table.loc[is_failed, "failed"] = 2
    table.loc[is_failed, "n"] = 0
    is_absent = table["dataset"] == "digits-squeeze=bits"
    figure = drawn(plan, table[~is_absent])
    cells = texts(figure)
    assert cells[2, 0, False] == "failed" and cells[1, 1, False] == "–"
    assert "FAILED" in figure._supxlabel.get_text()
    _style.pyplot.close(figure)
    empty = drawn(plan, table[:0])
    assert "nothing to draw" in empty._supxlabel.get_text()
    _style.pyplot.close(empty)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"rows": []}, "figure.rows: an empty list selects nothing"),
        ({"x": "rate"}, "figure.x: rate: matrix has no x; allowed: null"),
        ({"facet": "dataset"}, "figure.facet: dataset: matrix has no facet"),
        ({"y": "accuracy"}, "figure.y: accuracy on .*: a matrix shows one metric on one split"),
        ({"y": ["accuracy/test", "kl/test"]}, "figure.y: accuracy, kl: a matrix shows one metric"),
        ({"y": "acuracy/test"}, "unknown metric 'acuracy'"),
        ({"rows": [{"label": "a", "noise.kid": 1}]}, "figure.rows.a: unknown column 'noise.kid'"),
        (
            {"rows": [{"label": "a", "noise.kind": "x"}]},
            "rows.a: {'noise.kind': 'x'} selects nothing",
        ),
        (
            {"columns": [{"label": "all", "model": "mlp"}]},
            "rows.random signs: .*/mlp/original/.* and .*squeeze=bits/mlp/.* would share the cell",
        ),
        ({"published": {"source": "a", "values": {"dirty": {}}}}, "unknown row 'dirty'"),
        (
            {"published": {"source": "a", "values": {"clean": {"weak": 1}}}},
            "published.values.clean: unknown column 'weak'",
        ),
        ({"rows": [{"label": "clean"}]}, "figure.rows.0"),
        ({"rows": 2 * [{"label": "a", "noise.kind": None}]}, "rows: two have the same label"),
        ({"published": {"values": {}}}, "figure.published.*source"),
        ({"published": {"source": "a"}}, "published: of kind matrix it has source and values"),
        (
            {"published": {"source": "a", "values": {}, "curves": {"a": [[0, 1], [1, 2]]}}},
            "published: of kind matrix it has source and values",
        ),
        ({"kind": "lines"}, "figure.rows: lines has no rows; allowed: kind matrix"),
    ],
)
def test_what_is_no_matrix_is_refused(change, message):
    with pytest.raises(StudyError, match=message):
        plan_of({"columns": COLUMNS, "published": None} | change)


def test_a_matrix_needs_rows_and_columns():
    with pytest.raises(StudyError, match="a matrix needs some; allowed: a list of"):
        experiment({"kind": "matrix", "y": "accuracy/test"}, **PARTS)


def test_fleets_of_one_cell_share_it():
    plan = plan_of({"columns": COLUMNS, "published": None}, seeds=4)
    assert len({cell.fleet for cell in plan.experiments["e"].cells}) == 2
