"""Checks of the exercise math/inference: p-values, what they are not, intervals for clustered rows, and many looks.

`interval` and `permutation_p` are random. A right `interval` is refused with a probability below 3e-6: its coverage of
200 made towns by an exact binomial bound, its mean width, and how that changes with the error, by margins of six
standard errors or more. A right `permutation_p` is refused with a probability below 7e-6: four counts, each in the
central 1 - REFUSED of its binomial distribution, and two medians, each too large once in a million. The wrong methods
are caught with a probability above 0.999 each; tests/mle/test_inference.py holds both questions to these numbers.
"""

from functools import lru_cache
from itertools import product

import numpy as np

from coursework import Choice, Exercise, Integer, Real

exercise = Exercise(
    "math/inference",
    title="One sensor, many readings",
    minutes=60,
    parameters=[
        Integer("seed", 0, 2**31 - 1),
        Integer("n", 24, 48),
        Integer("m", 8, 20),
        Real("base", 0.02, 0.3, log=True),
        Real("effect", 1.5, 3.5),
        Choice("error", [0.05, 0.1, 0.2]),
    ],
)

REFUSED = 1e-6  # chance that one count of a right answer falls outside its interval


def _range(trials, chance, refused=REFUSED):
    """The counts that the central 1 - refused of a binomial distribution reaches: (fewest, most)."""
    from scipy import stats

    return stats.binom.ppf([refused / 2, 1 - refused / 2], trials, chance)


def _fits(count, trials, chance):
    fewest, most = _range(trials, chance)
    return bool(fewest <= count <= most)


# ----------------------------------------------------------------------------------------------------- 1 p_value

p_value = exercise.question(
    "p_value",
    kind="function",
    points=1,
    skills=["statistics"],
    objectives=[3],
    call="p_value(observed, shuffled)",
    asks="a number above 0, 1 at most",
    hints=(
        "A difference of -3 is as surprising as one of 3. How many shuffles are as far from zero as the observed one?",
        "The observed labelling is one of the labellings that were equally likely, and it reaches itself.",
        "Count abs(shuffled) >= abs(observed), add 1, divide by the number of shuffles plus 1.",
    ),
)


@p_value.probes
def _(rng, n):
    shuffled = rng.integers(-12, 10, size=100 + n) / 4
    shuffled[:8] = 2.0, -2.0, 2.0, -2.25, 3.0, -2.5, 2.0, -2.75
    yield 2.0, rng.permutation(shuffled)
    yield -2.0, rng.permutation(shuffled)
    yield 9.0, np.array([1.0, -2.0, 0.5, 3.0])
    yield -0.5, np.array([1.0, -0.25, 0.5, 0.0, -3.0, 0.75, 2.0])


@p_value.property("a p-value is not 0, and 1 at most")
def _(observed, shuffled, p):
    return 0 < p <= 1


@p_value.mistake(
    "One-sided by accident: only shuffles at the upper end are counted, so a large negative difference looks dull. "
    "Count how far, not on which side."
)
def upper_side_only(observed, shuffled):
    return float((1 + np.sum(shuffled >= observed)) / (1 + len(shuffled)))


@p_value.mistake(
    "The observed labelling itself is missing. It was as likely as each shuffle, and without it p can be 0, which no "
    "number of shuffles can show.",
    credit=0.5,
)
def without_the_observed(observed, shuffled):
    return float(np.mean(np.abs(shuffled) >= abs(observed)))


@p_value.mistake(
    "Shuffles that give exactly the observed value are left out. They reach it, so they count.", credit=0.5
)
def ties_left_out(observed, shuffled):
    return float((1 + np.sum(np.abs(shuffled) > abs(observed))) / (1 + len(shuffled)))


@p_value.mistake(
    "Two things at once: only the upper end is counted, and the observed labelling is missing. Count how far a shuffle "
    "is from zero, and count the labelling that was drawn as one of them."
)
def upper_side_without_the_observed(observed, shuffled):
    return float(np.mean(shuffled >= observed))


@p_value.mistake(
    "The shuffles have lost their signs and the observed difference has not: a negative one is then reached by every "
    "shuffle. Compare sizes with sizes.",
    credit=0.5,
)
def sign_kept_on_one_side(observed, shuffled):
    return float((1 + np.sum(np.abs(shuffled) >= observed)) / (1 + len(shuffled)))


