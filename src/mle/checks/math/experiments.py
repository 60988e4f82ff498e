"""Checks of the exercise math/experiments: size a trial, take selection off, analyse by the unit, sharpen, stop.

`stops` is judged by counts. Its type I error is tested on TRIALS trials without an effect: a rule whose error is at
most 1.1 alpha is refused with a probability below REFUSED = 1e-6 on each of two probes. On every parameter set in the
declared ranges a rule that tests at alpha each evening, or on two evenings running, or with O'Brien and Fleming's shape
and no constant, is caught with a probability above 0.999 (tests/mle/test_experiments.py computes both).
"""

import numpy as np

from coursework import Choice, Exercise, Integer, Real

#: How often the check of the type I error refuses a rule that is within the tolerance.
REFUSED = 1e-6
#: By what factor the type I error of a rule may exceed alpha, so that a simulated constant passes.
TOLERANCE = 1.1
#: Trials without an effect, and trials with one in each direction.
TRIALS, WITH_EFFECT = 50_000, 20_000
#: Mean of z on the last evening in trials with an effect; what share must stop, and what share before the last evening.
DRIFT, MUST_STOP, MUST_STOP_EARLY = 4.5, 0.7, 0.5

exercise = Exercise(
    "math/experiments",
    title="The almond one",
    minutes=55,
    parameters=[
        Integer("seed", 0, 2**31 - 1),
        Integer("shops", 24, 60),
        Real("effect", 3, 12),
        Real("power", 0.7, 0.95),
        Choice("alpha", [0.05, 0.1]),
        Integer("looks", 8, 24),
    ],
)

# ------------------------------------------------------------------------------------------------- 1 per_arm

per_arm = exercise.question(
    "per_arm",
    kind="function",
    points=1,
    skills=["statistics"],
    objectives=[2],
    call="per_arm(sigma, delta, alpha, power)",
    asks="a whole number of baskets",
    rtol=0,
    atol=0,
    hints=(
        "How wide is the spread of the difference of two means of n baskets each?",
        "delta must lie as many standard errors above the threshold as the power asks for, and the threshold itself "
        "lies scipy.stats.norm.isf(alpha / 2) of them above 0.",
        "n = 2 (z_a + z_b)² sigma² / delta², with z_a = norm.isf(alpha / 2) and z_b = norm.isf(1 - power); round up.",
    ),
    out_of_bounds=("mle.scratch", "statsmodels"),
)


@per_arm.probes
def _(rng, effect, alpha, power):
    yield 250.0, effect, alpha, power
    yield float(np.round(rng.uniform(100, 400), 1)), 10.0, 0.01, 0.9
    yield 3.0, -4.0, 0.2, 0.75
    yield 1.7, 0.013, 0.05, power


@per_arm.property("it takes more baskets than two variances over the squared effect")
def _(sigma, delta, alpha, power, n):
    return n >= 2 * (sigma / delta) ** 2


def _z(alpha, power, sides=2):
    from scipy import stats

    return stats.norm.isf(alpha / sides) + stats.norm.isf(1 - power)


@per_arm.mistake("Two means are compared, and the variance of each is in their difference: something doubles.")
def one_mean(sigma, delta, alpha, power):
    return int(np.ceil((_z(alpha, power) * sigma / delta) ** 2))


@per_arm.mistake("These are the baskets of both arms together. Asked is one arm.", credit=0.5)
def both_arms(sigma, delta, alpha, power):
    return 2 * int(np.ceil(2 * (_z(alpha, power) * sigma / delta) ** 2))


@per_arm.mistake("The test looks in both directions, so each side gets half of alpha.")
def one_sided(sigma, delta, alpha, power):
    return int(np.ceil(2 * (_z(alpha, power, sides=1) * sigma / delta) ** 2))


@per_arm.mistake("The power has been left out: with this many baskets the effect shows in one trial of two.")
def power_left_out(sigma, delta, alpha, power):
    return int(np.ceil(2 * (_z(alpha, 0.5) * sigma / delta) ** 2))


@per_arm.mistake("The second z has the wrong sign here: more power must take more baskets, not fewer.")
def power_turned_round(sigma, delta, alpha, power):
    return int(np.ceil(2 * (_z(alpha, 1 - power) * sigma / delta) ** 2))


