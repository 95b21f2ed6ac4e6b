"""A certified method for tests: clipped weights and one Gaussian noise, proved for any network.

It can cheat in ways that the gate of certificates must see.
"""

METHOD = '''\
"""Clip all weights as one vector and add noise."""

from dataclasses import dataclass, replace

import numpy as np

from unlearn.certificates.chains import Deletion
from unlearn.certificates.privacy import mu_of
from unlearn.certificates.record import Certificate, Clipping, recompute
from unlearn.core import seeding
from unlearn.methods.base import Method, Update, parameter


@dataclass(frozen=True)
class ClippedNoiseLoop:
    """The loop of the method, on the worst case."""

    method: "ClippedNoise"

    def certificate(self, case):
        """What one publication claims."""
        return self.method.claim(case.deleted_points, case.points)

    def weights(self, case, noise, runs):
        """The published weights of every run."""
        start = case.far_weights(len(runs.seeds), has_deleted_points=runs.has_deleted_points)
        clipped = np.clip(start, -self.method.radius, self.method.radius)
        return clipped + noise * next(runs.noise("clipped noise"))


class ClippedNoise(Method):
    """The Gaussian mechanism on the weights."""

    guarantee = "certified"
    reads = frozenset()
    serves = ("delete",)
    continues = True

    radius: float = parameter(0.5, above=0, help="C0.")
    epsilon: float = parameter(1.0, above=0, help="What is promised.")
    cheat: str = parameter(
        "none", choices=("none", "silence", "noise", "ledger", "level"), help="What is wrong."
    )

    def audited_loop(self):
        """Noise on clipped weights."""
        return ClippedNoiseLoop(self)

    def claim(self, deleted_points, points):
        """The certificate of one publication."""
        certificate = Certificate(
            rule="output_noise",
            level="approximate" if self.cheat == "level" else "certified",
            reason="the radius is enforced",
            reference="the same noise on weights that never saw the points",
            delta=1e-5,
            noise=2 * self.radius / mu_of(self.epsilon, 1e-5),
            ledger=(Deletion(deleted_points - (self.cheat == "ledger"), points, steps=1),),
            gap=0,
            mu=0,
            epsilon=0,
            clipping=Clipping(start=self.radius),
        )
        return replace(certificate, **recompute(certificate)._asdict())

    def unlearn(self, task, original, request, seed):
        """Clipped weights with fresh noise, and the claim."""
        names = task.trainer.compared(task)
        tensors = [np.asarray(original[name], dtype=np.float64) for name in names]
        norm = np.sqrt(sum((tensor**2).sum() for tensor in tensors))
        factor = min(1, self.radius / norm)
        certificate = self.claim(len(request.deleted_ids), len(request.previous_ids))
        sigma = certificate.noise
        chance = np.random.default_rng(seeding.derive(seed, "clipped noise", request.index))
        noisy = [factor * tensor + sigma * chance.normal(size=tensor.shape) for tensor in tensors]
        weights = {
            name: tensor.astype(np.float32) for name, tensor in zip(names, noisy, strict=True)
        }
        weights["secret/factor"] = np.array(factor)
        if self.cheat == "noise":
            certificate = replace(certificate, noise=sigma / 100)
        return Update(weights, certificate=None if self.cheat == "silence" else certificate)
'''

NAME = "clipped_noise"
CHEATS = ("silence", "noise", "ledger", "level")

STUDY = {
    "study": "tiny",
    "seeds": 2,
    "fleet": 2,
    "recipes": {"quick": {"epochs": 2, "batch_size": 32, "lr": 0.1}},
    "datasets": {"digits": {"recipe": "quick", "subset": 200}},
    "models": {"mlp": {"hidden": 16}},
    "certificate_audits": {"leakage": {"method": NAME, "runs": 400, "noise_scales": [1, 0.1]}},
    "experiments": {
        "accuracy": {
            "dataset": "digits",
            "model": "mlp",
            "method": [
                "finetune",
                {"name": "sisa", "shards": 2, "slices": 1},
                NAME,
                {"name": NAME, "cheat": list(CHEATS)},
            ],
            "request": {"name": "random", "rate": 0.1, "steps": 2},
            "figure": {"x": "variant", "y": "accuracy", "split": "test"},
        },
    },
}

FLEET = "seeds0-1"
REQUEST = "random-rate=0.1-steps=2"


def install(project) -> None:
    """Write the method into a copy of the project, and the study."""
    (project.root / f"unlearn/methods/{NAME}.py").write_text(METHOD)
    project.write_study(STUDY)


def cell(variant: str) -> str:
    """The path of a cell below each folder of the results."""
    return f"digits/mlp/{variant}/{REQUEST}/{FLEET}"