@p_value.mistake(
    "The observed labelling is counted above the line and not below it: it is one labelling more among all of them.",
    credit=0.5,
)
def one_added_above_only(observed, shuffled):
    return float((1 + np.sum(np.abs(shuffled) >= abs(observed))) / len(shuffled))


@p_value.mistake("This counts the shuffles that are nearer to zero than the observed one. Far ones speak against it.")
def turned_round(observed, shuffled):
    return float((1 + np.sum(np.abs(shuffled) <= abs(observed))) / (1 + len(shuffled)))


@p_value.mistake(
    "This doubles one side. It is right if the shuffles are symmetric, and here they are not: count both sides.",
    credit=0.5,
)
def one_side_doubled(observed, shuffled):
    reached = min(np.sum(shuffled >= observed), np.sum(shuffled <= observed))
    return float(min(1.0, 2 * (1 + reached) / (1 + len(shuffled))))


# ---------------------------------------------------------------------------------------------- 2 nothing_behind

nothing_behind = exercise.question(
    "nothing_behind",
    kind="function",
    points=2,
    skills=["statistics", "probability"],
    objectives=[3],
    call="nothing_behind(p, base, effect)",
    asks="a number from 0 to 1",
    hints=(
        "p is about the data, given that nothing is there. The question turns that round, so it needs the share of "
        "additives that work.",
        "Find the distance z from zero that gives this p on two sides. How dense are estimates at z and at -z, with "
        "and without an effect? Bayes' rule in odds does the rest.",
        "With z = norm.isf(p / 2), the ratio of densities is (norm.pdf(z - effect) + norm.pdf(z + effect)) / "
        "(2 * norm.pdf(z)). Odds that it works: base / (1 - base) times that.",
    ),
)


@nothing_behind.probes
def _(rng, base, effect):
    yield 0.04, base, effect
    yield float(np.round(rng.uniform(0.2, 0.3), 3)), base, effect
    yield 0.8, 0.4, 1.0
    yield 0.001, 0.01, 3.0
    yield 0.03, 0.0, 2.0


@nothing_behind.property("a probability lies between 0 and 1")
def _(p, base, effect, chance):
    return -1e-12 <= chance <= 1 + 1e-12


@nothing_behind.property("where no additive ever works, there is certainly nothing behind it")
def _(p, base, effect, chance):
    return base > 0 or abs(chance - 1) < 1e-12


def _nothing(z, base, ratio):
    return float((1 - base) / (1 - base + base * ratio))


def _densities(z, effect):
    from scipy import stats

    return (stats.norm.pdf(z - effect) + stats.norm.pdf(z + effect)) / (2 * stats.norm.pdf(z))


@nothing_behind.mistake(
    "This takes the p-value for the probability that there is nothing. p says how often nothing gives such data, and "
    "the question is how often such data come from nothing."
)
def the_p_value(p, base, effect):
    return p


@nothing_behind.mistake("This treats an additive that works as being as likely as one that does not: where is base?")
def base_rate_ignored(p, base, effect):
    from scipy import stats

    z = stats.norm.isf(p / 2)
    return _nothing(z, 0.5, _densities(z, effect))


@nothing_behind.mistake(
    "This is the share among all results with this p-value *or a smaller one*. The smaller ones are the better ones, "
    "and yours is not among them.",
    credit=0.5,
)
def or_smaller(p, base, effect):
    from scipy import stats

    z = stats.norm.isf(p / 2)
    return _nothing(z, base, (stats.norm.sf(z - effect) + stats.norm.sf(z + effect)) / p)


@nothing_behind.mistake("The p-value has two sides here: z belongs to p / 2 on each.", credit=0.25)
def z_of_one_side(p, base, effect):
    from scipy import stats

    z = stats.norm.isf(p)
    return _nothing(z, base, _densities(z, effect))


@nothing_behind.mistake(
    "With an effect only z has been counted, not -z; without one, both. A two-sided p does not say on which side.",
    credit=0.5,
)
def one_side_with_effect(p, base, effect):
    from scipy import stats

    z = stats.norm.isf(p / 2)
    return _nothing(z, base, stats.norm.pdf(z - effect) / (2 * stats.norm.pdf(z)))


