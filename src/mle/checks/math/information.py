"""Checks of the exercise math/information: measure a surprise, build the words, price a model, learn while sending."""

import numpy as np

from coursework import Exercise, Integer, Real

exercise = Exercise(
    "math/information",
    title="What passes the camera",
    minutes=55,
    parameters=[
        Integer("seed", 0, 2**31 - 1),
        Integer("k", 4, 10),
        Integer("n", 200, 2000),
        Real("a", 0.1, 2.0, log=True),
    ],
)


def _shares(counts):
    return np.asarray(counts, dtype=float) / np.sum(counts)


def _entropy(p):
    p = p[p > 0]
    return float(-np.sum(p * np.log2(p)))


def _uneven(rng, k):
    """Positive counts, a few large and most small, no two alike."""
    return rng.permutation(np.cumsum(rng.integers(1, 9, size=k)) ** 2)


# --------------------------------------------------------------------------------------------------------- 1 bits

bits = exercise.question(
    "bits",
    kind="function",
    points=1,
    skills=["probability"],
    objectives=[1],
    call="bits(counts)",
    asks="a number, in bits",
    hints=(
        "Counts first become shares. Which of them have a logarithm?",
        "Take the shares that are not zero, multiply each by the logarithm of one over it, and add up.",
        "With p = counts[counts > 0] / counts.sum() the entropy is the sum of p * np.log2(1 / p).",
    ),
    out_of_bounds=("scipy.stats.entropy", "mle.scratch"),
)


@bits.probes
def _(rng, k):
    counts = _uneven(rng, k)
    yield counts
    yield np.where(np.arange(k) == rng.integers(k), 0, counts)
    yield np.array([8, 4, 2, 1, 1])
    yield np.array([0, 5, 0])
    yield np.full(k, 3)
    yield np.array([999_999, 1])


@bits.property("an entropy is not negative, and not above the logarithm of the number of kinds")
def _(counts, result):
    return -1e-9 <= result <= np.log2(len(counts)) + 1e-9


@bits.mistake("This is in nats: the logarithm has base e here. For bits it has base 2.", credit=0.5)
def nats(counts):
    return _entropy(_shares(counts)) * float(np.log(2))


@bits.mistake("0 times the logarithm of 0 is nan in floating point. An animal that was never seen adds nothing.")
def nan_where_unseen(counts):
    p = _shares(counts)
    with np.errstate(all="ignore"):
        return float(-np.sum(p * np.log2(p)))


@bits.mistake(
    "Two things: 0 times the logarithm of 0 is nan, and the logarithm has base e, so these are nats. Leave out what "
    "was never seen, and take base 2."
)
def nan_and_nats(counts):
    return nan_where_unseen(counts) * float(np.log(2))


@bits.mistake("These are logarithms of counts. Divide by the number of pictures first: twice the season, same entropy.")
def counts_for_shares(counts):
    c = counts[counts > 0]
    return float(np.sum(c * np.log2(c)))


@bits.mistake(
    "This is the entropy if all kinds were equally frequent, the most that it could be. The counts are unused."
)
def as_if_even(counts):
    return float(np.log2(len(counts)))


@bits.mistake(
    "This averages the surprise over the kinds. Average over the pictures: a frequent animal counts for more."
)
def mean_over_kinds(counts):
    p = _shares(counts)
    return float(-np.mean(np.log2(p[p > 0])))


@bits.mistake("This is the perplexity, two to the power of the entropy. Asked is the entropy itself.", credit=0.5)
def perplexity(counts):
    return 2 ** _entropy(_shares(counts))


# ------------------------------------------------------------------------------------------------------ 2 lengths

lengths = exercise.question(
    "lengths",
    kind="function",
    points=3,
    skills=["basic algorithms", "probability"],
    objectives=[1],
    call="lengths(counts)",
    asks="an array of whole numbers, one for each kind; judged by its mean word and by Kraft's sum",
    hints=(
        "Which two kinds should have words that differ in the last bit only?",
        "Join the two rarest into a group, treat it as one kind, and go on. What happens to the words inside?",
        "Keep a list of (count, members). While there are two or more, take out the two smallest, add 1 to the length "
        "of all members of both, and put back the sum with all those members.",
    ),
    out_of_bounds=("mle.scratch",),
)


