"""Deletions that certified full-batch descent serves, and what it claims about them.

Every step of a request appends to the **ledger**: points that it deletes, points before it, steps.
The reference is the same procedure, with the same noise, on the retained points from the start.
"""

from collections.abc import Callable

import numpy as np
import torch

from unlearn.algorithms.certified import full_batch
from unlearn.algorithms.certified.chain import Chain
from unlearn.algorithms.certified.parameters import (
    DescentParameters,
    LangevinParameters,
    StepParameters,
)
from unlearn.certificates import chains
from unlearn.certificates.calibration import (
    descent_to_delete_closed_form,
    langevin_closed_form,
    least_steps,
    sigma_for,
)
from unlearn.certificates.chains import Deletion, Descent
from unlearn.certificates.contraction import Bound
from unlearn.certificates.privacy import epsilon_of, mu_of
from unlearn.certificates.record import Certificate
from unlearn.requests.request import Step
from unlearn.training.state import State, Update
from unlearn.training.task import Task

LEDGER = "ledger/requests"
"""The tensor of a state with the requests so far, int64 J x 3: deleted, points before, steps."""

PROOF = "inputs of norm one and weight decay prove every constant"
"""Why certificates have the level `certified`."""


class Service:
    """One step of a request, as the models of a trainer serve it."""

    def __init__(self, task: Task, original: State, request: Step, seed: int):
        """ValueError for a step that adds points, or leaves none."""
        if len(np.setdiff1d(request.retain_ids, request.previous_ids)):
            raise ValueError("request: points are added; allowed: deletions, which a ledger holds")
        if not len(request.retain_ids):
            raise ValueError("no training data left")
        self.task = task
        self.original = original
        self.request = request
        self.seed = seed
        self.chain = Chain(task, task.trainer.law(task.recipe))
        self.name = self.chain.regression.name
        self.past = tuple(Deletion(*map(int, row)) for row in np.asarray(original.get(LEDGER, ())))
        """The ledger before this step."""

    @property
    def is_empty(self) -> bool:
        """Whether nothing is deleted, so that the model and earlier claims stay."""
        return not len(self.request.deleted_ids)

    def descent(self, steps: int) -> Descent:
        """Learning and all requests, this step served by so many steps of descent."""
        points = len(self.request.previous_ids)
        deleted_points = len(self.request.deleted_ids)
        present = () if self.is_empty else (Deletion(deleted_points, points, steps),)
        return Descent(
            constants=full_batch.constants(self.task.data.classes, self.task.recipe.weight_decay),
            rate=self.task.recipe.lr,
            learning_steps=self.task.recipe.epochs,
            ledger=(*self.past, *present),
        )

    def continuation(self, weights: np.ndarray, descent: Descent) -> np.ndarray:
        """Weights 1 x p after the steps of the last request on the retained points."""
        return self._request_steps(weights, descent, len(descent.ledger))

    def reference(self, descent: Descent) -> np.ndarray:
        """Weights 1 x p of learning and all requests on the retained points, with equal noise."""
        weights, _ = self.chain.learn([self.request.retain_ids], [self.seed])
        for number in range(1, len(descent.ledger) + 1):
            weights = self._request_steps(weights, descent, number)
        return weights

    def publication(self, weights: np.ndarray, sigma: float, descent: Descent) -> np.ndarray:
        """Weights 1 x p with fresh noise of standard deviation sigma."""
        noise = self.chain.noise([self.seed], "publication noise", len(descent.ledger))
        return weights + sigma * noise()

    def update(
        self, tensors: dict[str, np.ndarray], descent: Descent, certificate: Certificate | None
    ) -> Update:
        """Weights 1 x p by the name of their tensor, the ledger and the claim."""
        rows = [[entry.deleted_points, entry.points, entry.steps] for entry in descent.ledger]
        changes = {name: self.chain.tensor(weights) for name, weights in tensors.items()}
        return Update(changes | {LEDGER: torch.tensor(rows)}, certificate=certificate)

    def _request_steps(self, weights: np.ndarray, descent: Descent, number: int) -> np.ndarray:
        """The steps of one request of the ledger, counted from 1, on the retained points."""
        noise = self.chain.noise([self.seed], "request noise", number)
        steps = descent.ledger[number - 1].steps
        return self.chain.run(weights, [self.request.retain_ids], steps, noise)


