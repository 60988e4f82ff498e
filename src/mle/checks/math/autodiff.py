"""Checks of the exercise math/autodiff: differences, slopes carried forward, debts settled backwards, and nan.

Arrays are float64 throughout. No answer is compared with derivatives taken from a library: the references are exact for
the step that the question names, or written out.
"""

import sys

import numpy as np

from coursework import Exercise, Integer, Real

exercise = Exercise(
    "math/autodiff",
    title="What a cent on the milk does",
    minutes=60,
    parameters=[
        Integer("seed", 0, 2**31 - 1),
        Integer("n", 4, 40),
        Integer("cells", 8, 40),
        Integer("weeks", 3, 40),
        Real("noise", 0.0005, 0.5, log=True),
        Real("h", 0.05, 0.5),
    ],
)

# ---------------------------------------------------------------------------------------------------- 1 central


class ArgumentLeftChanged(Exception):
    """The answer left an argument different from what it was given."""


central = exercise.question(
    "central",
    kind="function",
    points=2,
    skills=["calculus", "tests made to run against models"],
    objectives=[3],
    call="central(f, x, h)",
    asks="an array of x's shape, and x as it was",
    rtol=1e-6,
    atol=1e-8,
    hints=(
        "For one entry of x: where is f needed, and how far apart are the two places?",
        "Make a copy of x for each entry, move that entry alone up by h, then down by h. The two are 2h apart.",
        "up = x.copy(); up[i] += h; down = x.copy(); down[i] -= h; slopes[i] = (f(up) - f(down)) / (2 * h)",
    ),
)


def priced(rng, n):
    """A smooth price that mixes all its n inputs, so that moving one changes the slopes in the others."""
    A, b, c = rng.normal(size=(n, n)), rng.normal(size=n), rng.uniform(0.5, 1.5, n)
    return lambda x: float(x @ A @ x + b @ x + c @ x**3)


@central.probes
def _(rng, h):
    yield priced(rng, 4), rng.normal(size=4), h
    yield priced(rng, 1), np.array([1.5]), 0.01
    yield priced(rng, 3), np.array([0.0, 2.0, -1.0]), 0.3
    yield lambda x: float(x[0] * x[1]), np.array([40.0, 0.125]), h


@central.observe
def _(answer, f, x, h):
    given = x.copy()
    found = answer(f, given, h)
    if not np.array_equal(given, x):
        raise ArgumentLeftChanged("x is not what it was before the call")
    return found


@central.property("there is one slope for each entry of x")
def _(f, x, h, slopes):
    return slopes.shape == x.shape


def _moved(f, x, h, up, down, apart):
    slopes = np.empty(len(x))
    for i in range(len(x)):
        high, low = x.copy(), x.copy()
        high[i] += up * h
        low[i] -= down * h
        slopes[i] = (f(high) - f(low)) / (apart * h)
    return slopes


@central.mistake("This is a step to one side. Its error falls with h; with a step to each side it falls with h².")
def one_sided(f, x, h):
    return _moved(f, x, h, 1, 0, 1)


@central.mistake("The two places are 2h apart, and the difference is divided by h.")
def divided_by_h(f, x, h):
    return _moved(f, x, h, 1, 1, 1)


@central.mistake("The signs are turned: what f gains when x grows comes out as a loss.")
def turned(f, x, h):
    return -_moved(f, x, h, 1, 1, 2)


@central.mistake("All entries were moved at once. A slope in one entry is taken with the others held.")
def all_at_once(f, x, h):
    return np.full(len(x), (f(x + h) - f(x - h)) / (2 * h))


@central.mistake(
    "x itself was moved and not put back, so that later entries are taken at another place, and the caller's x is "
    "changed: x[i] += h writes into the array that was handed over."
)
def moved_in_place(f, x, h):
    slopes = np.empty(len(x))
    for i in range(len(x)):
        x[i] += h
        high = f(x)
        x[i] -= 2 * h
        slopes[i] = (high - f(x)) / (2 * h)
    return slopes


@central.mistake("The step h is given; another one was used.", credit=0.5)
def own_step(f, x, h):
    return _moved(f, x, 1e-5, 1, 1, 2)


# -------------------------------------------------------------------------------------------------- 2 best_step