@nothing_behind.mistake(
    "The densities are compared at z alone. A two-sided p does not say on which side the estimate lies, so -z counts "
    "too, with an effect and without.",
    credit=0.5,
)
def one_side_on_both(p, base, effect):
    from scipy import stats

    z = stats.norm.isf(p / 2)
    return _nothing(z, base, stats.norm.pdf(z - effect) / stats.norm.pdf(z))


@nothing_behind.mistake(
    "The power stands where a density belongs: this is the share among all results with this p-value *or a smaller "
    "one*. Yours came out with exactly this one.",
    credit=0.5,
)
def power_of_one_side(p, base, effect):
    from scipy import stats

    return _nothing(0.0, base, stats.norm.sf(stats.norm.isf(p / 2) - effect) / p)


@nothing_behind.mistake("This is the probability that the additive works. Asked is the other one.", credit=0.5)
def it_works(p, base, effect):
    from scipy import stats

    z = stats.norm.isf(p / 2)
    return 1 - _nothing(z, base, _densities(z, effect))


# ---------------------------------------------------------------------------------------------------- 3 interval

TOWNS, DRAWS = 200, 200
BELOW = 0.08  # how far below 1 - error the coverage of a right answer may be, on these few skewed stations
OTHER = {0.05: 0.2, 0.1: 0.2, 0.2: 0.05}  # each error, and another that is asked of the same towns and seeds
AGAIN, RATIO = 30, 0.13  # towns asked for both; how far the ratio of their widths may be from that of normal ones
WIDTH = (0.92, 1.12)  # mean width of a right answer, in normal widths of the same towns
TRUTH = 1 + 0.4 * np.sqrt(2 / np.pi) / 2  # mean of all readings in NTU: stations above 1 are read three times as often

interval = exercise.question(
    "interval",
    kind="function",
    points=3,
    skills=["statistics", "Python"],
    objectives=[1, 2],
    call="interval(stations, error, draws, seed)",
    asks="a tuple of two numbers, the lower end first",
    compare=False,  # there are many right ways to draw; judged by coverage and width, see the module's docstring
    hints=(
        "What would be drawn anew if the trial were repeated: readings, or stations?",
        "Draw as many stations as there are, with replacement, take all readings of each, and compute their mean. "
        "Do that `draws` times. The ends leave out error / 2 on each side.",
        "A station's sum and number of readings are all you need of it: with pick = rng.integers(n, size=(draws, n)), "
        "total[pick].sum(axis=1) / count[pick].sum(axis=1) are the means; np.quantile gives the ends.",
    ),
    out_of_bounds=("scipy.stats.bootstrap", "mle.scratch"),
)


@interval.probes
def _(seed, n, m, error):
    yield seed, n, m, error


@lru_cache(maxsize=4)
def _towns(seed, n, m):
    """TOWNS lists of n stations' readings; the process is TRUTH's: level 1 ± 0.4, the higher ones read 3 m times."""
    rng = np.random.default_rng([seed, 3])
    towns = []
    for _ in range(TOWNS):
        level = rng.normal(1, 0.4, size=n)
        size = np.where(level > 1, 3 * m, m)
        readings = rng.normal(np.repeat(level, size), 0.5)
        towns.append(np.split(readings, np.cumsum(size)[:-1]))
    return towns


@interval.observe
def _(answer, seed, n, m, error):
    towns = _towns(seed, n, m)

    def ask(k, shift=0, error=error):
        ends = answer([station.copy() for station in towns[k]], error, DRAWS, (seed + k + shift) % 2**31)
        low, high = ends
        return float(low), float(high)

    found = np.array([ask(k) for k in range(TOWNS)])
    return {
        "low": found[:, 0],
        "high": found[:, 1],
        "other": np.array([ask(k, error=OTHER[error]) for k in range(AGAIN)]),
        "repeats": bool(ask(0) == tuple(found[0])),
        "differs": bool(ask(0, 1000) != tuple(found[0])),
    }


@lru_cache(maxsize=4)
def _of_towns(seed, n, m):
    """For each town: pooled mean, mean of the stations' means, and standard errors by stations and by readings."""
    rows = []
    for town in _towns(seed, n, m):
        count, total = np.array([len(s) for s in town]), np.array([s.sum() for s in town])
        pooled = total.sum() / count.sum()
        by_station = np.sqrt(np.sum((total - pooled * count) ** 2)) / count.sum()
        rows.append((pooled, np.mean(total / count), by_station, np.concatenate(town).std() / np.sqrt(count.sum())))
    return np.array(rows).T


