"""Randomised comparisons by hand against SciPy, statsmodels and published tables; and the two numbers of the check.

Nothing here is left to chance twice: random draws are seeded, and each test that counts states the error it makes.
"""

from itertools import product

import numpy as np
import pytest
import statsmodels.api as sm
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import stats
from statsmodels.stats.power import NormalIndPower, TTestIndPower

from mle.checks.math import experiments as checks
from mle.scratch.experiments import (
    always_valid_bound,
    boundary,
    crossing,
    cuped,
    power,
    sample_size,
    wealth,
    welch,
)

values = st.floats(-1e6, 1e6).map(lambda v: round(v, 3))
samples = hnp.arrays(float, st.integers(2, 30), elements=values)

# -------------------------------------------------------------------------------------------------- Welch


@settings(max_examples=60, deadline=None)
@given(samples, samples, st.sampled_from([1e-150, 1.0, 1e140]))
def test_welch_is_scipy_s(treated, control, unit):
    assume(np.ptp(treated) + np.ptp(control) > 1e-6)
    ours = welch(treated * unit, control * unit)
    theirs = stats.ttest_ind(treated, control, equal_var=False)
    assert ours.p == pytest.approx(theirs.pvalue, rel=1e-6, abs=1e-12)
    assert ours.estimate == pytest.approx((treated.mean() - control.mean()) * unit, rel=1e-6, abs=1e-6 * unit)
    if np.ptp(treated) and np.ptp(control):  # SciPy and we differ in what an arm without variation is worth
        assert ours.df == pytest.approx(theirs.df, rel=1e-6)


def test_one_arm_without_variation_leaves_the_other_s_degrees_of_freedom():
    assert welch([3.0, 3.0, 3.0], [1.0, 2.0, 4.0]).df == pytest.approx(2)


@pytest.mark.parametrize("bad", [[], [1.0], [1.0, np.nan], [1.0, np.inf], [[1.0, 2.0], [3.0, 4.0]]])
def test_what_has_no_variance_is_refused(bad):
    with pytest.raises(ValueError, match="treated"):
        welch(bad, [1.0, 2.0])
    with pytest.raises(ValueError, match="control"):
        welch([1.0, 2.0], bad)


def test_no_variation_at_all_is_refused():
    with pytest.raises(ValueError, match="nothing to measure"):
        welch([1.0, 1.0], [2.0, 2.0])


def test_welch_errs_as_often_as_it_says():
    # 4,000 trials of nothing, arms of 8 and 20 with standard deviations 3 and 1. Welch's test is approximate: its error
    # is taken to lie between 4.5 and 6 %, and one in that range is refused once in a million runs. Pooling the
    # variances errs in 18 % or so, thirty standard deviations outside: caught always.
    rng, errs, pooled = np.random.default_rng(1947), 0, 0
    for one, other in zip(3 * rng.normal(size=(4000, 8)), rng.normal(size=(4000, 20)), strict=True):
        errs += welch(one, other).p < 0.05
        pooled += stats.ttest_ind(one, other).pvalue < 0.05
    assert stats.binom.ppf(5e-7, 4000, 0.045) <= errs <= stats.binom.isf(5e-7, 4000, 0.06)
    assert pooled > stats.binom.isf(5e-7, 4000, 0.06)


# ----------------------------------------------------------------------------------------- power and size

alphas, powers = st.sampled_from([0.001, 0.01, 0.05, 0.2]), st.floats(0.3, 0.99)


@settings(max_examples=40, deadline=None)
@given(st.floats(0.5, 1e4), st.floats(0.01, 3), st.floats(1e-3, 1e3), alphas)
def test_power_is_statsmodels_(n, effect, sigma, alpha):
    theirs = NormalIndPower().power(effect, n, alpha)
    assert power(n, effect * sigma, sigma, alpha) == pytest.approx(theirs, abs=1e-9)
    assert power(n, -effect * sigma, sigma, alpha) == pytest.approx(theirs, abs=1e-9)