best_step = exercise.question(
    "best_step",
    kind="function",
    points=2,
    skills=["calculus", "problem solving"],
    objectives=[3],
    call="best_step(noise, third)",
    asks="a tuple of two numbers: the step, and the error bound there",
    rtol=1e-5,
    atol=0,
    hints=(
        "Two errors add up: one grows with h², the other with 1/h. Write down their sum.",
        "Each value is off by `noise` at most, so the quotient is off by noise / h. Taylor gives third · h² / 6. "
        "Where is the slope of the sum zero?",
        "third · h / 3 = noise / h², so h = (3 · noise / third) ** (1 / 3). Put it back into the sum.",
    ),
)


@best_step.probes
def _(rng, noise):
    yield noise, float(rng.uniform(1.5, 9))
    yield 0.005, 0.04
    yield 3.0, 9.0
    yield 1e-9, 2e6


def _bound(noise, third, h):
    return third / 6 * h**2 + noise / h


@best_step.property("the second number is the bound at the first: truncation and rounding together")
def _(noise, third, output):
    return np.isclose(output[1], _bound(noise, third, output[0]), rtol=1e-6)


@best_step.property("a step 10 % longer or shorter has a larger bound")
def _(noise, third, output):
    h = output[0]
    return h > 0 and min(_bound(noise, third, 0.9 * h), _bound(noise, third, 1.1 * h)) > _bound(noise, third, h)


@best_step.mistake(
    "The step where both errors are equal is not the one where their sum is smallest: set its slope to zero."
)
def where_they_are_equal(noise, third):
    h = (6 * noise / third) ** (1 / 3)
    return h, _bound(noise, third, h)


@best_step.mistake("This is the order of magnitude, (noise / third)^(1/3). Asked is the best step, constants included.")
def without_constants(noise, third):
    h = (noise / third) ** (1 / 3)
    return h, _bound(noise, third, h)


@best_step.mistake(
    "A square root belongs to a step to one side, whose truncation falls with h. Here it falls with h²: a cube root."
)
def of_one_side(noise, third):
    h = 2 * (noise / third) ** (1 / 2)
    return h, _bound(noise, third, h)


@best_step.mistake(
    "The step is right. The bound has the truncation alone; at the best step rounding is twice as large.", credit=0.5
)
def truncation_alone(noise, third):
    h = (3 * noise / third) ** (1 / 3)
    return h, third / 6 * h**2


@best_step.mistake(
    "Two values are off by `noise` each, 2 · noise together, and that is divided by 2h, not by h.", credit=0.5
)
def divided_by_one_h(noise, third):
    h = (6 * noise / third) ** (1 / 3)
    return h, third / 6 * h**2 + 2 * noise / h


# ------------------------------------------------------------------------------------------------------ 3 ripen

ripen = exercise.question(
    "ripen",
    kind="function",
    points=3,
    skills=["calculus", "algebra"],
    objectives=[1],
    call="ripen(weight, r, weeks)",
    asks="a tuple of three numbers: the weight, its slope in the first weight, its slope in r",
    rtol=1e-11,
    atol=1e-13,
    hints=(
        "One week first: new = w - r * w ** (2 / 3). What is its slope in w, and in r, the other held?",
        "r moves the new weight directly, and it has moved the old weight already. The old slopes come with the "
        "factor 1 - (2/3) r w^(-1/3). What is the slope of the first weight in itself?",
        "Start with 1 and 0. A week: keep = 1 - 2 / 3 * r * w ** (-1 / 3); then in_weight = keep * in_weight and "
        "in_r = keep * in_r - w ** (2 / 3), both before w is replaced.",
    ),
)


@ripen.probes
def _(rng, weeks):
    yield float(rng.uniform(2, 4)), float(rng.uniform(0.01, 0.03)), weeks
    yield 8.0, 0.05, 2
    yield 1.0, 0.3, 3
    yield 8.0, 0.1, 1
    yield 6.0, 0.02, 0


@ripen.property("without a week the weight is the first one, its slope in itself 1, and r has no say")
def _(weight, r, weeks, output):
    return weeks > 0 or np.allclose(output, (weight, 1, 0))


@ripen.property("a larger r leaves less, a heavier wheel more")
def _(weight, r, weeks, output):
    return output[1] > 0 and output[2] <= 0


def _ripened(weight, r, weeks, start=1.0, carried=True, direct=True, inner=2 / 3, first=False):
    w, in_weight, in_r = weight, start, 0.0
    for _ in range(weeks):
        new = w - r * w ** (2 / 3)
        at = new if first else w
        keep = 1 - inner * r * at ** (-1 / 3)
        in_weight = keep * in_weight
        in_r = (keep * in_r if carried == "all" or carried is True else carried * in_r) - direct * at ** (2 / 3)
        w = new
    return w, in_weight, in_r


