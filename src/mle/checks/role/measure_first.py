"""Checks of the exercise role/measure_first: profile, predict what a repair gains, vectorise within a budget, stop."""

import math
import sys

import numpy as np

from coursework import Exercise, Integer

exercise = Exercise(
    "role/measure_first",
    title="Make the night fit",
    minutes=60,
    parameters=[
        Integer("seed", 0, 2**31 - 1),
        Integer("n", 400, 2000),
        Integer("factor", 3, 30),
        Integer("memory", 8, 512),
        Integer("wage", 60, 110),
        Integer("window", 30, 120),
    ],
)

# ---------------------------------------------------------------------------------------------- the job to profile

SAMPLE = 100  # records of a trial run


def _records(seed, n):
    """Of each record its airport, 0 to 59, and how many attempts its booking takes, 1 to 4."""
    rng = np.random.default_rng(seed)
    return rng.integers(0, 60, n).tolist(), (1 + rng.binomial(3, 0.3, n)).tolist()


def program(seed, n):
    """The night's job on n records: call it without an argument, or with a smaller number of records to try it out."""
    airports, attempts = _records(seed, n)

    def parse(record):
        return f"{record:06d}".strip()

    def lookup(airport):
        return (airport * 37 + 11) % 60

    def book(attempts):
        return 1 if attempts == 1 else 1 + book(attempts - 1)

    def night(records=n):
        known, booked = {}, 0
        for record in range(records):
            parse(record)
            if airports[record] not in known:
                known[airports[record]] = lookup(airports[record])
            booked += book(attempts[record])
        return booked

    return night


def _calls(seed, n):
    airports, attempts = _records(seed, n)
    return {"parse": n, "lookup": len(set(airports)), "book": sum(attempts)}


def last_night(seed):
    """A profile of another job: function -> (calls, own seconds, cumulative seconds)."""
    rng = np.random.default_rng(seed)
    own = {name: float(round(rng.uniform(low, high), 1)) for name, low, high in _OWN}
    inside = {"main": list(own), "load": ["load", "parse"], "queue": ["queue", "window"], "write": ["write"]}
    inside |= {"parse": ["parse"], "window": ["window"]}
    calls = {"main": 1, "load": 1, "parse": 336_776, "queue": 1, "window": 336_776, "write": 1}
    return {name: (calls[name], own[name], round(sum(own[part] for part in inside[name]), 1)) for name in own}


_OWN = [
    ("main", 1, 5),
    ("load", 200, 400),
    ("parse", 300, 900),
    ("queue", 3000, 6000),
    ("window", 1500, 3000),
    ("write", 100, 300),
]


def proposals(seed):
    """Six proposed repairs: name, hours of an engineer, seconds a night saved, more flights a night in time."""
    rng = np.random.default_rng(seed)
    names = ["cache the airports", "read Parquet", "select columns first", "sort once", "a loop in C++", "shorter logs"]
    kinds = [  # the ranges are such that each wrong way of reckoning picks other repairs, at every wage
        ((5, 8), (6000, 8000), (0, 0)),
        ((6, 9), (200, 400), (10, 15)),
        ((0.5, 0.5), (8200, 10_000), (0, 0)),
        ((1, 1.5), (50, 100), (400, 600)),
        ((40, 60), (30, 50), (0, 0)),
        ((3, 4), (15, 22), (0, 0)),
    ]
    rows = []
    for name, kind in zip(rng.permutation(names).tolist(), rng.permutation(len(kinds)).tolist(), strict=True):
        hours, seconds, flights = (rng.uniform(low, high) for low, high in kinds[kind])
        rows.append({"name": name, "hours": round(hours * 2) / 2, "seconds": round(seconds), "flights": round(flights)})
    return rows


NIGHTS, CORE, WORTH = 365, 0.10, 0.50  # runs, dollars an hour of a core, dollars a flight that has its number


# ------------------------------------------------------------------------------------------ what an answer costs


