"""mle.scratch.optimisation against SciPy, on random quadratics and logistic losses, and at the edges."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import scipy.linalg
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from scipy.optimize import minimize
from scipy.special import expit

from mle.scratch.optimisation import certificate, extremes, gd, length, momentum, newton, sgd

seeds = st.integers(0, 2**32 - 1)


@st.composite
def quadratics(draw, largest_kappa=1e3):
    """H (p, p) with known mu and L, its minimiser and a start: f(x) = (x - best)'H(x - best)/2."""
    rng = np.random.default_rng(draw(seeds))
    p = draw(st.integers(1, 6))
    kappa = 10 ** draw(st.floats(0, math.log10(largest_kappa)))
    scale = 10 ** draw(st.floats(-3, 3))
    eigenvalues = scale * np.geomspace(1, kappa, p) if p > 1 else np.array([scale])
    Q = scipy.linalg.qr(rng.normal(size=(p, p)))[0]
    H = Q * eigenvalues @ Q.T
    return (H + H.T) / 2, eigenvalues[0], eigenvalues[-1], rng.normal(size=p), rng.normal(size=p)


class Logistic:
    """Mean logistic loss of labels -1 and 1 with penalty mu|x|²/2: strongly convex, not quadratic."""

    def __init__(self, A, sign, mu):
        self.B, self.mu = A * sign[:, None], mu

    def value(self, x):
        return np.logaddexp(0, -self.B @ x).mean() + self.mu * x @ x / 2

    def gradient(self, x):
        return -self.B.T @ expit(-self.B @ x) / len(self.B) + self.mu * x

    def hessian(self, x):
        p = expit(self.B @ x)
        return self.B.T @ (self.B * (p * (1 - p))[:, None]) / len(self.B) + self.mu * np.eye(len(x))

    def smoothness(self):
        return scipy.linalg.svdvals(self.B)[0] ** 2 / (4 * len(self.B)) + self.mu


@st.composite
def logistics(draw):
    rng = np.random.default_rng(draw(seeds))
    n, p = draw(st.integers(1, 40)), draw(st.integers(1, 5))
    A = rng.normal(size=(n, p)) * 10 ** rng.uniform(-1, 1, p)
    A[:, rng.random(p) < 0.2] = A[:, :1]  # dependent columns: the penalty alone keeps the minimiser unique
    return Logistic(A, rng.choice([-1.0, 1.0], n), 10 ** draw(st.floats(-2, 0))), rng.normal(size=p)


# --- against an independent library ---


@given(quadratics(), st.floats(0.3, 1.95))
@settings(deadline=None, max_examples=40)
def test_gradient_descent_below_the_limit_finds_the_minimiser_that_scipy_solves_for(problem, fraction):
    H, _, L, best, start = problem
    run = gd(lambda x: H @ x - H @ best, start, fraction / L, 1e-7 * L)
    assert run.converged
    expected = scipy.linalg.solve(H, H @ best, assume_a="pos")
    _, distance = certificate(H @ (run.x - expected), extremes(H)[0])
    np.testing.assert_allclose(run.x, expected, rtol=0, atol=1.001 * distance + 1e-9)


@given(quadratics(), st.floats(1.02, 3))
@settings(deadline=None, max_examples=40)
def test_above_the_limit_it_runs_away_and_says_so(problem, fraction):
    H, _, L, best, start = problem
    run = gd(lambda x: H @ (x - best), start, 2 * fraction / L, 1e-9 * L)
    assert not run.converged
    assert length(run.x - best) > 1e100
    assert np.isfinite(run.x).all()


@given(quadratics(), st.floats(0.05, 1.9))
@settings(deadline=None, max_examples=40)
def test_the_distance_shrinks_each_step_by_the_factor_of_the_theory_or_faster(problem, fraction):
    H, mu, L, best, start = problem
    factor = max(abs(1 - fraction * mu / L), abs(1 - fraction))
    for steps in (1, 7):
        run = gd(lambda x: H @ (x - best), start, fraction / L, 0.0, max_steps=steps)
        assert length(run.x - best) <= factor**run.steps * length(start - best) * (1 + 1e-9) + 1e-12