def _nearly(weight, r, weeks, output):
    """Slopes right to five digits and not to eleven, as a difference makes them."""
    if weeks == 0:
        return False
    off = np.abs(np.array(output[1:]) / np.array(_ripened(weight, r, weeks)[1:]) - 1)
    return bool(off.max() < 1e-5 and off.max() > 1e-11)


@ripen.mistake(
    "These slopes are right to some digits and no further, as differences are. Carry them along week by week.",
    credit=0.25,
    seen=_nearly,
)
def by_differences(weight, r, weeks):
    def after(w, r):
        return _ripened(w, r, weeks)[0]

    in_weight = (after(weight + 1e-5, r) - after(weight - 1e-5, r)) / 2e-5
    return after(weight, r), in_weight, (after(weight, r + 1e-5) - after(weight, r - 1e-5)) / 2e-5


@ripen.mistake(
    "The slope in r is that of the last week alone. The weight before that week had moved with r as well: carry its "
    "slope along."
)
def last_week_alone(weight, r, weeks):
    return _ripened(weight, r, weeks, carried=0.0)


@ripen.mistake(
    "The weeks' direct terms were added up as they are. What r took in the first week also changes how much the later "
    "weeks take: the old slope comes with a factor."
)
def added_and_not_carried(weight, r, weeks):
    return _ripened(weight, r, weeks, carried=1.0)


@ripen.mistake(
    "The weight was replaced before the slopes were computed from it: a week's slopes belong to the weight at its "
    "start."
)
def replaced_too_early(weight, r, weeks):
    return _ripened(weight, r, weeks, first=True)


@ripen.mistake("The first weight moves with itself: its slope starts at 1, not at 0.")
def from_zero(weight, r, weeks):
    return _ripened(weight, r, weeks, start=0.0)


@ripen.mistake("The slope of a power has its exponent in front, as a factor; here that factor is missing.")
def without_the_exponent(weight, r, weeks):
    return _ripened(weight, r, weeks, inner=1.0)


# ----------------------------------------------------------------------------------------------------- 4 settle

settle = exercise.question(
    "settle",
    kind="function",
    points=4,
    skills=["calculus", "basic algorithms", "problem solving"],
    objectives=[1, 2],
    call="settle(sheet, values, result)",
    asks="a mapping from each cell in values to an array of its shape",
    rtol=1e-8,
    atol=1e-10,
    hints=(
        "Start with the result, owed ones. Which cell may pass on next: one whose users have all done so, or any?",
        "Walk from the result to the operands, and write a cell down after all of its operands (depth first). That "
        "list backwards has every user before its operands.",
        "For x * y the slopes are y and x; for x / y they are 1 / y and -x / y**2; for exp(x), exp(x). "
        "owed[operand] = owed[operand] + slope * owed[cell] makes a new array, so that no two cells share one.",
    ),
    out_of_bounds=("mle.scratch",),
)

TWICE = {  # typed result first; base is used on two paths of different lengths, milk twice in one cell
    "price": ("+", "after", "base"),
    "after": ("*", "base", "twice"),
    "twice": ("-", "base", "salt"),
    "base": ("*", "milk", "milk"),
    "note": ("exp", "salt"),
}
GROWN = {"price": ("*", "grown", "milk"), "grown": ("exp", "rate"), "rate": ("-", "milk", "salt")}
SUMS = {"total": ("+", "both", "milk"), "both": ("+", "milk", "salt"), "price": ("/", "total", "rent")}


RUNGS, STEPS = 18, 250_000  # of the ladder; lines of Python that an answer may run on it


def _ladder():
    """Two cells a rung, each of which uses both of the rung below: 38 cells, and half a million paths."""
    sheet, a, b = {}, "milk", "salt"
    for i in range(RUNGS):
        sheet |= {f"more{i}": ("+", a, b), f"less{i}": ("-", a, b)}
        a, b = f"more{i}", f"less{i}"
    return dict(reversed(sheet.items()))


LADDER = _ladder()