@settings(max_examples=40, deadline=None)
@given(st.floats(0.01, 1), alphas, powers)
def test_sample_size_is_the_smallest_that_has_the_power(effect, alpha, wanted):
    n = sample_size(effect, 1.0, alpha, wanted)
    assert power(n, effect, 1.0, alpha) >= wanted - 1e-12
    right_way = stats.norm.sf(stats.norm.isf(alpha / 2) - effect * np.sqrt((n - 1) / 2)) if n > 1 else 0
    assert right_way < wanted


def test_sample_size_nears_that_of_the_t_test_from_below():
    exact = TTestIndPower().solve_power(0.2, alpha=0.05, power=0.8)
    assert exact - 2 < sample_size(0.2, 1.0) <= exact


def test_huge_and_tiny_units_do_not_matter():
    assert sample_size(1e-200, 1e-199) == sample_size(1e200, 1e201) == sample_size(1, 10) == 1570
    assert sample_size(1e6, 1.0) == 1


@pytest.mark.parametrize(
    "wrong", [(0, 1, 0.05, 0.8), (np.nan, 1, 0.05, 0.8), (1, 0, 0.05, 0.8), (1, 1, 0, 0.8), (1, 1, 0.05, 1)]
)
def test_a_plan_that_makes_no_sense_is_refused(wrong):
    with pytest.raises(ValueError, match="need"):
        sample_size(*wrong)


def test_power_of_nothing_is_refused():
    for wrong in [(0, 1, 1), (10, 1, 0), (10, 1, np.nan)]:
        with pytest.raises(ValueError, match="need"):
            power(*wrong)


# ------------------------------------------------------------------------------------------ stopping rules


@settings(max_examples=15, deadline=None)
@given(st.lists(st.floats(0.5, 3.5), min_size=1, max_size=4), st.floats(-1.5, 1.5))
def test_crossing_is_scipy_s_multivariate_normal(bounds, drift):
    k = np.arange(1, len(bounds) + 1)
    ends = np.array(bounds) * np.sqrt(k)
    sums = stats.multivariate_normal(mean=drift * k, cov=np.minimum.outer(k, k), seed=7)
    inside = sums.cdf(ends, lower_limit=-ends)  # to about 1e-5, by SciPy's own account
    assert crossing(bounds, drift)[-1] == pytest.approx(1 - inside, abs=2e-4)


def test_crossing_is_the_table_of_armitage_mcpherson_and_rowe():
    found = crossing(np.full(50, stats.norm.isf(0.025)))
    assert found[[0, 1, 4, 9, 19, 49]] == pytest.approx([0.05, 0.083, 0.142, 0.193, 0.248, 0.320], abs=6e-4)
    assert np.all(np.diff(found) > 0)


def test_crossing_takes_looks_that_nobody_takes_and_bounds_that_everybody_reaches():
    assert crossing([np.inf, np.inf, 1.96])[-1] == pytest.approx(2 * stats.norm.sf(1.96), abs=1e-9)
    assert crossing([1e-300, 2.0])[0] == pytest.approx(1)
    assert crossing([2.0, 2.0], drift=40.0) == pytest.approx([1, 1])
    assert crossing([]).shape == (0,)
    for wrong in ([0.0], [-1.0], [np.nan], [[1.0]]):
        with pytest.raises(ValueError, match="bounds"):
            crossing(wrong)


@pytest.mark.parametrize(
    ("shape", "looks", "constant"),
    [("pocock", 2, 2.178), ("pocock", 5, 2.413), ("obrien-fleming", 2, 1.977), ("obrien-fleming", 5, 2.040)],
)
def test_boundaries_are_the_published_ones(shape, looks, constant):
    assert boundary(looks, 0.05, shape)[-1] == pytest.approx(constant, abs=1e-3)


