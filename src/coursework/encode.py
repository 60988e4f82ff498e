"""A value to plain JSON data and back, without pickle: what crosses from a learner's process to a judge's.

`decode` treats its input as hostile: it builds numbers, text, arrays and frames of bounded size, no more.
"""

from __future__ import annotations

import base64
import datetime as dt
import math
import re
import sys
from typing import Any

import numpy as np

MAX_BYTES = 8_000_000
MAX_ITEMS = 200_000
MAX_DEPTH = 20


class EncodeError(ValueError):
    """The value cannot be handed over as data; the message says why and what to hand over instead."""


class DecodeError(ValueError):
    """What came out of a kernel is not an encoded value."""


class _Budget:
    def __init__(self) -> None:
        self.items, self.bytes = MAX_ITEMS, MAX_BYTES

    def take(self, items: int = 1, bytes_: int = 0) -> None:
        self.items -= items
        self.bytes -= bytes_
        if self.items < 0 or self.bytes < 0:
            raise EncodeError(
                f"the answer is too large to judge: more than {MAX_ITEMS:,} items or {MAX_BYTES // 10**6} MB"
            )


def encode(value: Any) -> Any:
    """Turn a scalar, text, date, array, frame, series, sequence, set, mapping or figure into JSON data.

    Raises:
        EncodeError: the value is of another type, too large, or nested too deeply.
    """
    return _encode(value, _Budget(), 0)


def _encode(value: Any, budget: _Budget, depth: int) -> Any:
    if depth > MAX_DEPTH:
        raise EncodeError(f"the answer is nested more than {MAX_DEPTH} levels deep (or contains itself)")
    budget.take()
    kind = type(value)
    if kind is int and -(2**53) < value < 2**53:  # most items of most answers: numbers and text
        return value
    if kind is float and math.isfinite(value):
        return value
    if value is None or isinstance(value, bool | np.bool_):
        return None if value is None else bool(value)
    if value is Ellipsis:
        return {"t": "ellipsis"}
    if isinstance(value, str):
        budget.take(0, len(value))
        return str(value)
    if isinstance(value, int | np.integer) and not isinstance(value, np.timedelta64):
        if abs(int(value)).bit_length() > 4096:
            raise EncodeError("the answer holds a whole number of more than 1,200 digits")
        value = int(value)
        return value if abs(value) < 2**53 else {"t": "int", "v": str(value)}
    if isinstance(value, float | np.floating):
        return float(value) if math.isfinite(value) else {"t": "float", "v": repr(float(value))}
    if isinstance(value, complex | np.complexfloating):
        return {"t": "complex", "v": [repr(float(value.real)), repr(float(value.imag))]}
    if isinstance(value, bytes | bytearray):
        budget.take(0, len(value))
        return {"t": "bytes", "v": base64.b64encode(value).decode()}
    module = kind.__module__.partition(".")[0]
    if module == "pandas":
        return _encode_pandas(value, budget, depth)
    if isinstance(value, np.ndarray):
        return _encode_array(value, budget, depth)
    if isinstance(value, np.datetime64 | np.timedelta64):
        return _encode_array(np.asarray(value), budget, depth)
    if isinstance(value, dt.datetime | dt.date | dt.time):
        return {"t": kind.__name__, "v": value.isoformat()}
    if isinstance(value, dt.timedelta):
        return {"t": "timedelta", "v": value.total_seconds()}
    if isinstance(value, list | tuple):
        items = [_encode(item, budget, depth + 1) for item in value]
        return {"t": "tuple", "v": items} if isinstance(value, tuple) else {"t": "list", "v": items}
    if isinstance(value, set | frozenset):
        items = [_encode(item, budget, depth + 1) for item in value]
        return {"t": "set" if isinstance(value, set) else "frozenset", "v": sorted(items, key=repr)}
    if isinstance(value, dict):
        return {
            "t": "dict",
            "v": [[_encode(k, budget, depth + 1), _encode(v, budget, depth + 1)] for k, v in value.items()],
        }
    if module == "matplotlib":
        described = _figure(value)
        if described is not None:
            return {"t": "figure", "v": _encode(described, budget, depth + 1)}
    raise EncodeError(_refusal(value))


def _refusal(value: Any) -> str:
    name = type(value).__name__
    if hasattr(value, "__next__"):
        return f"the answer is a {name}, which is read only once: wrap it in list(...)"
    if callable(value):
        return f"the answer is a {name} itself, not what it returns: call it"
    if hasattr(value, "toarray"):
        return f"the answer is a sparse {name}: hand over .toarray()"
    return f"a {name} cannot be judged: hand over numbers, text, a list, a dict, an array or a DataFrame"


