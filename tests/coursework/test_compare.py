"""How two values differ, said so that it helps and gives nothing away."""

from __future__ import annotations

import re
import warnings

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coursework.compare import describe, difference, show
from coursework.encode import decode, encode


def frame(**columns):
    return pd.DataFrame(columns)


AGREE = [
    (1, 1.0),
    (np.float64(2), 2),
    (1.0000000001, 1.0),
    (float("nan"), float("nan")),
    (float("inf"), float("inf")),
    (10**30, 10**30),
    (True, np.True_),
    (3 + 0j, 3),
    (np.array(5), 5),
    (5, np.array(5)),
    ("abc", "abc"),
    (None, None),
    (np.array([1, 2]), np.array([1.0, 2.0])),
    (np.array([np.nan, np.inf]), np.array([np.nan, np.inf])),
    (np.array(["NaT", "2013-01-01"], "M8[D]"), np.array(["NaT", "2013-01-01"], "M8[ns]")),
    ([1, [2.0, "x"]], [1, [2.0, "x"]]),
    ({1, 2}, frozenset({2, 1})),
    ({"a": np.zeros(2)}, {"a": np.zeros(2)}),
    (frame(a=[1, 2]), frame(a=[1.0, 2.0])),
    (pd.Series([1.0, None]), pd.Series([1.0, None])),
    (pd.Index([1, 2]), pd.RangeIndex(1, 3)),
]


@pytest.mark.parametrize(("got", "want"), AGREE, ids=range(len(AGREE)))
def test_equal_values_agree_without_a_warning(got, want):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert difference(got, want) is None


DIFFER = [
    # got, want, what the sentence says
    (1.1, 1.0, "1.1 is outside the tolerance"),
    (True, 1, "expected a number, got True or False"),
    (1, True, "expected True or False, got a whole number"),
    (False, True, "False is not right"),
    (float("nan"), 1.5, "nan is outside the tolerance"),
    (float("inf"), 1.5, "inf is outside the tolerance"),
    (1.5, float("nan"), "1.5 is outside the tolerance"),
    (10**30 + 10**26, 10**30, "outside the tolerance"),
    (10**400, 2.5, "outside the tolerance"),
    ("7", 7, "expected a number, got text"),
    (None, 7, "is a return statement missing?"),
    (..., 7, "no answer yet"),
    ("Abc ", "abc", "only in capitals or in spaces"),
    ("xyz", "abc", "'xyz' is not right"),
    ([1.0, 2.0], np.array([1.0, 2.0]), "expected an array of shape (2,), got a list of 2 items"),
    (np.array([1.0]), [1.0], "expected a list, got an array"),
    ((1, 2), [1, 2], "expected a list, got a tuple"),
    (np.zeros((3, 2)), np.zeros((2, 3)), "expected shape (2, 3), got (3, 2): it looks transposed"),
    (np.zeros(6), np.zeros((2, 3)), "the right number of values in another shape"),
    (np.zeros(4), np.zeros(5), "expected shape (5,), got (4,)"),
    (np.array([2.0, 1.0, 4.0]), np.array([1.0, 2.0, 4.0]), "in another order; the first out of place is at [0]"),
    (np.array([1, 2.5, 3]), np.array([1.0, 2.0, 3.0]), "1 of 3 values differ; the first is at [1], where yours is 2.5"),
    (np.array([[1, 2], [3, 5]]), np.array([[1, 2], [3, 4]]), "the first is at [1, 1], where yours is 5"),
    (np.array([np.nan, 1]), np.array([0.0, 1]), "where yours is nan"),
    (np.array([1, 0]), np.array([True, False]), "expected an array of True and False, got one of int64"),
    (np.array([True, False]), np.array([1.0, 0.0]), "expected an array of numbers, got one of True and False"),
    (np.array(["a"]), np.array([1.0]), "expected an array of shape (1,), float64, got an array of shape (1,), text"),
    (np.array(["2013-01-02", "NaT"], "M8[D]"), np.array(["2013-01-01", "NaT"], "M8[D]"), "1 of 2 values differ"),
    ([1, 2], [1, 2, 3], "expected 3 items, got 2"),
    ([1, 5, 3], [1, 2, 3], "item 1: 5 is outside the tolerance"),
    ([2, 1], [1, 2], "the right items in another order; the first out of place is item 0"),
    ({1, 9}, {1, 2, 3}, "2 of the 3 items are missing and 9 does not belong"),
    ([1], {1}, "expected a set"),
    ({"a": 1}, {"a": 1, "b": 2}, "1 of the 2 keys are missing"),
    ({"a": 1, "c": 1}, {"a": 1}, "the key 'c' does not belong"),
    ({"a": {"b": 2}}, {"a": {"b": 1}}, "at key 'a': at key 'b': 2 is outside"),
    ([("a", 1)], {"a": 1}, "expected a mapping"),
    (frame(a=[1]), frame(a=[1], b=[1]), "1 of the 2 columns are missing"),
    (frame(a=[1], z=[1]), frame(a=[1]), "the column 'z' does not belong"),
    (frame(b=[1], a=[1]), frame(a=[1], b=[1]), "the right columns in another order"),
    (pd.DataFrame([[1, 1, 2]], columns=[*"aab"]), frame(a=[1], b=[2]), "expected 2 columns, got 3"),
    (frame(a=[1, 2]), frame(a=[1]), "expected 1 rows, got 2"),
    (frame(a=[1, 2], b=[5, 6]), frame(a=[1, 2], b=[5, 7]), "in the column 'b': 1 of 2 values differ; the"),
    (frame(a=["1"]), frame(a=[1]), "in the column 'a': expected"),
    (frame(a=[1, 2]).set_axis([2, 1]), frame(a=[1, 2]).set_axis([1, 2]), "the index: the right values in another"),
    (np.zeros(2), frame(a=[1]), "expected a DataFrame, got an array"),
    (frame(a=[1]), pd.Series([1]), "expected a Series, got a table"),
    (pd.Series([1, 2]), pd.Series([1, 3]), "1 of 2 values differ"),
    (pd.Series([1]), pd.Series([1, 3]), "expected 2 values, got 1"),
    (pd.Series([1, 2], index=[0, 5]), pd.Series([1, 2]), "the index: 1 of 2 values differ"),
    (pd.Timestamp("2013-01-02"), pd.Timestamp("2013-01-01"), "is not right"),
]  # fmt: skip


