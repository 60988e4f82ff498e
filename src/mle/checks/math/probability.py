"""Checks of the exercise math/probability: condition, simulate, bound a chance, and set a buffer where tails are heavy.

`simulate` is random, so it is judged by counts. Each of its five counts on each of two probes must lie in the central
1 - REFUSED of its exact binomial distribution: a right answer is refused with a probability below 10 REFUSED = 1e-5.
For every parameter set in the declared ranges each of its mistakes is caught with a probability above 0.999.
"""

import numpy as np

from coursework import Choice, Exercise, Integer, Real

exercise = Exercise(
    "math/probability",
    title="Two parcels, one storm",
    minutes=60,
    parameters=[
        Integer("seed", 0, 2**31 - 1),
        Integer("n", 20_000, 60_000),
        Real("p", 0.05, 0.3),
        Integer("m", 6, 20),
        Real("base", 0.005, 0.05, log=True),
        Choice("error", [0.01, 0.05, 0.1]),
    ],
)

# ------------------------------------------------------------------------------------------- 1 right_when_it_rings

right_when_it_rings = exercise.question(
    "right_when_it_rings",
    kind="function",
    points=1,
    skills=["probability"],
    objectives=[3],
    call="right_when_it_rings(base, sensitivity, false_alarm)",
    asks="a number from 0 to 1",
    hints=(
        "Imagine 1,000 flights. How many are cancelled, and for how many of those does it ring? And of the others?",
        "All rings are those for cancelled flights and those for the others. What share of them is the first kind?",
        "Rings for cancelled flights are base * sensitivity of all flights, false ones (1 - base) * false_alarm.",
    ),
)


@right_when_it_rings.probes
def _(rng, base):
    yield base, 0.7, 0.06
    yield 0.5, 0.9, 0.2
    yield tuple(rng.uniform([0.1, 0.3, 0.2], [0.2, 0.5, 0.25]).tolist())
    yield 0.3, 1.0, 0.0
    yield 0.0, 0.8, 0.1


@right_when_it_rings.property("where nothing is ever cancelled, no ring is right")
def _(base, sensitivity, false_alarm, share):
    return base > 0 or share == 0


@right_when_it_rings.property("a share lies between 0 and 1")
def _(base, sensitivity, false_alarm, share):
    return -1e-12 <= share <= 1 + 1e-12


@right_when_it_rings.mistake(
    "This is the share of flights that will *not* be cancelled, among those for which it rings."
)
def goes_all_the_same(base, sensitivity, false_alarm):
    rings = base * sensitivity + (1 - base) * false_alarm
    return (1 - base) * false_alarm / rings


@right_when_it_rings.mistake(
    "The false alarms are counted over all flights. They come from those that will not be cancelled: 1 - base of them.",
    credit=0.5,
)
def false_alarms_of_all(base, sensitivity, false_alarm):
    return base * sensitivity / (base * sensitivity + false_alarm)


@right_when_it_rings.mistake(
    "This is how often it rings if the flight is cancelled. Asked is how often the flight is cancelled if it rings."
)
def turned_round(base, sensitivity, false_alarm):
    return sensitivity


@right_when_it_rings.mistake(
    "The two rates have been compared as if as many flights were cancelled as not. How many there are of each kind "
    "has to come in."
)
def base_rate_ignored(base, sensitivity, false_alarm):
    return sensitivity / (sensitivity + false_alarm)


@right_when_it_rings.mistake(
    "This is a share of all flights: those that are cancelled and rung for. Asked is a share of the rings.", credit=0.25
)
def share_of_all(base, sensitivity, false_alarm):
    return base * sensitivity


@right_when_it_rings.mistake("This is the share of quiet among flights that are not cancelled. Nothing rings there.")
def quiet_when_fine(base, sensitivity, false_alarm):
    return 1 - false_alarm


@right_when_it_rings.mistake(
    "This is how often the alarm is right over all flights, quiet ones included. The quiet ones are nearly all of them."
)
def right_over_all(base, sensitivity, false_alarm):
    return base * sensitivity + (1 - base) * (1 - false_alarm)


# --------------------------------------------------------------------------------------------------- 2 at_least