@per_arm.mistake("The power has one side: the trial is to show the effect where it is. Only alpha is halved.")
def power_halved_too(sigma, delta, alpha, power):
    return int(np.ceil(2 * (_z(alpha, (1 + power) / 2) * sigma / delta) ** 2))


@per_arm.mistake("The two z are added before they are squared: (z_a + z_b)² is not z_a² + z_b².")
def squares_added(sigma, delta, alpha, power):
    return int(np.ceil(2 * (_z(alpha, 0.5) ** 2 + _z(1, power) ** 2) * (sigma / delta) ** 2))


@per_arm.mistake("The number is not rounded yet. A till cannot sell part of a basket: round up.", credit=0.75)
def not_rounded(sigma, delta, alpha, power):
    return float(2 * (_z(alpha, power) * sigma / delta) ** 2)


@per_arm.mistake("The number was rounded down, and falls short of the power by a hair.", credit=0.5)
def rounded_down(sigma, delta, alpha, power):
    return int(2 * (_z(alpha, power) * sigma / delta) ** 2)


# ---------------------------------------------------------------------------------------- 2 effect_of_asking

effect_of_asking = exercise.question(
    "effect_of_asking",
    kind="function",
    points=2,
    skills=["statistics", "problem solving"],
    objectives=[1],
    call="effect_of_asking(pence, asked, shift)",
    asks="a number of pence",
    hints=(
        "Between which baskets is a comparison fair?",
        "Within each shift, take the mean of the asked less the mean of the others. Then average over the shifts: with "
        "which weights, if all baskets are to count alike?",
        "np.average(differences, weights=numbers), where a number counts all baskets of the shift, asked or not.",
    ),
    out_of_bounds=("mle.scratch", "statsmodels"),
)


def _volunteers(rng, sizes, shares, gains, labels):
    """Baskets of shifts that differ in level, in how many are asked, and in what asking brings."""
    pence, asked, shift = [], [], []
    for level, (size, share, gain, label) in enumerate(zip(sizes, shares, gains, labels, strict=True)):
        yes = np.arange(size) < max(2, round(share * size))
        pence.append(np.round(500 + 90 * level + gain * yes + 40 * rng.normal(size=size), 1))
        asked.append(yes)
        shift.append(np.full(size, label))
    order = rng.permutation(sum(sizes))
    return np.concatenate(pence)[order], np.concatenate(asked)[order], np.concatenate(shift)[order]


@effect_of_asking.probes
def _(rng, effect):
    sizes = rng.integers(40, 90, size=3).tolist()
    yield _volunteers(
        rng, [sizes[0], 3 * sizes[1], sizes[2]], [0.15, 0.4, 0.8], [-effect, 2 * effect, -40.0], [0, 1, 2]
    )
    yield _volunteers(rng, [30, 12], [0.2, 0.7], [-20.0, 30.0], [7, -1])
    yield np.array([10.0, 4.0, 8.0]), np.array([True, False, False]), np.array([3, 3, 3])


@effect_of_asking.property("the average lies between the smallest and the largest difference within a shift")
def _(pence, asked, shift, output):
    effects = [_within(pence[here], asked[here], shift[here]) for here in (shift == name for name in np.unique(shift))]
    return min(effects) - 1e-9 <= output <= max(effects) + 1e-9


def _within(pence, asked, shift, weigh=lambda here, asked: here.sum()):
    effects, weights = [], []
    for name in np.unique(shift):
        here = shift == name
        effects.append(pence[here & asked].mean() - pence[here & ~asked].mean())
        weights.append(weigh(here, asked))
    return float(np.average(effects, weights=weights))


@effect_of_asking.mistake(
    "This compares all asked baskets with all others, so it contains what the shifts differ by anyway."
)
def raw_difference(pence, asked, shift):
    return float(pence[asked].mean() - pence[~asked].mean())


@effect_of_asking.mistake("A shift with few baskets counts here as much as one with many.", credit=0.25)
def shifts_alike(pence, asked, shift):
    return _within(pence, asked, shift, lambda here, asked: 1)


@effect_of_asking.mistake(
    "Weighted by the asked baskets, this is the effect on those that were asked. The question is about all.", credit=0.5
)
def on_the_asked(pence, asked, shift):
    return _within(pence, asked, shift, lambda here, asked: (here & asked).sum())


