"""How two values differ, said to the learner who made one of them: type, shape, order, tolerance, first place.

A sentence names the learner's own value and the kind of the expected one, never the expected value: a hidden
parameter's answer must not be readable from its feedback.
"""

from __future__ import annotations

from typing import Any

import numpy as np


def describe(value: Any) -> str:
    """A value's kind in words: `an array of shape (3, 2), float64`."""
    if value is None:
        return "None (nothing was returned)"
    if value is Ellipsis:
        return "... (no answer yet)"
    if isinstance(value, bool | np.bool_):
        return "True or False"
    if isinstance(value, int | np.integer):
        return "a whole number"
    if isinstance(value, float | np.floating):
        return "a number"
    if isinstance(value, str):
        return "text"
    if isinstance(value, np.ndarray):
        kind = {"O": "objects", "U": "text", "b": "True and False"}.get(value.dtype.kind, str(value.dtype))
        return f"an array of shape {value.shape}, {kind}"
    if isinstance(value, list | tuple | set | frozenset):
        return f"a {type(value).__name__} of {len(value)} item{'s' * (len(value) != 1)}"
    if isinstance(value, dict):
        return f"a mapping with {len(value)} key{'s' * (len(value) != 1)}"
    kind = type(value).__name__
    if kind == "DataFrame":
        return f"a table of {value.shape[0]} rows and {value.shape[1]} columns"
    if kind == "Series":
        return f"a series of {len(value)} values"
    return f"a {kind}"


def show(value: Any, width: int = 160) -> str:
    """The learner's own value on one short line."""
    if isinstance(value, np.ndarray):
        text = np.array2string(value, precision=6, threshold=12, edgeitems=3, max_line_width=10**6)
        text = f"{' '.join(text.split())}, shape {value.shape}"
    elif type(value).__name__ in ("DataFrame", "Series"):
        rows = value.head(2).to_dict() if value.ndim == 1 else value.head(2).to_numpy().tolist()
        text = f"{describe(value)}: {rows}"
    elif isinstance(value, float | np.floating):
        text = f"{value:.10g}"
    elif isinstance(value, np.generic) and not isinstance(value, np.str_):
        text = str(value)
    else:
        text = repr(value)
    return text if len(text) <= width else text[: width - 1] + "…"


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float | complex | np.number) and not isinstance(value, bool | np.timedelta64)


def difference(got: Any, want: Any, rtol: float = 1e-6, atol: float = 1e-9) -> str | None:
    """The first way in which `got` differs from `want`, as a sentence; None where they agree.

    Numbers agree when |got - want| <= atol + rtol * |want|; nan agrees with nan. A list does not pass for an array.
    """
    if got is Ellipsis and want is not Ellipsis:
        return "there is no answer yet"
    if got is None and want is not None:
        return "the answer is None: is a return statement missing?"
    if isinstance(want, np.ndarray) and want.ndim == 0 and not isinstance(got, np.ndarray):
        want = want.item()
    if isinstance(got, np.ndarray) and got.ndim == 0 and not isinstance(want, np.ndarray):
        got = got.item()
    if isinstance(want, bool | np.bool_):
        if not isinstance(got, bool | np.bool_):
            return f"expected True or False, got {describe(got)}"
        return None if bool(got) == bool(want) else f"{bool(got)} is not right"
    if _is_number(want):
        if not _is_number(got):
            return f"expected a number, got {describe(got)}"
        return None if _close(got, want, rtol, atol) else f"{show(got)} is outside the tolerance"
    kind = type(want).__name__
    if kind in ("DataFrame", "Series", "Index") or kind.endswith("Index"):
        return _pandas_difference(got, want, rtol, atol)
    if isinstance(want, np.ndarray):
        return _array_difference(got, want, rtol, atol)
    if isinstance(want, str):
        return _text_difference(got, want)
    if isinstance(want, dict):
        return _mapping_difference(got, want, rtol, atol)
    if isinstance(want, set | frozenset):
        return _set_difference(got, want)
    if isinstance(want, list | tuple):
        return _sequence_difference(got, want, rtol, atol)
    if type(got) is not type(want):
        return f"expected {describe(want)}, got {describe(got)}"
    both_missing = isinstance(want, np.datetime64 | np.timedelta64) and np.isnat(got) and np.isnat(want)
    return None if both_missing or got == want else f"{show(got)} is not right"


