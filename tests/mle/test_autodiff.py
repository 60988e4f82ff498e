"""mle.scratch.autodiff against JAX and central differences, over random programs and edges; what settle takes."""

from __future__ import annotations

import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coursework.judge import judge
from coursework.observe import observe
from mle.checks.math import autodiff as checks
from mle.scratch.autodiff import Var, central_difference, grad, pull_back, unbroadcast, value_and_grad

seeds = st.integers(0, 2**32 - 1)
SHAPES = [(), (1,), (4,), (3, 1), (3, 4)]  # any two broadcast


@pytest.fixture(autouse=True, scope="module")
def _doubles_on_the_cpu():
    with jax.enable_x64(True), jax.default_device(jax.devices("cpu")[0]):
        yield


def program(seed, steps=12, smooth=True):
    """A random program f(xp, *inputs) that uses some values often, some never, and gives one number; and its inputs."""
    rng = np.random.default_rng(seed)
    inputs = [rng.normal(size=SHAPES[i]) for i in rng.integers(len(SHAPES), size=rng.integers(1, 4))]
    constant = rng.normal(size=(3, 4))
    ones = ["tanh", "sin", "cos", "negative", "square", "exp", "sqrt", "log", "log1p", "neighbours", "turn", "total"]
    twos = ["add", "subtract", "multiply", "divide", "logaddexp", "power", "where", "matmul"]
    twos += [] if smooth else ["maximum", "minimum"]
    chosen = [(rng.choice(ones + 2 * twos), *rng.integers(2**31, size=2)) for _ in range(steps)]

    def f(xp, *given):
        held = [*given, constant]
        for name, i, j in chosen:
            x, y = held[i % len(held)], held[j % len(held)]
            positive, bounded = x * x + 0.5, xp.tanh(x)
            if name == "where":
                z = xp.where(constant > 0, x, y)
            elif name == "matmul":
                z = (x + constant) @ (y + constant).T @ (x + constant) / 4
            elif name == "neighbours":
                z = (x + constant)[np.array([0, 2, 0]), 1:]
                z = xp.sum(z, axis=1, keepdims=True)
            elif name == "turn":
                z = (x + constant).T.reshape(3, 4)
            elif name == "total":
                z = xp.mean(x + constant, axis=int(i % 2), keepdims=True)
            elif name in ("sqrt", "log", "log1p"):
                z = getattr(xp, name)(positive)
            elif name == "exp":
                z = xp.exp(bounded)
            elif name == "divide":
                z = x / (y * y + 0.5)
            elif name == "power":
                z = positive ** xp.tanh(y)
            else:
                z = getattr(xp, name)(*((x,) if name in ones else (x, y)))
            held.append(xp.tanh(z))
        return sum((xp.sum(z) * (k + 1) for k, z in enumerate(held[-3:])), start=0.0)

    return f, inputs


# --- against two independent judges ---


@given(seeds, st.booleans())
@settings(deadline=None, max_examples=25)
def test_random_programs_have_jax_s_value_and_gradient(seed, smooth):
    f, inputs = program(seed, smooth=smooth)
    value, found = value_and_grad(lambda *xs: f(np, *xs))(*inputs)
    theirs, expected = jax.value_and_grad(lambda *xs: f(jnp, *xs), argnums=tuple(range(len(inputs))))(*inputs)
    assert value == pytest.approx(float(theirs), rel=1e-10, abs=1e-10)
    for ours, jaxs, x in zip(found if len(inputs) > 1 else [found], expected, inputs, strict=True):
        assert ours.shape == x.shape
        np.testing.assert_allclose(ours, jaxs, rtol=1e-8, atol=1e-8)


@given(seeds)
@settings(deadline=None, max_examples=40)
def test_random_smooth_programs_have_the_slopes_of_central_differences(seed):
    f, inputs = program(seed, steps=6)
    x, rest = inputs[0], inputs[1:]
    along = np.random.default_rng(seed).normal(size=x.shape)
    found = np.sum(grad(lambda x: f(np, x, *rest))(x) * along)

    def on_a_line(t):
        return f(np, x + t * along, *rest)

    third = max(abs(float(d)) for d in _third_differences(on_a_line))
    h = 1e-5
    bound = h**2 * (10 * third + 10) + 1e-15 / h * 1e3  # truncation and rounding, each with room to spare
    assert abs(float(central_difference(on_a_line, 0.0, h)) - found) <= bound


def _third_differences(g, h=1e-3):
    for t in (-h, 0.0, h):
        yield (g(t + 2 * h) - 2 * g(t + h) + 2 * g(t - h) - g(t - 2 * h)) / (2 * h**3)


@given(seeds)
@settings(deadline=None, max_examples=40)
def test_broadcasting_is_paid_back_by_adding_up(seed):
    rng = np.random.default_rng(seed)
    small, large = (SHAPES[i] for i in sorted(rng.integers(len(SHAPES), size=2)))
    x, g = rng.normal(size=small), rng.normal(size=np.broadcast_shapes(small, large))
    back = unbroadcast(g, small)
    assert back.shape == small
    assert np.sum(back * x) == pytest.approx(np.sum(g * np.broadcast_to(x, g.shape)), rel=1e-12, abs=1e-12)


