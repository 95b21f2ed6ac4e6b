"""A quasi-Newton model of the Hessian from pairs of steps and gradient changes."""

import warnings

import numpy as np
import torch
from scipy.linalg import LinAlgWarning, lu_factor, lu_solve

MIN_CURVATURE = 1e-12
"""The least curvature y.s / s.s of a pair that is used."""


class Curvature:
    """Products with the L-BFGS matrix B in compact form.

    Holds the last `history` pairs (s, y) of float64 vectors, with their iterations: s is a step, y
    the change of the gradient along it.

    References:
        Byrd, Nocedal, Schnabel, "Representations of quasi-Newton matrices and their use in limited
        memory methods", Mathematical Programming 1994, eq. 3.22.
    """

    def __init__(self, history: int):
        self.history = history
        self.pairs: list[tuple[torch.Tensor, torch.Tensor, int]] = []

    def __len__(self) -> int:
        return len(self.pairs)

    def add(self, s: torch.Tensor, y: torch.Tensor, iteration: int = 0) -> None:
        """Add a pair, if its curvature is positive, and drop the oldest beyond the history."""
        curvature = float(y @ s)
        length = float(s @ s)
        if not (np.isfinite(curvature) and curvature > MIN_CURVATURE * length):
            return
        self.pairs = [*self.pairs, (s, y, iteration)][-self.history :]
        self._prepare()

    def expire(self, iteration: int) -> None:
        """Drop the pairs of the iterations before this one."""
        newer_pairs = [pair for pair in self.pairs if pair[2] >= iteration]
        if len(newer_pairs) < len(self.pairs):
            self.pairs = newer_pairs
            self._prepare()

    def product(self, v: torch.Tensor) -> torch.Tensor:
        """B v. IndexError without pairs."""
        shares = lu_solve(self.factors, (self.stacked @ v).cpu().numpy(), check_finite=False)
        shares = torch.from_numpy(shares).to(v.device)
        return torch.addmv(v, self.stacked.t(), shares, beta=self.scale, alpha=-1)

    def _prepare(self) -> None:
        """Factorise the middle matrix; while it is singular, drop the oldest pair."""
        while self.pairs and not self._factor():
            self.pairs.pop(0)

    def _factor(self) -> bool:
        """Factorise the middle matrix; False where it is singular."""
        s = torch.stack([pair[0] for pair in self.pairs])
        y = torch.stack([pair[1] for pair in self.pairs])
        products = (s @ y.t()).cpu().numpy()
        lengths = (s @ s.t()).cpu().numpy()
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