def sheet_of(rng, cells, n):
    """A sheet of this many computed cells in the order of typing (none), its values, and the name of its result."""
    values = {name: np.round(rng.uniform(0.5, 2, n), 3) for name in ("milk", "rennet", "salt", "work")}
    computed = {}
    for i in range(cells):
        names = list(values)
        op = str(rng.choice(["+", "-", "*", "/", "exp"], p=[0.3, 0.2, 0.3, 0.15, 0.05]))
        a, b = (names[j] for j in rng.choice(len(names), 2, p=_late(len(names))))
        made = _made(op, values[a], values[b])
        if not (np.abs(made).max() < 20 and np.abs(made).min() > 0.05):
            op, made = "+", values[a] + values[b]
        if not (np.abs(made).max() < 20 and np.abs(made).min() > 0.05):
            op, a, b = "+", "milk", "salt"
            made = values[a] + values[b]
        computed[f"c{i}"] = ("exp", a) if op == "exp" else (op, a, b)
        values[f"c{i}"] = made
    order = [str(name) for name in rng.permutation(list(computed))]
    listed = [str(name) for name in rng.permutation(list(values))]  # else `values` would tell the order of computing
    return {name: computed[name] for name in order}, {name: values[name] for name in listed}, f"c{cells - 1}"


def _late(size):
    weights = np.arange(1.0, size + 1) ** 2
    return weights / weights.sum()


def _made(op, x, y):
    return {"+": x + y, "-": x - y, "*": x * y, "/": x / y, "exp": np.exp(np.minimum(x, 5.0))}[op]


def _filled(sheet, values):
    values = dict(values)
    while len(values) < len(values | sheet):
        for cell, (op, *of) in sheet.items():
            if cell not in values and all(name in values for name in of):
                values[cell] = _made(op, *(values[name] for name in (of * 2)[:2]))
    return dict(sorted(values.items()))


@settle.probes
def _(rng, cells, n):
    yield TWICE, _filled(TWICE, {"milk": np.array([0.6, 1.1]), "salt": np.array([0.2, 0.3])}), "price"
    given = {"milk": np.array([2.0]), "salt": np.array([0.5]), "rent": np.array([4.0])}
    yield SUMS, _filled(SUMS, given), "price"
    yield sheet_of(rng, cells, n)
    yield sheet_of(rng, 2 * cells, 3)
    yield GROWN, _filled(GROWN, {"milk": np.array([0.6, 1.1]), "salt": np.array([0.2, 0.3])}), "price"
    yield {}, {"milk": np.array([1.0, 2.0]), "salt": np.array([3.0, 4.0])}, "milk"
    yield LADDER, _filled(LADDER, {"milk": np.array([2.0]), "salt": np.array([0.5])}), f"more{RUNGS - 1}"


class EveryPathWalked(BaseException):
    """The answer runs more steps than passing on from each cell once can take. No `except Exception` may catch it."""


def _within(most, answer, *arguments):
    """What the answer returns, unless Python runs more than `most` lines in it."""
    steps = 0

    def count(frame, event, _):
        nonlocal steps
        steps += event == "line"
        if steps > most:
            raise EveryPathWalked("a sheet of 36 formulas took more than 250,000 steps: pass on from each cell once")
        return count

    before = sys.gettrace()
    sys.settrace(count)
    try:
        return answer(*arguments)
    finally:
        sys.settrace(before)


@settle.observe
def _(answer, sheet, values, result):
    given = dict(sheet), {cell: value.copy() for cell, value in values.items()}
    if sheet == LADDER:
        owed = _within(STEPS, answer, *given, result)
    else:
        owed = answer(*given, result)
    same = given[1].keys() == values.keys() and all(np.array_equal(given[1][cell], values[cell]) for cell in values)
    if given[0] != sheet or not same:
        raise ArgumentLeftChanged("the sheet or its values are not what they were before the call")
    return owed


@settle.property("the result is owed ones")
def _(sheet, values, result, owed):
    return np.allclose(owed[result], np.ones_like(values[result]))


@settle.property("each cell has an adjoint of its value's shape")
def _(sheet, values, result, owed):
    return set(owed) == set(values) and all(owed[c].shape == values[c].shape for c in values)


def _slopes(cell, values):
    op, *of = cell
    x, y = (values[name] for name in (of * 2)[:2])
    one = np.ones_like(x)
    pairs = {"+": (one, one), "-": (one, -one), "*": (y, x), "/": (1 / y, -x / y**2), "exp": (np.exp(x),)}[op]
    return list(zip(of, pairs, strict=True))


