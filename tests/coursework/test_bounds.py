"""Names that are out of bounds: every way of using them is seen, and innocent code is left in peace."""

from __future__ import annotations

import time

import numpy as np
import pandas as pd
import pytest

from coursework.bounds import Watch, reachable, reached_by_source

NAMES = ("sorted", "list.sort", "sum", "numpy.sort", "numpy.linalg.lstsq", "bisect", "mle.scratch")

USES = [
    ("sorted(x)", "sorted"),
    ("s = sorted\ns(x)", "sorted"),
    ("sorted = sorted", "sorted"),
    ("def f(x, order=sorted): return order(x)", "sorted"),
    ("list(map(sorted, x))", "sorted"),
    ("import builtins\nbuiltins.sorted(x)", "sorted"),
    ("__builtins__.sorted(x)", "sorted"),
    ("x.sort()", "list.sort"),
    ("list.sort(x)", "list.sort"),
    ("getattr(x, 'sort')()", "list.sort"),
    ("from operator import methodcaller\nmethodcaller('sort')(x)", "list.sort"),
    ("class Mine(list):\n    def up(self): self.sort()", "list.sort"),
    ("np.sort(x)", "numpy.sort"),
    ("import numpy as q\nq.sort(x)", "numpy.sort"),
    ("a = np\na.sort(x)", "numpy.sort"),
    ("from numpy import sort as up\nup(x)", "numpy.sort"),
    ("from numpy import *\nsort(x)", "numpy.sort"),
    ("from numpy import *\nlinalg.lstsq(a, b)", "numpy.linalg.lstsq"),
    ("from numpy.linalg import lstsq", "numpy.linalg.lstsq"),
    ("from numpy import linalg as la\nla.lstsq(a, b)", "numpy.linalg.lstsq"),
    ("getattr(np.linalg, 'lstsq')(a, b)", "numpy.linalg.lstsq"),
    ("import operator\noperator.attrgetter('linalg.lstsq')(np)", "numpy.linalg.lstsq"),
    ("import bisect", "bisect"),
    ("from bisect import insort", "bisect"),
    ("import importlib\nimportlib.import_module('bisect')", "bisect"),
    ("__import__('bisect').insort", "bisect"),
    ("from mle import scratch", "mle.scratch"),
    ("from mle.scratch.sorting import merge", "mle.scratch"),
    ("%time sorted(x)\nsorted(x)", "sorted"),
    ("def f():\n    return lambda y: [sorted(z) for z in y]", "sorted"),
    ("eval('sor' + 'ted(x)')", "eval"),
    ("exec(code)", "exec"),
    ("getattr(np, 'so' + 'rt')(x)", "getattr"),
    ("import importlib\nimportlib.import_module('bi' + 'sect')", "import_module"),
    ("import sys\nsys.setprofile(None)", "sys.setprofile"),
    ("from sys import setprofile\nsetprofile(None)", "sys.setprofile"),
]


@pytest.mark.parametrize(("source", "name"), USES, ids=[source[:40] for source, _ in USES])
def test_a_use_is_seen_in_the_source(source, name):
    assert name in reached_by_source(source, NAMES)


INNOCENT = [
    "def f(xs):\n    sum = 0\n    for x in xs:\n        sum += x\n    return sum",
    "sum = 0\nfor x in xs:\n    sum = sum + x\ntotal = sum",
    "def f(sorted): return sorted",
    "[sum for sum in xs]",
    "bisect = 3\nbisect + 1",
    "def bisect(f, a, b): return bisect(f, a, b)",
    "class Heap:\n    def sort(self): ...\nHeap().sort()",
    "np.median(x); x.mean(); np.linalg.norm(x); np.argsort(x)",
    "frame.sort_values('a')",
    "getattr(x, 'shape', None)",
    "getattr(x, name)",
    "import re\nre.compile('sorted')\nmodel.compile(loss='mse')\nmodel.eval()",
    "# sorted(x) would do\n'''sorted'''",
    "sorted(x",
    "x = " + "-" * 2000 + "1",
    "",
]


@pytest.mark.parametrize("source", INNOCENT, ids=range(len(INNOCENT)))
def test_innocent_source_is_left_in_peace(source):
    assert reached_by_source(source, NAMES) == ()


def test_nothing_is_out_of_bounds_where_no_name_is():
    assert reached_by_source("eval('1')", ()) == ()


def test_the_exercise_s_own_imports_are_known_and_not_blamed():
    given = ["from scipy import linalg as la\nimport bisect"]
    assert reached_by_source("la.lstsq(a, b)", ("scipy.linalg.lstsq", "bisect"), given) == ("scipy.linalg.lstsq",)


