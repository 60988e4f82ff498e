"""The inverse transform: against scipy.stats' quantile function, and its frequencies against exact intervals."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from mle.scratch.sampler import inverse_transform

weights = st.lists(st.integers(0, 9), min_size=1, max_size=12).filter(any)


@settings(max_examples=25, deadline=None)
@given(weights, st.lists(st.integers(0, 999), max_size=20))
def test_inverse_transform_is_scipy_s_quantile(weights, thousandths):
    uniform = (np.array(thousandths, dtype=float) + 0.5) / 1000 + 1e-7 * np.pi  # never on an end of a stretch
    p = np.array(weights) / sum(weights)
    expected = stats.rv_discrete(values=(np.arange(len(p)), p)).ppf(uniform)
    np.testing.assert_array_equal(inverse_transform(uniform, np.arange(len(p)), weights), expected)


def counts_fit(draws, values, p, error=1e-9):
    """Whether each value's count lies in the central 1 - error of its binomial distribution."""
    return all(
        min(stats.binom.cdf(k, draws.size, chance), stats.binom.sf(k - 1, draws.size, chance)) >= error / 2
        for k, chance in zip([np.sum(draws == v) for v in values], p, strict=True)
    )


def test_frequencies_pass_an_exact_test_that_catches_a_wrong_sampler():
    # Three counts, each tested with an error of 1e-9 (3e-9 together). Values drawn with equal chances instead give
    # a first count of n / 3 where n / 2 is due, which at n = 20,000 lies dozens of standard deviations outside.
    rng, p = np.random.default_rng(8), [0.5, 0.3, 0.2]
    values = np.array(["on time", "late", "never"])
    assert counts_fit(inverse_transform(rng.random(20_000), values, p), values, p)
    assert not counts_fit(rng.choice(values, 20_000), values, p)


def test_a_value_without_probability_is_never_drawn():
    drawn = inverse_transform([0.0, 0.5, np.nextafter(1, 0)], [1, 2, 3, 4], [0, 1, 1, 0])
    assert drawn.tolist() == [2, 3, 3]


def test_huge_and_tiny_weights_only_count_relative_to_each_other():
    assert inverse_transform([0.2, 0.7], [1, 2], [1e308, 1e308]).tolist() == [1, 2]
    assert inverse_transform([0.2, 0.7], [1, 2], [5e-324, 5e-324]).tolist() == [1, 2]
    assert inverse_transform(np.empty(0), [7], [1]).shape == (0,)


@pytest.mark.parametrize("p", [[0, 0], [-1, 2], [np.nan, 1], [np.inf, 1], [1]])
def test_what_are_no_probabilities_is_refused(p):
    with pytest.raises(ValueError, match="probabilities"):
        inverse_transform([0.5], [1, 2], p)


@pytest.mark.parametrize("u", [-0.1, 1.0, np.nan])
def test_draws_outside_the_unit_stretch_are_refused(u):
    with pytest.raises(ValueError, match="uniform"):
        inverse_transform([u], [1, 2], [1, 1])
