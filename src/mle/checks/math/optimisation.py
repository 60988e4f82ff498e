"""Checks of the exercise math/optimisation: step limit, steps to expect, descent, readings, Newton, certificate.

Nothing here is random: the noise of question 4 is computed, not drawn.
"""

import math

import numpy as np

from coursework import Exercise, Integer, Real

exercise = Exercise(
    "math/optimisation",
    title="Four minutes a step",
    minutes=55,
    parameters=[
        Integer("seed", 0, 2**31 - 1),
        Integer("p", 2, 6),
        Real("kappa", 5, 200, log=True),
        Real("fraction", 0.3, 1.9),
        Real("penalty", 0.002, 0.05, log=True),
    ],
)


def _furnace(rng, p, kappa, largest):
    """A Hessian (p, p), K² over kW², whose eigenvalues run evenly in their logarithm from largest/kappa to largest."""
    Q = np.linalg.qr(rng.normal(size=(p, p)))[0]
    H = Q * np.geomspace(largest / kappa, largest, p) @ Q.T
    return (H + H.T) / 2


# ------------------------------------------------------------------------------------------------- 1 step_limit

step_limit = exercise.question(
    "step_limit",
    kind="function",
    points=1,
    skills=["calculus", "algebra"],
    objectives=[1],
    call="step_limit(H)",
    asks="a positive number, in kW² over K²",
    rtol=1e-8,
    hints=(
        "Along an eigenvector with eigenvalue lam a step multiplies the error by 1 - step * lam. When does that grow?",
        "The error stays bounded while 1 - step * lam is -1 or more, for every eigenvalue. Which one objects first?",
        "np.linalg.eigvalsh(H) returns the eigenvalues, the smallest first. The limit is 2 over the last of them.",
    ),
)


@step_limit.probes
def _(rng, p, kappa):
    yield np.array([[4.0, 0.0], [0.0, 1.0]])
    yield _furnace(rng, p, kappa, rng.uniform(2, 9))
    yield np.array([[0.5]])
    yield np.array([[3.0, -1.0], [-1.0, 3.0]])


@step_limit.property("at the limit the stiffest direction is thrown to the other side, exactly as far")
def _(H, limit):
    return abs(limit * np.linalg.norm(H, 2) - 2) < 1e-6


@step_limit.mistake("This is the limit for the most sluggish direction alone. The stiffest one runs away long before.")
def smallest_eigenvalue(H):
    return 2 / np.linalg.eigvalsh(H)[0]


@step_limit.mistake(
    "This is the step that lands at the bottom of the stiffest direction. A longer one still comes closer, if from the "
    "other side.",
    credit=0.5,
)
def lands_at_the_bottom(H):
    return 1 / np.linalg.eigvalsh(H)[-1]


@step_limit.mistake("This is the fastest step for all directions together. Asked is the one beyond which it runs away.")
def the_fastest(H):
    eigenvalues = np.linalg.eigvalsh(H)
    return 2 / (eigenvalues[0] + eigenvalues[-1])


@step_limit.mistake("This is safe, and shorter than need be: the trace is the sum of all eigenvalues.")
def by_the_trace(H):
    return 2 / np.trace(H)


@step_limit.mistake("The diagonal is the curvature along the axes. The stiffest direction may lie between them.")
def by_the_diagonal(H):
    return 2 / np.diag(H).max()


# ----------------------------------------------------------------------------------------------- 2 steps_needed

steps_needed = exercise.question(
    "steps_needed",
    kind="function",
    points=2,
    skills=["calculus", "problem solving"],
    objectives=[1],
    call="steps_needed(mu, L, step, shrink)",
    asks="a whole number, or math.inf",
    rtol=0,
    atol=0,
    hints=(
        "By which factor does one step multiply the error along the most sluggish direction, and along the stiffest?",
        "The larger of the two sizes decides, after k steps to the power k. What if it is 1 or more? What if it is 0?",
        "factor = max(abs(1 - step * mu), abs(1 - step * L)); k is log(shrink) / log(factor), rounded up.",
    ),
)