@lengths.probes
def _(rng, k):
    yield _uneven(rng, k)
    yield np.array([60, 23, 9, 4, 3, 1])
    yield np.array([1, 1, 1, 1])
    yield np.array([8, 4, 2, 1, 1])
    yield np.array([10, 11, 12, 13, 14])
    yield np.array([97, 3])
    yield np.array([34, 33, 33])
    yield np.array([15, 7, 6, 6, 5])  # halving from the top makes no shortest code here


@lengths.observe
def _(answer, counts):
    words = np.asarray(answer(counts.copy()))
    if words.shape != counts.shape or not np.issubdtype(words.dtype, np.number):
        return {"whole": False, "mean": np.nan, "kraft": np.nan}
    words = words.astype(float)
    return {
        "whole": bool((words == np.round(words)).all() and (words > 0).all()),
        "mean": float(words @ _shares(counts)),
        "kraft": float(np.sum(0.5**words)),
    }


@lengths.property("there is a length for each kind, a whole number of bits, at least 1")
def _(counts, seen):
    return bool(seen.get("whole"))


@lengths.property("a prefix code with these lengths exists: Kraft's sum is at most 1")
def _(counts, seen):
    return seen.get("kraft", 2) <= 1 + 1e-9


@lengths.property("the mean word is less than one bit above the entropy")
def _(counts, seen):
    return seen.get("mean", np.inf) < _entropy(_shares(counts)) + 1


def _joined(counts, pick):
    """Lengths by joining the two groups that `pick` puts first."""
    found = np.zeros(len(counts), dtype=int)
    groups = [(int(count), [i]) for i, count in enumerate(counts)]
    while len(groups) > 1:
        groups.sort(key=pick)
        (one, left), (other, right), *rest = groups
        found[left + right] += 1
        groups = [*rest, (one + other, left + right)]
    return found


@lengths.mistake(
    "Each surprise has been rounded up to whole bits. That is a code, within one bit of the entropy, but it leaves "
    "budget unused: shorter words exist.",
    credit=0.25,
)
def rounded_up(counts):
    return np.ceil(np.log2(1 / _shares(counts)) - 1e-12).astype(int)


@lengths.mistake(
    "Each surprise has been rounded to the nearest whole number. For some counts no prefix code has these "
    "lengths: look "
    "at Kraft's sum, and at a word of no bits."
)
def rounded_to_nearest(counts):
    return np.round(np.log2(1 / _shares(counts))).astype(int)


@lengths.mistake(
    "These are the surprises themselves. A word has a whole number of bits: which whole numbers go together?"
)
def surprises(counts):
    return np.log2(1 / _shares(counts))


@lengths.mistake("All words have the same length here. Frequent animals can have shorter ones, rare ones pay for it.")
def all_alike(counts):
    return np.full(len(counts), int(np.ceil(np.log2(len(counts)))))


@lengths.mistake("The two most frequent were joined, so that they get long words. Join the two rarest.")
def joined_the_frequent(counts):
    return _joined(counts, pick=lambda group: (-group[0], group[1]))


def _halved(counts, kinds):
    """Lengths for kinds in order of their counts: cut the list where both parts come nearest to half, and go on."""
    if len(kinds) < 2:
        return {kind: 0 for kind in kinds}
    above = np.cumsum(counts[kinds])
    cut = int(np.argmin(np.abs(2 * above[:-1] - above[-1]))) + 1
    parts = _halved(counts, kinds[:cut]) | _halved(counts, kinds[cut:])
    return {kind: 1 + length for kind, length in parts.items()}


@lengths.mistake(
    "The list was cut into halves from the top, and the halves again (Fano's code). It is often a shortest one, and "
    "not always: build from the bottom, where the rare ones are.",
    credit=0.5,
)
def halved_from_the_top(counts):
    found = _halved(counts, np.argsort(-counts, kind="stable").tolist())
    return np.array([found[kind] for kind in range(len(counts))])


@lengths.mistake(
    "The words are 1, 2, 3, ... bits long by rank, whatever the counts. That is right only if each count "
    "is about half of what is left."
)
def a_comb(counts):
    by_rank = np.minimum(np.arange(1, len(counts) + 1), len(counts) - 1)
    found = np.empty(len(counts), dtype=int)
    found[np.argsort(-counts, kind="stable")] = by_rank
    return found


