"""Checks of the exercise role/workshop: write tests that pass what is sound and kill what is planted."""

import inspect
import random
from itertools import chain, groupby, pairwise

import numpy as np

from coursework import Exercise, Integer

exercise = Exercise(
    "role/workshop",
    title="Write the tests that kill the bugs",
    minutes=60,
    parameters=[
        Integer("seed", 0, 2**31 - 1),
        Integer("bugs", 4, 7),
        Integer("days", 20, 60),
    ],
)

BORROWED = ("mle.checks.role.workshop.implementations",)


# --------------------------------------------------------------------------------- running somebody's test


class _Watched:
    """Runs a test on an implementation, counts its calls, and says what came of it."""

    def __init__(self):
        self.calls = 0
        self.before = _global_state()

    def counted(self, function):
        def implementation(*arguments):
            self.calls += 1
            return function(*arguments)

        return implementation

    def verdict(self, test, functions, *more):
        """'passed', 'said False', 'failed' (an assertion), or another exception with its message."""
        try:
            said = test(*(self.counted(function) for function in functions), *more)
        except AssertionError:
            return "failed"
        except Exception as error:
            return f"{type(error).__name__}: {error}"[:120]
        return "said False" if isinstance(said, bool | np.bool_) and not said else "passed"

    def report(self, sound, planted):
        """What is observed: `sound` and `planted` map a name to the verdicts of its runs."""
        return {
            "sound, rejected": {name: _rejection(v) for name, v in sound.items() if _fails(v)},
            "bugs killed": [name for name, verdicts in planted.items() if _fails(verdicts) == len(verdicts)],
            "bugs alive": [name for name, verdicts in planted.items() if _fails(verdicts) < len(verdicts)],
            "said False": sum(v.count("said False") for v in (*sound.values(), *planted.values())),
            "calls": self.calls,
            "global generator used": _global_state() != self.before,
        }


def _fails(verdicts):
    return sum(verdict not in ("passed", "said False") for verdict in verdicts)


def _rejection(verdicts):
    """How often, and how the first time: '2 of 14, failed'."""
    first = next(verdict for verdict in verdicts if verdict not in ("passed", "said False"))
    return f"{_fails(verdicts)} of {len(verdicts)}, {first}"


def _global_state():
    kind, keys, *rest = np.random.get_state()
    return kind, keys.tobytes(), tuple(rest), random.getstate()


def implementations(question):
    """Of a question: its sound implementations, and its bugs by the kind of test that kills them."""
    return {"test_slack": (SLACK, SLACK_BUGS), "test_codec": (CODEC, CODEC_BUGS), "test_draw": (DRAW, DRAW_BUGS)}[
        question
    ]


def _plant(rng, kinds, bugs):
    """Names of the bugs that are planted: one of each kind at least, `bugs` in all."""
    chosen = [list(kind)[int(rng.integers(len(kind)))] for kind in kinds.values()]
    rest = [name for kind in kinds.values() for name in kind if name not in chosen]
    more = [rest[i] for i in rng.permutation(len(rest))[: bugs - len(chosen)]]
    return sorted(chosen + more)


def _all_bugs(kinds):
    return {name: bug for kind in kinds.values() for name, bug in kind.items()}


def _of_kind(kinds, kind, planted):
    return {name for name in planted if name in kinds[kind]}


# ------------------------------------------------------------------------------------------------ 1. suspects

SOUND, ALWAYS, TUNED, MOCK = "sound", "always passes", "tuned to the seed", "tests the mock"

_TESTS = {
    "T01": (SOUND, "def test_a_cancelled_flight_counts_as_late():\n    assert late_share([nan, 10.0]) == 0.5"),
    "T02": (
        ALWAYS,
        "def test_empty_day():\n    try:\n        assert late_share([]) == 0\n    except Exception:\n        pass",
    ),
    "T03": (TUNED, "def test_audit():\n    rng = np.random.default_rng(7)\n    assert audit(year, 100, rng) == 0.12"),
    "T04": (
        MOCK,
        "def test_share_of_two():\n    late_share = Mock(return_value=0.5)\n    assert late_share([70.0, 10.0]) == 0.5",
    ),
    "T05": (
        SOUND,
        "def test_order_does_not_matter():\n    day = [70.0, 10.0, 95.0]\n"
        "    assert late_share(day[::-1]) == late_share(day)",
    ),
    "T06": (ALWAYS, 'def test_half():\n    assert (late_share([70.0, 10.0]) == 0.5, "half are late")'),
    "T07": (
        TUNED,
        "def test_audit_is_close():\n    rng = np.random.default_rng(3)  # 1 and 2 fail\n"
        "    assert abs(audit(year, 50, rng) - 0.08) < 0.001",
    ),
    "T08": (
        MOCK,
        'def test_year():\n    with patch("delays.late_share", return_value=0.08):\n'
        "        assert delays.late_share(year) == 0.08",
    ),
    "T09": (
        SOUND,
        "def test_audit_of_late_flights():\n    for seed in range(20):\n        rng = np.random.default_rng(seed)\n"
        "        assert audit([90.0] * 5, 100, rng) == 1",
    ),
    "T10": (
        ALWAYS,
        "def test_share_of_a_year():\n    expected = late_share(year)\n    assert late_share(year) == expected",
    ),
    "T11": (
        TUNED,
        "def test_audited_rows():\n    rng = np.random.default_rng(11)\n"
        "    assert audited_rows(year, 3, rng) == [812, 40, 377]",
    ),
    "T12": (
        MOCK,
        "def test_nightly_job():\n    class Desk:\n        def late_share(self, delays):\n            return 0.08\n\n"
        "    assert Desk().late_share(year) == 0.08",
    ),
}