def _encode_array(array: np.ndarray, budget: _Budget, depth: int) -> dict:
    if "numpy.ma" in sys.modules and isinstance(array, np.ma.MaskedArray):  # its import takes longer than a check
        raise EncodeError("the answer is a masked array: fill it or select what is valid")
    if array.dtype.kind in "biufcmM":
        budget.take(0, array.nbytes)
        if array.dtype.kind == "f" and array.dtype.itemsize > 8:
            array = array.astype("f8")
        little = np.ascontiguousarray(array).astype(array.dtype.newbyteorder("<"), copy=False)
        data = base64.b64encode(little.tobytes()).decode()
        return {"t": "array", "dtype": little.dtype.str, "shape": list(array.shape), "data": data}
    if array.dtype.kind in "OUST":
        items = [_encode(item, budget, depth + 1) for item in array.ravel().tolist()]
        return {"t": "array", "dtype": "O", "shape": list(array.shape), "items": items}
    raise EncodeError(f"an array of type {array.dtype} cannot be judged: use a plain numeric or text array")


def _encode_pandas(value: Any, budget: _Budget, depth: int) -> Any:
    import pandas as pd

    if value is pd.NaT or value is pd.NA:
        return {"t": "float", "v": "nan"}
    if isinstance(value, pd.Timestamp | pd.Timedelta):
        return {"t": type(value).__name__, "v": value.isoformat()}
    if isinstance(value, pd.DataFrame):
        columns = [_column(value.iloc[:, i], budget, depth) for i in range(value.shape[1])]
        labels = [_encode(label, budget, depth + 1) for label in value.columns.tolist()]
        return {
            "t": "frame",
            "columns": labels,
            "data": columns,
            "index": _encode_index(value.index, budget, depth),
        }
    if isinstance(value, pd.Series):
        return {
            "t": "series",
            "name": _encode(value.name, budget, depth + 1),
            "data": _column(value, budget, depth),
            "index": _encode_index(value.index, budget, depth),
        }
    if isinstance(value, pd.Index):
        return {"t": "index", "v": _encode_index(value, budget, depth)}
    if isinstance(value, pd.api.extensions.ExtensionArray):
        return _column(pd.Series(value), budget, depth)
    raise EncodeError(_refusal(value))


def _encode_index(index: Any, budget: _Budget, depth: int) -> dict:
    if type(index).__name__ == "RangeIndex":
        budget.take(0, len(index))
        return {"range": [index.start, index.stop, index.step]}
    return {
        "data": _column(index.to_series(), budget, depth),
        "names": [_encode(n, budget, depth + 1) for n in index.names],
    }


def _column(series: Any, budget: _Budget, depth: int) -> dict:
    array = series.to_numpy()
    if getattr(series.dtype, "tz", None) is not None:
        array = np.asarray([stamp.isoformat() for stamp in series], dtype=object)
    return _encode_array(np.asarray(array), budget, depth)


def _figure(value: Any) -> dict | None:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    if isinstance(value, Axes):
        axes = [value]
    elif isinstance(value, Figure):
        axes = value.axes
    else:
        return None
    return {"axes": [_axes(ax) for ax in axes]}


def _axes(ax: Any) -> dict:
    from matplotlib.collections import PathCollection

    legend = ax.get_legend()

    def offsets(collection: Any) -> np.ndarray:
        return np.asarray(collection.get_offsets(), float).reshape(-1, 2)

    points = [c for c in ax.collections if isinstance(c, PathCollection)]
    return {
        "title": next((t for t in (ax.get_title(loc) for loc in ("left", "center", "right")) if t), ""),
        "xlabel": ax.get_xlabel(),
        "ylabel": ax.get_ylabel(),
        "xscale": ax.get_xscale(),
        "yscale": ax.get_yscale(),
        "legend": [text.get_text() for text in legend.get_texts()] if legend else [],
        "lines": [
            {
                "label": str(line.get_label()),
                # Without units: dates as days, categories as 0, 1, 2.
                "x": np.atleast_1d(np.asarray(line.get_xdata(orig=False), float)),
                "y": np.atleast_1d(np.asarray(line.get_ydata(orig=False), float)),
            }
            for line in ax.lines
        ],
        "bars": [
            {"x": bar.get_x(), "width": bar.get_width(), "height": bar.get_height()}
            for bar in ax.patches
            if hasattr(bar, "get_height")
        ],
        "points": [{"label": str(c.get_label()), "x": offsets(c)[:, 0], "y": offsets(c)[:, 1]} for c in points],
        "images": [np.asarray(image.get_array(), float) for image in ax.images],
        "texts": [text.get_text() for text in ax.texts],
    }


# ------------------------------------------------------------------------------------------------- decode

#: The types of array that `encode` writes, and no other that NumPy could be talked into.
DTYPE = re.compile(r"[<|][biuf][1248]|<f(?:16)|<c(?:8|16|32)|<[mM]8(?:\[\d{0,9}\w{1,2}\])?")