def test_only_what_an_answer_uses_of_other_cells_is_read_with_it():
    answer = ["def answer(x):\n    return helper(x)"]
    others = [
        "print(sorted([3, 1]))\ndef helper(x):\n    return deeper(x)",
        "def (",
        "if True:\n    def deeper(x): return np.sort(x)",
        "def unrelated(x): return eval(x)",
    ]
    assert reached_by_source(reachable(answer, others), NAMES) == ("numpy.sort",)
    assert reached_by_source(reachable(["def (", "sorted(x)"], []), NAMES) == ("sorted",)


WATCHED = (
    *("sorted", "list.sort", "heapq", "statistics", "numpy.sort", "numpy.mean", "numpy.ndarray.mean"),
    *("numpy.linalg.lstsq", "pandas.DataFrame.merge", "sklearn.linear_model.LinearRegression", "scipy.stats.entropy"),
)
RUNS = [
    ("return sorted([2, 1])", ("sorted",)),
    ("import builtins; return getattr(builtins, 'sor' + 'ted')([2, 1])", ("sorted",)),
    ("return eval('sor' + 'ted([2, 1])')", ("sorted",)),
    ("class L(list): pass\n    L([1]).sort()", ("list.sort",)),
    ("list.sort([1])", ("list.sort",)),
    ("import heapq as h; h.heappush([], 1)", ("heapq",)),
    ("import statistics; statistics.mean([1])", ("statistics",)),
    ("g = vars(np)['so' + 'rt']; g([1])", ("numpy.sort",)),
    ("np.mean([1.0])", ("numpy.mean",)),
    ("np.array([1.0]).mean()", ("numpy.ndarray.mean",)),
    ("vars(np.linalg)['lst' + 'sq'](np.eye(2), np.ones(2))", ("numpy.linalg.lstsq",)),
    ("pd.DataFrame({'a': [1]}).merge(pd.DataFrame({'a': [1]}))", ("pandas.DataFrame.merge",)),
    ("from sklearn import linear_model as m; m.LinearRegression().fit(np.eye(2), [1, 2])",
     ("sklearn.linear_model.LinearRegression",)),
    ("from scipy import stats; stats.entropy([1, 2])", ("scipy.stats.entropy",)),
    # What a library does inside is its own business.
    ("np.median(np.array([1.0, 2.0])); np.std([1.0, 2.0])", ()),
    ("pd.Series([2, 1]).sort_values(); pd.DataFrame({'a': [1]}).describe()", ()),
    ("return max([1, 2]) + len([3]) + sum([1])", ()),
]  # fmt: skip


def learner(body: str):
    """A function as a notebook's cell would define it."""
    cell = {"np": np, "pd": pd, "__name__": "__main__"}
    exec(compile(f"def answer():\n    {body}", "<cell>", "exec"), cell)
    return cell["answer"]


@pytest.mark.parametrize(("body", "names"), RUNS, ids=[body[:40] for body, _ in RUNS])
def test_a_call_is_seen_when_it_happens(body, names):
    answer = learner(body)
    with Watch(WATCHED) as watch:
        answer()
    assert watch.reached == names


def test_a_learner_s_function_called_wrapper_hides_nothing():
    cell: dict = {}
    exec(compile("def wrapper(): return sorted([1])\ndef inner(): return wrapper()", "<cell>", "exec"), cell)
    with Watch(WATCHED) as watch:
        cell["inner"]()
    assert watch.reached == ("sorted",)


def test_the_checks_own_package_is_not_the_learner():
    with Watch(WATCHED, ours=("test_bounds",)) as watch:
        sorted([1])
    assert watch.reached == ()


def test_a_watch_adds_up_and_ends_where_the_answer_raises():
    watch = Watch(WATCHED)
    for body in ("sorted([1])", "raise ValueError", "np.sort([1])"):
        try:
            with watch:
                learner(body)()
        except ValueError:
            pass
    sorted([1])
    learner("np.mean([1])")()
    assert watch.reached == ("sorted", "numpy.sort")


def test_watching_does_not_make_an_answer_many_times_slower():
    cell: dict = {}
    source = """
def answer(n):
    out, total = [], 0
    for i in range(n):
        total += i * i % 7
        if i % 10 == 0:
            out.append(step(total))
    return out

def step(x):
    return x + 1
"""
    exec(compile(source, "<cell>", "exec"), cell)

    def seconds(names):
        best = 1.0
        for _ in range(5):
            with Watch(names):
                started = time.process_time()
                cell["answer"](30_000)
                best = min(best, time.process_time() - started)
        return best

    assert seconds(WATCHED) < 5 * seconds(()) + 0.002