@steps_needed.probes
def _(rng, kappa, fraction):
    L = float(rng.uniform(1, 8))
    yield L / kappa, L, fraction / L, 0.013
    yield L / kappa, L, 1.97 / L, 0.00031
    yield L / kappa, L, 0.3 / L, 0.0021
    yield L / kappa, L, 2.2 / L, 0.01
    yield 1.0, 4.0, 0.5, 0.05
    yield 2.0, 2.0, 0.5, 0.01
    yield 1.0, 3.0, 0.5, 0.3


@steps_needed.property("above the limit no number of steps is enough, and below it there is one")
def _(mu, L, step, shrink, output):
    return math.isinf(output) == (step * L >= 2)


@steps_needed.property("that many steps are enough in every direction, and one fewer are not")
def _(mu, L, step, shrink, output):
    factor = max(abs(1 - step * mu), abs(1 - step * L))
    enough = factor**output <= shrink * (1 + 1e-9)
    return math.isinf(output) or (enough and (output < 2 or factor ** (output - 1) > shrink))


def _rounded(shrink, factor, up=math.ceil):
    if factor >= 1:
        return math.inf
    return up(math.log(shrink) / math.log(factor)) if factor > 0 else 1


@steps_needed.mistake("Only the most sluggish direction was asked. A long step makes the stiffest one the slower.")
def sluggish_alone(mu, L, step, shrink):
    return _rounded(shrink, abs(1 - step * mu))


@steps_needed.mistake(
    "Only the stiffest direction was asked. With a short step the most sluggish one keeps you waiting."
)
def stiffest_alone(mu, L, step, shrink):
    return _rounded(shrink, abs(1 - step * L))


@steps_needed.mistake(
    "This is what the fastest step would need, (kappa - 1)/(kappa + 1) each time. The question gives the step."
)
def at_the_best_step(mu, L, step, shrink):
    return _rounded(shrink, (L - mu) / (L + mu))


@steps_needed.mistake(
    "Below the limit this is right. Above it the formula still returns a number, and the furnace runs away.", credit=0.5
)
def never_says_never(mu, L, step, shrink):
    factor = max(abs(1 - step * mu), abs(1 - step * L))
    if factor == 1:
        return math.inf
    return math.ceil(math.log(shrink) / math.log(factor)) if factor else 1


@steps_needed.mistake("This is when the *loss* has shrunk so far. The distance takes twice as long.")
def counts_the_loss(mu, L, step, shrink):
    return _rounded(math.sqrt(shrink), max(abs(1 - step * mu), abs(1 - step * L)))


@steps_needed.mistake("One step short: a part of a step is a whole step.", credit=0.5)
def rounded_down(mu, L, step, shrink):
    return _rounded(shrink, max(abs(1 - step * mu), abs(1 - step * L)), math.floor)


# ---------------------------------------------------------------------------------------------------- 3 descend

descend = exercise.question(
    "descend",
    kind="function",
    points=3,
    skills=["basic algorithms", "Python"],
    objectives=[2],
    call="descend(H, c, x, step, tolerance, max_steps)",
    asks="a tuple: an array like x, a whole number, True or False",
    rtol=1e-6,
    atol=1e-9,
    hints=(
        "What do you have to know at each new x, before you decide whether to go on?",
        "Compute the gradient H @ x - c inside the loop, first thing. Its length decides, not how far x or f moved.",
        "while np.linalg.norm(g) > tolerance and steps < max_steps: x = x - step * g (not -=, which writes into the "
        "caller's array), count, and make g anew at the new x.",
    ),
    out_of_bounds=("scipy", "mle.scratch"),
)