@pytest.mark.parametrize(
    ("x_shape", "y_shape"),
    [((3,), (3,)), ((2, 3), (3,)), ((3,), (3, 4)), ((2, 3), (3, 4)), ((0, 3), (3,)), ((1,), (1,))],
)
def test_products_of_matrices_and_vectors_agree_with_jax(x_shape, y_shape):
    rng = np.random.default_rng(5)
    x, y = rng.normal(size=x_shape), rng.normal(size=y_shape)
    found = grad(lambda x, y: np.sum((x @ y) ** 2))(x, y)
    expected = jax.grad(lambda x, y: jnp.sum((x @ y) ** 2), argnums=(0, 1))(x, y)
    for ours, theirs in zip(found, expected, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-12)


# --- accounting ---


def test_a_value_used_twice_is_owed_twice():
    assert grad(lambda x: x * x * x)(2.0) == 12
    assert grad(lambda x: x[np.array([0, 0, 1])].sum())(np.array([1.0, 1.0])).tolist() == [2, 1]


def test_an_adjoint_is_complete_before_it_is_passed_on():
    # b's last user, d, is written before c's: a walk level by level from the output would pass b on too early.
    def f(a):
        b = a * 2
        c = b * b
        d = c * c
        return d + b

    assert grad(f)(1.0) == 64 + 2  # of (2a)^4 + 2a


def test_adding_up_does_not_write_into_an_adjoint_that_another_holds():
    tape: list[Var] = []
    x = Var(np.ones((2, 2)), tape)
    later = x * 3
    turned = x.T  # x is first owed a view of what this is owed, then something more
    owed = pull_back((turned * 2).sum() + later.sum())
    assert owed[turned.index].tolist() == [[2, 2], [2, 2]]
    assert owed[x.index].tolist() == [[5, 5], [5, 5]]


def test_what_the_output_does_not_use_is_owed_nothing():
    assert grad(lambda a, b: (a * 2).sum())(np.ones(2), np.ones((2, 2)))[1].tolist() == [[0, 0], [0, 0]]
    assert grad(lambda a: 3.0)(np.ones(2)).tolist() == [0, 0]
    tape: list[Var] = []
    a = Var(1.0, tape)
    b, unused = a * 2, a * 3
    assert pull_back(b)[unused.index] is None


def test_a_seed_weighs_the_outputs():
    tape: list[Var] = []
    x = Var([1.0, 2.0, 3.0], tape)
    assert pull_back(x * x, [1.0, 0.0, 10.0])[x.index].tolist() == [2, 0, 60]


def test_the_result_is_the_caller_s_own():
    x = np.ones(3)
    first = grad(lambda x: x.sum())(x)
    first += 1
    assert grad(lambda x: x.sum())(x).tolist() == [1, 1, 1]
    assert x.tolist() == [1, 1, 1]
    one, other = grad(lambda a, b: (a + b).sum())(x, x)
    one += 1
    assert other.tolist() == [1, 1, 1]


# --- floats ---


def test_huge_and_tiny_numbers_pass_through():
    assert grad(lambda x: x * 1e-300)(1e300) == 1e-300
    assert grad(lambda x: np.logaddexp(x, 0.0))(1e4) == 1
    assert grad(lambda x: np.logaddexp(x, 0.0))(-1e4) == 0
    assert np.isnan(grad(lambda x: np.log(1 + np.exp(x)))(1e4))  # inf / inf, as in JAX


def test_a_masked_inf_comes_back_as_nan_and_the_double_where_mends_it():
    x = np.array([0.0, 4.0])
    masked = grad(lambda x: np.where(x > 0, np.sqrt(x), 0.0).sum())(x)
    assert np.isnan(masked[0])
    assert masked[1] == 0.25
    assert grad(lambda x: np.where(x > 0, np.sqrt(np.where(x > 0, x, 1.0)), 0.0).sum())(x).tolist() == [0, 0.25]


def test_kinks_have_the_mean_of_both_slopes():
    assert grad(lambda x: np.maximum(x, 0.0))(0.0) == 0.5 == jax.grad(lambda x: jnp.maximum(x, 0.0))(0.0)
    assert grad(lambda x: np.minimum(x, 0.0))(0.0) == 0.5
    assert grad(np.absolute)(0.0) == 0


def test_nothing_is_written_to_standard_error():
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        grad(lambda x: (1 / x + np.log(x)).sum())(np.zeros(2))


def test_edges_of_shape():
    assert value_and_grad(lambda x: (x * 2).sum())(np.zeros((0, 3)))[0] == 0
    assert grad(lambda x: (x * 2).sum())(np.zeros((0, 3))).shape == (0, 3)
    assert grad(lambda x: x.reshape(-1)[0])(np.ones((1, 1))).tolist() == [[1]]
    assert grad(lambda x: x**0)(0.0) == 0
    assert len(Var(np.zeros(4), [])) == 4


# --- refusals ---


