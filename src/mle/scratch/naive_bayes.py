"""Bayes' rule for several yes-or-no signals that are taken as independent once the class is known.

Not for signals that share a cause: the rule still runs, and counts the cause once for each of them.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray


class NaiveBayes:
    """Two classes, m yes-or-no signals. `alpha` is added to each count, so that nothing is impossible.

    After `fit`: `prior_log_odds_` (a number) and `weights_` of shape (2, m), natural log likelihood ratios
    of a signal that is silent (row 0) or rings (row 1).
    """

    def __init__(self, alpha: float = 1.0):
        self.alpha = alpha

    def fit(self, X: ArrayLike, y: ArrayLike) -> NaiveBayes:
        """Count. `X` is yes or no, shape (n, m); `y` is yes or no, shape (n,)."""
        X, y = np.asarray(X, dtype=bool), np.asarray(y, dtype=bool)
        if X.ndim != 2 or y.shape != X.shape[:1]:
            raise ValueError(f"X has shape {X.shape} and y {y.shape}: need (n, m) and (n,)")
        if not y.any() or y.all():
            raise ValueError("y holds one class only: there is nothing to tell apart")
        rings = [(X[y == c].sum(axis=0) + self.alpha) / (np.sum(y == c) + 2 * self.alpha) for c in (False, True)]
        self.prior_log_odds_ = float(np.log(y.sum() / (~y).sum()))
        with np.errstate(divide="ignore"):
            self.weights_ = np.log([(1 - rings[1]), rings[1]]) - np.log([(1 - rings[0]), rings[0]])
        return self

    def predict_proba(self, X: ArrayLike) -> NDArray:
        """The probability of yes for each row of `X`: shape (n,)."""
        X = np.asarray(X, dtype=bool)
        log_odds = self.prior_log_odds_ + np.where(X, self.weights_[1], self.weights_[0]).sum(axis=1)
        return 1 / (1 + np.exp(-np.clip(log_odds, -700, 700)))
