"""Audits of certificates: wrong noise is refuted, right noise is not."""

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import pytest

from tests.support import clipped_noise
from tests.support.study import load
from unlearn.algorithms.certified.worst_case import Runs, WorstCase
from unlearn.certificates import chains
from unlearn.certificates.calibration import descent_to_delete_closed_form, sigma_for
from unlearn.certificates.contraction import Bound
from unlearn.certificates.record import Certificate, recompute
from unlearn.certification.audit import CertificateAuditRow, audit
from unlearn.core import registry
from unlearn.report.figures import _certified_audit
from unlearn.study.resolve import StudyError

EPSILON = 1.0
DELTA = 1e-3
SCALES = (1, 0.75, 0.5, 0.25, 0.1)


@dataclass(frozen=True)
class DescentLoop:
    """Descent-to-Delete: descent without noise, and noise on what is published."""

    steps: int = 3
    noise_factor: float = 1.0
    """What a wrong calibration multiplies the noise by."""
    forgets: bool = True
    """Whether the steps of the request leave the deleted points out."""

    def certificate(self, case: WorstCase) -> Certificate:
        descent = case.descent(self.steps)
        sigma = sigma_for(chains.descent_to_delete(descent, 1.0), EPSILON, DELTA)
        certificate = Certificate(
            rule="descent_to_delete",
            level="certified",
            reason="proved",
            reference="the same descent",
            delta=DELTA,
            noise=sigma,
            ledger=descent.ledger,
            gap=0,
            mu=0,
            epsilon=0,
            learning_steps=descent.learning_steps,
            rate=descent.rate,
            constants=descent.constants,
        )
        return replace(certificate, **recompute(certificate)._asdict())

    def weights(self, case: WorstCase, noise: float, runs: Runs) -> np.ndarray:
        learning = case.learning_gradient(has_deleted_points=runs.has_deleted_points)
        request = case.retained_gradient() if self.forgets else learning
        gradients = [learning] * case.learning_steps + [request] * self.steps
        weights = np.zeros((len(runs.seeds), 1))
        for gradient in gradients:
            weights = weights - case.rate * (gradient(weights) + case.weight_decay * weights)
        return weights + self.noise_factor * noise * next(runs.noise("publication"))


def rows(loop, runs=2000, scales=SCALES, seed=0) -> dict[float, CertificateAuditRow]:
    return {row.noise_scale: row for row in audit(loop, runs, scales, seed)}


def test_the_worst_case_attains_the_bound():
    """Without noise the two laws are exactly the certified gap apart."""
    case = WorstCase()
    loop = DescentLoop()
    weights = [
        loop.weights(case, 0.0, Runs([0], has_deleted_points))[0, 0]
        for has_deleted_points in (False, True)
    ]
    bound = descent_to_delete_closed_form(case.descent(loop.steps), 1.0)
    assert abs(weights[0] - weights[1]) == pytest.approx(bound.gap, rel=1e-12)
    assert bound == pytest.approx(Bound(bound.gap, bound.gap))


def test_wrong_noise_is_refuted_and_right_noise_is_not():
    results = rows(DescentLoop())
    assert [row.is_refuted for row in results.values()] == [0, 0, 1, 1, 1]
    assert all(row.epsilon == pytest.approx(EPSILON, rel=1e-9) for row in results.values())
    sound = results[1]
    assert 0.6 * sound.mu < sound.mu_low < sound.mu and sound.epsilon_low < EPSILON
    assert results[0.1].mu_low > 5 * sound.mu


def test_the_right_noise_is_seldom_refuted():
    refuted = [rows(DescentLoop(), 500, (1.0,), seed)[1.0].is_refuted for seed in range(20)]
    assert sum(refuted) <= 2  # of 20, at a confidence of 95 % each


def test_a_loop_that_adds_too_little_noise_is_refuted():
    assert rows(DescentLoop(noise_factor=0.3), scales=(1,))[1].is_refuted


def test_a_loop_that_keeps_the_deleted_points_is_refuted():
    assert rows(DescentLoop(steps=20, forgets=False), scales=(1,))[1].is_refuted


