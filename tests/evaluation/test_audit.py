"""Audits of small real models whose answers are known."""

import numpy as np
import pytest

from tests.support.jobs import build, job
from tests.support.populations import RECIPE, groups_of, leak, mislabelled, populations_of
from unlearn.evaluation import audit
from unlearn.jobs.unlearn import unlearn_fleet
from unlearn.metrics.catalogue import METRICS
from unlearn.metrics.populations import Populations
from unlearn.requests.request import deletion

pytestmark = pytest.mark.xdist_group("audits")

DELETED_SHARE = 30
"""Every so many points one is deleted."""


@pytest.fixture(scope="module")
def data():
    """Digits, of which 20 have a wrong label; these are to be deleted."""
    digits = build("digits", subset=600)
    return mislabelled(digits, digits.base_ids[::DELETED_SHARE])


@pytest.fixture(scope="module")
def request_to_delete(data):
    return deletion(data.base_ids[::DELETED_SHARE])


@pytest.fixture(scope="module")
def groups(data, request_to_delete):
    return groups_of(data, request_to_delete)


@pytest.fixture(scope="module")
def audited(data, request_to_delete, groups):
    """audited(logits) -> {(metric, split): finding}."""

    def findings(unlearned):
        populations = populations_of(data, request_to_delete, groups, unlearned)
        return {(row.metric, row.split): row.finding for row in audit.audit(populations)}

    return findings


@pytest.fixture(scope="module")
def floor(audited, groups):
    return audited(groups["floor"])


@pytest.fixture(scope="module")
def nothing(audited, groups):
    return audited(groups["originals"])


def test_every_metric_has_a_value_or_a_reason(floor):
    declared = {name for name, metric in METRICS.items() if metric.scope == "population"}
    assert {metric for metric, _ in floor} == declared
    for finding in floor.values():
        assert (finding.value is None) is bool(finding.reason)
        assert finding.value is None or np.isfinite(finding.value)


def test_the_oracle_passes_its_own_audit(floor):
    """Half B against half A: nothing that was measured says that they differ."""
    assert floor["ulira_auc", "forget"].low < 0.5 < floor["ulira_auc", "forget"].high
    assert floor["ulira_auc", "forget"].value == pytest.approx(0.5, abs=0.05)
    for metric in ("influence", "accuracy_shift"):
        for split in ("forget", "retain", "validation", "test"):
            assert abs(floor[metric, split].value) < 0.01
    assert floor["klom", "forget"].value < 0.15  # .068 for Gaussian margins of 32 models
    assert floor["forgetting_quality", "forget"].value == pytest.approx(0.22, abs=0.06)


def test_an_oracle_that_differs_from_itself_is_refused(data, request_to_delete, groups):
    """Half B is another network's: no floor can be had from it."""

    def rows(unlearned):
        return list(audit.audit(populations_of(data, request_to_delete, groups, unlearned)))

    assert audit.oracle_failure(rows(groups["floor"])) == ""
    reason = audit.oracle_failure(rows(groups["originals"]))
    assert reason.startswith("the oracle fails its own audit: ulira_auc on forget is 1 ")


def test_doing_nothing_is_found(floor, nothing):
    for metric in ("ulira_auc", "lira_auc", "rmia_auc"):
        assert nothing[metric, "forget"].low > 0.9 > floor[metric, "forget"].high
    for metric in ("klom", "klom_histogram", "epsilon", "influence"):
        assert nothing[metric, "forget"].low > floor[metric, "forget"].high
    assert nothing["forgetting_quality", "forget"].value < 0.05


def test_a_leak_in_few_members_is_found_though_accuracy_sees_nothing(audited, groups, floor):
    """Every eighth member is the original: deletion that fails now and then."""
    leaking = audited(leak(groups, lambda member: member % 8 == 0))
    assert leaking["accuracy_shift", "test"].low < 0 < leaking["accuracy_shift", "test"].high
    assert leaking["ulira_auc", "forget"].value > floor["ulira_auc", "forget"].value + 0.03
    assert leaking["klom", "forget"].value > 5 * floor["klom", "forget"].value