@descend.probes
def _(rng, p, kappa, fraction):
    # The short ones first: they are easier to read in a message, and most mistakes show there.
    yield np.array([[2.0, 1.0], [1.0, 2.0]]), np.array([3.0, 0.0]), np.array([0.0, 0.0]), 0.3, 0.001, 100
    yield np.eye(2), np.zeros(2), np.array([3.0, 4.0]), 0.5, 5.0, 10  # the gradient is as long as the tolerance
    yield np.eye(2), np.zeros(2), np.array([12.0, 16.0]), 0.5, 6.0, 2  # it arrives with the last step
    yield np.array([[2.0, 1.0], [1.0, 2.0]]), np.array([3.0, 3.0]), np.array([1.0, 1.0]), 0.3, 0.001, 100
    yield np.diag([4.0, 1.0]), np.array([4.0, 1.0]), np.array([2.0, 2.0]), 0.55, 0.01, 12
    yield np.diag([4.0, 0.01]), np.array([8.0, 0.5]), np.array([2.5, 20.0]), 0.3, 0.0021, 5_000
    H = _furnace(rng, p, kappa, 4.0)
    yield H, H @ rng.uniform(20, 60, p), rng.uniform(20, 60, p), fraction / 4.0, 1e-12, 7
    yield H, H @ rng.uniform(20, 60, p), rng.uniform(20, 60, p), fraction / 4.0, 0.003, 100_000


@descend.property("it says converged exactly where the gradient is no longer than the tolerance")
def _(H, c, x, step, tolerance, max_steps, output):
    with np.errstate(all="ignore"):  # an answer that ran away
        return bool(output[2]) == bool(np.linalg.norm(H @ output[0] - c) <= tolerance)


@descend.property("it never takes more than max_steps")
def _(H, c, x, step, tolerance, max_steps, output):
    return 0 <= output[1] <= max_steps


def _descent(H, c, x, step, tolerance, max_steps, small, move=None):
    """Descent that stops when small(g, x, previous x) is at most the tolerance."""
    x, before, steps = x.astype(float), None, 0
    while True:
        g = H @ x - c
        if small(g, x, before) <= tolerance:
            return x, steps, True
        if steps == max_steps:
            return x, steps, False
        before, x, steps = x, (move or (lambda x, g: x - step * g))(x, g), steps + 1


def _norm(g, x, before):
    return np.linalg.norm(g)


@descend.mistake(
    "It stops when the loss hardly moves. Along a sluggish direction it hardly moves for hours, and the bottom is far "
    "away. Stop on the gradient."
)
def stops_on_the_loss(H, c, x, step, tolerance, max_steps):
    def loss(x):
        return x @ H @ x / 2 - c @ x

    return _descent(
        H, c, x, step, tolerance, max_steps, lambda g, x, b: np.inf if b is None else abs(loss(b) - loss(x))
    )


@descend.mistake(
    "It stops when x hardly moves. A move is step times gradient, so that a short step alone passes for an arrival."
)
def stops_on_the_move(H, c, x, step, tolerance, max_steps):
    return _descent(H, c, x, step, tolerance, max_steps, lambda g, x, b: np.inf if b is None else np.linalg.norm(x - b))


@descend.mistake("The gradient is stale: it was computed once, at the start, and every step uses it again.")
def stale_for_ever(H, c, x, step, tolerance, max_steps):
    g = H @ x - c
    with np.errstate(all="ignore"):
        return _descent(H, c, x, step, tolerance, max_steps, _norm, lambda x, _: x - step * g)


@descend.mistake(
    "The gradient is one step old: each step uses the one of the point before. That halves the step it can stand."
)
def one_step_old(H, c, x, step, tolerance, max_steps):
    old = [H @ x - c]

    def move(x, g):
        old.append(g)
        return x - step * old[-2]

    with np.errstate(all="ignore"):
        return _descent(H, c, x, step, tolerance, min(max_steps, 3_000), _norm, move)


