"""The gradebook: one SQLite file, one transaction a graded unit, so that a run may end at any moment.

A unit is one student's submission of one exercise, keyed by the content of everything that decides its grade: the
file, the checks, the reference and the parameters. Whatever has the same key is not graded again.
"""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from attrs import frozen

from coursework.model import Status, Verdict

SCHEMA = """
CREATE TABLE IF NOT EXISTS unit (
    key TEXT PRIMARY KEY, student TEXT NOT NULL, exercise TEXT NOT NULL, file TEXT NOT NULL,
    state TEXT NOT NULL, problem TEXT NOT NULL, notes TEXT NOT NULL, flags TEXT NOT NULL,
    seconds REAL NOT NULL, graded_at REAL NOT NULL
);
CREATE TABLE IF NOT EXISTS answer (
    unit TEXT NOT NULL REFERENCES unit (key), position INTEGER NOT NULL, question TEXT NOT NULL,
    status TEXT NOT NULL, points REAL NOT NULL, out_of REAL NOT NULL, message TEXT NOT NULL, mistake TEXT,
    call TEXT NOT NULL, expected TEXT NOT NULL, got TEXT NOT NULL,
    PRIMARY KEY (unit, question)
);
CREATE TABLE IF NOT EXISTS latest (
    student TEXT NOT NULL, exercise TEXT NOT NULL, unit TEXT NOT NULL REFERENCES unit (key),
    PRIMARY KEY (student, exercise)
);
CREATE TABLE IF NOT EXISTS parameters (exercise TEXT PRIMARY KEY, sets TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS answer_of ON answer (unit);
"""


class GradebookError(Exception):
    """The gradebook cannot be read or written; the message says what to do, and that nothing graded is lost."""


@frozen
class Graded:
    """One submission with its verdicts."""

    student: str
    exercise: str
    file: str
    #: graded | unreadable | missing | not run (the grader failed, not the submission)
    state: str
    verdicts: tuple[Verdict, ...]
    #: why it is unreadable, in words
    problem: str = ""
    #: what was repaired
    notes: tuple[str, ...] = ()
    #: what a person should look at
    flags: tuple[str, ...] = ()
    seconds: float = 0.0

    @property
    def points(self) -> float:
        return sum(v.points for v in self.verdicts)

    @property
    def out_of(self) -> float:
        return sum(v.out_of for v in self.verdicts)


