"""The ten-line runner against pytest, and the search for a counterexample against Hypothesis."""

import os

import numpy as np
import pytest
from hypothesis import find, given, settings
from hypothesis import strategies as st

from mle.scratch.testing import counterexample, run_tests, shrink, simpler

CASES = {
    "passes": "assert 1 + 1 == 2",
    "fails": "assert 1 + 1 == 3, 'sum'",
    "raises": "int('x')",
    "returns_false": "return False",
    "fails_in_a_loop": "for n in (1, 2):\n        assert n == 1",
    "swallows": "try:\n        assert False\n    except Exception:\n        pass",
    "pair": "assert (1 == 2, 'a pair')",
}


@pytest.mark.filterwarnings("ignore")
def test_runner_agrees_with_pytest_on_what_passes(tmp_path):
    source = "".join(f"def test_{name}():\n    {body}\n\n" for name, body in CASES.items())
    (tmp_path / "test_cases.py").write_text(source)
    outcomes = {}

    class Record:
        def pytest_runtest_logreport(self, report):
            if report.when == "call":
                outcomes[report.nodeid.partition("::")[2]] = report.outcome

    options = ["-p", "no:terminal", "-p", "no:cacheprovider", "--disable-plugin-autoload", "-c", os.devnull]
    pytest.main([*options, "--rootdir", str(tmp_path), str(tmp_path)], plugins=[Record()])
    scope = {}
    exec(source, scope)
    ours = run_tests([scope[f"test_{name}"] for name in CASES])
    assert {name: said == "passed" for name, said in ours.items()} == {n: o == "passed" for n, o in outcomes.items()}
    assert ours["test_fails"] == "failed: sum"
    assert ours["test_raises"].startswith("error: ValueError: ")


def test_runner_refuses_two_tests_of_one_name_and_runs_none_of_none():
    def test():
        pass

    with pytest.raises(ValueError, match="two tests are called test"):
        run_tests([test, test])
    assert run_tests([]) == {}


FEW = settings(max_examples=200, database=None, derandomize=True)


@pytest.mark.parametrize("bound", [0, 1, 63, 64, 9_999])
def test_shrinking_a_number_finds_the_threshold_that_hypothesis_finds(bound):
    least = find(st.integers(0, 10**6), lambda n: n > bound, settings=FEW)
    rng = np.random.default_rng(bound)
    for broken in rng.integers(bound + 1, 10**7, size=50).tolist():
        assert shrink(lambda n: n <= bound, broken) == least == bound + 1


@pytest.mark.parametrize("total", [0, 7, 100])
def test_shrinking_a_list_finds_as_small_a_sum_as_hypothesis_does(total):
    def holds(case):
        return sum(case) <= total

    theirs = find(st.lists(st.integers(-9, 200)), lambda case: not holds(case), settings=FEW)
    rng = np.random.default_rng(total)
    cases = [rng.integers(-9, 99, size=int(rng.integers(1, 12))).tolist() for _ in range(50)]
    for case in cases:
        small = shrink(holds, case) if not holds(case) else theirs
        assert sum(small) == sum(theirs) == total + 1


@given(st.recursive(st.booleans() | st.integers(), lambda inner: st.lists(inner) | st.tuples(inner, inner)))
@settings(max_examples=100, deadline=None)
def test_every_simpler_case_is_another_one_of_the_same_kind(case):
    for candidate in simpler(case):
        assert type(candidate) is type(case)
        assert repr(candidate) != repr(case)


def test_counterexample_counts_an_exception_as_broken_and_gives_none_where_all_hold():
    def draw(rng):
        return [int(n) for n in rng.integers(0, 50, size=4)]

    rng = np.random.default_rng(1)
    assert counterexample(lambda case: 1 / (case[0] - case[0]), draw, rng) == []
    assert counterexample(lambda case: sorted(case) == sorted(case[::-1]), draw, rng) is None
    assert counterexample(lambda case: True, draw, rng, runs=0) is None


def test_the_same_seed_gives_the_same_counterexample():
    def search(seed):
        seen = []
        counterexample(
            lambda case: seen.append(case), lambda rng: int(rng.integers(1000)), np.random.default_rng(seed), 3
        )
        return seen

    assert search(5) == search(5)
