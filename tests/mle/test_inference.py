"""mle.scratch.inference against SciPy and statsmodels, and the two numbers that the random questions of
math/inference state: how often they refuse a right answer, and how often they let a wrong one pass."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats
from statsmodels.stats.multitest import multipletests

from mle.checks.math import inference as checks
from mle.scratch.binomial import exact_interval
from mle.scratch.inference import (
    benjamini_hochberg,
    bonferroni,
    bootstrap,
    by_cluster,
    holm,
    max_adjusted,
    p_value,
    percentile_interval,
    permutation_test,
    pooled_mean,
)

seeds = st.integers(0, 2**32 - 1)
#: Coarse, so that ties happen.
p_values = arrays(float, st.integers(0, 40), elements=st.sampled_from(np.round(np.linspace(0, 1, 201) ** 2, 6)))


def mean(resamples):
    return resamples.mean(axis=1)


def distance(x, y, axis=-1):
    return np.abs(np.mean(x, axis=axis) - np.mean(y, axis=axis))


# --- bootstrap ---


@given(seeds, st.integers(1, 30), st.sampled_from([1e-150, 1.0, 1e150]))
@settings(deadline=None, max_examples=25)
def test_bootstrapped_means_have_the_mean_and_variance_of_the_plug_in_world(seed, n, unit):
    rng = np.random.default_rng(seed)
    sample = rng.exponential(size=n) * unit
    found = bootstrap(sample, mean, 20_000, rng) / unit
    spread = (sample / unit).std() / np.sqrt(n)
    assert found.shape == (20_000,)
    assert found.mean() == pytest.approx((sample / unit).mean(), abs=1e-12 + 6 * spread / np.sqrt(20_000))
    # The variance of 20,000 draws is off by 1 % or so (more for a heavy tail: kurtosis at most 9): six times that.
    assert found.var() == pytest.approx(spread**2, rel=0.13, abs=1e-20)


@pytest.mark.parametrize("statistic", [np.mean, np.median, np.std])
def test_percentile_interval_is_scipys_up_to_the_luck_of_the_draws(statistic):
    sample = np.random.default_rng(1).exponential(size=80)
    ours = percentile_interval(bootstrap(sample, lambda s: statistic(s, axis=1), 40_000, np.random.default_rng(2)), 0.1)
    theirs = stats.bootstrap(
        (sample,),
        statistic,
        confidence_level=0.9,
        n_resamples=40_000,
        method="percentile",
        rng=np.random.default_rng(3),
    )
    assert ours == pytest.approx(tuple(theirs.confidence_interval), abs=0.03 * theirs.standard_error * 3)


def test_draws_are_made_in_turns_without_losing_or_mixing_rows(monkeypatch):
    monkeypatch.setattr("mle.scratch.inference.BATCH", 130)
    rows = np.column_stack([np.arange(20), 100 + np.arange(20)])
    found = bootstrap(rows, lambda s: (s[..., 1] - s[..., 0]).min(axis=1), 11, np.random.default_rng(0))
    assert np.array_equal(found, np.full(11, 100.0))


def test_one_row_leaves_nothing_to_vary():
    found = bootstrap([7.0], mean, 5, np.random.default_rng(0))
    assert percentile_interval(found) == (7.0, 7.0)


@given(seeds, st.integers(1, 60))
@settings(deadline=None, max_examples=25)
def test_clusters_are_summed_whatever_their_names_and_order(seed, n):
    import pandas as pd

    rng = np.random.default_rng(seed)
    values, cluster = rng.normal(size=n), rng.choice(["b", "a", "d"], size=n)
    rows = by_cluster(values, cluster)
    expected = pd.Series(values).groupby(cluster).agg(["sum", "size"]).to_numpy()
    np.testing.assert_allclose(rows, expected, atol=1e-12)
    assert pooled_mean(rows) == pytest.approx(values.mean())
    assert pooled_mean(np.stack([rows, rows])).shape == (2,)


def test_interval_of_clusters_covers_as_promised_and_that_of_rows_does_not():
    """Refuses a right bootstrap once in a million runs; one of rows is caught in all but one of a million."""
    rng, towns, held = np.random.default_rng(11), 300, np.zeros(2, dtype=int)
    for _ in range(towns):
        cluster = np.repeat(np.arange(60), 10)
        values = np.repeat(rng.normal(size=60), 10) + rng.normal(size=600)
        for i, rows in enumerate((by_cluster(values, cluster), by_cluster(values, np.arange(600)))):
            low, high = percentile_interval(bootstrap(rows, pooled_mean, 200, rng))
            held[i] += low <= 0 <= high
    # With 60 clusters the truth is 94 %, a little below the promise (sqrt(59/60), and 200 draws).
    assert exact_interval(held[0], towns, 1e-6)[0] < 0.94 < exact_interval(held[0], towns, 1e-6)[1]
    assert exact_interval(held[1], towns, 1e-6)[1] < 0.80


# --- permutation ---


@given(seeds, st.integers(2, 6), st.integers(2, 6))
@settings(deadline=None, max_examples=30)
def test_all_splits_give_scipys_exact_p_value_ties_included(seed, n, m):
    rng = np.random.default_rng(seed)
    x, y = rng.integers(0, 4, size=n) / 10, rng.integers(0, 4, size=m) / 10
    ours = permutation_test(x, y, distance, 1000, rng)
    theirs = stats.permutation_test((x, y), distance, alternative="greater", n_resamples=1000)
    assert ours == pytest.approx(theirs.pvalue)


def test_one_value_against_one_says_nothing():
    rng = np.random.default_rng(0)
    assert permutation_test([1.0], [5.0], distance, 10, rng) == 1
    assert permutation_test([1.0], [5.0], lambda x, y: float(y[0] - x[0]), 10, rng) == 0.5


def test_random_shuffles_come_near_the_exact_p_value():
    rng = np.random.default_rng(5)
    x, y = rng.normal(0.9, 1, size=8), rng.normal(size=8)
    exact = permutation_test(x, y, distance, 13_000, rng)
    p = permutation_test(x, y, distance, 5000, rng)
    low, high = exact_interval(round(p * 5001) - 1, 5000, 1e-6)
    assert low < exact < high
    assert permutation_test(x, y, distance, 5000, np.random.default_rng(1)) == permutation_test(
        x, y, distance, 5000, np.random.default_rng(1)
    )


def test_p_values_are_uniform_under_the_null_hypothesis():
    """Refused once in 300,000 runs if right. One-sided by choice afterwards is caught in all but one of a million."""
    rng, trials = np.random.default_rng(6), 2000
    values = rng.standard_t(2, size=(trials, 12)).round(1)
    shuffled = np.array([rng.permuted(values, axis=1) for _ in range(99)])

    def gaps(v):
        return v[..., :6].mean(axis=-1) - v[..., 6:].mean(axis=-1)

    fair = p_value(np.abs(gaps(values)), np.abs(gaps(shuffled)))
    chosen = np.minimum(p_value(gaps(values), gaps(shuffled)), p_value(-gaps(values), -gaps(shuffled)))
    for level in (0.05, 0.2, 0.5):
        low, high = exact_interval(int(np.sum(fair < level + 1e-9)), trials, 1e-6)
        assert low < level < high
    assert exact_interval(int(np.sum(chosen < 0.2 + 1e-9)), trials, 1e-6)[0] > 0.2


def test_p_value_counts_itself_and_ties_and_never_is_zero():
    assert p_value(3.0, [1.0, 2.0, 2.5]) == 0.25
    assert p_value(2.0, [1.0, 2.0, 2.5, 0.0]) == 0.6
    assert p_value(0.1 + 0.2, [0.3, 0.0, 0.0]) == 0.5  # a tie but for rounding
    np.testing.assert_allclose(p_value([1.0, 5.0], [[1.0, 1.0], [0.0, 2.0], [3.0, 0.0]]), [0.75, 0.25])


# --- many looks ---


@given(p_values)
@example(np.array([]))
@example(np.array([0.0, 0.0, 1.0]))
@example(np.array([1e-300, 5e-324, 0.5]))
@settings(deadline=None, max_examples=30)
def test_corrections_are_those_of_statsmodels_and_scipy(p):
    if not len(p):
        assert all(len(f(p)) == 0 for f in (bonferroni, holm, benjamini_hochberg))
        return
    for ours, name in ((bonferroni, "bonferroni"), (holm, "holm"), (benjamini_hochberg, "fdr_bh")):
        np.testing.assert_allclose(ours(p), multipletests(p, method=name)[1], rtol=1e-12, atol=1e-300)
    np.testing.assert_allclose(benjamini_hochberg(p), stats.false_discovery_control(p), rtol=1e-12, atol=1e-300)


@given(p_values)
@settings(deadline=None, max_examples=40)
def test_holm_lies_between_the_others_and_order_is_kept(p):
    assert (p <= benjamini_hochberg(p) + 1e-15).all()
    assert (benjamini_hochberg(p) <= holm(p) + 1e-15).all()
    assert (holm(p) <= bonferroni(p)).all()
    for adjust in (bonferroni, holm, benjamini_hochberg):
        assert (np.diff(adjust(p)[np.argsort(p, kind="stable")]) >= 0).all()


def test_the_two_promises_are_kept_and_none_is_broken_without_correction():
    """2,000 families of 30, 5 of them real; each bound is left once in a million runs by a right procedure."""
    rng, families = np.random.default_rng(8), 2000
    z = rng.normal(size=(families, 30)) + 3 * (np.arange(30) < 5)
    p = 2 * stats.norm.sf(np.abs(z))
    any_false = {f: sum((f(row)[5:] <= 0.05).any() for row in p) for f in (bonferroni, holm)}
    for false in any_false.values():
        assert exact_interval(int(false), families, 1e-6)[0] < 0.05
    found = np.array([benjamini_hochberg(row) <= 0.05 for row in p])
    share = found[:, 5:].sum(axis=1) / np.maximum(1, found.sum(axis=1))
    assert share.mean() == pytest.approx(0.05 * 25 / 30, abs=5 * share.std() / np.sqrt(families))
    assert (p[:, 5:] <= 0.05).any(axis=1).mean() > 0.5


def test_the_largest_of_a_shuffle_sees_that_copies_are_one_look():
    rng = np.random.default_rng(9)
    one = np.abs(rng.normal(size=1000))
    family = np.repeat(one[:, None], 50, axis=1)
    observed = np.full(50, 2.0)
    np.testing.assert_allclose(max_adjusted(observed, family), p_value(2.0, one))
    apart = np.abs(rng.normal(size=(1000, 50)))
    by_hand = [(1 + np.sum(apart.max(axis=1) >= t)) / 1001 for t in (1.0, 3.0, 3.5)]
    np.testing.assert_allclose(max_adjusted(np.r_[1.0, 3.0, 3.5, np.zeros(47)], apart)[:3], by_hand)
    assert max_adjusted([2.0], one[:, None]).shape == (1,)


# --- doors ---


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_missing_and_infinite_values_are_refused(bad):
    rng = np.random.default_rng(0)
    for call in (
        lambda: bootstrap([1.0, bad], mean, 3, rng),
        lambda: by_cluster([1.0, bad], [0, 1]),
        lambda: p_value(bad, [1.0]),
        lambda: p_value(1.0, [1.0, bad]),
        lambda: permutation_test([1.0], [bad], distance, 3, rng),
        lambda: holm([0.5, bad]),
        lambda: percentile_interval([1.0, bad]),
    ):
        with pytest.raises(ValueError, match="nan or inf"):
            call()


def test_what_has_no_rows_or_no_sense_is_refused():
    rng = np.random.default_rng(0)
    for call, words in (
        (lambda: bootstrap([], mean, 3, rng), "at least 1"),
        (lambda: bootstrap([1.0], mean, 0, rng), "draws"),
        (lambda: bootstrap(1.0, mean, 3, rng), "no row"),
        (lambda: percentile_interval([1.0], 0), "between 0 and 1"),
        (lambda: by_cluster([1.0, 2.0], [0]), "twice"),
        (lambda: p_value(1.0, []), "at least 1"),
        (lambda: p_value([1.0, 2.0], [[1.0], [2.0]]), "agree"),
        (lambda: permutation_test([], [1.0], distance, 3, rng), "at least 1"),
        (lambda: bonferroni([0.2, 1.5]), "from 0 to 1"),
        (lambda: holm([[0.2]]), "from 0 to 1"),
        (lambda: max_adjusted([1.0], [[1.0, 2.0]]), "shape"),
        (lambda: max_adjusted([], np.zeros((3, 0))), "shape"),
    ):
        with pytest.raises(ValueError, match=words):
            call()


def test_arguments_are_left_alone():
    p = np.array([0.3, 0.01, 0.2])
    sample = np.arange(5.0)
    for adjust in (bonferroni, holm, benjamini_hochberg):
        adjust(p)
    bootstrap(sample, mean, 10, np.random.default_rng(0))
    assert p.tolist() == [0.3, 0.01, 0.2]
    assert sample.tolist() == [0, 1, 2, 3, 4]


# --- the exercise's random questions: their two numbers ---


def _towns_held(n, m, error, answer, many):
    """How many of `many` made towns' intervals hold the truth, and each set of 200 towns' mean width."""
    held, widths = 0, []
    for seed in range(many // checks.TOWNS):
        towns = checks._towns(seed, n, m)
        ends = np.array([answer(town, error, checks.DRAWS, seed * 1000 + k) for k, town in enumerate(towns)])
        held += int(np.sum((ends[:, 0] <= checks.TRUTH) & (ends[:, 1] >= checks.TRUTH)))
        widths.append(checks._width(seed, n, m, error, {"low": ends[:, 0], "high": ends[:, 1]}))
    return held, np.array(widths)


@pytest.mark.parametrize("error", [0.05, 0.2])
@pytest.mark.parametrize(("n", "m"), [(24, 8), (48, 8)])
def test_interval_refuses_a_right_answer_less_than_once_in_300_000_runs(n, m, error):
    def right(stations, error, draws, seed):
        return checks._ends(checks._stations_bootstrap(stations, draws, seed), error)

    held, widths = _towns_held(n, m, error, right, 2000)
    # Its coverage lies above the bound for which 200 towns are refused with a probability of REFUSED / 2 each.
    assert exact_interval(held, 2000, 1e-3)[0] > 1 - error - checks.BELOW
    low, high = checks.WIDTH
    assert low + 6 * widths.std(ddof=1) < widths.mean() < high - 6 * widths.std(ddof=1)


@pytest.mark.parametrize("error", [0.05, 0.1, 0.2])
@pytest.mark.parametrize(("n", "m"), [(24, 8), (48, 20)])
def test_interval_tells_one_level_for_all_from_the_level_that_is_asked(n, m, error):
    ratios = []
    for seed in range(10):
        towns = checks._towns(seed, n, m)[: checks.AGAIN]

        def ends(asked, towns=towns, seed=seed):
            drawn = (checks._stations_bootstrap(town, checks.DRAWS, seed * 1000 + k) for k, town in enumerate(towns))
            return np.array([checks._ends(means, asked) for means in drawn])

        first = ends(error)
        seen = {"low": first[:, 0], "high": first[:, 1], "other": ends(checks.OTHER[error])}
        ratios.append(checks._ratio(seen))
    normal = stats.norm.isf(checks.OTHER[error] / 2) / stats.norm.isf(error / 2)
    assert abs(np.mean(ratios) / normal - 1) + 6 * np.std(ratios, ddof=1) / normal < checks.RATIO
    assert abs(1 / normal - 1) > checks.RATIO  # where the level is fixed, the ratio is 1


@pytest.mark.parametrize(("n", "m", "error"), [(24, 8, 0.05), (48, 8, 0.2)])
def test_interval_catches_wrong_widths_999_times_in_1000(n, m, error):
    for wrong in (checks.readings_resampled, checks.whole_error_on_each_side, checks.plus_minus_one):
        _, widths = _towns_held(n, m, error, wrong, 1000)
        assert widths.mean() + 4 * widths.std(ddof=1) < checks.WIDTH[0]
    held, _ = _towns_held(n, m, error, checks.station_means, 1000)
    most = exact_interval(held, 1000, 1e-3)[1]
    assert stats.binom.sf(checks._range(checks.TOWNS, 1 - error - checks.BELOW)[0] - 1, checks.TOWNS, most) < 1e-3


def test_permutation_p_states_the_chance_with_which_it_refuses_a_right_answer():
    for level in (0.1, 0.5, 0.9):
        few, most = checks._range(checks.NULLS, level)
        outside = stats.binom.cdf(few - 1, checks.NULLS, level) + stats.binom.sf(most, checks.NULLS, level)
        assert outside <= checks.REFUSED
    for seed in range(5):
        chance = checks._pairs(seed)[3]
        few, most = checks._range(checks.MANY, chance)
        assert (
            stats.binom.cdf(few - 1, checks.MANY, chance) + stats.binom.sf(most, checks.MANY, chance) <= checks.REFUSED
        )


@pytest.mark.parametrize("n", [24, 48])
def test_permutation_p_always_sees_a_real_effect_and_a_wrong_shuffle(n):
    """The median of 30 p-values exceeds 0.1 only if 15 do: the share that does is small enough for one in a million."""
    rng, above, high = np.random.default_rng(n), 0, 0
    for k in range(300):
        sign = 1 if k % 2 else -1
        values, treated, district = checks._trial(rng, n, 1.5 * sign)
        observed, found = checks._gaps(values, treated, district, checks.SHUFFLES, k)
        above += p_value(abs(observed), np.abs(found)) > 0.1
    assert stats.binom.sf(14, checks.REAL, exact_interval(above, 300, 1e-3)[1]) < 1e-6

    for k in range(300):  # values carried across districts, no effect: p is hardly ever below a half
        trial = checks._trial(rng, n, 0.0)
        high += checks.across_districts(*trial, checks.SHUFFLES, k) <= 0.5
    assert (
        stats.binom.sf(checks._range(checks.NULLS, 0.5)[0] - 1, checks.NULLS, exact_interval(high, 300, 1e-3)[1]) < 1e-3
    )


def test_permutation_p_catches_drawing_with_replacement():
    """A shuffle of pairs with replacement reaches the observed gap far less often than a right one."""
    *pairs, chance = checks._pairs(3)
    reached = round(checks.with_replacement(*pairs, 20_000, 3) * 20_001) - 1
    few = checks._range(checks.MANY, chance)[0]
    assert stats.binom.sf(few - 1, checks.MANY, exact_interval(reached, 20_000, 1e-3)[1]) < 1e-3