@effect_of_asking.mistake("Weighted by the baskets that were not asked, this is the effect on those.", credit=0.25)
def on_the_others(pence, asked, shift):
    return _within(pence, asked, shift, lambda here, asked: (here & ~asked).sum())


@effect_of_asking.mistake(
    "These are the weights of least squares: most where a shift is split evenly. Here each basket counts alike.",
    credit=0.5,
)
def by_regression(pence, asked, shift):
    return _within(pence, asked, shift, lambda here, asked: (here & asked).sum() * (here & ~asked).sum() / here.sum())


@effect_of_asking.mistake(
    "Each shift's level was taken out, and then all asked baskets were compared with all others. That shrinks the "
    "differences where few or nearly all were asked. Take the difference within each shift.",
    credit=0.25,
)
def levels_taken_out(pence, asked, shift):
    rest = pence.astype(float)
    for label in np.unique(shift):
        rest[shift == label] -= pence[shift == label].mean()
    return float(rest[asked].mean() - rest[~asked].mean())


@effect_of_asking.mistake("The others less the asked: the sign is turned round.", credit=0.5)
def turned_round(pence, asked, shift):
    return -_within(pence, asked, shift)


@effect_of_asking.mistake("The differences of the shifts were added up. An average effect is wanted.")
def added_up(pence, asked, shift):
    return _within(pence, asked, shift, lambda here, asked: 1) * len(np.unique(shift))


# -------------------------------------------------------------------------------------------- 3 exaggeration

RARE = 0.002  # from this alpha down, a simulation with few draws shows

exaggeration = exercise.question(
    "exaggeration",
    kind="function",
    points=2,
    skills=["statistics", "probability"],
    objectives=[2],
    call="exaggeration(delta, error, alpha)",
    asks="a number without unit, above 1",
    rtol=0.02,
    atol=0,
    hints=(
        "Which trials are reported? Draw very many, and look only at those.",
        "Estimates are delta + error * (normal draws). Keep those beyond the threshold on either side, and average "
        "their sizes, not their signed values.",
        "np.abs(kept).mean() / abs(delta), with kept = estimates[np.abs(estimates) > norm.isf(alpha / 2) * error]; a "
        "million draws are enough.",
    ),
    out_of_bounds=("mle.scratch", "statsmodels"),
)


@exaggeration.probes
def _(rng, effect, alpha):
    yield effect, effect / 0.4, alpha
    yield -2.0, 2.0, 0.1
    yield 10.0, 4.0, 0.05
    yield float(np.round(rng.uniform(1, 3), 2)), 1.0, 0.05
    yield 0.3, 1.0, RARE / 2  # one or two of a thousand draws are kept, and of a million more than a thousand
    yield -2.0, 4.0, RARE
    yield 0.4, 2.0, RARE / 4


def _significant(delta, error, alpha, sides=2):
    """Both tails of the significant estimates: probability, and mean of the estimate over that tail (unnormalised)."""
    from scipy import stats

    shift, cut = abs(delta) / error, stats.norm.isf(alpha / sides)
    up = stats.norm.sf(cut - shift), shift * stats.norm.sf(cut - shift) + stats.norm.pdf(cut - shift)
    down = stats.norm.sf(cut + shift), stats.norm.pdf(cut + shift) - shift * stats.norm.sf(cut + shift)
    return shift, cut, up, down


@exaggeration.property("no significant estimate is smaller than the threshold, so their mean size is larger")
def _(delta, error, alpha, output):
    shift, cut, _, _ = _significant(delta, error, alpha)
    return output >= 0.98 * cut / shift


@exaggeration.mistake("This averages all trials, significant or not. Nobody hears of the others.")
def all_trials(delta, error, alpha):
    from scipy import stats

    shift = abs(delta) / error
    return float((shift * (1 - 2 * stats.norm.sf(shift)) + 2 * stats.norm.pdf(shift)) / shift)


@exaggeration.mistake("This is the smallest size that can be significant. The mean of those beyond it is larger.")
def the_threshold(delta, error, alpha):
    shift, cut, _, _ = _significant(delta, error, alpha)
    return float(cut / shift)


