"""The gradebook: one SQLite file, one transaction a graded unit, so that a run may end at any moment.

A unit is one student's submission of one exercise, keyed by the content of everything that decides its grade: the
file, the checks, the reference and the parameters. Whatever has the same key is not graded again. What a person
decides, and the course's policy, lie beside the units and never change them: both hold through a regrade.
"""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

from attrs import evolve, frozen

from coursework.graded import Graded, Mark, as_rows
from coursework.model import Status, Verdict
from coursework.policy import Policy

__all__ = ["Change", "Gradebook", "GradebookError", "Graded", "Mark", "as_rows"]

SCHEMA = """
CREATE TABLE IF NOT EXISTS unit (
    key TEXT PRIMARY KEY, student TEXT NOT NULL, exercise TEXT NOT NULL, file TEXT NOT NULL,
    state TEXT NOT NULL, problem TEXT NOT NULL, notes TEXT NOT NULL, flags TEXT NOT NULL,
    seconds REAL NOT NULL, graded_at REAL NOT NULL, basis TEXT NOT NULL DEFAULT '{}'
);
CREATE TABLE IF NOT EXISTS answer (
    unit TEXT NOT NULL REFERENCES unit (key), position INTEGER NOT NULL, question TEXT NOT NULL,
    status TEXT NOT NULL, points REAL NOT NULL, out_of REAL NOT NULL, message TEXT NOT NULL, mistake TEXT,
    call TEXT NOT NULL, expected TEXT NOT NULL, got TEXT NOT NULL, shape TEXT NOT NULL DEFAULT '', seconds REAL,
    PRIMARY KEY (unit, question)
);
CREATE TABLE IF NOT EXISTS attempt (
    student TEXT NOT NULL, exercise TEXT NOT NULL, attempt TEXT NOT NULL, at REAL,
    unit TEXT NOT NULL REFERENCES unit (key), PRIMARY KEY (student, exercise, attempt)
);
CREATE TABLE IF NOT EXISTS baseline (
    student TEXT NOT NULL, exercise TEXT NOT NULL, attempt TEXT NOT NULL, at REAL,
    unit TEXT NOT NULL, PRIMARY KEY (student, exercise, attempt)
);
CREATE TABLE IF NOT EXISTS mark (
    id INTEGER PRIMARY KEY, student TEXT NOT NULL, exercise TEXT NOT NULL, question TEXT NOT NULL,
    points REAL, comment TEXT NOT NULL, by TEXT NOT NULL, at REAL NOT NULL, file TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS parameters (exercise TEXT PRIMARY KEY, sets TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS reference (key TEXT PRIMARY KEY, answers TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS setting (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS answer_of ON answer (unit);
CREATE INDEX IF NOT EXISTS answer_like ON answer (shape) WHERE shape != '';
"""
#: What a gradebook lacks that was written before there were attempts: first its columns, then its rows.
RENEW = """
ALTER TABLE unit ADD COLUMN basis TEXT NOT NULL DEFAULT '{}';
ALTER TABLE answer ADD COLUMN shape TEXT NOT NULL DEFAULT '';
"""
TAKE_OVER = """
BEGIN; INSERT INTO attempt SELECT student, exercise, '', NULL, unit FROM latest; DROP TABLE latest; COMMIT;
"""
#: And one that was written before the time of each question was kept.
TIME = "ALTER TABLE answer ADD COLUMN seconds REAL"
#: So many students, or so many of a hundred, may have the same code and be flagged for it.
FEW = 5
#: What decides a grade, and what is said of a grade that changed with it.
BECAUSE = {
    "file": "another file was handed in",
    "parameters": "the hidden parameters are others",
    "checks": "the checks changed",
    "reference": "the reference changed",
    "engine": "the grader changed",
    "limits": "the limits changed",
    "data": "the data of the exercise changed",
}


class GradebookError(Exception):
    """The gradebook cannot be read or written; the message says what to do, and that nothing graded is lost."""


@frozen
class Change:
    """What a regrade changed for one question; `before` or `after` is None where there was or is no such answer."""

    student: str
    exercise: str
    question: str
    before: tuple[str, float] | None
    after: tuple[str, float] | None
    why: str