@lengths.mistake(
    "When a group is joined again, all its members get a longer word. Here only one member of each group "
    "has been counted on."
)
def members_forgotten(counts):
    found = np.zeros(len(counts), dtype=int)
    groups = [(int(count), i) for i, count in enumerate(counts)]
    while len(groups) > 1:
        groups.sort()
        (one, left), (other, right), *rest = groups
        found[[left, right]] += 1
        groups = [*rest, (one + other, left)]
    return found


# ---------------------------------------------------------------------------------------------------- 3 surcharge

surcharge = exercise.question(
    "surcharge",
    kind="function",
    points=2,
    skills=["probability"],
    objectives=[2],
    call="surcharge(now, old)",
    asks="a number of bits, 0 or more, or np.inf",
    hints=(
        "Which of the two decides how often an animal is sent, and which how long its word is?",
        "Average over the shares of now. For each picture: the surprise under old less the surprise under now.",
        "With shares p of now and q of old, sum p * np.log2(p / q) over the kinds with p > 0; if q is 0 for one of "
        "them, return np.inf.",
    ),
    out_of_bounds=("mle.scratch",),
)


@surcharge.probes
def _(rng, k):
    now, old = _uneven(rng, k), _uneven(rng, k)
    yield now, old
    gone = np.arange(k) == int(rng.integers(k))
    yield np.where(gone, 0, now), old
    yield now, np.where(gone, 0, old)
    yield np.where(gone, 0, now), np.where(gone, 0, old)
    yield np.array([1, 3]), np.array([3, 1])
    yield np.array([90, 5, 5]), np.array([30, 30, 40])
    yield 7 * old, old


@surcharge.property("a surcharge is never negative")
def _(now, old, result):
    return result >= -1e-9


@surcharge.property("words made for the same shares cost nothing extra")
def _(now, old, result):
    return abs(result) < 1e-9 or not np.allclose(_shares(now), _shares(old))


def _divergence(p, q, absent=np.inf):
    """Sum of p log2 p/q; `absent` is added where p has what q excludes."""
    both = (p > 0) & (q > 0)
    rest = absent if ((p > 0) & (q == 0)).any() else 0.0
    return float(np.sum(p[both] * np.log2(p[both] / q[both])) + rest)


@surcharge.mistake(
    "The other way round: this is what last season's pictures would pay with this season's words. What "
    "happens is averaged over."
)
def reversed_(now, old):
    return _divergence(_shares(old), _shares(now))


@surcharge.mistake("This is the whole bill, the cross-entropy. Asked is what it exceeds the best bill by.", credit=0.25)
def whole_bill(now, old):
    p = _shares(now)
    return _divergence(p, _shares(old)) + _entropy(p)


@surcharge.mistake("This is in nats. A radio sends bits: use the logarithm to base 2.", credit=0.5)
def surcharge_in_nats(now, old):
    return _divergence(_shares(now), _shares(old)) * float(np.log(2))


@surcharge.mistake(
    "An animal without a word has been left out of the sum, and the surcharge is finite, even negative "
    "perhaps. Its picture cannot be sent."
)
def impossible_left_out(now, old):
    return _divergence(_shares(now), _shares(old), absent=0.0)


@surcharge.mistake(
    "An animal that has no word and does not come costs nothing. Infinite is the surcharge only if it comes.",
    credit=0.5,
)
def any_lack_is_infinite(now, old):
    return float("inf") if np.min(old) == 0 else _divergence(_shares(now), _shares(old))


@surcharge.mistake(
    "A zero has been clipped to a tiny number, so the bill for an animal without a word depends on the tiny number. "
    "No finite word has been agreed on.",
    credit=0.25,
)
def clipped(now, old):
    p, q = _shares(now), np.maximum(_shares(old), 1e-12)
    return float(np.sum(p[p > 0] * np.log2(p[p > 0] / q[p > 0])))


@surcharge.mistake(
    "The counts went into the logarithm as they are. Divide each list by its own sum: a season with twice the pictures "
    "needs no other words."
)
def counts_as_shares(now, old):
    return _divergence(np.asarray(now, dtype=float), np.asarray(old, dtype=float))


@surcharge.mistake("0 times the logarithm of 0 is nan. Sum over the animals that come.", credit=0.5)
def nan_where_none_comes(now, old):
    p, q = _shares(now), _shares(old)
    with np.errstate(all="ignore"):
        return float(np.sum(p * np.log2(p / q)))


@surcharge.mistake(
    "A difference of two entropies says which season is more varied. It says nothing of whether the words fit."
)
def difference_of_entropies(now, old):
    return _entropy(_shares(old)) - _entropy(_shares(now))


