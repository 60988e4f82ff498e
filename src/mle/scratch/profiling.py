"""A profiler from scratch: how often each function and each line runs, and what they cost by a clock of your choice.

Not for production, where `cProfile` and sampling profilers do it in C; both of these slow down what they watch.

The clock is any function without arguments that never runs backwards: `time.perf_counter` for seconds, or a counter
of operations (`lambda: meter.elements`, see `mle.scratch.metering`) for a profile that is the same on every machine.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable
from time import perf_counter
from types import CodeType, FrameType
from typing import Any

Clock = Callable[[], float]


class Profile:
    """Calls, own cost and cumulative cost of each Python function that is called inside the `with` block.

    Functions are named as `cProfile` names them: (file, first line, name). `own` leaves out what callees cost;
    `cumulative` includes it, and counts a function that calls itself once. A generator is called at each resumption.
    Calls that began before the block are not seen. One thread, and no other profiler at the same time.
    """

    def __init__(self, clock: Clock = perf_counter) -> None:
        self.clock = clock
        self.calls: Counter = Counter()
        self.own: Counter = Counter()
        self.cumulative: Counter = Counter()
        self._open: list[list] = []  # of each call in progress: its function, its start, what its callees cost

    def __enter__(self) -> Profile:
        sys.setprofile(self._event)
        return self

    def __exit__(self, *_: object) -> None:
        sys.setprofile(None)
        self._open.clear()

    def _event(self, frame: FrameType, event: str, _: Any) -> None:
        code = frame.f_code
        if event == "call" and code is not Profile.__exit__.__code__:
            self.calls[label(code)] += 1
            self._open.append([label(code), self.clock(), 0])
        elif event == "return" and self._open:
            name, start, inner = self._open.pop()
            cost = self.clock() - start
            self.own[name] += cost - inner
            if all(name != caller for caller, *_ in self._open):
                self.cumulative[name] += cost
            if self._open:
                self._open[-1][2] += cost


def label(code: CodeType) -> tuple[str, int, str]:
    """A function's name in a profile: its file, first line and name."""
    return code.co_filename, code.co_firstlineno, code.co_name


def profile_lines(function: Callable, *arguments: Any, clock: Clock = perf_counter) -> tuple[Counter, Counter]:
    """How often each line of `function` runs, and what it costs with everything that it calls.

    Both by line, counted from 0 at the function's first line (its decorator, if it has one). Functions made inside
    it, and before Python 3.12 comprehensions, are charged to the line that runs them. Recursive calls are followed
    too, and the line that calls is then charged for its own part only. What `function` raises is passed on.
    """
    code, hits, cost = function.__code__, Counter(), Counter()
    line, start = None, clock()

    def charge(frame: FrameType, event: str, _: Any) -> Callable:
        nonlocal line, start
        if line is not None:
            cost[line] += clock() - start
        line = None if event == "return" else frame.f_lineno - code.co_firstlineno
        hits.update([line] if event == "line" else [])
        start = clock()
        return charge

    before = sys.gettrace()
    sys.settrace(lambda frame, event, argument: charge if frame.f_code is code else None)
    try:
        function(*arguments)
    finally:
        sys.settrace(before)
    return hits, cost