def _python_steps(answer, *arguments, most=200_000):
    """Lines and bytecodes that Python runs in a call, up to `most`; array operations are one step each."""
    steps = 0

    def count(frame, event, _):
        nonlocal steps
        frame.f_trace_opcodes = True
        steps += event in ("line", "opcode")
        if steps >= most:
            sys.settrace(None)
        return count

    before = sys.gettrace()
    sys.settrace(count)
    try:
        answer(*arguments)
    finally:
        sys.settrace(before)
    return min(steps, most)


def _grows(answer, make, size=400):
    """Whether a call runs more Python on twice the flights; `make(size)` gives arguments."""
    _python_steps(answer, *make(size))  # whatever is done once, such as an import, is done now
    small, large = (_python_steps(answer, *make(rows)) for rows in (size, 2 * size))
    return large >= 200_000 or large - small >= size / 2


def _peak(answer, arguments):
    from mle.scratch.metering import peak_bytes

    answer(*arguments)
    return peak_bytes(answer, *arguments)


# ------------------------------------------------------------------------------------------------------ 1 calls

calls = exercise.question(
    "calls",
    kind="value",
    points=1,
    skills=["Python", "problem solving"],
    objectives=[1],
    call="calls",
    asks="a mapping with the keys 'parse', 'lookup' and 'book', each a whole number of calls",
    rtol=0,
    atol=0,
    hints=(
        "cProfile counts calls. Where does it put the counts, and under which names?",
        "profiler = cProfile.Profile(); profiler.runcall(night); then pstats.Stats(profiler).print_stats().",
        "`book` calls itself, so its ncalls reads like 31/10: all calls, then those that no `book` made. "
        "Stats(...).stats maps (file, line, name) to a tuple whose second entry is the number of all calls.",
    ),
)


@calls.property("every record is parsed once")
def _(value, n):
    return value["parse"] == n


@calls.property("an airport is looked up when it occurs for the first time")
def _(value, seed, n):
    return value["lookup"] == _calls(seed, n)["lookup"]


@calls.property("every call of `book` counts, whoever made it")
def _(value, seed, n):
    return value["book"] == _calls(seed, n)["book"]


@calls.mistake(
    "A function that calls itself has two counts in a profile. Yours leaves out the calls that it made itself."
)
def primitive_calls(seed, n):
    return _calls(seed, n) | {"book": n}


@calls.mistake("These are twice the calls of one run: has the same profiler watched two of them?")
def two_runs(seed, n):
    return {name: 2 * count for name, count in _calls(seed, n).items()}


@calls.mistake("These are the counts of the trial run. The night has more records.")
def trial_run(seed, n):
    airports, attempts = _records(seed, n)
    return {"parse": SAMPLE, "lookup": len(set(airports[:SAMPLE])), "book": sum(attempts[:SAMPLE])}


@calls.mistake(
    "This scales a trial run up to the night. Does every count grow in proportion to the records?", credit=0.25
)
def scaled_up(seed, n):
    return {name: round(count * n / SAMPLE) for name, count in trial_run(seed, n).items()}


# ------------------------------------------------------------------------------------------------------- 2 gain

gain = exercise.question(
    "gain",
    kind="value",
    points=2,
    skills=["problem solving", "algebra"],
    objectives=[2],
    call="gain",
    asks="a number: the old time of the whole job over the new one",
    hints=(
        "Which of the two times of `queue` is spent in its own lines?",
        "The share p is that time over the whole job's. What is left of the job when that part takes 1/factor of it?",
        "The whole job's time is the cumulative time of `main`, T. The new one is T - own + own / factor.",
    ),
)


def _times(seed):
    profile = last_night(seed)
    return profile["main"][2], profile["queue"][1], profile["queue"][2]


@gain.property("the job gets faster, and by less than the part that is repaired")
def _(value, factor):
    return 1 < value < factor


@gain.property("the gain stays below what it would be if the repaired lines cost nothing")
def _(value, seed):
    total, own, _ = _times(seed)
    return value < total / (total - own)