def test_the_seed_decides_all():
    assert rows(DescentLoop(), 100, (1,)) == rows(DescentLoop(), 100, (1,))
    assert rows(DescentLoop(), 100, (0.1,)) != rows(DescentLoop(), 100, (0.1,), seed=1)


def test_a_claim_that_its_record_does_not_give_is_an_error():
    class Liar(DescentLoop):
        def certificate(self, case):
            return replace(super().certificate(case), epsilon=0.5)

    with pytest.raises(ValueError, match=r"epsilon: 0\.5"):
        rows(Liar())


def test_weights_of_another_shape_are_an_error():
    class Flat(DescentLoop):
        def weights(self, case, noise, runs):
            return super().weights(case, noise, runs)[:, 0]

    with pytest.raises(ValueError, match=r"shape \(100,\); allowed: \(100, 1\)"):
        rows(Flat(), 100)


def test_the_figure_has_the_certificate_and_every_bound():
    columns = {"method": "d2d", "variant": "d2d"}
    table = pd.DataFrame([columns | row._asdict() for row in rows(DescentLoop()).values()])
    (axes,) = _certified_audit.draw(table).axes
    certificate, sound, refuted = axes.get_lines()
    assert set(certificate.get_ydata()) == {table["mu"].iloc[0]}
    assert list(sound.get_xdata()) == [1, 0.75] and list(refuted.get_xdata()) == [0.5, 0.25, 0.1]
    assert list(sound.get_ydata()) == table["mu_low"].tolist()[:2]


@pytest.mark.parametrize("kind", ["langevin", "descent_to_delete", "rewind"])
def test_the_loops_of_the_methods_of_descent_are_audited(kind):
    """Each at its defaults, with controls of a quarter and a tenth of the noise."""
    loop = registry.find("methods", kind)(delta=DELTA).audited_loop()
    results = rows(loop, scales=(1, 0.25, 0.1))
    assert results[1].rule == kind
    assert [row.is_refuted for row in results.values()] == [0, 1, 1]
    assert results[1].epsilon == pytest.approx(1, rel=1e-9)
    assert results[0.1].mu_low > 5 * results[1].mu


def test_a_reference_has_no_loop():
    assert registry.find("methods", "langevin")(start="retrained").audited_loop() is None


# -- in a study


@pytest.mark.parametrize(
    "block, message",
    [
        ({"method": "finetune"}, "leakage.method: finetune offers no loop to audit; allowed: "),
        ({"method": "nothing"}, "leakage.method: unknown method 'nothing'"),
        ({"method": "finetune", "runs": 2}, "leakage.runs: 2 "),
        ({"method": "finetune", "noise_scales": [0]}, "leakage.noise_scales.0: 0 "),
    ],
)
def test_an_audit_that_cannot_be_is_refused(block, message):
    def change(config, _):
        config["certificate_audits"] = {"leakage": block}

    with pytest.raises(StudyError) as error:
        load(change)
    assert f"certificate_audits.{message}" in str(error.value)
    assert "allowed" in str(error.value)


def test_an_audit_shares_no_name_with_an_experiment():
    def change(config, _):
        config["certificate_audits"] = {"accuracy": {"method": "finetune"}}

    with pytest.raises(StudyError, match="accuracy is the name of one of the experiments"):
        load(change)


def test_a_study_audits_its_methods(project):
    clipped_noise.install(project)
    project.run("figures/leakage.png")
    table = pd.read_csv(project.results("tables/leakage.csv"))
    assert table["method"].tolist() == [clipped_noise.NAME] * 2
    assert table["is_refuted"].tolist() == [0, 1]
    assert table["mu"].tolist() == pytest.approx([0.2680511232] * 2)
    assert not project.planned("results/tiny/figures/leakage.png")
    study = clipped_noise.STUDY | {
        "certificate_audits": {"leakage": {"method": clipped_noise.NAME}}
    }
    project.write_study(study)
    jobs = project.planned("results/tiny/figures/leakage.png")
    assert jobs == ["certified_audit", "certified_audit_figure"]