at_least = exercise.question(
    "at_least",
    kind="function",
    points=2,
    skills=["probability", "problem solving"],
    objectives=[2],
    call="at_least(k, m, rates)",
    asks="a number from 0 to 1",
    rtol=1e-7,
    atol=1e-12,
    hints=(
        "If you knew which day it is, the flights would be independent, and the question an easy one. You don't.",
        "Answer it for each day with that day's rate, then average the answers, not the rates.",
        "scipy.stats.binom.sf(k - 1, m, rates) gives the answer for each day: sf(x) is the chance of more than x.",
    ),
)


@at_least.probes
def _(rng, m):
    rates = np.round(rng.beta(0.8, 5, size=365), 3)
    rates[:2] = 0.02, 0.6
    yield m // 2, m, rates
    yield 2, m, rates
    yield 2, 3, np.array([0.1, 0.1, 0.7])
    yield 4, 4, np.array([0.0, 1.0])
    yield 0, 5, np.array([0.0, 0.3])
    yield 1, 6, np.array([0.25])


@at_least.property("a probability lies between 0 and 1")
def _(k, m, rates, chance):
    return -1e-12 <= chance <= 1 + 1e-12


@at_least.mistake(
    "Independence has been assumed: this averages the rates first, which is right for m flights of m different days. "
    "These share one day."
)
def independence_assumed(k, m, rates):
    from scipy import stats

    return float(stats.binom.sf(k - 1, m, np.mean(rates)))


@at_least.mistake("The case of exactly k late flights has been left out: sf(k) is the chance of more than k.")
def more_than_k(k, m, rates):
    from scipy import stats

    return float(np.mean(stats.binom.sf(k, m, rates)))


@at_least.mistake("This is the chance of exactly k late flights. More than k strand the parcels just as well.")
def exactly_k(k, m, rates):
    from scipy import stats

    return float(np.mean(stats.binom.pmf(k, m, rates)))


@at_least.mistake("This is the chance that k named flights are all late. Any k of the m will do here.")
def these_k(k, m, rates):
    return float(np.mean(rates**k))


@at_least.mistake(
    "This is the chance on a day of the median rate. Bad days are few, and they are what the question is about."
)
def median_day(k, m, rates):
    from scipy import stats

    return float(stats.binom.sf(k - 1, m, np.median(rates)))


# --------------------------------------------------------------------------------------------------- 3 simulate

REFUSED = 1e-6  # chance that one count of a right answer falls outside its interval

simulate = exercise.question(
    "simulate",
    kind="function",
    points=3,
    skills=["probability", "Python"],
    objectives=[1],
    call="simulate(seed, n, m, p, wild, calm)",
    asks="an array of True and False of shape (n, m): a row a day, a column a flight",
    compare=False,  # there are many right ways to draw; judged by counts, see the module's docstring
    hints=(
        "What is drawn once a day, and what once a flight?",
        "Draw n storms. They decide a rate for each day. Then draw n times m uniform numbers and compare.",
        "rng.random(n) < p are the storms; np.where(storm, wild, calm) has shape (n,); with [:, None] it broadcasts "
        "against rng.random((n, m)).",
    ),
)


@simulate.probes
def _(seed, n, m, p):
    yield seed, n, m, p, 0.6, 0.08
    yield seed + 1, n, 3, p, 0.9, 0.02


@simulate.observe
def _(answer, seed, n, m, p, wild, calm):
    late = np.asarray(answer(seed, n, m, p, wild, calm))
    if late.dtype != bool or late.shape != (n, m):
        return {"shape": list(late.shape), "kind": late.dtype.kind}
    again, other = (np.asarray(answer(s, n, m, p, wild, calm)) for s in (seed, seed + 1000))
    first, last = late[:, 0], late[:, -1]
    pairs = n // 2
    return {
        "shape": list(late.shape),
        "kind": late.dtype.kind,
        "first": int(first.sum()),
        "last": int(last.sum()),
        "both": int((first & last).sum()),
        "neighbours": int((first[: 2 * pairs : 2] & first[1 : 2 * pairs : 2]).sum()),
        "lots": _lots(late),
        "repeats": bool(np.array_equal(late, again)),
        "differs": not np.array_equal(late, other),
    }