@gain.mistake("This repairs what `queue` calls as well. Only its own lines get faster.")
def cumulative_share(seed, factor):
    total, _, cumulative = _times(seed)
    return total / (total - cumulative + cumulative / factor)


@gain.mistake("This is the limit, for lines that cost nothing. Here they still cost something.")
def limit(seed):
    total, own, _ = _times(seed)
    return total / (total - own)


@gain.mistake("That is how much faster those lines get. The rest of the job takes as long as before.")
def the_factor_itself(factor):
    return float(factor)


@gain.mistake("A share of the time times a factor is no factor: add up the new times instead.")
def share_times_factor(seed, factor):
    total, own, _ = _times(seed)
    return own / total * factor


@gain.mistake("This is the new time over the old one. Turn it over.")
def upside_down(seed, factor):
    total, own, _ = _times(seed)
    return (total - own + own / factor) / total


# ---------------------------------------------------------------------------------------------------- 3 largest

largest = exercise.question(
    "largest",
    kind="value",
    points=1,
    skills=["basic algorithms", "problem solving"],
    objectives=[2],
    call="largest",
    asks="a whole number of flights",
    compare=False,  # one fewer passes: who counts `due` as well may come to it
    rtol=0,
    atol=0,
    hints=(
        "What shape has each of the four arrays, and how many bytes has one of its entries?",
        "A number of type int64 has 8 bytes, True or False has 1. All four names are alive when the last is made.",
        "With b bytes for each pair of flights, b * n**2 has to stay within memory * 10**9.",
    ),
)