def _order(sheet, result):
    """Every user before its operands."""
    seen, order = set(), []

    def visit(cell):
        if cell not in seen:
            seen.add(cell)
            for operand in sheet.get(cell, ())[1:]:
                visit(operand)
            order.append(cell)

    visit(result)
    return order[::-1]


def _levels(sheet, result):
    """The result, its operands, theirs: each cell where it is first met."""
    order = [result]
    for cell in order:
        for operand in sheet.get(cell, ())[1:]:
            if operand not in order:
                order.append(operand)
    return order


def _settled(sheet, values, result, order, add=True, slopes=_slopes):
    owed = {cell: np.zeros_like(v) for cell, v in values.items()}
    owed[result] = np.ones_like(values[result])
    for cell in order:
        for operand, slope in slopes(sheet[cell], values) if cell in sheet else ():
            share = slope * owed[cell]
            owed[operand] = owed[operand] + share if add else share
    return owed


def _one_rule_wrong(rule, wrong):
    """The slopes, with the formula `rule` given the slopes `wrong(x, y)`."""

    def slopes(cell, values):
        op, *of = cell
        if op != rule:
            return _slopes(cell, values)
        x, y = (values[name] for name in (of * 2)[:2])
        return list(zip(of, wrong(x, y), strict=False))

    return slopes


@settle.mistake("The slope of exp(x) is exp(x) itself, the cell's own value, and not x.", credit=0.5)
def exp_gives_its_argument(sheet, values, result):
    return _settled(sheet, values, result, _order(sheet, result), slopes=_one_rule_wrong("exp", lambda x, y: (x, x)))


@settle.mistake("In a difference the second cell pulls the result down: its slope is -1.", credit=0.5)
def minus_forgotten(sheet, values, result):
    ones = _one_rule_wrong("-", lambda x, y: (np.ones_like(x), np.ones_like(x)))
    return _settled(sheet, values, result, _order(sheet, result), slopes=ones)


@settle.mistake("A cell that is used twice keeps the last debt only: a second one must be added, not written over it.")
def overwritten(sheet, values, result):
    return _settled(sheet, values, result, _order(sheet, result), add=False)


@settle.mistake(
    "The cells were visited in the order of typing, backwards. A cell may pass on what it is owed when all its users "
    "have, and people type in another order."
)
def as_typed(sheet, values, result):
    return _settled(sheet, values, result, list(sheet)[::-1])


@settle.mistake(
    "The cells were visited in the order of typing. The result may be anywhere in it, and so may the users."
)
def as_typed_forwards(sheet, values, result):
    return _settled(sheet, values, result, list(sheet))


@settle.mistake(
    "The cells were visited in the order in which `values` lists them, backwards. That is nobody's order of computing."
)
def as_listed(sheet, values, result):
    return _settled(sheet, values, result, list(values)[::-1])


@settle.mistake(
    "Level by level from the result, each cell passes on when it is first met. Where paths of different lengths meet, "
    "that is before the longer one has paid in."
)
def level_by_level(sheet, values, result):
    return _settled(sheet, values, result, _levels(sheet, result))


@settle.mistake(
    "A cell that is reached again passes on all that it is owed once more, what it has passed on already included."
)
def paid_on_again(sheet, values, result):
    waiting, order = [result], []
    while waiting and len(order) < 3000:
        cell = waiting.pop(0)
        order.append(cell)
        waiting += list(dict.fromkeys(sheet.get(cell, ())[1:]))
    return _settled(sheet, values, result, order)


@settle.mistake(
    "The adjoints are right, and every path to the result was walked for itself: half a million of them on a sheet of "
    "36 formulas. What a cell is owed is added up once, and passed on once."
)
def every_path(sheet, values, result):
    owed = {cell: np.zeros_like(v) for cell, v in values.items()}

    def walk(cell, share):
        owed[cell] = owed[cell] + share
        if cell in sheet:
            for operand, slope in _slopes(sheet[cell], values):
                walk(operand, slope * share)

    walk(result, np.ones_like(values[result]))
    return owed


@settle.mistake(
    "Two cells share one array: a sum owes both its operands its own adjoint, and += then writes into all of them. "
    "Make a new array when you add."
)
def shared_array(sheet, values, result):
    owed = {result: np.ones_like(values[result])}
    for cell in _order(sheet, result):
        for operand, slope in _slopes(sheet[cell], values) if cell in sheet else ():
            share = owed[cell] if sheet[cell][0] == "+" else slope * owed[cell]
            if operand in owed:
                owed[operand] += share
            else:
                owed[operand] = share
    return {cell: owed.get(cell, np.zeros_like(v)) for cell, v in values.items()}