@given(quadratics(largest_kappa=1e4))
@settings(deadline=None, max_examples=40)
def test_momentum_needs_about_the_root_of_kappa_steps(problem):
    H, mu, L, best, start = problem
    root = math.sqrt(L / mu)
    beta = ((root - 1) / (root + 1)) ** 2
    run = momentum(lambda x: H @ (x - best), start, 4 / (math.sqrt(L) + math.sqrt(mu)) ** 2, beta, 1e-8 * mu)
    assert run.converged
    np.testing.assert_allclose(run.x, best, rtol=0, atol=1e-7)
    assert run.steps <= 30 * root + 60


@given(logistics())
@settings(deadline=None, max_examples=30)
def test_logistic_losses_end_where_scipys_do(problem):
    loss, start = problem
    theirs = minimize(loss.value, start, jac=loss.gradient, hess=loss.hessian, method="trust-exact", tol=1e-10)
    ours = newton(loss.value, loss.gradient, loss.hessian, start, 1e-10)
    slow = gd(loss.gradient, start, 1 / loss.smoothness(), 1e-5, max_steps=20_000)
    assert ours.converged
    np.testing.assert_allclose(ours.x, theirs.x, rtol=0, atol=1e-6)
    assert ours.steps < 30
    gap, distance = certificate(loss.gradient(slow.x), loss.mu)
    assert loss.value(slow.x) - loss.value(ours.x) <= gap + 1e-12
    assert length(slow.x - ours.x) <= distance + 1e-8


@given(logistics(), st.floats(1, 300))
@settings(deadline=None, max_examples=30)
def test_newton_never_goes_up_from_wherever_it_starts(problem, far):
    loss, start = problem
    run = newton(loss.value, loss.gradient, loss.hessian, far * start, 1e-9)
    values = [
        loss.value(newton(loss.value, loss.gradient, loss.hessian, far * start, 1e-9, max_steps=k).x) for k in range(8)
    ]
    assert run.converged
    assert all(b <= a + 1e-12 * abs(a) for a, b in itertools.pairwise(values))


@given(quadratics())
@settings(deadline=None, max_examples=30)
def test_newton_solves_a_quadratic_in_one_step(problem):
    H, _, L, best, start = problem
    run = newton(lambda x: (x - best) @ H @ (x - best) / 2, lambda x: H @ (x - best), lambda x: H, start, 1e-10 * L)
    assert run.steps <= 2
    np.testing.assert_allclose(run.x, best, rtol=0, atol=1e-7)


@given(quadratics())
@settings(deadline=None, max_examples=30)
def test_extremes_are_scipys(problem):
    H = problem[0]
    expected = scipy.linalg.eigvalsh(H)
    np.testing.assert_allclose(extremes(H), [expected[0], expected[-1]], rtol=1e-9)


# --- stochastic gradients: one check is random ---

CHAINS, STEP, BATCH, REFUSED = 2000, 0.2, 4, 1e-6


def last_points(gradient):
    """The last x of independent runs over 480 rows of standard normal numbers, whose mean is to be found."""
    rng = np.random.default_rng(1951)
    ends = []
    for _ in range(CHAINS):
        rows = rng.normal(size=480)
        ends.append(sgd(lambda x, i, rows=rows: gradient(x, rows[i]), [0.0], 480, STEP, rng, batch=BATCH)[0][0])
    return np.array(ends)


def fits_the_floor(ends, variance):
    """Whether the variance of the ends lies in the central 1 - REFUSED of what normal ends allow (chi squared)."""
    low, high = stats.chi2.ppf([REFUSED / 2, 1 - REFUSED / 2], CHAINS - 1) / (CHAINS - 1)
    return low < ends.var(ddof=1) / variance < high


