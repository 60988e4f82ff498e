"""Checks of the exercise math/least_squares: a solver that survives ill-conditioned tables, and the choice of one.

An ill-conditioned answer cannot be compared number by number: every backward-stable solver gives other last digits. So
`solve` and `reflector` are judged by properties, whose bounds leave a factor of a thousand to rounding.
"""

import numpy as np

from coursework import Exercise, Integer, Real

exercise = Exercise(
    "math/least_squares",
    title="Least squares without the library",
    minutes=50,
    parameters=[
        Integer("seed", 0, 2**31 - 1),
        Integer("n", 20, 200),
        Integer("p", 2, 8),
        Real("condition", 1e6, 1e11, log=True),
    ],
)


def table(rng, n, p, condition):
    """A (n, p) whose singular values run evenly, in their logarithm, from 1 down to 1/condition."""
    U, V = np.linalg.qr(rng.normal(size=(n, p)))[0], np.linalg.qr(rng.normal(size=(p, p)))[0]
    return U * np.geomspace(1, 1 / condition, p) @ V.T


# ------------------------------------------------------------------------------------------- design_matrix

design_matrix = exercise.question(
    "design_matrix",
    kind="function",
    points=1,
    skills=["algebra", "Python"],
    objectives=[1],
    call="design_matrix(X)",
    asks="an array with the rows of X and one column more",
    hints=(
        "Which feature has the same value for every patient, so that its coefficient is a constant?",
        "The new column is all ones, as long as X has rows, and stands first.",
        "np.ones(len(X)) is the column; np.column_stack puts arrays side by side.",
    ),
)


@design_matrix.probes
def _(rng, n, p):
    yield rng.normal(50, 10, size=(n, p))
    yield np.array([[2, 3], [4, 5], [7, 7]])
    yield np.array([[1.5], [2.5], [9.0], [4.0]])
    yield np.array([[3.0, 1.0, 4.0]])


@design_matrix.property("the first column is all ones and the others are X")
def _(X, output):
    return np.array_equal(output[:, 0], np.ones(len(X))) and np.array_equal(output[:, 1:], X)


@design_matrix.mistake(
    "There is no intercept: a model on these columns must predict zero for a patient whose features are all zero."
)
def no_intercept(X):
    return X.copy()


@design_matrix.mistake(
    "The ones are there, in the last column. The fit would be as good, but whoever reads the first "
    "coefficient as the intercept reads another one."
)
def intercept_last(X):
    return np.column_stack([X, np.ones(len(X))])


@design_matrix.mistake(
    "The ones have become a patient, side by side in a row. They are a feature, which every patient has."
)
def ones_in_a_row(X):
    return np.vstack([np.ones(X.shape[1]), X])


@design_matrix.mistake("This is transposed: a row is a patient and a column is a feature.")
def transposed(X):
    return np.column_stack([np.ones(len(X)), X]).T


@design_matrix.mistake("Centring the columns lets a model do without an intercept in training; it does not add one.")
def centred(X):
    return X - X.mean(axis=0)


# ------------------------------------------------------------------------------------------ largest_cosine

largest_cosine = exercise.question(
    "largest_cosine",
    kind="function",
    points=2,
    skills=["algebra", "tests made to run against models"],
    objectives=[1],
    call="largest_cosine(A, b, x)",
    asks="a number from 0 to 1",
    hints=(
        "The cosine of the angle between u and v is u·v / (|u| |v|). Which vector is u here, and which are the v?",
        "A.T @ r holds the products of the residual with all columns at once; np.linalg.norm(A, axis=0) their lengths.",
        "Take absolute values before the maximum, and return 0.0 before you divide by a residual of length zero.",
    ),
)


@largest_cosine.probes
def _(rng, n, p):
    A, b = rng.normal(size=(n, p)), rng.normal(size=n)
    yield A, b, np.linalg.lstsq(A, b)[0]
    yield A * np.geomspace(1, 1e4, p), b, rng.normal(size=p)
    # The residual points against the first column, so that the cosine to find is negative.
    yield np.array([[1.0, 0.0], [2.0, 0.0], [2.0, 1.0]]), np.array([-2.0, -4.0, -5.0]), np.array([1.0, 0.5])
    yield np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]]), np.array([2.0, 3.0, 5.0]), np.array([2.0, 3.0])
    yield np.array([[3.0], [4.0]]), np.array([1.0, 1.0]), np.array([1.0])