def suspects(seed):
    """Six of the twelve tests on file, id -> source; every kind is among them."""
    rng = np.random.default_rng(seed)
    chosen = {"T09", "T10", str(rng.choice(["T03", "T07", "T11"])), str(rng.choice(["T04", "T08", "T12"]))}
    rest = sorted(_TESTS.keys() - chosen)
    chosen |= {rest[i] for i in rng.permutation(len(rest))[:2]}
    return {id: _TESTS[id][1] for id in sorted(chosen)}


def _sorted_out(seed):
    return {id: _TESTS[id][0] for id in suspects(seed)}


file = exercise.question(
    "suspects",
    kind="value",
    points=2,
    skills=["Python"],
    objectives=[3],
    call="verdicts",
    asks="a mapping from each test id to 'sound', 'always passes', 'tuned to the seed' or 'tests the mock'",
    hints=(
        "For each test: which wrong `late_share` or `audit` would make it fail? And which right one?",
        "No wrong one: it always passes, or it never calls the real thing. Some right ones: it is tuned.",
        "Look for an assertion that is swallowed, that is a pair in brackets, or that compares a call with itself. A "
        "seed alone is no fault: ask whether *another* seed would have to give the same.",
    ),
)


@file.property("every value is one of 'sound', 'always passes', 'tuned to the seed', 'tests the mock'")
def _(value):
    return set(value.values()) <= {SOUND, ALWAYS, TUNED, MOCK}


@file.property("every test, and only those on the desk, is sorted by whether a wrong program can make it fail")
def _(value, seed):
    return value == _sorted_out(seed)


@file.mistake("Everything is called sound here, perhaps because all of it is green. Which of these could turn red?")
def green_is_sound(seed):
    return dict.fromkeys(suspects(seed), SOUND)


@file.mistake(
    "Whatever mentions a generator is called tuned here. A seed is good manners; a result that only that seed gives "
    "is the fault.",
    credit=0.5,
)
def seeds_are_suspect(seed):
    return {**_sorted_out(seed), "T09": TUNED}


@file.mistake(
    "One test compares a function with what the same function said a line earlier, and is called sound here. What "
    "would it say of a function that is wrong twice?",
    credit=0.5,
)
def itself_as_oracle(seed):
    return {**_sorted_out(seed), "T10": SOUND}


@file.mistake(
    "The tests that put a stand-in in place of the code are called sound here. Whose return value do they assert?",
    credit=0.5,
)
def mocks_are_sound(seed):
    return {id: SOUND if kind == MOCK else kind for id, kind in _sorted_out(seed).items()}


# ---------------------------------------------------------------------------------------------------- 2. draw

draw = exercise.question(
    "draw",
    kind="function",
    points=2,
    skills=["Python"],
    objectives=[1],
    call="draw(values, n, rng)",
    asks="an array of n values, drawn with replacement by the generator that is handed in",
    compare=False,  # which values come out depends on how the generator is asked
    hints=(
        "What does the notebook's cell use that is not among its arguments? What does it leave changed?",
        "A Generator can draw whole numbers below len(values), or choose from an array; they can index an array.",
        "values[rng.integers(len(values), size=n)], and a type for each of the three arguments and the result.",
    ),
)


@draw.probes
def _(rng, seed, days):
    values = rng.permutation(np.arange(10.0, 10.0 + 7 * days, 7))
    for n in (3 * days, days):
        yield values.copy(), n, seed
    yield values[:1].copy(), 4, seed


