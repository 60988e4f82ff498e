"""Arrays that count what is done to them: elements computed, bytes allocated, elements handed to Python one by one.

Not a profiler: it knows no seconds, and the same code gives the same counts on every machine.
"""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable, Iterator
from math import ceil, log2
from typing import Any

import numpy as np

SORTS = ("sort", "argsort", "lexsort", "unique")


class Meter:
    """What has been done to the arrays made by `meter.array`, and to all that was computed from them.

    `elements`: element operations: the size of a ufunc's result, of a reduction's input; for other functions the size
        of the larger of argument and result; n ceil(log2 n) for a sort of n, and ceil(log2 (n + 1)) a search in n.
    `scalars`: elements that were taken out or put in one at a time, which is what a Python loop does.
    `allocated`, `largest`: bytes of all new arrays together, and of the largest one. Views allocate nothing.

    The counts are a model of the work and not the work itself: a function that makes temporary arrays inside
    (`np.std`) hides them, and a plain array (`np.asarray(metered)`) counts no more.
    """

    def __init__(self) -> None:
        self.elements = self.scalars = self.allocated = self.largest = 0

    def array(self, values: Any) -> Metered:
        """A metered copy of `values`; making it is free."""
        metered = np.array(values).view(Metered)
        metered.meter = self
        return metered

    def made(self, result: Any, sources: list) -> Any:
        """Count what is new in a result, and meter it: an array, or a tuple or list of them."""
        if isinstance(result, tuple | list):
            return type(result)(self.made(part, sources) for part in result)
        if not isinstance(result, np.ndarray) or result.ndim == 0:
            return result
        if not any(np.may_share_memory(result, source) for source in sources):
            self.allocated += result.nbytes
            self.largest = max(self.largest, result.nbytes)
        metered = result.view(Metered)
        metered.meter = self
        return metered


def plain(value: Any) -> Any:
    """The same value with ordinary arrays in place of metered ones, inside tuples, lists and dicts as well."""
    if isinstance(value, Metered):
        return value.view(np.ndarray)
    if isinstance(value, tuple | list):
        return type(value)(plain(part) for part in value)
    return {name: plain(part) for name, part in value.items()} if isinstance(value, dict) else value


def arrays_in(value: Any) -> Iterator[np.ndarray]:
    """Every array in nested tuples, lists and dicts."""
    if isinstance(value, np.ndarray):
        yield value
    for part in value.values() if isinstance(value, dict) else value if isinstance(value, tuple | list) else ():
        yield from arrays_in(part)


class Metered(np.ndarray):
    """An array whose operations are counted; made by `Meter.array`."""

    meter: Meter | None = None

    def __array_finalize__(self, source: Any) -> None:
        self.meter = getattr(source, "meter", None)

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **settings: Any) -> Any:
        meter = _meter_of((inputs, settings))
        inputs, settings = plain(inputs), plain(settings)
        result = getattr(ufunc, method)(*inputs, **settings)
        counted = inputs[:1] if method in ("reduce", "accumulate") else (result,)
        meter.elements += max(np.size(array) for array in counted)
        return meter.made(result, list(arrays_in(settings.get("out"))))

    def __array_function__(self, function: Callable, types: Any, arguments: tuple, settings: dict) -> Any:
        meter = _meter_of((arguments, settings))
        arguments, settings = plain(arguments), plain(settings)
        sources = list(arrays_in((arguments, settings)))
        result = function(*arguments, **settings)
        viewed = isinstance(result, np.ndarray) and any(np.may_share_memory(result, s) for s in sources)
        size = max([np.size(a) for a in (*sources, *arrays_in(result))])
        if function.__name__ == "searchsorted":
            size = np.size(arguments[1]) * ceil(log2(np.size(arguments[0]) + 1))
        elif function.__name__ in SORTS:
            size *= ceil(log2(max(size, 2)))
        meter.elements += 0 if viewed else size
        return meter.made(result, sources)

    def __getitem__(self, key: Any) -> Any:
        me, key = self.view(np.ndarray), plain(key)
        result = me[key]
        if not isinstance(result, np.ndarray):
            self.meter.scalars += 1
        elif not np.may_share_memory(result, me):
            self.meter.elements += max([result.size, *(array.size for array in arrays_in(key))])
        return self.meter.made(result, [me])

    def __setitem__(self, key: Any, value: Any) -> None:
        target = self.view(np.ndarray)[plain(key)]
        self.meter.scalars += np.ndim(target) == 0
        self.meter.elements += np.size(target)
        self.view(np.ndarray)[plain(key)] = plain(value)

    def __iter__(self) -> Iterator:
        return (self[i] for i in range(len(self)))


def _meter_of(values: Any) -> Meter:
    return next(array.meter for array in arrays_in(values) if getattr(array, "meter", None) is not None)


def _as_function(name: str) -> Callable:
    function = getattr(np, name)
    return lambda self, *arguments, **settings: function(self, *arguments, **settings)


# NumPy's methods don't ask a subclass what they cost; its functions do.
for _name in ("argsort", "astype", "copy", "cumsum", "nonzero", "ravel", "repeat", "searchsorted", "take"):
    setattr(Metered, _name, _as_function(_name))


def peak_bytes(function: Callable, *arguments: Any) -> int:
    """The most memory, in bytes, that a call of `function` held at once on top of what was there before.

    By `tracemalloc`, which sees what Python and NumPy allocate, and nothing of other libraries in C.
    """
    running = tracemalloc.is_tracing()
    if not running:
        tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        tracemalloc.reset_peak()
        function(*arguments)
        return tracemalloc.get_traced_memory()[1] - before
    finally:
        if not running:
            tracemalloc.stop()
