"""Checks of the exercise math/svd: the direction of largest stretch, truncation, and principal components.

A singular vector may come out with either sign: `top_direction` is observed up to its sign, and `pca` states a rule.
"""

import numpy as np

from coursework import Exercise, Integer, Real

exercise = Exercise(
    "math/svd",
    title="Fewer numbers for the same temperatures",
    minutes=55,
    parameters=[
        Integer("seed", 0, 2**31 - 1),
        Integer("n", 40, 300),
        Integer("p", 6, 16),
        Integer("rank", 2, 5),
        Real("gap", 0.02, 0.3),
        Real("share", 0.6, 0.97),
    ],
)


def _orthonormal(rng, n, k):
    return np.linalg.qr(rng.normal(size=(n, k)))[0]


def stretched(rng, n, p, gap):
    """A (n, p), °C, whose second stretch is shorter than its first, about 500 °C, by the share `gap`."""
    k = min(n, p)
    sigma = 500 * (1 - gap) * 0.7 ** np.arange(-1.0, k - 1)
    sigma[0] = 500
    return _orthonormal(rng, n, k) * sigma @ _orthonormal(rng, p, k).T


def stations(rng, n, p):
    """Water temperatures (n hours, p stations), °C: about 70, and most of what varies does so in a few ways at once."""
    spread = 6 * 0.7 ** np.arange(p)
    return rng.uniform(55, 85, p) + rng.normal(size=(n, p)) * spread @ _orthonormal(rng, p, p).T


# -------------------------------------------------------------------------------------------------- 1 shares

shares = exercise.question(
    "shares",
    kind="function",
    points=1,
    skills=["algebra", "statistics"],
    objectives=[3],
    call="shares(sigma)",
    asks="an array as long as sigma",
    hints=(
        "In which unit does a singular value of a table of °C come, and in which a variance?",
        "The variance along a component is its singular value squared, over n - 1. What becomes of n - 1 in a share?",
        "Square sigma, then divide by the sum of the squares.",
    ),
)


@shares.probes
def _(rng, p):
    yield np.array([4.0, 2.0, 1.0])
    yield np.array([12.0, 5.0, 0.0])
    yield np.array([3.0])
    yield np.sort(rng.exponential(100, p))[::-1].copy()


@shares.property("the shares add up to 1")
def _(sigma, output):
    return abs(np.sum(output) - 1) < 1e-9


@shares.property("a component with twice the singular value has four times the share")
def _(sigma, output):
    return np.allclose(output * sigma[0] ** 2, output[0] * sigma**2)


@shares.mistake(
    "These are shares of the sum of the singular values. Those are lengths, in °C; a variance is in °C squared."
)
def of_the_singular_values(sigma):
    return sigma / sigma.sum()


@shares.mistake(
    "These are running totals: what the first components hold together. Each has its own share.", credit=0.5
)
def running_totals(sigma):
    return np.cumsum(sigma**2) / np.sum(sigma**2)


@shares.mistake("Here each is compared with the largest. A share is a part of the whole.")
def of_the_largest(sigma):
    return sigma**2 / sigma[0] ** 2


@shares.mistake("The whole was squared after adding up. It is the squares that add up.")
def of_the_squared_sum(sigma):
    return sigma**2 / np.sum(sigma) ** 2


@shares.mistake("These are in °C squared still. A share has no unit.")
def squares_alone(sigma):
    return sigma**2


# ------------------------------------------------------------------------------------------- 2 top_direction

THE_LIBRARY = (
    "numpy.linalg.svd",
    "numpy.linalg.svdvals",
    "numpy.linalg.eig",
    "numpy.linalg.eigh",
    "numpy.linalg.eigvals",
    "numpy.linalg.eigvalsh",
    "numpy.linalg.matrix_power",
    "scipy",
    "sklearn",
    "mle.scratch",
)

