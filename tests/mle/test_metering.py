"""Metered arrays against NumPy (same results), `tracemalloc` (same bytes) and counts worked out by hand."""

import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from mle.scratch.metering import Meter, peak_bytes

floats = st.floats(allow_nan=True, allow_infinity=True, width=64)
tables = arrays(np.float64, array_shapes(min_dims=1, max_dims=3, min_side=0, max_side=5), elements=floats)

OPERATIONS = {
    "arithmetic": lambda a: (a - 1) * a / 3,
    "comparison": lambda a: (a > 0) & (a <= 2),
    "slice": lambda a: a[::2],
    "mask": lambda a: a[a > 0],
    "sum": lambda a: np.sum(a),
    "sum method": lambda a: a.sum(axis=0),
    "accumulate": lambda a: np.add.accumulate(a),
    "cumsum": lambda a: a.cumsum(),
    "sort": lambda a: np.sort(a, axis=None),
    "argsort": lambda a: a.argsort(kind="stable"),
    "where": lambda a: np.where(np.isnan(a), 0, a),
    "concatenate": lambda a: np.concatenate([a, a]),
    "stack and reshape": lambda a: np.stack([a, a]).reshape(-1),
    "ravel": lambda a: a.T.ravel(),
    "astype": lambda a: a.astype(np.float32),
    "broadcast": lambda a: a.reshape(-1)[:, None] - a.reshape(-1)[None, :],
    "search": lambda a: np.searchsorted(np.sort(a.reshape(-1)), a.reshape(-1)),
    "in place": lambda a: np.multiply(a, 2, out=a),
    "several results": lambda a: np.unique(a, return_counts=True),
}


@pytest.mark.parametrize("operation", OPERATIONS.values(), ids=OPERATIONS)
@settings(max_examples=20)
@given(values=tables)
def test_results_are_those_of_plain_arrays(operation, values):
    with np.errstate(all="ignore"):
        ours, theirs = operation(Meter().array(values)), operation(values.copy())
    pairs = zip(ours, theirs, strict=True) if isinstance(theirs, tuple) else [(ours, theirs)]
    for one, other in pairs:
        assert np.array_equal(np.asarray(one), other, equal_nan=True) and np.asarray(one).dtype == other.dtype


@pytest.mark.parametrize("n", [0, 1, 1000])
@pytest.mark.parametrize(
    ("operation", "elements", "arrays_made"),
    [
        (lambda a: a + 1, 1, 1),
        (lambda a: (a + 1) * 2, 2, 2),
        (lambda a: a[::2], 0, 0),
        (lambda a: a.reshape(-1, 1).T, 0, 0),
        (lambda a: a[np.arange(len(a))], 1, 1),
        (lambda a: np.add(a, 1, out=a), 1, 0),
        (lambda a: np.sum(a), 1, 0),
        (lambda a: np.add.reduce(a), 1, 0),
        (lambda a: np.copy(a), 1, 1),
    ],
)
def test_counts_are_those_worked_out_by_hand(n, operation, elements, arrays_made):
    meter = Meter()
    operation(meter.array(np.ones(n)))
    assert (meter.elements, meter.allocated) == (elements * n, 8 * arrays_made * n)


@pytest.mark.parametrize("n", [1, 2, 100])
def test_a_broadcast_counts_the_square_and_a_sort_its_comparisons(n):
    meter = Meter()
    a = meter.array(np.arange(n))
    a[:, None] - a[None, :]
    assert meter.elements == n * n and meter.largest == 8 * n * n
    meter = Meter()
    np.sort(meter.array(np.arange(n)))
    assert meter.elements == n * int(np.ceil(np.log2(max(n, 2))))


def test_elements_that_python_handles_by_itself_are_counted():
    meter = Meter()
    a = meter.array(np.arange(10))
    assert sum(value for value in a) == 45 and a[3] == 3
    a[4] = 1
    assert meter.scalars == 12


def test_both_operands_of_different_meters_count_on_the_first():
    one, other = Meter(), Meter()
    one.array(np.ones(5)) + other.array(np.ones(5))
    assert (one.elements, other.elements) == (5, 0)


@pytest.mark.parametrize("operation", [lambda a: a + 1, lambda a: a[a >= 0], lambda a: np.concatenate([a, a]), np.sort])
def test_bytes_agree_with_tracemalloc(operation):
    values, meter = np.ones(50_000), Meter()
    operation(meter.array(values))
    tracemalloc.start()
    kept = operation(values)
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    masks = 50_000 if meter.allocated > kept.nbytes else 0  # the mask is gone when its row has been picked
    assert held + masks == pytest.approx(meter.allocated, rel=0.01)


def test_peak_bytes_sees_what_was_alive_at_once_and_leaves_tracing_as_it_was():
    def three_at_once():
        kept = [np.ones(10_000) for _ in range(3)]
        return kept[0]

    assert peak_bytes(three_at_once) == pytest.approx(240_000, rel=0.05)
    assert not tracemalloc.is_tracing()
    tracemalloc.start()
    try:
        np.ones(100_000)  # a higher peak, before the call
        assert peak_bytes(np.ones, 10_000) == pytest.approx(80_000, rel=0.05)
        assert tracemalloc.is_tracing()
    finally:
        tracemalloc.stop()


def test_peak_bytes_passes_on_what_the_function_raises():
    with pytest.raises(ValueError):
        peak_bytes(np.reshape, np.ones(3), (2, 2))
    assert not tracemalloc.is_tracing()