@largest_cosine.property("a cosine's size lies between 0 and 1")
def _(A, b, x, output):
    return -1e-9 <= output <= 1 + 1e-9


@largest_cosine.mistake(
    "This has a unit: it grows when a column is written in grams instead of kilograms. Divide by the lengths."
)
def without_lengths(A, b, x):
    return float(np.abs(A.T @ (b - A @ x)).max())


@largest_cosine.mistake("A cosine of -1 is as far from orthogonal as one of +1, and it gets lost in this maximum.")
def signed(A, b, x):
    r = b - A @ x
    if not r.any():
        return 0.0
    return float(np.max(A.T @ r / (np.linalg.norm(A, axis=0) * np.linalg.norm(r))))


@largest_cosine.mistake("These are the angles with the target. It is what the fit leaves over that must be orthogonal.")
def angle_with_the_target(A, b, x):
    return float(np.max(np.abs(A.T @ b) / (np.linalg.norm(A, axis=0) * np.linalg.norm(b))))


@largest_cosine.mistake(
    "This is the size of the residual. A large one may be the best there is, and a small one may not: "
    "what tells is its direction."
)
def size_of_the_residual(A, b, x):
    return float(np.linalg.norm(b - A @ x) / np.linalg.norm(b))


@largest_cosine.mistake(
    "Where the fit is perfect the residual is zero and has no direction: 0/0. Decide that case before dividing.",
    credit=0.5,
)
def nothing_for_a_perfect_fit(A, b, x):
    r = b - A @ x
    with np.errstate(invalid="ignore"):
        return float(np.max(np.abs(A.T @ r) / (np.linalg.norm(A, axis=0) * np.linalg.norm(r))))


@largest_cosine.mistake("The shapes do not meet: A @ r multiplies rows with the residual. Which axis of A is a column?")
def rows_for_columns(A, b, x):
    return float(np.max(np.abs(A @ (b - A @ x))))


# ----------------------------------------------------------------------------------------------- reflector

THE_LIBRARY = (
    "numpy.linalg.lstsq",
    "numpy.linalg.qr",
    "numpy.linalg.svd",
    "numpy.linalg.pinv",
    "scipy",
    "sklearn",
    "mle.scratch",
)

reflector = exercise.question(
    "reflector",
    kind="function",
    points=2,
    skills=["algebra", "basic algorithms"],
    objectives=[3],
    call="reflector(x)",
    asks="a vector of length 1, as long as x",
    compare=False,  # v and -v are the same mirror, and either sign of the first entry will do where it is stable
    hints=(
        "Draw x and the axis. A mirror that swaps two arrows of the same length stands half-way between them.",
        "Its normal is the difference of the two arrows: x minus a vector that has only a first entry, of x's length.",
        "Change the first entry of a copy by the norm of x, so that its size grows (np.copysign gives the sign), then "
        "divide by the new norm.",
    ),
    out_of_bounds=THE_LIBRARY,
)


@reflector.probes
def _(rng, n):
    yield rng.normal(size=n)
    yield np.array([3.0, 4.0])
    yield np.array([-2.0, 1.0, 2.0])
    yield np.array([0.0, 3.0, 4.0])
    yield np.array([1.0, 1e-9])  # its norm rounds to 1
    yield np.array([-1.0, 1e-9])  # and here on the other side
    yield np.array([5.0, 0.0, 0.0])
    yield np.array([7.0])


@reflector.property("v has as many entries as x")
def _(x, v):
    return v.shape == x.shape


@reflector.property("v has length 1")
def _(x, v):
    return abs(np.linalg.norm(v) - 1) < 1e-12


@reflector.property("x - 2 v (v·x) is zero below its first entry, to within rounding")
def _(x, v):
    return np.all(np.abs((x - 2 * v * (v @ x))[1:]) <= 1e-13 * np.linalg.norm(x))


@reflector.mistake(
    "For most vectors this is right. For one that lies almost on the axis the first entry is the difference of two "
    "nearly equal numbers, and nothing of it is left. You may choose where on the axis x is sent."
)
def cancels(x):
    v = x.copy()
    v[0] -= np.linalg.norm(x)
    with np.errstate(invalid="ignore"):
        return v / np.linalg.norm(v)