top_direction = exercise.question(
    "top_direction",
    kind="function",
    points=3,
    skills=["algebra", "basic algorithms"],
    objectives=[1],
    call="top_direction(A, start)",
    asks="a vector of length 1 with an entry for each column of A; either sign will do",
    rtol=0,
    atol=1e-5,
    hints=(
        "Which matrix multiplies v_1 by σ_1², and every other v_i by something smaller?",
        "Multiply by A, then by A.T, divide by the length, and again. How often depends on (σ_2/σ_1)²: let the loop "
        "find out.",
        "Stop when A.T @ (A @ v) differs from its own part along v by less than 1e-9 of its length, or do 5,000 "
        "steps: they are cheap.",
    ),
    out_of_bounds=THE_LIBRARY,
)


@top_direction.probes
def _(rng, n, p, gap):
    A = stretched(rng, n, p, gap)
    yield A, rng.normal(size=p)
    yield A / 1e6, rng.normal(size=p)
    yield stretched(rng, n, p, 0.02), rng.normal(size=p)
    yield stretched(rng, p, n, 0.2), rng.normal(size=n)
    yield np.array([[1.0, 3.0], [0.0, 1.0]]), np.array([1.0, 1.0])
    yield np.array([[3.0, 4.0]]), np.array([2.0, 0.0])


@top_direction.observe
def _(answer, A, start):
    v = answer(A, start)
    if not isinstance(v, np.ndarray) or v.ndim != 1 or v.size == 0 or not np.isfinite(v).all():
        return v
    return -v if v[np.abs(v).argmax()] < 0 else v


@top_direction.property("v has an entry for each column of A")
def _(A, start, v):
    return v.shape == (A.shape[1],)


@top_direction.property("v has length 1")
def _(A, start, v):
    return abs(np.linalg.norm(v) - 1) < 1e-9


@top_direction.property("A.T @ (A @ v) is a multiple of v, to within 1e-7 of the largest one")
def _(A, start, v):
    w = A.T @ (A @ v)
    return np.linalg.norm(w - (v @ w) * v) <= 1e-7 * np.linalg.norm(A, 2) ** 2


@top_direction.property("no unit vector is stretched more")
def _(A, start, v):
    return np.linalg.norm(A @ v) >= (1 - 1e-9) * np.linalg.norm(A, 2)


def _sine(A, v):
    """Sine of the angle between v, of any length, and the direction that A stretches most."""
    top = np.linalg.svd(A, full_matrices=False)[2][0]
    return np.linalg.norm(v - (v @ top) * top) / np.linalg.norm(v)


def stopped_on_the_way(A, start, v):
    return A.shape[0] != 1 and abs(np.linalg.norm(v) - 1) < 1e-6 and 4e-6 < _sine(A, v) < 0.3


def overflowed(A, start, v):
    return v.shape == (A.shape[1],) and (not np.isfinite(v).all() or not v.any())


def any_length(A, start, v):
    return v.shape == (A.shape[1],) and abs(np.linalg.norm(v) - 1) > 1e-3 and _sine(A, v) < 1e-5


@top_direction.mistake(
    "The direction is nearly there. How many steps it takes depends on the gap between the two longest stretches, and "
    "where the gap is small each step is small long before the error is. (Take A as it is: centred, it is another "
    "table, with another direction.)",
    credit=0.5,
    seen=stopped_on_the_way,
)
def ten_steps(A, start):
    v = start
    for _ in range(10):
        v = A.T @ (A @ v)
        v = v / np.linalg.norm(v)
    return v


@top_direction.mistake(
    "The numbers have left the range of floats on the way: every step multiplies by σ_1². Bring the length back in "
    "each step, not at the end.",
    seen=overflowed,
)
def normalised_at_the_end(A, start):
    v = start
    with np.errstate(all="ignore"):
        for _ in range(1000):
            v = A.T @ (A @ v)
        return v / np.linalg.norm(v)


@top_direction.mistake(
    "The direction is right and the length is not 1: a stretch is told by what becomes of a unit vector.",
    credit=0.5,
    seen=any_length,
)
def stretched_once_more(A, start):
    v = start
    for _ in range(1000):
        v = A.T @ (A @ v)
        v = v / np.linalg.norm(v)
    return A.T @ (A @ v)