@exaggeration.mistake(
    "Estimates with the wrong sign were averaged with their sign, and cancel others. Average the sizes.", credit=0.5
)
def with_sign(delta, error, alpha):
    shift, _, up, down = _significant(delta, error, alpha)
    return float((up[1] - down[1]) / (up[0] + down[0]) / shift)


@exaggeration.mistake("The whole alpha was given to each side.", credit=0.5)
def whole_alpha_each_side(delta, error, alpha):
    shift, _, up, down = _significant(delta, error, alpha, sides=1)
    return float((up[1] + down[1]) / (up[0] + down[0]) / shift)


@exaggeration.mistake("This is the mean size in standard errors. Divide by the true effect, both in pence.")
def in_standard_errors(delta, error, alpha):
    _, _, up, down = _significant(delta, error, alpha)
    return float((up[1] + down[1]) / (up[0] + down[0]))


def _near(delta, error, alpha, output):
    """Near the answer where significant estimates are rare, or nothing to average there, and no systematic mistake."""
    shift, _, up, down = _significant(delta, error, alpha)
    systematic = (all_trials, the_threshold, with_sign, whole_alpha_each_side, in_standard_errors)
    if any(np.isclose(output, wrong(delta, error, alpha), rtol=1e-4) for wrong in systematic):
        return False
    off = abs(output * shift * (up[0] + down[0]) / (up[1] + down[1]) - 1)
    return alpha <= RARE and bool(np.isnan(output) or 0.02 < off < 0.15)


@exaggeration.mistake(
    "Near, and not to 2 % where significant estimates are rare. If you simulate, how many draws were left to average? "
    "With a handful the mean is off by several per cent: draw many more.",
    credit=0.5,
    seen=_near,
)
def too_few_draws(delta, error, alpha):
    from scipy import stats

    estimates = delta + error * np.random.default_rng(0).normal(size=1000)
    kept = np.abs(estimates)[np.abs(estimates) > stats.norm.isf(alpha / 2) * error]
    return float(kept.mean() / abs(delta)) if len(kept) else float("nan")


# ------------------------------------------------------------------------------------------------- 4 by_shop

by_shop = exercise.question(
    "by_shop",
    kind="function",
    points=3,
    skills=["statistics", "problem solving"],
    objectives=[4],
    call="by_shop(pence, shop, told)",
    asks="a tuple of two numbers of pence: difference, standard error",
    hints=(
        "For what was the coin thrown, and how often?",
        "Make one number of each shop, its mean basket. Then forget the baskets.",
        "With a and b the shop means of the two sides: a.mean() - b.mean(), and the root of a.var(ddof=1) / len(a) + "
        "b.var(ddof=1) / len(b).",
    ),
    out_of_bounds=("mle.scratch", "statsmodels"),
)


def _baskets(rng, sizes, on, spread=60.0):
    shop = np.repeat(rng.permutation(1000)[: len(sizes)], sizes)
    of = np.repeat(np.arange(len(sizes)), sizes)
    level = 640 + spread * rng.normal(size=len(sizes)) + 0.8 * np.asarray(sizes)
    pence = np.round(level[of] + 25 * on[of] + 150 * rng.normal(size=len(of)), 1)
    order = rng.permutation(len(of))
    return pence[order], shop[order], on[of][order]


@by_shop.probes
def _(rng, shops):
    on = rng.permutation(shops) < round(0.35 * shops)
    yield _baskets(rng, rng.integers(5, 60, size=shops), on)
    yield _baskets(rng, [40, 3, 9, 25, 14], np.array([True, True, False, False, False]))
    yield (
        np.array([1.0, 3.0, 6.0, 2.0, 4.0, 9.0, 5.0]),
        np.array([4, 4, 2, 9, 9, 9, 1]),
        np.array([1, 1, 1, 0, 0, 0, 0], bool),
    )


@by_shop.property("the error of the difference is no smaller than that of either side's mean over its shops")
def _(pence, shop, told, output):
    return output[1] >= max(side.std(ddof=1) / np.sqrt(len(side)) for side in _sides(pence, shop, told)) * (1 - 1e-9)


def _sides(pence, shop, told):
    names = np.unique(shop)
    means = np.array([pence[shop == name].mean() for name in names])
    on = np.array([told[shop == name][0] for name in names])
    return means[on], means[~on]


