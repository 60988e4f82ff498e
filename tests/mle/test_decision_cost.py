"""The prices of a policy: against scikit-learn's confusion matrix and against trying every threshold."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import confusion_matrix

from mle.scratch.decision_cost import cheapest_threshold, cost_curve, policy_cost

cases = st.lists(st.tuples(st.booleans(), st.integers(0, 6)), min_size=1, max_size=40)  # few scores: many ties
price = st.integers(1, 500)


@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=40), price, price)
def test_policy_cost_is_the_confusion_matrix_priced(pairs, cost_false_alarm, cost_miss):
    needed, alarm = map(np.array, zip(*pairs, strict=True))
    (_, false_alarms), (misses, _) = confusion_matrix(needed, alarm, labels=[False, True])
    expected = (false_alarms * cost_false_alarm + misses * cost_miss) / len(pairs)
    assert policy_cost(needed, alarm, cost_false_alarm, cost_miss) == pytest.approx(expected)


@given(cases, price, price)
def test_cost_curve_prices_each_threshold_as_policy_cost_does(pairs, cost_false_alarm, cost_miss):
    needed, score = map(np.array, zip(*pairs, strict=True))
    thresholds, costs = cost_curve(needed, score, cost_false_alarm, cost_miss)
    assert list(thresholds) == [np.inf, *sorted(set(score.tolist()), reverse=True)]
    expected = [policy_cost(needed, score >= t, cost_false_alarm, cost_miss) for t in thresholds]
    np.testing.assert_allclose(costs, expected)


@given(cases, price, price)
def test_cost_curve_runs_from_never_to_always(pairs, cost_false_alarm, cost_miss):
    needed, score = map(np.array, zip(*pairs, strict=True))
    _, costs = cost_curve(needed, score, cost_false_alarm, cost_miss)
    assert costs[0] == pytest.approx(cost_miss * needed.mean())
    assert costs[-1] == pytest.approx(cost_false_alarm * (1 - needed.mean()))


@given(price, price, st.floats(0, 1))
def test_no_choice_is_cheaper_than_the_threshold_s(cost_false_alarm, cost_miss, probability):
    alarm = probability >= cheapest_threshold(cost_false_alarm, cost_miss)
    if_alarm, if_silent = (1 - probability) * cost_false_alarm, probability * cost_miss
    assert (if_alarm if alarm else if_silent) == pytest.approx(min(if_alarm, if_silent))


def test_what_cannot_be_priced_is_refused():
    with pytest.raises(ValueError, match="not finite"):
        cost_curve([True, False], [0.2, np.nan], 40, 200)
    with pytest.raises(ValueError, match="shape"):
        policy_cost([True, False], [True], 40, 200)
    with pytest.raises(ValueError, match="shape"):
        cost_curve([], [], 40, 200)
    with pytest.raises(ValueError, match="negative"):
        cheapest_threshold(-1, 200)
