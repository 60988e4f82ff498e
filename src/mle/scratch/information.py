"""Entropy, cross-entropy, divergence and mutual information from counts, and the code that comes nearest to them.

Not for densities, nor for guessing what a sample did not show: counts are taken as the whole truth, and zero as never.
"""

from __future__ import annotations

import heapq

import numpy as np
from numpy.typing import ArrayLike, NDArray


def shares(counts: ArrayLike) -> NDArray:
    """Counts, or any weights that are not negative, divided by their sum; the shape stays."""
    counts = np.asarray(counts, dtype=float)
    if not (counts.size and np.isfinite(counts).all() and (counts >= 0).all() and counts.max() > 0):
        raise ValueError("counts must be finite, none negative, and one at least positive")
    counts = counts / counts.max()  # so that the sum of huge counts does not overflow
    return counts / counts.sum()


def entropy(counts: ArrayLike, base: float = 2) -> float:
    """The mean of log 1/p under p itself, in bits; in nats with base e. What never occurs costs nothing."""
    return cross_entropy(counts, counts, base)


def cross_entropy(counts: ArrayLike, model: ArrayLike, base: float = 2) -> float:
    """The mean of log 1/q under p: what p pays with the words of q. Infinite if p has what q excludes."""
    p, q = shares(counts), shares(model)
    if p.shape != q.shape:
        raise ValueError(f"counts has shape {p.shape}, model {q.shape}: they must name the same categories")
    occurs = p > 0
    with np.errstate(divide="ignore"):
        return 0.0 - float(np.sum(p[occurs] * np.log(q[occurs])) / np.log(base))


def kl(counts: ArrayLike, model: ArrayLike, base: float = 2) -> float:
    """The surcharge D(p || q): mean under p of log p/q. What happens comes first, the model second."""
    return max(0.0, cross_entropy(counts, model, base) - entropy(counts, base))


def mutual_information(table: ArrayLike, base: float = 2) -> float:
    """What rows and columns of a table of counts say about each other: D(joint || product of the margins)."""
    joint = shares(table)
    if joint.ndim != 2:
        raise ValueError(f"table has shape {joint.shape}: need rows and columns")
    return kl(joint, joint.sum(axis=1, keepdims=True) * joint.sum(axis=0, keepdims=True), base)


def huffman(counts: ArrayLike) -> NDArray:
    """Lengths in bits of the words of the shortest prefix code, shape (k,): join the two rarest until one is left.

    Every category gets a word, also those of count zero; a single one gets the empty word.
    """
    if shares(counts).ndim != 1:
        raise ValueError(f"counts has shape {np.shape(counts)}: need (k,)")
    weights = np.asarray(counts, dtype=float) / np.max(counts)  # no sum: ties stay ties on every processor
    lengths = np.zeros(len(weights), dtype=int)
    heap = [(weight, i, [i]) for i, weight in enumerate(weights.tolist())]
    heapq.heapify(heap)
    while len(heap) > 1:
        one, other = heapq.heappop(heap), heapq.heappop(heap)
        members = one[2] + other[2]
        lengths[members] += 1  # all of them move one step down the tree
        heapq.heappush(heap, (one[0] + other[0], one[1], members))
    return lengths