def _welch(a, b, ddof=1):
    return float(a.mean() - b.mean()), float(np.sqrt(a.var(ddof=ddof) / len(a) + b.var(ddof=ddof) / len(b)))


@by_shop.mistake(
    "The unit here is the basket. The coin was thrown for shops, and baskets of one shop are alike: the error comes "
    "out far too small."
)
def by_basket(pence, shop, told):
    return _welch(pence[told], pence[~told])


@by_shop.mistake(
    "The difference is by the shop, and its error still by the basket. Both belong to the same unit.", credit=0.25
)
def error_by_basket(pence, shop, told):
    return _welch(*_sides(pence, shop, told))[0], _welch(pence[told], pence[~told])[1]


@by_shop.mistake(
    "The error is by the shop; the difference still gives a shop with many baskets more weight.", credit=0.25
)
def difference_by_basket(pence, shop, told):
    return _welch(pence[told], pence[~told])[0], _welch(*_sides(pence, shop, told))[1]


@by_shop.mistake(
    "The variances of the sides were pooled, as Student's test does. Welch's formula keeps them apart.", credit=0.5
)
def pooled(pence, shop, told):
    a, b = _sides(pence, shop, told)
    free = len(a) + len(b) - 2
    variance = (a.var() * len(a) + b.var() * len(b)) / free
    return float(a.mean() - b.mean()), float(np.sqrt(variance * (1 / len(a) + 1 / len(b))))


@by_shop.mistake("The variances are divided by the number of shops; the mean came from the same shops.", credit=0.5)
def divided_by_n(pence, shop, told):
    return _welch(*_sides(pence, shop, told), ddof=0)


@by_shop.mistake("The two standard errors were added. It is their squares that add up.", credit=0.5)
def errors_added(pence, shop, told):
    a, b = _sides(pence, shop, told)
    return float(a.mean() - b.mean()), float(a.std(ddof=1) / np.sqrt(len(a)) + b.std(ddof=1) / np.sqrt(len(b)))


@by_shop.mistake("The error is squared still: a variance, in square pence.", credit=0.5)
def variance(pence, shop, told):
    difference, error = _welch(*_sides(pence, shop, told))
    return difference, error**2


@by_shop.mistake("The others less the told: the sign is turned round.", credit=0.5)
def others_first(pence, shop, told):
    difference, error = _welch(*_sides(pence, shop, told))
    return -difference, error


# ----------------------------------------------------------------------------------------------- 5 sharpened

sharpened = exercise.question(
    "sharpened",
    kind="function",
    points=3,
    skills=["statistics", "algebra", "problem solving"],
    objectives=[4],
    call="sharpened(sales, told, columns, written, start)",
    asks="a number of pence",
    hints=(
        "Which of the columns can the sentence at the till have changed?",
        "Throw out what was written on day `start` or later. Of the rest take the column with the largest "
        "abs(np.corrcoef(column, sales)[0, 1]). Then centre it and the sales within each side for the slope.",
        "theta = (dx @ dy) / (dx @ dx) with dx, dy centred within the sides; return the difference of the means of "
        "sales - theta * x.",
    ),
    out_of_bounds=("mle.scratch", "statsmodels"),
)


def _shops(rng, m, signs, days, gain):
    """Shops whose sales go with each column by `signs`, the more so the later it was written; later ones see `gain`."""
    told = rng.permutation(m) < int(0.4 * m)
    quality = rng.normal(size=m)
    noise = {-60: 1.6, -30: 0.5, 0: 0.3, 5: 0.06, 9: 0.1}
    sales = np.round(640 + 60 * quality + gain * told + 6 * rng.normal(size=m), 1)
    columns = [
        np.round(200 + 20 * sign * (quality + noise[day] * rng.normal(size=m) + (day >= 0) * told * gain / 60), 2)
        for sign, day in zip(signs, days, strict=True)
    ]
    return sales, told, np.column_stack(columns), np.array(days) + 100, 100


@sharpened.probes
def _(rng, shops, effect):
    yield _shops(rng, shops, [1, 1, 1, 1], [-60, 5, -30, 0], 10 * effect)
    yield _shops(rng, shops, [1, -1, 1], [-60, -30, 9], 60.0)
    yield _shops(rng, shops, [-1, 1], [9, 5], 40.0)
    yield _shops(rng, shops, [1, 1, 1], [0, -30, -60], 80.0)


