"""Membership attacks on the models of an audit: do they still know the deleted points?

Every attack on single models compares deleted points with test points of the same mix of classes.
Its value is the mean over the audited models, with a t interval over them. The right value is that
of oracles, not .5: oracles, too, know some points better than others.
"""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from unlearn.metrics.finding import Finding
from unlearn.metrics.lira import offline_lira_scores
from unlearn.metrics.loss_attack import attack_auc
from unlearn.metrics.loss_threshold import threshold_attack
from unlearn.metrics.membership import class_overlap, matched_rows, roc_auc, tpr_at_fpr
from unlearn.metrics.population_means import mean_finding, with_difference
from unlearn.metrics.populations import Populations
from unlearn.metrics.rmia import choose_a, rmia_scores
from unlearn.metrics.svc_attack import confidences, svc_efficacy
from unlearn.metrics.ulira import ULira, ulira, ulira_difference

SEED = 0
"""Decides which test points and models are drawn: audits of one request draw the same."""

RMIA_REFERENCES = 4
"""Oracles that RMIA compares with."""

RMIA_MEMBERS = 2
"""Originals that help to choose RMIA's parameter: they were trained on the deleted points."""

SVC_POINTS = 250
"""Retain points, and test points, that each classifier of the SVC attack is fitted to."""

AUC_TOLERANCE = 0.05
"""The literature calls an attack with an area so close to .5 a success of unlearning."""

FORGET_ACCURACY_LIMIT = 0.1
"""The literature calls an accuracy on deleted points below this one a success of unlearning."""


Scores = tuple[np.ndarray, np.ndarray] | str
"""Scores of deleted and of test points, models x points; a reason where there are none."""


# -- U-LiRA: many unlearned models against many oracles


def ulira_auc(populations: Populations, split: str) -> Finding:
    """Area under the ROC curve of U-LiRA; see `ulira`."""
    finding = populations.shared(_ulira).auc
    originals = populations.margins("originals", "forget")[: populations.size("unlearned")]
    margins = [populations.margins(group, "forget") for group in ("unlearned", "reference")]
    if finding.value is None or populations.is_original or len(originals) < len(margins[0]):
        return finding
    difference = ulira_difference(margins[0], originals, margins[1], seed=SEED)
    return replace(finding, difference=difference)


def ulira_balanced_accuracy(populations: Populations, split: str) -> Finding:
    """Balanced accuracy of U-LiRA at a likelihood ratio of 1."""
    return populations.shared(_ulira).balanced_accuracy


def ulira_tpr_at_one_percent(populations: Populations, split: str) -> Finding:
    """True-positive rate of U-LiRA at a false-positive rate of 1 %."""
    return populations.shared(_ulira).tpr_at_one_percent


def ulira_point_aucs(populations: Populations) -> np.ndarray | None:
    """The area of U-LiRA at each deleted point."""
    return populations.shared(_ulira).point_aucs


def _ulira(populations: Populations) -> ULira:
    groups = [populations.margins(group, "forget") for group in ("unlearned", "reference")]
    return ulira(*groups, seed=SEED)


# -- attacks on one model at a time


def lira_auc(populations: Populations, split: str) -> Finding:
    """Mean area of offline LiRA, whose models without the points are the oracles of half A."""
    return _over_models(populations, _lira_scores, roc_auc)


def lira_tpr_at_one_percent(populations: Populations, split: str) -> Finding:
    """Mean true-positive rate of offline LiRA at a false-positive rate of 1 %."""
    return _over_models(populations, _lira_scores, _tpr_at_one_percent)


def rmia_auc(populations: Populations, split: str) -> Finding:
    """Mean area of RMIA with oracles as references and validation points as population."""
    return _over_models(populations, _rmia_scores, roc_auc)


def rmia_tpr_at_one_percent(populations: Populations, split: str) -> Finding:
    """Mean true-positive rate of RMIA at a false-positive rate of 1 %."""
    return _over_models(populations, _rmia_scores, _tpr_at_one_percent)


def rmia_point_scores(populations: Populations) -> np.ndarray | None:
    """The mean RMIA score of each deleted point over the audited models."""
    scores = populations.shared(_rmia_scores, "unlearned")
    return None if isinstance(scores, str) else scores[0].mean(axis=0)


def loss_auc(populations: Populations, split: str) -> Finding:
    """Mean area of the attack by loss, class by class; see `loss_attack`."""
    reason = "no class has both deleted points and test points"
    finding = mean_finding(populations.shared(_loss_areas, "unlearned"), reason)
    return with_difference(
        populations, finding, lambda group: populations.shared(_loss_areas, group)
    )


def loss_balanced_accuracy(populations: Populations, split: str) -> Finding:
    """Mean balanced accuracy of a threshold on the loss, chosen on points that it is not tested on.

    The threshold tells half of the retained points from half of the test points; see
    `threshold_attack`.
    """
    if "retain" not in populations.rows:
        return Finding(None, n=populations.size("unlearned"), reason="no retained points")
    accuracies = populations.shared(_threshold_accuracies, "unlearned")
    finding = mean_finding(accuracies, "no class has deleted points and two test points")
    return with_difference(
        populations, finding, lambda group: populations.shared(_threshold_accuracies, group)
    )