@descend.mistake("It walks uphill: the gradient points to where f grows.")
def uphill(H, c, x, step, tolerance, max_steps):
    with np.errstate(all="ignore"):
        return _descent(H, c, x, step, tolerance, min(max_steps, 300), _norm, lambda x, g: x + step * g)


@descend.mistake(
    "The entries of x are changed one after the other, each with a gradient that knows of the changes before it. That "
    "is another method (coordinate descent); here one gradient moves them all."
)
def one_entry_at_a_time(H, c, x, step, tolerance, max_steps):
    def move(x, g):
        x = x.copy()
        for i in range(len(x)):
            x[i] -= step * (H[i] @ x - c[i])
        return x

    return _descent(H, c, x, step, tolerance, max_steps, _norm, move)


@descend.mistake(
    "Where it gave up, it says that it has converged. Whoever reads the answer will believe it.", credit=0.5
)
def always_converged(H, c, x, step, tolerance, max_steps):
    x, steps, _ = _descent(H, c, x, step, tolerance, max_steps, _norm)
    return x, steps, True


@descend.mistake(
    "It arrived with its last step and says that it did not: after the loop, look at the gradient once more.",
    credit=0.5,
)
def last_step_not_looked_at(H, c, x, step, tolerance, max_steps):
    x, steps, converged = _descent(H, c, x, step, tolerance, max_steps, _norm)
    return x, steps, converged and steps < max_steps


@descend.mistake(
    "A gradient exactly as long as the tolerance is long enough to stop: *at most* includes it.", credit=0.5
)
def strictly_below(H, c, x, step, tolerance, max_steps):
    return _descent(H, c, x, step, tolerance, max_steps, lambda g, x, b: _norm(g, x, b) * (1 + 1e-12))


@descend.mistake(
    "It looks at the gradient, steps all the same, and then stops: one step too far, and one too many at the start.",
    credit=0.5,
)
def steps_then_stops(H, c, x, step, tolerance, max_steps):
    x = x.astype(float)
    for steps in range(1, max_steps + 1):
        g = H @ x - c
        x = x - step * g
        if np.linalg.norm(g) <= tolerance:
            return x, steps, True
    return x, max_steps, False


@descend.mistake("This is the largest entry of the gradient. Its Euclidean length is asked for.", credit=0.5)
def largest_entry(H, c, x, step, tolerance, max_steps):
    return _descent(H, c, x, step, tolerance, max_steps, lambda g, x, b: np.abs(g).max())


@descend.mistake("The number of steps is one too many: gradients were counted, not moves.", credit=0.5)
def counts_gradients(H, c, x, step, tolerance, max_steps):
    x, steps, converged = _descent(H, c, x, step, tolerance, max_steps, _norm)
    return x, steps + 1, converged


@descend.mistake(
    "The answer is right, and the caller's x has been overwritten on the way: x -= writes into the array itself.",
    credit=0.5,
)
def overwrites_the_start(H, c, x, step, tolerance, max_steps):
    end, steps, converged = _descent(H, c, x, step, tolerance, max_steps, _norm)
    x[:] = end
    return end, steps, converged


# --------------------------------------------------------------------------------------------------- 4 readings

readings = exercise.question(
    "readings",
    kind="function",
    points=2,
    skills=["statistics", "calculus"],
    objectives=[4],
    call="readings(step, curvature, spread, wobble)",
    asks="a whole number, 1 or more",
    rtol=0,
    atol=0,
    hints=(
        "In the long run the variance that a step adds is what the shrinking takes away. Write that as an equation.",
        "v = (1 - step * curvature)² v + step² * spread² / b. Solve it for v, and ask for v at most wobble².",
        "b is step * spread**2 / (curvature * (2 - step * curvature) * wobble**2), rounded up.",
    ),
)


