"""What a learner meets in the notebook: the answer at once, in words and in HTML, and a record that is theirs."""

from __future__ import annotations

import html
import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from coursework import Choice, Exercise, Integer, Real, panel, progress
from coursework.check import OBSERVED_MIME
from coursework.model import AuthoringError, ParameterError, Status, Verdict


@pytest.fixture
def check(course):
    return course.load("demo/stats").check(seed=1, n=40)


def test_importing_check_imports_nothing_heavier_than_numpy():
    heavy = "pandas sklearn scipy matplotlib nbformat papermill jupytext IPython yaml jinja2 cProfile".split()
    code = f"import sys, coursework.check; print([m for m in {heavy} if m in sys.modules])"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "[]"


def test_checking_imports_nothing_heavy_for_plain_values(course):
    code = (
        "import sys; from tiny.checks.demo.stats import exercise; check = exercise.check(seed=1, n=40);"
        "check('average', lambda v: float(v.sum())); check('total', 3.0); check('ordered', ...); check.hint('total');"
        "print([m for m in ('pandas', 'sklearn', 'matplotlib', 'nbformat', 'papermill') if m in sys.modules])"
    )
    assert subprocess.check_output([sys.executable, "-c", code], text=True).splitlines()[-1] == "[]"


def test_a_check_answers_within_fifty_milliseconds(check, capsys):
    for answer in (..., lambda v: float(v.sum()), lambda v: v, lambda v: v.sum() / len(v)):
        check("average", answer)  # warm
        started = time.process_time()
        check("average", answer)
        assert time.process_time() - started < 0.05


def test_the_panel_says_call_expectation_result_mistake_points_and_hint(check, capsys):
    check("average", lambda values: float(values.sum()))
    said = capsys.readouterr().out
    assert "✗ average: Not yet · 0.5 of 2 points" in said
    assert "Likely cause: This is the total" in said
    assert "Called: average(an array of shape (40,), float64)" in said
    assert "Expected: a number" in said and re.search(r"Got: \d", said)
    assert 'check.hint("average") gives the next of 3 hints' in said


def test_success_points_to_the_reference_and_offers_no_hint(check, capsys):
    check("average", lambda values: float(values.sum() / len(values)))
    said = capsys.readouterr().out
    assert "✓ average: Passed · 2 of 2 points" in said and "solutions/demo/stats.ipynb" in said and "hint" not in said


def test_published_parameters_are_compared_with_the_reference_and_others_by_properties(course, capsys):
    exercise = course.load("demo/stats")
    assert exercise.check(seed=1, n=40).verdict("total", 1.0).status is Status.WRONG
    assert exercise.check(seed=2, n=40).verdict("total", 1.0).status is Status.PASSED  # nothing to compare with
    assert exercise.check(seed=2, n=40).verdict("total", -1.0).status is Status.WRONG


def test_hints_come_one_by_one_and_then_the_last_again(check, capsys):
    for expected in ("Hint 1 of 3 for total: a nudge", "Hint 2 of 3", "Hint 3 of 3", "Hint 3 of 3"):
        check.hint("total")
        assert expected in capsys.readouterr().out
    check("total", 5.0)
    assert "hints" not in capsys.readouterr().out


def test_a_question_without_hints_says_so(exercise, capsys):
    exercise.question("why", kind="value", points=1, asks="", hints=())
    exercise.check(n=1, x=0.5).hint("why")
    assert "no hints" in capsys.readouterr().out


def test_an_unknown_question_or_parameter_is_named_with_its_neighbour(course, check):
    with pytest.raises(ParameterError, match="Did you mean 'total'"):
        check("totel", 1)
    with pytest.raises(ParameterError, match="average, total, ordered"):
        check.hint(7)
    exercise = course.load("demo/stats")
    for wrong, says in [
        ({"seeed": 1, "n": 40}, "Did you mean 'seed'"),
        ({3: 1}, "no parameter is called 3"),
        ({"seed": 1}, "'n' is missing"),
        ({"seed": True, "n": 40}, "not a whole number"),
        ({"seed": 1, "n": 5}, "outside 10 to 200"),
        ({"seed": 1.5, "n": 40}, "not a whole number"),
    ]:
        with pytest.raises(ParameterError, match=re.escape(says)):
            exercise.validate(wrong)


def test_parameters_are_drawn_within_their_ranges_and_refused_outside():
    import numpy as np

    ranges = [Integer("a", 3, 5), Real("b", 1e2, 1e6, log=True), Real("c", -1, 1), Choice("d", ["x", 2])]
    exercise = Exercise("a/b", title="", minutes=1, parameters=ranges)
    drawn = [exercise.draw(np.random.default_rng(seed)) for seed in range(200)]
    assert all(exercise.validate(one) == one for one in drawn)
    assert {one["a"] for one in drawn} == {3, 4, 5} and {one["d"] for one in drawn} == {"x", 2}
    assert json.dumps(drawn)
    for objector, value in zip(ranges, ("3", float("nan"), True, "y"), strict=True):
        assert objector.objection(value)


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"kind": "poem"}, "kind 'poem'"),
        ({"points": 0}, "points must be positive"),
        ({"kind": "prose", "rubric": [("a", 1)], "points": 2}, "add up to 2"),
    ],
)
def test_an_ill_made_question_is_refused(exercise, settings, says):
    with pytest.raises(AuthoringError, match=says):
        exercise.question("q", **{"kind": "value", "points": 1, "asks": "", "hints": (), **settings})