def _close(got: Any, want: Any, rtol: float, atol: float) -> bool:
    if isinstance(got, int) and isinstance(want, int) and got == want:  # of any size, where NumPy's end at 64 bits
        return True
    from numpy.testing import assert_allclose  # brings unittest along, which a page without an answer need not wait for

    try:
        assert_allclose(got, want, rtol=rtol, atol=atol, equal_nan=True)
    except (AssertionError, TypeError, OverflowError):
        return False
    return True


def _array_difference(got: Any, want: np.ndarray, rtol: float, atol: float) -> str | None:
    if not isinstance(got, np.ndarray):
        return f"expected an array of shape {want.shape}, got {describe(got)}"
    if got.shape != want.shape:
        note = ""
        if want.ndim == 2 and got.shape == want.T.shape:
            note = ": it looks transposed"
        elif got.size == want.size:
            note = ": the right number of values in another shape"
        return f"expected shape {want.shape}, got {got.shape}{note}"
    if want.size == 0:  # np.array([]) is float64 whatever was meant: there is no value whose kind could be wrong
        return None
    numeric = "biufc"
    if want.dtype.kind == "b" and got.dtype.kind != "b":
        return f"expected an array of True and False, got one of {got.dtype}"
    if got.dtype.kind == "b" and want.dtype.kind in numeric:
        if want.dtype.kind != "b":
            return "expected an array of numbers, got one of True and False"
    if want.dtype.kind in numeric and got.dtype.kind in numeric:
        if _close(got, want, rtol, atol):
            return None
        with np.errstate(all="ignore"):
            wrong = ~np.isclose(got, want, rtol=rtol, atol=atol, equal_nan=True)
        if not wrong.any():  # the two functions of NumPy judge a half-infinite complex number differently
            return None
    elif (want.dtype.kind in numeric) != (got.dtype.kind in numeric):
        return f"expected {describe(want)}, got {describe(got)}"
    else:
        flat = [difference(g, w, rtol, atol) is not None for g, w in zip(got.ravel(), want.ravel(), strict=True)]
        wrong = np.asarray(flat, bool).reshape(want.shape)
        if not wrong.any():
            return None
    place = tuple(int(i) for i in np.argwhere(wrong)[0])
    where = f"[{', '.join(map(str, place))}]"
    value = show(got[place])
    if want.size == 1:
        return f"{value} is outside the tolerance"
    if sorted_alike(got, want, rtol, atol):
        return f"the right values in another order; the first out of place is at {where}"
    return f"{int(wrong.sum())} of {want.size} values differ; the first is at {where}, where yours is {value}"


def sorted_alike(got: np.ndarray, want: np.ndarray, rtol: float, atol: float) -> bool:
    """Whether two one-dimensional numeric arrays hold the same values in different order."""
    if want.ndim != 1 or want.dtype.kind not in "iuf" or got.dtype.kind not in "iuf":
        return False
    return _close(np.sort(got), np.sort(want), rtol, atol)


def _text_difference(got: Any, want: str) -> str | None:
    if not isinstance(got, str):
        return f"expected text, got {describe(got)}"
    if got == want:
        return None
    if got.strip().casefold() == want.strip().casefold():
        return f"{show(got)} differs only in capitals or in spaces at an end"
    return f"{show(got)} is not right"