@readings.probes
def _(rng, fraction):
    curvature = float(rng.uniform(1, 5))
    yield fraction / curvature, curvature, float(rng.uniform(20, 40)), float(rng.uniform(0.2, 0.4))
    yield 1.7 / curvature, curvature, 30.0, 0.37
    yield 0.4, 2.3, 30.0, 0.71
    yield 0.5, 0.31, 4.0, 0.3
    yield 0.01, 1.0, 0.5, 0.4


@readings.property("so many readings keep the wobble small enough, and one fewer would not")
def _(step, curvature, spread, wobble, b):
    need = step * spread**2 / (curvature * (2 - step * curvature) * wobble**2)
    return b >= 1 and b >= need * (1 - 1e-12) and (b == 1 or b - 1 < need)


def _need(step, curvature, spread, wobble):
    return step * spread**2 / (curvature * (2 - step * curvature) * wobble**2)


@readings.mistake(
    "The 2 - step * curvature has lost its second part. That is right for short steps only; towards the limit the "
    "wobble grows without bound.",
    credit=0.5,
)
def short_steps_only(step, curvature, spread, wobble):
    return math.ceil(step * spread**2 / (2 * curvature * wobble**2))


@readings.mistake(
    "This makes the mean of the readings as sharp as the wobble. It forgets that each step passes on only a part."
)
def mean_of_the_readings(step, curvature, spread, wobble):
    return math.ceil((spread / wobble) ** 2)


@readings.mistake("The spread and the wobble are standard deviations. It is variances that add.")
def without_squares(step, curvature, spread, wobble):
    return math.ceil(step * spread / (curvature * (2 - step * curvature) * wobble))


@readings.mistake(
    "This is the noise of a single step. Earlier steps have left theirs too, and not all of it has shrunk away."
)
def one_step_alone(step, curvature, spread, wobble):
    return math.ceil((step * spread / wobble) ** 2)


@readings.mistake("Rounded down: with so many the wobble is a little too large, and 0 readings are none.", credit=0.5)
def rounded_down_readings(step, curvature, spread, wobble):
    return math.floor(_need(step, curvature, spread, wobble))


# ------------------------------------------------------------------------------------------------------ 5 newton

newton = exercise.question(
    "newton",
    kind="function",
    points=3,
    skills=["calculus", "algebra", "custom code"],
    objectives=[3],
    call="newton(A, y, penalty, w, tolerance)",
    asks="an array like w",
    rtol=1e-5,
    atol=1e-6,
    hints=(
        "Write down gradient and Hessian first. Then: from which starts does a full Newton step make f larger?",
        "With q = sigmoid(A @ w): g = A.T @ (q - y) / n + penalty * w and H = A.T @ ((q * (1 - q))[:, None] * A) / n + "
        "penalty * I. Solve H d = -g. Do not take d unseen: compare f(w + d) with f(w).",
        "While f(w + d) > f(w) + 1e-4 * (g @ d), halve d. Then w = w + d, until g is no longer than the tolerance. "
        "np.logaddexp(0, -s * (A @ w)) with s = 2 * y - 1 is the loss of each row, and cannot overflow.",
    ),
    out_of_bounds=("scipy.optimize", "sklearn", "statsmodels", "mle.scratch"),
)


def _panes(rng, n, p):
    A = np.column_stack([np.ones(n), rng.normal(size=(n, p))])
    return A, (rng.random(n) < 1 / (1 + np.exp(-A @ rng.normal(0, 1.5, p + 1)))).astype(float)


@newton.probes
def _(rng, p, penalty):
    A, y = _panes(rng, 80, p)
    yield A, y, penalty, np.zeros(p + 1), 1e-9
    A, y = _panes(rng, 60, 2)
    yield A, y, 0.1, np.array([0.3, -0.2, 0.1]), 1e-9
    yield np.array([[1.0], [1.0], [1.0]]), np.array([1.0, 0.0, 1.0]), penalty, np.array([30.0]), 1e-9
    A, y = _panes(rng, 40, p)
    yield A, y, penalty, np.full(p + 1, 25.0), 1e-9
    yield np.array([[1.0], [-1.0]]), np.array([1.0, 0.0]), penalty, np.array([0.0]), 1e-9