@top_direction.mistake(
    "A alone takes a pattern over stations to a list of hours. What takes the list of hours back to a pattern?"
)
def without_the_way_back(A, start):
    v = start
    for _ in range(1000):
        v = A @ v
        v = v / np.linalg.norm(v)
    return v


@top_direction.mistake(
    "This has an entry for each row of A: it is where the direction is sent, u, and not the direction v."
)
def other_side(A, start):
    v = start
    for _ in range(1000):
        v = A.T @ (A @ v)
        v = v / np.linalg.norm(v)
    return A @ v / np.linalg.norm(A @ v)


# ------------------------------------------------------------------------------------------------ 3 truncate

truncate = exercise.question(
    "truncate",
    kind="function",
    points=2,
    skills=["algebra"],
    objectives=[2],
    call="truncate(A, k)",
    asks="an array of A's shape",
    hints=(
        "A is a sum of layers σ_i u_i v_iᵀ. Which of them do you keep?",
        "np.linalg.svd(A, full_matrices=False) returns U, sigma and V already transposed: a row of it is a v.",
        "(U[:, :k] * sigma[:k]) @ Vt[:k]",
    ),
    out_of_bounds=("sklearn", "mle.scratch"),
)


@truncate.probes
def _(rng, n, p, rank):
    yield stations(rng, n, p), rank
    yield stations(rng, 5, p + 3).copy(), 2
    yield np.array([[3.0, 0.0, 0.0], [0.0, 2.0, 0.0], [0.0, 0.0, 1.0], [0.0, 0.0, 0.0]]), 1
    yield rng.normal(size=(7, 5)) + 3, 4
    yield rng.normal(size=(6, 3)), 0
    yield rng.normal(size=(4, 3)), 3


@truncate.property("the rank is k at most")
def _(A, k, output):
    return np.all(np.linalg.svd(output, compute_uv=False)[k:] <= 1e-9 * np.linalg.norm(A))


@truncate.property("the error is the one of Eckart and Young, the smallest that any table of this rank can have")
def _(A, k, output):
    tail = np.linalg.svd(A, compute_uv=False)[k:]
    return abs(np.linalg.norm(A - output) - np.linalg.norm(tail)) <= 1e-9 * np.linalg.norm(A)


def _layers(A, keep, values=None):
    U, sigma, Vt = np.linalg.svd(A, full_matrices=False)
    sigma = np.ones_like(sigma) if values == "ones" else sigma
    return (U[:, keep] * sigma[keep]) @ Vt[keep]


@truncate.mistake(
    "NumPy returns V already transposed. Its rows are the v_i; here its columns were taken, which are no directions."
)
def columns_of_vt(A, k):
    U, sigma, Vt = np.linalg.svd(A, full_matrices=False)
    return (U[:, :k] * sigma[:k]) @ Vt[:, :k].T


@truncate.mistake("The shortest layers were kept. NumPy puts the longest first.")
def the_shortest(A, k):
    size = min(A.shape)
    return _layers(A, slice(size - k, size))


@truncate.mistake("k layers were dropped. k is the number to keep.")
def dropped_instead(A, k):
    return _layers(A, slice(0, min(A.shape) - k))


@truncate.mistake("Each layer has length 1 here: u_i v_iᵀ says in which direction, and something must say how much.")
def without_sigma(A, k):
    return _layers(A, slice(0, k), "ones")


@truncate.mistake(
    "The column means were taken off and not put back. This question asks about A as it is; PCA comes in the next one."
)
def centred(A, k):
    return _layers(A - A.mean(axis=0), slice(0, k))


@truncate.mistake(
    "The column means were taken off and put back. They are a layer of their own, so that the rank is k + 1.",
    credit=0.5,
)
def centred_and_put_back(A, k):
    return _layers(A - A.mean(axis=0), slice(0, k)) + A.mean(axis=0)


# ----------------------------------------------------------------------------------------------------- 4 pca