def _fits(memory, per_pair):
    return math.isqrt(memory * 10**9 // per_pair)


@largest.property("the answer is a whole number of flights")
def _(value):
    return not isinstance(value, bool) and value == int(value)


@largest.property("the arrays for so many flights fit")
def _(value, memory):
    return 0 < value <= _fits(memory, 11)


@largest.property("for more flights they do not fit")
def _(value, memory):
    return value >= _fits(memory, 11) - 1


@largest.mistake("The gaps are the largest of the arrays, and three more are alive beside them.")
def gaps_alone(memory):
    return _fits(memory, 8)


@largest.mistake("This counts 8 bytes for every entry. How large is True?")
def eight_bytes_each(memory):
    return _fits(memory, 32)


@largest.mistake("This counts the last array alone. What is still in memory when it is made?")
def last_alone(memory):
    return _fits(memory, 1)


@largest.mistake("These arrays have an entry for each pair of flights, and not for each flight.")
def not_squared(memory):
    return memory * 10**9 // 11


@largest.mistake(
    "So many need a little more than the machine has. Which way does the root have to be rounded?", credit=0.5
)
def one_too_many(memory):
    return _fits(memory, 11) + 1


@largest.mistake("Broadcasting makes the whole square, both halves and the diagonal.")
def half_a_square(memory):
    return math.isqrt(2 * memory * 10**9 // 11)


# ---------------------------------------------------------------------------------------------------- 4 minutes

minutes = exercise.question(
    "minutes",
    kind="function",
    points=2,
    skills=["Python", "altered or optimised algorithms"],
    objectives=[3],
    call="minutes(hhmm)",
    asks="a new array of minutes since midnight, made with one new array at a time and no Python loop",
    compare=False,
    hints=(
        "Count the arrays that your line makes, the ones without a name as well.",
        "517 is 5 hours and 17 minutes: 517 - 40 * 5. So one array of hours is all that you need besides hhmm.",
        "hours = hhmm // 100 makes the one new array; `hours *= ...` and `hours += ...` write into it.",
    ),
)


def _clock_times(rng, size):
    return rng.integers(0, 24, size) * 100 + rng.integers(0, 60, size)


@minutes.probes
def _(rng, n):
    yield np.array([517, 0, 5, 59, 100, 1159, 2359, 2400, 1300])
    yield np.array([], dtype=np.int64)
    yield np.array([45])
    yield _clock_times(rng, 4 * n)


@minutes.observe
def _(answer, hhmm):
    given = hhmm.copy()
    seen = {"output": answer(given), "unchanged": np.array_equal(given, hhmm)}
    if hhmm.size >= 1000:
        rng = np.random.default_rng(1)
        seen["loops"] = _grows(answer, lambda rows: (_clock_times(rng, rows),))
        seen["arrays"] = round(_peak(answer, (hhmm.copy(),)) / hhmm.nbytes)
    return seen


def _right_minutes(hhmm, seen):
    output = seen["output"]
    whole = isinstance(output, np.ndarray) and output.dtype.kind == "i"
    return whole and np.array_equal(output, hhmm // 100 * 60 + hhmm % 100)


@minutes.property("the output is an array of whole numbers, each of them the minutes since midnight")
def _(hhmm, seen):
    return _right_minutes(hhmm, seen)


@minutes.property("the argument is left as it was")
def _(hhmm, seen):
    return seen["unchanged"]


@minutes.property("Python runs no more steps for more times of day")
def _(hhmm, seen):
    return not seen.get("loops")


@minutes.property("no more than one new array is in memory at a time")
def _(hhmm, seen):
    return seen.get("arrays", 1) <= 1


@minutes.mistake(
    "The minutes are right, and Python handles each of them by itself. Which operations work on a whole array?",
    credit=0.25,
    seen=lambda hhmm, seen: _right_minutes(hhmm, seen) and seen["unchanged"] and seen.get("loops", False),
)
def loop_kept(hhmm):
    return np.array([value // 100 * 60 + value % 100 for value in hhmm.tolist()], dtype=np.int64)


@minutes.mistake(
    "The minutes are right, and on the way to them more than one new array is in memory. Every `//`, `*`, `%` and `+` "
    "makes one.",
    credit=0.5,
    seen=lambda hhmm, seen: (
        _right_minutes(hhmm, seen) and seen["unchanged"] and not seen.get("loops") and seen.get("arrays", 1) > 1
    ),
)
def hidden_copies(hhmm):
    return hhmm // 100 * 60 + hhmm % 100


@minutes.mistake(
    "The minutes are right, and the caller's array holds something else than before: `//=` and `*=` write where the "
    "name points.",
    credit=0.25,
    seen=lambda hhmm, seen: not seen["unchanged"],
)
def writes_into_the_argument(hhmm):
    hhmm -= 40 * (hhmm // 100)
    return hhmm


@minutes.mistake("517 stands for 17 minutes past 5, and an hour has 60 of them, not 100.")
def hundred_minutes_an_hour(hhmm):
    return hhmm.copy()


@minutes.mistake("This takes the last two digits as hundredths of an hour. They are minutes.")
def hundredths(hhmm):
    result = hhmm * 60
    result //= 100
    return result


# ------------------------------------------------------------------------------------------------- 5 worth_doing

worth_doing = exercise.question(
    "worth_doing",
    kind="value",
    points=2,
    skills=["company goals", "problem solving"],
    objectives=[4],
    call="worth_doing",
    asks="a set of names of repairs",
    hints=(
        "Write both sides of the inequality in dollars: once for the engineer, a year of nights for what is saved.",
        "What a night saves has two parts: hours of a core, and flights that now have their number.",
        "Keep a repair if hours * wage < nights * (seconds / 3600 * core + flights * worth).",
    ),
)


def _chosen(seed, pays):
    return {row["name"] for row in proposals(seed) if pays(row)}


def _cost(row, wage):
    return row["hours"] * wage


@worth_doing.property("every name is one of the proposals'")
def _(value, seed):
    return value <= {row["name"] for row in proposals(seed)}


@worth_doing.property("each repair that was left out costs at least what it saves in a year")
def _(value, seed, wage):
    left = [row for row in proposals(seed) if row["name"] not in value]
    return all(_cost(row, wage) >= NIGHTS * (row["seconds"] / 3600 * CORE + row["flights"] * WORTH) for row in left)


@worth_doing.mistake("This sets an engineer's hours against a core's as if they had one price.")
def hours_for_hours(seed):
    return _chosen(seed, lambda row: row["hours"] < NIGHTS * row["seconds"] / 3600)


@worth_doing.mistake("The machine's bill is only one part. What is a flight worth that gets its number in time?")
def machine_alone(seed, wage):
    return _chosen(seed, lambda row: _cost(row, wage) < NIGHTS * row["seconds"] / 3600 * CORE)


@worth_doing.mistake("The core's hours are missing: a repair may pay by them alone if it takes little work.")
def flights_alone(seed, wage):
    return _chosen(seed, lambda row: _cost(row, wage) < NIGHTS * row["flights"] * WORTH)


@worth_doing.mistake("The engineer is paid once. For how many nights does the repair save?")
def one_night(seed, wage):
    return _chosen(seed, lambda row: _cost(row, wage) < row["seconds"] / 3600 * CORE + row["flights"] * WORTH)


@worth_doing.mistake("A core has a price an hour, and the repairs save seconds.")
def seconds_as_hours(seed, wage):
    return _chosen(seed, lambda row: _cost(row, wage) < NIGHTS * (row["seconds"] * CORE + row["flights"] * WORTH))


# -------------------------------------------------------------------------------------------------- 6 late_before

#: Arrays of n numbers, 8 bytes each, that may be in memory at a time.
ARRAYS = 40

late_before = exercise.question(
    "late_before",
    kind="function",
    points=4,
    skills=["basic algorithms", "altered or optimised algorithms", "Python"],
    objectives=[3],
    call="late_before(due, delay, window)",
    asks="an array of n mean delays, nan where there is none, without a Python loop and with memory that grows like n",
    compare=False,
    hints=(
        "A sum over a window is the difference of two running sums. In which order do the flights have to stand?",
        "Sort by due. Keep two running sums, one of the known delays (nan as 0), one of how many are known; put a 0 "
        "before each.",
        "first = searchsorted(ordered, due - window), last = searchsorted(ordered, due): the window's sum is "
        "running[last] - running[first], and it comes in the order of `due`, unsorted.",
    ),
)


def _evening(rng, size):
    """Minutes at which flights are due, in no order and with ties, and their delays, nan where they were cancelled."""
    due = rng.integers(300, 300 + 2 * size, size)
    delay = np.round(rng.exponential(20, size) - 8)
    delay[rng.random(size) < 0.1] = np.nan
    return due, delay


@late_before.probes
def _(rng, n, window):
    yield np.array([480, 300, 500, 480, 300, 540]), np.array([10.0, 4, np.nan, 30, 8, -2]), 60
    yield np.array([900, 960, 961, 1500]), np.array([np.nan, 12.0, 3, 5]), 60
    yield np.array([700]), np.array([9.0]), window
    yield np.array([], dtype=np.int64), np.array([]), window
    yield *_evening(rng, 300), window
    yield *_evening(rng, n), window


@late_before.observe
def _(answer, due, delay, window):
    given = due.copy(), delay.copy()
    with np.errstate(all="ignore"):
        seen = {"output": answer(*given, window)}
        same = np.array_equal(given[0], due) and np.array_equal(given[1], delay, equal_nan=True)
        seen |= {"unchanged": same}
        if due.size >= 400:
            rng = np.random.default_rng(1)
            seen["loops"] = _grows(answer, lambda rows: (*_evening(rng, rows), window))
            seen["memory"] = _peak(answer, (due.copy(), delay.copy(), window)) > ARRAYS * 8 * due.size
    return seen


def _means(due, delay, window):
    """Row by row, so that it is right by looking at it."""
    means = np.full(len(due), np.nan)
    for i, t in enumerate(due):
        known = delay[(due >= t - window) & (due < t)]
        known = known[~np.isnan(known)]
        if known.size:
            means[i] = known.mean()
    return means


def _right_means(due, delay, window, seen):
    output, means = seen["output"], _means(due, delay, window)
    if not isinstance(output, np.ndarray) or output.shape != means.shape:
        return False
    return np.allclose(output, means, rtol=1e-9, atol=1e-9, equal_nan=True)


@late_before.property("the output is an array with one entry for each flight")
def _(due, delay, window, seen):
    return isinstance(seen["output"], np.ndarray) and seen["output"].shape == due.shape


@late_before.property("nan stands exactly where no known delay lies in the window")
def _(due, delay, window, seen):
    return np.array_equal(np.isnan(seen["output"]), np.isnan(_means(due, delay, window)))


@late_before.property("each entry is the mean of the known delays in its flight's window")
def _(due, delay, window, seen):
    return _right_means(due, delay, window, seen)


@late_before.property("the arguments are left as they were")
def _(due, delay, window, seen):
    return seen["unchanged"]


@late_before.property("Python runs no more steps for more flights")
def _(due, delay, window, seen):
    return not seen.get("loops")


@late_before.property("at most 40 arrays of n numbers are in memory at a time")
def _(due, delay, window, seen):
    return not seen.get("memory")


def _by_sums(due, delay, window, *, fill=True, known_only=True, begin="left", end="left", unsort=True, none=np.nan):
    order = np.argsort(due, kind="stable")
    ordered, delays = due[order], delay[order]
    known = ~np.isnan(delays) if known_only else np.ones(len(delays), dtype=bool)
    delays = np.where(np.isnan(delays), 0.0, delays) if fill else delays
    sums, counts = (np.concatenate([[0.0], np.cumsum(values)]) for values in (delays, known))
    asked = due if unsort else ordered
    first, last = np.searchsorted(ordered, asked - window, begin), np.searchsorted(ordered, asked, end)
    total, many = sums[last] - sums[first], counts[last] - counts[first]
    return np.where(many > 0, total / np.maximum(many, 1), none)


@late_before.mistake(
    "The means are right, and Python handles the flights one at a time. A window's sum is a difference of two others.",
    credit=0.25,
    seen=lambda due, delay, window, seen: (
        _right_means(due, delay, window, seen) and seen["unchanged"] and seen.get("loops", False)
    ),
)
def loop_over_flights(due, delay, window):
    return _means(due, delay, window)


@late_before.mistake(
    "The means are right and there is no loop, but an array has an entry for each pair of flights. A year of them "
    "does not fit into any machine you have.",
    credit=0.25,
    seen=lambda due, delay, window, seen: (
        _right_means(due, delay, window, seen) and not seen.get("loops") and seen.get("memory", False)
    ),
)
def square_in_memory(due, delay, window):
    gap = due[:, None] - due[None, :]
    inside = (gap > 0) & (gap <= window) & ~np.isnan(delay)
    many = inside.sum(axis=1)
    return np.where(many > 0, np.where(inside, delay, 0.0).sum(axis=1) / np.maximum(many, 1), np.nan)


@late_before.mistake("One nan in a running sum makes every later sum nan. Cancelled flights are not known delays.")
def nan_spreads(due, delay, window):
    return _by_sums(due, delay, window, fill=False)


@late_before.mistake("Cancelled flights are counted here as if they had left on time.")
def cancelled_on_time(due, delay, window):
    return _by_sums(due, delay, window, known_only=False)


@late_before.mistake(
    "The flights that are due at the same minute are in the window here, the flight itself among them: it knows its "
    "own delay."
)
def knows_itself(due, delay, window):
    return _by_sums(due, delay, window, end="right")


@late_before.mistake("Flights that are due exactly `window` minutes earlier belong to the window, too.", credit=0.5)
def misses_its_first_minute(due, delay, window):
    return _by_sums(due, delay, window, begin="right")


@late_before.mistake("The means are there, in the order of time. Which flight does each belong to?", credit=0.5)
def in_order_of_time(due, delay, window):
    return _by_sums(due, delay, window, unsort=False)


@late_before.mistake("An empty window has no mean. 0 says that its flights were on time.", credit=0.5)
def zero_for_none(due, delay, window):
    return _by_sums(due, delay, window, none=0.0)
