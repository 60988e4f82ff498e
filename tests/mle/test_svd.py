"""mle.scratch.svd against SciPy and scikit-learn, on random tables and at the edges."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.linalg
from hypothesis import example, given, settings
from hypothesis import strategies as st
from sklearn.decomposition import PCA

from mle.scratch.svd import fix_signs, pca, svd, top_direction

EPS = np.finfo(float).eps
seeds = st.integers(0, 2**32 - 1)


@st.composite
def tables(draw):
    """A (n, p), tall or wide, whose singular values are drawn over ten orders of magnitude, some zero and some tied."""
    rng = np.random.default_rng(draw(seeds))
    n, p = draw(st.integers(1, 12)), draw(st.integers(1, 12))
    r = min(n, p)
    sigma = np.sort(10 ** rng.uniform(-10, 0, r))[::-1]
    sigma[rng.random(r) < 0.2] = sigma[0]
    sigma[rng.random(r) < 0.2] = 0
    U, V = (scipy.linalg.qr(rng.normal(size=(m, r)), mode="economic")[0] for m in (n, p))
    return U * sigma @ V.T


# --- against an independent library ---


@given(tables())
@settings(deadline=None, max_examples=40)
def test_singular_values_are_scipys_and_the_layers_add_up(A):
    U, sigma, Vt = svd(A)
    expected = scipy.linalg.svdvals(A)
    largest = expected[0]
    np.testing.assert_allclose(sigma, expected[: len(sigma)], rtol=0, atol=100 * EPS * largest)
    assert (expected[len(sigma) :] <= 100 * EPS * largest).all()
    np.testing.assert_allclose(U * sigma @ Vt, A, rtol=0, atol=100 * EPS * largest)


@given(tables())
@settings(deadline=None, max_examples=40)
def test_directions_are_orthonormal_on_both_sides_whatever_the_gaps(A):
    U, sigma, Vt = svd(A)
    np.testing.assert_allclose(U.T @ U, np.eye(len(sigma)), rtol=0, atol=1e-12)
    np.testing.assert_allclose(Vt @ Vt.T, np.eye(len(sigma)), rtol=0, atol=1e-12)


@given(tables(), st.integers(0, 12))
@settings(deadline=None, max_examples=40)
def test_a_truncation_has_the_error_of_eckart_and_young(A, k):
    U, sigma, Vt = svd(A, k)
    tail = scipy.linalg.svdvals(A)[k:]
    assert len(sigma) <= k
    assert np.linalg.norm(A - U * sigma @ Vt) == pytest.approx(np.linalg.norm(tail), abs=100 * EPS * np.linalg.norm(A))


@given(seeds, st.integers(2, 30), st.integers(1, 8), st.floats(-1e3, 1e3))
@settings(deadline=None, max_examples=40)
def test_components_and_variances_are_scikit_learns_signs_included(seed, n, p, centre):
    X = np.random.default_rng(seed).normal(centre, np.geomspace(1, 0.1, p), size=(n, p))
    ours, theirs = pca(X), PCA(svd_solver="full").fit(X)
    r = len(ours.variances)
    np.testing.assert_allclose(ours.mean, theirs.mean_)
    np.testing.assert_allclose(ours.variances, theirs.explained_variance_[:r], rtol=1e-8, atol=1e-12)
    gaps = np.abs(np.diff(np.append(theirs.explained_variance_, 0)))
    well_apart = np.minimum(gaps, np.append(np.inf, gaps[:-1]))[:r] > 1e-4
    sizes = np.sort(np.abs(theirs.components_[:r]), axis=1)
    decided = well_apart & ((p == 1) or (sizes[:, -1] - sizes[:, -min(2, p)] > 1e-6))
    np.testing.assert_allclose(ours.components[decided], theirs.components_[:r][decided], rtol=0, atol=1e-7)


@given(tables(), st.integers(-900, 900))
@settings(deadline=None, max_examples=40)
def test_huge_and_tiny_units_change_sigma_and_nothing_else(A, exponent):
    U, sigma, Vt = svd(A)
    scaled = svd(np.ldexp(A, exponent))
    assert np.array_equal(scaled[0], U)
    assert np.array_equal(scaled[1], np.ldexp(sigma, exponent))
    assert np.array_equal(scaled[2], Vt)


@given(seeds, st.sampled_from([0.0, 1e-15, 1e-9, 1e-3]))
@settings(deadline=None, max_examples=40)
def test_the_top_direction_is_stretched_most_even_where_two_nearly_tie(seed, gap):
    V = scipy.linalg.qr(np.random.default_rng(seed).normal(size=(5, 5)))[0]
    A = np.array([1, 1 - gap, 0.5, 0.2, 0]) * V @ V.T
    v = top_direction(A)
    assert np.linalg.norm(v) == pytest.approx(1, rel=1e-14)
    assert np.linalg.norm(A @ v) == pytest.approx(scipy.linalg.svdvals(A)[0], rel=1e-14)
    assert v.max() == np.abs(v).max()
    assert np.array_equal(top_direction(np.ldexp(A, 900)), v)
    assert np.array_equal(top_direction(np.ldexp(A, -700)), v)


# --- edges ---


@pytest.mark.parametrize("shape", [(0, 0), (0, 3), (3, 0), (4, 2), (2, 4)])
def test_empty_tables_and_tables_of_zeros_have_no_layers(shape):
    U, sigma, Vt = svd(np.zeros(shape))
    assert (U.shape, sigma.shape, Vt.shape) == ((shape[0], 0), (0,), (0, shape[1]))


@pytest.mark.parametrize("row", [[3.0, 4.0], [-3.0, -4.0]])
def test_one_row_has_one_layer_and_the_sign_of_the_rule(row):
    U, sigma, Vt = svd([row])
    np.testing.assert_allclose(sigma, [5])
    np.testing.assert_allclose(Vt, [[0.6, 0.8]])
    np.testing.assert_allclose(U, [[np.sign(row[0])]])


@given(seeds, st.integers(0, 4))
@example(4294967295, 2)  # what was left after two layers once counted as a third
@example(43, 3)  # and once, being rounding alone, had no direction of its own
@settings(deadline=None, max_examples=40)
def test_a_table_of_rank_r_has_r_layers(seed, rank):
    rng = np.random.default_rng(seed)
    A = rng.integers(-3, 4, size=(9, rank)) @ rng.integers(-3, 4, size=(rank, 6))
    assert len(svd(A)[1]) == np.linalg.matrix_rank(A)


def test_rows_that_are_all_alike_have_no_components():
    found = pca(np.full((5, 3), 7.0))
    assert found.components.shape == (0, 3)
    assert np.array_equal(found.mean, [7, 7, 7])


@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("function", [svd, pca, top_direction])
def test_missing_and_infinite_values_are_refused_with_their_place(function, bad):
    A = np.eye(4, 2)
    A[3, 1] = bad
    with pytest.raises(ValueError, match=r"\[3, 1\]"):
        function(A)


def test_the_other_doors_are_guarded_too():
    with pytest.raises(ValueError, match="negative"):
        svd(np.eye(2), -1)
    with pytest.raises(ValueError, match="needs two"):
        pca([[1.0, 2.0]])
    with pytest.raises(ValueError, match="zeros"):
        top_direction(np.zeros((3, 2)))
    with pytest.raises(TypeError, match="complex"):
        svd(np.eye(2) * 1j)
    with pytest.raises(ValueError, match="2 dimension"):
        svd([1.0, 2.0])


def test_signs_are_fixed_without_changing_the_product():
    rng = np.random.default_rng(3)
    U, Vt = rng.normal(size=(7, 3)), rng.normal(size=(3, 4))
    fixed = fix_signs(U, Vt)
    np.testing.assert_allclose(fixed[0] @ fixed[1], U @ Vt)
    assert (fixed[1].max(axis=1) == np.abs(Vt).max(axis=1)).all()


def test_arguments_are_left_alone():
    A = np.random.default_rng(1).normal(size=(6, 3))
    before = A.copy()
    svd(A)
    pca(A)
    top_direction(A)
    assert np.array_equal(A, before)
