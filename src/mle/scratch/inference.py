"""How sure you may be of a number: the bootstrap, the permutation test, and p-values corrected for many looks.

Not for power, stopping rules or covariates: those are about experiments that are still to be run.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations
from math import comb

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]

#: Numbers held at once while resampling; more draws are done in turns.
BATCH = 2_000_000


def _finite(name: str, values: ArrayLike, least: int = 1) -> Array:
    values = np.asarray(values, dtype=float)
    if not values.ndim or len(values) < least:
        raise ValueError(f"{name} has {len(values) if values.ndim else 'no'} row(s): at least {least} needed")
    if not np.isfinite(values).all():
        raise ValueError(f"{name} holds nan or inf: decide what they mean, then replace or drop them")
    return values


# -------------------------------------------------------------------------------------------------- bootstrap


def bootstrap(
    sample: ArrayLike, statistic: Callable[[Array], ArrayLike], draws: int, rng: np.random.Generator
) -> Array:
    """Return `statistic` on `draws` resamples of the rows of `sample` (n, ...), each of n rows with replacement.

    `statistic` takes resamples stacked, (some, n, ...), and returns a number each, (some,): `lambda s: s.mean(axis=1)`.
    A row must be what is independent of the others: see `by_cluster`. Source: Efron (1979).
    """
    sample = _finite("sample", sample)
    if draws < 1:
        raise ValueError(f"draws = {draws}: at least one is needed")
    n, found = len(sample), []
    at_once = max(1, BATCH // sample.size)
    for start in range(0, draws, at_once):
        pick = rng.integers(n, size=(min(at_once, draws - start), n))
        found.append(np.asarray(statistic(sample[pick]), dtype=float))
    return np.concatenate(found)


def percentile_interval(resampled: ArrayLike, error: float = 0.05) -> tuple[float, float]:
    """Return the ends that leave out a share `error` / 2 of the resampled statistics on each side."""
    if not 0 < error < 1:
        raise ValueError(f"error = {error}: it must lie between 0 and 1")
    low, high = np.quantile(_finite("resampled", resampled), [error / 2, 1 - error / 2])
    return float(low), float(high)


def by_cluster(values: ArrayLike, cluster: ArrayLike) -> Array:
    """Return one row a cluster, (clusters, 2): the sum of its values and how many they are.

    The rows to hand to `bootstrap`, with `pooled_mean` for a statistic, where values share their cluster (a day).
    """
    values, cluster = _finite("values", values), np.asarray(cluster)
    if values.shape != cluster.shape or values.ndim != 1:
        raise ValueError(f"values has shape {values.shape}, cluster {cluster.shape}: need (n,) twice")
    which = np.unique(cluster, return_inverse=True)[1]
    return np.column_stack([np.bincount(which, weights=values), np.bincount(which)])


def pooled_mean(rows: ArrayLike) -> Array:
    """Return the mean of all values behind rows of (sum, count): shape (..., clusters, 2) to (...)."""
    total = np.asarray(rows, dtype=float).sum(axis=-2)
    return total[..., 0] / total[..., 1]


# ------------------------------------------------------------------------------------------------ permutation


def p_value(observed: ArrayLike, shuffled: ArrayLike) -> Array:
    """Return (1 + how many of B shuffles reach the observed statistic) / (1 + B).

    Shapes (...) and (B, ...). Large speaks against the null hypothesis: for a two-sided test hand over absolute values.
    The 1 is the observed statistic itself, which is one of the equally likely ones (Phipson and Smyth 2010).
    """
    observed, shuffled = _finite("observed", np.atleast_1d(observed), 0), _finite("shuffled", shuffled)
    if shuffled.shape[1:] != observed.shape and shuffled.ndim > 1:
        raise ValueError(f"observed has shape {observed.shape}, a shuffle {shuffled.shape[1:]}: they must agree")
    if shuffled.ndim == 1:
        shuffled = shuffled[:, None]
    # Sums in another order differ in their last bits; such a tie is a tie.
    reached = shuffled >= observed - 100 * np.finfo(float).eps * np.abs(observed)
    p = (1 + reached.sum(axis=0)) / (1 + len(shuffled))
    return p if p.size != 1 else p.reshape(())[()]


def permutation_test(
    x: ArrayLike, y: ArrayLike, statistic: Callable[[Array, Array], float], draws: int, rng: np.random.Generator
) -> float:
    """Return the p-value of `statistic(x, y)` if all values of x and y (n,), (m,) are exchangeable.

    All splits are tried where there are no more than `draws` of them (the p-value is then exact), else `draws` random
    ones. Source: Fisher (1935), Pitman (1937).
    """
    x, y = _finite("x", x), _finite("y", y)
    both, n = np.concatenate([x, y]), len(x)
    observed = statistic(x, y)
    if comb(len(both), n) <= draws:
        splits = [np.array(chosen) for chosen in combinations(range(len(both)), n)]
        rest = [np.setdiff1d(np.arange(len(both)), chosen) for chosen in splits]
        found = [statistic(both[a], both[b]) for a, b in zip(splits, rest, strict=True)]
        return float(np.mean(np.array(found) >= observed - 100 * np.finfo(float).eps * abs(observed)))
    shuffles = (rng.permutation(both) for _ in range(draws))
    return float(p_value(observed, [statistic(s[:n], s[n:]) for s in shuffles]))


# ------------------------------------------------------------------------------------------------- many looks


def _chances(p: ArrayLike) -> Array:
    p = _finite("p", p, 0)
    if p.ndim != 1 or not ((p >= 0) & (p <= 1)).all():
        raise ValueError("p must be a list of numbers from 0 to 1")
    return p


def bonferroni(p: ArrayLike) -> Array:
    """Return p-values (m,) times m, at most 1: whatever the dependence, one error in the family has that chance."""
    p = _chances(p)
    return np.minimum(1, p * len(p))


def holm(p: ArrayLike) -> Array:
    """Return p-values (m,) adjusted by Holm's (1979) steps: Bonferroni's promise, kept with smaller factors.

    The smallest is multiplied by m, the next by m - 1, and none may fall below one before it.
    """
    p = _chances(p)
    order = np.argsort(p, kind="stable")
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(1, np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1)))
    return adjusted


def benjamini_hochberg(p: ArrayLike) -> Array:
    """Return p-values (m,) adjusted for the false discovery rate (Benjamini and Hochberg 1995).

    Accepting those up to q keeps the expected share of false ones among them at q or less, for independent p-values.
    """
    p = _chances(p)
    m = len(p)
    order = np.argsort(p, kind="stable")[::-1]
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum.accumulate(np.minimum(1, p[order] * m / np.arange(m, 0, -1)))
    return adjusted


def max_adjusted(observed: ArrayLike, shuffled: ArrayLike) -> Array:
    """Return, for m statistics, how often the *largest* of a shuffle reaches each: (m,) and (B, m) to (m,).

    All m must be on one scale, such as standard deviations. Keeps Bonferroni's promise and uses how they hang together.
    Source: Westfall and Young (1993).
    """
    observed, shuffled = np.asarray(observed, dtype=float), np.asarray(shuffled, dtype=float)
    if observed.ndim != 1 or shuffled.ndim != 2 or shuffled.shape[1] != len(observed) or not len(observed):
        raise ValueError(f"observed has shape {observed.shape}, shuffled {shuffled.shape}: need (m,) and (B, m), m > 0")
    largest = np.repeat(shuffled.max(axis=1)[:, None], len(observed), axis=1)
    return np.atleast_1d(p_value(observed, largest))