class Gradebook:
    """Use as a context manager; every method is one transaction.

    Several processes may have it open: a run that grades, `coursework review` that marks, a report that reads.
    Two runs may not: `claim` sees to it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._claim: sqlite3.Connection | None = None
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._db = sqlite3.connect(path, timeout=30)
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.execute("PRAGMA synchronous = NORMAL")  # a killed process loses nothing; a power cut, a few units
            tables = {name for (name,) in self._db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
            if "latest" in tables:  # written before there were attempts
                self._db.executescript(RENEW)
            self._db.executescript(SCHEMA)
            self._db.executescript(TAKE_OVER if "latest" in tables else "")
            if "seconds" not in {row[1] for row in self._db.execute("PRAGMA table_info(answer)")}:
                self._db.execute(TIME)
        except (sqlite3.Error, OSError) as error:
            raise GradebookError(self._words(error)) from None

    def __enter__(self) -> Gradebook:
        return self

    def __exit__(self, *_: object) -> None:
        self._db.close()
        if self._claim is not None:
            self._claim.close()

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
            return self._db.execute(query, [_storable(value) for value in values]).fetchall()
        except sqlite3.Error as error:
            raise GradebookError(self._words(error)) from None

    # -------------------------------------------------------------------------------------------- one run at a time

    def claim(self) -> None:
        """Keep other runs out until this gradebook is closed, or its process ends in whatever way.

        Raises:
            GradebookError: another run has it.
        """
        path = self.path.with_name(f"{self.path.name}.run")
        try:
            self._claim = sqlite3.connect(path, timeout=0, isolation_level=None)
            self._claim.execute("BEGIN EXCLUSIVE")
        except sqlite3.Error as error:
            raise GradebookError(self._words(error)) from None

    # -------------------------------------------------------------------------- settings, parameters, the reference

    def setting(self, name: str) -> str | None:
        rows = self._ask("SELECT value FROM setting WHERE name = ?", [name])
        return rows[0][0] if rows else None

    def keep_setting(self, name: str, value: str) -> None:
        self._do([("INSERT OR REPLACE INTO setting VALUES (?, ?)", [name, value])])

    def policy(self) -> Policy:
        """The rules that `current` applies: those last kept, or none."""
        return Policy.from_json(self.setting("policy"))

    def keep_policy(self, policy: Policy) -> None:
        self.keep_setting("policy", policy.to_json())

    def hidden(self, exercise: str) -> Any:
        """The hidden parameters that this gradebook was begun with, as they were given to `keep_hidden`, or None."""
        rows = self._ask("SELECT sets FROM parameters WHERE exercise = ?", [exercise])
        return json.loads(rows[0][0]) if rows else None

    def keep_hidden(self, exercise: str, sets: Any) -> None:
        self._do([("INSERT OR REPLACE INTO parameters VALUES (?, ?)", [exercise, json.dumps(sets)])])

    def reference(self, key: str) -> dict[str, Any] | None:
        """What the reference answered, by question, as plain data; so that it runs once a parameter set."""
        rows = self._ask("SELECT answers FROM reference WHERE key = ?", [key])
        return json.loads(rows[0][0]) if rows else None

    def keep_reference(self, key: str, answers: Mapping[str, Any]) -> None:
        self._do([("INSERT OR REPLACE INTO reference VALUES (?, ?)", [key, json.dumps(dict(answers))])])

    # --------------------------------------------------------------------------------------------------------- units

    def has(self, key: str) -> bool:
        """Whether this very unit is graded. One that could not be run for the grader's own reasons is tried again."""
        return bool(self._ask("SELECT 1 FROM unit WHERE key = ?", [key]))

    def point_to(self, student: str, exercise: str, key: str, attempt: str = "", at: float | None = None) -> None:
        """Make a unit graded before the current one of its student (a submission went back to an earlier state)."""
        self.point_all([(student, exercise, attempt, at, key)])

    def point_all(self, rows: Iterable[tuple[str, str, str, float | None, str]]) -> None:
        """`point_to` for many: student, exercise, attempt, time, key."""
        self._do([(f"INSERT OR REPLACE INTO attempt VALUES ({places(5)})", row) for row in rows])

    def keep(
        self,
        key: str,
        graded: Graded,
        basis: Mapping[str, str] | None = None,
        shapes: Mapping[str, str] | None = None,
    ) -> None:
        """Commit one unit, whole or not at all.

        Args:
            basis: digests of what decided the grade, by the names of `BECAUSE`.
            shapes: by question, what an answer's code looks like; equal ones of different students are flagged.
        """
        if graded.state == "not run":
            key = f"{key}:not run"  # beside the unit, which is still to be graded
        unit = [key, graded.student, graded.exercise, graded.file, graded.state, graded.problem]
        unit += [json.dumps(graded.notes), json.dumps(graded.flags), graded.seconds, time.time()]
        statements: list[tuple[str, Sequence[Any]]] = [
            ("DELETE FROM answer WHERE unit = ?", [key]),
            (f"INSERT OR REPLACE INTO unit VALUES ({places(11)})", [*unit, json.dumps(dict(basis or {}))]),
        ]
        for i, v in enumerate(graded.verdicts):
            row = [key, i, v.question, str(v.status), v.points, v.out_of, v.message, v.mistake]
            row += [v.call, v.expected, v.got, (shapes or {}).get(v.question, ""), v.seconds]
            statements.append((f"INSERT INTO answer VALUES ({places(13)})", row))
        row = [graded.student, graded.exercise, graded.attempt, graded.at, key]
        statements.append((f"INSERT OR REPLACE INTO attempt VALUES ({places(5)})", row))
        self._do(statements)

    def forget_others(self, exercise: str, present: Iterable[tuple[str, str] | str]) -> None:
        """Take out of the current view whatever is no longer handed in; what was graded stays in the file.

        Args:
            present: students, or pairs of a student and one of their attempts.
        """
        kept = {one if isinstance(one, tuple) else (one, "") for one in present}
        rows = self._ask("SELECT student, attempt FROM attempt WHERE exercise = ?", [exercise])
        delete = "DELETE FROM attempt WHERE exercise = ? AND student = ? AND attempt = ?"
        self._do([(delete, [exercise, *row]) for row in rows if row not in kept])

    # --------------------------------------------------------------------------------------- what a person decides

    def set_mark(
        self,
        student: str,
        exercise: str,
        question: str,
        points: float | None,
        comment: str = "",
        by: str = "",
        at: float | None = None,
    ) -> Mark:
        """Give an answer points by hand, with a comment for the student; it counts from now on, through any regrade.

        The automatic result stays as it is. The latest mark of a question counts, and earlier ones are kept.
        `points=None` takes the person's points back (the automatic ones hold) and leaves the comment, if there is one.
        Points above the question's own are allowed: a person may be generous. A mark that was given for an earlier
        file still counts, and `current` flags it for another look.

        Raises:
            GradebookError: there is no such answer in the gradebook, or the points are no number at or above zero.
        """
        if points is not None and not 0 <= points < 1e6:
            raise GradebookError(
                f"{student}, {exercise}, {question}: points must be a number from 0 on, not {points!r}"
            )
        chosen = self.current(student, exercise)
        if not any(v.question == question for one in chosen for v in one.verdicts):
            raise GradebookError(f"{student}, {exercise}, {question}: the gradebook holds no such answer")
        file = self._files(student, exercise)[chosen[0].attempt]
        mark = Mark(student, exercise, question, points, comment, by, time.time() if at is None else at, file)
        row = [mark.student, mark.exercise, mark.question, mark.points, mark.comment, mark.by, mark.at, mark.file]
        self._do([(f"INSERT INTO mark VALUES (NULL, {places(8)})", row)])
        return mark

    def marks(self, student: str | None = None, exercise: str | None = None, *, history: bool = False) -> list[Mark]:
        """The marks that count, the latest of each question; with `history` all that were ever given, oldest first."""
        given = self._marks(student, exercise)
        if history:
            return given
        latest = {(mark.student, mark.exercise, mark.question): mark for mark in given}
        return [mark for mark in latest.values() if mark.points is not None or mark.comment]

    def _marks(self, student: str | None, exercise: str | None, until: int | None = None) -> list[Mark]:
        rows = self._ask(
            "SELECT student, exercise, question, points, comment, by, at, file FROM mark "
            "WHERE student = coalesce(?, student) AND exercise = coalesce(?, exercise) AND id <= coalesce(?, id) "
            "ORDER BY id",
            [student, exercise, until],
        )
        return [Mark(*row) for row in rows]

    def _files(self, student: str, exercise: str) -> dict[str, str]:
        rows = self._ask(
            "SELECT a.attempt, u.basis FROM attempt a JOIN unit u ON u.key = a.unit "
            "WHERE a.student = ? AND a.exercise = ?",
            [student, exercise],
        )
        return {attempt: json.loads(basis).get("file", "") for attempt, basis in rows}

    # ------------------------------------------------------------------------------------------------ what comes out

    def current(self, student: str | None = None, exercise: str | None = None) -> list[Graded]:
        """What counts for every student and exercise, sorted: judged, marked by hand, settled by the policy.

        `Graded.verdicts` are effective. Where a person gave points, `Graded.marks` says who and why, and
        `Graded.automatic` holds what the judge had said.
        """
        return [graded for graded, _ in self._settled("attempt", self.policy(), student, exercise)]

    def _settled(
        self,
        table: str,
        policy: Policy,
        student: str | None = None,
        exercise: str | None = None,
        marks_until: int | None = None,
    ) -> list[tuple[Graded, dict[str, str]]]:
        """Every student's one result for every exercise, with the digests of what decided it."""
        only = "WHERE a.student = coalesce(?, a.student) AND a.exercise = coalesce(?, a.exercise)"
        units = self._ask(
            "SELECT a.student, a.exercise, a.attempt, a.at, u.key, u.file, u.state, u.problem, u.notes, u.flags, "
            f"u.seconds, u.basis FROM {table} a JOIN unit u ON u.key = a.unit {only} "
            "ORDER BY a.student, a.exercise, a.at, a.attempt",
            [student, exercise],
        )
        answers: dict[str, list[Verdict]] = {}
        rows = self._ask(
            "SELECT w.unit, question, status, points, out_of, message, mistake, call, expected, got, seconds "
            f"FROM answer w WHERE w.unit IN (SELECT a.unit FROM {table} a {only}) ORDER BY w.unit, position",
            [student, exercise],
        )
        for unit, question, status, points, out_of, message, mistake, *rest in rows:
            verdict = Verdict(question, Status(status), points, out_of, message, mistake, (), *rest)
            answers.setdefault(unit, []).append(verdict)
        marks: dict[tuple[str, str], list[Mark]] = {}
        for mark in self._marks(student, exercise, marks_until):
            marks.setdefault((mark.student, mark.exercise), []).append(mark)
        alike = self._alike(table, exercise)
        found = []
        for place, group in groupby(units, key=lambda row: row[:2]):
            attempts = []
            for who, id, attempt, at, key, file, state, problem, notes, flags, seconds, basis in group:
                said = (*json.loads(flags), *alike.get(key, ()))
                verdicts = tuple(answers.get(key, ()))
                one = Graded(
                    who, id, file, state, verdicts, problem, tuple(json.loads(notes)), said, seconds, attempt, at
                )
                attempts.append((one, json.loads(basis)))
            files = {basis.get("file", "") for _, basis in attempts}
            held = [self._marked(one, marks.get(place, ()), basis, files) for one, basis in attempts]
            chosen = policy.settle(held)
            found.append((chosen, attempts[[one.attempt for one in held].index(chosen.attempt)][1]))
        return found

    @staticmethod
    def _marked(one: Graded, marks: Sequence[Mark], basis: Mapping[str, str], files: set[str]) -> Graded:
        """The marks that belong to this attempt: those given for its file, else those whose file is gone."""
        mine, file = {}, basis.get("file", "")
        for mark in marks:  # oldest first
            if mark.file == file or (mark.file not in files and mine.get(mark.question, mark).file != file):
                mine[mark.question] = mark
        own = [mark for mark in mine.values() if mark.points is not None or mark.comment]
        if not own:
            return one
        marked = one.marked(own)
        older = [mark.question for mark in marked.marks if mark.file and mark.file != file]
        flags = tuple(f"{question}: marked by hand for an earlier file, look again" for question in older)
        return evolve(marked, flags=(*one.flags, *flags))

    def _alike(self, table: str, exercise: str | None) -> dict[str, list[str]]:
        """By unit, a flag for every answer whose code is that of another student's answer.

        What more than a few, or more than some percent of a class, write alike says nothing of any two of them.
        """
        rows = self._ask(
            f"SELECT DISTINCT w.shape, a.exercise, w.question, a.student, w.unit FROM {table} a "
            "JOIN answer w ON w.unit = a.unit WHERE w.shape != '' AND a.exercise = coalesce(?, a.exercise) "
            "ORDER BY a.exercise, w.question, w.shape, a.student",
            [exercise],
        )
        classes = dict(self._ask(f"SELECT exercise, count(DISTINCT student) FROM {table} GROUP BY exercise"))
        found: dict[str, list[str]] = {}
        for (_, id, question), group in groupby(rows, key=lambda row: row[:3]):
            units = [(student, unit) for *_, student, unit in group]
            if len({student for student, _ in units}) > max(FEW, classes[id] * FEW // 100):
                continue
            for student, unit in units:
                others = sorted({other for other, _ in units if other != student})
                if others:
                    said = ", ".join(others[:5]) + (f" and {len(others) - 5} more" if len(others) > 5 else "")
                    found.setdefault(unit, []).append(f"{question}: the same code, names aside, as {said}")
        return found

    # --------------------------------------------------------------------------------------------- what a run changed

    def begin(self) -> None:
        """Remember how things stand, for `changes`; a run that goes on where another was ended remembers no anew."""
        if self.setting("run") == "going":
            return
        last = str(self._ask("SELECT coalesce(max(id), 0) FROM mark")[0][0])
        put = "INSERT OR REPLACE INTO setting VALUES (?, ?)"
        self._do(
            [
                ("DELETE FROM baseline", []),
                ("INSERT INTO baseline SELECT * FROM attempt", []),
                (put, ["baseline policy", self.policy().to_json()]),
                (put, ["baseline mark", last]),
                (put, ["run", "going"]),
            ]
        )

    def end(self) -> None:
        """The run is complete: the next one begins anew."""
        self.keep_setting("run", "ended")

    def changes(self) -> list[Change]:
        """What is different from when the last run began, question by question, and why."""
        until = int(self.setting("baseline mark") or 0)
        policy = Policy.from_json(self.setting("baseline policy"))
        old = {(g.student, g.exercise): (g, b) for g, b in self._settled("baseline", policy, marks_until=until)}
        new = {(g.student, g.exercise): (g, b) for g, b in self._settled("attempt", self.policy())}
        found = []
        for place in sorted(old.keys() | new.keys()):
            before, after = old.get(place), new.get(place)
            was, is_ = _told(before[0]) if before else {}, _told(after[0]) if after else {}
            for question in is_ | was:
                if was.get(question) != is_.get(question):
                    why = _why(before, after, question, policy != self.policy())
                    found.append(Change(*place, question, was.get(question), is_.get(question), why))
        return found

    def copy_to(self, path: Path) -> None:
        """A copy that is whole whatever is being written meanwhile, in one file."""
        try:
            target = sqlite3.connect(path)
            with target:
                self._db.backup(target)
            target.close()
        except sqlite3.Error as error:
            raise GradebookError(f"{path} cannot be written: {error}") from None


def _told(graded: Graded) -> dict[str, tuple[str, float]]:
    return {v.question: (str(v.status), graded.counted(v)[0]) for v in graded.verdicts}


def _why(
    before: tuple[Graded, dict[str, str]] | None,
    after: tuple[Graded, dict[str, str]] | None,
    question: str,
    other_policy: bool,
) -> str:
    if before is None:
        return "graded for the first time"
    if after is None:
        return "no longer handed in"
    (old, old_basis), (new, new_basis) = before, after
    if old.mark(question) != new.mark(question):
        mark = new.mark(question)
        return f"marked by hand{f' by {mark.by}' if mark.by else ''}" if mark else "a mark by hand was taken back"
    if old.state == "not run":
        return "it could not be run before"
    reasons = [words for name, words in BECAUSE.items() if old_basis.get(name) != new_basis.get(name)]
    if old.attempt != new.attempt:
        reasons = ["another attempt counts"]
    if not reasons and old.at != new.at and not other_policy:
        reasons.append("it was handed in at another time")
    if other_policy and (old.scale, old.dropped, old.extra) != (new.scale, new.dropped, new.extra):
        reasons.append("the policy changed")
    return "; ".join(reasons) or "it was run again"


def places(count: int) -> str:
    """Placeholders for a row of so many columns."""
    return ", ".join("?" * count)


def _storable(value: Any) -> Any:
    """Text as SQLite takes it: a kernel may send half a surrogate pair."""
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) else value