# --------------------------------------------------------------------------------------------------------- 4 says

says = exercise.question(
    "says",
    kind="function",
    points=3,
    skills=["probability", "statistics"],
    objectives=[3],
    call="says(table)",
    asks="a tuple of two numbers in bits: the mutual information as counted, and its accident",
    hints=(
        "What would the joint shares be if the hour said nothing? How far are the counted ones from that?",
        "The information is the divergence of the joint shares from the product of the two margins. The "
        "accident needs only n and the numbers of rows and columns in use.",
        "The accident is (r - 1) * (c - 1) / (2 * n) nats, with r rows and c columns that have a picture. "
        "Divide by np.log(2) for bits.",
    ),
    out_of_bounds=("mle.scratch",),
)


@says.probes
def _(rng, k, n):
    hours = np.arange(8)[:, None]
    rate = np.exp(np.cos((hours - 8 * rng.random(k)) * np.pi / 4)) * rng.uniform(0.2, 1, size=k)
    table = rng.poisson(rate * n / rate.sum()) + 1
    yield table
    empty = table.copy()
    empty[3], empty[:, 1] = 0, 0
    yield empty
    yield np.array([[10, 0], [0, 30]])
    yield np.array([[1, 2], [2, 4], [5, 10]])
    yield np.array([[3, 0, 7], [0, 2, 11]])


@says.property("a mutual information is not negative, and not above the entropy of either margin")
def _(table, result):
    margins = (_entropy(_shares(table.sum(axis=axis))) for axis in (0, 1))
    return -1e-9 <= result[0] <= min(margins) + 1e-9


@says.property("the accident is not negative")
def _(table, result):
    return result[1] >= 0


def _information(table):
    rows, columns = (_entropy(_shares(table.sum(axis=axis))) for axis in (1, 0))
    return rows + columns - _entropy(_shares(table).ravel())


def _accident(table, free=lambda r, c: (r - 1) * (c - 1)):
    r, c = (table.sum(axis=1) > 0).sum(), (table.sum(axis=0) > 0).sum()
    return float(free(r, c) / (2 * table.sum() * np.log(2)))


@says.mistake("Both numbers are in nats. Divide by the natural logarithm of 2 for bits.", credit=0.5)
def says_in_nats(table):
    return _information(table) * float(np.log(2)), _accident(table) * float(np.log(2))


@says.mistake("The information is in bits and the accident still in nats, so they cannot be compared.", credit=0.75)
def accident_in_nats(table):
    return _information(table), _accident(table) * float(np.log(2))


@says.mistake("This is what remains to be said once the hour is known. Asked is what the hour saves.", credit=0.25)
def what_remains(table):
    return _entropy(_shares(table.sum(axis=0))) - _information(table), _accident(table)


@says.mistake(
    "Each hour counts alike here, whether it has one picture or a hundred. Weigh the hours by their pictures.",
    credit=0.25,
)
def hours_alike(table):
    remains = [_entropy(_shares(row)) for row in table if row.sum()]
    return _entropy(_shares(table.sum(axis=0))) - float(np.mean(remains)), _accident(table)


@says.mistake(
    "The accident counts every cell as free. The margins are estimated too, and in the information their "
    "accidents go the other way.",
    credit=0.5,
)
def every_cell_free(table):
    return _information(table), _accident(table, free=lambda r, c: r * c - 1)


@says.mistake(
    "Hours and animals without a picture have been counted. They add nothing, and so no accident either.", credit=0.75
)
def empty_ones_counted(table):
    r, c = table.shape
    return _information(table), float((r - 1) * (c - 1) / (2 * table.sum() * np.log(2)))


@says.mistake(
    "The accident has been taken off the information already. Asked is the information as counted, and the accident "
    "beside it.",
    credit=0.75,
)
def taken_off(table):
    return _information(table) - _accident(table), _accident(table)


@says.mistake("Empty cells make nan: 0 times the logarithm of 0. Sum over the cells that have a picture.", credit=0.5)
def nan_in_empty_cells(table):
    joint = _shares(table)
    with np.errstate(all="ignore"):
        apart = joint.sum(axis=1, keepdims=True) * joint.sum(axis=0, keepdims=True)
        return float(np.sum(joint * np.log2(joint / apart))), _accident(table)


# --------------------------------------------------------------------------------------------------------- 5 bill