def langevin(
    method: LangevinParameters, task: Task, original: State, request: Step, seed: int
) -> Update:
    """Noisy steps on the retained points; see the method."""
    service = Service(task, original, request, seed)
    sigma = task.trainer.sigma

    def certificate(descent: Descent) -> Certificate:
        bound = langevin_closed_form(descent, sigma)
        return claim("langevin", descent, sigma, bound, method.delta)

    if service.is_empty:
        return unchanged(service, None if method.start == "retrained" else certificate)
    steps = method.steps
    if steps is None:
        mu = mu_of(method.epsilon, method.delta)
        least = least_steps(
            lambda count: langevin_closed_form(service.descent(count), sigma).mu <= mu,
            method.max_steps,
        )
        steps = max(least, 1)  # a model that stays as it is would pass for one that failed
    descent = service.descent(steps)
    if method.start == "retrained":
        return service.update({service.name: service.reference(descent)}, descent, None)
    weights = service.chain.vector(original[service.name])
    tensors = {service.name: service.continuation(weights, descent)}
    return service.update(tensors, descent, certificate(descent))


def descent_to_delete(
    method: StepParameters, task: Task, original: State, request: Step, seed: int
) -> Update:
    """Steps on the retained points, of which a noisy copy is published; see the method."""
    service = Service(task, original, request, seed)

    def sigma(descent: Descent) -> float:
        return sigma_for(descent_to_delete_closed_form(descent, 1.0), method.epsilon, method.delta)

    def certificate(descent: Descent) -> Certificate:
        bound = descent_to_delete_closed_form(descent, sigma(descent))
        memory = "the secret state still knows the deleted points"
        return claim("descent_to_delete", descent, sigma(descent), bound, method.delta, memory)

    if service.is_empty:
        return unchanged(service, None if method.start == "retrained" else certificate)
    descent = service.descent(method.steps)
    secret = f"secret/{service.name}"
    if method.start == "retrained":
        weights = service.reference(descent)
        published = service.publication(weights, sigma(descent), descent)
        return service.update({service.name: published}, descent, None)
    start = original[secret if service.past else service.name]
    weights = service.continuation(service.chain.vector(start), descent)
    published = service.publication(weights, sigma(descent), descent)
    tensors = {service.name: published, secret: weights}
    return service.update(tensors, descent, certificate(descent))


def rewind(
    method: DescentParameters, task: Task, original: State, request: Step, seed: int
) -> Update:
    """The last steps of learning again, of which a noisy copy is published; see the method."""
    service = Service(task, original, request, seed)

    def sigma(descent: Descent) -> float:
        return sigma_for(chains.rewind(descent, 1.0), method.epsilon, method.delta)

    def certificate(descent: Descent) -> Certificate:
        bound = chains.rewind(descent, sigma(descent))
        memory = "the checkpoint still knows the deleted points"
        return claim("rewind", descent, sigma(descent), bound, method.delta, memory)

    if service.is_empty:
        return unchanged(service, None if method.start == "retrained" else certificate)
    descent = service.descent(task.trainer.kept_steps(task.recipe))
    if method.start == "retrained":
        weights, _ = service.chain.learn([request.retain_ids], [seed])
        published = service.publication(weights, sigma(descent), descent)
        return service.update({service.name: published}, descent, None)
    checkpoint = service.chain.vector(original[f"checkpoint/{service.name}"])
    weights = service.continuation(checkpoint, descent)
    published = service.publication(weights, sigma(descent), descent)
    return service.update({service.name: published}, descent, certificate(descent))


def unchanged(service: Service, certificate: Callable[[Descent], Certificate] | None) -> Update:
    """No change; the claim of the last step that deleted points still holds, if it has one."""
    has_claim = service.past and certificate is not None
    return Update(certificate=certificate(service.descent(0)) if has_claim else None)


def claim(
    rule: str, descent: Descent, sigma: float, bound: Bound, delta: float, memory: str = ""
) -> Certificate:
    """The certificate of weights that are published after the last request of a ledger.

    Args:
        rule: of `certificates.record.RULES`.
        descent: learning and the requests so far.
        sigma: the noise of the rule.
        bound: what follows from it.
        delta: of the certificate.
        memory: what else still knows the deleted points, in words.
    """
    return Certificate(
        rule=rule,
        level="certified",
        reason="; ".join(filter(None, (PROOF, memory))),
        reference="the same procedure, with noise of the same law, without the deleted points",
        delta=delta,
        noise=sigma,
        ledger=descent.ledger,
        gap=bound.gap,
        mu=bound.mu,
        epsilon=epsilon_of(bound.mu, delta),
        learning_steps=descent.learning_steps,
        rate=descent.rate,
        constants=descent.constants,
    )