pca = exercise.question(
    "pca",
    kind="function",
    points=3,
    skills=["algebra", "statistics"],
    objectives=[3],
    call="pca(X, k)",
    asks="a tuple of two arrays: components (k, p) and variances (k,)",
    rtol=1e-6,
    atol=1e-8,
    hints=(
        "What does a variance measure distances from?",
        "Take the column means off, then the SVD. The variance along v_i is σ_i²/(n - 1).",
        "For the signs: places = np.abs(V).argmax(axis=1) for V = Vt[:k], and V[np.arange(k), places] are the entries "
        "to make positive, by multiplying their rows.",
    ),
    out_of_bounds=("sklearn", "mle.scratch"),
)


@pca.probes
def _(rng, n, p, rank):
    yield stations(rng, n, p), rank
    yield np.array([[70.0, 60.0, 50.0], [66.0, 62.0, 51.0]]), 1
    yield stations(rng, 12, 5), 5
    yield stations(rng, n, 4) - 70, 2


def _well_formed(output, X, k):
    components, variances = output
    return components.shape == (k, X.shape[1]) and variances.shape == (k,)


@pca.property("there are k components, each with an entry for each column of X, and k variances")
def _(X, k, output):
    return _well_formed(output, X, k)


@pca.property("the components are unit vectors, each perpendicular to the others")
def _(X, k, output):
    return np.allclose(output[0] @ output[0].T, np.eye(k), rtol=0, atol=1e-9)


@pca.property("the variances are those of the data along the components, and no k directions have more of it")
def _(X, k, output):
    components, variances = output
    along = np.var(X @ components.T, axis=0, ddof=1)
    most = np.linalg.svd(X - X.mean(axis=0), compute_uv=False)[:k] ** 2 / (len(X) - 1)
    return np.allclose(variances, along, rtol=1e-6) and np.allclose(variances, most, rtol=1e-6)


@pca.property("in each component the entry of largest size is positive")
def _(X, k, output):
    return all(v[np.abs(v).argmax()] > 0 for v in output[0])


def _pca(X, k, centre=True, scale=False, power=2, over=-1):
    A = X - X.mean(axis=0) if centre else X
    A = A / A.std(axis=0, ddof=1) if scale else A
    _, sigma, Vt = np.linalg.svd(A, full_matrices=False)
    V = Vt[:k]
    V = V * np.sign(V[np.arange(len(V)), np.abs(V).argmax(axis=1)])[:, None]
    return V, (sigma[:k] ** 2 / (len(X) + over)) ** (power / 2)


def signs_differ(X, k, output):
    components, variances = output
    right, spread = _pca(X, k)
    up_to_sign = np.allclose(np.abs(np.sum(components * right, axis=1)), 1, rtol=0, atol=1e-7)
    same = np.allclose(components, right, rtol=1e-6, atol=1e-7)
    return _well_formed(output, X, k) and up_to_sign and not same and np.allclose(variances, spread, rtol=1e-6)


@pca.mistake(
    "The columns are not centred. The first component then points from 0 °C to the average hour, and its 'variance' "
    "tells how warm the grid is."
)
def not_centred(X, k):
    return _pca(X, k, centre=False)


@pca.mistake("The components are right, and beside them stand singular values: lengths in °C, that grow with n.")
def singular_values(X, k):
    return _pca(X, k)[0], np.linalg.svd(X - X.mean(axis=0), compute_uv=False)[:k]


@pca.mistake(
    "The components are right, and beside them stand standard deviations, in °C. A variance is in °C².", credit=0.5
)
def standard_deviations(X, k):
    return _pca(X, k, power=1)


@pca.mistake(
    "The variances are divided by n. The mean came from the same rows; this question asks for n - 1.", credit=0.5
)
def divided_by_n(X, k):
    return _pca(X, k, over=0)


@pca.mistake("These are shares of the whole variance. The question asks for the variances, in °C².", credit=0.5)
def shares_of_variance(X, k):
    every = _pca(X, min(X.shape))[1]
    return _pca(X, k)[0], every[:k] / every.sum()


@pca.mistake(
    "Every column was scaled to the same spread. That is right where columns have different units; here all are °C, "
    "and it blows a quiet station's noise up to the size of a signal."
)
def standardised(X, k):
    return _pca(X, k, scale=True)