@reflector.mistake(
    "The norm is always added. Where x points down the axis, its first entry and the norm cancel: look at the sign."
)
def always_added(x):
    v = x.copy()
    v[0] += np.linalg.norm(x)
    with np.errstate(invalid="ignore"):
        return v / np.linalg.norm(v)


@reflector.mistake("np.sign(0) is 0: for an x that begins with zero, this mirror does not send it to the axis.")
def sign_of_zero(x):
    v = x.copy()
    v[0] += np.sign(x[0]) * np.linalg.norm(x)
    return v / np.linalg.norm(v)


@reflector.mistake("The direction is right and the length is not 1, so x - 2 v (v·x) is not a reflection.")
def not_unit(x):
    v = x.copy()
    v[0] += np.copysign(np.linalg.norm(x), x[0])
    return v


@reflector.mistake("This mirror is perpendicular to x itself: it sends x to -x, and nothing becomes zero.")
def perpendicular_to_x(x):
    return x / np.linalg.norm(x)


@reflector.mistake(
    "The norm was added to every entry (NumPy broadcasts a number). Only one of them belongs to the axis."
)
def added_everywhere(x):
    v = x + np.copysign(np.linalg.norm(x), x[0])
    return v / np.linalg.norm(v)


# --------------------------------------------------------------------------------------------------- solve

solve = exercise.question(
    "solve",
    kind="function",
    points=4,
    skills=["algebra", "basic algorithms"],
    objectives=[3],
    call="solve(A, b)",
    asks="a vector with one coefficient for each column of A",
    compare=False,  # see the module's docstring
    hints=(
        "Reflections keep lengths. What do p of them do to A, if each empties one column below the diagonal?",
        "Put b beside A as one more column and reflect both: column j from row j down, with the mirror of that column. "
        "Row p and what follows is then the residual's business.",
        "After M[j:, j:] -= 2 * np.outer(v, v @ M[j:, j:]) for every j, the first p rows hold a triangle and a "
        "right-hand side; np.linalg.solve may finish, or a loop from the last row up.",
    ),
    out_of_bounds=THE_LIBRARY,
)

#: e squared is three quarters of the spacing of floats at 1, so 1 + e**2 rounds to 1 + (4/3) e**2: every solver that
#: stores A'A finds 3/4 of the second coefficient here, whatever it does next.
EDGE = np.sqrt(0.75) * 2.0**-26
FINGERPRINT = np.array([[1.0, 1.0], [0.0, EDGE], [0.0, 0.0]])
TRUE_SECOND = 2.0**20

#: P. Läuchli (1961): columns that are perpendicular but for their first entry. 1 + e**2 rounds to 1.
LAUCHLI = np.vstack([np.ones(3), 2.0**-27 * np.eye(3)])
LAUCHLI_TARGET = np.concatenate([[1.0], 2.0**-27 * np.array([4.0, 1.0, 2.0])])


@solve.probes
def _(rng, n, p, condition):
    yield np.array([[1.0, 1.0], [1.0, 2.0], [1.0, 3.0], [1.0, 4.0]]), np.array([1.0, 3.0, 2.0, 5.0])
    yield rng.normal(size=(n, p)), rng.normal(size=n)
    yield rng.normal(size=(p, p)) + 3 * np.eye(p), rng.normal(size=p)
    yield np.array([[1.0], [2.0], [2.0]]), np.array([4.0, 1.0, 4.0])
    A = table(rng, n, p, condition)
    yield A, A @ rng.normal(size=p)
    yield A, A @ rng.normal(size=p) + 0.1 * rng.normal(size=n)
    yield FINGERPRINT.copy(), np.array([1.0, EDGE * TRUE_SECOND, 0.0])
    yield LAUCHLI.copy(), LAUCHLI_TARGET.copy()


def backward_error(A, b, x):
    """The smallest relative change of A for which x is the exact least-squares solution, to within a small factor.

    Estimate of R. Karlson and B. Waldén (1997); see Higham (2002), section 20.7.
    """
    U, sigma, _ = np.linalg.svd(A, full_matrices=False)
    r = b - A @ x
    against = sigma**2 * (x @ x) + r @ r
    if not against.all():
        return 0.0
    return np.sqrt(np.sum((sigma * (U.T @ r)) ** 2 / against)) / sigma[0]


@solve.property("the answer is an array with one finite coefficient for each column")
def _(A, b, x):
    return isinstance(x, np.ndarray) and x.shape == (A.shape[1],) and np.isfinite(x).all()


