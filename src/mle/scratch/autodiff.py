"""Derivatives of NumPy programs by reverse mode: what `jax.value_and_grad` gives, to rounding.

Not for speed, second derivatives, or programs that write into arrays: those are refused, since the way back needs the
old values. Floats misbehave in silence, as in JAX: overflow is inf, and inf times zero is nan.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]

#: For each elementwise function z = f(x) or f(x, y): its slope in each operand, from the operands and z. At a kink it
#: is the mean of the slopes on both sides (JAX agrees for maximum; its abs has slope 1 at 0).
SLOPES: dict[np.ufunc, tuple[Callable, ...]] = {
    np.add: (lambda x, y, z: 1.0, lambda x, y, z: 1.0),
    np.subtract: (lambda x, y, z: 1.0, lambda x, y, z: -1.0),
    np.multiply: (lambda x, y, z: y, lambda x, y, z: x),
    np.divide: (lambda x, y, z: 1 / y, lambda x, y, z: -z / y),
    np.power: (lambda x, y, z: y * x ** np.where(y == 0, 1, y - 1), lambda x, y, z: z * np.log(x)),
    np.maximum: (lambda x, y, z: np.heaviside(x - y, 0.5), lambda x, y, z: np.heaviside(y - x, 0.5)),
    np.minimum: (lambda x, y, z: np.heaviside(y - x, 0.5), lambda x, y, z: np.heaviside(x - y, 0.5)),
    np.logaddexp: (lambda x, y, z: np.exp(x - z), lambda x, y, z: np.exp(y - z)),
    np.negative: (lambda x, z: -1.0,),
    np.square: (lambda x, z: 2 * x,),
    np.absolute: (lambda x, z: np.sign(x),),
    np.sqrt: (lambda x, z: 0.5 / z,),
    np.exp: (lambda x, z: z,),
    np.log: (lambda x, z: 1 / x,),
    np.log1p: (lambda x, z: 1 / (1 + x),),
    np.tanh: (lambda x, z: 1 - z * z,),
    np.sin: (lambda x, z: np.cos(x),),
    np.cos: (lambda x, z: -np.sin(x),),
}
#: Functions that are flat wherever they have a slope: their results are plain arrays, off the tape.
FLAT = {np.greater, np.greater_equal, np.less, np.less_equal, np.equal, np.not_equal, np.isnan, np.isfinite, np.sign}


class Var(NDArrayOperatorsMixin):
    """A float64 array on a tape: its `value`, read-only, and its `parents`, each with the way back to it.

    Operators and NumPy's functions take it like an array and write what they give on the same tape. `len`, indexing,
    `shape`, `T`, `sum`, `mean` and `reshape` are those of an array; comparisons give plain arrays.
    """

    def __init__(self, value: ArrayLike, tape: list[Var], parents: tuple[tuple[Var, Callable], ...] = ()) -> None:
        self.value = _array(value)
        self.tape, self.index, self.parents = tape, len(tape), parents
        tape.append(self)

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *operands: Any, **settings: Any) -> Any:
        if settings.get("out") is not None:
            raise TypeError(f"numpy.{ufunc.__name__} would write into an array: a derivative needs its old values")
        if method != "__call__" or settings or ufunc not in {*SLOPES, *FLAT, np.matmul}:
            raise TypeError(f"numpy.{ufunc.__name__} ({method}) has no rule here: add one to SLOPES")
        values = [_array(x) for x in operands]
        z = ufunc(*values)
        if ufunc in FLAT:
            return z
        if ufunc is np.matmul:
            return _record(z, operands, _matmul_ways_back(*values))
        ways = [lambda g, slope=slope: g * slope(*values, z) for slope in SLOPES[ufunc]]
        return _record(z, operands, ways)

    def __array_function__(self, function: Callable, types: Any, args: tuple, settings: dict) -> Any:
        if function not in FUNCTIONS:
            raise TypeError(f"numpy.{function.__name__} has no rule here: add one to FUNCTIONS")
        return FUNCTIONS[function](*args, **settings)

    def __array__(self, *_: Any, **__: Any) -> Array:
        raise TypeError("a Var cannot become a plain array, which would cut it off the tape; its numbers are in .value")

    def __getitem__(self, key: Any) -> Var:
        def back(g: Array) -> Array:
            whole = np.zeros(self.shape)
            np.add.at(whole, key, g)  # a row that was taken twice is owed twice
            return whole

        return _record(self.value[key], [self], [back])

    def __setitem__(self, key: Any, value: Any) -> None:
        raise TypeError("a Var cannot be written into: a derivative needs its old values. np.where makes a new array")

    def __len__(self) -> int:
        return len(self.value)

    def __repr__(self) -> str:
        return f"Var({self.value}, at {self.index} on its tape)"

    @property
    def shape(self) -> tuple[int, ...]:
        return self.value.shape

    @property
    def T(self) -> Var:
        return _record(self.value.T, [self], [lambda g: g.T])

    def reshape(self, *shape: Any) -> Var:
        return _record(self.value.reshape(*shape), [self], [lambda g: g.reshape(self.shape)])

    def sum(self, axis: int | None = None, keepdims: bool = False) -> Var:
        z = self.value.sum(axis=axis, keepdims=keepdims)
        kept = self.value.sum(axis=axis, keepdims=True).shape
        return _record(z, [self], [lambda g: np.broadcast_to(g.reshape(kept), self.shape)])

    def mean(self, axis: int | None = None, keepdims: bool = False) -> Var:
        total = self.sum(axis, keepdims)
        return total * (total.value.size / self.value.size if self.value.size else np.nan)


def _array(x: Any) -> Array:
    """The numbers of a Var, or a read-only float64 copy of anything else, so that nobody changes them afterwards."""
    if isinstance(x, Var):
        return x.value
    if np.iscomplexobj(x):
        raise TypeError("a complex number has no derivative here; this module is for real ones")
    array = np.array(x, dtype=np.float64)
    array.flags.writeable = False
    return array


def _record(z: ArrayLike, operands: Any, ways: list[Callable]) -> Var:
    """Write a result on the tape of its operands; only those that are Vars are owed anything."""
    parents = tuple((x, way) for x, way in zip(operands, ways, strict=True) if isinstance(x, Var))
    if len({id(x.tape) for x, _ in parents}) > 1:
        raise ValueError("two tapes meet in one operation: this module takes no derivative inside another")
    return Var(z, parents[0][0].tape, parents)


def _matmul_ways_back(x: Array, y: Array) -> list[Callable]:
    if max(x.ndim, y.ndim) > 2:
        raise ValueError(f"@ takes one or two dimensions here, not shapes {x.shape} and {y.shape}")
    X, Y = np.atleast_2d(x), y if y.ndim == 2 else y[:, None]
    return [
        lambda g: (g.reshape(len(X), Y.shape[1]) @ Y.T).reshape(x.shape),
        lambda g: (X.T @ g.reshape(len(X), Y.shape[1])).reshape(y.shape),
    ]


def _where(mask: ArrayLike, a: Any, b: Any) -> Any:
    mask = np.array(mask, dtype=bool)
    ways = [lambda g: np.where(mask, g, 0.0), lambda g: np.where(mask, 0.0, g)]
    return _record(np.where(mask, _array(a), _array(b)), [a, b], ways)


FUNCTIONS = {np.where: _where, np.sum: Var.sum, np.mean: Var.mean}


def unbroadcast(g: Array, shape: tuple[int, ...]) -> Array:
    """Add up an adjoint over the axes along which an operand of this shape was repeated."""
    if g.shape == shape:
        return g
    g = g.sum(axis=tuple(range(g.ndim - len(shape))))
    repeated = tuple(i for i, n in enumerate(shape) if n == 1 and g.shape[i] != 1)
    return g.sum(axis=repeated, keepdims=True)


def pull_back(output: Var, seed: ArrayLike = 1.0) -> list[Array | None]:
    """The adjoint of everything on the output's tape, in its order; None for what the output does not use.

    `seed` is the output's own adjoint. The tape was written operands first, so read backwards every user of a value
    comes before the value, and an adjoint is complete when it is passed on. Source: Linnainmaa (1976).
    """
    adjoints: list[Array | None] = [None] * len(output.tape)
    adjoints[output.index] = np.broadcast_to(np.asarray(seed, dtype=np.float64), output.shape)
    for node in reversed(output.tape[: output.index + 1]):
        g = adjoints[node.index]
        if g is None:
            continue
        for parent, way in node.parents:
            share = unbroadcast(np.asarray(way(g)), parent.shape)
            so_far = adjoints[parent.index]
            # A new array each time: += would write into one that another node may hold as its own adjoint.
            adjoints[parent.index] = share if so_far is None else so_far + share
    return adjoints


def value_and_grad(f: Callable[..., Any]) -> Callable[..., tuple[float, Any]]:
    """A function that returns f(*arrays), a number, and its gradient in each argument, of that argument's shape.

    One argument gives one array, several a tuple. Raises ValueError where f's result is not a single number.
    """

    def both(*arrays: ArrayLike) -> tuple[float, Any]:
        if any(isinstance(a, Var) for a in arrays):
            raise ValueError("a Var was passed to a gradient: this module takes no derivative inside another")
        tape: list[Var] = []
        with np.errstate(all="ignore"):
            inputs = [Var(a, tape) for a in arrays]
            output = f(*inputs)
            size = np.size(output.value if isinstance(output, Var) else output)
            if size != 1:
                raise ValueError(
                    f"the function returned {size} numbers: a gradient is that of one. Sum or average them"
                )
            if not isinstance(output, Var) or output.tape is not tape:  # it does not depend on its arguments
                output = Var(output, tape)
            adjoints = pull_back(output)
        found = [np.zeros(x.shape) if (g := adjoints[x.index]) is None else np.array(g) for x in inputs]
        return float(output.value.reshape(())), found[0] if len(found) == 1 else tuple(found)

    return both


def grad(f: Callable[..., Any]) -> Callable[..., Any]:
    """A function that returns the gradient alone; see `value_and_grad`."""
    return lambda *arrays: value_and_grad(f)(*arrays)[1]


def central_difference(f: Callable[..., Any], x: ArrayLike, h: float = 6e-6) -> Array:
    """The gradient of f at x, of x's shape, estimated by (f(x + h) - f(x - h)) / 2h, one entry of x at a time.

    The step is h times the entry's size, or h where the entry is below 1; the default is near the cube root of the
    spacing of floats, 2.2e-16. Two calls of f an entry.
    """
    x = np.array(x, dtype=np.float64)
    slopes = np.empty(x.shape)
    for i in np.ndindex(x.shape):
        step = h * max(1.0, abs(x[i]))
        ends = []
        for moved in (x[i] + step, x[i] - step):
            point = x.copy()
            point[i] = moved
            ends.append(float(f(point)))
        slopes[i] = (ends[0] - ends[1]) / ((x[i] + step) - (x[i] - step))
    return slopes
