"""What every sampler must do. New samplers are found by themselves: `pytest -k NAME`."""

from dataclasses import replace

import numpy as np
import pytest

from unlearn.core import parameters, registry
from unlearn.core.setting import DataFacts, Setting
from unlearn.data.dataset import Dataset
from unlearn.data.label_swap import with_swapped_labels
from unlearn.requests.base import Sampler
from unlearn.requests.scoring import PointScores

PARAMETERS = {
    "by_class": {"label": 3},
    "label_swap": {},
    "near_duplicates": {"pairs": 6},
    "noised": {},
}
"""Those of samplers that take neither a rate nor a count."""

pytestmark = pytest.mark.parametrize("name", registry.names("requests"))


@pytest.fixture
def rich(digits) -> Dataset:
    """Digits with noise on half of the images, exchanged labels and scores of all points."""
    swapped = with_swapped_labels(digits, (3, 8), 6, seed=0)
    values = np.sin(np.arange(len(digits.base_ids)))
    counts = np.full(len(values), 20)
    scores = PointScores(digits.base_ids, values, values**2, counts, counts)
    description = swapped.description | {"noise": {"share": 0.5, "seed": 0}}
    return replace(swapped, description=description, scores=scores)


def sampler_of(name: str, dataset: Dataset) -> Sampler:
    if name == "ids":
        source_ids = dataset.source_ids[dataset.base_ids[3:6]]
        return registry.find("requests", name)(ids=source_ids.tolist())
    return registry.find("requests", name)(**PARAMETERS.get(name, {"count": 6}))


def facts(dataset: Dataset) -> DataFacts:
    return DataFacts(
        name="digits",
        classes=10,
        shape=(8, 8, 1),
        points=len(dataset.train_labels),
        held_out=len(dataset.held_out_ids),
        noised=0.5,
        swapped_classes=(3, 8),
        swapped_points=6,
    )


def drawn(dataset: Dataset, name: str) -> list[list[int]]:
    request = sampler_of(name, dataset).draw(dataset)
    return [ids.tolist() for ids in (*request.deletions, *request.additions)]


def test_every_parameter_is_explained(name):
    for parameter, field in parameters.fields(registry.find("requests", name)).items():
        assert field.limits.help, parameter


def test_a_request_has_sorted_ids_that_can_be_deleted_or_added(name, rich):
    sampler = sampler_of(name, rich)
    sampler.check(Setting(data=facts(rich), request=sampler))
    request = sampler.draw(rich)
    for ids in (*request.deletions, *request.additions):
        assert ids.dtype == np.int64 and (np.diff(ids) > 0).all()
    steps = list(request.steps(len(rich.train_labels), rich.base_ids))
    assert sum(len(ids) for ids in (*request.deletions, *request.additions)) > 0
    assert len(steps[-1].retain_ids)
    served = {"delete": request.deletions, "add": request.additions}
    for change, parts in served.items():
        assert any(map(len, parts)) == (change in sampler.changes)


def test_a_request_is_a_function_of_its_input(name, rich):
    assert drawn(rich, name) == drawn(rich, name)


def test_no_sampler_looks_at_test_or_validation_points(name, rich):
    blind = replace(
        rich, test_images=None, test_labels=None, validation_images=None, validation_labels=None
    )
    assert drawn(blind, name) == drawn(rich, name)


def test_images_are_read_only_where_a_sampler_says_so(name, rich):
    if not registry.find("requests", name).reads_images:
        assert drawn(replace(rich, train_images=None), name) == drawn(rich, name)


def test_more_points_than_there_are_are_refused(name, rich):
    fields = parameters.fields(registry.find("requests", name))
    many = {key: 10_000 for key in ("count", "pairs") if key in fields}
    if not many:
        pytest.skip(f"{name} takes no number")
    sampler = registry.find("requests", name)(**many)
    with pytest.raises(ValueError, match=r"10000"):
        sampler.check(Setting(data=facts(rich), request=sampler))
