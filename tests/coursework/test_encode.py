"""What crosses from a learner's process to a judge's: everything that is data, whole; nothing else, and no surprise."""

from __future__ import annotations

import base64
import datetime as dt
import json
import re

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from coursework.compare import difference, show
from coursework.encode import DecodeError, EncodeError, decode, encode

scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(10**40), 10**40)
    | st.floats()
    | st.complex_numbers()
    | st.text(max_size=20)
    | st.binary(max_size=20)
    | st.dates()
    | st.datetimes()
    | st.just(...)
)
keys = st.integers() | st.text(max_size=5) | st.booleans() | st.tuples(st.integers(), st.text(max_size=3))
dtypes = hnp.scalar_dtypes().filter(lambda d: d.kind in "biufcmM") | hnp.unicode_string_dtypes(max_len=5)
arrays = hnp.arrays(dtypes, hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4))
values = st.recursive(
    scalars | arrays | st.frozensets(keys, max_size=4) | st.sets(keys, max_size=4),
    lambda inner: st.lists(inner, max_size=4) | st.tuples(inner, inner) | st.dictionaries(keys, inner, max_size=4),
    max_leaves=8,
)


def same(a, b) -> bool:
    """Equality that sees types, dtypes and nan."""
    if isinstance(a, np.ndarray):
        if a.dtype.kind in "OU":
            return a.shape == b.shape and all(same(x, y) for x, y in zip(a.ravel(), b.ravel(), strict=True))
        return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()
    if isinstance(a, np.generic):
        a = a.item()
    if type(a) is not type(b):
        return False
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, dict):
        return list(a) == list(b) and all(same(a[k], b[k]) for k in a)
    return a == b or repr(a) == repr(b)


@settings(deadline=None, max_examples=60)
@given(values)
def test_a_value_comes_back_as_it_was(value):
    if isinstance(value, np.ndarray) and value.dtype.byteorder == ">":
        value = value.astype(value.dtype.newbyteorder("<"))
    data = json.loads(json.dumps(encode(value)))
    back = decode(data)
    if not (isinstance(value, np.ndarray | list | tuple | dict)):
        assert same(value, back)
    # Other byte orders come back in ours: what counts is that nothing differs.
    assert difference(back, back) is None or "Ellipsis" in repr(back)
    show(back)


@pytest.mark.parametrize(
    "array",
    [
        np.zeros((0, 3)),
        np.arange(6.0).reshape(2, 3).T,
        np.array(3.5),
        np.arange(5, dtype=">i4"),
        np.array([np.nan, -np.inf]),
        np.array(["2013-01-01", "NaT"], "M8[ns]"),
        np.array(["a", "bc"]),
        np.array([1, "x", None], dtype=object),
        np.array([1 + 2j], dtype="c8"),
        np.array([], dtype=bool),
    ],
)
def test_an_array_keeps_shape_kind_and_values(array):
    back = decode(json.loads(json.dumps(encode(array))))
    assert back.shape == array.shape
    assert difference(back, array) is None
    assert back.dtype.kind in (array.dtype.kind, "O")


FRAMES = [
    pd.DataFrame({"a": [1, 2], "b": ["x", None]}, index=pd.Index([5, 6], name="id")),
    pd.DataFrame({"a": []}),
    pd.DataFrame({("a", 1): [1.0], ("b", 2): [2.0]}),
    pd.DataFrame({"t": pd.to_datetime(["2013-01-01", None])}),
    pd.DataFrame({"c": pd.Categorical(["u", "v", "u"])}),
    pd.DataFrame({"n": pd.array([1, None], dtype="Int64")}),
    pd.DataFrame([[1, 2]], columns=["same", "same"]),
    pd.DataFrame({"x": [1, 2]}, index=pd.MultiIndex.from_tuples([("a", 1), ("b", 2)], names=["k", "l"])),
]


@pytest.mark.parametrize("frame", FRAMES, ids=range(len(FRAMES)))
def test_a_frame_keeps_columns_index_and_values(frame):
    back = decode(json.loads(json.dumps(encode(frame))))
    assert list(back.columns) == list(frame.columns)
    assert list(back.index) == list(frame.index)
    assert list(back.index.names) == list(frame.index.names)
    assert difference(back, decode(encode(frame))) is None
    show(back)


def test_series_index_timestamps_and_missing_values_come_back():
    series = pd.Series([1.5, 2.5], index=["a", "b"], name="s")
    assert difference(decode(encode(series)), series) is None
    assert difference(decode(encode(pd.Index([1, 2]))), pd.Index([1, 2])) is None
    stamp = pd.Timestamp("2013-01-01 05:00", tz="America/New_York")
    assert decode(encode(stamp)) == stamp
    assert np.isnan(decode(encode(pd.NA)))
    assert decode(encode(dt.timedelta(days=2))) == dt.timedelta(days=2)


def test_a_figure_becomes_what_it_shows():
    from matplotlib.figure import Figure

    ax = Figure().subplots()
    ax.plot(["low", "high"], [1, 2], label="levels")
    ax.scatter([1, 2], [3, 4], label="dots")
    ax.bar([0, 1], [5, 6])
    ax.fill_between([0, 1], [0, 1])
    ax.set(title="T", xlabel="x (min)", ylabel="y", yscale="log")
    ax.legend()
    (shown,) = decode(encode(ax))["axes"]
    assert (shown["title"], shown["xlabel"], shown["yscale"]) == ("T", "x (min)", "log")
    assert shown["lines"][0]["x"].tolist() == [0, 1]
    assert [p["label"] for p in shown["points"]] == ["dots"]
    assert [bar["height"] for bar in shown["bars"]] == [5, 6]
    assert shown["legend"] == ["levels", "dots"]
    assert decode(encode(ax.figure)).keys() == {"axes"}