def test_the_wobble_is_that_of_the_theory():
    """Every end is a weighted sum of normal numbers, so exactly normal; a right method is refused once in a million.

    Wrong ones are caught with a power above 0.999: a batch's sum for its mean, one row for a batch, or a floor that is
    off by a factor of 1.5, all of which the last lines show.
    """
    floor = STEP / (BATCH * (2 - STEP))
    assert fits_the_floor(last_points(lambda x, rows: x - rows.mean()), floor)
    assert not fits_the_floor(last_points(lambda x, rows: x - rows[:1]), floor)
    assert not fits_the_floor(last_points(lambda x, rows: (x - rows).sum(keepdims=True)), floor)
    low, high = stats.chi2.ppf([REFUSED / 2, 1 - REFUSED / 2], CHAINS - 1)
    for factor in (1.5, 1 / 1.5):
        missed = stats.chi2.cdf(high / factor, CHAINS - 1) - stats.chi2.cdf(low / factor, CHAINS - 1)
        assert missed < 1e-3


@given(seeds, st.integers(1, 50))
@settings(deadline=None, max_examples=30)
def test_with_steps_of_one_over_k_one_epoch_is_the_running_mean(seed, n):
    rows = np.random.default_rng(seed).normal(5, 3, n)
    x, _ = sgd(lambda x, i: x - rows[i].mean(), [0.0], n, lambda k: 1 / k, np.random.default_rng(0))
    np.testing.assert_allclose(x, rows.mean(), rtol=1e-10)


@given(seeds, st.integers(1, 30), st.integers(1, 7), st.integers(1, 4))
@settings(deadline=None, max_examples=30)
def test_each_epoch_visits_each_row_once(seed, n, batch, epochs):
    seen = []

    def gradient(x, rows):
        seen.extend(rows)
        return np.zeros_like(x)

    sgd(gradient, [1.0], n, 0.1, np.random.default_rng(seed), batch=batch, epochs=epochs)
    assert all(sorted(seen[e * n : (e + 1) * n]) == list(range(n)) for e in range(epochs))


def test_averaging_the_second_half_beats_the_last_point():
    rows = np.random.default_rng(7).normal(size=5000)
    runs = [sgd(lambda x, i: x - rows[i].mean(), [0.0], 5000, 0.1, np.random.default_rng(s)) for s in range(40)]
    last, averaged = (np.array([r[k][0] for r in runs]) - rows.mean() for k in (0, 1))
    assert (averaged**2).mean() < 0.05 * (last**2).mean()  # theory: about a hundredth


# --- edges ---


def test_nothing_to_move_is_converged_at_once():
    empty = np.zeros(0)
    for run in (
        gd(lambda x: x, empty, 1.0, 0.0),
        newton(lambda x: 0.0, lambda x: x, lambda x: np.zeros((0, 0)), empty, 0.0),
    ):
        assert run == (pytest.approx(empty), 0, 0.0, True)


def test_a_start_at_the_minimum_takes_no_step():
    assert gd(lambda x: x, [0.0, 0.0], 0.5, 1e-9).steps == 0


@pytest.mark.parametrize("exponent", [-600, -300, 300, 600])
def test_huge_and_tiny_units_change_the_numbers_and_not_the_path(exponent):
    H = np.array([[2.0, 1.0], [1.0, 3.0]])
    plain = gd(lambda x: H @ x, [1.0, -2.0], 0.3, 1e-8)
    scaled = gd(lambda x: H @ x, np.ldexp([1.0, -2.0], exponent), 0.3, math.ldexp(1e-8, exponent))
    assert scaled.steps == plain.steps > 5
    assert scaled.converged
    assert np.array_equal(scaled.x, np.ldexp(plain.x, exponent))


def test_where_the_hessian_is_singular_descent_goes_to_the_nearest_minimiser():
    H = np.diag([2.0, 0.0])
    run = gd(lambda x: H @ x, [1.0, 7.0], 0.9, 1e-10)
    np.testing.assert_allclose(run.x, [0, 7], atol=1e-9)
    ours = newton(lambda x: x @ H @ x / 2, lambda x: H @ x, lambda x: H, [1.0, 7.0], 1e-10)
    assert ours.converged
    np.testing.assert_allclose(ours.x, [0, 7], atol=1e-9)


def test_newton_leaves_the_saddle_that_the_plain_step_runs_into():
    def value(x):
        return x[0] ** 2 / 2 - x[1] ** 2 / 2 + x[1] ** 4 / 4

    def gradient(x):
        return np.array([x[0], x[1] ** 3 - x[1]])

    def hessian(x):
        return np.diag([1.0, 3 * x[1] ** 2 - 1])

    start = np.array([1.0, 0.3])
    plain = start.copy()
    for _ in range(8):
        plain = plain - np.linalg.solve(hessian(plain), gradient(plain))
    np.testing.assert_allclose(plain, [0, 0], atol=1e-12)
    np.testing.assert_allclose(newton(value, gradient, hessian, start, 1e-10).x, [0, 1], atol=1e-8)


