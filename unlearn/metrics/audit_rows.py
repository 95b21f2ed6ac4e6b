"""The metrics of populations: the rows that the catalogue takes from here."""

from dataclasses import replace

from unlearn.metrics import population_attacks as attacks
from unlearn.metrics import population_distances as distances
from unlearn.metrics.forgetting_quality import MIN_MODELS as MIN_QUALITY_MODELS
from unlearn.metrics.metric import AUDITED_SPLITS, Metric, row
from unlearn.metrics.ulira import MIN_MODELS_PER_SIDE

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
        min_models=MIN_MODELS_PER_SIDE,
        of_population=attacks.ulira_auc,
        of_examples=attacks.ulira_point_aucs,
    ),
    row(
        _ATTACK,
        "ulira_balanced_accuracy",
        "Balanced accuracy of U-LiRA",
        min_models=MIN_MODELS_PER_SIDE,
        of_population=attacks.ulira_balanced_accuracy,
    ),
    row(
        _SHARE,
        "ulira_tpr_at_one_percent",
        "U-LiRA: true positives (%) at 1 % false ones",
        min_models=MIN_MODELS_PER_SIDE,
        of_population=attacks.ulira_tpr_at_one_percent,
    ),
    row(_ATTACK, "lira_auc", "AUC of LiRA", of_population=attacks.lira_auc),
    row(
        _SHARE,
        "lira_tpr_at_one_percent",
        "LiRA: true positives (%) at 1 % false ones",
        of_population=attacks.lira_tpr_at_one_percent,
    ),
    row(
        _ATTACK,
        "rmia_auc",
        "AUC of RMIA",
        needs_validation=True,
        of_population=attacks.rmia_auc,
        of_examples=attacks.rmia_point_scores,
    ),
    row(
        _SHARE,
        "rmia_tpr_at_one_percent",
        "RMIA: true positives (%) at 1 % false ones",
        needs_validation=True,
        of_population=attacks.rmia_tpr_at_one_percent,
    ),
    row(
        _ATTACK,
        "loss_auc",
        "AUC of the attack by loss, many models",
        of_population=attacks.loss_auc,
    ),
    row(
        _SHARE,
        "svc_efficacy",
        "Deleted points that an SVC calls non-members (%)",
        of_population=attacks.svc_efficacy_mean,
    ),
    row(
        _SHARE,
        "auc_threshold_failures",
        "Models beyond .05 of AUC .5 (%)",
        of_population=attacks.auc_threshold_failures,
    ),
    row(
        _SHARE,
        "accuracy_threshold_failures",
        "Models with forget accuracy of 10 % or more (%)",
        of_population=attacks.accuracy_threshold_failures,
    ),
    row(
        _DISTANCE,
        "klom",
        "KLoM (nats)",
        min_models=distances.MIN_MODELS,
        of_population=distances.klom_mean,
        of_examples=distances.klom_points,
    ),
    row(
        _DISTANCE,
        "klom_p95",
        "KLoM, 95th percentile (nats)",
        min_models=distances.MIN_MODELS,
        of_population=distances.klom_high,
    ),
    row(
        _DISTANCE,
        "klom_p05",
        "KLoM, 5th percentile (nats)",
        min_models=distances.MIN_MODELS,
        of_population=distances.klom_low,
    ),
    row(
        _DISTANCE,
        "klom_reverse",
        "KLoM of oracles from models (nats)",
        min_models=distances.MIN_MODELS,
        of_population=distances.klom_reverse,
    ),
    row(
        _DISTANCE,
        "klom_histogram",
        "KLoM of histograms (nats)",
        min_models=distances.MIN_MODELS,
        of_population=distances.klom_histogram,
    ),
    row(
        _DISTANCE,
        "klom_histogram_p95",
        "KLoM of histograms, 95th percentile (nats)",
        min_models=distances.MIN_MODELS,
        of_population=distances.klom_histogram_high,
    ),
    row(
        _DISTANCE,
        "epsilon",
        "Epsilon of the best threshold (nats)",
        splits=("forget",),
        of_population=distances.epsilon_mean,
        of_examples=distances.epsilon_points,
    ),
    row(
        _ATTACK,
        "forgetting_quality",
        "Forgetting quality F",
        min_models=MIN_QUALITY_MODELS,
        of_population=distances.forgetting_quality_mean,
    ),
    row(
        _ATTACK,
        "forgetting_score",
        "Forgetting quality x utility",
        min_models=MIN_QUALITY_MODELS,
        of_population=distances.forgetting_score,
    ),
    row(
        _SHIFT,
        "influence",
        "Probability of the label - oracles' (points)",
        of_population=distances.influence_mean,
        of_examples=distances.influence_points,
    ),
    row(
        _SHIFT,
        "accuracy_shift",
        "Mean accuracy - oracles' (points)",
        of_population=distances.accuracy_shift,
    ),
    row(
        _SHARE,
        "agreement_with_oracles",
        "Same class as an oracle (%)",
        splits=AUDITED_SPLITS,
        of_population=distances.agreement_mean,
    ),
    row(
        _ATTACK,
        "zrf",
        "Zero-retrain forgetting",
        of_population=distances.zrf_mean,
    ),
)
"""The rows, in their order."""
