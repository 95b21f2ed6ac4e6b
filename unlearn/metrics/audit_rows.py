"""The metrics of populations: the rows that the catalogue takes from here.

Their functions are imported when an audit calls them. So the plan of a study loads no scipy, and an
edit of them reruns audits alone.
"""

import importlib
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

from unlearn.metrics.metric import AUDITED_SPLITS, Metric, row

FUNCTION_MODULES = ("unlearn.metrics.population_attacks", "unlearn.metrics.population_distances")
"""The modules of the functions, for the digests of rules that call them."""


def _call(module: str, name: str, *arguments: Any) -> Any:
    """The value of a function of a module that is imported now."""
    return getattr(importlib.import_module(module), name)(*arguments)


def _attack(name: str) -> Callable:
    return partial(_call, FUNCTION_MODULES[0], name)


def _distance(name: str) -> Callable:
    return partial(_call, FUNCTION_MODULES[1], name)


_ATTACK = Metric(
    name="", label="", unit="ratio", splits=("forget",), scope="population", rule="audit"
)
_SHARE = replace(_ATTACK, unit="fraction")
_DISTANCE = replace(_ATTACK, unit="nats", splits=AUDITED_SPLITS, better="low", is_distance=True)
_SHIFT = replace(_SHARE, splits=AUDITED_SPLITS, is_signed=True)


AUDITS = (
    row(
        _ATTACK,
        "ulira_auc",
        "AUC of U-LiRA",
        min_models=4,
        of_population=_attack("ulira_auc"),
        of_examples=_attack("ulira_point_aucs"),
    ),
    row(
        _ATTACK,
        "ulira_balanced_accuracy",
        "Balanced accuracy of U-LiRA",
        min_models=4,
        of_population=_attack("ulira_balanced_accuracy"),
    ),
    row(
        _SHARE,
        "ulira_tpr_at_one_percent",
        "U-LiRA: true positives (%) at 1 % false ones",
        min_models=4,
        of_population=_attack("ulira_tpr_at_one_percent"),
    ),
    row(_ATTACK, "lira_auc", "AUC of LiRA", of_population=_attack("lira_auc")),
    row(
        _SHARE,
        "lira_tpr_at_one_percent",
        "LiRA: true positives (%) at 1 % false ones",
        of_population=_attack("lira_tpr_at_one_percent"),
    ),
    row(
        _ATTACK,
        "rmia_auc",
        "AUC of RMIA",
        needs_validation=True,
        of_population=_attack("rmia_auc"),
        of_examples=_attack("rmia_point_scores"),
    ),
    row(
        _SHARE,
        "rmia_tpr_at_one_percent",
        "RMIA: true positives (%) at 1 % false ones",
        needs_validation=True,
        of_population=_attack("rmia_tpr_at_one_percent"),
    ),
    row(
        _ATTACK,
        "loss_auc",
        "AUC of the attack by loss, many models",
        of_population=_attack("loss_auc"),
    ),
    row(
        _ATTACK,
        "loss_balanced_accuracy",
        "Balanced accuracy of the attack by loss",
        of_population=_attack("loss_balanced_accuracy"),
    ),
    row(
        _SHARE,
        "svc_efficacy",
        "Deleted points that an SVC calls non-members (%)",
        of_population=_attack("svc_efficacy_mean"),
    ),
    row(
        _SHARE,
        "auc_threshold_failures",
        "Models beyond .05 of AUC .5 (%)",
        of_population=_attack("auc_threshold_failures"),
    ),
    row(
        _SHARE,
        "accuracy_threshold_failures",
        "Models with forget accuracy of 10 % or more (%)",
        of_population=_attack("accuracy_threshold_failures"),
    ),
    row(
        _DISTANCE,
        "klom",
        "KLoM (nats)",
        min_models=4,
        of_population=_distance("klom_mean"),
        of_examples=_distance("klom_points"),
    ),
    row(
        _DISTANCE,
        "klom_p95",
        "KLoM, 95th percentile (nats)",
        min_models=4,
        of_population=_distance("klom_high"),
    ),
    row(
        _DISTANCE,
        "klom_p05",
        "KLoM, 5th percentile (nats)",
        min_models=4,
        of_population=_distance("klom_low"),
    ),
    row(
        _DISTANCE,
        "klom_reverse",
        "KLoM of oracles from models (nats)",
        min_models=4,
        of_population=_distance("klom_reverse"),
    ),
    row(
        _DISTANCE,
        "klom_histogram",
        "KLoM of histograms (nats)",
        min_models=4,
        of_population=_distance("klom_histogram"),
    ),
    row(
        _DISTANCE,
        "klom_histogram_p95",
        "KLoM of histograms, 95th percentile (nats)",
        min_models=4,
        of_population=_distance("klom_histogram_high"),
    ),
    row(
        _DISTANCE,
        "epsilon",
        "Epsilon of the best threshold (nats)",
        splits=("forget",),
        of_population=_distance("epsilon_mean"),
        of_examples=_distance("epsilon_points"),
    ),
    row(
        _ATTACK,
        "forgetting_quality",
        "Forgetting quality F",
        min_models=32,
        of_population=_distance("forgetting_quality_mean"),
    ),
    row(
        _ATTACK,
        "forgetting_score",
        "Forgetting quality x utility",
        min_models=32,
        of_population=_distance("forgetting_score"),
    ),
    row(
        _SHIFT,
        "influence",
        "Probability of the label - oracles' (points)",
        of_population=_distance("influence_mean"),
        of_examples=_distance("influence_points"),
    ),
    row(
        _SHIFT,
        "accuracy_shift",
        "Mean accuracy - oracles' (points)",
        of_population=_distance("accuracy_shift"),
    ),
    row(
        _SHARE,
        "agreement_with_oracles",
        "Same class as an oracle (%)",
        splits=AUDITED_SPLITS,
        of_population=_distance("agreement_mean"),
    ),
    row(
        _ATTACK,
        "zrf",
        "Zero-retrain forgetting",
        of_population=_distance("zrf_mean"),
    ),
)
"""The rows, in their order."""