@sharpened.property("where no column was written before the trial, the answer is the raw difference")
def _(sales, told, columns, written, start, output):
    return np.any(written < start) or abs(output - (sales[told].mean() - sales[~told].mean())) < 1e-6


def _best(sales, columns, allowed, size=np.abs):
    if not np.any(allowed):
        return None
    found = np.array([np.corrcoef(column, sales)[0, 1] for column in columns.T])
    return columns[:, np.argmax(np.where(allowed, size(found), -np.inf))]


def _slope(sales, told, x, within=True):
    x, y = x.astype(float), sales.astype(float)
    for side in (told, ~told) if within else (np.full(len(told), True),):
        x[side] -= x[side].mean()
        y[side] -= y[side].mean()
    return x, y


def _adjusted(sales, told, x, theta=lambda x, y: x @ y / (x @ x), within=True, sign=1):
    raw = sales[told].mean() - sales[~told].mean()
    if x is None:
        return float(raw)
    return float(raw - sign * theta(*_slope(sales, told, x, within)) * (x[told].mean() - x[~told].mean()))


@sharpened.mistake(
    "A column written during the trial was used. It contains what the trial did, and takes it away again."
)
def after_the_treatment(sales, told, columns, written, start):
    return _adjusted(sales, told, _best(sales, columns, written > -np.inf))


@sharpened.mistake(
    "A column that was complete on the day the trial began has seen that day. It is too late.", credit=0.5
)
def on_the_day(sales, told, columns, written, start):
    return _adjusted(sales, told, _best(sales, columns, written <= start))


@sharpened.mistake("This is the raw difference. A column from before the trial can sharpen it.")
def raw(sales, told, columns, written, start):
    return _adjusted(sales, told, None)


@sharpened.mistake("The slope was taken over all shops at once, so the effect itself has leaked into it.", credit=0.5)
def slope_over_all(sales, told, columns, written, start):
    return _adjusted(sales, told, _best(sales, columns, written < start), within=False)


@sharpened.mistake("The slope is upside down: its sum of squares below is that of the sales, not of the column.")
def slope_of_the_column(sales, told, columns, written, start):
    return _adjusted(sales, told, _best(sales, columns, written < start), lambda x, y: x @ y / (y @ y))


@sharpened.mistake("The correlation was used for the slope. A slope has a unit: pence of sales for one of the column.")
def correlation_for_slope(sales, told, columns, written, start):
    x = _best(sales, columns, written < start)
    return _adjusted(sales, told, x, lambda x, y: x @ y / np.sqrt((x @ x) * (y @ y)))


@sharpened.mistake("The column's part was added. Subtract it.")
def added(sales, told, columns, written, start):
    return _adjusted(sales, told, _best(sales, columns, written < start), sign=-1)


@sharpened.mistake(
    "A column that falls when sales rise explains as much as one that rises. Choose by the size of the correlation.",
    credit=0.5,
)
def positive_only(sales, told, columns, written, start):
    return _adjusted(sales, told, _best(sales, columns, written < start, size=lambda r: r))


@sharpened.mistake("The column was subtracted whole, as if sales followed it one for one. Subtract theta times it.")
def one_for_one(sales, told, columns, written, start):
    return _adjusted(sales, told, _best(sales, columns, written < start), lambda x, y: 1.0)


@sharpened.mistake("The difference is the others less the told. Asked is the told less the others.", credit=0.5)
def others_less_told(sales, told, columns, written, start):
    return -_adjusted(sales, told, _best(sales, columns, written < start))


# --------------------------------------------------------------------------------------------------- 6 stops

stops = exercise.question(
    "stops",
    kind="function",
    points=4,
    skills=["statistics", "probability", "problem solving"],
    objectives=[3],
    call="stops(z, alpha)",
    asks="an array with a whole number for each trial: the evening on which it stops, or 0",
    compare=False,  # there are many right rules; judged by counts, see the module's docstring
    hints=(
        "In trials of nothing, how large does the largest of K values of |z| get? Draw some and look.",
        "Draw many trials of nothing with K evenings, take each one's largest |z|, and put the threshold where alpha "
        "of them lie above. Then no more than alpha ever cross it.",
        "nothing = rng.normal(size=(100_000, K)).cumsum(axis=1) / np.sqrt(np.arange(1, K + 1)); the threshold is the "
        "1 - alpha quantile of np.abs(nothing).max(axis=1). With hit = np.abs(z) >= threshold, hit.argmax(axis=1) is "
        "the first evening that hit, counted from 0.",
    ),
    out_of_bounds=("mle.scratch", "statsmodels"),
)