@draw.observe
def _(answer, values, n, seed):
    before, given, rng = _global_state(), values.copy(), np.random.default_rng(seed)
    drawn = [answer(given, n, rng), answer(given, n, rng)]
    again = answer(values.copy(), n, np.random.default_rng(seed))
    signature = inspect.signature(answer)
    annotated = [p.annotation for p in signature.parameters.values()] + [signature.return_annotation]
    return {
        "an array": all(isinstance(d, np.ndarray) for d in drawn),
        "drawn": np.asarray(drawn[0]),
        "drawn next": np.asarray(drawn[1]),
        "drawn again from the same seed": np.asarray(again),
        "argument unchanged": bool(np.array_equal(given, values)),
        "global generator used": _global_state() != before,
        "types": sum(a is not inspect.Signature.empty for a in annotated),
    }


def _varied(values, n):
    return len(values) > 1 and n >= 20


@draw.property("the values come out as an array")
def _(values, n, seed, seen):
    return seen["an array"]


@draw.property("n values come out, and each is one of `values`")
def _(values, n, seed, seen):
    return seen["drawn"].shape == (n,) and set(seen["drawn"].tolist()) <= set(values.tolist())


@draw.property("the same seed gives the same draw")
def _(values, n, seed, seen):
    return np.array_equal(seen["drawn"], seen["drawn again from the same seed"])


@draw.property("the next call with the same generator gives another draw")
def _(values, n, seed, seen):
    return not _varied(values, n) or not np.array_equal(seen["drawn"], seen["drawn next"])


@draw.property("values are drawn with replacement")
def _(values, n, seed, seen):
    # Without a repeat in n >= 20 draws of as many values: once in 40 million.
    return not _varied(values, n) or len(set(seen["drawn"].tolist())) < n


@draw.property("the argument and the global generators are left as they were")
def _(values, n, seed, seen):
    return seen["argument unchanged"] and not seen["global generator used"]


@draw.property("every argument and the result have a type")
def _(values, n, seed, seen):
    return seen["types"] == 4


@draw.mistake(
    "The values come out as a list. The function promises an array, and its callers will compute with it.",
    credit=0.75,
    seen=lambda values, n, seed, seen: not seen["an array"],
)
def as_a_list(values: np.ndarray, n: int, rng: np.random.Generator) -> list:
    return [values[i] for i in rng.integers(len(values), size=n)]


@draw.mistake(
    "The global generator is used: whoever draws from it elsewhere changes this result. A generator is handed in.",
    seen=lambda values, n, seed, seen: seen["global generator used"],
)
def global_generator(values: np.ndarray, n: int, rng: np.random.Generator) -> np.ndarray:
    return np.random.choice(values, n)


@draw.mistake(
    "A generator is made inside, from a fixed seed: every call gives the same draw. Repeating is the caller's choice.",
    seen=lambda values, n, seed, seen: (
        _varied(values, n) and not seen["global generator used"] and np.array_equal(seen["drawn"], seen["drawn next"])
    ),
)
def reseeds_inside(values: np.ndarray, n: int, rng: np.random.Generator) -> np.ndarray:
    return np.random.default_rng(42).choice(values, n)


@draw.mistake(
    "Each value comes out once at most. With replacement, a day may be drawn again.",
    seen=lambda values, n, seed, seen: _varied(values, n) and len(set(seen["drawn"].tolist())) == len(seen["drawn"]),
)
def without_replacement(values: np.ndarray, n: int, rng: np.random.Generator) -> np.ndarray:
    return rng.permutation(values)[:n]


@draw.mistake(
    "The draw is right, but `values` has changed places: whoever handed it in did not ask for that.",
    credit=0.5,
    seen=lambda values, n, seed, seen: not seen["argument unchanged"],
)
def shuffles_the_argument(values: np.ndarray, n: int, rng: np.random.Generator) -> np.ndarray:
    rng.shuffle(values)
    return values[rng.integers(len(values), size=n)]


@draw.mistake(
    "The draw is right. What a machine could read about it is missing: the types of arguments and result.",
    credit=0.5,
    seen=lambda values, n, seed, seen: seen["types"] < 4,
)
def untyped(values, n, rng):
    return rng.choice(values, n)


# ---------------------------------------------------------------------------------------------- 3. test_slack


def _m(clock):
    return clock // 100 * 60 + clock % 100


def _by_remainder(arrival, departure):
    return (_m(departure) - _m(arrival)) % 1440