def _width(seed, n, m, error, seen):
    """The mean width of the intervals, in the widths of normal intervals from the same stations."""
    from scipy import stats

    normal = 2 * stats.norm.isf(error / 2) * _of_towns(seed, n, m)[2]
    return float(np.mean((seen["high"] - seen["low"]) / normal))


def _near(value, target, margin=0.06):
    return abs(value / target - 1) < margin


def _off_centre(seed, n, m, seen):
    """How far the middles of the intervals are from the pooled mean, as a share of the way to the stations' mean."""
    pooled, of_stations, *_ = _of_towns(seed, n, m)
    middle = (seen["low"] + seen["high"]) / 2
    return float(np.mean(middle - pooled) / np.mean(of_stations - pooled))


@interval.property("the lower end lies below the upper one")
def _(seed, n, m, error, seen):
    return bool(np.all(seen["low"] < seen["high"]))


@interval.property("the same seed gives the same interval, another seed another one")
def _(seed, n, m, error, seen):
    return seen["repeats"] and seen["differs"]


@interval.property("of 200 made towns as many intervals hold the truth as the error allows")
def _(seed, n, m, error, seen):
    held = int(np.sum((seen["low"] <= TRUTH) & (seen["high"] >= TRUTH)))
    return held >= _range(TOWNS, 1 - error - BELOW)[0]


@interval.property("the intervals are as wide as the differences between stations make them, and no wider")
def _(seed, n, m, error, seen):
    return WIDTH[0] < _width(seed, n, m, error, seen) < WIDTH[1]


def _ratio(seen):
    """The mean width at the other error over that at the first, in the same towns."""
    wide = (seen["high"] - seen["low"])[:AGAIN]
    return float(np.mean(seen["other"][:, 1] - seen["other"][:, 0]) / np.mean(wide))


@interval.property("asked for another error, the intervals get wider or narrower as a normal one would")
def _(seed, n, m, error, seen):
    from scipy import stats

    return _near(_ratio(seen), stats.norm.isf(OTHER[error] / 2) / stats.norm.isf(error / 2), RATIO)


def _stations_bootstrap(stations, draws, seed):
    total, count = np.array([s.sum() for s in stations]), np.array([len(s) for s in stations])
    pick = np.random.default_rng(seed).integers(len(stations), size=(draws, len(stations)))
    return total[pick].sum(axis=1) / count[pick].sum(axis=1)


def _ends(means, error):
    low, high = np.quantile(means, [error / 2, 1 - error / 2])
    return float(low), float(high)


def _centred(seed, n, m, seen):
    return abs(_off_centre(seed, n, m, seen)) < 0.25


def _as_wide_as_readings(seed, n, m, error, seen):
    _, _, by_station, by_reading = _of_towns(seed, n, m)
    wide = _width(seed, n, m, error, seen)
    return _centred(seed, n, m, seen) and _near(wide, np.mean(by_reading / by_station))


@interval.mistake(
    "Readings were resampled, as if each told something new. The readings of a station share its sensor and its water; "
    "these intervals miss the truth several times as often as they may.",
    seen=_as_wide_as_readings,
)
def readings_resampled(stations, error, draws, seed):
    readings = np.concatenate(stations)
    rng = np.random.default_rng(seed)
    return _ends(readings[rng.integers(len(readings), size=(draws, len(readings)))].mean(axis=1), error)


@interval.mistake(
    "The interval has no width, up to rounding: drawing all stations *without* replacement gives the same stations in "
    "another order, each time.",
    seen=lambda seed, n, m, error, seen: bool(np.all(np.abs(seen["high"] - seen["low"]) < 1e-9)),
)
def without_replacement(stations, error, draws, seed):
    rng = np.random.default_rng(seed)
    total, count = np.array([s.sum() for s in stations]), np.array([len(s) for s in stations])
    order = rng.permuted(np.tile(np.arange(len(stations)), (draws, 1)), axis=1)
    return _ends(total[order].sum(axis=1) / count[order].sum(axis=1), error)


def _each_side(seed, n, m, error, seen):
    from scipy import stats

    target = stats.norm.isf(error) / stats.norm.isf(error / 2)
    return _centred(seed, n, m, seen) and _near(_width(seed, n, m, error, seen), target)