@stops.probes
def _(seed, looks, alpha):
    yield seed, looks, alpha
    yield seed + 1, 10, 0.05


def _paths(rng, trials, looks, drift=0.0):
    """z at equally spaced looks: shape (trials, looks); `drift` is its mean at the last."""
    k = np.arange(1, looks + 1)
    return rng.normal(size=(trials, looks)).cumsum(axis=1) / np.sqrt(k) + drift * np.sqrt(k / looks)


def _spikes(at, looks):
    """One trial for each evening: z is `at` (a number or one for each evening) there, and 0 on the others."""
    return np.eye(looks) * at


@stops.observe
def _(answer, seed, looks, alpha):
    from scipy import stats

    rng = np.random.default_rng(seed)
    nothing = _paths(rng, TRIALS, looks)
    found = np.asarray(answer(nothing.copy(), alpha))
    if found.shape != (TRIALS,) or found.dtype.kind not in "iufb":
        return {"shape": list(found.shape), "kind": found.dtype.kind}
    half = looks // 2
    other = _paths(rng, 2000, looks, DRIFT)
    as_it_was = np.asarray(answer(other.copy(), alpha))
    changed = np.hstack([other[:, :half], 0 * other[:, half:]])
    as_changed = np.asarray(answer(changed, alpha))
    early = [np.where((a >= 1) & (a <= half), a, 0) for a in (as_it_was, as_changed)]
    up, down = (np.asarray(answer(_paths(rng, WITH_EFFECT, looks, d), alpha)) for d in (DRIFT, -DRIFT))
    cut = stats.norm.isf(alpha / 2)
    falling = cut * np.sqrt(looks / np.arange(1, looks + 1))

    def evenings(z):
        return [int(e) for e in np.asarray(answer(z, alpha))]

    return {
        "shape": [TRIALS],
        "kind": found.dtype.kind,
        "whole": bool(np.all((found == np.round(found)) & (found >= 0) & (found <= looks))),
        "nothing": int(np.sum(found > 0)),
        "hindsight": int(np.sum(early[0] != early[1])),
        "up": int(np.sum(up > 0)),
        "down": int(np.sum(down > 0)),
        "early": int(np.sum((up > 0) & (up < looks))),
        "spikes": evenings(_spikes(50.0, looks)),
        "troughs": evenings(_spikes(-50.0, looks)),
        "pairs": evenings(_spikes(50.0, looks) + np.eye(looks, k=1) * 50.0)[:-1],
        "above 1.96": evenings(_spikes(cut + 0.01, looks)),
        "below 1.96": evenings(_spikes(cut - 0.01, looks)),
        "above falling": evenings(_spikes(falling + 0.01, looks)),
        "below falling": evenings(_spikes(falling - 0.01, looks)),
    }


def most(alpha):
    """The largest count of stopped trials of nothing that a rule within the tolerance leaves, but for REFUSED."""
    from scipy import stats

    return stats.binom.isf(REFUSED, TRIALS, TOLERANCE * alpha)


def _counted(looks):
    return list(range(1, looks + 1))


@stops.property("the answer is an array with an evening from 1 to K, or 0, for each trial")
def _(seed, looks, alpha, seen):
    return seen["shape"] == [TRIALS] and seen["kind"] in "iuf" and seen["whole"]


@stops.property("what happens on later evenings does not change whether it stopped before")
def _(seed, looks, alpha, seen):
    return seen["hindsight"] == 0


@stops.property("without an effect no more than alpha of the trials, and a tenth more, ever stop")
def _(seed, looks, alpha, seen):
    return seen["nothing"] <= most(alpha)


@stops.property("a z of 50, or of -50, stops the trial on that evening")
def _(seed, looks, alpha, seen):
    return seen["spikes"] == _counted(looks) and seen["troughs"] == _counted(looks)


