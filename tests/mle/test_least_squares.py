"""mle.scratch.least_squares against NumPy and SciPy, on random inputs and at the edges."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.linalg
from hypothesis import given, settings
from hypothesis import strategies as st

from mle.scratch.least_squares import back_substitute, least_squares, qr, reflector, triangularise

EPS = np.finfo(float).eps
seeds = st.integers(0, 2**32 - 1)
scales = st.sampled_from([1e-300, 1e-150, 1e-8, 1.0, 1e8, 1e150, 1e300])


@st.composite
def problems(draw, square=False, largest_condition=1e10):
    """A (n, p) of known condition number, b (n,), and that number."""
    rng = np.random.default_rng(draw(seeds))
    p = draw(st.integers(1, 8))
    n = p if square else p + draw(st.integers(0, 40))
    condition = 10 ** draw(st.floats(0, np.log10(largest_condition))) if p > 1 else 1.0
    U, V = scipy.linalg.qr(rng.normal(size=(n, p)), mode="economic")[0], scipy.linalg.qr(rng.normal(size=(p, p)))[0]
    return U * np.geomspace(1, 1 / condition, p) @ V.T, rng.normal(size=n), condition


# --- against an independent library ---


@given(problems(largest_condition=1e6))
@settings(deadline=None)
def test_coefficients_are_scipys(problem):
    A, b, condition = problem
    x, expected = least_squares(A, b), scipy.linalg.lstsq(A, b, lapack_driver="gelsd")[0]
    # The perturbation bound of Golub & Van Loan, section 5.3: eps (kappa + kappa^2 |r| / (|A| |x|)).
    rho = np.linalg.norm(b - A @ expected) / np.linalg.norm(expected)
    bound = 100 * EPS * (condition + condition**2 * rho)
    assert np.linalg.norm(x - expected) <= bound * np.linalg.norm(expected)


@given(problems())
@settings(deadline=None)
def test_residual_is_orthogonal_to_every_column(problem):
    A, b, _ = problem
    x = least_squares(A, b)
    size = np.linalg.norm(b) + np.linalg.norm(A) * np.linalg.norm(x)
    assert np.abs(A.T @ (b - A @ x)).max() <= 100 * EPS * size


@given(problems())
@settings(deadline=None)
def test_qr_multiplies_back_and_is_orthonormal_whatever_the_condition(problem):
    A, _, _ = problem
    Q, R = qr(A)
    assert Q.shape == A.shape
    assert R.shape == (A.shape[1],) * 2
    assert np.array_equal(R, np.triu(R))
    np.testing.assert_allclose(Q @ R, A, rtol=0, atol=100 * EPS)
    np.testing.assert_allclose(Q.T @ Q, np.eye(A.shape[1]), rtol=0, atol=100 * EPS)


@given(problems(largest_condition=1e3))
@settings(deadline=None)
def test_triangle_is_numpys_up_to_the_sign_of_a_row(problem):
    A, _, _ = problem
    np.testing.assert_allclose(np.abs(qr(A)[1]), np.abs(np.linalg.qr(A)[1]), rtol=0, atol=1e-11)


@given(problems(square=True, largest_condition=1e6))
@settings(deadline=None)
def test_back_substitution_is_scipys(problem):
    A, b, condition = problem
    R = np.triu(A) + np.eye(len(A))
    condition = max(condition, np.linalg.cond(R))
    x, expected = back_substitute(R, b), scipy.linalg.solve_triangular(R, b)
    assert np.linalg.norm(x - expected) <= 100 * EPS * condition * np.linalg.norm(expected)


@given(seeds, st.integers(1, 30), scales)
@settings(deadline=None)
def test_reflection_keeps_the_length_and_empties_all_entries_but_the_first(seed, n, scale):
    x = np.random.default_rng(seed).normal(size=n) * scale / 100  # not over 1.8e308
    v, alpha = reflector(x)
    reflected = x - 2 * v * (v @ (x / scale)) * scale
    assert np.linalg.norm(v) == pytest.approx(1, rel=1e-14)
    assert abs(alpha) / scale == pytest.approx(np.linalg.norm(x / scale), rel=1e-14)
    np.testing.assert_allclose(reflected / scale, np.eye(1, n)[0] * (alpha / scale), rtol=0, atol=1e-14)


# --- edges ---


def test_reflector_does_not_cancel_when_x_is_nearly_on_the_axis():
    x = np.array([1.0, 1e-9])
    v, alpha = reflector(x)
    assert alpha == -1.0
    np.testing.assert_allclose(x - 2 * v * (v @ x), [-1, 0], rtol=0, atol=1e-16)


def test_reflector_of_zero_leaves_zero():
    v, alpha = reflector(np.zeros(3))
    assert alpha == 0
    assert np.linalg.norm(v) == 1


def test_one_column_is_the_projection_onto_a_line():
    a, b = np.array([1.0, 2.0, 2.0]), np.array([3.0, 0.0, 3.0])
    np.testing.assert_allclose(least_squares(a[:, None], b), [a @ b / (a @ a)], rtol=1e-15)


@given(problems(square=True, largest_condition=1e6))
@settings(deadline=None)
def test_as_many_rows_as_columns_is_the_linear_system(problem):
    A, b, condition = problem
    x, expected = least_squares(A, b), np.linalg.solve(A, b)
    assert np.linalg.norm(x - expected) <= 100 * EPS * condition * np.linalg.norm(expected)


@given(problems(largest_condition=1e3), st.integers(-450, 450), st.integers(-450, 450))
@settings(deadline=None)
def test_huge_and_tiny_units_change_the_unit_of_the_answer_and_nothing_else(problem, of_A, of_b):
    A, b, _ = problem
    scaled = least_squares(np.ldexp(A, of_A), np.ldexp(b, of_b))
    assert np.array_equal(scaled, np.ldexp(least_squares(A, b), of_b - of_A))


def test_columns_in_units_six_hundred_orders_apart():
    A = np.array([[1e300, 1e-300], [0, 1e-300], [0, 0]])
    np.testing.assert_allclose(least_squares(A, np.array([3.0, 1.0, 5.0])), [2e-300, 1e300], rtol=1e-15)


def test_lauchli_matrix_whose_gram_matrix_is_singular_in_floating_point():
    A = np.vstack([np.ones(3), 1e-9 * np.eye(3)])
    with pytest.raises(np.linalg.LinAlgError):
        np.linalg.solve(A.T @ A, A.T @ (A @ np.ones(3)))
    np.testing.assert_allclose(least_squares(A, A @ np.ones(3)), np.ones(3), rtol=0, atol=1e-6)


@given(problems(largest_condition=1e2), seeds)
@settings(deadline=None)
def test_a_dependent_column_is_refused_by_its_number(problem, seed):
    A, b, _ = problem
    extra = A @ np.random.default_rng(seed).uniform(0.5, 1.5, size=A.shape[1])
    A, b = np.vstack([np.c_[A, extra], np.zeros(A.shape[1] + 1)]), np.append(b, 1.0)
    with pytest.raises(np.linalg.LinAlgError, match=f"column {A.shape[1] - 1} of A"):
        least_squares(A, b)


@pytest.mark.parametrize("dependent", [0, 2])
def test_an_empty_column_is_refused_by_its_number(dependent):
    A = np.random.default_rng(0).normal(size=(9, 3))
    A[:, dependent] = 0
    with pytest.raises(np.linalg.LinAlgError, match=f"column {dependent} of A"):
        least_squares(A, np.ones(9))


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_missing_and_infinite_values_are_refused_with_their_place(bad):
    A, b = np.eye(4, 2), np.ones(4)
    A[3, 1] = bad
    with pytest.raises(ValueError, match=r"A\[3, 1\]"):
        least_squares(A, b)
    with pytest.raises(ValueError, match=r"b\[2\]"):
        least_squares(np.eye(4, 2), np.array([1, 1, bad, 1]))


@pytest.mark.parametrize(
    ("A", "b", "words"),
    [
        (np.empty((0, 0)), np.empty(0), "0 rows and 0 columns"),
        (np.empty((5, 0)), np.ones(5), "5 rows and 0 columns"),
        (np.empty((0, 2)), np.empty(0), "0 rows and 2 columns"),
        (np.ones((2, 3)), np.ones(2), "2 rows and 3 columns"),
        (np.ones((3, 2)), np.ones(4), "3 rows and b has 4 entries"),
        (np.ones(3), np.ones(3), "2 dimension"),
        (np.ones((3, 2)), np.ones((3, 1)), "1 dimension"),
    ],
)
def test_shapes_that_do_not_fit_are_refused_in_words(A, b, words):
    with pytest.raises(ValueError, match=words):
        least_squares(A, b)


def test_the_other_doors_are_guarded_too():
    with pytest.raises(TypeError, match="complex"):
        least_squares(np.eye(2) * 1j, np.ones(2))
    with pytest.raises(ValueError, match="empty"):
        reflector([])
    with pytest.raises(ValueError, match="must be square"):
        back_substitute(np.eye(3), np.ones(2))
    with pytest.raises(np.linalg.LinAlgError, match=r"R\[1, 1\] is zero"):
        back_substitute(np.diag([1.0, 0.0]), np.ones(2))
    with pytest.raises(OverflowError, match="unit"):
        least_squares(np.array([[1e-300]]), np.array([1e300]))


def test_arguments_are_left_alone():
    A, b = np.random.default_rng(1).normal(size=(6, 3)), np.ones(6)
    before = A.copy(), b.copy()
    least_squares(A, b)
    qr(A)
    triangularise(A)
    assert np.array_equal(A, before[0])
    assert np.array_equal(b, before[1])
