"""Successive draws without replacement, by an uneven probability."""

from unlearn.core.parameters import parameter
from unlearn.partitions import request_prior
from unlearn.requests.amount import amount
from unlearn.requests.base import PointSet, Sampler
from unlearn.requests.request import Request, deletion


def ranking_parameter() -> int:
    """The field `ranking_seed` of a sampler."""
    return parameter(0, minimum=0, help="Which points are likely, whatever the draw.")


def draw(prior: str, sampler: Sampler, dataset: PointSet) -> Request:
    """The deletion of points in the order of successive draws.

    Smaller requests lie in larger ones of the same seed. `sampler` has a rate or a count, steps,
    a shape, and the seeds of draw and ranking.
    """
    base_ids = dataset.base_ids
    probability = request_prior.probabilities(prior, base_ids, sampler.ranking_seed, sampler.shape)
    order = request_prior.successive_draws(base_ids, probability, sampler.seed)
    points = amount(len(base_ids), sampler.rate, sampler.count)
    return deletion(order[:points], sampler.steps)