@interval.mistake("Each side leaves out the whole error. Both sides together may: error / 2 each.", seen=_each_side)
def whole_error_on_each_side(stations, error, draws, seed):
    return _ends(_stations_bootstrap(stations, draws, seed), 2 * error)


def _both_ends_low(seed, n, m, error, seen):
    below = np.all(seen["high"] < _of_towns(seed, n, m)[0])  # and narrow, which the stations' own means are not
    return bool(below) and _width(seed, n, m, error, seen) < 0.7


@interval.mistake(
    "Both ends lie below the mean of the readings. np.percentile counts from 0 to 100, np.quantile from 0 to 1.",
    seen=_both_ends_low,
)
def percent_for_share(stations, error, draws, seed):
    low, high = np.percentile(_stations_bootstrap(stations, draws, seed), [error / 2, 1 - error / 2])
    return float(low), float(high)


def _one_standard_error(seed, n, m, error, seen):
    from scipy import stats

    wide = _width(seed, n, m, error, seen)
    return _centred(seed, n, m, seen) and _near(wide, 1 / stats.norm.isf(error / 2))


@interval.mistake(
    "These are the mean plus and minus one standard deviation of the resampled means, whatever the error: about 68 % "
    "of such intervals hold the truth.",
    seen=_one_standard_error,
)
def plus_minus_one(stations, error, draws, seed):
    means = _stations_bootstrap(stations, draws, seed)
    return float(means.mean() - means.std()), float(means.mean() + means.std())


def _whatever_is_asked(seed, n, m, error, seen):
    return (
        seen["repeats"]
        and bool(np.all(seen["high"] - seen["low"] > 1e-9))
        and np.allclose(seen["other"], np.column_stack([seen["low"], seen["high"]])[:AGAIN])
        and not _one_standard_error(seed, n, m, error, seen)
    )


@interval.mistake(
    "The interval is the same whatever error is asked for: a level is written into the function, 95 % perhaps.",
    seen=_whatever_is_asked,
)
def one_level_for_all(stations, error, draws, seed):
    return _ends(_stations_bootstrap(stations, draws, seed), 0.05)


@interval.mistake(
    "Each station counts once here. Asked is the mean of all readings, and stations that are read more often weigh "
    "more.",
    seen=lambda seed, n, m, error, seen: (
        abs(_off_centre(seed, n, m, seen) - 1) < 0.25 and _width(seed, n, m, error, seen) > 0.7
    ),
)
def station_means(stations, error, draws, seed):
    means = np.array([s.mean() for s in stations])
    pick = np.random.default_rng(seed).integers(len(stations), size=(draws, len(stations)))
    return _ends(means[pick].mean(axis=1), error)


@interval.mistake(
    "The seed is not used, so nobody can repeat this interval.",
    seen=lambda seed, n, m, error, seen: not seen["repeats"],
)
def unseeded_interval(stations, error, draws, seed):
    return _ends(_stations_bootstrap(stations, draws, None), error)


# ----------------------------------------------------------------------------------------------- 4 permutation_p

NULLS, REAL, SHUFFLES, MANY = 120, 30, 59, 1999  # trials without and with an effect; shuffles in those, and for pairs

permutation_p = exercise.question(
    "permutation_p",
    kind="function",
    points=3,
    skills=["statistics", "Python", "problem solving"],
    objectives=[2, 3],
    call="permutation_p(values, treated, district, shuffles, seed)",
    asks="a number above 0, 1 at most",
    compare=False,  # random; judged by how often p is small when it may be, see the module's docstring
    hints=(
        "How were the labels drawn? A shuffle has to be a draw that could have happened.",
        "In each district, give the labels of its stations to its stations in another order. Then compute `gap` anew, "
        "and count how many shuffles are as far from zero as the observed one.",
        "for d in np.unique(district): shuffled[district == d] = rng.permutation(treated[district == d]). Then "
        "(1 + count) / (1 + shuffles), with absolute values.",
    ),
    out_of_bounds=("scipy.stats.permutation_test", "mle.scratch"),
)


@permutation_p.probes
def _(seed, n, effect):
    yield seed, n, effect


def gap(values, treated, district):
    """Mean over districts of the treated stations' mean less that of the others, in the unit of values."""
    weight = treated.astype(float)
    ones = np.bincount(district, weights=values * weight) / np.bincount(district, weights=weight)
    rest = np.bincount(district, weights=values * (1 - weight)) / np.bincount(district, weights=1 - weight)
    return float(np.mean(ones - rest))