@settle.mistake("The slope of x * y in x is y, not x: each operand was given its own value as the slope.")
def own_value(sheet, values, result):
    def slopes(cell, values):
        found = _slopes(cell, values)
        return [(found[0][0], found[1][1]), (found[1][0], found[0][1])] if cell[0] == "*" else found

    return _settled(sheet, values, result, _order(sheet, result), slopes=slopes)


@settle.mistake("The cells that the result does not use are missing. It owes them nothing: zeros.", credit=0.75)
def unused_missing(sheet, values, result):
    order = _order(sheet, result)
    owed = _settled(sheet, values, result, order)
    return {cell: owed[cell] for cell in values if cell in order}


# --------------------------------------------------------------------------------------------------- 5 pay_back

pay_back = exercise.question(
    "pay_back",
    kind="function",
    points=2,
    skills=["calculus", "algebra"],
    objectives=[2],
    call="pay_back(owed, shape)",
    asks="an array of the given shape",
    rtol=1e-9,
    atol=1e-10,
    hints=(
        "One price is used for every wheel. Each use owes it something: what is it owed in all?",
        "NumPy repeats an operand along axes that it lacks in front, and along those where its length is 1. Which "
        "axes are these, and what becomes of each?",
        "First owed.sum(axis=tuple(range(owed.ndim - len(shape)))). Then, over the axes where shape has 1 and owed "
        "more, sum with keepdims=True.",
    ),
    out_of_bounds=("mle.scratch",),
)


@pay_back.probes
def _(rng, n):
    owed = np.round(rng.normal(1, 2, size=(n, 3)), 2)
    yield owed, (3,)
    yield owed, (n, 1)
    yield owed, (1, 3)
    yield owed, ()
    yield owed, (n, 3)
    yield np.round(rng.normal(size=(2, n, 4)), 2), (n, 1)
    yield np.round(rng.normal(size=(2, 1, 4)), 2), (1, 4)
    yield np.zeros((0, 3)), (3,)


@pay_back.property("the result has the operand's shape")
def _(owed, shape, output):
    return np.shape(output) == tuple(shape)


@pay_back.property("nothing is lost: the sum over all entries is the same")
def _(owed, shape, output):
    return np.isclose(np.sum(output), owed.sum())


def _folded(owed, shape, fold):
    lacking = owed.ndim - len(shape)
    axes = tuple(range(lacking)) + tuple(
        i + lacking for i, m in enumerate(shape) if m == 1 and owed.shape[i + lacking] != 1
    )
    return np.array(fold(owed, axes)).reshape(shape)


@pay_back.mistake("This is the mean of the debts. A price that is used for 20 wheels is owed 20 times.")
def mean_of_them(owed, shape):
    with np.errstate(all="ignore"):
        return _folded(owed, shape, lambda g, axes: g.sum(axis=axes) / np.prod([g.shape[i] for i in axes]))


@pay_back.mistake("The first of the uses was taken, and the others are forgotten.")
def first_of_them(owed, shape):
    return _folded(owed, shape, lambda g, axes: sum_of_first(g, axes))


def sum_of_first(g, axes):
    for axis in axes:
        g = np.take(g, range(min(1, g.shape[axis])), axis=axis)
    return g.sum(axis=axes)


@pay_back.mistake(
    "The axes in front are added up. An axis along which the operand has length 1 was repeated too.", credit=0.5
)
def front_axes_only(owed, shape):
    return owed.sum(axis=tuple(range(owed.ndim - len(shape))))


@pay_back.mistake(
    "The axes of length 1 are added up. NumPy also repeats along axes in front that the operand lacks.", credit=0.5
)
def ones_only(owed, shape):
    return owed.sum(axis=tuple(i for i, m in enumerate(shape) if m == 1 and i < owed.ndim), keepdims=True)


@pay_back.mistake("Everything was added up. Only the axes along which the operand was repeated fold; the others stay.")
def all_into_one(owed, shape):
    return np.full(shape, owed.sum())


@pay_back.mistake("This is the debt as it came, in the result's shape: nothing was added up.")
def as_it_came(owed, shape):
    return owed.copy()


# ------------------------------------------------------------------------------------------------- 6 over_limit