bill = exercise.question(
    "bill",
    kind="function",
    points=3,
    skills=["probability"],
    objectives=[4],
    call="bill(stated, truth)",
    asks="a tuple of two numbers in nats a picture: the log loss paid, and the one expected",
    hints=(
        "What is paid depends on one number in each row. What is expected depends on all of them.",
        "If kind i comes with the probability q_i that was stated, it will cost log 1/q_i. What is the mean of that?",
        "Paid: the mean of -np.log(stated[np.arange(len(truth)), truth]). Expected: the mean over rows of the sum of "
        "q * log(1/q), where q = 0 adds 0.",
    ),
    out_of_bounds=("mle.scratch",),
)


@bill.probes
def _(rng, k, n):
    stated = rng.dirichlet(np.ones(k), size=n % 60 + 20) * 0.98 + 0.02 / k
    truth = np.array([rng.choice(k, p=row) for row in stated])
    yield stated, truth
    sharp = stated**4
    yield sharp / sharp.sum(axis=1, keepdims=True), truth
    excluded = stated.copy()
    excluded[0, truth[0]] = 0
    yield excluded / excluded.sum(axis=1, keepdims=True), truth
    yield np.array([[1.0, 0.0], [0.25, 0.75], [0.5, 0.5]]), np.array([0, 0, 1])
    yield np.array([[0.2, 0.3, 0.5]]), np.array([2])


@bill.property("neither number is negative")
def _(stated, truth, result):
    return result[0] >= -1e-9 and result[1] >= -1e-9


@bill.property("nobody expects to pay more than the logarithm of the number of kinds")
def _(stated, truth, result):
    return result[1] <= np.log(stated.shape[1]) + 1e-9


def _of_truth(stated, truth):
    return stated[np.arange(len(truth)), truth]


def _paid(stated, truth):
    with np.errstate(divide="ignore"):
        return float(np.mean(-np.log(_of_truth(stated, truth))))


def _expected(stated):
    return float(np.mean([_entropy(row) for row in stated]) * np.log(2))


def _finite(stated, truth, result):
    paid, expected = result
    other = np.isclose(paid, -np.log(np.mean(_of_truth(stated, truth))))  # the logarithm of a mean is finite, too
    return (
        np.isinf(_paid(stated, truth)) and np.isfinite(paid) and np.isclose(expected, _expected(stated)) and not other
    )


@bill.mistake(
    "An impossible thing happened and the loss is finite: the zero was clipped, by you or by the library. How many "
    "nats it then costs is a property of the number type.",
    credit=0.5,
    seen=_finite,
)
def clipped_zero(stated, truth):
    from sklearn.metrics import log_loss

    kinds = np.arange(stated.shape[1])
    return float(log_loss(truth, stated, labels=kinds)), _expected(stated)


@bill.mistake("These are bits. Asked are nats, as most libraries report them: the natural logarithm.", credit=0.75)
def in_bits(stated, truth):
    return _paid(stated, truth) / float(np.log(2)), _expected(stated) / float(np.log(2))


@bill.mistake(
    "The expected loss is the entropy of the mean statement here. Each picture has a statement of its own: take the "
    "entropy of each row, then the mean.",
    credit=0.5,
)
def entropy_of_the_mean(stated, truth):
    return _paid(stated, truth), _entropy(stated.mean(axis=0)) * float(np.log(2))


@bill.mistake(
    "The logarithm was taken of the mean probability. Take it for each picture, then the mean: a single "
    "bad surprise must show.",
    credit=0.5,
)
def log_of_the_mean(stated, truth):
    return float(-np.log(np.mean(_of_truth(stated, truth)))), _expected(stated)


@bill.mistake("These are Brier scores: squares of what was missing. Asked is the log loss.")
def brier(stated, truth):
    happened = np.eye(stated.shape[1])[truth]
    return float(np.mean(np.sum((stated - happened) ** 2, axis=1))), float(np.mean(1 - np.sum(stated**2, axis=1)))


@bill.mistake("The mean runs over all cells of the table. It runs over pictures: a row is one bill.", credit=0.5)
def mean_over_cells(stated, truth):
    k = stated.shape[1]
    return _paid(stated, truth) / k, _expected(stated) / k


@bill.mistake(
    "What the likeliest kind costs was taken for the expected loss. The others come too, now and then.", credit=0.5
)
def likeliest_only(stated, truth):
    return _paid(stated, truth), float(np.mean(-np.log(stated.max(axis=1))))