def _trial(rng, n, effect):
    """n stations in districts of six, which differ much; two or four of six are treated, which shifts them."""
    districts = n // 6
    district = np.repeat(np.arange(districts), 6)
    level = np.repeat(8.0 * (np.arange(districts) % 2), 6)
    ones = np.where(np.arange(districts) % 2, 4, 2)
    treated = np.concatenate([rng.permutation(np.arange(6) < k) for k in ones])
    return level + rng.normal(size=len(level)) + effect * treated, treated, district


def _pairs(seed):
    """Eight pairs of stations, one of each treated and higher, and their exact two-sided p-value."""
    rng = np.random.default_rng([seed, 8])
    apart = np.array([1.0, 1.5, 2.0, 2.5, 3.0, -0.25, 0.75, 1.25])
    flips = np.array(list(product([1, -1], repeat=8))) @ apart
    exact = np.mean(np.abs(flips) >= abs(apart.sum()) - 1e-9)
    treated = np.array([rng.permutation([True, False]) for _ in range(8)]).ravel()
    level = np.repeat(10.0 * np.arange(8), 2)
    return level + np.repeat(apart, 2) * treated, treated, np.repeat(np.arange(8), 2), float(exact)


@lru_cache(maxsize=4)
def _trials(seed, n, effect):
    rng = np.random.default_rng([seed, 4])
    shift = 1.2 + effect / 5  # 1.5 to 1.9 standard deviations of a station
    return [[_trial(rng, n, e) for _ in range(k)] for e, k in ((0, NULLS), (shift, REAL), (-shift, REAL))]


@permutation_p.observe
def _(answer, seed, n, effect):
    def ask(trial, shuffles, seed):
        return float(answer(*(column.copy() for column in trial), shuffles, seed % 2**31))

    seen = {}
    for name, trials in zip(("null", "plus", "minus"), _trials(seed, n, effect), strict=True):
        seen[name] = np.array([ask(trial, SHUFFLES, seed + k) for k, trial in enumerate(trials)])
    *pairs, _ = _pairs(seed)
    seen["pairs"] = ask(pairs, MANY, seed)
    some = _trials(seed, n, effect)[0][:20]
    for name, shift in (("again", 0), ("other", 1000)):
        seen[name] = np.array([ask(trial, SHUFFLES, seed + k + shift) for k, trial in enumerate(some)])
    return seen


def _reached(p, shuffles):
    """How many of the shuffles reached the observed statistic, if p is as asked for."""
    return p * (1 + shuffles) - 1


@permutation_p.property("p times the number of shuffles plus 1 is a whole number, 1 or more")
def _(seed, n, effect, seen):
    counts = np.concatenate([_reached(seen["null"], SHUFFLES), [_reached(seen["pairs"], MANY)]])
    return bool(np.all(np.abs(counts - np.round(counts)) < 1e-6) and np.all(counts > -1e-6))


@permutation_p.property("the same seed gives the same p, and other seeds differ")
def _(seed, n, effect, seen):
    return _steady(seen)


def _repeats(seen):
    return np.array_equal(seen["null"][: len(seen["again"])], seen["again"])


def _steady(seen):
    return _repeats(seen) and not np.array_equal(seen["again"], seen["other"])


@permutation_p.property("where nothing is going on, p is uniform: 10, 50 and 90 % of the trials lie below these values")
def _(seed, n, effect, seen):
    return _uniform(seen["null"])


def _uniform(p):
    return all(_fits(int(np.sum(p < level + 1e-9)), len(p), level) for level in (0.1, 0.5, 0.9))


@permutation_p.property("where the treatment works, p is small, whether it raises or lowers the values")
def _(seed, n, effect, seen):
    return all(np.median(seen[side]) <= 0.1 for side in ("plus", "minus"))


@permutation_p.property("for eight pairs p is what trying all their swaps gives, up to the luck of the shuffles")
def _(seed, n, effect, seen):
    return _fits(round(_reached(seen["pairs"], MANY)), MANY, _pairs(seed)[3])


def _across(seed, n, effect, seen):
    return _steady(seen) and np.mean(seen["null"]) > 0.65 and np.median(seen["plus"]) < 0.9


def _one_sided(seed, n, effect, seen):
    sides = sorted([np.median(seen["plus"]), np.median(seen["minus"])])
    return _steady(seen) and sides[0] < 0.1 and sides[1] > 0.9 and _uniform(seen["null"])


