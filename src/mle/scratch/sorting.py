"""Sorting from scratch: insertion sort, merge sort and a binary heap, with a key that counts its comparisons.

Not for production, where `sorted` and `heapq` do the same in C and adapt to order that is there already.

Everywhere below, `key` maps an item to what is compared, and keys must be totally ordered. A float nan is not: it
answers False to every comparison. With nan among the keys the functions still return each item once, in an order
that means nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

Item = TypeVar("Item")
Key = Callable[[Any], Any]


def identity(item: Item) -> Item:
    """The key of an item that is compared as it is."""
    return item


# -------------------------------------------------------------------------------------------------- counting


class Counter:
    """Counts the comparisons of the keys that it makes.

    >>> counter = Counter()
    >>> sorted([1, 2, 3], key=counter.key)
    [1, 2, 3]
    >>> counter.comparisons
    2
    """

    def __init__(self) -> None:
        self.comparisons = 0

    def key(self, value: Any) -> Counted:
        """Wrap `value` in a key whose every `<`, `<=`, `>` and `>=` adds one to `comparisons`."""
        return Counted(value, self)


class Counted:
    """A value that reports each comparison to its counter; made by `Counter.key`."""

    __slots__ = ("counter", "value")

    def __init__(self, value: Any, counter: Counter) -> None:
        self.value, self.counter = value, counter

    def __lt__(self, other: Counted) -> bool:
        self.counter.comparisons += 1
        return self.value < other.value

    def __le__(self, other: Counted) -> bool:
        self.counter.comparisons += 1
        return self.value <= other.value

    # Python answers a > b by b < a and a >= b by b <= a, so two methods serve all four.


class Shelf(list):
    """A list that counts `moves`: the references that its insertions write into slots."""

    moves = 0

    def insert(self, place: int, item: Any) -> None:
        """Insert at `place`, from 0 to the length; the item moves, and so does everything behind it."""
        self.moves += len(self) - place + 1
        super().insert(place, item)


# ------------------------------------------------------------------------------------------------- insertion


def insertion_sort(items: Iterable[Item], key: Key = identity) -> list[Item]:
    """A new list of `items` in order of `key`; stable. Up to n(n-1)/2 comparisons, n-1 where they are in order."""
    ordered: list[Item] = []
    for item in items:
        place = len(ordered)
        while place > 0 and key(item) < key(ordered[place - 1]):
            place -= 1
        ordered.insert(place, item)
    return ordered


# ----------------------------------------------------------------------------------------------------- merge


def merge(left: Sequence[Item], right: Sequence[Item], key: Key = identity) -> list[Item]:
    """One ordered list out of two; equal keys keep `left` before `right`.

    At most len(left) + len(right) - 1 comparisons. `left` and `right` must be in order already.
    """
    merged: list[Item] = []
    i = j = 0
    while i < len(left) and j < len(right):
        if key(left[i]) <= key(right[j]):  # `<` here would let right overtake its equals in left
            merged.append(left[i])
            i += 1
        else:
            merged.append(right[j])
            j += 1
    return merged + list(left[i:]) + list(right[j:])


def merge_sort(items: Sequence[Item], key: Key = identity) -> list[Item]:
    """A new list of `items` in order of `key`; stable. At most the sum of ceil(log2 m) for m = 1..n comparisons.

    Source: von Neumann, 1945, by way of Knuth, *The Art of Computer Programming* 3, section 5.2.4.
    """
    if len(items) < 2:
        return list(items)
    middle = len(items) // 2
    return merge(merge_sort(items[:middle], key), merge_sort(items[middle:], key), key)


# ------------------------------------------------------------------------------------------------------ heap


def sift_down(heap: list[Item], place: int, key: Key = identity) -> None:
    """Let the item at `place` sink until no child is smaller, if both its subtrees are heaps already."""
    while (child := 2 * place + 1) < len(heap):
        if child + 1 < len(heap) and key(heap[child + 1]) < key(heap[child]):
            child += 1
        if not key(heap[child]) < key(heap[place]):
            return
        heap[place], heap[child] = heap[child], heap[place]
        place = child


def heapify(heap: list[Item], key: Key = identity) -> None:
    """Reorder a list in place so that no item is smaller than its parent, (i - 1) // 2; at most 2n comparisons.

    Source: Floyd, 1964, Algorithm 245.
    """
    for place in reversed(range(len(heap) // 2)):
        sift_down(heap, place, key)


def heappush(heap: list[Item], item: Item, key: Key = identity) -> None:
    """Add an item to a heap, which then holds n; at most log2(n) comparisons."""
    heap.append(item)
    place = len(heap) - 1
    while place > 0 and key(heap[place]) < key(heap[(place - 1) // 2]):
        parent = (place - 1) // 2
        heap[place], heap[parent] = heap[parent], heap[place]
        place = parent


def heappop(heap: list[Item], key: Key = identity) -> Item:
    """Remove and return a smallest of the n items of a heap; at most 2 log2(n) comparisons.

    Raises:
        IndexError: the heap is empty.
    """
    if not heap:
        raise IndexError("the heap is empty")
    heap[0], heap[-1] = heap[-1], heap[0]
    smallest = heap.pop()
    sift_down(heap, 0, key)
    return smallest


def heap_sort(items: Iterable[Item], key: Key = identity) -> list[Item]:
    """A new list of `items` in order of `key`; not stable. Source: Williams, 1964, Algorithm 232."""
    heap = list(items)
    heapify(heap, key)
    return [heappop(heap, key) for _ in range(len(heap))]