def _sequence_difference(got: Any, want: Any, rtol: float, atol: float) -> str | None:
    if not isinstance(got, type(want)):
        return f"expected a {type(want).__name__}, got {describe(got)}"
    if len(got) != len(want):
        return f"expected {len(want)} items, got {len(got)}"
    for i, (g, w) in enumerate(zip(got, want, strict=True)):
        found = difference(g, w, rtol, atol)
        if found is not None:
            if sorted(map(repr, got)) == sorted(map(repr, want)):
                return f"the right items in another order; the first out of place is item {i}, {show(g)}"
            return f"item {i}: {found}"
    return None


def _set_difference(got: Any, want: set) -> str | None:
    if not isinstance(got, set | frozenset):
        return f"expected a set, got {describe(got)}"
    extra, lacking = got - want, want - got
    if not extra and not lacking:
        return None
    parts = [f"{len(lacking)} of the {len(want)} items are missing"] if lacking else []
    parts += [f"{show(next(iter(sorted(extra, key=repr))))} does not belong"] if extra else []
    return " and ".join(parts)


def _mapping_difference(got: Any, want: dict, rtol: float, atol: float) -> str | None:
    if not isinstance(got, dict):
        return f"expected a mapping, got {describe(got)}"
    lacking = [key for key in want if key not in got]
    if lacking:
        return f"{len(lacking)} of the {len(want)} keys are missing"
    extra = [key for key in got if key not in want]
    if extra:
        return f"the key {show(extra[0])} does not belong"
    for key, value in want.items():
        found = difference(got[key], value, rtol, atol)
        if found is not None:
            return f"at key {show(key)}: {found}"
    return None


def _pandas_difference(got: Any, want: Any, rtol: float, atol: float) -> str | None:
    import pandas as pd

    kind = "Index" if isinstance(want, pd.Index) else type(want).__name__
    base = {"DataFrame": pd.DataFrame, "Series": pd.Series, "Index": pd.Index}[kind]
    if not isinstance(got, base):
        return f"expected a {kind}, got {describe(got)}"
    if isinstance(want, pd.Index):
        return difference(np.asarray(got), np.asarray(want), rtol, atol)
    if isinstance(want, pd.DataFrame):
        if list(got.columns) != list(want.columns):
            lacking = [c for c in want.columns if c not in set(got.columns)]
            extra = [c for c in got.columns if c not in set(want.columns)]
            if got.shape[1] != want.shape[1] and not lacking and not extra:
                return f"expected {want.shape[1]} columns, got {got.shape[1]}"
            if lacking or extra:
                say = f"{len(lacking)} of the {want.shape[1]} columns are missing" if lacking else ""
                also = f"the column {show(extra[0])} does not belong" if extra else ""
                return " and ".join(filter(None, [say, also]))
            return "the right columns in another order"
        if len(got) != len(want):
            return f"expected {len(want)} rows, got {len(got)}"
        index = difference(np.asarray(got.index), np.asarray(want.index), rtol, atol)
        for i, column in enumerate(want.columns):
            found = _values_difference(got.iloc[:, i], want.iloc[:, i], rtol, atol)
            if found is not None:
                return f"in the column {show(column)}: {found}"
        return f"the index: {index}" if index else None
    if len(got) != len(want):
        return f"expected {len(want)} values, got {len(got)}"
    values = _values_difference(got, want, rtol, atol)
    if values is not None:
        return values
    index = difference(np.asarray(got.index), np.asarray(want.index), rtol, atol)
    return f"the index: {index}" if index else None


def _values_difference(got: Any, want: Any, rtol: float, atol: float) -> str | None:
    """How the values of two series of one length differ, whatever their indices."""
    from pandas.testing import assert_series_equal

    try:
        assert_series_equal(got, want, check_dtype=False, check_index=False, check_names=False, rtol=rtol, atol=atol)
    except (AssertionError, TypeError, ValueError):
        return difference(np.asarray(got, dtype=_plain(got)), np.asarray(want, dtype=_plain(want)), rtol, atol)
    return None


def _plain(series: Any) -> Any:
    return object if series.dtype.kind not in "biufcmM" else None