def _too_few(seed, n, effect, seen):
    few = _reached(seen["pairs"], MANY) < _range(MANY, _pairs(seed)[3])[0]
    return _steady(seen) and few and max(np.median(seen["plus"]), np.median(seen["minus"])) < 0.2


def _without_one(seed, n, effect, seen):
    counts = np.concatenate([seen["null"], seen["plus"], seen["minus"]]) * SHUFFLES
    return _steady(seen) and bool(np.all(np.abs(counts - np.round(counts)) < 1e-6))


def _turned(seed, n, effect, seen):
    return _steady(seen) and min(np.median(seen["plus"]), np.median(seen["minus"])) > 0.9


def _within(rng, column, district):
    return column[np.argsort(district + rng.random(len(district)))]  # districts are numbered in order


def _gaps(values, treated, district, shuffles, seed):
    rng = np.random.default_rng(seed)
    found = [gap(values, _within(rng, treated, district), district) for _ in range(shuffles)]
    return gap(values, treated, district), np.array(found)


def _reach(found, observed):
    return int(np.sum(found >= observed - 1e-9))


@permutation_p.mistake(
    "The shuffles carry values from one district to another. The labels were drawn within each district, and the "
    "districts differ: such a shuffle could not have happened, and it hides the effect.",
    seen=_across,
)
def across_districts(values, treated, district, shuffles, seed):
    rng = np.random.default_rng(seed)
    found = np.array([gap(rng.permutation(values), treated, district) for _ in range(shuffles)])
    return (1 + _reach(np.abs(found), abs(gap(values, treated, district)))) / (1 + shuffles)


@permutation_p.mistake(
    "One-sided by accident: an additive that makes things worse goes unseen. Take absolute values on both sides of "
    "the comparison.",
    seen=_one_sided,
)
def one_side_only(values, treated, district, shuffles, seed):
    observed, found = _gaps(values, treated, district, shuffles, seed)
    return (1 + _reach(found, observed)) / (1 + shuffles)


@permutation_p.mistake(
    "These shuffles could not have happened in this trial. A value stays in its district and is used there exactly "
    "once; drawing values with replacement, or dealing the labels out over all districts, breaks that.",
    seen=_too_few,
)
def with_replacement(values, treated, district, shuffles, seed):
    rng = np.random.default_rng(seed)
    first, size = np.searchsorted(district, district), np.bincount(district)[district]
    pick = first + (rng.random((shuffles, len(values))) * size).astype(int)
    found = [abs(gap(values[row], treated, district)) for row in pick]
    return (1 + _reach(np.array(found), abs(gap(values, treated, district)))) / (1 + shuffles)


@permutation_p.mistake(
    "The observed labelling is one of the equally likely ones: add 1 above and below the line.",
    credit=0.5,
    seen=_without_one,
)
def zero_is_possible(values, treated, district, shuffles, seed):
    observed, found = _gaps(values, treated, district, shuffles, seed)
    return _reach(np.abs(found), abs(observed)) / shuffles


@permutation_p.mistake(
    "p is large where the effect is large. It counts the shuffles that go as far as the observed gap.", seen=_turned
)
def nearer_ones_counted(values, treated, district, shuffles, seed):
    observed, found = _gaps(values, treated, district, shuffles, seed)
    return (1 + int(np.sum(np.abs(found) < abs(observed) - 1e-9))) / (1 + shuffles)


@permutation_p.mistake(
    "The seed is not used, so nobody can repeat this test.", seen=lambda seed, n, effect, seen: not _repeats(seen)
)
def unseeded_test(values, treated, district, shuffles, seed):
    observed, found = _gaps(values, treated, district, shuffles, None)
    return (1 + _reach(np.abs(found), abs(observed))) / (1 + shuffles)


# ------------------------------------------------------------------------------------------------ 5 worth_a_visit

worth_a_visit = exercise.question(
    "worth_a_visit",
    kind="function",
    points=2,
    skills=["statistics", "basic algorithms"],
    objectives=[4],
    call="worth_a_visit(p, share)",
    asks="an array of True and False, as long as p and in its order",
    hints=(
        "Sort the p-values. The k-th smallest is compared with share * k / m. Which k counts, if some pass and some "
        "don't?",
        "The *largest* k that passes. All smaller p-values go with it, whether they pass their own line or not.",
        "passes = sorted_p <= share * np.arange(1, m + 1) / m; the bar is the largest sorted_p that passes (nothing is "
        "found if none does); the answer is p <= bar.",
    ),
    out_of_bounds=("scipy.stats.false_discovery_control", "statsmodels", "mle.scratch"),
)