@solve.property("the residual is orthogonal to every column, to within rounding")
def _(A, b, x):
    size = np.linalg.norm(b) + np.linalg.norm(A) * np.linalg.norm(x)
    return np.all(np.abs(A.T @ (b - A @ x)) <= 1e-12 * np.linalg.norm(A, axis=0) * size)


@solve.property("the answer is the exact answer for a table that differs from A by no more than rounding")
def _(A, b, x):
    of_b = np.linalg.norm(b) / (np.linalg.norm(A, 2) * np.linalg.norm(x))  # rounding of b counts too
    return backward_error(A, b, x) <= 1e-12 * (1 + of_b)


def formed_the_gram_matrix(A, b, x):
    return A.shape == FINGERPRINT.shape and np.array_equal(A, FINGERPRINT) and abs(x[1] / TRUE_SECOND - 0.75) < 0.01


def shrunk_the_weak_direction(A, b, x):
    return A.shape == FINGERPRINT.shape and np.array_equal(A, FINGERPRINT) and abs(x[1] / TRUE_SECOND) < 0.1


def projected_column_by_column(A, b, x):
    # What exact arithmetic gives from the q's that classical and modified Gram-Schmidt arrive at.
    gram_schmidt = np.array([[3.5, -1.5, -1.0], [8 / 3, -4 / 3, -1 / 3]])
    return np.array_equal(A, LAUCHLI) and np.any(np.all(np.abs(x - gram_schmidt) < 1e-3, axis=1))


def _ordinary(A, b):
    """Whether this is a probe with more rows than columns, no zeros and nothing ill-conditioned."""
    return A.shape[0] > A.shape[1] and A.all() and np.linalg.cond(A) < 1e4


def left_b_as_it_was(A, b, x):
    p = A.shape[1]
    R = np.linalg.qr(A)[1]
    return _ordinary(A, b) and np.allclose(np.abs(R @ x), np.abs(b[:p]), rtol=1e-6, atol=1e-9)


def fitted_the_first_rows(A, b, x):
    p = A.shape[1]
    return _ordinary(A, b) and np.allclose(A[:p] @ x, b[:p], rtol=1e-6, atol=1e-9)


@solve.mistake(
    "The digits went when A.T @ A was stored: its condition number is the square of A's. The predictions look right "
    "and the coefficients are not. Work on A itself.",
    seen=formed_the_gram_matrix,
)
def normal_equations(A, b):
    return np.linalg.solve(A.T @ A, A.T @ b)


@solve.mistake(
    "Something was added to the diagonal. The equations can be solved now, and they are those of another problem "
    "(ridge): the weakest combination of columns has been shrunk away.",
    seen=shrunk_the_weak_direction,
)
def jitter(A, b):
    return np.linalg.solve(A.T @ A + 1e-10 * np.eye(A.shape[1]), A.T @ b)


@solve.mistake(
    "Taking projections away one by one (Gram-Schmidt) leaves columns that are no longer perpendicular when A's are "
    "nearly dependent. Mirrors stay mirrors.",
    seen=projected_column_by_column,
)
def gram_schmidt(A, b):
    Q, R = np.zeros(A.shape), np.zeros((A.shape[1],) * 2)
    for j, a in enumerate(A.T):
        R[:j, j] = Q[:, :j].T @ a
        w = a - Q[:, :j] @ R[:j, j]
        R[j, j] = np.linalg.norm(w)
        Q[:, j] = w / R[j, j]
    return np.linalg.solve(R, Q.T @ b)


@solve.mistake(
    "A was reflected and b was not, so that the triangle and its right-hand side belong to different problems.",
    seen=left_b_as_it_was,
)
def b_not_reflected(A, b):
    return np.linalg.solve(np.linalg.qr(A)[1], b[: A.shape[1]])


@solve.mistake(
    "This goes exactly through the first p rows and never looks at the others.",
    seen=fitted_the_first_rows,
)
def first_rows_only(A, b):
    p = A.shape[1]
    return np.linalg.solve(A[:p], b[:p])


@solve.mistake("The two factors have changed places: A @ A.T is a table of patients by patients. Check the shapes.")
def transposed_factors(A, b):
    return np.linalg.solve(A @ A.T, A @ b)


# ------------------------------------------------------------------------------------------- choose_solver