def _buffer(x):
    out = np.zeros(3)
    np.multiply(x, 2, out=out)
    return out.sum()


def _plus_in_place(x):
    x += 1
    return x.sum()


def _item(x):
    x[0] = 1
    return x.sum()


@pytest.mark.parametrize("f", [_buffer, _plus_in_place, _item])
def test_writing_in_place_is_refused(f):
    with pytest.raises(TypeError, match="old values"):
        grad(f)(np.ones(3))


def test_values_and_constants_cannot_be_changed_behind_the_tape_s_back():
    weights = np.ones(3)

    def f(x):
        z = x * weights
        weights[:] = 100  # a buffer used again
        return z.sum()

    assert grad(f)(np.ones(3)).tolist() == [1, 1, 1]
    x = np.ones(2)
    taped = Var(x, [])
    x[:] = 7
    assert taped.value.tolist() == [1, 1]
    with pytest.raises(ValueError, match="read-only"):
        taped.value[0] = 7


@pytest.mark.parametrize(
    ("f", "kind", "words"),
    [
        (lambda x: np.sort(x)[0], TypeError, "numpy.sort has no rule"),
        (lambda x: np.cbrt(x).sum(), TypeError, "numpy.cbrt .* no rule"),
        (lambda x: np.asarray(x).sum(), TypeError, "cut it off the tape"),
        (lambda x: x * 2, ValueError, "returned 3 numbers"),
        (lambda x: (x * 1j).sum(), TypeError, "complex"),
        (lambda x: (x.reshape(3, 1, 1) @ np.ones((3, 1, 1))).sum(), ValueError, "one or two dimensions"),
        (lambda x: grad(lambda y: y.sum())(x).sum(), ValueError, "inside another"),
        (lambda x: grad(lambda y: (x * y).sum())(np.ones(3)).sum(), ValueError, "two tapes"),
    ],
)
def test_refusals_say_what_and_why(f, kind, words):
    with pytest.raises(kind, match=words):
        grad(f)(np.ones(3))


# --- central differences ---


def test_central_differences_are_exact_for_squares_and_leave_their_argument_alone():
    x = np.array([[1.0, -2.0], [0.0, 1e6]])
    before = x.copy()
    np.testing.assert_allclose(
        central_difference(lambda x: np.sum(x**2 * [1, 2]), x, 0.5), [[2, -8], [0, 4e6]], rtol=1e-9
    )
    assert np.array_equal(x, before)
    assert central_difference(np.sum, np.zeros((0, 2))).shape == (0, 2)


def test_the_default_step_is_near_the_best_one():
    errors = {h: abs(float(central_difference(np.exp, 1.0, h)) - np.e) for h in (1e-12, 6e-6, 1e-1)}
    assert errors[6e-6] < 1e-9
    assert min(errors[1e-12], errors[1e-1]) > 1e-5


# --- the exercise: what settle asks of a large sheet ---


def _path_by_path(sheet, values, result):
    owed = {cell: np.zeros(value.shape) for cell, value in values.items()}
    due = [(result, np.ones(values[result].shape))]
    while due:
        cell, share = due.pop()
        owed[cell] = owed[cell] + share
        due += [(o, slope * share) for o, slope in checks._slopes(sheet[cell], values)] if cell in sheet else []
    return owed


def _round_by_round(sheet, values, result):
    """Right and slow: as many rounds over the whole sheet as it has cells."""
    owed = {cell: np.zeros(value.shape) for cell, value in values.items()}
    for _ in values:
        new = {cell: np.full(value.shape, float(cell == result)) for cell, value in values.items()}
        for cell in sheet:
            for operand, slope in checks._slopes(sheet[cell], values):
                new[operand] = new[operand] + slope * owed[cell]
        owed = new
    return owed


def _cell_by_cell_forwards(sheet, values, result):
    """Right, and forward mode: one sweep a cell."""
    order = checks._order(sheet, result)[::-1]
    owed = {}
    for start in values:
        slope = {cell: np.full(value.shape, float(cell == start)) for cell, value in values.items()}
        for cell in order:
            if cell in sheet and cell != start:
                slope[cell] = sum(s * slope[operand] for operand, s in checks._slopes(sheet[cell], values))
        owed[start] = slope[result]
    return owed


@pytest.mark.parametrize(
    ("answer", "mistake"),
    [(_round_by_round, None), (_cell_by_cell_forwards, None), (_path_by_path, "every_path")],
)
def test_settle_refuses_the_walk_of_every_path_and_no_other_slow_answer(answer, mistake):
    question, rng = checks.settle, np.random.default_rng(7)
    for _ in range(3):
        parameters = checks.exercise.draw(rng)
        right = observe(question, lambda *a: checks._settled(*a, checks._order(a[0], a[2])), parameters)
        verdict = judge(question, observe(question, answer, parameters), parameters, right)
        assert (verdict.passed, verdict.mistake) == (mistake is None, mistake), verdict.message


def test_settle_leaves_no_trace_function_behind():
    before = sys.gettrace()
    observe(checks.settle, _path_by_path, checks.exercise.draw(np.random.default_rng(7)))
    assert sys.gettrace() is before