def _slope(A, y, penalty, w):
    q = 1 / (1 + np.exp(-np.clip(A @ w, -700, 700)))
    return A.T @ (q - y) / len(y) + penalty * w, q


@newton.property("the gradient at the answer is zero to within 1e-6")
def _(A, y, penalty, w, tolerance, output):
    return np.linalg.norm(_slope(A, y, penalty, output)[0]) < 1e-6


def _fit(A, y, penalty, w, mean=True, damped=True, most=100):
    """Newton's method; `mean` False forgets to divide by the rows."""

    def value(w):
        losses = np.logaddexp(0, -(2 * y - 1) * (A @ w))
        return (losses.mean() if mean else losses.sum()) + penalty * w @ w / 2

    n = len(y) if mean else 1
    for _ in range(most):
        q = 1 / (1 + np.exp(-np.clip(A @ w, -700, 700)))
        g = A.T @ (q - y) / n + penalty * w
        if np.linalg.norm(g) < 1e-10:
            break
        d = -np.linalg.solve(A.T @ ((q * (1 - q))[:, None] * A) / n + penalty * np.eye(len(w)), g)
        for _ in range(40):
            if not damped or value(w + d) <= value(w) + 1e-4 * (g @ d):
                break
            d = d / 2
        w = w + d
    return w


def ran_away(A, y, penalty, w, tolerance, output):
    """One weight, sent from far away, that is still far away after however many steps: cycling, overflown or nan."""
    return output.shape == w.shape == (1,) and abs(w[0]) > 10 and not abs(output[0]) < 5


@newton.mistake(
    "From a start far away this has not arrived. A full Newton step overshoots there, lands where the curve is flatter "
    "still, and the next one overshoots by more: look at f before you take a step. Short steps take too long.",
    credit=0.5,
    seen=ran_away,
)
def full_steps(A, y, penalty, w, tolerance):
    with np.errstate(all="ignore"):
        return _fit(A, y, penalty, w, damped=False, most=50)


@newton.mistake("The losses are added up here, and the penalty counts for so much less. f has their mean.")
def sum_for_mean(A, y, penalty, w, tolerance):
    return _fit(A, y, penalty, w, mean=False)


@newton.mistake("The slope of penalty * |w|² / 2 is penalty * w. Here it counts twice.")
def penalty_twice(A, y, penalty, w, tolerance):
    return _fit(A, y, 2 * penalty, w)


@newton.mistake("Cracked and sound have changed places: every weight has the wrong sign.")
def labels_swapped(A, y, penalty, w, tolerance):
    return _fit(A, 1 - y, penalty, w)


@newton.mistake(
    "The first weight was left without a penalty. Often a good idea, and not what this f says.", credit=0.25
)
def first_weight_free(A, y, penalty, w, tolerance):
    D = np.full(len(w), penalty)
    D[0] = 1e-9

    def value(w):
        return np.logaddexp(0, -(2 * y - 1) * (A @ w)).mean() + w @ (D * w) / 2

    for _ in range(200):
        q = 1 / (1 + np.exp(-np.clip(A @ w, -700, 700)))
        g = A.T @ (q - y) / len(y) + D * w
        d = -np.linalg.solve(A.T @ ((q * (1 - q))[:, None] * A) / len(y) + np.diag(D), g)
        for _ in range(60):
            if value(w + d) <= value(w) + 1e-4 * (g @ d):
                break
            d = d / 2
        w = w + d
    return w


# --------------------------------------------------------------------------------------------------- 6 certify

