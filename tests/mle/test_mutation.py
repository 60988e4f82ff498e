"""Mutants against a count by hand and the syntax tree; lines run against coverage.py."""

import ast
import random
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mle.scratch.mutation import SWAPPED, lines_of, lines_run, mutants

SOURCE = '''
def price(late, cancelled):
    """A docstring with 60 in it is not changed."""
    if cancelled or late > 180:
        return 20
    paid = 0
    for limit in (60, 120):
        if late > limit:
            paid = paid + 5
    if late < -999:
        raise ValueError("early")
    return paid
'''


def test_every_operator_and_number_is_changed_and_nothing_else():
    found = list(mutants(SOURCE))
    numbers, operators = 7, 5  # 180 20 0 60 120 5 999; or > > + <
    assert len(found) == len({text for _, text in found}) == 2 * numbers + operators
    assert all("A docstring with 60" in text for _, text in found)
    changes = [change for change, _ in found]
    assert len(set(changes)) == len(found)
    assert "line 4, column 21: late > 180 -> late >= 180" in changes


expressions = st.recursive(
    st.sampled_from(["a", "b", "True", "'60'"]) | st.integers(0, 99).map(str),
    lambda e: st.tuples(e, st.sampled_from(["+", "-", "*", "//", "%", "<", "<=", "==", "and", "or"]), e).map(
        lambda parts: f"({' '.join(parts)})"
    ),
    max_leaves=8,
)


@given(expressions)
@settings(max_examples=100, deadline=None)
def test_a_mutant_differs_from_the_program_in_one_node(expression):
    def nodes(source):
        tree = ast.parse(source)
        return [(type(n), getattr(n, "value", None) if isinstance(n, ast.Constant) else None) for n in ast.walk(tree)]

    before = nodes(expression)
    changeable = sum(kind in SWAPPED for kind, _ in before)
    numbers = sum(kind is ast.Constant and type(value) is int for kind, value in before)
    found = list(mutants(expression))
    assert len(found) == changeable + 2 * numbers
    for _, text in found:
        after = nodes(text)
        # 0 - 1 is written -1, which is a node more: a minus sign around a number.
        changed = sum(a != b for a, b in zip(before, after, strict=False)) if len(after) == len(before) else 1
        assert changed == 1


def test_what_is_empty_has_no_mutants_and_what_is_no_python_is_refused():
    assert list(mutants("")) == []
    assert lines_of(compile("", "x", "exec")) == set()
    with pytest.raises(SyntaxError):
        list(mutants("def"))


def test_lines_run_are_those_that_coverage_sees(tmp_path):
    coverage = pytest.importorskip("coverage")
    path = tmp_path / "price.py"
    path.write_text(SOURCE)
    code = compile(SOURCE, str(path), "exec")
    scope = {}
    exec(code, scope)
    rng = random.Random(3)
    for _ in range(8):
        late, cancelled = rng.choice([-2000, 0, 61, 130, 200]), rng.random() < 0.3
        ours = lines_run(str(path), lambda late=late, cancelled=cancelled: scope["price"](late, cancelled))
        measured = coverage.Coverage(data_file=None, include=[str(path)], config_file=False)
        measured.start()
        try:
            scope["price"](late, cancelled)
        except ValueError:
            pass
        finally:
            measured.stop()
        assert ours == set(measured.get_data().lines(str(path)) or [])
        assert ours <= lines_of(code)
    _, statements, *_ = measured.analysis2(str(path))
    bodies = set(statements) - {2}  # the def line runs on import
    assert lines_of(code) == bodies


def test_lines_run_leaves_the_tracer_as_it_was_and_lets_nothing_out():
    def tracer(*_):
        return None

    before = sys.gettrace()
    sys.settrace(tracer)
    try:
        found = lines_run("nowhere.py", lambda: 1 / 0)
        after = sys.gettrace()
    finally:
        sys.settrace(before)
    assert found == set()
    assert after is tracer
