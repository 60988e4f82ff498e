"""Read, size, watch and sharpen a randomised comparison of two arms: Welch, power, stopping rules, CUPED.

Not for data without a coin: nothing here can tell an effect from the reason why somebody was treated.
"""

from __future__ import annotations

from functools import cache
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

Array = NDArray[np.float64]


class Difference(NamedTuple):
    """Treated less control, its standard error (both in the data's unit), degrees of freedom, two-sided p-value."""

    estimate: float
    error: float
    df: float
    p: float


def _sample(name: str, values: ArrayLike, least: int = 2) -> Array:
    values = np.asarray(values, dtype=float)
    if values.ndim != 1 or len(values) < least:
        raise ValueError(f"{name} has shape {values.shape}: need one dimension and {least} values or more")
    if not np.isfinite(values).all():
        raise ValueError(f"{name} holds nan or inf: say first what becomes of a missing outcome")
    return values


def welch(treated: ArrayLike, control: ArrayLike) -> Difference:
    """Compare the means of two independent samples (n,) and (m,), whose variances may differ.

    Raises ValueError for fewer than two values in an arm, nan, inf, or no variation at all. Source: Welch (1947).
    """
    t, c = _sample("treated", treated), _sample("control", control)
    parts = np.array([t.var(ddof=1) / len(t), c.var(ddof=1) / len(c)])
    if not parts.sum() > 0:
        raise ValueError("no value differs from its arm's mean: there is nothing to measure a difference by")
    estimate, error = t.mean() - c.mean(), np.sqrt(parts.sum())
    share = parts / parts.sum()  # scaled first: squares of tiny variances would vanish
    df = 1 / np.sum(share**2 / [len(t) - 1, len(c) - 1])
    return Difference(float(estimate), float(error), float(df), float(2 * special.stdtr(df, -abs(estimate) / error)))


def power(n: float, delta: float, sigma: float, alpha: float = 0.05) -> float:
    """The chance that n rows an arm show a true difference `delta` at two-sided `alpha`; sigma: spread of a row.

    `delta` and `sigma` share a unit. Counts both directions, and takes the difference of means as normal.
    """
    if not (n > 0 and sigma > 0 and 0 < alpha < 1):
        raise ValueError(f"n={n}, sigma={sigma}, alpha={alpha}: need n > 0, sigma > 0 and 0 < alpha < 1")
    shift = delta / (sigma * np.sqrt(2 / n))
    cut = special.ndtri(1 - alpha / 2)
    return float(special.ndtr(shift - cut) + special.ndtr(-shift - cut))


def sample_size(delta: float, sigma: float, alpha: float = 0.05, power: float = 0.8) -> int:
    """Rows *an arm* for which a true difference `delta` shows with probability `power` at two-sided `alpha`.

    Leaves out the chance of a significant result with the wrong sign, which no one wants to buy.
    """
    if not (delta and np.isfinite(delta) and sigma > 0 and 0 < alpha < 1 and alpha / 2 < power < 1):
        raise ValueError(f"{delta=}, {sigma=}, {alpha=}, {power=}: need delta not 0, sigma > 0, alpha/2 < power < 1")
    z = special.ndtri(1 - alpha / 2) + special.ndtri(power)
    return max(1, int(np.ceil(2 * (z * sigma / delta) ** 2)))


_gauss = cache(np.polynomial.legendre.leggauss)


def crossing(bounds: ArrayLike, drift: float = 0.0) -> Array:
    """The probability that |z| has reached its bound at look 1, at look 2 or before, ..., K or before: shape (K,).

    `bounds` (K,) are for z at K equally spaced looks; z at look k is normal with mean drift * sqrt(k), variance 1. By
    carrying the density of those not yet stopped from look to look. Source: Armitage, McPherson & Rowe (1969).
    """
    bounds = np.asarray(bounds, dtype=float)
    if bounds.ndim != 1 or not (bounds > 0).all():
        raise ValueError(f"bounds of shape {bounds.shape} must be positive numbers in one dimension")
    at, weight, stopped = np.zeros(1), np.ones(1), []  # sums so far, and the probability of each
    for k, bound in enumerate(bounds, 1):
        middle, reach = drift * k, 9 * np.sqrt(k)  # beyond it nothing that counts
        low = max(-bound * np.sqrt(k), middle - reach)
        high = min(bound * np.sqrt(k), middle + reach)
        if high <= low:  # nobody goes on
            return np.array(stopped + [1.0] * (len(bounds) - k + 1))
        node, width = _gauss(32 * int(1 + (high - low) / 8))
        sums = low + (node + 1) * (high - low) / 2
        step = np.exp(-((sums[:, None] - at - drift) ** 2) / 2) / np.sqrt(2 * np.pi)
        at, weight = sums, (step @ weight) * width * (high - low) / 2
        stopped.append(1 - weight.sum())
    return np.clip(stopped, 0, 1)