@pca.mistake(
    "Components and variances are right but for signs. NumPy's come as they please, and differ between machines: the "
    "question states a rule.",
    credit=0.5,
    seen=signs_differ,
)
def signs_as_they_come(X, k):
    V, variances = _pca(X, k)
    return -V, variances


@pca.mistake("The components stand in columns. The question asks for a row each.", credit=0.5)
def in_columns(X, k):
    V, variances = _pca(X, k)
    return V.T, variances


# ------------------------------------------------------------------------------------------------ 5 how_many

how_many = exercise.question(
    "how_many",
    kind="function",
    points=2,
    skills=["statistics", "problem solving"],
    objectives=[4],
    call="how_many(X, share)",
    asks="a whole number of components",
    rtol=0,
    atol=0,
    hints=(
        "What part of the variance do the first k components hold together? It grows with k; where does it reach the "
        "share?",
        "Singular values of the centred table, squared; their running totals (np.cumsum) over their sum.",
        "np.searchsorted(totals, share) is the place, counted from 0, of the first total that is large enough. The "
        "number of components is one more.",
    ),
    out_of_bounds=("sklearn", "mle.scratch"),
)


def _with_shares(rng, n, parts, rotate):
    """A table of °C whose components hold exactly these shares of the variance."""
    k = len(parts)
    H = rng.normal(size=(n, k))
    scores = np.linalg.qr(H - H.mean(axis=0))[0]  # orthonormal, and each column adds up to zero
    table = scores * np.sqrt(parts) * 40
    return rng.uniform(55, 85, k) + (table @ _orthonormal(rng, k, k).T if rotate else table)


@how_many.probes
def _(rng, n, p, share):
    halves = np.array([1 / 2, 1 / 4, 1 / 8, 1 / 16, 1 / 16])
    one_large = np.array([0.9, *[0.1 / 7] * 7])
    cases = [
        (_with_shares(rng, n, halves, rotate=True), 0.6),
        (_with_shares(rng, n, halves, rotate=True), 0.9),
        (_with_shares(rng, n, one_large, rotate=False), 0.8),
        (_with_shares(rng, n, one_large, rotate=False), 0.95),
        (stations(rng, n, p), share),
        (stations(rng, n, p), 0.5),
        # Two equal shares in numbers that are exact on any machine: one component holds exactly half.
        (np.array([[72.0, 60.0], [70.0, 62.0], [68.0, 60.0], [70.0, 58.0]]), 0.5),
    ]
    for i in rng.permutation(len(cases)):
        yield cases[i]


def _count(X, share, centre=True, scale=False, power=2, side="left"):
    A = X - X.mean(axis=0) if centre else X
    A = A / A.std(axis=0) if scale else A
    parts = np.linalg.svd(A, compute_uv=False) ** power
    return int(np.searchsorted(np.cumsum(parts) / parts.sum(), share, side)) + 1


@how_many.property("so many components hold the share, and one fewer does not")
def _(X, share, output):
    parts = np.linalg.svd(X - X.mean(axis=0), compute_uv=False) ** 2
    totals = np.concatenate([[0], np.cumsum(parts) / parts.sum()])
    return totals[output] >= share - 1e-9 and totals[output - 1] < share


@how_many.mistake(
    "The columns are not centred: nearly all of what you measured here is how far from 0 °C the grid is kept."
)
def uncentred(X, share):
    return _count(X, share, centre=False)


@how_many.mistake("This is the share of the sum of the singular values, and the question is about variance.")
def singular_values_added(X, share):
    return _count(X, share, power=1)


@how_many.mistake(
    "This is a place in an array, counted from 0. With that many components the share is not reached.", credit=0.5
)
def one_too_few(X, share):
    return _count(X, share) - 1


@how_many.mistake(
    "One component more than it takes. Does the first total stand for one component or for none?", credit=0.5
)
def one_too_many(X, share):
    return _count(X, share) + 1


@how_many.mistake(
    "Where components hold the share exactly, they hold it: the question says at least, and this waits for more.",
    credit=0.5,
)
def waits_for_more(X, share):
    return _count(X, share, side="right")


@how_many.mistake(
    "Every column was scaled to the same spread first, so that the share is no longer one of the variance in °C²."
)
def scaled_first(X, share):
    return _count(X, share, scale=True)