@stops.property("with an effect in either direction seven in ten stop, and half do so before the last evening")
def _(seed, looks, alpha, seen):
    return min(seen["up"], seen["down"]) >= MUST_STOP * WITH_EFFECT and seen["early"] >= MUST_STOP_EARLY * WITH_EFFECT


def _each_evening(seed, looks, alpha, seen):
    return seen["above 1.96"] == _counted(looks) and not any(seen["below 1.96"])


def _falling_without_constant(seed, looks, alpha, seen):
    return seen["above falling"] == _counted(looks) and not any(seen["below falling"])


def _two_running(seed, looks, alpha, seen):
    return not any(seen["spikes"][:-1]) and seen["pairs"] == _counted(looks)[1:] and seen["hindsight"] == 0


def _last_only(seed, looks, alpha, seen):
    return seen["spikes"] == [0] * (looks - 1) + [looks] and seen["early"] == 0


def _hindsight(seed, looks, alpha, seen):
    other_reasons = _from_zero(seed, looks, alpha, seen) or _yes_or_no(seed, looks, alpha, seen)
    return seen["hindsight"] > 0 and not other_reasons


def _upwards_only(seed, looks, alpha, seen):
    return seen["spikes"] == _counted(looks) and not any(seen["troughs"])


def _from_zero(seed, looks, alpha, seen):
    return seen["spikes"] == list(range(looks))


def _yes_or_no(seed, looks, alpha, seen):
    return set(seen["spikes"]) == {1} and seen["troughs"] == seen["spikes"]


def _first(hit):
    return np.where(hit.any(axis=1), hit.argmax(axis=1) + 1, 0)


def _cut(z, alpha, looks=1):
    from scipy import stats

    return stats.norm.isf(alpha / 2 / looks)


@stops.mistake(
    "Each evening is tested as if it were the only one. The more evenings, the more trials of nothing cross on some "
    "evening.",
    seen=_each_evening,
)
def stops_when_significant(z, alpha):
    return _first(np.abs(z) > _cut(z, alpha))


@stops.mistake(
    "Two evenings running are no replication: tomorrow's z is mostly today's. Count how many trials of nothing get "
    "through.",
    seen=_two_running,
)
def two_evenings_running(z, alpha):
    hit = np.abs(z) > _cut(z, alpha)
    hit[:, 1:] &= hit[:, :-1]
    hit[:, 0] = False
    return _first(hit)


@stops.mistake(
    "The shape is strict early and the last evening uses up the whole alpha by itself, so all evenings together use "
    "more. The shape wants a larger constant.",
    credit=0.5,
    seen=_falling_without_constant,
)
def no_constant(z, alpha):
    K = z.shape[1]
    return _first(np.abs(z) > _cut(z, alpha) * np.sqrt(K / np.arange(1, K + 1)))


@stops.mistake(
    "This looks on the last evening only. It is guarded, and Nadia pays for all the evenings.",
    credit=0.25,
    seen=_last_only,
)
def last_evening_only(z, alpha):
    return np.where(np.abs(z[:, -1]) > _cut(z, alpha), z.shape[1], 0)


@stops.mistake(
    "Whether it stops early depends here on evenings that are still to come. On the evening itself nobody knows those.",
    seen=_hindsight,
)
def with_hindsight(z, alpha):
    cut = _cut(z, alpha)
    return np.where(np.abs(z[:, -1]) > cut, _first(np.abs(z) > cut), 0)


@stops.mistake(
    "A trial in which asking does harm never stops. The rule is to look in both directions.", seen=_upwards_only
)
def upwards_only(z, alpha):
    return _first(z > _cut(z, alpha, z.shape[1]))


@stops.mistake(
    "The evenings are counted from 0, so that a trial stopped on the first evening cannot be told from one that never "
    "was.",
    credit=0.5,
    seen=_from_zero,
)
def counted_from_zero(z, alpha):
    return np.maximum(_first(np.abs(z) > _cut(z, alpha, z.shape[1])) - 1, 0)


@stops.mistake("This says whether a trial stops. Asked is on which evening.", credit=0.5, seen=_yes_or_no)
def whether_not_when(z, alpha):
    return (np.abs(z) > _cut(z, alpha, z.shape[1])).any(axis=1).astype(int)