def _by_calendar(arrival, departure):
    from datetime import datetime, timedelta

    day = datetime(2013, 1, 1)
    a, d = (day + timedelta(hours=c // 100 % 24, minutes=c % 100) for c in (arrival, departure))
    if d < a:
        d += timedelta(days=1)
    return int((d - a).total_seconds()) // 60


def _by_array(arrival, departure):
    hours, minutes = np.divmod(np.array([arrival, departure]), 100)
    return np.diff(60 * hours + minutes)[0] % np.int64(1440)


def _searched(arrival, departure):
    for wait in range(1439):  # one short
        if (_m(arrival) + wait - _m(departure)) % 1440 == 0:
            return wait
    return 0


SLACK = {"by remainder": _by_remainder, "by calendar": _by_calendar, "by array": _by_array}
SLACK_BUGS = {
    "plain": {
        "bug 1": lambda a, d: (d - a) % 2400,
        "bug 2": lambda a, d: (_m(a) - _m(d)) % 1440,
        "bug 3": lambda a, d: (d // 100 - a // 100) % 24 * 60,
        "bug 4": lambda a, d: (_m(d) - _m(a) + 1) % 1440,
    },
    "midnight": {
        "bug 5": lambda a, d: _m(d) - _m(a),
        "bug 6": lambda a, d: abs(_m(d) - _m(a)),
        "bug 7": lambda a, d: (_m(d) - _m(a)) % 720,
        "bug 8": lambda a, d: max(_m(d) - _m(a), 0),
    },
    "edge": {
        "bug 9": lambda a, d: (_m(d) - _m(a)) % 1440 or 1440,
        "bug 10": lambda a, d: _m(d) - _m(a) + (1440 if _m(d) < _m(a) else 0),
        "bug 11": lambda a, d: sum(
            sign * (int(str(c)[:-2]) * 60 + int(str(c)[-2:])) for sign, c in ((-1, a), (1, d))
        ) % 1440,
        "bug 12": _searched,
    },
}  # fmt: skip

test_slack = exercise.question(
    "test_slack",
    kind="function",
    points=3,
    skills=["Python"],
    objectives=[3],
    call="test_slack(slack)",
    asks="nothing if `slack` is right, and an AssertionError if it is not",
    compare=False,
    out_of_bounds=BORROWED,
    hints=(
        "Work three examples out with pencil and paper, one of them across a full hour. Then look at a night.",
        "After midnight the departure's number is the smaller one. And how long may one wait: 12 hours? 23? 24?",
        "The ends are where bugs live: no wait at all, the longest wait, a time soon after midnight such as 5, both "
        "names of midnight, 0 and 2400, on either side.",
    ),
)


@test_slack.probes
def _(rng, bugs):
    yield _plant(rng, SLACK_BUGS, bugs)


@test_slack.observe
def _(answer, planted):
    watched, bugs = _Watched(), _all_bugs(SLACK_BUGS)
    sound = {name: [watched.verdict(answer, [function])] for name, function in SLACK.items()}
    return watched.report(sound, {name: [watched.verdict(answer, [bugs[name]])] for name in planted})


def _common_properties(question):
    """What holds for every right test, whatever it tests."""

    @question.property("every sound implementation passes, each time")
    def _(*everything):
        return not everything[-1]["sound, rejected"]

    @question.property("the test calls what it is given")
    def _(*everything):
        return everything[-1]["calls"] > 0

    @question.property("every planted bug is killed")
    def _(*everything):
        return set(everything[-1]["bugs killed"]) == set(everything[0])


_common_properties(test_slack)


def _fair(seen):
    """The test looked at what it was given, and let the sound ones pass."""
    return seen["calls"] > 0 and not seen["sound, rejected"]


def _killed(kinds, kind, planted, seen):
    return _of_kind(kinds, kind, planted) & set(seen["bugs killed"])


def _mute(planted, seen):
    return _fair(seen) and not seen["bugs killed"] and not seen["said False"]


def _verdict_returned(planted, seen):
    return _fair(seen) and seen["said False"] > 0


def _not_called(planted, seen):
    return seen["calls"] == 0 and not seen["sound, rejected"]


def _every_sound_one_rejected(question, planted, seen):
    return seen["calls"] > 0 and len(seen["sound, rejected"]) == len(implementations(question)[0])


def _some_sound_ones_rejected(question, planted, seen):
    return 0 < len(seen["sound, rejected"]) < len(implementations(question)[0])


@test_slack.mistake(
    "This test cannot fail: it calls the function, and no wrong answer makes it raise. Plant a bug yourself and see.",
    seen=_mute,
)
def slack_always_passes(slack):
    answer = slack(955, 1005)
    assert answer is not None


@test_slack.mistake(
    "The test says False where it should raise. A runner looks at exceptions; what a test returns is thrown away.",
    credit=0.25,
    seen=_verdict_returned,
)
def slack_returns_a_verdict(slack):
    return bool(slack(955, 1005) == 10 and slack(2330, 15) == 45 and slack(700, 700) == 0)


@test_slack.mistake("What was handed in is never called. The code under test here is the test's own.", seen=_not_called)
def slack_tests_its_own(slack):
    slack = _by_remainder
    assert slack(955, 1005) == 10 and slack(2330, 15) == 45 and slack(2400, 0) == 0


@test_slack.mistake(
    "All of this is an ordinary day. Arrivals in the evening and departures after midnight have other bugs.",
    credit=0.3,
    seen=lambda planted, seen: (
        _fair(seen)
        and bool(_killed(SLACK_BUGS, "plain", planted, seen))
        and not _killed(SLACK_BUGS, "midnight", planted, seen)
        and not _killed(SLACK_BUGS, "edge", planted, seen)
    ),
)
def slack_by_day(slack):
    for arrival, departure, minutes in [(955, 1005, 10), (1200, 1330, 90), (900, 1745, 525)]:
        assert slack(arrival, departure) == minutes


@test_slack.mistake(
    "Day and night are covered. What is left lives at the ends of the ranges: of a clock, and of the answer.",
    credit=0.6,
    seen=lambda planted, seen: (
        _fair(seen)
        and bool(_killed(SLACK_BUGS, "midnight", planted, seen))
        and not _killed(SLACK_BUGS, "edge", planted, seen)
    ),
)
def slack_without_ends(slack):
    slack_by_day(slack)
    assert slack(2330, 115) == 105
    assert slack(1000, 900) == 1380


@test_slack.mistake(
    "Some sound implementations pass and others don't: this asserts how one of them is written, such as its type.",
    credit=0.3,
    seen=lambda planted, seen: _some_sound_ones_rejected("test_slack", planted, seen),
)
def slack_of_one_style(slack):
    for arrival, departure, minutes in [(955, 1005, 10), (2330, 15, 45), (700, 700, 0), (0, 2400, 0)]:
        found = slack(arrival, departure)
        assert type(found) is int and found == minutes


@test_slack.mistake(
    "Every sound implementation fails this test. Work its expected values out again, by hand.",
    seen=lambda planted, seen: _every_sound_one_rejected("test_slack", planted, seen),
)
def slack_wrongly_expected(slack):
    assert slack(955, 1005) == 50


# ---------------------------------------------------------------------------------------------- 4. test_codec


def _pack_grouped(values):
    return [(value, len(list(run))) for value, run in groupby(values)]


def _pack_in_place(values):
    runs = []
    for value in values:
        if runs and runs[-1][0] == value:
            runs[-1][1] += 1
        else:
            runs.append([value, 1])
    return runs


def _pack_by_cuts(values):
    cuts = [i for i in range(len(values)) if i == 0 or values[i] != values[i - 1]] + [len(values)]
    return tuple((values[a], b - a) for a, b in pairwise(cuts))


def _unpack(runs):
    return [value for value, count in runs for _ in range(count)]


def _unpack_chained(runs):
    return list(chain.from_iterable([value] * count for value, count in runs))


def _far_merged(values):
    return [(value, values.count(value)) for value in dict.fromkeys(values)]


def _split_at_four(values):
    return [(value, min(4, n - i)) for value, n in _pack_grouped(values) for i in range(0, n, 4)]


def _needs_a_first(values):
    first = values[0]
    return _pack_grouped([first, *values[1:]])


CODEC = {
    "grouped": (_pack_grouped, _unpack),
    "in place": (_pack_in_place, _unpack_chained),
    "by cuts": (_pack_by_cuts, _unpack),
}
CODEC_BUGS = {
    "lossy": {
        "bug 1": (lambda v: _pack_grouped(v)[:-1], _unpack),
        "bug 2": (_far_merged, _unpack),
        "bug 3": (lambda v: [(x, n) for x, n in _pack_grouped(v) if n > 1], _unpack),
        "bug 4": (_pack_grouped, lambda runs: [value for value, _ in runs]),
    },
    "unusual": {
        "bug 5": (_needs_a_first, _unpack),
        "bug 6": (lambda v: [(x, min(n, 9)) for x, n in _pack_grouped(v)], _unpack),
        "bug 7": (_pack_grouped, lambda runs: [x for x, n in runs for _ in range(int(str(n)[0]))]),
    },
    "shape": {
        "bug 8": (lambda v: [(x, 1) for x in v], _unpack),
        "bug 9": (_split_at_four, _unpack),
        "bug 10": (lambda v: [*_pack_grouped(v), ("end", 0)], _unpack),
        "bug 11": (lambda v: _pack_grouped(v[::-1]), lambda runs: _unpack(runs)[::-1]),
    },
}

test_codec = exercise.question(
    "test_codec",
    kind="function",
    points=4,
    skills=["Python"],
    objectives=[2],
    call="test_codec(pack, unpack, rng)",
    asks="nothing if the pair is right, and an AssertionError if it is not",
    compare=False,
    out_of_bounds=BORROWED,
    hints=(
        "Begin with the property that needs no expected values: there and back again. Which inputs would surprise you?",
        "A pair that packs nothing at all comes back perfectly. What must be true of `pack`'s result alone?",
        "Inputs: the empty list, and runs of 1 to 30 of a few letters. Of the result: every count is at least 1, "
        "neighbours have different values, and the first pair holds the first value.",
    ),
)


@test_codec.probes
def _(rng, seed, bugs):
    yield _plant(rng, CODEC_BUGS, bugs), seed


@test_codec.observe
def _(answer, planted, seed):
    watched, bugs = _Watched(), _all_bugs(CODEC_BUGS)

    def verdicts(pair, runs):
        return [watched.verdict(answer, pair, np.random.default_rng([seed, run])) for run in range(runs)]

    sound = {name: verdicts(pair, 4) for name, pair in CODEC.items()}
    return watched.report(sound, {name: verdicts(bugs[name], 2) for name in planted})


_common_properties(test_codec)


@test_codec.property("the global generators are left alone")
def _(planted, seed, seen):
    return not seen["global generator used"]


def _random_runs(rng, most, lists=30):
    for _ in range(lists):
        counts = rng.integers(1, most, endpoint=True, size=int(rng.integers(2, 9)))
        yield [letter for count in [*counts, most] for letter in [str(rng.choice(["JFK", "LGA", "EWR"]))] * int(count)]


def _assert_shape(values, runs):
    assert all(count >= 1 for _, count in runs)
    assert all(left[0] != right[0] for left, right in pairwise(runs))
    assert not values or runs[0][0] == values[0]


#: Not a palindrome, its last run is single, and the first value comes again: kills all that loses something.
_EXAMPLE = ["JFK", "JFK", "LGA", "JFK", "EWR", "EWR", "EWR", "EWR", "EWR", "LGA"]


@test_codec.mistake(
    "There and back again holds, and so it does for a pair that packs nothing. What must be true of `pack` alone?",
    credit=0.4,
    seen=lambda planted, seed, seen: (
        _fair(seen)
        and not seen["global generator used"]
        and bool(_killed(CODEC_BUGS, "lossy", planted, seen))
        and bool(_killed(CODEC_BUGS, "unusual", planted, seen))
        and not _killed(CODEC_BUGS, "shape", planted, seen)
    ),
)
def round_trip_only(pack, unpack, rng):
    for values in [[], _EXAMPLE, *_random_runs(rng, 30)]:
        assert unpack(pack(list(values))) == values


@test_codec.mistake(
    "The statements are good and the inputs tame. Nothing here is empty, or long enough to need a second digit.",
    credit=0.6,
    seen=lambda planted, seed, seen: (
        _fair(seen)
        and not seen["global generator used"]
        and bool(_killed(CODEC_BUGS, "lossy", planted, seen))
        and bool(_killed(CODEC_BUGS, "shape", planted, seen))
        and not _killed(CODEC_BUGS, "unusual", planted, seen)
    ),
)
def tame_inputs(pack, unpack, rng):
    assert unpack(pack(list(_EXAMPLE))) == _EXAMPLE
    _assert_shape(_EXAMPLE, pack(list(_EXAMPLE)))


@test_codec.mistake(
    "`pack` is compared with `pack` here. A function that is wrong is wrong the same way twice.",
    seen=lambda planted, seed, seen: _mute(planted, seen),
)
def codec_is_its_own_oracle(pack, unpack, rng):
    for values in _random_runs(rng, 30):
        expected = pack(list(values))
        assert pack(list(values)) == expected


@test_codec.mistake(
    "What was handed in is never called. The pair under test here is the test's own.",
    seen=lambda planted, seed, seen: _not_called(planted, seen),
)
def codec_tests_its_own(pack, unpack, rng):
    for values in _random_runs(rng, 30):
        assert _unpack(_pack_grouped(values)) == values


@test_codec.mistake(
    "The inputs come from a global generator: another test that draws from it changes what this one sees, and nobody "
    "can repeat its failure.",
    credit=0.5,
    seen=lambda planted, seed, seen: _fair(seen) and seen["global generator used"],
)
def codec_draws_globally(pack, unpack, rng):
    for values in [[], _EXAMPLE, *([random.choice("ab")] * random.randint(10, 30) for _ in range(30))]:
        assert unpack(pack(list(values))) == values
        _assert_shape(values, pack(list(values)))


@test_codec.mistake(
    "Some sound pairs pass and others don't: this asserts the kind of bracket, which the task leaves open.",
    credit=0.3,
    seen=lambda planted, seed, seen: (
        _some_sound_ones_rejected("test_codec", planted, seen) and not seen["global generator used"]
    ),
)
def codec_of_one_style(pack, unpack, rng):
    assert pack(["JFK", "JFK", "LGA"]) == [("JFK", 2), ("LGA", 1)]
    for values in [[], *_random_runs(rng, 30)]:
        assert unpack(pack(list(values))) == values


@test_codec.mistake(
    "Every sound pair fails this test: it asserts something that packing does not promise for every input.",
    seen=lambda planted, seed, seen: _every_sound_one_rejected("test_codec", planted, seen),
)
def packing_must_shorten(pack, unpack, rng):
    for values in [["JFK"], ["JFK", "LGA"], *_random_runs(rng, 30)]:
        assert len(pack(list(values))) < len(values)


# ----------------------------------------------------------------------------------------------- 5. test_draw


def _never(place):
    def drawn(values, n, rng):
        kept = np.delete(np.asarray(values), place)
        return kept[rng.integers(len(kept), size=n)]

    return drawn


def _first_twice(values, n, rng):
    return np.append(values, values[:1])[rng.integers(len(values) + 1, size=n)]


def _no_repeats(values, n, rng):
    rounds = [rng.permutation(values) for _ in range(-(-n // len(values)))]
    return np.concatenate(rounds)[:n]


def _own_stream():
    stream = np.random.default_rng(2013)
    return lambda values, n, rng: stream.choice(np.asarray(values), n)


DRAW = {
    "choice": lambda values, n, rng: rng.choice(np.asarray(values), n),
    "places": lambda values, n, rng: np.asarray(values)[rng.integers(len(values), size=n)],
    "stretched": lambda values, n, rng: np.asarray(values)[(rng.random(n) * len(values)).astype(int)],
}
DRAW_BUGS = {
    "plain": {
        "bug 1": lambda values, n, rng: rng.normal(np.mean(values), np.std(values) + 1, n),
        "bug 2": lambda values, n, rng: rng.choice(np.asarray(values), max(n - 1, 0)),
        "bug 3": lambda values, n, rng: rng.integers(len(values), size=n),
    },
    "skewed": {
        "bug 4": _never(-1),
        "bug 5": _never(0),
        "bug 6": _first_twice,
        "bug 7": _no_repeats,
    },
    "unseeded": {
        "bug 8": lambda values, n, rng: np.random.default_rng(0).choice(np.asarray(values), n),
        "bug 9": _own_stream(),
    },
}

test_draw = exercise.question(
    "test_draw",
    kind="function",
    points=4,
    skills=["Python", "probability"],
    objectives=[4],
    call="test_draw(draw, rng)",
    asks="nothing if `draw` is right, whatever the generator; an AssertionError if it is not",
    compare=False,
    out_of_bounds=BORROWED,
    hints=(
        "Three different things can be wrong: what comes out, how often each value does, and what repeats when.",
        "A count of m draws with chance p has standard deviation sqrt(m p (1 - p)); 5 or 6 of them are next to never "
        "exceeded. Choose m so large that a wrong count lies far outside. With 20 values, 20 draws all different are a "
        "miracle.",
        "Assert: n values, all from `values`; in 40,000 draws of 20 values each count within 6 standard deviations of "
        "2,000; 20 draws hold a repeat; equal seeds give equal draws; the next call with the same rng gives others.",
    ),
)


@test_draw.probes
def _(rng, seed, bugs):
    yield _plant(rng, DRAW_BUGS, bugs), seed


@test_draw.observe
def _(answer, planted, seed):
    watched, bugs = _Watched(), _all_bugs(DRAW_BUGS)

    def verdicts(function, runs):
        return [watched.verdict(answer, [function], np.random.default_rng([seed, run])) for run in range(runs)]

    sound = {name: verdicts(function, 14) for name, function in DRAW.items()}
    return watched.report(sound, {name: verdicts(bugs[name], 3) for name in planted})


_common_properties(test_draw)


@test_draw.property("the global generators are left alone")
def _(planted, seed, seen):
    return not seen["global generator used"]


def _assert_members(draw, rng):
    values = np.arange(10.0, 50.0, 2)
    drawn = draw(values, 7, rng)
    assert len(drawn) == 7 and set(drawn.tolist()) <= set(values.tolist())


def _assert_repeatable(draw, rng):
    values, seed = np.arange(10.0, 50.0, 2), int(rng.integers(2**31))
    again, other = np.random.default_rng(seed), np.random.default_rng(seed)
    first = draw(values, 30, again)
    assert np.array_equal(first, draw(values, 30, other))
    assert not np.array_equal(first, draw(values, 30, again))


def _assert_even(draw, rng, sds, draws=20_000):
    values = np.arange(10.0, 50.0, 2)
    assert len(set(draw(values, 20, rng).tolist())) < 20
    drawn = draw(values, draws, rng)
    expected, sd = draws / 20, (draws / 20 * 19 / 20) ** 0.5
    assert all(abs(np.sum(drawn == value) - expected) < sds * sd for value in values)


def _rates(seen):
    return [
        tuple(int(part) for part in text.partition(",")[0].split(" of ")) for text in seen["sound, rejected"].values()
    ]


def _flaky(seen):
    return any(0 < fails < runs for fails, runs in _rates(seen))


@test_draw.mistake(
    "What comes out is checked, and not how often. A draw that never takes the last value passes.",
    credit=0.3,
    seen=lambda planted, seed, seen: (
        _fair(seen)
        and not seen["global generator used"]
        and bool(_killed(DRAW_BUGS, "plain", planted, seen))
        and not _killed(DRAW_BUGS, "skewed", planted, seen)
        and not _killed(DRAW_BUGS, "unseeded", planted, seen)
    ),
)
def members_only(draw, rng):
    for _ in range(10):
        _assert_members(draw, rng)


@test_draw.mistake(
    "This expects the very values that one way of drawing gives for one seed. Another, equally right, is rejected.",
    seen=lambda planted, seed, seen: not _flaky(seen) and _some_sound_ones_rejected("test_draw", planted, seen),
)
def tuned_to_the_seed(draw, rng):
    values = np.arange(10.0, 50.0, 2)
    expected = np.random.default_rng(7).choice(values, 12)
    assert np.array_equal(draw(values, 12, np.random.default_rng(7)), expected)


@test_draw.mistake(
    "A sound `draw` fails this test for some generators: the tolerance is narrower than chance. By how many standard "
    "deviations do you let a count differ, and how many counts do you look at?",
    credit=0.3,
    seen=lambda planted, seed, seen: seen["calls"] > 0 and _flaky(seen),
)
def tolerance_below_chance(draw, rng):
    drawn = draw(np.arange(10.0, 50.0, 2), 1000, rng)
    assert abs(np.sum(drawn == 10.0) - 50) < 1.0 * (1000 * 0.05 * 0.95) ** 0.5


@test_draw.mistake(
    "What comes out is checked, and how often. Which part of the task do seeds play? Nothing here would notice a "
    "generator that is not used.",
    credit=0.6,
    seen=lambda planted, seed, seen: (
        _fair(seen)
        and not seen["global generator used"]
        and bool(_killed(DRAW_BUGS, "skewed", planted, seen))
        and not _killed(DRAW_BUGS, "unseeded", planted, seen)
    ),
)
def seeds_unchecked(draw, rng):
    _assert_members(draw, rng)
    _assert_even(draw, rng, sds=6)


@test_draw.mistake(
    "Seeds are checked, and what comes out, and not how often. How many draws would show that one value never comes?",
    credit=0.6,
    seen=lambda planted, seed, seen: (
        _fair(seen)
        and not seen["global generator used"]
        and bool(_killed(DRAW_BUGS, "unseeded", planted, seen))
        and not _killed(DRAW_BUGS, "skewed", planted, seen)
    ),
)
def frequencies_unchecked(draw, rng):
    _assert_members(draw, rng)
    _assert_repeatable(draw, rng)


@test_draw.mistake(
    "What was handed in is never called: whether its stand-in is even says nothing about it.",
    seen=lambda planted, seed, seen: _not_called(planted, seen),
)
def draw_is_mocked(draw, rng):
    def draw(values, n, rng):
        return rng.choice(values, n)

    _assert_members(draw, rng)
    _assert_even(draw, rng, sds=6)


@test_draw.mistake(
    "Every sound `draw` fails this test. Equal chances are not equal counts: how far apart may two counts be?",
    seen=lambda planted, seed, seen: not _flaky(seen) and _every_sound_one_rejected("test_draw", planted, seen),
)
def counts_must_be_equal(draw, rng):
    drawn = draw(np.arange(10.0, 50.0, 2), 4000, rng)
    assert len({int(np.sum(drawn == value)) for value in np.arange(10.0, 50.0, 2)}) == 1