@worth_a_visit.probes
def _(rng, error, n):
    k = np.arange(1, 21)
    line = error * k / 20
    p = np.minimum(1, line * np.where(k <= 9, 0.9, 1.5))
    p[1:5] = line[2:6] * 1.02  # the 2nd to 5th miss their own lines, the 9th pulls them in
    yield rng.permutation(p), error
    p = np.concatenate([error * k[:6] / (16 + n) * 0.95, rng.uniform(0.5, 1, size=10 + n)])
    yield rng.permutation(p), error
    yield np.array([0.02, 0.01, 0.04]), 0.05
    yield np.array([0.9, 0.011, 0.3, 0.012, 0.02]), 0.05
    yield np.array([0.6, 0.3, 0.9]), error
    yield np.array([0.5, 0.125, 0.75, 0.1]), 0.25  # the second is on its line exactly, in binary too
    yield np.array([0.049]), 0.05
    yield np.array([]), error


@worth_a_visit.property("who has a smaller p-value than a station on the list is on it too")
def _(p, share, chosen):
    chosen = np.asarray(chosen, dtype=bool)
    return not chosen.any() or bool(np.all(chosen[p <= p[chosen].max()]))


def _line(p, share):
    return share * np.arange(1, len(p) + 1) / max(1, len(p))


def _from_sorted(p, chosen):
    answer = np.zeros(len(p), dtype=bool)
    answer[np.argsort(p, kind="stable")] = chosen
    return answer


@worth_a_visit.mistake("Nothing is corrected here: with many stations a share of them is that low by luck alone.")
def uncorrected(p, share):
    return p <= share


@worth_a_visit.mistake(
    "This is Bonferroni: it promises that no station on the list is there by luck, which is more than was asked, and "
    "finds fewer.",
    credit=0.25,
)
def by_bonferroni(p, share):
    return p <= share / max(1, len(p))


@worth_a_visit.mistake("This is Holm's procedure: it keeps the stricter promise, of no false one at all.", credit=0.25)
def by_holm(p, share):
    passes = np.sort(p) <= share / np.arange(len(p), 0, -1)
    return _from_sorted(p, np.cumprod(passes).astype(bool))


@worth_a_visit.mistake(
    "It stops at the first p-value above its line. Look on: a later one may lie below its own, and takes all smaller "
    "ones with it.",
    credit=0.5,
)
def stops_at_the_first(p, share):
    return _from_sorted(p, np.cumprod(np.sort(p) <= _line(p, share)).astype(bool))


@worth_a_visit.mistake(
    "Only those are taken that lie below their own line. Every p-value below the largest that passes belongs to the "
    "list.",
    credit=0.5,
)
def own_line_only(p, share):
    return _from_sorted(p, np.sort(p) <= _line(p, share))


@worth_a_visit.mistake(
    "The answer is in the order of the sorted p-values. Station number j belongs at place j.", credit=0.5
)
def in_sorted_order(p, share):
    passes = np.flatnonzero(np.sort(p) <= _line(p, share))
    return np.arange(len(p)) <= (passes.max() if len(passes) else -1)


@worth_a_visit.mistake(
    "A p-value exactly on its line is left out. The procedure asks for at most share * k / m, so it passes.", credit=0.5
)
def strictly_below_the_line(p, share):
    passes = np.flatnonzero(np.sort(p) < _line(p, share))
    return _from_sorted(p, np.arange(len(p)) <= (passes.max() if len(passes) else -1))


@worth_a_visit.mistake(
    "The ranks start at 0 here. The smallest p-value is number 1, and its line is share / m.", credit=0.5
)
def ranks_from_zero(p, share):
    passes = np.flatnonzero(np.sort(p) <= share * np.arange(len(p)) / max(1, len(p)))
    return _from_sorted(p, np.arange(len(p)) <= (passes.max() if len(passes) else -1))


@worth_a_visit.mistake(
    "The p-values are compared with the lines in the order of the stations. The lines belong to the sorted p-values."
)
def not_sorted(p, share):
    return p <= _line(p, share)
