"""Draws from any list of probabilities, made from uniform ones: the inverse transform.

Not for making the uniform draws themselves: those come from `numpy.random.Generator.random`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray


def inverse_transform(uniform: ArrayLike, values: ArrayLike, probabilities: ArrayLike) -> NDArray:
    """The value whose stretch of the line from 0 to 1 each uniform draw hits. Shape of `uniform` (in [0, 1)).

    `values` and `probabilities` have shape (m,); the probabilities are scaled to sum to 1.
    """
    uniform, values = np.asarray(uniform, dtype=float), np.asarray(values)
    probabilities = np.asarray(probabilities, dtype=float)
    if values.shape != probabilities.shape or values.ndim != 1 or not values.size:
        raise ValueError(f"values has shape {values.shape}, probabilities {probabilities.shape}: need (m,), m > 0")
    if not (np.isfinite(probabilities).all() and (probabilities >= 0).all() and probabilities.sum() > 0):
        raise ValueError("probabilities must be finite, none negative, and one at least positive")
    if not ((uniform >= 0) & (uniform < 1)).all():
        raise ValueError("uniform draws lie in [0, 1)")
    ends = np.cumsum(probabilities / probabilities.max())
    return values[np.searchsorted(ends / ends[-1], uniform, side="right")]
