"""A quasi-Newton model of the Hessian from pairs of steps and gradient changes."""

import warnings

import numpy as np
import torch
from scipy.linalg import LinAlgWarning, lu_factor, lu_solve

LEAST = 1e-12
"""The least curvature y.s / s.s of a pair that is kept."""


class Curvature:
    """Products with the L-BFGS matrix in compact form (Byrd, Nocedal, Schnabel 1994, eq. 3.22).

    Holds the last `history` pairs (s, y) of float64 vectors, a step and how the gradient changed
    with it, and the iteration that each was seen in.
    """

    def __init__(self, history: int):
        self.history = history
        self.pairs: list[tuple[torch.Tensor, torch.Tensor, int]] = []

    def __len__(self) -> int:
        return len(self.pairs)

    def add(self, s: torch.Tensor, y: torch.Tensor, iteration: int = 0) -> None:
        """Take a pair, if its curvature is positive; the oldest beyond the history are dropped."""
        curvature, length = float(y @ s), float(s @ s)
        if not (np.isfinite(curvature) and curvature > LEAST * length):
            return
        self.pairs = [*self.pairs, (s, y, iteration)][-self.history :]
        self._prepare()

    def expire(self, iteration: int) -> None:
        """Drop the pairs that were seen before an iteration."""
        fresh = [pair for pair in self.pairs if pair[2] >= iteration]
        if len(fresh) < len(self.pairs):
            self.pairs = fresh
            self._prepare()

    def product(self, v: torch.Tensor) -> torch.Tensor:
        """B v. IndexError without pairs."""
        shares = lu_solve(self.factors, (self.stacked @ v).cpu().numpy(), check_finite=False)
        shares = torch.from_numpy(shares).to(v.device)
        return torch.addmv(v, self.stacked.t(), shares, beta=self.scale, alpha=-1)

    def _prepare(self) -> None:
        """Make ready for products; while the middle matrix is singular, drop the oldest pair."""
        while self.pairs and not self._factor():
            self.pairs.pop(0)

    def _factor(self) -> bool:
        s, y = (torch.stack([pair[i] for pair in self.pairs]) for i in (0, 1))
        products, lengths = (s @ y.t()).cpu().numpy(), (s @ s.t()).cpu().numpy()
        self.scale = float(products[-1, -1] / lengths[-1, -1])
        self.stacked = torch.cat([y, self.scale * s])
        below = np.tril(products, -1)
        middle = np.block([[-np.diag(np.diag(products)), below.T], [below, self.scale * lengths]])
        with warnings.catch_warnings():
            warnings.simplefilter("error", LinAlgWarning)
            try:
                self.factors = lu_factor(middle)
            except (LinAlgWarning, ValueError):
                return False
        return bool(np.diag(self.factors[0]).all())