@settings(max_examples=12, deadline=None)
@given(st.integers(1, 20), st.floats(0.001, 0.3), st.sampled_from(["pocock", "obrien-fleming"]))
def test_a_boundary_uses_up_alpha(looks, alpha, shape):
    bounds = boundary(looks, alpha, shape)
    assert crossing(bounds)[-1] == pytest.approx(alpha, rel=1e-6)
    ratio = bounds / bounds[-1]
    expected = 1 if shape == "pocock" else np.sqrt(looks / np.arange(1, looks + 1))
    np.testing.assert_allclose(ratio, expected * np.ones(looks))


@pytest.mark.parametrize("wrong", [(0, 0.05, "pocock"), (3, 0.0, "pocock"), (3, 0.05, "haybittle")])
def test_a_boundary_without_looks_alpha_or_shape_is_refused(wrong):
    with pytest.raises(ValueError, match="need"):
        boundary(*wrong)


@settings(max_examples=25, deadline=None)
@given(st.floats(-6, 6), st.integers(1, 500), st.floats(0.5, 500))
def test_wealth_is_the_mean_likelihood_ratio(z, n, sharp_at):
    from scipy.integrate import quad

    # in units of the posterior's width, or the integrand is a needle that quadrature misses
    total, width = z * np.sqrt(n), 1 / np.sqrt(n + sharp_at)
    centre = total * width**2

    def integrand(u):
        m = centre + width * u
        return np.exp(m * total - n * m**2 / 2) * stats.norm.pdf(m, scale=1 / np.sqrt(sharp_at)) * width

    assert wealth(z, n, sharp_at) == pytest.approx(quad(integrand, -12, 12)[0], rel=1e-6)


@settings(max_examples=25, deadline=None)
@given(st.floats(1, 1e9), st.floats(0.1, 1e6), alphas)
def test_the_always_valid_bound_is_where_wealth_reaches_one_over_alpha(n, sharp_at, alpha):
    bound = always_valid_bound(n, sharp_at, alpha)
    assert wealth(bound, n, sharp_at) == pytest.approx(1 / alpha, rel=1e-8)
    assert bound > stats.norm.isf(alpha / 2)


def test_before_the_first_row_the_dollar_is_a_dollar():
    assert wealth(0.0, 0, 10) == 1
    assert wealth(1e3, 100, 10) == np.inf  # beyond any threshold, and no warning


@pytest.mark.parametrize("wrong", [(0, 10, 0.05), (5, 0, 0.05), (5, 10, 0), (-1, 10, 0.05)])
def test_no_rows_no_spread_or_no_alpha_is_refused(wrong):
    with pytest.raises(ValueError, match="need"):
        always_valid_bound(*wrong)
    if wrong[0] < 0 or wrong[1] <= 0:
        with pytest.raises(ValueError, match="must"):
            wealth(1.0, *wrong[:2])


def test_the_always_valid_bound_keeps_its_promise_and_a_p_value_does_not():
    # Computed, not simulated: 300 looks at normal data. Ville promises 5 %; 1.96 at each look errs in over 40 %.
    looks = np.arange(1, 301)
    for sharp_at in (1, 10, 100):
        assert crossing(always_valid_bound(looks, sharp_at, 0.05))[-1] <= 0.05
    assert crossing(np.full(300, 1.96))[-1] > 0.4


# --------------------------------------------------------------------------------------------------- CUPED


@settings(max_examples=40, deadline=None)
@given(st.integers(2, 25), st.integers(2, 25), st.integers(0, 2**32 - 1), st.sampled_from([1e-6, 1.0, 1e6]))
def test_cuped_is_least_squares_on_treatment_and_covariate(n, m, seed, unit):
    assume(n + m > 4)
    rng = np.random.default_rng(seed)
    on, x = np.arange(n + m) < n, rng.normal(3, 2, n + m)
    y = (4 * on + 0.7 * x + rng.normal(size=n + m)) * unit
    fit = sm.OLS(y / unit, sm.add_constant(np.column_stack([on, x]))).fit()
    found, theta = cuped(y[on], y[~on], x[on], x[~on])
    assert found.estimate / unit == pytest.approx(fit.params[1], rel=1e-7, abs=1e-9)
    assert theta / unit == pytest.approx(fit.params[2], rel=1e-7, abs=1e-9)