def svc_efficacy_mean(populations: Populations, split: str) -> Finding:
    """Mean share of deleted points that an SVC on confidences calls non-members."""
    labels = {name: populations.split_labels(name) for name in ("retain", "test", "forget")}
    values = []
    reason = "no retained points"
    for model in range(populations.size("unlearned")) if "retain" in populations.rows else ():
        features = [
            confidences(populations.split_logits("unlearned", name)[model], labels[name])
            for name in ("retain", "test", "forget")
        ]
        finding = svc_efficacy(*features, seed=SEED, max_points=SVC_POINTS)
        reason = finding.reason
        values.append(finding.value)
    return mean_finding(values, reason)


# -- thresholds of the literature


def auc_threshold_failures(populations: Populations, split: str) -> Finding:
    """Share of models whose attack by loss is not within .05 of .5."""
    areas = populations.shared(_loss_areas, "unlearned")
    failures = [None if area is None else abs(area - 0.5) > AUC_TOLERANCE for area in areas]
    return mean_finding(failures, "no class has both deleted points and test points")


def accuracy_threshold_failures(populations: Populations, split: str) -> Finding:
    """Share of models whose accuracy on the deleted points is not below .1."""
    classes = populations.split_logits("unlearned", "forget").argmax(axis=2)
    accuracies = (classes == populations.split_labels("forget")).mean(axis=1)
    return mean_finding(list(accuracies >= FORGET_ACCURACY_LIMIT), "")


# -- what they share


def _nonmembers(populations: Populations) -> tuple[np.ndarray, np.ndarray]:
    """Which deleted points are attacked, and the test points that they are compared with."""
    forget_labels = populations.split_labels("forget")
    test_labels = populations.split_labels("test")
    rows = matched_rows(forget_labels, test_labels, SEED)
    return class_overlap(forget_labels, test_labels), rows


def _lira_scores(populations: Populations, group: str) -> Scores:
    """The scores of LiRA on the models of a group."""
    is_attacked, test_rows = populations.shared(_nonmembers)
    sides = []
    for split, points in (("forget", is_attacked), ("test", test_rows)):
        target, out = (populations.margins(name, split)[:, points] for name in (group, "reference"))
        result = offline_lira_scores(target, out)
        if result.scores is None:
            return result.reason
        sides.append(result.scores)
    return tuple(sides)


def _rmia_scores(populations: Populations, group: str) -> Scores:
    """The scores of RMIA on the models of a group."""
    if "validation" not in populations.rows:
        return "RMIA needs validation points, which nobody trained on; set `validation`"
    is_attacked, test_rows = populations.shared(_nonmembers)
    if not len(test_rows):
        return "no class has both deleted points and test points"
    points = {"forget": is_attacked, "test": test_rows, "validation": slice(None)}

    def probabilities(name: str, split: str, count: int | None = None) -> np.ndarray:
        return populations.probabilities(name, split)[:count, points[split]]

    models = [("originals", RMIA_MEMBERS), ("reference", RMIA_REFERENCES)]
    helpers = {
        split: np.concatenate([probabilities(name, split, count) for name, count in models])
        for split in points
    }
    both = np.concatenate([helpers["forget"], helpers["test"]], axis=1)
    membership = np.zeros(both.shape, bool)
    membership[:RMIA_MEMBERS, : helpers["forget"].shape[1]] = True
    choice = choose_a(both, membership, helpers["validation"])
    if choice.value is None:
        return choice.reason
    populations_points = (
        probabilities(group, "validation"),
        helpers["validation"][RMIA_MEMBERS:],
    )
    return tuple(
        rmia_scores(
            probabilities(group, split),
            helpers[split][RMIA_MEMBERS:],
            *populations_points,
            a=choice.value,
        )
        for split in ("forget", "test")
    )


def _loss_areas(populations: Populations, group: str) -> list[float | None]:
    """The area of the attack by loss on each model of a group."""
    labels = [populations.split_labels(split) for split in ("forget", "test")]
    odds = [-populations.margins(group, split) for split in ("forget", "test")]
    return [
        attack_auc(member_odds, labels[0], nonmember_odds, labels[1])
        for member_odds, nonmember_odds in zip(*odds, strict=True)
    ]


def _threshold_accuracies(populations: Populations, group: str) -> list[float | None]:
    """The balanced accuracy of the attack by a threshold on each model of a group."""
    is_attacked, test_rows = populations.shared(_nonmembers)
    forget, retain, test = (
        populations.margins(group, split) for split in ("forget", "retain", "test")
    )
    sides = zip(forget[:, is_attacked], retain, test[:, test_rows], strict=True)
    return [threshold_attack(*scores, seed=SEED).balanced_accuracy.value for scores in sides]


def _tpr_at_one_percent(members: np.ndarray, others: np.ndarray) -> Finding:
    return tpr_at_fpr(members, others, 0.01)


def _over_models(
    populations: Populations,
    attack: Callable[[Populations, str], Scores],
    measure: Callable[[np.ndarray, np.ndarray], Finding],
) -> Finding:
    """The mean over the audited models of a measure of their scores of members and of non-members.

    Args:
        populations: The models.
        attack: Gives the scores of the models of a group.
        measure: Of the scores of one model.
    """
    scores = populations.shared(attack, "unlearned")
    if isinstance(scores, str):
        return Finding(None, reason=scores)
    findings = [measure(*sides) for sides in zip(*scores, strict=True)]
    reasons = [finding.reason for finding in findings if finding.reason]
    finding = mean_finding([finding.value for finding in findings], reasons[0] if reasons else "")

    def values(group: str) -> list[float | None]:
        group_scores = populations.shared(attack, group)
        if isinstance(group_scores, str):
            return [None]
        return [measure(*sides).value for sides in zip(*group_scores, strict=True)]

    return with_difference(populations, finding, values)