def boundary(looks: int, alpha: float, shape: Literal["pocock", "obrien-fleming"] = "obrien-fleming") -> Array:
    """Bounds for |z| at equally spaced looks (looks,) that are ever reached with probability `alpha` without an effect.

    Pocock (1977): the same at each look. O'Brien and Fleming (1979): falling as 1 / sqrt(k). Found by halving.
    """
    shapes = {"pocock": np.ones(looks), "obrien-fleming": np.sqrt(looks / np.arange(1, looks + 1))}
    if shape not in shapes or looks < 1 or not 0 < alpha < 1:
        raise ValueError(f"{looks=}, {alpha=}, {shape=}: need looks > 0, 0 < alpha < 1 and one of {', '.join(shapes)}")
    low, high = 0.0, float(special.ndtri(1 - alpha / (2 * looks))) + 1e-9  # Bonferroni's is enough for all
    for _ in range(34):
        middle = (low + high) / 2
        low, high = (middle, high) if crossing(middle * shapes[shape])[-1] > alpha else (low, middle)
    return high * shapes[shape]


def wealth(z: ArrayLike, n: ArrayLike, sharp_at: float) -> Array:
    """What a bet of 1 against 'no effect' has become after n rows with the z statistic z: the mixture likelihood ratio.

    Without an effect it ever reaches 1 / alpha with probability alpha at most, however often you look (Ville 1939).
    `sharp_at` is the number of rows for which the bet is spread best. Source: Robbins (1970), Johari et al. (2017).
    """
    z, n = np.asarray(z, dtype=float), np.asarray(n, dtype=float)
    if not (sharp_at > 0 and (n >= 0).all()):
        raise ValueError(f"sharp_at is {sharp_at}: it must be positive, and n must not be negative")
    ratio = n / sharp_at
    with np.errstate(over="ignore"):
        return np.exp(z**2 / 2 * ratio / (1 + ratio)) / np.sqrt(1 + ratio)


def always_valid_bound(n: ArrayLike, sharp_at: float, alpha: float) -> Array:
    """The |z| at which `wealth` reaches 1 / alpha after n rows (n > 0)."""
    n = np.asarray(n, dtype=float)
    if not (sharp_at > 0 and (n > 0).all() and 0 < alpha < 1):
        raise ValueError(f"{sharp_at=}, {alpha=}: need n > 0, sharp_at > 0 and 0 < alpha < 1")
    ratio = n / sharp_at
    return np.sqrt((1 + 1 / ratio) * (np.log1p(ratio) - 2 * np.log(alpha)))


def cuped(
    treated: ArrayLike, control: ArrayLike, treated_before: ArrayLike, control_before: ArrayLike
) -> tuple[Difference, float]:
    """Compare two arms after taking off what a covariate measured *before* the treatment explains; with theta.

    theta is the pooled slope within the arms, so that the estimate equals least squares on treatment and covariate.
    A covariate without variation leaves things as they are (theta 0). Source: Deng, Xu, Kohavi & Walker (2013).
    """
    y = [_sample("treated", treated), _sample("control", control)]
    x = [_sample("treated_before", treated_before), _sample("control_before", control_before)]
    if [len(v) for v in y] != [len(v) for v in x]:
        raise ValueError("an arm has another number of covariates than of outcomes")
    centred = [v - v.mean() for v in x]
    spread = sum(v @ v for v in centred)
    theta = sum(v @ w for v, w in zip(centred, y, strict=True)) / spread if spread else 0.0
    overall = np.concatenate(x).mean()
    return welch(*(w - theta * (v - overall) for v, w in zip(x, y, strict=True))), float(theta)