class Gradebook:
    """Use as a context manager; every method is one transaction."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._db = sqlite3.connect(path, timeout=30)
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.executescript(SCHEMA)
        except (sqlite3.Error, OSError) as error:
            raise GradebookError(self._words(error)) from None

    def __enter__(self) -> Gradebook:
        return self

    def __exit__(self, *_: object) -> None:
        self._db.close()

    def _words(self, error: Exception) -> str:
        text = str(error)
        if "full" in text or getattr(error, "errno", None) == 28:
            return f"{self.path}: the disk is full. What is graded is kept: free some space and run the same command"
        if "not a database" in text or "malformed" in text or "encrypted" in text:
            return f"{self.path} is not a gradebook that can be read ({text}): move it away or restore it from a copy"
        if "locked" in text:
            return f"{self.path} is in use by another run: wait for it to end, or choose another --out"
        return f"{self.path} cannot be used: {text}. What is graded is kept; run the same command when this is mended"

    def _do(self, statements: Iterable[tuple[str, Sequence[Any]]]) -> None:
        try:
            with self._db:
                for statement, values in statements:
                    self._db.execute(statement, [_storable(value) for value in values])
        except sqlite3.Error as error:
            raise GradebookError(self._words(error)) from None

    def _ask(self, query: str, values: Sequence[Any] = ()) -> list[tuple]:
        try:
            return self._db.execute(query, values).fetchall()
        except sqlite3.Error as error:
            raise GradebookError(self._words(error)) from None

    def hidden(self, exercise: str) -> list[dict] | None:
        """The hidden parameter sets that this gradebook was begun with, or None."""
        rows = self._ask("SELECT sets FROM parameters WHERE exercise = ?", [exercise])
        return json.loads(rows[0][0]) if rows else None

    def keep_hidden(self, exercise: str, sets: Sequence[Mapping[str, Any]]) -> None:
        self._do([("INSERT OR REPLACE INTO parameters VALUES (?, ?)", [exercise, json.dumps(list(sets))])])

    def has(self, key: str) -> bool:
        """Whether this very unit is graded. One that could not be run for the grader's own reasons is tried again."""
        return bool(self._ask("SELECT 1 FROM unit WHERE key = ? AND state != 'not run'", [key]))

    def point_to(self, student: str, exercise: str, key: str) -> None:
        """Make a unit graded before the current one of its student (a submission went back to an earlier state)."""
        self._do([("INSERT OR REPLACE INTO latest VALUES (?, ?, ?)", [student, exercise, key])])

    def keep(self, key: str, graded: Graded) -> None:
        """Commit one unit, whole or not at all."""
        unit = [key, graded.student, graded.exercise, graded.file, graded.state, graded.problem]
        unit += [json.dumps(graded.notes), json.dumps(graded.flags), graded.seconds, time.time()]
        statements: list[tuple[str, Sequence[Any]]] = [
            ("DELETE FROM answer WHERE unit = ?", [key]),
            ("INSERT OR REPLACE INTO unit VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", unit),
        ]
        for i, v in enumerate(graded.verdicts):
            row = [key, i, v.question, str(v.status), v.points, v.out_of, v.message, v.mistake]
            row += [v.call, v.expected, v.got]
            statements.append(("INSERT INTO answer VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", row))
        statements.append(("INSERT OR REPLACE INTO latest VALUES (?, ?, ?)", [graded.student, graded.exercise, key]))
        self._do(statements)

    def forget_others(self, exercise: str, students: Iterable[str]) -> None:
        """Take out of the current view whoever is no longer in the class; what was graded stays in the file."""
        present = set(students)
        rows = self._ask("SELECT student FROM latest WHERE exercise = ?", [exercise])
        gone = [name for (name,) in rows if name not in present]
        self._do([("DELETE FROM latest WHERE exercise = ? AND student = ?", [exercise, name]) for name in gone])

    def current(self) -> list[Graded]:
        """The latest state of every student and exercise, sorted."""
        units = self._ask(
            "SELECT u.key, u.student, u.exercise, u.file, u.state, u.problem, u.notes, u.flags, u.seconds "
            "FROM latest l JOIN unit u ON u.key = l.unit ORDER BY u.student, u.exercise"
        )
        answers: dict[str, list[Verdict]] = {}
        rows = self._ask(
            "SELECT unit, question, status, points, out_of, message, mistake, call, expected, got "
            "FROM answer WHERE unit IN (SELECT unit FROM latest) ORDER BY unit, position"
        )
        for unit, question, status, points, out_of, message, mistake, call, expected, got in rows:
            verdict = Verdict(question, Status(status), points, out_of, message, mistake, (), call, expected, got)
            answers.setdefault(unit, []).append(verdict)
        return [
            Graded(
                student, exercise, file, state, tuple(answers.get(key, ())), problem,
                tuple(json.loads(notes)), tuple(json.loads(flags)), seconds,
            )
            for key, student, exercise, file, state, problem, notes, flags, seconds in units
        ]  # fmt: skip


def _storable(value: Any) -> Any:
    """Text as SQLite takes it: a kernel may send half a surrogate pair."""
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) else value


def as_rows(graded: Iterable[Graded]) -> list[dict[str, Any]]:
    """One flat row a question, for CSV and Parquet."""
    rows = []
    for one in graded:
        for v in one.verdicts:
            row = {"student": one.student, "exercise": one.exercise, "question": v.question, "status": str(v.status)}
            row |= {"points": v.points, "out_of": v.out_of, "mistake": v.mistake, "message": v.message}
            rows.append(row | {"file": one.file, "flags": "; ".join(one.flags)})
    return rows