def test_cuped_takes_off_what_the_correlation_explains():
    # Variance falls by 1 - rho²: with 20,000 rows an arm the ratio's standard deviation is below 0.01.
    rng = np.random.default_rng(2013)
    x = rng.normal(size=(2, 20_000))
    y = 0.8 * x + 0.6 * rng.normal(size=x.shape)  # rho = 0.8
    found, _ = cuped(*y, *x)
    assert (found.error / welch(*y).error) ** 2 == pytest.approx(0.36, abs=0.05)


def test_a_covariate_without_variation_changes_nothing():
    y, z = [1.0, 2.0, 4.0], [2.0, 7.0]
    assert cuped(y, z, [5.0] * 3, [5.0] * 2) == (welch(y, z), 0.0)


def test_covariates_that_do_not_belong_are_refused():
    with pytest.raises(ValueError, match="another number"):
        cuped([1.0, 2.0], [3.0, 5.0], [1.0, 2.0, 3.0], [1.0, 2.0])
    with pytest.raises(ValueError, match="control_before"):
        cuped([1.0, 2.0], [3.0, 5.0], [1.0, 2.0], [1.0, np.nan])


# ----------------------------------------------------------- the random question of math/experiments: two numbers

CORNERS = list(product([8, 24], [0.05, 0.1]))


def refused(error, alpha):
    """The probability that a rule with this type I error is refused for it."""
    return stats.binom.sf(checks.most(alpha), checks.TRIALS, error)


def falling(looks):
    return np.sqrt(looks / np.arange(1, looks + 1))


@pytest.mark.parametrize(("looks", "alpha"), CORNERS)
def test_a_rule_within_the_tolerance_is_refused_once_in_a_million_at_most(looks, alpha):
    assert refused(checks.TOLERANCE * alpha, alpha) <= checks.REFUSED
    for shape in ("pocock", "obrien-fleming"):
        assert refused(crossing(boundary(looks, alpha, shape))[-1], alpha) <= checks.REFUSED


@pytest.mark.parametrize(("looks", "alpha"), CORNERS)
def test_a_rule_that_peeks_is_caught_999_times_in_1000(looks, alpha):
    cut = stats.norm.isf(alpha / 2)
    assert refused(crossing(np.full(looks, cut))[-1], alpha) > 0.999
    assert refused(crossing(cut * falling(looks))[-1], alpha) > 0.999


@pytest.mark.parametrize(("looks", "alpha"), CORNERS)
def test_two_evenings_running_are_caught_999_times_in_1000(looks, alpha):
    # Its error has no formula here: estimated from 200,000 trials, less five standard deviations, is still too much.
    z = checks._paths(np.random.default_rng(5), 200_000, looks)
    error = np.mean(checks.two_evenings_running(z, alpha) > 0)
    assert refused(error - 5 * np.sqrt(error / 200_000), alpha) > 0.999


@pytest.mark.parametrize(("looks", "alpha"), CORNERS)
def test_the_rules_of_the_lesson_are_useful_enough(looks, alpha):
    drift = checks.DRIFT / np.sqrt(looks)
    k = np.arange(1, looks + 1)
    rules = [boundary(looks, alpha, "pocock"), boundary(looks, alpha), always_valid_bound(k, looks / 5, alpha)]
    rules.append(np.full(looks, stats.norm.isf(alpha / 2 / looks)))
    for bounds in rules:
        stopped = crossing(bounds, drift)
        for share, least in [(stopped[-1], checks.MUST_STOP), (stopped[-2], checks.MUST_STOP_EARLY)]:
            assert stats.binom.cdf(least * checks.WITH_EFFECT, checks.WITH_EFFECT, share) < 1e-9