# ------------------------------------------------------------------------------------------------ 6 distance

distance = exercise.question(
    "distance",
    kind="function",
    points=3,
    skills=["algebra", "tests made to run against models", "problem solving"],
    objectives=[2],
    call="distance(X, new, k)",
    asks="an array with a distance in °C for each row of new",
    rtol=1e-6,
    atol=1e-7,
    hints=(
        "What did the control room know when the new hour came: whose mean, whose components?",
        "Take X's mean off the new rows. A row splits into its part along the k components and a rest that is "
        "perpendicular to all of them.",
        "With D = new - mean and V = the first k rows of Vt, the rests are D - D @ V.T @ V, and a distance is the "
        "length of a row.",
    ),
    out_of_bounds=("sklearn", "mle.scratch"),
)


@distance.probes
def _(rng, n, p, rank):
    X = stations(rng, n + 6, p)
    new = X[n:].copy()
    new[2, rng.integers(p)] += 15  # a stuck valve
    yield X[:n].copy(), new, rank
    yield X[:n].copy(), new[:1].copy(), 1
    yield np.array([[70.0, 50.0], [72.0, 50.0], [68.0, 50.0]]), np.array([[90.0, 53.0], [70.0, 46.0], [71.0, 50.0]]), 1
    yield X[:n].copy(), np.vstack([X[:n].mean(axis=0), X[3]]), 2


def _rest(X, new, k, mean=None, source=None):
    mean = X.mean(axis=0) if mean is None else mean
    source = X - X.mean(axis=0) if source is None else source
    V = np.linalg.svd(source, full_matrices=False)[2][:k]
    D = new - mean
    return D - D @ V.T @ V, D @ V.T


@distance.property("there is one distance for each row of new, and none is negative")
def _(X, new, k, output):
    return output.shape == (len(new),) and np.all(output >= 0)


@distance.property("no row is farther from the plane than from the mean, which lies on it")
def _(X, new, k, output):
    return np.all(output <= np.linalg.norm(new - X.mean(axis=0), axis=1) + 1e-6)


@distance.property("Pythagoras: distance and part in the plane, squared, add up to the squared distance from the mean")
def _(X, new, k, output):
    inside = np.linalg.norm(_rest(X, new, k)[1], axis=1)
    return np.allclose(output**2 + inside**2, np.sum((new - X.mean(axis=0)) ** 2, axis=1), rtol=1e-6, atol=1e-6)


@distance.mistake(
    "The new rows were centred at their own mean. A single new hour would then never be unusual, and a grid that is "
    "too cold everywhere is not seen."
)
def their_own_mean(X, new, k):
    return np.linalg.norm(_rest(X, new, k, mean=new.mean(axis=0))[0], axis=1)


@distance.mistake("The components were made from the new rows. They fit those well, whatever has happened.")
def fitted_to_the_new(X, new, k):
    D = new - new.mean(axis=0)
    return np.linalg.norm(_rest(X, new, k, mean=new.mean(axis=0), source=D)[0], axis=1)


@distance.mistake("No mean was taken off: this plane goes through 0 °C at every station.")
def through_the_origin(X, new, k):
    return np.linalg.norm(_rest(X, new, k, mean=np.zeros(X.shape[1]), source=X)[0], axis=1)


@distance.mistake("The components come from the centred table, and the new rows were not centred.")
def new_not_centred(X, new, k):
    return np.linalg.norm(_rest(X, new, k, mean=np.zeros(X.shape[1]))[0], axis=1)


@distance.mistake("This is how far a row lies from the mean within the plane. What is left outside it?")
def within_the_plane(X, new, k):
    return np.linalg.norm(_rest(X, new, k)[1], axis=1)


@distance.mistake("This is the distance squared, in °C².", credit=0.5)
def squared(X, new, k):
    return np.sum(_rest(X, new, k)[0] ** 2, axis=1)


@distance.mistake("This is the distance from the mean, whatever the direction. Moves along the plane are no news.")
def from_the_mean(X, new, k):
    return np.linalg.norm(new - X.mean(axis=0), axis=1)