def test_forgetting_too_much_is_found_as_such():
    """The deleted points get a loss above that of oracles: attacks on single models read below .5."""
    data = build("digits", subset=600)
    request = deletion(data.base_ids[1::DELETED_SHARE])
    groups = groups_of(data, request)
    ascent = job(
        seeds=range(1000, 1032),
        method="gradient_ascent",
        options={"epochs": 20, "lr": 0.05},
        **RECIPE,
    )
    result = unlearn_fleet(data, ascent, groups["states"], request)
    populations = populations_of(data, request, groups, result.logits[:, -1])
    excess = {(row.metric, row.split): row.finding for row in audit.audit(populations)}
    assert excess["ulira_auc", "forget"].low > 0.6  # the attack knows which models unlearned
    assert excess["influence", "forget"].high < -0.05
    assert excess["lira_auc", "forget"].high < 0.5


def test_sisa_passes(data, request_to_delete):
    trainer = {"kind": "sisa", "shards": 2}
    groups = groups_of(data, request_to_delete, trainer)
    method = job(seeds=range(1000, 1032), method="sisa", trainer={"shards": 2}, **RECIPE)
    result = unlearn_fleet(data, method, groups["states"], request_to_delete)
    populations = populations_of(data, request_to_delete, groups, result.logits[:, -1])
    findings = {(row.metric, row.split): row.finding for row in audit.audit(populations)}
    assert findings["ulira_auc", "forget"].low < 0.5 < findings["ulira_auc", "forget"].high
    assert findings["influence", "forget"].low < 0 < findings["influence", "forget"].high


def test_differences_to_doing_nothing_are_paired(audited, groups):
    """Half B differs from doing nothing, and a model that does nothing does not."""
    oracle = audited(groups["floor"])
    same = audited(groups["originals"])
    for metric in ("ulira_auc", "rmia_auc", "loss_auc", "klom", "epsilon", "influence"):
        difference = oracle[metric, "forget"].difference
        assert difference.low <= difference.value <= difference.high
        assert difference.p < 0.001 and not difference.low <= 0 <= difference.high
        nothing = same[metric, "forget"]
        assert nothing.difference.value == 0 and nothing.difference.p == 1
        expected = oracle[metric, "forget"].value - nothing.value
        assert difference.value == pytest.approx(expected, rel=1e-6)


def test_too_few_models_give_reasons(data, request_to_delete, groups):
    one = {name: groups[name][:1] for name in ("originals", "reference", "floor")}
    one["random"] = groups["random"]
    populations = populations_of(data, request_to_delete, one, one["floor"])
    findings = {row.metric: row.finding for row in audit.audit(populations)}
    for metric in ("ulira_auc", "klom", "lira_auc", "forgetting_quality"):
        assert findings[metric].value is None and findings[metric].reason


def test_halves_of_different_size_give_a_reason(data, request_to_delete, groups):
    populations = populations_of(data, request_to_delete, groups, groups["floor"][:20])
    findings = {row.metric: row.finding for row in audit.audit(populations)}
    assert findings["ulira_auc"].value is None
    assert "the sides must be of one size" in findings["ulira_auc"].reason


def test_examples_have_one_value_per_deleted_point(data, request_to_delete, groups):
    populations = populations_of(data, request_to_delete, groups, groups["originals"])
    examples = audit.examples(populations)
    assert {"ulira_auc", "klom", "epsilon", "rmia_auc", "influence"} <= set(examples)
    assert {array.shape for array in examples.values()} == {(20,)}


@pytest.mark.parametrize(
    ("counts", "rows", "reason"),
    [
        ({"failed": 3, "diverged": 0}, {"forget": [0]}, "3 models failed"),
        ({"failed": 0, "diverged": 1}, {"forget": [0]}, "1 models diverged"),
        ({"failed": 0, "diverged": 0}, {"test": [0]}, "the request deletes no point"),
        ({"failed": 0, "diverged": 0}, {"forget": [0]}, ""),
    ],
)
def test_populations_that_cannot_be_audited(counts, rows, reason):
    assert audit.problem(Populations({}, np.zeros(1), rows), counts) == reason