def test_newton_on_a_slope_without_curvature_still_descends():
    run = newton(lambda x: x[0], lambda x: np.ones(1), lambda x: np.zeros((1, 1)), [3.0], 1e-9, max_steps=5)
    assert not run.converged
    assert run.x[0] < 3


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_gradient_that_is_not_finite_ends_the_run_unconverged(bad):
    run = gd(lambda x: x if x[0] == 1 else x * bad, [1.0], 0.5, 1e-9)
    assert (run.steps, run.converged) == (0, False)
    assert not gd(lambda x: x * bad, [1.0], 0.5, 1e-9).converged
    assert not newton(lambda x: x @ x, lambda x: x, lambda x: np.full((1, 1), bad), [1.0], 1e-9).converged
    assert not newton(lambda x: x @ x, lambda x: x, lambda x: np.diag([-1.0, bad]), [1.0, 1.0], 1e-9).converged
    assert not newton(lambda x: math.nan, lambda x: x, lambda x: np.eye(1), [1.0], 1e-9).converged


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_starts_and_hessians_with_missing_values_are_refused_with_their_place(bad):
    with pytest.raises(ValueError, match=r"start\[1\]"):
        gd(lambda x: x, [1.0, bad], 0.1, 1e-9)
    with pytest.raises(ValueError, match=r"start\[1\]"):
        newton(lambda x: x @ x, lambda x: x, lambda x: np.eye(2), [1.0, bad], 1e-9)
    with pytest.raises(ValueError, match=r"start\[0\]"):
        sgd(lambda x, i: x, [bad], 3, 0.1, np.random.default_rng(0))
    with pytest.raises(ValueError, match=r"hessian\[0, 0\]"):
        extremes([[bad]])
    with pytest.raises(ValueError, match=r"gradient\[0\]"):
        certificate([bad], 1.0)


def test_the_other_doors_are_guarded_too():
    for step, beta, tolerance in [(0.0, 0.0, 0.0), (-1.0, 0.0, 0.0), (math.inf, 0, 0), (1.0, 1.0, 0.0), (1, 0, -1)]:
        with pytest.raises(ValueError, match="step > 0"):
            momentum(lambda x: x, [1.0], step, beta, tolerance)
    for n, batch, epochs in [(0, 1, 1), (3, 0, 1), (3, 1, 0)]:
        with pytest.raises(ValueError, match="1 at least"):
            sgd(lambda x, i: x, [1.0], n, 0.1, np.random.default_rng(0), batch=batch, epochs=epochs)
    with pytest.raises(OverflowError, match="too long"):
        sgd(lambda x, i: x, [1.0], 2000, 9.0, np.random.default_rng(0))
    for matrix in ([[1.0, 2.0], [0.0, 1.0]], [[1.0, 2.0]], np.zeros((0, 0))):
        with pytest.raises(ValueError, match="symmetric"):
            extremes(matrix)
    for mu in (0.0, -1.0, math.nan):
        with pytest.raises(ValueError, match="strong convexity"):
            certificate([1.0], mu)


def test_the_certificate_is_reached_on_a_quadratic_and_survives_tiny_and_huge_gradients():
    assert certificate([3.0, 4.0], 2.0) == (6.25, 2.5)
    assert certificate([3e-200], 1e-200) == pytest.approx((4.5e-200, 3))
    assert certificate([3e200], 1e200) == pytest.approx((4.5e200, 3))


def test_arguments_are_left_alone():
    start = np.array([1.0, 2.0])

    def spoil(x):
        x *= 2
        return x

    for steps in (0, 3):
        spoilt, kept = (gd(gradient, start, 0.1, 1e-3, max_steps=steps).x for gradient in (spoil, lambda x: 2 * x))
        assert np.array_equal(spoilt, kept)
    assert np.array_equal(start, [1.0, 2.0])