def test_names_are_given_once(exercise):
    exercise.question("q", kind="value", points=1, asks="", hints=())
    with pytest.raises(AuthoringError, match="two questions"):
        exercise.question("q", kind="value", points=1, asks="", hints=())
    with pytest.raises(AuthoringError, match="identifier"):
        exercise.question("not a name", kind="value", points=1, asks="", hints=())
    with pytest.raises(AuthoringError, match="part/slug"):
        Exercise("slug", title="", minutes=1, parameters=[])
    with pytest.raises(AuthoringError, match="declared twice"):
        Exercise("a/b", title="", minutes=1, parameters=[Integer("a", 0, 1), Integer("a", 0, 1)])


# ----------------------------------------------------------------------------------------------- the panel


VERDICTS = [
    Verdict("q", Status.PASSED, 2, 2),
    Verdict("q", Status.WRONG, 0.5, 2, "It <b>differs</b> & more.", "mistake", (), "f([1])", "a <list>", "'<script>'"),
    Verdict("q", Status.ERROR, 0, 1, "The answer raised ValueError: <img>", call="f(x)", expected="text", got="None"),
    Verdict("q", Status.BLANK, 0, 1, "There is no answer yet."),
    Verdict("q", Status.OUT_OF_BOUNDS, 0, 1, "The answer uses `sorted`."),
    Verdict("q", Status.UNMARKED, 0, 1, "Received, 40 words."),
]  # fmt: skip


@pytest.mark.parametrize("verdict", VERDICTS, ids=lambda v: v.status.name)
def test_text_and_html_say_the_same_and_everything_is_escaped(verdict):
    text, page = panel.as_text(verdict, 2, "see <there>"), panel.as_html(verdict, 2, "see <there>")
    assert not re.search("<(script|img|b>|list|there)", page)
    words = html.unescape(re.sub("<[^>]*>", " ", page))
    assert sorted(re.findall(r"\w+", words)) == sorted(re.findall(r"\w+", text))
    assert "role='status'" in page


def test_a_hint_is_escaped_too():
    assert "<b>" not in panel.hint_html("q<b>", 1, 3, "try <b>this</b>")


# ------------------------------------------------------------------------------------------- the record


def test_tries_are_recorded_in_the_learner_s_own_folder(check, own_record, capsys):
    assert progress.standings() == []
    check("total", ...)
    check("average", lambda v: float(v.sum()))
    check("average", lambda v: float(v.sum() / len(v)))
    check("ordered", lambda v: v)
    assert [(s.question, s.attempts, s.passed, s.mistakes) for s in progress.standings()] == [
        ("average", 2, True, ("total_only",)),
        ("ordered", 1, False, ("as_it_was",)),
    ]
    assert [path.name for path in own_record.iterdir()] == ["progress.sqlite"]


def test_a_record_that_cannot_be_written_hinders_nobody(check, monkeypatch, tmp_path, capsys):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("COURSEWORK_DATA", str(tmp_path / "file" / "below"))
    check("total", 5.0)
    assert "total: Not yet" in capsys.readouterr().out
    monkeypatch.setenv("COURSEWORK_DATA", str(tmp_path / "broken"))
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "progress.sqlite").write_text("this is no database, and long enough to be seen as none")
    check("total", 5.0)
    assert "total: Not yet" in capsys.readouterr().out


def test_under_the_engine_a_check_only_looks(check, own_record, monkeypatch, capsys):
    from IPython.core.interactiveshell import InteractiveShell

    shell = InteractiveShell.instance()
    shown = []
    monkeypatch.setattr(shell.display_pub, "publish", lambda data, *_, **__: shown.append(data))
    monkeypatch.setenv("COURSEWORK_ENGINE", "1")
    try:
        check("average", lambda v: float(v.sum()))
    finally:
        InteractiveShell.clear_instance()
    assert shown[0][OBSERVED_MIME]["question"] == "average" and "text/html" not in shown[0]
    assert not own_record.exists()


def test_in_ipython_the_panel_is_shown_as_html_with_text_beside_it(check, monkeypatch, capsys):
    from IPython.core.interactiveshell import InteractiveShell

    shell = InteractiveShell.instance()
    shown = []
    monkeypatch.setattr(shell.display_pub, "publish", lambda data, *_, **__: shown.append(data))
    try:
        check("average", ...)
        check.hint("average")
    finally:
        InteractiveShell.clear_instance()
    assert [set(bundle) for bundle in shown] == [{"text/plain", "text/html"}] * 2
    assert "<section" in shown[0]["text/html"] and "&lt;b&gt;" not in shown[0]["text/html"]


def test_the_data_folder_is_outside_the_course_unless_told_otherwise(monkeypatch):
    monkeypatch.delenv("COURSEWORK_DATA")
    folder = progress.data_folder()
    assert folder.is_absolute() and not folder.is_relative_to(Path(os.getcwd()))
