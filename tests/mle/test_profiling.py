"""The profiler from scratch against `cProfile` and `trace`, on random programs and on the awkward ones."""

import cProfile
import pstats
import sys
import trace
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mle.scratch.profiling import Profile, profile_lines


def leaf(ticks):
    return ticks.append(1)


def tree(shape, ticks):
    """A program as data: a list of programs to call, one after the other; every call takes one tick of its own."""
    leaf(ticks)
    for branch in shape:
        tree(branch, ticks)


def lazily(n):
    yield from (i * i for i in range(n))


def loops(n):
    total = 0
    for i in range(n):
        if i % 3:
            total += i
    while total > 10:
        total //= 2
    return total


def fails(n):
    for i in range(n):
        1 / (n - 1 - i)


programs = st.recursive(st.just([]), lambda inner: st.lists(inner, max_size=3), max_leaves=12)


def by_library(function, *arguments):
    profiler = cProfile.Profile()
    profiler.runcall(function, *arguments)
    stats = pstats.Stats(profiler).stats
    return {name: (calls, primitive) for name, (primitive, calls, *_) in stats.items() if name[0] != "~"}


@settings(max_examples=50)
@given(shape=programs)
def test_calls_agree_with_cprofile(shape):
    with Profile() as profile:
        tree(shape, [])
    expected = by_library(tree, shape, [])
    assert dict(profile.calls) == {name: calls for name, (calls, _) in expected.items()}


@pytest.mark.parametrize("n", [0, 1, 7])
def test_a_generator_is_called_at_each_resumption_as_in_cprofile(n):
    with Profile() as profile:
        list(lazily(n))
    expected = by_library(lambda: list(lazily(n)))
    ours = {name[2]: calls for name, calls in profile.calls.items()}
    assert ours == {name[2]: calls for name, (calls, _) in expected.items() if name[2] != "<lambda>"}


@settings(max_examples=50)
@given(shape=programs)
def test_own_costs_add_up_and_recursion_counts_once(shape):
    ticks = []
    with Profile(clock=lambda: len(ticks)) as profile:
        tree(shape, ticks)
    own = {name[2]: cost for name, cost in profile.own.items()}
    cumulative = {name[2]: cost for name, cost in profile.cumulative.items()}
    assert sum(own.values()) == len(ticks) == cumulative["tree"]
    assert own["leaf"] == cumulative["leaf"] == len(ticks) and own["tree"] == 0


def test_a_profile_ends_with_its_block_even_when_the_block_raises():
    with pytest.raises(ZeroDivisionError), Profile() as profile:
        fails(3)
    assert sys.getprofile() is None
    leaf([])
    assert [name[2] for name in profile.calls] == ["fails"]


@pytest.mark.parametrize("n", [0, 1, 2, 50])
def test_line_hits_agree_with_trace(n):
    tracer = trace.Trace(count=True, trace=False)
    tracer.runfunc(loops, n)
    first = loops.__code__.co_firstlineno
    expected = {line - first: hits for (file, line), hits in tracer.results().counts.items() if file == __file__}
    assert dict(profile_lines(loops, n)[0]) == expected


def test_a_line_is_charged_for_what_it_calls():
    ticks = []

    def work():
        leaf(ticks)
        tree([[], []], ticks)
        return len(ticks)

    hits, cost = profile_lines(work, clock=lambda: len(ticks))
    assert hits == Counter({1: 1, 2: 1, 3: 1}) and +cost == Counter({1: 1, 2: 3})


def test_line_costs_of_a_function_that_raises_are_passed_on_and_tracing_ends():
    before = sys.gettrace()
    with pytest.raises(ZeroDivisionError):
        profile_lines(fails, 3)
    assert sys.gettrace() is before