certify = exercise.question(
    "certify",
    kind="function",
    points=3,
    skills=["calculus", "statistics"],
    objectives=[2],
    call="certify(A, y, penalty, w)",
    asks="a tuple of two numbers: a bound on f(w) - f*, one on the distance to the minimiser",
    rtol=1e-6,
    atol=1e-12,
    hints=(
        "How little can f curve, anywhere and in any direction? The losses alone can be as flat as you like.",
        "The penalty curves by `penalty` everywhere, so mu = penalty holds for every data set. Now the length of the "
        "gradient at w.",
        "With g as in question 5: g @ g / (2 * penalty) and np.linalg.norm(g) / penalty.",
    ),
    out_of_bounds=("scipy.optimize", "sklearn", "statsmodels", "mle.scratch"),
)


@certify.probes
def _(rng, p, penalty):
    A, y = _panes(rng, 50, p)
    yield A, y, penalty, np.zeros(p + 1)
    yield A, y, penalty, _fit(A, y, penalty, np.zeros(p + 1), most=2)
    yield np.array([[1.0], [2.0]]), np.array([1.0, 1.0]), 0.5, np.array([4.0])
    yield np.array([[1.0]]), np.array([0.0]), 0.25, np.array([-1.0])


@certify.property("f(w) - f* and the distance are within the bounds")
def _(A, y, penalty, w, output):
    def value(w):
        return np.logaddexp(0, -(2 * y - 1) * (A @ w)).mean() + penalty * w @ w / 2

    best = _fit(A, y, penalty, w)
    return value(w) - value(best) <= output[0] + 1e-9 and np.linalg.norm(w - best) <= output[1] + 1e-6


@certify.property("both bounds say the same: the first is penalty / 2 times the square of the second")
def _(A, y, penalty, w, output):
    return math.isclose(output[0], penalty * output[1] ** 2 / 2, rel_tol=1e-6, abs_tol=1e-12)


def _bounds(g, mu):
    return float(g @ g / (2 * mu)), float(np.linalg.norm(g) / mu)


@certify.mistake(
    "The smallest eigenvalue of the Hessian at w is the curvature at w. On the way to the minimiser f may be flatter, "
    "so that this certifies nothing. Which curvature holds everywhere?"
)
def curvature_here(A, y, penalty, w):
    g, q = _slope(A, y, penalty, w)
    H = A.T @ ((q * (1 - q))[:, None] * A) / len(y) + penalty * np.eye(len(w))
    return _bounds(g, np.linalg.eigvalsh(H)[0])


@certify.mistake("This is what the *next step* is sure to gain, with L in it. What is left in all has mu in it.")
def with_the_largest(A, y, penalty, w):
    return _bounds(_slope(A, y, penalty, w)[0], np.linalg.norm(A, 2) ** 2 / (4 * len(y)) + penalty)


@certify.mistake("The gradient has lost the penalty's part: this one is not zero at the minimiser.")
def gradient_of_the_losses(A, y, penalty, w):
    return _bounds(_slope(A, y, 0.0, w)[0], penalty)


@certify.mistake("The gradient is the sum over the panes. f has their mean.")
def summed_gradient(A, y, penalty, w):
    g = A.T @ (_slope(A, y, 0.0, w)[1] - y) + penalty * w
    return _bounds(g, penalty)


@certify.mistake(
    "The length of the gradient comes in squared in the first bound: halve the gradient, quarter the gap.", credit=0.5
)
def not_squared(A, y, penalty, w):
    size = float(np.linalg.norm(_slope(A, y, penalty, w)[0]))
    return size / (2 * penalty), size / penalty


@certify.mistake(
    "A factor of 2 is missing in the first bound. It holds, and promises half of what it could.", credit=0.75
)
def without_the_half(A, y, penalty, w):
    gap, distance = _bounds(_slope(A, y, penalty, w)[0], penalty)
    return 2 * gap, distance


@certify.mistake("Both numbers are right, and they have changed places: the bound on f comes first.", credit=0.5)
def swapped(A, y, penalty, w):
    gap, distance = _bounds(_slope(A, y, penalty, w)[0], penalty)
    return distance, gap