def cyclic():
    a = []
    a.append(a)
    return a


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ((i for i in range(3)), "list("),
        (iter([1]), "list("),
        (len, "call it"),
        (object(), "cannot be judged"),
        (cyclic(), "contains itself"),
        (np.zeros(2_000_000), "too large"),
        ("x" * 9_000_000, "too large"),
        (list(range(300_000)), "too large"),
        (pd.RangeIndex(10**9), "too large"),
        (10**2000, "digits"),
        (np.ma.masked_array([1, 2], [0, 1]), "masked"),
        (np.zeros(2, dtype="i4,i4"), "plain numeric"),
        (pd.Period("2013-01"), "Period"),
    ],
)
def test_what_is_no_data_is_refused_with_a_remedy(value, says):
    with pytest.raises(EncodeError, match=re.escape(says)):
        encode(value)


def test_a_sparse_matrix_is_refused_with_a_remedy():
    sparse = pytest.importorskip("scipy.sparse").eye(2)
    with pytest.raises(EncodeError, match="toarray"):
        encode(sparse)


def array(dtype="<f8", shape=(1,), data=b"\0" * 8) -> dict:
    return {"t": "array", "dtype": dtype, "shape": list(shape), "data": base64.b64encode(data).decode()}


def nested(levels: int) -> dict:
    value: dict = {"t": "list", "v": []}
    for _ in range(levels):
        value = {"t": "list", "v": [value]}
    return value


HOSTILE = [
    array(shape=(8_000_000, 8_000_000)),
    array(shape=(10**12,)),
    array(shape=(-1,)),
    array(shape=(2,)),
    array(shape=[1] * 40),
    array(shape=["1"]),
    array(dtype="O"),
    array(dtype="V8"),
    array(dtype="f8,(1000000,)f8"),
    array(dtype="(2,)f4"),
    array(dtype="(a)f8,("),
    array(dtype="object"),
    array(dtype="U1000000"),
    array(dtype=["f8"]),
    {**array(), "data": "not base64!"},
    {**array(), "data": None},
    {"t": "array", "dtype": "O", "shape": [3], "items": [1]},
    {"t": "array"},
    {"t": "object", "v": "os.system"},
    {"t": ["list"], "v": []},
    {"t": "set", "v": [{"t": "list", "v": []}]},
    {"t": "dict", "v": [[{"t": "list", "v": []}, 1]]},
    {"t": "dict", "v": [1]},
    {"t": "int", "v": "9" * 5000},
    {"t": "int", "v": [1]},
    {"t": "float", "v": "one"},
    {"t": "complex", "v": []},
    {"t": "timedelta", "v": 1e300},
    {"t": "datetime", "v": "yesterday"},
    {"t": "Timestamp", "v": "99999-01-01"},
    {"t": "index", "v": {"range": [0, 999_999_999, 1]}},
    {"t": "index", "v": {"range": [0, 10, 0]}},
    {"t": "index", "v": {"range": "abc"}},
    {"t": "series", "name": None, "index": {"range": [0, 2, 1]}, "data": array()},
    {"t": "frame", "columns": ["a"], "data": [], "index": {"range": [0, 1, 1]}},
    {"t": "frame", "columns": [{"t": "list", "v": []}], "data": [array()], "index": {"range": [0, 1, 1]}},
    {"t": "frame", "columns": ["a"], "data": [array(shape=(1, 1))], "index": {"range": [0, 1, 1]}},
    {"t": "list", "v": [0] * 300_000},
    nested(200),
    [1, 2],
    {},
    {"t": "list", "v": 5},
]


@pytest.mark.parametrize("data", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_data_is_refused_and_nothing_else_happens(data):
    with pytest.raises(DecodeError):
        decode(data)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)
tags = "list tuple set frozenset dict array frame series index figure int float complex bytes date time datetime"
tagged = st.recursive(
    json_values,
    lambda inner: st.fixed_dictionaries(
        {"t": st.sampled_from([*tags.split(), "timedelta", "Timestamp", "Timedelta", "ellipsis", "new"])},
        optional={
            "v": inner | st.lists(inner, max_size=3),
            "dtype": st.sampled_from(["<f8", "O", "<M8[D]", "|b1", "x"]) | json_values,
            "shape": st.lists(st.integers(-1, 10**9), max_size=3) | json_values,
            "data": st.sampled_from(["", "AAAAAAAAAAA="]) | inner,
            "items": st.lists(inner, max_size=3),
            "index": st.fixed_dictionaries({"range": st.lists(st.integers(), max_size=4)}) | inner,
            "columns": st.lists(inner, max_size=2),
            "name": inner,
        },
    ),
    max_leaves=6,
)


@settings(deadline=None, max_examples=150)
@given(tagged)
def test_whatever_json_comes_decoding_gives_a_value_or_a_decode_error(data):
    try:
        value = decode(data)
    except DecodeError:
        return
    show(value)
