"""Entropy and its kin: against scipy and scikit-learn; Huffman's code: against every tree, and against its bounds."""

from functools import cache

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import special, stats
from sklearn.metrics import log_loss, mutual_info_score

from mle.scratch.information import cross_entropy, entropy, huffman, kl, mutual_information, shares

size = st.shared(st.integers(1, 30), key="size")
counts = arrays(np.int64, size, elements=st.integers(0, 10**6)).filter(lambda c: c.sum() > 0)
positive = arrays(np.float64, size, elements=st.floats(1e-9, 1e9))
base = st.sampled_from([2, np.e, 10])


@settings(max_examples=60, deadline=None)
@given(counts, base)
def test_entropy_is_scipy_s(c, base):
    assert entropy(c, base) == pytest.approx(stats.entropy(c, base=base), rel=1e-9, abs=1e-12)


@settings(max_examples=60, deadline=None)
@given(counts, positive, base)
def test_kl_is_scipy_s(c, q, base):
    terms = special.rel_entr(c / c.sum(), q / q.sum()) / np.log(base)
    assert kl(c, q, base) == pytest.approx(terms.sum(), rel=1e-8, abs=1e-10)
    assert cross_entropy(c, q, base) == pytest.approx(entropy(c, base) + terms.sum(), rel=1e-8, abs=1e-10)


@settings(max_examples=60, deadline=None)
@given(counts, counts)
def test_gibbs_surcharge_is_never_negative_and_infinite_exactly_where_the_impossible_happens(p, q):
    assert kl(p, q) >= 0
    assert np.isinf(kl(p, q)) == bool(((p > 0) & (q == 0)).any())
    assert kl(p, p) == 0


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**31), st.integers(1, 60), st.integers(2, 6))
def test_cross_entropy_of_what_happened_is_scikit_learn_s_log_loss(seed, n, k):
    rng = np.random.default_rng(seed)
    q, truth = rng.dirichlet(np.ones(k)) + 1e-6, rng.integers(k, size=n)
    q = q / q.sum()
    theirs = log_loss(truth, np.tile(q, (n, 1)), labels=range(k))
    assert cross_entropy(np.bincount(truth, minlength=k), q, np.e) == pytest.approx(theirs, rel=1e-9)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**31), st.integers(1, 200), st.integers(1, 6), st.integers(1, 6))
def test_mutual_information_is_scikit_learn_s_and_the_chain_rule_holds(seed, n, r, c):
    rng = np.random.default_rng(seed)
    x, y = rng.integers(r, size=n), rng.integers(c, size=n)
    table = np.zeros((r, c))
    np.add.at(table, (x, y), 1)
    found = mutual_information(table, np.e)
    assert found == pytest.approx(mutual_info_score(x, y), abs=1e-10)
    rows_first = entropy(table.sum(axis=1)) + sum(row.sum() / n * entropy(row) for row in table if row.sum())
    assert entropy(table) == pytest.approx(rows_first, abs=1e-10)
    assert found / np.log(2) == pytest.approx(entropy(table.sum(axis=0)) + entropy(table.sum(axis=1)) - entropy(table))


def test_merging_columns_never_adds_information():
    rng = np.random.default_rng(1948)
    for table in rng.integers(0, 9, size=(50, 4, 5)) + np.eye(4, 5):
        merged = np.column_stack([table[:, 0] + table[:, 1], table[:, 2:]])
        assert mutual_information(merged) <= mutual_information(table) + 1e-12


@cache
def shortest(weights):
    """The least total length over every binary tree on these weights, by trying all the ways to join two."""
    if len(weights) == 1:
        return 0
    best = np.inf
    for i in range(len(weights)):
        for j in range(i):
            rest = [w for n, w in enumerate(weights) if n not in (i, j)]
            joined = weights[i] + weights[j]
            best = min(best, joined + shortest(tuple(sorted([*rest, joined]))))
    return best


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(1, 40), min_size=1, max_size=6))
def test_huffman_is_the_shortest_of_all_trees(weights):
    assert huffman(weights) @ np.array(weights) == shortest(tuple(sorted(weights)))


@settings(max_examples=60, deadline=None)
@given(counts)
def test_huffman_fills_the_line_and_is_within_one_bit_of_the_entropy(c):
    assume(len(c) > 1)
    lengths = huffman(c)
    assert np.sum(0.5 ** lengths.astype(float)) == 1
    assert entropy(c) - 1e-9 <= lengths @ shares(c) <= entropy(c) + 1


def test_one_category_says_nothing():
    assert entropy([7]) == 0 and kl([7], [3]) == 0 and mutual_information([[7]]) == 0
    assert huffman([7]).tolist() == [0]


def test_what_never_occurs_costs_nothing_and_still_gets_a_word():
    assert entropy([5, 0, 5]) == 1
    assert huffman([5, 0, 5]).min() > 0


def test_huge_and_tiny_counts():
    assert entropy([1e308] * 4) == pytest.approx(2)
    assert kl([1e308, 1e308], [1e-300, 3e-300]) == pytest.approx(np.log2(2 / np.sqrt(3)))
    assert kl([1, 1], [1, 1e-300]) == pytest.approx(-1 + 0.5 * 300 * np.log2(10))
    assert np.isfinite(entropy([1, 5e-324]))


@pytest.mark.parametrize("wrong", [[], [0, 0], [1, -1], [1, np.nan], [1, np.inf]])
@pytest.mark.parametrize("function", [entropy, huffman, lambda c: kl(c, c), lambda c: mutual_information([c])])
def test_what_is_no_list_of_counts_is_refused(function, wrong):
    with pytest.raises(ValueError, match="counts must"):
        function(wrong)


def test_other_categories_and_other_shapes_are_refused():
    with pytest.raises(ValueError, match="same categories"):
        kl([1, 2], [1, 2, 3])
    with pytest.raises(ValueError, match="rows and columns"):
        mutual_information([1, 2])
    with pytest.raises(ValueError, match="need"):
        huffman([[1, 2]])


def test_the_plug_in_entropy_is_too_small_by_half_of_k_minus_one_over_n():
    """4,000 samples of 200 rows over 20 values: their mean is known to a standard error of 0.0006 nats.

    The bound is five standard errors, so a right function fails once in about two million seeds. One without the bias,
    0.0475 nats higher, lies 78 standard errors off: it passes with a probability below 1e-300.
    """
    rng = np.random.default_rng(1955)
    n, p = 200, np.arange(1, 21) / 210
    found = np.array([entropy(c, np.e) for c in rng.multinomial(n, p, size=4000)])
    bound = 5 * found.std() / np.sqrt(len(found))
    # the next term of the series, (1 - sum of 1/p) / 12 n^2, is 0.0016 nats here and has to come in
    expected = stats.entropy(p) - 19 / (2 * n) + (1 - np.sum(1 / p)) / (12 * n**2)
    assert bound < 0.0031
    assert abs(found.mean() - expected) < bound