# ------------------------------------------------------------------------------------------------------- 6 season

season = exercise.question(
    "season",
    kind="function",
    points=3,
    skills=["probability", "problem solving"],
    objectives=[2],
    call="season(seen, k, a)",
    asks="a number of bits, 0 or more",
    hints=(
        "Be the hut. What do you know when the next word arrives, and what not yet?",
        "Go through the pictures in order: bill the picture with the counts so far, then count it.",
        "Add np.log2((m + k * a) / (counts[kind] + a)) with m the pictures before this one; only then "
        "counts[kind] += 1.",
    ),
    out_of_bounds=("mle.scratch",),
)


@season.probes
def _(rng, k, n, a):
    yield rng.choice(k, size=n, p=rng.dirichlet(np.ones(k))), k, a
    yield np.concatenate([np.zeros(20, dtype=int), rng.integers(k, size=20)]), k, a
    yield np.array([0, 0, 1, 0, 3]), 4, 0.3
    yield np.array([2]), 5, 0.7
    yield np.array([], dtype=int), 3, 0.4


@season.property("no rule beats the words of hindsight: the bits are at least n times the counted entropy")
def _(seen, k, a, result):
    hindsight = len(seen) * _entropy(_shares(np.bincount(seen))) if len(seen) else 0.0
    return result >= hindsight - 1e-6


@season.property("the first picture costs the logarithm of the number of kinds, and no pictures cost nothing")
def _(seen, k, a, result):
    return len(seen) > 1 or abs(result - len(seen) * np.log2(k)) < 1e-9


def _bits_so_far(seen, k, a, bill):
    """Sum of log2 1/q over the pictures; `bill(own count, pictures, kinds so far)` gives q from what came before."""
    counts, total = np.zeros(k), 0.0
    with np.errstate(all="ignore"):
        for m, kind in enumerate(seen):
            total -= np.log2(bill(counts[kind], m, int((counts > 0).sum())))
            counts[kind] += 1
    return float(total)


@season.mistake(
    "The picture was counted before it was sent. The hut does not know it yet, so it cannot know these words.",
    credit=0.25,
)
def counted_first(seen, k, a):
    return _bits_so_far(seen, k, a, lambda c, m, kinds: (c + 1 + a) / (m + 1 + k * a))


@season.mistake("These are words from the counts of the whole season. When the first picture is sent, nobody has them.")
def hindsight(seen, k, a):
    return len(seen) * _entropy(_shares(np.bincount(seen))) if len(seen) else 0.0


@season.mistake(
    "Words from the whole season's counts, with a added: mended against zero, and still unknown to the hut."
)
def smoothed_hindsight(seen, k, a):
    counts = np.bincount(seen, minlength=k)
    q = (counts + a) / (len(seen) + k * a)
    return float(-np.sum(counts * np.log2(q)))


@season.mistake(
    "Nothing was added to the counts, so the first animal of each kind has a probability of zero and no word.",
    credit=0.25,
)
def nothing_added(seen, k, a):
    return _bits_so_far(seen, k, a, lambda c, m, kinds: c / m if m and c else 0.0)


@season.mistake(
    "The probabilities of the kinds do not sum to one: a was added to each of k counts, but only once to their sum."
)
def added_once_below(seen, k, a):
    return _bits_so_far(seen, k, a, lambda c, m, kinds: (c + a) / (m + a))


@season.mistake(
    "Only kinds that have been seen get a share, and one for the newcomer. Trap and hut know beforehand "
    "that there are k."
)
def kinds_so_far(seen, k, a):
    return _bits_so_far(seen, k, a, lambda c, m, kinds: (c + a) / (m + (kinds + (c == 0)) * a))


@season.mistake("One was added to each count, whatever a is.", credit=0.5)
def one_added(seen, k, a):
    return _bits_so_far(seen, k, a, lambda c, m, kinds: (c + 1) / (m + k))


@season.mistake("This is in nats. A radio sends bits.", credit=0.75)
def season_in_nats(seen, k, a):
    return _bits_so_far(seen, k, a, lambda c, m, kinds: (c + a) / (m + k * a)) * float(np.log(2))


@season.mistake("This is the mean for a picture. Asked are the bits of the whole season.", credit=0.75)
def per_picture(seen, k, a):
    return _bits_so_far(seen, k, a, lambda c, m, kinds: (c + a) / (m + k * a)) / max(len(seen), 1)