choose_solver = exercise.question(
    "choose_solver",
    kind="function",
    points=3,
    skills=["algebra", "problem solving"],
    objectives=[2, 4],
    call="choose_solver(A, digits)",
    asks='one of the texts "cholesky", "qr" and "neither"',
    hints=(
        "How many decimal digits does a number of A's type carry, and how many does each solver lose?",
        "np.finfo(A.dtype).eps / 2 is the relative rounding error of a number; np.linalg.cond(A) says how it grows.",
        "Cholesky leaves -log10(u) - 2 log10(κ) digits and QR -log10(u) - log10(κ). Ask the cheaper one first.",
    ),
)


@choose_solver.probes
def _(rng, n, p):
    # (condition number, type, digits): each, jitter included, well away from where the answer changes; in an order
    # of their own for every parameter set, so that the answers cannot be learnt by heart.
    cases = [
        (1e2, "float64", 6),
        (1e4, "float64", 6),
        (1e7, "float64", 6),
        (1e13, "float64", 6),
        (1e7, "float64", 1),
        (1e1, "float32", 3),
        (1e3, "float32", 3),
        (1e6, "float32", 3),
    ]
    tables = [
        (table(rng, n, p, condition * 10 ** rng.uniform(-0.2, 0.2)).astype(kind), digits)
        for condition, kind, digits in cases
    ]
    A = rng.normal(size=(n, p))
    A[:, -1] = 0
    tables.append((A, 1))
    # Between u and 2 u, and between kappa and a Frobenius norm's, the answers part: 0.2 digits and more on each side.
    tables.append((np.diag([1.0, 10**-5.9]), 4))
    tables.append((np.diag([1.0, 1.0, 1.0, 10**-5.8]), 4))
    for i in rng.permutation(len(tables)):
        yield tables[i]


@choose_solver.property('the answer is "cholesky", "qr" or "neither"')
def _(A, digits, output):
    return output in ("cholesky", "qr", "neither")


def _digits_left(A, lost_by_cholesky, lost_by_qr, digits, carried=None):
    carried = -np.log10(np.finfo(A.dtype).eps / 2) if carried is None else carried
    if carried - lost_by_cholesky >= digits:
        return "cholesky"
    return "qr" if carried - lost_by_qr >= digits else "neither"


@choose_solver.mistake("Cholesky works on A.T @ A, whose condition number is not that of A.")
def not_squared(A, digits):
    lost = np.log10(np.linalg.cond(A))
    return _digits_left(A, lost, lost, digits)


@choose_solver.mistake("QR never forms A.T @ A; it has been charged for it here.")
def both_squared(A, digits):
    lost = 2 * np.log10(np.linalg.cond(A))
    return _digits_left(A, lost, lost, digits)


@choose_solver.mistake("Decimal digits are counted with the logarithm to base 10; np.log is the natural one.")
def natural_logarithm(A, digits):
    lost = np.log(np.linalg.cond(A))
    return _digits_left(A, 2 * lost, lost, digits)


@choose_solver.mistake("A float32 table starts with fewer than half the digits of a float64 one: ask A.dtype.")
def always_float64(A, digits):
    lost = np.log10(np.linalg.cond(A))
    return _digits_left(A, 2 * lost, lost, digits, carried=-np.log10(np.finfo(float).eps / 2))


@choose_solver.mistake(
    "It counts from eps, and the question from u, half of it: a number carries 0.3 digits more than that.", credit=0.5
)
def eps_for_u(A, digits):
    lost = np.log10(np.linalg.cond(A))
    return _digits_left(A, 2 * lost, lost, digits, carried=-np.log10(np.finfo(A.dtype).eps))


@choose_solver.mistake(
    "The condition number is the largest singular value over the smallest. Frobenius norms give a larger one.",
    credit=0.5,
)
def frobenius_condition(A, digits):
    sigma = np.linalg.svd(A, compute_uv=False)
    with np.errstate(divide="ignore", invalid="ignore"):
        lost = np.log10(np.sqrt(np.sum(sigma**2) * np.sum(sigma**-2.0)))
    return _digits_left(A, 2 * lost, lost, digits)


@choose_solver.mistake("QR is safe here, and costs twice as much as a solver that would have left enough digits.")
def qr_wherever_possible(A, digits):
    left = -np.log10(np.finfo(A.dtype).eps / 2) - np.log10(np.linalg.cond(A))
    return "qr" if left >= digits else "neither"
