"""Rules about points change what counts and never what was judged; a rule that is none is refused by its place."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from coursework.gradebook import Gradebook, GradebookError
from coursework.graded import Graded, GradingError, Mark, as_rows
from coursework.model import Status, Verdict
from coursework.policy import Policy, read_policy

ID = "demo/stats"
NOON = datetime(2026, 11, 30, 12, tzinfo=UTC).timestamp()
HOUR, DAY = 3600, 86400


def handed_in(
    at: float | None = NOON, attempt: str = "", student: str = "ann", points=(2.0, 1.0, 3.0), **more
) -> Graded:
    verdicts = tuple(
        Verdict(q, Status.PASSED if p == o else Status.WRONG, p, o, "m" if p < o else "")
        for q, p, o in zip(("average", "total", "ordered"), points, (2.0, 1.0, 3.0), strict=True)
    )
    return Graded(student, ID, "f.ipynb", "graded", verdicts, attempt=attempt, at=at)


def policy(tmp_path: Path, text: str) -> Policy:
    (tmp_path / "policy.yml").write_text(text, encoding="utf-8")
    return read_policy(tmp_path / "policy.yml", [ID, "demo/other"], lambda id: ["average", "total", "ordered"])


def test_no_policy_changes_nothing(tmp_path):
    one = handed_in()
    assert Policy().settle([one]) == one and policy(tmp_path, "").settle([one]) == one


@pytest.mark.parametrize(
    ("late", "points"),
    [(-DAY, 6), (0, 6), (600, 6), (960, 5.4), (DAY - 1, 5.4), (DAY, 5.4), (DAY + 1, 4.8), (30 * DAY, 3), (61 * DAY, 0)],
)  # fmt: skip
def test_each_day_that_was_started_costs_its_share(tmp_path, late, points):
    rules = policy(
        tmp_path,
        "deadline: 2026-11-30 12:00\nlate: {penalty: 10 %, per: 1 day, grace: 15 min, at_most: 50 %, until: 60 days}",
    )
    one = rules.settle([handed_in(NOON + late)])
    assert one.points == pytest.approx(points) and one.out_of == 6
    assert bool(one.adjustments) == (points < 6)
    assert sum(row["points"] for row in as_rows([one])) == pytest.approx(one.points)


def test_what_was_taken_off_is_said_in_words(tmp_path):
    rules = policy(tmp_path, "deadline: 2026-11-30 12:00\nlate: {penalty: 0.25, per: 12 hours}")
    assert rules.settle([handed_in(NOON + 5 * HOUR)]).adjustments == ("handed in 5 hours late: 25 % off",)


def test_zones_dates_and_extensions_move_the_deadline(tmp_path):
    late = "late: {penalty: 50 %}"
    for deadline, zone, at in (
        ("2026-11-30 13:00", "timezone: Europe/Paris\n", NOON),
        ("2026-11-30T06:00-06:00", "timezone: Europe/Paris\n", NOON),
        ("2026-11-30", "", NOON + 12 * HOUR - 1),
        ('"2026-11-30"', "", NOON + 12 * HOUR - 1),
        ('"2026-11-30 12:00 UTC"', "", NOON),
    ):
        rules = policy(tmp_path, f"{zone}deadline: {deadline}\n{late}")
        assert [rules.settle([handed_in(at + s)]).points for s in (0, 2)] == [6, 3], deadline
    rules = policy(tmp_path, f"deadline: 2026-11-30 12:00\n{late}\nextensions: {{bea: 2 days}}")
    at = NOON + DAY
    assert [rules.settle([handed_in(at, student=s)]).points for s in ("ann", "bea")] == [3, 6]


def test_an_exercise_may_have_its_own_rules_and_a_time_that_is_not_known_is_not_late(tmp_path):
    text = "deadline: 2026-11-30 12:00\nlate: {penalty: 50 %}\nexercises: {demo/stats: {deadline: 2026-12-24}}"
    assert policy(tmp_path, text).settle([handed_in(NOON + DAY)]).points == 6
    assert policy(tmp_path, text.replace("stats", "other")).settle([handed_in(NOON + DAY)]).points == 3
    assert policy(tmp_path, text.replace("stats", "other")).settle([handed_in(None)]).points == 6


def test_a_dropped_question_counts_for_nobody_and_extra_credit_only_adds(tmp_path):
    rules = policy(tmp_path, "exercises: {demo/stats: {drop: [ordered], extra_credit: total}}")
    one = rules.settle([handed_in(points=(2, 1, 0))])
    assert (one.points, one.out_of) == (3, 2)
    assert [(r["points"], r["out_of"]) for r in as_rows([one])] == [(2, 2), (1, 0), (0, 0)]
    assert one.adjustments == ("ordered does not count", "total is extra credit")
    assert [v.points for v in one.verdicts] == [2, 1, 0]


def test_the_last_attempt_counts_or_the_best_after_penalties(tmp_path):
    attempts = [
        handed_in(NOON, "1", points=(2, 1, 0)),
        handed_in(NOON + DAY, "2", points=(2, 1, 1.5)),
        handed_in(NOON + 2 * DAY, "3", points=(2, 0, 0)),
    ]
    assert policy(tmp_path, "attempts: last").settle(attempts).attempt == "3"
    best = policy(tmp_path, "attempts: best").settle(attempts)
    assert best.attempt == "2" and best.adjustments == ("attempt 2 of 3 counts",)
    rules = policy(tmp_path, "attempts: best\ndeadline: 2026-11-30 12:00\nlate: {penalty: 40 %}")
    assert rules.settle(attempts).attempt == "1"
    assert (
        policy(tmp_path, "attempts: best").settle([attempts[0], handed_in(NOON + 9, "9", points=(2, 1, 0))]).attempt
        == "9"
    )


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[1]", "must map names to rules"),
        ("deadline: [", "is not YAML"),
        ("dedline: 2026-11-30", "'dedline' is no rule. Did you mean 'deadline'?"),
        ("deadline: soon", "deadline: must be a date and time such as 2026-11-30 18:00, not 'soon'"),
        ("deadline: 12", "deadline: must be a date and time"),
        ("timezone: Paris", "timezone: 'Paris' is no time zone"),
        ("attempts: first", "attempts: must be last or best, not 'first'"),
        ("late: 10 %", "late: must map names to rules; it may hold penalty"),
        ("late: {penalty: 10}", "late: penalty: must be a share such as 10 % or 0.1, not 10"),
        ("late: {penalty: true}", "late: penalty: must be a share"),
        ("late: {penalty: -5 %}", "late: penalty: must be a share"),
        ("late: {per: 2}", "late: per: must be a span such as 2 days, 3 h or 15 min, not 2"),
        ("late: {per: 0 days}", "late: per: must be longer than nothing"),
        ("late: {grace: 1 fortnight}", "late: grace: must be a span"),
        ("extensions: [ann]", "extensions: must map students to spans"),
        ("extensions: {ann: soon}", "extensions: ann: must be a span"),
        ("exercises: {demo/stat: {}}", "exercises: 'demo/stat' is no rule. Did you mean 'demo/stats'?"),
        ("exercises: {demo/stats: {drop: avrage}}", "exercises: demo/stats: drop: there is no question 'avrage'"),
        ("exercises: {demo/stats: {drop: [1]}}", "exercises: demo/stats: drop: must be a question's name"),
    ],
)  # fmt: skip
def test_what_is_no_rule_is_refused_with_file_place_and_remedy(tmp_path, text, says):
    with pytest.raises(GradingError) as refused:
        policy(tmp_path, text)
    assert str(refused.value).startswith(str(tmp_path / "policy.yml")) and says in str(refused.value)


def test_a_policy_that_is_not_there_or_no_text_is_refused(tmp_path):
    with pytest.raises(GradingError, match="cannot be read"):
        read_policy(tmp_path / "none.yml", [ID])
    (tmp_path / "bytes.yml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(GradingError, match=r"bytes\.yml"):
        read_policy(tmp_path / "bytes.yml", [ID])


# -------------------------------------------------------------------------------- in the gradebook, without a new run


def test_a_policy_is_kept_and_another_one_changes_points_without_a_run(tmp_path):
    with Gradebook(tmp_path / "book.sqlite") as book:
        book.begin()
        for i, points in enumerate([(2, 1, 3), (2, 0, 0)]):
            one = handed_in(NOON + i * DAY, f"a{i}", points=points)
            book.keep(f"k{i}", one, {"file": f"f{i}"})
        book.end()
        assert book.current()[0].points == 2
        book.begin()
        book.keep_policy(policy(tmp_path, "attempts: best"))
        book.end()
        assert book.current()[0].points == 6
        assert {(c.question, c.before, c.after, c.why) for c in book.changes()} == {
            ("total", ("wrong", 0.0), ("passed", 1.0), "another attempt counts"),
            ("ordered", ("wrong", 0.0), ("passed", 3.0), "another attempt counts"),
        }
        book.begin()
        book.keep_policy(policy(tmp_path, "attempts: best\nexercises: {demo/stats: {drop: total}}"))
        book.end()
        (change,) = book.changes()
        assert (change.question, change.after, change.why) == ("total", ("passed", 0.0), "the policy changed")
    with Gradebook(tmp_path / "book.sqlite") as book:
        assert book.current()[0].out_of == 5


def test_a_mark_counts_keeps_the_automatic_result_and_its_history(tmp_path):
    with Gradebook(tmp_path / "book.sqlite") as book:
        book.keep("k", handed_in(points=(2, 0, 3)), {"file": "f1"})
        first = book.set_mark("ann", ID, "total", 0.5, "half of it", "ms", at=7.0)
        assert first == Mark("ann", ID, "total", 0.5, "half of it", "ms", 7.0, "f1")
        one = book.current()[0]
        assert one.points == 5.5 and one.mark("total") == first and one.verdicts[1].message == "half of it"
        assert one.automatic == (Verdict("total", Status.WRONG, 0.0, 1.0, "m"),)
        book.set_mark("ann", ID, "total", 1, "all of it", "ms")
        assert book.current()[0].verdicts[1].status is Status.PASSED
        assert [m.points for m in book.marks()] == [1] and [m.points for m in book.marks(history=True)] == [0.5, 1]
        book.set_mark("ann", ID, "total", None, "only a word", "ms")
        one = book.current()[0]
        assert one.points == 5 and one.mark("total").comment == "only a word" and one.automatic == ()
        book.set_mark("ann", ID, "total", None)
        assert book.marks() == [] and book.current()[0] == handed_in(points=(2, 0, 3))
        row = as_rows(book.current())[1]
        assert (row["points"], row["automatic_points"], row["marked_by"]) == (0, 0, "")


def test_a_mark_of_what_is_not_there_or_of_no_number_is_refused(tmp_path):
    with Gradebook(tmp_path / "book.sqlite") as book:
        book.keep("k", handed_in())
        for place in (("bea", ID, "total"), ("ann", "demo/other", "total"), ("ann", ID, "totl")):
            with pytest.raises(GradebookError, match="holds no such answer"):
                book.set_mark(*place, 1)
        for points in (-1, float("nan"), float("inf")):
            with pytest.raises(GradebookError, match="points must be a number"):
                book.set_mark("ann", ID, "total", points)


def test_a_mark_belongs_to_the_attempt_whose_file_was_looked_at(tmp_path):
    with Gradebook(tmp_path / "book.sqlite") as book:
        book.keep("k1", handed_in(NOON, "1", points=(2, 0, 0)), {"file": "f1"})
        book.set_mark("ann", ID, "total", 0.5)
        book.keep("k2", handed_in(NOON + 1, "2", points=(2, 1, 0)), {"file": "f2"})
        assert book.current()[0].points == 3  # the last attempt was not marked, and is better
        book.keep_policy(Policy({"all": {"attempts": "best"}}))
        assert book.current()[0].attempt == "2"
        book.set_mark("ann", ID, "total", 0)
        assert (book.current()[0].attempt, book.current()[0].points) == ("1", 2.5)


def test_a_gradebook_from_before_there_were_attempts_is_taken_over(tmp_path):
    import sqlite3

    with sqlite3.connect(tmp_path / "book.sqlite") as db:
        db.executescript("""
            CREATE TABLE unit (key TEXT PRIMARY KEY, student TEXT NOT NULL, exercise TEXT NOT NULL, file TEXT NOT NULL,
                state TEXT NOT NULL, problem TEXT NOT NULL, notes TEXT NOT NULL, flags TEXT NOT NULL,
                seconds REAL NOT NULL, graded_at REAL NOT NULL);
            CREATE TABLE answer (unit TEXT NOT NULL, position INTEGER NOT NULL, question TEXT NOT NULL,
                status TEXT NOT NULL, points REAL NOT NULL, out_of REAL NOT NULL, message TEXT NOT NULL, mistake TEXT,
                call TEXT NOT NULL, expected TEXT NOT NULL, got TEXT NOT NULL, PRIMARY KEY (unit, question));
            CREATE TABLE latest (student TEXT NOT NULL, exercise TEXT NOT NULL, unit TEXT NOT NULL,
                PRIMARY KEY (student, exercise));
            INSERT INTO unit VALUES ('k', 'ann', 'demo/stats', 'f', 'graded', '', '[]', '[]', 1.0, 1.0);
            INSERT INTO answer VALUES ('k', 0, 'total', 'passed', 1.0, 1.0, '', NULL, '', '', '');
            INSERT INTO latest VALUES ('ann', 'demo/stats', 'k');
        """)
    db.close()
    for _ in range(2):
        with Gradebook(tmp_path / "book.sqlite") as book:
            (one,) = book.current()
            assert (one.student, one.points, one.attempt) == ("ann", 1, "")
            assert one.verdicts[0].seconds is None
