"""Naive Bayes: against scikit-learn's BernoulliNB."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.naive_bayes import BernoulliNB

from mle.scratch.naive_bayes import NaiveBayes


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**31), st.integers(2, 60), st.integers(1, 6), st.sampled_from([0.01, 1.0, 50.0]))
def test_probabilities_are_scikit_learn_s(seed, n, m, alpha):
    rng = np.random.default_rng(seed)
    X, y = rng.random((n, m)) < rng.random(m), rng.random(n) < 0.4
    y[:2] = True, False
    expected = BernoulliNB(alpha=alpha).fit(X, y).predict_proba(X)[:, 1]
    np.testing.assert_allclose(NaiveBayes(alpha).fit(X, y).predict_proba(X), expected, rtol=1e-9, atol=1e-12)


def test_one_signal_without_smoothing_is_bayes_rule():
    X = np.array([1, 1, 1, 0, 1, 0, 0, 0])[:, None]
    y = np.array([1, 1, 1, 1, 0, 0, 0, 0])
    assert NaiveBayes(alpha=0).fit(X, y).predict_proba([[1], [0]]) == pytest.approx([3 / 4, 1 / 4])


def test_a_signal_given_twice_is_counted_twice():
    X, y = np.array([[1], [1], [1], [0], [1], [0], [0], [0]]), np.array([1, 1, 1, 1, 0, 0, 0, 0])
    assert NaiveBayes(alpha=0).fit(np.hstack([X, X]), y).predict_proba([[1, 1]]) == pytest.approx([9 / 10])


def test_without_smoothing_what_was_never_seen_is_impossible():
    model = NaiveBayes(alpha=0).fit([[True], [False]], [True, False])
    np.testing.assert_allclose(model.predict_proba([[True], [False]]), [1, 0], atol=1e-300)


def test_no_rows_to_predict_and_one_class_to_learn():
    model = NaiveBayes().fit([[True], [False]], [True, False])
    assert model.predict_proba(np.empty((0, 1))).shape == (0,)
    with pytest.raises(ValueError, match="one class"):
        NaiveBayes().fit([[True], [False]], [True, True])
    with pytest.raises(ValueError, match="shape"):
        NaiveBayes().fit([True, False], [True, False])
