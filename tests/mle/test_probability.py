"""The random question of math/probability: how often its check refuses a right answer and lets a wrong one pass.

Computed from binomial probabilities, not simulated: these are the two numbers that the check's module states.
"""

from itertools import product

import numpy as np
import pytest
from scipy import stats

from mle.checks.math.probability import REFUSED, _either, _fits, _lots, _one, _two

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


@pytest.mark.parametrize("p", [0.05, 0.1, 0.2, 0.3])
@pytest.mark.parametrize(("m", "wild", "calm"), [(6, 0.6, 0.08), (20, 0.6, 0.08), (3, 0.9, 0.02)])
def test_one_seed_for_storms_and_flights_is_caught_999_times_in_1000(p, m, wild, calm):
    """A flight's uniform number is then that which made the storm of the day with the flight's number."""
    one, n = _one(p, wild, calm), 20_000
    storm = ((1 - p) * min(calm, p) + p * min(p, wild)) / one  # of that day, given that the flight is late
    late = [2 * rate - rate**2 for rate in (wild, calm)]
    flights = int(one * m * (n // m - n // m // m - 1))
    assert passes(flights, _either(p, wild, calm), storm * late[0] + (1 - storm) * late[1]) < 1e-3


@pytest.mark.parametrize("m", [3, 6, 20])
def test_flights_and_the_days_of_their_numbers_are_other_rows(m):
    late = np.zeros((20_000, m), dtype=bool)
    rows = slice(20_000 // m // m + 1, 20_000 // m)
    late[rows] = True
    flights, both = _lots(late)
    assert (flights, both) == (late.sum(), 0)
    late[m * rows.start] = True
    assert _lots(late) == [flights, 1]
