"""How many of n independent trials succeed, and what k of n says about the chance: the exact interval.

Not for trials that share a cause: days in one storm, rows of one customer. `n` counts independent trials.
"""

from __future__ import annotations

from math import lgamma

import numpy as np
from numpy.typing import NDArray


def pmf(n: int, p: float) -> NDArray:
    """The probabilities of 0, 1, ..., n successes in n independent trials of chance p: shape (n + 1,)."""
    if n < 0 or not 0 <= p <= 1:
        raise ValueError(f"n is {n} and p is {p}: n must not be negative, p must lie between 0 and 1")
    k = np.arange(n + 1)
    if p in (0, 1):
        return (k == n * p).astype(float)
    log_factorial = np.array([lgamma(i + 1) for i in k])
    log_choose = log_factorial[n] - log_factorial - log_factorial[::-1]
    return np.exp(log_choose + k * np.log(p) + (n - k) * np.log1p(-p))


def at_least(k: int, n: int, p: float) -> float:
    """The probability of k or more successes in n trials of chance p."""
    return float(min(1.0, pmf(n, p)[max(k, 0) :].sum()))


def exact_interval(k: int, n: int, error: float = 0.05) -> tuple[float, float]:
    """The chances p that k successes of n do not rule out, with `error` / 2 on each side, by halving.

    Covers the true chance with probability 1 - error or more, whatever it is (Clopper and Pearson 1934).
    """
    if not 0 <= k <= n or n < 1 or not 0 < error < 1:
        raise ValueError(f"k={k}, n={n}, error={error}: need 0 <= k <= n, n > 0 and 0 < error < 1")

    def where(tail, k):  # `tail` grows with p; the p at which it reaches error / 2
        low, high = 0.0, 1.0
        for _ in range(60):
            middle = (low + high) / 2
            low, high = (middle, high) if tail(k, n, middle) < error / 2 else (low, middle)
        return (low + high) / 2

    lower = 0.0 if k == 0 else where(at_least, k)
    upper = 1.0 if k == n else 1 - where(at_least, n - k)  # k of n with p is n - k of n with 1 - p
    return lower, upper
