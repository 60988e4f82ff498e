"""Least squares by Householder reflections: what `numpy.linalg.lstsq` gives for columns that are independent.

Not for dependent columns, which are refused by number (lstsq picks one of their many solutions), nor for sparse
matrices.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]


def finite(name: str, values: ArrayLike, ndim: int) -> Array:
    """A float64 copy of `values`, or a sentence that says what is wrong with it."""
    if np.iscomplexobj(values):
        raise TypeError(f"{name} is complex; this module solves real problems only")
    array = np.array(values, dtype=np.float64)
    if array.ndim != ndim:
        raise ValueError(f"{name} must have {ndim} dimension(s), not shape {array.shape}")
    if not np.isfinite(array).all():
        where = tuple(int(i) for i in np.argwhere(~np.isfinite(array))[0])
        raise ValueError(f"{name}{list(where)} is {array[where]}: fill in or drop it first")
    return array


def reflector(x: ArrayLike) -> tuple[Array, float]:
    """Return a unit vector v (n,) and a number alpha such that x - 2 v (v·x) = (alpha, 0, ..., 0).

    alpha has the size of x and the sign opposite to x[0], so that x[0] - alpha adds and never cancels.
    Raises ValueError for an empty x, nan or inf. Source: Golub & Van Loan (2013), section 5.1.
    """
    x = finite("x", x, 1)
    if x.size == 0:
        raise ValueError("x is empty: there is nothing to reflect")
    scale = np.abs(x).max()
    if scale == 0:
        return np.eye(1, x.size)[0], 0.0
    v = np.ldexp(x, -np.frexp(scale)[1])  # a power of two: exact, and squares cannot overflow
    alpha = -np.copysign(np.linalg.norm(v), v[0])
    v[0] -= alpha
    return v / np.linalg.norm(v), float(np.ldexp(alpha, np.frexp(scale)[1]))


def triangularise(A: ArrayLike) -> tuple[list[Array], Array]:
    """Return the p unit vectors whose reflections turn A (n, p), n >= p, into R (p, p), and R itself.

    Reflection j leaves the first j rows alone: its vector has length n - j. Raises ValueError for a matrix
    without rows or columns, one wider than tall, nan or inf. Source: Trefethen & Bau (1997), algorithm 10.1.
    """
    A = finite("A", A, 2)
    n, p = A.shape
    if not n >= p > 0:
        raise ValueError(f"A has {n} rows and {p} columns: least squares needs a column, and a row for each column")
    reflectors = []
    for j in range(p):
        v, alpha = reflector(A[j:, j])
        A[j:, j:] -= 2 * np.outer(v, v @ A[j:, j:])
        A[j, j], A[j + 1 :, j] = alpha, 0.0  # known exactly, so not left to rounding
        reflectors.append(v)
    return reflectors, A[:p]


def qr(A: ArrayLike) -> tuple[Array, Array]:
    """Return Q (n, p) with orthonormal columns and R (p, p), upper triangular, such that Q R = A.

    The diagonal of R may be negative: compare factors with another library's up to the sign of a row.
    Raises ValueError as `triangularise` does. Source: Trefethen & Bau (1997), algorithm 10.3.
    """
    reflectors, R = triangularise(A)
    p = len(reflectors)
    Q = np.eye(len(reflectors[0]), p)
    for j in reversed(range(p)):
        Q[j:] -= 2 * np.outer(reflectors[j], reflectors[j] @ Q[j:])
    return Q, R


def back_substitute(R: ArrayLike, y: ArrayLike) -> Array:
    """Solve R x = y, the last unknown first; R (p, p) is upper triangular (what lies below is not read), y (p,).

    Raises ValueError for shapes that do not fit, nan or inf; LinAlgError for a zero on the diagonal.
    Source: Higham (2002), algorithm 8.1.
    """
    R, y = finite("R", R, 2), finite("y", y, 1)
    if R.shape != (y.size, y.size):
        raise ValueError(f"R has shape {R.shape} and y has {y.size} entries: R must be square, of y's length")
    x = np.zeros_like(y)
    for i in reversed(range(y.size)):
        if R[i, i] == 0:
            raise np.linalg.LinAlgError(f"R[{i}, {i}] is zero: the system has no unique solution")
        x[i] = (y[i] - R[i, i + 1 :] @ x[i + 1 :]) / R[i, i]
    return x


def least_squares(A: ArrayLike, b: ArrayLike) -> Array:
    """Return x (p,), which minimises the length of b - A x; A is (n, p) with n >= p, b is (n,).

    A coefficient's unit is b's over its column's. The answer is exact for a problem within a few units of
    rounding of the one given (Higham 2002, theorem 20.3). Raises ValueError for shapes that do not fit, nan or
    inf; LinAlgError where a column is a combination of those before it; OverflowError where x has no float64.
    """
    A, b = finite("A", A, 2), finite("b", b, 1)
    if len(A) != len(b):
        raise ValueError(f"A has {len(A)} rows and b has {len(b)} entries: one entry for each row")
    # Powers of two for each column and for b: exact, so units of 1e-300 and 1e300 cost no digit.
    columns = np.frexp(np.abs(A).max(axis=0, initial=0))[1]
    target = np.frexp(np.abs(b).max(initial=0))[1]
    A, b = np.ldexp(A, -columns), np.ldexp(b, -target)
    reflectors, R = triangularise(A)
    # |R[j, j]| is the distance of column j from the span of the columns before it.
    noise = max(A.shape) * np.finfo(float).eps * np.linalg.norm(A, axis=0)
    if (dependent := np.abs(R.diagonal()) <= noise).any():
        raise np.linalg.LinAlgError(
            f"column {dependent.argmax()} of A is, to rounding, a combination of the columns before it: "
            "drop it, or take numpy.linalg.lstsq's minimum-norm solution and say so"
        )
    for j, v in enumerate(reflectors):
        b[j:] -= 2 * v * (v @ b[j:])
    with np.errstate(over="ignore"):
        x = np.ldexp(back_substitute(R, b[: len(R)]), target - columns)
    if not np.isfinite(x).all():
        raise OverflowError("a coefficient is too large for float64: change the unit of its column or of b")
    return x
