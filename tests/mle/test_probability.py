"""The random question of math/probability: how often its check refuses a right answer and lets a wrong one pass.

Computed from binomial probabilities, not simulated: these are the two numbers that the check's module states.
"""

from itertools import product

import pytest
from scipy import stats

from mle.checks.math.probability import REFUSED, _fits, _one, _two

#: Days, share of storms, chance to be late on wild and on calm days: the ends of what the exercise draws.
CORNERS = list(product([20_000, 60_000], [0.05, 0.3], [(0.6, 0.08), (0.9, 0.02)]))


def passes(trials, claimed, true):
    """The probability that a count whose chance is `true` lies where one with the chance `claimed` should."""
    near = [int(stats.binom.ppf(tail, trials, claimed)) for tail in (REFUSED / 2, 1 - REFUSED / 2)]
    kept = [count for end in near for count in range(end - 3, end + 4) if _fits(count, trials, claimed)]
    return stats.binom.cdf(max(kept), trials, true) - stats.binom.cdf(min(kept) - 1, trials, true)


@pytest.mark.parametrize(("n", "p", "rates"), CORNERS)
def test_a_right_answer_is_refused_less_than_once_in_a_million_for_each_count(n, p, rates):
    one, two = _one(p, *rates), _two(p, *rates)
    for trials, chance in [(n, one), (n, two), (n // 2, one**2)]:
        assert 0 < 1 - passes(trials, chance, chance) <= REFUSED


@pytest.mark.parametrize(("n", "p", "rates"), CORNERS)
def test_every_wrong_process_is_caught_999_times_in_1000(n, p, rates):
    one, two = _one(p, *rates), _two(p, *rates)
    assert passes(n, two, one**2) < 1e-3  # a storm for each flight
    assert max(passes(n, one, rate) for rate in rates) < 1e-3  # one storm for all days
    assert passes(n, two, one) < 1e-3  # one fate for the day
    assert passes(n // 2, one**2, two) < 1e-3  # storms in a block; their number is fixed, so this errs a little
    assert passes(n, one, _one(p, *reversed(rates))) < 1e-3  # rates swapped
