"""Systems with the empirical Fisher matrix of a few points, solved among points, not weights."""

import torch

BLOCK_WEIGHTS = 2**16
"""Weights that are multiplied in double precision at a time."""


def damped_solution(rows: torch.Tensor, right: torch.Tensor, damping: float) -> torch.Tensor:
    """(lambda I + G'G / N)^-1 v, by a system of N equations.

    It is (v - G' (lambda N I + G G')^-1 G v) / lambda.

    Args:
        rows: G, the gradients of N points, N x weights.
        right: v, one number for every weight.
        damping: lambda, above 0.

    Returns:
        The solution in double precision.
    """
    count = len(rows)
    right = right.double()
    gram = torch.zeros((count, count), dtype=torch.float64, device=rows.device)
    products = torch.zeros((count, 1), dtype=torch.float64, device=rows.device)
    blocks = list(zip(rows.split(BLOCK_WEIGHTS, 1), right.split(BLOCK_WEIGHTS), strict=True))
    for block, part in blocks:
        wide = block.double()
        gram += wide @ wide.t()
        products += wide @ part[:, None]
    gram += damping * count * torch.eye(count, dtype=torch.float64, device=rows.device)
    shares = torch.cholesky_solve(products, torch.linalg.cholesky(gram))
    remainders = [part - (block.double().t() @ shares)[:, 0] for block, part in blocks]
    return torch.cat(remainders) / damping
