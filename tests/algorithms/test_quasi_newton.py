"""The quasi-Newton model of DeltaGrad, on quadratic functions."""

import numpy as np
import torch

from unlearn.algorithms.deltagrad.quasi_newton import Curvature


def quadratic(size, seed=0):
    random = np.random.default_rng(seed)
    root = random.normal(size=(size, size))
    return torch.from_numpy(root @ root.T + np.eye(size)), random


def test_the_newest_pair_is_reproduced():
    hessian, random = quadratic(12)
    for history in (1, 2, 5, 20):
        curvature = Curvature(history)
        for _ in range(8):
            s = torch.from_numpy(random.normal(size=12))
            curvature.add(s, hessian @ s)
            error = torch.linalg.norm(curvature.product(s) - hessian @ s)
            assert error <= 1e-10 * torch.linalg.norm(hessian @ s)
        assert len(curvature) == min(history, 8)
        assert torch.equal(curvature.product(torch.zeros(12).double()), torch.zeros(12).double())


def test_conjugate_pairs_give_the_hessian():
    hessian, random = quadratic(6)
    directions = torch.linalg.inv(torch.linalg.cholesky(hessian)).T
    curvature = Curvature(6)
    for i in range(6):
        s = directions[:, i] * random.uniform(0.5, 2)
        curvature.add(s, hessian @ s)
    v = torch.from_numpy(random.normal(size=6))
    assert torch.allclose(curvature.product(v), hessian @ v, rtol=1e-8)


def test_the_product_is_that_of_updates_one_by_one():
    """B - B s s' B / s'Bs + y y' / y's, from sigma I (Nocedal and Wright, eq. 6.19)."""
    hessian, random = quadratic(7)
    curvature, pairs = Curvature(3), []
    for _ in range(5):
        s = torch.from_numpy(random.normal(size=7))
        y = hessian @ s
        curvature.add(s, y)
        pairs = [*pairs, (s, y)][-3:]
    s, y = pairs[-1]
    matrix = (y @ s) / (s @ s) * torch.eye(7).double()
    for s, y in pairs:
        bs = matrix @ s
        matrix += torch.outer(y, y) / (y @ s) - torch.outer(bs, bs) / (s @ bs)
    v = torch.from_numpy(random.normal(size=7))
    assert torch.allclose(curvature.product(v), matrix @ v, rtol=1e-9)


def test_useless_pairs_are_refused():
    curvature, s = Curvature(3), torch.arange(1, 5).double()
    for y in (-s, torch.zeros(4).double(), s * torch.nan, s * torch.inf):
        curvature.add(s, y)
        assert not len(curvature)
    curvature.add(s, 2 * s)
    curvature.add(s, 2 * s)  # the middle matrix of both is singular
    assert torch.allclose(curvature.product(s), 2 * s)
