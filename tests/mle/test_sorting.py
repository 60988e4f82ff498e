"""Sorting from scratch against `sorted` and `heapq`, on random lists and on the lists that break sorts."""

import bisect
import heapq
import math
from operator import itemgetter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mle.data import names
from mle.scratch import sorting
from mle.scratch.sorting import (
    Counter,
    Shelf,
    heap_sort,
    heapify,
    heappop,
    heappush,
    insertion_sort,
    merge,
    merge_sort,
)

STABLE = [insertion_sort, merge_sort]
ALL = [*STABLE, heap_sort]

EDGES = {
    "empty": [],
    "one": [7],
    "two out of order": [2, 1],
    "all equal": [4] * 9,
    "in order": list(range(20)),
    "reversed": list(range(20))[::-1],
    "a power of two and one": [(i * 7) % 33 for i in range(33)],
    "sawtooth": [0, 1, 2] * 7,
    "infinities": [math.inf, 0.0, -math.inf, 1e308, -0.0],
    "text": ["b", "", "a", "B", "ab"],
}

# Few distinct keys, so that ties are the rule; the second part tells tied items apart.
tied = st.lists(st.integers(0, 5)).map(lambda keys: [(key, i) for i, key in enumerate(keys)])


@pytest.mark.parametrize("sort", ALL)
@pytest.mark.parametrize("items", EDGES.values(), ids=EDGES)
def test_agrees_with_sorted_on_edge_cases(sort, items):
    assert sort(items) == sorted(items)


@pytest.mark.parametrize("sort", ALL)
@given(items=st.lists(st.integers() | st.floats(allow_nan=False)))
def test_agrees_with_sorted_on_numbers(sort, items):
    assert sort(items) == sorted(items)


@pytest.mark.parametrize("sort", STABLE)
@given(items=tied)
def test_items_with_equal_keys_keep_their_order(sort, items):
    assert sort(items, key=itemgetter(0)) == sorted(items, key=itemgetter(0))


@given(items=tied)
def test_heap_sort_orders_the_keys_and_keeps_every_item(items):
    ordered = heap_sort(items, key=itemgetter(0))
    assert [key for key, _ in ordered] == sorted(key for key, _ in items)
    assert sorted(ordered) == sorted(items)


def test_heap_sort_is_not_stable():
    rows = [("same", 0), ("same", 1), ("same", 2)]
    assert heap_sort(rows, key=itemgetter(0)) != rows


@pytest.mark.parametrize("sort", ALL)
@given(items=st.lists(st.integers(0, 9)))
def test_the_argument_is_left_as_it_was(sort, items):
    before = list(items)
    ordered = sort(items)
    assert items == before and ordered is not items


@pytest.mark.parametrize("sort", ALL)
@given(items=st.lists(st.floats(allow_nan=True)))
def test_with_nan_among_them_every_item_comes_back_once(sort, items):
    def identities(values):
        return sorted(map(id, values))

    assert identities(sort(items)) == identities(items)


@pytest.mark.parametrize("sort", ALL)
def test_real_names_with_many_ties(sort):
    rows = names()[:600] + names()[:100]
    ordered = sort(rows, key=itemgetter(0))
    assert [name for name, _ in ordered] == sorted(name for name, _ in rows)
    if sort in STABLE:
        assert ordered == sorted(rows, key=itemgetter(0))


# ----------------------------------------------------------------------------------------------------- merge


@given(left=tied, right=tied)
def test_merge_is_stable_and_puts_left_first(left, right):
    key = itemgetter(0)
    left = sorted((k, "left", i) for k, i in left)
    right = sorted((k, "right", i) for k, i in right)
    merged = merge(left, right, key)
    assert merged == sorted(left + right, key=key)
    assert merged == list(heapq.merge(left, right, key=key))


@given(left=st.lists(st.integers()).map(sorted), right=st.lists(st.integers()).map(sorted))
def test_merge_stays_within_its_comparisons(left, right):
    counter = Counter()
    merge(left, right, key=counter.key)
    assert counter.comparisons <= max(len(left) + len(right) - 1, 0)


def most_comparisons(n):
    return sum(math.ceil(math.log2(m)) for m in range(2, n + 1))


@given(items=st.lists(st.integers(), max_size=200))
def test_merge_sort_stays_within_its_worst_case(items):
    counter = Counter()
    merge_sort(items, key=counter.key)
    assert counter.comparisons <= most_comparisons(len(items))


@pytest.mark.parametrize("n", [1, 2, 3, 8, 31, 64, 100])
def test_the_worst_case_of_merge_sort_is_reached(n):
    def hardest(ordered):
        """The order that makes every merge alternate: undo merge sort, dealing items left and right in turn."""
        if len(ordered) < 2:
            return ordered
        deal = ordered[::-1]  # from the largest, so that the last two compared come one from each side
        right, left = deal[0::2], deal[1::2]
        if len(left) > len(right):
            left, right = right, left
        return hardest(left[::-1]) + hardest(right[::-1])

    counter = Counter()
    merge_sort(hardest(list(range(n))), key=counter.key)
    assert counter.comparisons == most_comparisons(n)


# ------------------------------------------------------------------------------------------------------ heap


def is_heap(heap):
    return all(heap[(i - 1) // 2] <= heap[i] for i in range(1, len(heap)))


@given(items=st.lists(st.integers(0, 50)))
def test_heapify_makes_a_heap_of_the_same_items_in_linear_comparisons(items):
    counter = Counter()
    heap = list(items)
    heapify(heap, key=counter.key)
    assert is_heap(heap) and sorted(heap) == sorted(items)
    assert counter.comparisons <= 2 * len(items)


@given(steps=st.lists(st.none() | st.integers(-20, 20)))
def test_push_and_pop_agree_with_heapq(steps):
    ours, theirs = [], []
    for step in steps:
        if step is not None:
            heappush(ours, step)
            heapq.heappush(theirs, step)
        elif theirs:
            assert heappop(ours) == heapq.heappop(theirs)
        assert is_heap(ours) and len(ours) == len(theirs)


def test_an_empty_heap_refuses_to_pop():
    with pytest.raises(IndexError, match="empty"):
        heappop([])


# -------------------------------------------------------------------------------------------------- counting


def test_the_counter_counts_every_way_to_compare():
    counter = Counter()
    one, two = counter.key(1), counter.key(2)
    assert [one < two, one <= two, one > two, one >= two] == [True, True, False, False]
    assert counter.comparisons == 4


@pytest.mark.parametrize("n", [0, 1, 2, 17, 64])
def test_insertion_sort_costs_what_its_docstring_says(n):
    best, worst = Counter(), Counter()
    insertion_sort(range(n), key=best.key)
    insertion_sort(range(n)[::-1], key=worst.key)
    assert best.comparisons == max(n - 1, 0)
    assert worst.comparisons == n * (n - 1) // 2


def test_a_shelf_counts_what_an_insertion_moves():
    shelf = Shelf()
    for item in "cab":
        bisect.insort(shelf, item)
    assert shelf == ["a", "b", "c"]
    assert shelf.moves == 1 + 2 + 2


def test_the_doctests_hold():
    import doctest

    assert doctest.testmod(sorting).failed == 0
