"""Binomial tails and the exact interval: against scipy.stats, and against the coverage that it promises."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from mle.scratch.binomial import at_least, exact_interval, pmf

chance = st.one_of(st.sampled_from([0.0, 1.0]), st.floats(1e-12, 1))  # far below, SciPy's pmf overflows


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 300), chance)
def test_pmf_is_scipy_s(n, p):
    np.testing.assert_allclose(pmf(n, p), stats.binom.pmf(np.arange(n + 1), n, p), rtol=1e-8, atol=1e-12)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 300), st.integers(0, 300), chance)
def test_at_least_counts_k_itself(k, n, p):
    assert at_least(k, n, p) == pytest.approx(stats.binom.sf(k - 1, n, p), rel=1e-8, abs=1e-12)


@settings(max_examples=20, deadline=None)
@given(st.data(), st.integers(1, 200), st.sampled_from([0.5, 0.05, 1e-6]))
def test_exact_interval_is_scipy_s(data, n, error):
    k = data.draw(st.integers(0, n))
    expected = stats.binomtest(k, n).proportion_ci(1 - error, method="exact")
    assert exact_interval(k, n, error) == pytest.approx((expected.low, expected.high), abs=1e-9)


def test_a_chance_too_small_to_count_on():
    np.testing.assert_allclose(pmf(3, 1e-300), [1, 3e-300, 0, 0], atol=0)
    assert at_least(1, 10**4, 1e-12) == pytest.approx(1e-8, rel=1e-6)


def test_exact_interval_of_one_trial_and_of_many():
    assert exact_interval(0, 1, 0.05) == pytest.approx((0, 0.975))
    low, high = exact_interval(1000, 2000, 1e-9)
    assert low == pytest.approx(stats.beta.ppf(5e-10, 1000, 1001), rel=1e-7)
    assert low + high == pytest.approx(1)


@pytest.mark.parametrize("p", [0.003, 0.02, 0.3, 0.5, 0.999])
def test_exact_interval_covers_as_promised(p):
    n, error = 25, 0.1
    inside = [low <= p <= high for low, high in (exact_interval(k, n, error) for k in range(n + 1))]
    assert pmf(n, p)[inside].sum() >= 1 - error


def test_what_is_no_count_or_no_chance_is_refused():
    for n, p in [(-1, 0.5), (3, 1.5), (3, np.nan)]:
        with pytest.raises(ValueError, match="must"):
            pmf(n, p)
    for k, n, error in [(4, 3, 0.05), (-1, 3, 0.05), (0, 0, 0.05), (1, 3, 0.0), (1, 3, np.nan)]:
        with pytest.raises(ValueError, match="need"):
            exact_interval(k, n, error)
