"""Singular values one after the other, and principal components: what `numpy.linalg.svd` and scikit-learn's `PCA` give.

Not for sparse tables nor for thousands of columns: each triple multiplies matrices as wide as the table.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mle.scratch.least_squares import finite

Array = NDArray[np.float64]


class PCA(NamedTuple):
    """The mean of a table (p,) in its units, k directions (k, p) without unit, variances (k,) in units squared."""

    mean: Array
    components: Array
    variances: Array


def top_direction(A: ArrayLike) -> Array:
    """Return the unit vector v (p,) that A (n, p) stretches most; where several are stretched alike, one of them.

    Power iteration on A'A by repeated squaring: 60 products do 2**60 steps, so that even a gap of one unit of rounding
    is wide enough, and no start can be unlucky. The sign follows `fix_signs`. Raises ValueError for a table without
    rows or columns, one of zeros, nan or inf.
    """
    A = finite("A", A, 2)
    if not A.any():
        raise ValueError(f"A, of shape {A.shape}, holds nothing but zeros: no direction is stretched")
    A = np.ldexp(A, -np.frexp(np.abs(A).max())[1])  # a power of two: exact, and squares cannot overflow
    power = A.T @ A
    for _ in range(60):
        power /= np.trace(power)
        power = power @ power
    v = power[:, np.argmax(power.diagonal())]  # no entry of the column is larger than that one, which is positive
    return v / np.linalg.norm(v)


def fix_signs(U: ArrayLike, Vt: ArrayLike) -> tuple[Array, Array]:
    """Return U (n, k) and Vt (k, p) with the entry of largest size in each row of Vt positive; U Σ Vt stays as it is.

    The rule of scikit-learn's PCA. Where two entries of opposite sign are equally large to rounding it decides nothing.
    """
    U, Vt = finite("U", U, 2), finite("Vt", Vt, 2)
    if not Vt.size:
        return U, Vt
    signs = np.sign(Vt[np.arange(len(Vt)), np.abs(Vt).argmax(axis=1)])
    return U * signs, Vt * signs[:, None]


def svd(A: ArrayLike, k: int | None = None) -> tuple[Array, Array, Array]:
    """Return U (n, r), sigma (r,) falling, Vt (r, p) with A ≈ U diag(sigma) Vt; r is the smaller of k and A's rank.

    Deflation: find the direction stretched most, take its layer off, go on. Singular values below 8 max(n, p) · eps
    times the largest count as zero, a margin for the rounding that each layer taken off leaves behind (LAPACK needs
    none). sigma has A's unit; signs follow `fix_signs`. Raises ValueError for a negative k, nan
    or inf. Source: Golub & Van Loan (2013), section 8.2, for power iteration.
    """
    A = finite("A", A, 2)
    n, p = A.shape
    if k is not None and k < 0:
        raise ValueError(f"k = {k}: the number of singular values cannot be negative")
    if n < p:
        V, sigma, Ut = svd(A.T, k)
        U, Vt = fix_signs(Ut.T, V.T)
        return U, sigma, Vt
    k = p if k is None else min(k, p)
    exponent = np.frexp(np.abs(A).max(initial=0))[1]
    rest = np.ldexp(A, -exponent)
    U, sigma, Vt = np.zeros((n, 0)), np.zeros(0), np.zeros((0, p))
    rounding = 8 * max(n, p) * np.finfo(float).eps
    while len(sigma) < k and np.linalg.norm(rest) > rounding * max(sigma, default=0.0):
        v = top_direction(rest)
        v -= Vt.T @ (Vt @ v)  # rounding leaves a trace of the earlier ones
        size = np.linalg.norm(rest @ v)
        if size <= rounding * max(sigma, default=0.0):
            break
        v /= np.linalg.norm(v)
        u = rest @ v
        size = np.linalg.norm(u)
        u -= U @ (U.T @ u)
        u /= np.linalg.norm(u)
        U, sigma, Vt = np.column_stack([U, u]), np.append(sigma, size), np.vstack([Vt, v])
        rest = rest - size * np.outer(u, v)
    return U, np.ldexp(sigma, exponent), Vt


def pca(X: ArrayLike, k: int | None = None) -> PCA:
    """Return the mean of X (n, p), its first k principal directions and the variance along each, divided by n - 1.

    Fewer than k where the centred table has a lower rank. Raises ValueError for fewer than two rows, nan or inf.
    """
    X = finite("X", X, 2)
    if len(X) < 2:
        raise ValueError(f"X has {len(X)} row(s): a variance needs two")
    mean = X.mean(axis=0)
    _, sigma, Vt = svd(X - mean, k)
    return PCA(mean, Vt, sigma**2 / (len(X) - 1))
