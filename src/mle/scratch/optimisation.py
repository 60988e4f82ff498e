"""Minima of smooth functions, found step by step: gradient descent, momentum, Newton's method, stochastic gradients.

Not for constraints, corners or functions that are costly to differentiate: `scipy.optimize.minimize` has methods for
those, and chooses its steps itself where `gd` and `momentum` take yours.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mle.scratch.least_squares import finite

Array = NDArray[np.float64]


class Run(NamedTuple):
    """Where a method ended, x (p,); after how many steps; the length of the gradient there; whether that is small."""

    x: Array
    steps: int
    gradient: float
    converged: bool


def length(g: Array) -> float:
    """Euclidean length of g (p,), without overflow or underflow on the way; inf or nan where g is."""
    return math.hypot(*np.asarray(g, dtype=np.float64))


def extremes(hessian: ArrayLike) -> tuple[float, float]:
    """Return mu and L, the smallest and the largest eigenvalue of a symmetric matrix (p, p), p > 0.

    On a quadratic with this Hessian gradient descent converges for steps between 0 and 2/L and, if mu is positive, is
    fastest at 2/(L + mu). Raises ValueError for another shape, a matrix that is not symmetric, nan or inf.
    """
    H = finite("hessian", hessian, 2)
    if H.shape[0] != H.shape[1] or not H.size or not np.allclose(H, H.T, rtol=1e-8, atol=1e-12 * np.abs(H).max()):
        raise ValueError(f"a Hessian is square, symmetric and not empty; this one has shape {H.shape}")
    eigenvalues = np.linalg.eigvalsh(H)
    return float(eigenvalues[0]), float(eigenvalues[-1])


def certificate(gradient: ArrayLike, mu: float) -> tuple[float, float]:
    """Bounds on f(x) - f* and on the distance to the minimiser, from the gradient (p,) at x.

    Holds where f is mu-strongly convex; mu has the unit of f over that of x squared. Raises ValueError for mu <= 0,
    where no gradient, however small, says anything. Source: Boyd & Vandenberghe (2004), section 9.1.2.
    """
    if not mu > 0:
        raise ValueError(f"mu = {mu}: without strong convexity a small gradient certifies nothing")
    size = length(finite("gradient", gradient, 1))
    return size / mu * size / 2, size / mu


def momentum(
    gradient: Callable, start: ArrayLike, step: float, beta: float, tolerance: float, max_steps: int = 100_000
) -> Run:
    """Polyak's heavy ball: x moves by beta times its last move, less `step` times the gradient.

    Stops when the gradient is no longer than `tolerance` (in its unit), after `max_steps`, or, at the last x that is
    finite, when the numbers leave the range of floats. `gradient(x)` returns an array (p,). Raises ValueError for a
    step that is not positive, beta outside [0, 1), a start with nan or inf. Source: Polyak (1964).
    """
    if not (0 < step < math.inf and 0 <= beta < 1 and tolerance >= 0):
        raise ValueError(
            f"step = {step}, beta = {beta}, tolerance = {tolerance}: step > 0, 0 <= beta < 1, none negative"
        )
    x = finite("start", start, 1)
    g, move, steps = gradient(x.copy()), np.zeros_like(x), 0
    while length(g) > tolerance and steps < max_steps:
        with np.errstate(over="ignore", invalid="ignore"):
            move = beta * move - step * g
            ahead = x + move
            slope = gradient(ahead.copy())
        if not (np.isfinite(ahead).all() and np.isfinite(slope).all()):
            break
        x, g, steps = ahead, slope, steps + 1
    return Run(x, steps, length(g), length(g) <= tolerance)


def gd(gradient: Callable, start: ArrayLike, step: float, tolerance: float, max_steps: int = 100_000) -> Run:
    """Gradient descent with a fixed step: momentum without memory. Source: Cauchy (1847), who chose each step anew."""
    return momentum(gradient, start, step, 0.0, tolerance, max_steps)


def newton(
    value: Callable, gradient: Callable, hessian: Callable, start: ArrayLike, tolerance: float, max_steps: int = 200
) -> Run:
    """Newton's method, made to descend: solve (H + shift I) d = -g, halve d until the value has fallen enough.

    The shift is zero where H is positive definite, and grows until the sum is; so each step goes downhill, where H is
    singular or curves down as well. Stops as `momentum` does, and where rounding lets the value fall no further. It
    ends at a point without slope: a minimum if H is positive definite there. Raises ValueError for a start with nan or
    inf. Source: Nocedal & Wright (2006), algorithms 3.1 (with c = 1e-4), 3.2 and 3.3.
    """
    x = finite("start", start, 1)
    g, steps = gradient(x.copy()), 0
    while length(g) > tolerance and steps < max_steps:
        H, shift = np.asarray(hessian(x.copy()), dtype=np.float64), 0.0
        if not np.isfinite(H).all():
            break
        while True:
            try:
                np.linalg.cholesky(H + shift * np.eye(x.size))  # only to ask whether it is positive definite
                break
            except np.linalg.LinAlgError:
                shift = max(4 * shift, 1e-6 * (np.abs(H).max() or 1.0))
        d = np.linalg.solve(H + shift * np.eye(x.size), -g)
        here, rounding = value(x.copy()), 8 * np.finfo(float).eps
        for _ in range(60):
            with np.errstate(over="ignore", invalid="ignore"):
                there = value(x + d)
            if there <= here + 1e-4 * (g @ d) + rounding * abs(here):
                break
            d = d / 2
        else:
            break
        if np.array_equal(x + d, x):
            break
        x, steps = x + d, steps + 1
        g = gradient(x.copy())
    return Run(x, steps, length(g), length(g) <= tolerance)


def sgd(
    gradient: Callable, start: ArrayLike, n: int, step: float | Callable, rng: np.random.Generator, *,
    batch: int = 1, epochs: int = 1,
) -> tuple[Array, Array]:  # fmt: skip
    """Stochastic gradient descent: the last x (p,), and the mean of all x after the first half of the steps.

    Each epoch goes once through n rows in a new random order, `batch` at a time (the last may be smaller).
    `gradient(x, rows)` returns the mean gradient (p,) of the rows with these numbers; `step` is a number or a function
    of the step's number, from 1. Raises ValueError for n, batch or epochs below 1, a start with nan or inf, and
    OverflowError when x leaves the range of floats. Sources: Robbins & Monro (1951); Polyak & Juditsky (1992).
    """
    if min(n, batch, epochs) < 1:
        raise ValueError(f"n = {n}, batch = {batch}, epochs = {epochs}: each is 1 at least")
    x = finite("start", start, 1)
    total, done, averaged = epochs * -(-n // batch), 0, np.zeros_like(x)
    for _ in range(epochs):
        order = rng.permutation(n)
        for rows in (order[i : i + batch] for i in range(0, n, batch)):
            done += 1
            with np.errstate(over="ignore", invalid="ignore"):
                x = x - (step(done) if callable(step) else step) * gradient(x.copy(), rows)
            if not np.isfinite(x).all():
                raise OverflowError(f"x left the range of floats in step {done}: the step is too long")
            if done > total // 2:
                averaged += (x - averaged) / (done - total // 2)
    return x, averaged
