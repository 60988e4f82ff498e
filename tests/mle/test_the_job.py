"""What the exercise role/the_job states about its own data: the delays' origin and the backlog's balance."""

from collections import Counter

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from mle.checks.role.the_job import _BY_TOOL as by_tool
from mle.checks.role.the_job import _HANDS_OVER as hands_over
from mle.checks.role.the_job import DELAY_QUANTILES, NEVER_ARRIVED, backlog, evening, sprint
from mle.data import flights

seeds = st.integers(0, 2**31 - 1)


def test_the_quantiles_are_those_of_the_flights_of_2013():
    delays = flights()["arr_delay"]
    levels = np.linspace(0, 1, len(DELAY_QUANTILES))
    np.testing.assert_array_equal(np.quantile(delays.dropna(), levels).astype(int), DELAY_QUANTILES)
    assert round(delays.isna().mean(), 3) == NEVER_ARRIVED


@settings(max_examples=25)
@given(seeds, st.integers(400, 4000))
def test_every_evening_has_flights_that_need_a_seat_and_flights_that_do_not(seed, n):
    delays, needed = evening(seed, n)
    assert delays.shape == needed.shape == (n,)
    assert np.isnan(delays).any() and (delays > 30).any() and (delays < 30).any()
    np.testing.assert_array_equal(needed, ~(delays <= 30))


@given(seeds)
def test_a_sprint_has_two_tickets_a_role(seed):
    drawn = sprint(seed)
    assert len(set(drawn)) == 6
    assert Counter(hands_over[id] for id in drawn) == dict.fromkeys(hands_over.values(), 2)


def test_no_title_gives_the_role_away():
    assert all(hands_over[ticket["id"]] != by_tool[ticket["id"]] for ticket in backlog())