over_limit = exercise.question(
    "over_limit",
    kind="function",
    points=3,
    skills=["calculus", "Python", "tests made to run against models"],
    objectives=[4],
    call="over_limit(w, X, limit)",
    asks="a loss whose value and whose gradient in w are both right",
    rtol=1e-7,
    atol=1e-9,
    hints=(
        "Is the value right, and the gradient nan? The way back visits the wheels that you masked as well. What is "
        "the slope of a root at 0?",
        "Never take a root that you will not use: replace what goes into it by 1 where there is nothing over the "
        "limit, take the root, and mask the result.",
        "over = X @ w - np.where(known, limit, 0); counts = known & (over > 0); "
        "roots = np.sqrt(np.where(counts, over, 1.0)); sum np.where(counts, roots, 0.0), divide by the known ones.",
    ),
)


@over_limit.probes
def _(rng, n):
    for size in (n + 2, 6):
        X, w = np.round(rng.uniform(0.5, 2, size=(size, 3)), 3), np.round(rng.uniform(0.3, 1.0, 3), 3)
        limit = np.round(X @ w + rng.uniform(-2, -0.5, size) * np.where(np.arange(size) % 2, 1, -1), 3)
        limit[2] = np.nan
        yield w, X, limit
    yield np.array([1.0, 2.0]), np.array([[1.0, 1.0], [1.0, 0.0], [2.0, 1.0]]), np.array([2.0, 1.0, np.nan])
    yield np.array([1.0]), np.array([[1.0], [2.0]]), np.array([3.0, 2.5])


@over_limit.observe
def _(answer, w, X, limit):
    from mle.scratch.autodiff import value_and_grad

    return value_and_grad(lambda w: answer(w, X.copy(), limit.copy()))(w)


@over_limit.property("the loss and its gradient are finite")
def _(w, X, limit, output):
    return np.isfinite(output[0]) and np.isfinite(output[1]).all()


def gradient_is_nan(w, X, limit, output):
    return np.isfinite(output[0]) and np.isnan(output[1]).any()


def value_is_nan(w, X, limit, output):
    return bool(np.isnan(output[0]))


def _roots(over, counts):
    return np.where(counts, np.sqrt(np.where(counts, over, 1.0)), 0.0)


@over_limit.mistake(
    "The loss is a number and its gradient is nan: a masked branch is visited on the way back, and 0 times an infinite "
    "slope is nan. Mask what goes into the root, not only what comes out.",
    seen=gradient_is_nan,
)
def masked_too_late(w, X, limit):
    known = ~np.isnan(limit)
    over = X @ w - np.where(known, limit, 0.0)
    return np.sum(np.where(known & (over > 0), np.sqrt(over), 0.0)) / known.sum()


@over_limit.mistake(
    "The loss itself is nan: a wheel without a limit, or the root of a negative number, got into the sum.",
    seen=value_is_nan,
)
def gaps_in_the_sum(w, X, limit):
    over = X @ w - limit
    return np.mean(_roots(over, ~(np.isnan(limit) | (over <= 0)))) + 0 * np.sum(over)


@over_limit.mistake("A wheel without a limit was taken for one with the limit 0. It has none, and does not count.")
def limit_of_zero(w, X, limit):
    over = X @ w - np.where(np.isnan(limit), 0.0, limit)
    return np.mean(_roots(over, over > 0))


@over_limit.mistake("The sum was divided by all wheels. Those without a limit were not judged.", credit=0.5)
def over_all_wheels(w, X, limit):
    known = ~np.isnan(limit)
    over = X @ w - np.where(known, limit, 0.0)
    return np.sum(_roots(over, known & (over > 0))) / len(limit)


@over_limit.mistake(
    "The mean is over the wheels that are over their limit. One that keeps to its limit counts too, with 0.", credit=0.5
)
def over_the_offenders(w, X, limit):
    known = ~np.isnan(limit)
    over = X @ w - np.where(known, limit, 0.0)
    counts = known & (over > 0)
    return np.sum(_roots(over, counts)) / max(counts.sum(), 1)


@over_limit.mistake(
    "A small number was added under the root. The gradient is finite now, and the loss is another: every wheel within "
    "its limit pays, too.",
    credit=0.25,
)
def shifted_root(w, X, limit):
    known = ~np.isnan(limit)
    over = np.maximum(X @ w - np.where(known, limit, 0.0), 0.0)
    return np.sum(np.where(known, np.sqrt(over + 1e-6), 0.0)) / known.sum()