def decode(data: Any) -> Any:
    """Turn JSON data made by `encode` back into a value. A figure comes back as a dict of what it shows.

    Raises:
        DecodeError: the data was not made by `encode`, or is out of bounds.
    """
    try:
        return _decode(data, _Budget(), 0)
    except DecodeError:
        raise
    except EncodeError as error:  # over budget
        raise DecodeError(str(error)) from None
    except (KeyError, TypeError, ValueError, OverflowError, AttributeError, IndexError) as error:
        raise DecodeError(f"not an encoded value: {type(error).__name__}") from None


def _decode(data: Any, budget: _Budget, depth: int) -> Any:
    if depth > 3 * MAX_DEPTH:
        raise DecodeError("nested too deeply")
    budget.take()
    if data is None or isinstance(data, bool | int | float):
        return data
    if isinstance(data, str):
        budget.take(0, len(data))
        return data
    if not isinstance(data, dict):
        raise DecodeError(f"a bare {type(data).__name__}")
    tag = data["t"]
    if tag == "array":
        return _decode_array(data, budget, depth)
    if tag in ("frame", "series", "index"):
        return _decode_pandas(tag, data, budget, depth)
    if tag == "ellipsis":
        return Ellipsis
    value = data["v"]
    match tag:
        case "list" | "tuple" | "set" | "frozenset":
            items = [_decode(item, budget, depth + 1) for item in value]
            return {"list": list, "tuple": tuple, "set": set, "frozenset": frozenset}[tag](items)
        case "dict":
            return {_decode(k, budget, depth + 1): _decode(v, budget, depth + 1) for k, v in value}
        case "figure":
            return _decode(value, budget, depth + 1)
        case "int":
            if len(value) > 1300:
                raise DecodeError("a whole number of too many digits")
            return int(value)
        case "float":
            return float(value)
        case "complex":
            return complex(float(value[0]), float(value[1]))
        case "bytes":
            budget.take(0, len(value))
            return base64.b64decode(value, validate=True)
        case "datetime" | "date" | "time":
            return getattr(dt, tag).fromisoformat(value)
        case "timedelta":
            return dt.timedelta(seconds=value)
        case "Timestamp" | "Timedelta":
            import pandas as pd

            return getattr(pd, tag)(str(value))
    raise DecodeError(f"an unknown type {tag!r}"[:80])


def _decode_array(data: dict, budget: _Budget, depth: int) -> np.ndarray:
    shape = tuple(data["shape"])
    if len(shape) > 16 or not all(isinstance(n, int) and 0 <= n <= MAX_BYTES for n in shape):
        raise DecodeError("an array of impossible shape")
    size = math.prod(shape)
    if data["dtype"] == "O":
        items = [_decode(item, budget, depth + 1) for item in data["items"]]
        if len(items) != size:
            raise DecodeError("an array whose shape and items disagree")
        array = np.empty(size, dtype=object)
        array[:] = items
        return array.reshape(shape)
    if not DTYPE.fullmatch(data["dtype"]):
        raise DecodeError(f"an array of type {data['dtype']!r}"[:80])
    dtype = np.dtype(data["dtype"])
    raw = base64.b64decode(data["data"], validate=True)
    budget.take(0, len(raw))
    if len(raw) != size * dtype.itemsize:
        raise DecodeError("an array whose shape and bytes disagree")
    return np.frombuffer(raw, dtype).reshape(shape).copy()


def _decode_pandas(tag: str, data: dict, budget: _Budget, depth: int) -> Any:
    import pandas as pd

    def index(spec: dict) -> pd.Index:
        if "range" in spec:
            start, stop, step = spec["range"]
            if not all(isinstance(n, int) and abs(n) < 10**9 for n in (start, stop, step)) or step == 0:
                raise DecodeError("an impossible index")
            budget.take(0, len(range(start, stop, step)))
            return pd.RangeIndex(start, stop, step)
        values = _flat(_decode_array(spec["data"], budget, depth))
        names = [_decode(name, budget, depth + 1) for name in spec["names"]]
        if len(names) > 1:
            return pd.MultiIndex.from_tuples([tuple(v) for v in values], names=names)
        return pd.Index(values, name=names[0])

    if tag == "index":
        return index(data["v"])
    rows = index(data["index"])
    if tag == "series":
        values = _flat(_decode_array(data["data"], budget, depth))
        return pd.Series(values, index=rows, name=_decode(data["name"], budget, depth + 1))
    labels = [_decode(label, budget, depth + 1) for label in data["columns"]]
    arrays = [_flat(_decode_array(column, budget, depth)) for column in data["data"]]
    if len(labels) != len(arrays) or any(len(array) != len(rows) for array in arrays):
        raise DecodeError("a frame whose columns disagree in length")
    frame = pd.DataFrame({i: array for i, array in enumerate(arrays)}, index=rows)
    frame.columns = labels
    return frame


def _flat(array: np.ndarray) -> np.ndarray:
    if array.ndim != 1:
        raise DecodeError("a column that is not one-dimensional")
    return array
