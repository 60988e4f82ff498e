"""What a yes-or-no policy costs, and the threshold on a score at which it costs least.

Not for fitting or calibrating a model: scores come in, prices come out.

The prices count from the right decision, which costs nothing: `cost_false_alarm` is what an alarm wastes where none was
needed, `cost_miss` what silence costs, beyond the price of an alarm, where one was.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray


def policy_cost(needed: ArrayLike, alarm: ArrayLike, cost_false_alarm: float, cost_miss: float) -> float:
    """Mean cost a case, in the unit of the two prices. `needed` and `alarm`: yes or no a case, both of shape (n,)."""
    needed, alarm = np.asarray(needed, dtype=bool), np.asarray(alarm, dtype=bool)
    if needed.shape != alarm.shape or needed.ndim != 1 or not needed.size:
        raise ValueError(f"needed has shape {needed.shape} and alarm {alarm.shape}: both must be (n,), n > 0")
    false_alarms = np.mean(alarm & ~needed)
    misses = np.mean(~alarm & needed)
    return float(cost_false_alarm * false_alarms + cost_miss * misses)


def cheapest_threshold(cost_false_alarm: float, cost_miss: float) -> float:
    """The probability from which an alarm is the cheaper choice, if it is right (Elkan 2001, section 1.3)."""
    if min(cost_false_alarm, cost_miss) < 0 or cost_false_alarm + cost_miss <= 0:
        raise ValueError("prices must not be negative, and one must be positive")
    return cost_false_alarm / (cost_false_alarm + cost_miss)


def cost_curve(
    needed: ArrayLike, score: ArrayLike, cost_false_alarm: float, cost_miss: float
) -> tuple[NDArray, NDArray]:
    """Mean cost of 'alarm where score >= threshold' for each threshold that changes a decision, by one sort.

    `needed` (yes or no) and `score` (finite) have shape (n,). Returns thresholds and costs of shape (m + 1,), m being
    the number of distinct scores. Thresholds fall from infinity (never alarm) to the least score (always alarm).
    """
    needed, score = np.asarray(needed, dtype=bool), np.asarray(score, dtype=float)
    if needed.shape != score.shape or needed.ndim != 1 or not needed.size:
        raise ValueError(f"needed has shape {needed.shape} and score {score.shape}: both must be (n,), n > 0")
    if not np.isfinite(score).all():
        raise ValueError("a score is not finite: a case without a score has no place on the curve")
    order = np.argsort(-score, kind="stable")
    ordered = score[order]
    ends = np.append(np.flatnonzero(np.diff(ordered)), len(ordered) - 1)  # equal scores are alarmed together
    hits = np.concatenate([[0], np.cumsum(needed[order])[ends]])
    alarms = np.concatenate([[0], ends + 1])
    costs = (cost_false_alarm * (alarms - hits) + cost_miss * (needed.sum() - hits)) / len(needed)
    return np.concatenate([[np.inf], ordered[ends]]), costs
