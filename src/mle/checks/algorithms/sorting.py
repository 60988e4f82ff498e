"""Checks of the exercise algorithms/sorting: merge ranked results stably, and count what it costs."""

import ast
import inspect
import math
import textwrap
import types
from collections import Counter
from functools import cache
from itertools import pairwise

import numpy as np

from coursework import Choice, Exercise, Integer

exercise = Exercise(
    "algorithms/sorting",
    title="Merge the shards",
    minutes=60,
    parameters=[
        Integer("seed", 0, 2**31 - 1),
        Integer("n", 160, 256),
        Choice("distribution", ["shuffled", "nearly_sorted", "few_distinct", "reversed"]),
        Integer("k", 5, 16),
    ],
)

SORTS = ("sorted", "list.sort", "heapq", "numpy", "pandas", "mle.scratch")
BIG = 10_000_000
ENDLESS = "RecursionError: the function called itself until Python stopped it"


# ------------------------------------------------------------------------------------------------ the data


@cache
def _pages():
    from mle.data import names

    return list(dict.fromkeys(f"{module}.{name}" for name, module in names()))


def results(seed, n, distribution):
    """Search results as they arrive: n rows (score, page), score a whole number from 0 to 255; many scores tie."""
    rng, pages = np.random.default_rng(seed), _pages()
    chosen = [pages[i] for i in rng.permutation(len(pages))[:n]]
    scores = rng.integers(0, 5 if distribution == "few_distinct" else 256, n)
    if distribution == "reversed":
        scores.sort()
    elif distribution == "nearly_sorted":
        scores = np.sort(scores)[::-1].copy()
        for i, j in rng.integers(0, n, size=(max(n // 50, 4), 2)):
            scores[i], scores[j] = scores[j], scores[i]
    else:
        # Were as many pairs in order as out of order, question 1 could not tell the two counts apart.
        while _discordant(scores) == _discordant(-scores):
            scores = rng.permutation(scores)
    return [(int(score), page) for score, page in zip(scores, chosen, strict=True)]


def benchmark(seed):
    """Simulated run times: rows sorted -> milliseconds of nine runs, the first of them cold."""
    rng = np.random.default_rng(seed)
    a, b = rng.uniform(1e-7, 3e-7), rng.uniform(2e-5, 6e-5)
    times = {}
    for rows in (2000, 4000, 8000, 16000, 32000):
        noise = rng.exponential(0.08, 9) + (rng.random(9) < 0.2) * rng.exponential(0.7, 9)
        noise[0] += rng.uniform(0.3, 1.2)
        times[rows] = np.round((a * rows**2 + b * rows) * (1 + noise), 4).tolist()
    return times


def _discordant(scores):
    """Pairs (i, j), i before j, whose second score is the higher."""
    return int(np.triu(scores[:, None] < scores[None, :], 1).sum())


def _scores(seed, n, distribution):
    return np.array([score for score, _ in results(seed, n, distribution)])


def _stable(rows):
    """The one right order: best score first, ties as they came."""
    return sorted(rows, key=lambda row: -row[0])


def _shuffled(rng, n):
    return [(int(score), f"page {i}") for i, score in enumerate(rng.integers(0, 256, n))]


# ------------------------------------------------------------------------------------------- counting a sort


class Ledger:
    """Counts comparisons of scores and moves of rows, in an answer that knows nothing of it.

    Scores arrive as whole numbers that report each comparison. Moves are harder to see: `pop(0)` moves every row
    behind it without touching one. So the answer's source is run again with every list that it makes replaced by one
    that counts the slots it writes. Where there is no source (a lambda, a closure), only the argument's moves count.
    """

    def __init__(self):
        self.comparisons = self.moves = 0
        self.score, self.list = _counting_score(self), _counting_list(self)

    def rows(self, rows):
        counted = self.list([(self.score(score), page) for score, page in rows])
        self.comparisons = self.moves = 0
        return counted

    def watched(self, answer):
        try:
            return _rebuilt(answer, self.list)
        except (OSError, TypeError, SyntaxError, LookupError, AttributeError, ValueError):
            return answer


def _counting_score(ledger):
    def counting(method):
        def compare(self, other):
            ledger.comparisons += 1
            return method(self, other)

        return compare

    body = {f"__{name}__": counting(getattr(int, f"__{name}__")) for name in ("lt", "le", "gt", "ge", "eq", "ne")}
    body |= {"__hash__": int.__hash__, "__neg__": lambda self: Score(int.__neg__(self))}
    Score = type("Score", (int,), body)
    return Score


def _counting_list(ledger):
    class List(list):
        def __init__(self, items=()):
            super().__init__(items)
            ledger.moves += len(self)

        def __getitem__(self, place):
            found = super().__getitem__(place)
            return List(found) if isinstance(place, slice) else found

        def __setitem__(self, place, value):
            before = len(self)
            super().__setitem__(place, value)
            if isinstance(place, slice):
                start, stop, _ = place.indices(before)
                shifted = max(before - max(start, stop), 0) if len(self) != before else 0
                ledger.moves += max(stop - start, 0) + len(self) - before + shifted
            else:
                ledger.moves += 1

        def __delitem__(self, place):
            before = len(self)
            super().__delitem__(place)
            start = place.indices(before)[0] if isinstance(place, slice) else place % before
            ledger.moves += max(len(self) - start, 0)

        def __add__(self, other):
            return List(super().__add__(other))

        def __radd__(self, other):
            return List(list(other).__add__(self))

        def __iadd__(self, other):
            self.extend(other)
            return self

        def __mul__(self, times):
            return List(super().__mul__(times))

        __rmul__ = __mul__

        def append(self, item):
            super().append(item)
            ledger.moves += 1

        def extend(self, items):
            before = len(self)
            super().extend(items)
            ledger.moves += len(self) - before

        def insert(self, place, item):
            before = len(self)
            super().insert(place, item)
            start = max(place + before, 0) if place < 0 else min(place, before)
            ledger.moves += before - start + 1

        def pop(self, place=-1):
            item = super().pop(place)
            ledger.moves += len(self) - place if place >= 0 else -place - 1
            return item

        def remove(self, item):
            self.pop(self.index(item))

        def reverse(self):
            super().reverse()
            ledger.moves += len(self)

        def copy(self):
            return List(self)

    List.__name__ = "list"  # so that `rows.sort()` is seen to be list.sort
    return List


class _Lists(ast.NodeTransformer):
    """Wraps every list that an expression makes: `[...]` and `[... for ...]`."""

    def wrap(self, node):
        self.generic_visit(node)
        if isinstance(getattr(node, "ctx", None), ast.Store | ast.Del):
            return node
        return ast.Call(ast.Name("_counting_list", ast.Load()), [node], [])

    visit_List = visit_ListComp = wrap


def _rebuilt(answer, counting_list):
    """`answer`, and the functions beside it that it calls, made again from their source with counting lists."""
    namespace = {**answer.__globals__, "list": counting_list, "_counting_list": counting_list}
    todo, done = [answer], set()
    while todo:
        function = todo.pop()
        if function.__code__ in done or function.__code__.co_freevars:
            continue
        done.add(function.__code__)
        exec(_with_counting_lists(function.__code__), namespace)
        for name in _names(function.__code__):
            called = answer.__globals__.get(name)
            if isinstance(called, types.FunctionType) and called.__globals__ is answer.__globals__:
                todo.append(called)
    return namespace[answer.__name__]


@cache
def _with_counting_lists(code):
    tree = ast.parse(textwrap.dedent(inspect.getsource(code)))
    tree.body[0].decorator_list = []
    return compile(ast.fix_missing_locations(_Lists().visit(tree)), code.co_filename, "exec")


def _names(code):
    yield from code.co_names
    for inner in code.co_consts:
        if isinstance(inner, types.CodeType):
            yield from _names(inner)


def _plain(rows):
    """Rows as data: counted scores become whole numbers again."""
    if not isinstance(rows, list | tuple):
        return rows
    return [(int(row[0]), *row[1:]) if isinstance(row, tuple | list) and row else row for row in rows]


def _growth(counts):
    """log2 growth per doubling from the first of these counts, at doubling sizes, to the last."""
    return math.log2(max(counts[-1], 1) / max(counts[0], 1)) / (len(counts) - 1) if len(counts) > 1 else 0.0


# ---------------------------------------------------------------------------------------------- 1 inversions

inversions = exercise.question(
    "inversions",
    kind="value",
    points=1,
    skills=["basic algorithms"],
    objectives=[1],
    call="inversions",
    asks="a whole number of pairs",
    rtol=0,
    atol=0,
    hints=(
        "Write down three scores, say 5, 7, 7. Which pairs would have to change places to have the best first?",
        "Compare each score with every score that stands behind it, not only with the next.",
        "Two loops, i over all places and j over those behind i; count where the later score is strictly the higher.",
    ),
)


@inversions.property("the number lies between 0 and n(n-1)/2, the number of all pairs")
def _(value, n):
    return 0 <= value <= n * (n - 1) // 2


@inversions.property("every pair whose later score is strictly higher is counted, once, and no other")
def _(value, seed, n, distribution):
    return value == _discordant(_scores(seed, n, distribution))


@inversions.mistake("Pairs with equal scores are in order already: either may come first. Are they in your count?")
def ties_counted(seed, n, distribution):
    scores = _scores(seed, n, distribution)
    return int(np.triu(scores[:, None] <= scores[None, :], 1).sum())


@inversions.mistake("This counts neighbours only. A row may also be out of order with one that stands far behind it.")
def neighbours_only(seed, n, distribution):
    scores = _scores(seed, n, distribution)
    return int((scores[:-1] < scores[1:]).sum())


@inversions.mistake("These are the pairs that are in order. The best score should come first here.")
def wrong_direction(seed, n, distribution):
    return _discordant(-_scores(seed, n, distribution))


@inversions.mistake("Each pair is in your count twice, once from either end.")
def every_pair_twice(seed, n, distribution):
    return 2 * _discordant(_scores(seed, n, distribution))


# --------------------------------------------------------------------------------------------------- 2 merge

merge = exercise.question(
    "merge",
    kind="function",
    points=2,
    skills=["basic algorithms"],
    objectives=[2],
    call="merge(left, right)",
    asks="a new list of the rows (score, page) of both, best score first",
    out_of_bounds=SORTS,
    hints=(
        "Only the two front rows can come next. Keep one place for each list and move it forward.",
        "Decide a tie by asking who stands earlier in left + right. Which of >, >= on row[0] says so?",
        "while both have rows: take left's row if its score is at least right's, else right's. Then append both rests.",
    ),
)


@merge.probes
def _(rng, seed, n, distribution):
    rows = results(seed, n, distribution)
    yield _stable(rows[: n // 2]), _stable(rows[n // 2 :])
    yield [(7, "b"), (7, "d"), (3, "a")], [(7, "c"), (7, "a"), (3, "b"), (1, "z")]
    yield [(5, "same")], [(5, "same"), (5, "same")]
    yield [], [(2, "x"), (2, "w"), (0, "y")]
    yield [(2, "x"), (1, "y")], []
    yield [], []
    yield _stable(_shuffled(rng, 40)), _stable(_shuffled(rng, 3))


@merge.observe
def _(answer, left, right):
    given = left[:], right[:]
    merged = answer(*given)
    return {
        "rows": merged,
        "arguments unchanged": given == (left, right),
        "a list of its own": all(merged is not argument for argument in given),
    }


@merge.property("every row of both lists comes out exactly once")
def _(left, right, seen):
    return Counter(seen["rows"]) == Counter(left + right)


@merge.property("no row has a better score than the row before it")
def _(left, right, seen):
    return all(a[0] >= b[0] for a, b in pairwise(seen["rows"]))


@merge.property("tied rows keep the order of left + right")
def _(left, right, seen):
    return seen["rows"] == _stable(left + right)


@merge.property("both arguments are left as they were")
def _(left, right, seen):
    return seen["arguments unchanged"]


@merge.property("the list that comes back is a new one")
def _(left, right, seen):
    return seen["a list of its own"]


def _merged(left, right, take_left, rest=True):
    out, i, j = [], 0, 0
    while i < len(left) and j < len(right):
        if take_left(left[i], right[j]):
            out.append(left[i])
            i += 1
        else:
            out.append(right[j])
            j += 1
    return out + left[i:] + right[j:] if rest else out


@merge.mistake("The scores are in order, but tied rows of `right` have overtaken those of `left`.", credit=0.5)
def right_first_on_ties(left, right):
    return _merged(left, right, lambda a, b: a[0] > b[0])


@merge.mistake("Rows with equal scores are different pages. Some of them are missing from the result.")
def drops_duplicates(left, right):
    out, last = [], None
    for row in _merged(left, right, lambda a, b: a[0] >= b[0]):
        if row[0] != last:
            out.append(row)
        last = row[0]
    return out


@merge.mistake("When one list is used up the other still holds rows. Where do they go?")
def forgets_the_rest(left, right):
    return _merged(left, right, lambda a, b: a[0] >= b[0], rest=False)


@merge.mistake("This takes the lower score first. The lists come, and the result should be, best first.")
def worst_first(left, right):
    return _merged(left, right, lambda a, b: a[0] <= b[0])


@merge.mistake("Whole rows are compared, so ties are broken by the page's name. Compare the scores alone.", credit=0.5)
def compares_whole_rows(left, right):
    return _merged(left, right, lambda a, b: a >= b)


@merge.mistake(
    "The result is right, but the lists that were handed in have changed; others need them.",
    credit=0.5,
    seen=lambda left, right, seen: seen["rows"] == _stable(left + right) and not seen["arguments unchanged"],
)
def empties_its_arguments(left, right):
    out = []
    while left and right:
        out.append(left.pop(0) if left[0][0] >= right[0][0] else right.pop(0))
    return out + left + right


@merge.mistake(
    "Where one list is empty the other one itself comes back, under a second name. Whoever appends to the result then "
    "appends to the shard: make a new list.",
    credit=0.5,
    seen=lambda left, right, seen: (
        seen["rows"] == _stable(left + right) and seen["arguments unchanged"] and not seen["a list of its own"]
    ),
)
def hands_one_back(left, right):
    if not left or not right:
        return left or right
    return _merged(left, right, lambda a, b: a[0] >= b[0])


# ---------------------------------------------------------------------------------------------- 3 merge sort

merge_sort = exercise.question(
    "merge_sort",
    kind="function",
    points=3,
    skills=["basic algorithms"],
    objectives=[3],
    call="merge_sort(rows)",
    asks="a new list of the rows, best score first, ties in order of arrival, at a cost that grows like n log n",
    compare=False,
    out_of_bounds=SORTS,
    hints=(
        "How long is a list that is certainly in order? Make longer ones out of those.",
        "Sort either half by the same function, then merge. Keep an index into each half: what does pop(0) move?",
        "Fewer than two rows: return rows[:]. Else sort rows[:middle] and rows[middle:] so, and merge them with >=.",
    ),
)


@merge_sort.probes
def _(rng, seed, n, distribution):
    yield []
    yield [(9, "alone")]
    yield [(4, page) for page in "hgfedcba"]
    yield [(1, "c"), (3, "b"), (1, "a"), (3, "d"), (2, "e"), (3, "a"), (1, "c")]
    yield results(seed, n, distribution)[:60]
    yield _shuffled(rng, n)


@merge_sort.observe
def _(answer, rows):
    sizes = [len(rows) // 4, len(rows) // 2, len(rows)] if len(rows) >= 64 else [len(rows)]
    seen = {"comparisons": [], "moves": []}
    for size in sizes:
        ledger = Ledger()
        given = ledger.rows(rows[:size])
        try:
            output = ledger.watched(answer)(given)
        except RecursionError:
            output = ENDLESS
        seen["comparisons"].append(ledger.comparisons)
        seen["moves"].append(ledger.moves)
    return {"rows": _plain(output), "argument unchanged": _plain(given) == rows, **seen}


@merge_sort.property("every row comes back exactly once")
def _(rows, seen):
    return Counter(seen["rows"]) == Counter(rows)


@merge_sort.property("no row has a better score than the row before it")
def _(rows, seen):
    return all(a[0] >= b[0] for a, b in pairwise(seen["rows"]))


@merge_sort.property("rows with equal scores keep the order in which they came")
def _(rows, seen):
    return seen["rows"] == _stable(rows)


@merge_sort.property("the argument is left as it was")
def _(rows, seen):
    return seen["argument unchanged"]


def _cost(seen):
    return [c + m for c, m in zip(seen["comparisons"], seen["moves"], strict=True)]


@merge_sort.property("comparisons and moves together grow by less than 1.3 per doubling")
def _(rows, seen):
    return _growth(_cost(seen)) < 1.3


def _right_but(rows, seen):
    return seen["rows"] == _stable(rows) and seen["argument unchanged"]


def _shifts(rows, seen):
    return _right_but(rows, seen) and _growth(seen["moves"]) > 1.5 and _growth(seen["comparisons"]) < 1.4


def _compares(rows, seen):
    return _right_but(rows, seen) and _growth(seen["comparisons"]) > 1.5


def _ties(rows, seen):
    scores = [r[0] for r in seen["rows"]]
    in_order = Counter(seen["rows"]) == Counter(rows) and scores == [r[0] for r in _stable(rows)]
    return in_order and scores[0] > scores[-1] and seen["rows"] != _stable(rows)


def _lost(rows, seen):
    kept = Counter(seen["rows"])
    same_scores = {r[0] for r in kept} == {r[0] for r in rows}
    return len(seen["rows"]) < len(rows) and not kept - Counter(rows) and same_scores


def _ascending(rows, seen):
    scores = [r[0] for r in seen["rows"]]
    return scores == sorted(r[0] for r in rows) and scores[0] < scores[-1]


@merge_sort.mistake(
    "The order is right, but the moves grow like a square: `pop(0)`, `insert` and a slice off the front move all "
    "that stands behind.",
    credit=0.5,
    seen=_shifts,
)
def moves_the_tail(rows):
    if len(rows) < 2:
        return rows[:]
    middle = len(rows) // 2
    left, right, out = moves_the_tail(rows[:middle]), moves_the_tail(rows[middle:]), []
    while left and right:
        out.append(left.pop(0) if left[0][0] >= right[0][0] else right.pop(0))
    return out + left + right


@merge_sort.mistake(
    "The order is right, but the comparisons grow like a square: each row meets a fixed share of all others.",
    credit=0.5,
    seen=_compares,
)
def compares_every_pair(rows):
    out = []
    for row in rows:
        place = len(out)
        while place and out[place - 1][0] < row[0]:
            place -= 1
        out.insert(place, row)
    return out


def _sorted_by(rows, take_left):
    if len(rows) < 2:
        return rows[:]
    middle = len(rows) // 2
    return _merged(_sorted_by(rows[:middle], take_left), _sorted_by(rows[middle:], take_left), take_left)


@merge_sort.mistake("The scores are in order, but rows with equal scores have changed places.", credit=0.5, seen=_ties)
def ties_out_of_order(rows):
    return _sorted_by(rows, lambda a, b: a[0] > b[0])


@merge_sort.mistake("Every score is there, but not every row: rows with equal scores are different pages.", seen=_lost)
def keeps_one_of_a_tie(rows):
    return drops_duplicates(_sorted_by(rows, lambda a, b: a[0] >= b[0]), [])


@merge_sort.mistake("This puts the lowest score first. The front page shows the best.", seen=_ascending)
def lowest_first(rows):
    return _sorted_by(rows, lambda a, b: a[0] <= b[0])


@merge_sort.mistake(
    "Nothing came back. A sort in place returns None and changes its argument; this one should return a new list.",
    seen=lambda rows, seen: seen["rows"] is None,
)
def sorts_in_place(rows):
    rows[:] = _sorted_by(rows, lambda a, b: a[0] >= b[0])


@merge_sort.mistake(
    "The function calls itself without end. Which lists are so short that there is nothing to sort?",
    seen=lambda rows, seen: seen["rows"] == ENDLESS,
)
def never_stops(rows):
    middle = len(rows) // 2
    return _merged(never_stops(rows[:middle]), never_stops(rows[middle:]), lambda a, b: a[0] >= b[0])


# ------------------------------------------------------------------------------------------------ 4 forecast

forecast = exercise.question(
    "forecast",
    kind="value",
    points=2,
    skills=["basic algorithms", "problem solving"],
    objectives=[1, 4],
    call="hours",
    asks="a number of hours",
    rtol=1e-4,
    hints=(
        "Noise only adds. Which of nine runs was disturbed least?",
        "A power law is a straight line if both axes are logarithms. Fit it there, then extend it.",
        "np.polyfit(np.log2(sizes), np.log2(fastest), 1) is slope, intercept; the line gives the log2 of milliseconds.",
    ),
)


def _extended(seed, summary):
    times = benchmark(seed)
    slope, intercept = np.polyfit(np.log2(list(times)), np.log2([summary(runs) for runs in times.values()]), 1)
    return float(2 ** (intercept + slope * math.log2(BIG)))


@forecast.property("the time is positive and shorter than a year")
def _(value):
    return 0 < value < 366 * 24


@forecast.property("the time lies on the line through the logarithms of the fastest runs")
def _(value, seed):
    return math.isclose(value, _extended(seed, min) / 3.6e6, rel_tol=1e-4)


@forecast.mistake("The mean carries the cold runs and the interruptions with it. Which run was disturbed least?")
def mean_of_the_runs(seed):
    return _extended(seed, np.mean) / 3.6e6


@forecast.mistake("These are the first runs, and those were cold.")
def first_runs(seed):
    return _extended(seed, lambda runs: runs[0]) / 3.6e6


@forecast.mistake("The benchmark is in milliseconds. How many of them make an hour?")
def milliseconds_for_seconds(seed):
    return _extended(seed, min) / 3600


@forecast.mistake("The median still carries what others used of the machine: noise only adds. Which run had the least?")
def median_of_the_runs(seed):
    return _extended(seed, np.median) / 3.6e6


@forecast.mistake("These are seconds. Asked are hours.", credit=0.5)
def seconds(seed):
    return _extended(seed, min) / 1000


@forecast.mistake("These are still the benchmark's milliseconds. Asked are hours.", credit=0.5)
def still_milliseconds(seed):
    return _extended(seed, min)


@forecast.mistake("This extends a straight line through the times themselves. Are the times in proportion to the rows?")
def straight_line(seed):
    times = benchmark(seed)
    line = np.polyfit(list(times), [min(runs) for runs in times.values()], 1)
    return float(np.polyval(line, BIG)) / 3.6e6


@forecast.mistake("This scales the largest size in proportion to the rows. Do twice the rows cost twice the time?")
def in_proportion(seed):
    times = benchmark(seed)
    largest = max(times)
    return min(times[largest]) * BIG / largest / 3.6e6


# --------------------------------------------------------------------------------------------------- 5 top_k

top_k = exercise.question(
    "top_k",
    kind="function",
    points=3,
    skills=["basic algorithms"],
    objectives=[1],
    call="top_k(rows, k)",
    asks="a list of the k best rows, best first, ties in order of arrival, found without sorting all rows",
    compare=False,
    out_of_bounds=(*SORTS, "bisect"),
    hints=(
        "Most rows are not among the best. What is the one comparison that shows it?",
        "Keep the k best so far, in order. A new row first meets the worst of them; on a tie the earlier one stays.",
        "If k are kept and row[0] <= kept[-1][0]: next. Else go from the back past lower scores, insert, cut at k.",
    ),
)


@top_k.probes
def _(rng, seed, n, distribution, k):
    yield [], k
    yield [(1, "b"), (3, "a"), (1, "a")], k
    yield [(6, page) for page in "gfedcba"], 3
    yield [(5 * i % 12, f"page {i}") for i in range(12)], 4
    yield results(seed, n, distribution), k
    yield _shuffled(rng, 1000), k


@top_k.observe
def _(answer, rows, k):
    comparisons = []
    for many in (1, k):
        ledger = Ledger()
        given = ledger.rows(rows)
        output = answer(given, many)
        comparisons.append(ledger.comparisons)
    return {"top": _plain(output), "argument unchanged": _plain(given) == rows, "comparisons": comparisons}


@top_k.property("as many rows come back as were asked for, or all if there are fewer")
def _(rows, k, seen):
    return len(seen["top"]) == min(k, len(rows))


@top_k.property("the scores are the best ones, best first")
def _(rows, k, seen):
    return [row[0] for row in seen["top"]] == [row[0] for row in _stable(rows)[:k]]


@top_k.property("of tied rows those that came first are chosen, and come first")
def _(rows, k, seen):
    return seen["top"] == _stable(rows)[:k]


@top_k.property("the argument is left as it was")
def _(rows, k, seen):
    return seen["argument unchanged"]


def _dear(rows, count):
    return len(rows) >= 1000 and count > 3 * len(rows)


@top_k.property("at most three comparisons a row are made where a thousand rows and more come shuffled")
def _(rows, k, seen):
    return not any(_dear(rows, count) for count in seen["comparisons"])


def _right_top(rows, k, seen):
    return seen["top"] == _stable(rows)[:k]


def _late_ties(rows, k, seen):
    want = _stable(rows)[:k]
    return [r[0] for r in seen["top"]] == [r[0] for r in want] and Counter(seen["top"]) != Counter(want)


def _unordered(rows, k, seen):
    want = _stable(rows)[:k]
    return (
        len(rows) > k and Counter(seen["top"]) == Counter(want) and [r[0] for r in seen["top"]] != [r[0] for r in want]
    )


def _lowest(rows, k, seen):
    scores, top = sorted(r[0] for r in rows), sorted(r[0] for r in seen["top"])
    return top == scores[:k] != scores[-k:] and Counter(seen["top"]) != Counter(rows[:k])


def _kept(rows, k, stays):
    """The k best, kept in order; a new row stays behind the kept rows for which `stays(kept, new)`."""
    kept = []
    for row in rows:
        if len(kept) == k and stays(kept[-1], row):
            continue
        place = len(kept)
        while place and not stays(kept[place - 1], row):
            place -= 1
        kept.insert(place, row)
        del kept[k:]
    return kept


@top_k.mistake("Where the last place is tied, a later row has driven out an earlier one.", credit=0.5, seen=_late_ties)
def late_ties_win(rows, k):
    return _kept(rows, k, lambda old, new: old[0] > new[0])


@top_k.mistake("These are the right rows, but not best first.", credit=0.5, seen=_unordered)
def not_in_order(rows, k):
    return _kept(rows, k, lambda old, new: old[0] >= new[0])[::-1]


@top_k.mistake("These are the lowest scores. Which row has to leave when a better one comes?", seen=_lowest)
def lowest_scores(rows, k):
    return _kept(rows, k, lambda old, new: old[0] <= new[0])


@top_k.mistake(
    "The rows are right, but the number of comparisons is that of a whole sort, even for a single row.",
    credit=0.5,
    seen=lambda rows, k, seen: _right_top(rows, k, seen) and _dear(rows, seen["comparisons"][0]),
)
def sorts_everything(rows, k):
    return _sorted_by(rows, lambda a, b: a[0] >= b[0])[:k]


@top_k.mistake(
    "The rows are right, but the comparisons grow with n times k: each row meets most of the k best, or all rows are "
    "looked through k times.",
    credit=0.5,
    seen=lambda rows, k, seen: (
        _right_top(rows, k, seen) and _dear(rows, seen["comparisons"][1]) and not _dear(rows, seen["comparisons"][0])
    ),
)
def looks_k_times(rows, k):
    rest, out = rows[:], []
    while rest and len(out) < k:
        best = 0
        for i in range(1, len(rest)):
            if rest[i][0] > rest[best][0]:
                best = i
        out.append(rest.pop(best))
    return out