@pytest.mark.parametrize(("got", "want", "says"), DIFFER, ids=range(len(DIFFER)))
def test_a_difference_is_named(got, want, says):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        sentence = difference(got, want)
    assert sentence is not None and says in sentence


SECRET = 73829.5
wrong = st.sampled_from(
    [0, 1.5, "text", True, None, [], (1,), {}, {"k": 2}, {3}, np.zeros(2), np.zeros((2, 2)), np.array(["a", "b"]),
     frame(a=[1.0, 2.0]), pd.Series([1.0, 2.0]), float("nan"), 10**400, np.array([1, None], dtype=object)]
)  # fmt: skip
hidden = st.sampled_from(
    [SECRET, int(SECRET), str(SECRET), np.full(2, SECRET), np.full((2, 2), SECRET), [SECRET], (SECRET,),
     {"k": SECRET}, {SECRET}, {SECRET: 1}, frame(a=[SECRET, 1.0]), frame(**{str(SECRET): [1.0]}),
     pd.Series([SECRET, 0.0]), pd.Index([SECRET, 0.0]), complex(SECRET, 1), np.array([str(SECRET), "b"])]
)  # fmt: skip


@settings(deadline=None, max_examples=200)
@given(wrong, hidden)
def test_a_sentence_never_holds_the_expected_value(got, want):
    for a, b in ((got, want), ([got, got], [want, want]), ({"k": got}, {"k": want})):
        sentence = difference(decode(encode(a)), decode(encode(b)))
        assert sentence is not None
        assert not re.search("73829|73,829|7.38", sentence), sentence


anything = st.sampled_from(
    [None, ..., True, 3, 2.5, 1j, "s", b"b", [1, "a"], (), {1}, frozenset(), {"a": 1}, np.zeros((0, 2)), np.arange(3),
     np.array([True]), np.array(["a"]), np.array(["NaT"], "M8[s]"), np.array([1], "m8[s]"), np.array([None, 1]),
     np.array(1 + np.inf * 1j), np.array([complex(np.inf, 2)]), np.datetime64("NaT"), np.timedelta64(3, "s"),
     pd.Timestamp("2013"), pd.Series([], dtype=float), pd.Series(["a", None]), frame(a=[1]), frame(),
     pd.DataFrame([[1, 2]], columns=["a", "a"]), pd.Index(["a"]), pd.MultiIndex.from_tuples([(1, 2)]),
     pd.Series(pd.to_datetime(["2013-01-01"], utc=True)), pd.Series(pd.Categorical(["a"])), np.array([{1}, [2]], "O")]
)  # fmt: skip


@settings(deadline=None, max_examples=300)
@given(anything, anything)
def test_any_two_values_can_be_compared_described_and_shown(got, want):
    sentence = difference(got, want)
    assert sentence is None or isinstance(sentence, str)
    assert describe(got) and len(show(got)) <= 160


def test_nearly_equal_is_a_matter_of_both_tolerances():
    assert difference(100.05, 100.0, rtol=1e-3, atol=0) is None
    assert difference(100.2, 100.0, rtol=1e-3, atol=0)
    assert difference(1e-10, 0.0, rtol=1e-3, atol=1e-9) is None
    assert difference(np.array([0.0, 1e-8]), np.zeros(2), atol=1e-9)


def test_an_empty_array_is_of_the_right_kind_whatever_its_type():
    assert difference(np.array([]), np.array([], dtype=bool)) is None  # what np.array makes of an empty list
    assert difference(np.array([]), np.zeros((0, 2), dtype=bool)) is not None
    assert difference([], np.array([], dtype=bool)) is not None