def _lots(late):
    """Of flights, counted row by row: how many were late, and how many of these have a late day of the same number.

    Flight number k stands in row k // m. The rows are a stretch whose flights' numbers lie beyond it, so that given the
    first count the second is binomial: the days of these numbers are independent of it.
    """
    n, m = late.shape
    rows = slice(n // m // m + 1, n // m)
    flights = late[rows].ravel()
    days = late[rows.start * m : rows.stop * m]
    return [int(flights.sum()), int((flights & (days[:, 0] | days[:, -1])).sum())]


def _fits(count, trials, chance, refused=REFUSED):
    """Whether a count lies in the central 1 - refused of its binomial distribution."""
    from scipy import stats

    return min(stats.binom.cdf(count, trials, chance), stats.binom.sf(count - 1, trials, chance)) > refused / 2


def _one(p, wild, calm):
    """The chance that a flight is late."""
    return p * wild + (1 - p) * calm


def _two(p, wild, calm):
    """The chance that two flights of one day are both late."""
    return p * wild**2 + (1 - p) * calm**2


@simulate.property("the answer is an array of True and False with n rows and m columns")
def _(seed, n, m, p, wild, calm, seen):
    return seen["shape"] == [n, m] and seen["kind"] == "b"


@simulate.property("the same seed gives the same array, another seed another one")
def _(seed, n, m, p, wild, calm, seen):
    return seen["repeats"] and seen["differs"]


@simulate.property("the number of late flights lies where it should in all but one of a million runs")
def _(seed, n, m, p, wild, calm, seen):
    return all(_fits(seen[column], n, _one(p, wild, calm)) for column in ("first", "last"))


@simulate.property("the number of days on which two flights are both late lies where it should, likewise")
def _(seed, n, m, p, wild, calm, seen):
    return _fits(seen["both"], n, _two(p, wild, calm))


@simulate.property("a late flight on one day says nothing about the next day")
def _(seed, n, m, p, wild, calm, seen):
    return _fits(seen["neighbours"], n // 2, _one(p, wild, calm) ** 2)


def _either(p, wild, calm):
    """The chance that of two flights of one day at least one is late."""
    return 2 * _one(p, wild, calm) - _two(p, wild, calm)


@simulate.property("no number decides two things: late flights and the days of the same number are independent")
def _(seed, n, m, p, wild, calm, seen):
    flights, both = seen["lots"]
    return _fits(both, flights, _either(p, wild, calm))


def _sound(seen):
    return seen["repeats"] and seen["differs"] and seen["both"] < min(seen["first"], seen["last"])


def _each_flight_alone(seed, n, m, p, wild, calm, seen):
    one = _one(p, wild, calm)
    return _sound(seen) and _fits(seen["first"], n, one) and _fits(seen["both"], n, one**2)


def _one_storm(seed, n, m, p, wild, calm, seen):
    return _sound(seen) and any(_fits(seen["first"], n, r) and _fits(seen["both"], n, r**2) for r in (wild, calm))


def _rows_alike(seed, n, m, p, wild, calm, seen):
    return seen["repeats"] and seen["differs"] and seen["both"] == seen["first"] == seen["last"]


def _storms_in_a_block(seed, n, m, p, wild, calm, seen):
    two = _two(p, wild, calm)
    return _sound(seen) and _fits(seen["both"], n, two) and _fits(seen["neighbours"], n // 2, two)


def _rates_swapped(seed, n, m, p, wild, calm, seen):
    return _sound(seen) and _fits(seen["first"], n, _one(p, calm, wild))


def _not_repeatable(seed, n, m, p, wild, calm, seen):
    return not seen["repeats"]


def _one_seed_twice(seed, n, m, p, wild, calm, seen):
    flights, both = seen["lots"]
    one, two = _one(p, wild, calm), _two(p, wild, calm)
    right = _fits(seen["first"], n, one) and _fits(seen["both"], n, two) and _fits(seen["neighbours"], n // 2, one**2)
    return _sound(seen) and right and not _fits(both, flights, _either(p, wild, calm))


def _always_the_same(seed, n, m, p, wild, calm, seen):
    return seen["repeats"] and not seen["differs"]


def _days(rng, n, m, rate):
    return rng.random((n, m)) < rate


@simulate.mistake(
    "Each flight has a storm of its own here. The share of late flights comes out right, and two flights of one day "
    "are late together far too rarely: a storm hits the whole day.",
    seen=_each_flight_alone,
)
def storm_for_each_flight(seed, n, m, p, wild, calm):
    rng = np.random.default_rng(seed)
    return _days(rng, n, m, np.where(rng.random((n, m)) < p, wild, calm))


@simulate.mistake("One storm, or none, was drawn for all the days together.", seen=_one_storm)
def storm_for_all_days(seed, n, m, p, wild, calm):
    rng = np.random.default_rng(seed)
    return _days(rng, n, m, wild if rng.random() < p else calm)


@simulate.mistake(
    "All flights of a day have the same fate. They share the day's rate; each still has luck of its own.",
    seen=_rows_alike,
)
def one_draw_for_the_day(seed, n, m, p, wild, calm):
    rng = np.random.default_rng(seed)
    rate = np.where(rng.random(n) < p, wild, calm)
    return np.repeat(rng.random((n, 1)) < rate[:, None], m, axis=1)


@simulate.mistake(
    "The storms come in a block, so tomorrow can be read off today. Draw for each day whether it storms.",
    seen=_storms_in_a_block,
)
def storms_first(seed, n, m, p, wild, calm):
    rate = np.where(np.arange(n) < round(p * n), wild, calm)
    return _days(np.random.default_rng(seed), n, m, rate[:, None])


@simulate.mistake("The two rates have changed places: storms are the quiet days here.", seen=_rates_swapped)
def swapped(seed, n, m, p, wild, calm):
    rng = np.random.default_rng(seed)
    return _days(rng, n, m, np.where(rng.random(n) < p, calm, wild)[:, None])


@simulate.mistake(
    "Two generators were made from one seed, and they give the same numbers: the luck of a flight is the storm of "
    "another day. Make one generator, and draw everything from it.",
    credit=0.5,
    seen=_one_seed_twice,
)
def same_seed_twice(seed, n, m, p, wild, calm):
    storm = np.random.default_rng(seed).random(n) < p
    return _days(np.random.default_rng(seed), n, m, np.where(storm, wild, calm)[:, None])


@simulate.mistake("The seed is not used, so nobody can repeat this run.", seen=_not_repeatable)
def unseeded(seed, n, m, p, wild, calm):
    rng = np.random.default_rng()
    return _days(rng, n, m, np.where(rng.random(n) < p, wild, calm)[:, None])


@simulate.mistake("Every seed gives the same days: a seed has been written into the function.", seen=_always_the_same)
def one_seed_for_all(seed, n, m, p, wild, calm):
    rng = np.random.default_rng(42)
    return _days(rng, n, m, np.where(rng.random(n) < p, wild, calm)[:, None])


# ---------------------------------------------------------------------------------------------- 4 exact_interval

exact_interval = exercise.question(
    "exact_interval",
    kind="function",
    points=3,
    skills=["probability", "statistics"],
    objectives=[1],
    call="exact_interval(k, n, error)",
    asks="a tuple of two numbers from 0 to 1, the lower end first",
    rtol=1e-5,
    atol=1e-7,
    hints=(
        "At the lower end k successes are surprisingly many, at the upper end surprisingly few. How surprising?",
        "The lower end is the chance at which k or more have probability error / 2. Look for it by halving, or in "
        "the quantiles of a beta distribution. What if k is 0?",
        "scipy.stats.beta.ppf(error / 2, k, n - k + 1) is the lower end; the upper end has k + 1 and n - k and the "
        "other quantile. For k = 0 the lower end is 0, for k = n the upper end is 1.",
    ),
    out_of_bounds=("scipy.stats.binomtest", "mle.scratch"),
)


@exact_interval.probes
def _(rng, n, p, error):
    days = 100 + n % 400
    yield int(rng.binomial(days, p)) + 1, days, error
    yield 22, 365, error
    yield 0, 30, error
    yield 12, 12, error
    yield 1, 2, 0.5


@exact_interval.property("the interval holds the share k / n, and both ends are chances")
def _(k, n, error, ends):
    return len(ends) == 2 and 0 <= ends[0] <= k / n <= ends[1] <= 1


@exact_interval.property("at the lower end k or more have probability error / 2, at the upper end k or fewer")
def _(k, n, error, ends):
    from scipy import stats

    low = 1 if k == 0 else stats.binom.sf(k - 1, n, ends[0]) / (error / 2)
    high = 1 if k == n else stats.binom.cdf(k, n, ends[1]) / (error / 2)
    return abs(low - 1) < 1e-3 and abs(high - 1) < 1e-3


def _beta(k, n, low, high, widen=0):
    """Ends by the beta quantiles; `widen` 0 is exact, 1 leaves out k itself. nan where there is no quantile."""
    from scipy import stats

    return float(stats.beta.ppf(low, k + widen, n - k + 1 - widen)), float(
        stats.beta.ppf(high, k + 1 - widen, n - k + widen)
    )


@exact_interval.mistake(
    "This is the normal approximation. For 0 of 30 it says that the chance is 0, with certainty, and for rare events "
    "it misses the truth more often than it admits."
)
def normal_approximation(k, n, error):
    from scipy import stats

    half = stats.norm.ppf(1 - error / 2) * np.sqrt(k / n * (1 - k / n) / n)
    return float(k / n - half), float(k / n + half)


@exact_interval.mistake("Each side may miss with error / 2, so that both together miss with error at most.")
def whole_error_on_each_side(k, n, error):
    low, high = _beta(k, n, error, 1 - error)
    return (0.0 if k == 0 else low), (1.0 if k == n else high)


@exact_interval.mistake(
    "The tails leave out k itself. A chance is ruled out when what was seen, *or more*, would be rare.", credit=0.25
)
def k_left_out(k, n, error):
    low, high = _beta(k, n, error / 2, 1 - error / 2, widen=1)
    return low, high


@exact_interval.mistake(
    "Right in the middle; at the ends there is no answer. What does 0 of 30 say about the lower end?", credit=0.5
)
def nan_at_the_ends(k, n, error):
    return _beta(k, n, error / 2, 1 - error / 2)


@exact_interval.mistake("The error has been taken for the confidence: a smaller error must give a wider interval.")
def error_for_confidence(k, n, error):
    low, high = _beta(k, n, (1 - error) / 2, (1 + error) / 2)
    return (0.0 if k == 0 else low), (1.0 if k == n else high)


# ------------------------------------------------------------------------------------------------------ 5 buffer

buffer = exercise.question(
    "buffer",
    kind="function",
    points=2,
    skills=["probability", "problem solving"],
    objectives=[4],
    call="buffer(delays, risk)",
    asks="a number of minutes, 0 or more",
    rtol=0,
    atol=1e-9,
    hints=(
        "Nothing has to be assumed about the shape of the tail. How many flights may miss, in so many?",
        "A flight that never arrived misses every buffer: give it a delay that no buffer reaches, and sort.",
        "With nan replaced by np.inf and `may` = floor(risk * len(delays)), the (may + 1)-th largest delay is the "
        "buffer, unless it is negative.",
    ),
)


@buffer.probes
def _(rng, n):
    delays = np.round(5 * rng.standard_t(1.5, 601) ** 3)
    delays[:20] = np.nan
    yield rng.permutation(delays), 0.05
    spread = np.arange(-100.0, 301.0)
    spread[rng.choice(401, 41, replace=False)] = np.nan
    yield rng.permutation(spread), 0.1501
    yield np.concatenate([np.arange(100.0), np.full(20, np.nan)]), 0.301
    yield np.array([10.0, np.nan, 5.0]), 0.1
    yield np.array([-9.0, -8.0, -20.0, -3.0]), 0.1
    yield np.array([7.0, 1.0, 7.0, 7.0, 2.0, 3.0, 4.0]), 0.3


@buffer.property("no more than `risk` of the flights come in later than the buffer, or never")
def _(delays, risk, minutes):
    missed = np.isnan(delays) | (np.nan_to_num(delays, nan=0.0) > minutes)
    return np.isinf(minutes) or missed.mean() <= risk + 1e-12


@buffer.property("a buffer is not negative")
def _(delays, risk, minutes):
    return minutes >= 0


def _quantile(delays, risk):
    may = int(np.floor(risk * len(delays)))
    return float(max(0.0, np.sort(delays)[len(delays) - 1 - may]))


@buffer.mistake(
    "Mean and standard deviation say where a normal distribution has its tail. Delays have another: too large a buffer "
    "for common risks, far too small a one for rare ones."
)
def as_if_normal(delays, risk):
    from scipy import stats

    known = delays[~np.isnan(delays)]
    return float(max(0.0, np.ceil(known.mean() + stats.norm.ppf(1 - risk) * known.std(ddof=1))))


@buffer.mistake("The flights that never arrived have been dropped. They are the ones that miss every buffer.")
def dropped_the_missing(delays, risk):
    return _quantile(delays[~np.isnan(delays)], risk)


@buffer.mistake("nan compares as False, so flights that never arrived have passed for punctual ones.")
def missing_is_punctual(delays, risk):
    return _quantile(np.where(np.isnan(delays), -np.inf, delays), risk)


@buffer.mistake(
    "Half of the risk went to flights that come in early. They miss nothing: the whole risk belongs to the late side."
)
def half_the_risk(delays, risk):
    return _quantile(np.where(np.isnan(delays), np.inf, delays), risk / 2)


@buffer.mistake("This is the other end: nearly every flight comes in later than this.")
def wrong_end(delays, risk):
    return _quantile(np.where(np.isnan(delays), np.inf, delays), 1 - risk)


# ------------------------------------------------------------------------------------------------------ 6 within

within = exercise.question(
    "within",
    kind="function",
    points=2,
    skills=["statistics", "probability"],
    objectives=[4],
    call="within(days)",
    asks="a number, in square minutes",
    hints=(
        "Each day has a mean of its own. Which deviations are the flights' luck, and which the day's?",
        "Add up the squared deviations from each day's own mean. How many of them are free, once each day's sum to 0?",
        "Every mean that is estimated takes one away: divide by the number of flights less the number of days.",
    ),
)


@within.probes
def _(rng, m):
    sizes = rng.integers(2, 7, size=m)
    sizes[:3] = 1, 2, 6
    yield [np.round(rng.normal(rng.normal(0, 30), 10 + 5 * j, size=size), 1) for j, size in enumerate(sizes)]
    yield [np.array([0.0, 2.0]), np.array([100.0, 101.0, 105.0])]
    yield [np.array([3.0, 4.0, 8.0])]
    yield [np.array([7.0]), np.array([1.0, 1.0]), np.array([2.0, 5.0, 5.0, 8.0])]


@within.property("a variance is not negative")
def _(days, output):
    return output >= 0


def _squares(days):
    return float(sum(np.sum((d - d.mean()) ** 2) for d in days))


@within.mistake(
    "Each day's mean was computed from the flights it is then subtracted from, so they lie too close to it. "
    "Dividing by the number of flights keeps that error."
)
def divided_by_flights(days):
    return _squares(days) / sum(len(d) for d in days)


@within.mistake(
    "One was taken away from the number of flights, as for one mean. How many means were estimated here?", credit=0.5
)
def one_mean_only(days):
    return _squares(days) / (sum(len(d) for d in days) - 1)


@within.mistake("These deviations are from the mean of all flights, so they hold the good and bad days as well.")
def around_the_grand_mean(days):
    return float(np.concatenate(days).var(ddof=1))


@within.mistake("A day with two flights counts here as much as a day with twenty. Weigh what each day knows.")
def mean_of_variances(days):
    known = [d.var(ddof=1) for d in days if len(d) > 1]
    return float(np.mean(known))


@within.mistake("This is the standard deviation, in minutes. Asked is the variance, in square minutes.", credit=0.75)
def square_root(days):
    return float(np.sqrt(_squares(days) / (sum(len(d) for d in days) - len(days))))
