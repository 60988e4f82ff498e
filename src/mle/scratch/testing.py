"""A test runner, and a search for the simplest input on which a statement about code is false.

Not for production, where pytest and Hypothesis do both: their reports say more, and they draw far nastier inputs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np


def run_tests(tests: Iterable[Callable[[], object]]) -> dict[str, str]:
    """Call each test; its name -> 'passed', 'failed: ...' (an assertion) or 'error: ...' (any other exception).

    What a test returns is ignored, as pytest does: only an exception fails. Two tests of one name are an error.

    Raises:
        ValueError: two tests have the same name, so that one would hide the other.
    """
    report: dict[str, str] = {}
    for test in tests:
        if test.__name__ in report:
            raise ValueError(f"two tests are called {test.__name__}")
        try:
            test()
            report[test.__name__] = "passed"
        except AssertionError as error:
            report[test.__name__] = f"failed: {error}"
        except Exception as error:
            report[test.__name__] = f"error: {type(error).__name__}: {error}"
    return report


def breaks(holds: Callable[[Any], object], case: Any) -> bool:
    """Whether the statement is false for this case, or cannot be decided because the code raises."""
    try:
        return not holds(case)
    except Exception:
        return True


def simpler(case: Any) -> Iterator[Any]:
    """Cases that are a step simpler, the boldest first: numbers nearer to 0, lists with an item less or simpler."""
    if isinstance(case, bool):
        if case:
            yield False
    elif isinstance(case, int):
        if case < 0:
            yield -case
        step = abs(case)
        while step:  # 0, then half the way, three quarters, ... one less
            yield case - step if case > 0 else case + step
            step //= 2
    elif isinstance(case, list | tuple):
        kind = type(case)
        if isinstance(case, list):  # a tuple has a fixed number of parts
            yield from (case[:i] + case[i + 1 :] for i in range(len(case)))
        for i, item in enumerate(case):
            yield from (kind([*case[:i], changed, *case[i + 1 :]]) for changed in simpler(item))


def shrink(holds: Callable[[Any], object], case: Any) -> Any:
    """A case that breaks `holds`, and of whose simpler neighbours none does. It ends: every step makes the case
    shorter, nearer to 0, or positive."""
    while True:
        smaller = next((candidate for candidate in simpler(case) if breaks(holds, candidate)), None)
        if smaller is None:
            return case
        case = smaller


def counterexample(
    holds: Callable[[Any], object],
    draw: Callable[[np.random.Generator], Any],
    rng: np.random.Generator,
    runs: int = 100,
) -> Any | None:
    """A simple case for which `holds(case)` is false or raises, searched in `runs` random cases; None if all hold.

    Args:
        holds: the statement; it must not change the case.
        draw: makes one case (int, bool, or lists and tuples of them) from the generator. Shrinking knows nothing of
            its ranges, so `holds` has to be meaningful for simpler cases too.

    Source: Claessen and Hughes, QuickCheck (2000), for the search; the shrinking is greedy.
    """
    for _ in range(runs):
        case = draw(rng)
        if breaks(holds, case):
            return shrink(holds, case)
    return None
