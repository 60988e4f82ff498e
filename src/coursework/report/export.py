"""Grades as files for other systems: Canvas, Moodle, Gradescope, Parquet, CSV, and the notebooks as they ran.

It formats what the gradebook says and talks to no system: a person imports the file, and sees there what it changes.
"""

from __future__ import annotations

import csv
import io
import json
import re
import shutil
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from attrs import field, frozen
from markupsafe import escape

from coursework.graded import Graded, as_rows, file_name
from coursework.model import Exercise, Status, Verdict
from coursework.report.pages import number, write_rows
from coursework.report.summary import exercise_key
from coursework.report.text import cell, plain


class ExportError(Exception):
    """An export cannot be written; the message says why and what to do."""


@frozen
class Export:
    """What one format is given: the grades, the exercises in order, the results folder, where to write, the roster."""

    graded: Sequence[Graded]
    exercises: Sequence[Exercise]
    folder: Path
    to: Path
    roster: Roster | None = None
    #: sentences for whoever runs the export
    said: list[str] = field(factory=list)

    def students(self) -> list[str]:
        return sorted({one.student for one in self.graded})

    def cells(self) -> dict[tuple[str, str], Graded]:
        return {(one.student, one.exercise): one for one in self.graded}

    def out_of(self, exercise: Exercise) -> float:
        return max((one.out_of for one in self.graded if one.exercise == exercise.id), default=exercise.points)


def score(one: Graded | None) -> str:
    """A submission's points; empty while they are not final, so that nobody is told a score that will change."""
    if one is None or one.state == "not run" or any(v.status is Status.UNMARKED for v in one.verdicts):
        return ""
    return number(one.points)


# -------------------------------------------------------------------------------------------------------- who is who


@frozen
class Roster:
    """The people as a learning platform knows them: the identity columns of a file that it exported."""

    columns: tuple[str, ...]
    rows: tuple[dict[str, str], ...]
    #: the other columns' names, such as assignments that exist already
    others: tuple[str, ...] = ()

    def people(self, students: Iterable[str]) -> tuple[dict[str, dict[str, str]], list[str]]:
        """The row of each student, and who has none or more than one.

        A folder's name may be any of the identity columns, or an e-mail address without its domain.
        """
        named: dict[str, list[dict[str, str]]] = defaultdict(list)
        for row in self.rows:
            values = {value.strip().casefold() for value in row.values() if value.strip()}
            for value in values | {value.partition("@")[0] for value in values if "@" in value}:
                named[value].append(row)
        found = {student: named[student.casefold()] for student in students}
        return (
            {student: rows[0] for student, rows in found.items() if len(rows) == 1},
            [student for student, rows in found.items() if len(rows) != 1],
        )


#: What the platforms call the columns that say who somebody is.
IDENTITY = frozenset(
    name.strip()
    for name in """student, lastname, firstname, id, sis user id, sis login id, integration id, root account, section,
    first name, last name, full name, username, id number, idnumber, email address, email""".split(",")
)


def read_roster(path: Path) -> Roster:
    """Read a CSV file that Canvas or Moodle exported.

    Raises:
        ExportError: it cannot be read, or no column says who somebody is.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ExportError(f"{path} cannot be read as a roster: {error}") from None
    head = text.partition("\n")[0]
    table = list(csv.reader(io.StringIO(text, newline=""), delimiter=max(",;\t", key=head.count)))
    header = [name.strip() for name in table[0]] if table else []
    own = [i for i, name in enumerate(header) if name.casefold() in IDENTITY]
    if not own:
        raise ExportError(
            f"{path}: no column says who somebody is; export the gradebook from Canvas or Moodle and give that file"
        )
    rows = []
    for line in table[1:]:
        if (
            len(line) >= len(own)
            and "Points Possible" not in line[0]
            and any(line[i].strip() for i in own if i < len(line))
        ):
            rows.append({header[i]: line[i].strip() if i < len(line) else "" for i in own})
    return Roster(tuple(header[i] for i in own), tuple(rows), tuple(n for i, n in enumerate(header) if i not in own))


def _people(export: Export, columns: Sequence[str], stand_in: Sequence[str]) -> tuple[list[str], dict[str, list[str]]]:
    """The identity columns, and each student's values; without a roster a folder's name stands for who somebody is."""
    if export.roster is None:
        return list(columns), {s: [s if c in stand_in else "" for c in columns] for s in export.students()}
    rows, strangers = export.roster.people(export.students())
    if strangers:
        listed = ", ".join(map(plain, strangers[:10])) + (f" and {len(strangers) - 10} more" if strangers[10:] else "")
        export.said.append(f"Left out, since the roster has no or no single row for them: {listed}.")
    return list(export.roster.columns), {s: list(row.values()) for s, row in rows.items()}


# ----------------------------------------------------------------------------------------------- learning platforms


def canvas(export: Export) -> None:
    """The gradebook's import format: who, then a column an assignment, and a row that says the points possible.

    As Canvas's own importer reads it: the identity columns end with Section, `ID`, `SIS User ID`, `SIS Login ID` or
    the name finds the student, and `Title (123)` or the title finds the assignment.
    """
    columns = ["Student", "ID", "SIS User ID", "SIS Login ID", "Section"]
    head, people = _people(export, columns, ("Student", "SIS Login ID"))
    if not head or head[-1] != "Section":
        raise ExportError("Canvas needs the columns of its own export, Student to Section: give that file as roster")
    known = {re.sub(r"\s*\(\d+\)$", "", name): name for name in (export.roster.others if export.roster else ())}
    titles = [known.get(exercise.title, exercise.title) for exercise in export.exercises]
    possible = ["    Points Possible", *[""] * (len(head) - 1), *(number(export.out_of(e)) for e in export.exercises)]
    cells = export.cells()
    rows = [[*who, *(score(cells.get((s, e.id))) for e in export.exercises)] for s, who in people.items()]
    _write_csv(export.to, [[*head, *titles], possible], rows)
    _say_open(export)


def moodle(export: Export) -> None:
    """Moodle's grade import: who, then for each exercise its points and the feedback on it.

    Both columns of an exercise are to be mapped: an import of feedback alone empties the grades.
    """
    head, people = _people(export, ["username"], ("username",))
    titles = [title for e in export.exercises for title in (e.title, f"{e.title} (feedback)")]
    cells = export.cells()
    rows = []
    for student, who in people.items():
        own = [cells.get((student, e.id)) for e in export.exercises]
        rows.append([*who, *(value for one in own for value in (score(one), feedback(one) if score(one) else ""))])
    _write_csv(export.to, [[*head, *titles]], rows)
    _say_open(export)


def feedback(one: Graded | None) -> str:
    """What Moodle shows beside a grade, which it takes for HTML: so it is escaped here."""
    if one is None:
        return ""
    lines = [one.problem] if one.state != "graded" else []
    for v in one.verdicts:
        if one.state == "graded":
            lines.append(f"{v.question}: {number(v.points)} of {number(v.out_of)}. {'' if v.passed else v.message}")
        mark = one.mark(v.question)
        if mark and mark.comment and mark.comment != v.message:
            lines.append(mark.comment)
    return "<br>".join(str(escape(plain(line.strip()))) for line in (*lines, *one.adjustments))


def _say_open(export: Export) -> None:
    waiting = sum(any(v.status is Status.UNMARKED for v in one.verdicts) for one in export.graded)
    failed = sum(one.state == "not run" for one in export.graded)
    if waiting:
        export.said.append(f"{waiting} submissions wait for a person (`coursework review`): their cells are empty.")
    if failed:
        export.said.append(
            f"{failed} submissions could not be run: their cells are empty. Run `coursework grade` again."
        )


def _write_csv(path: Path, heads: Sequence[Sequence[str]], rows: Iterable[Sequence[str]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerows(heads)
        writer.writerows([cell(value) for value in row] for row in rows)


# ------------------------------------------------------------------------------------------------------- Gradescope


def gradescope(export: Export) -> None:
    """`<student>/<exercise>/results.json`, as an autograder writes it for Gradescope to show."""
    for one in export.graded:
        path = export.to / file_name(one.student) / exercise_key(one.exercise) / "results.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(results(one), indent=1, ensure_ascii=False), encoding="utf-8")


def results(one: Graded) -> dict[str, Any]:
    """One submission in Gradescope's output format. Shown as text, and to students once the grades are published."""
    tests = []
    for i, v in enumerate(one.verdicts, 1):
        points, out_of = one.counted(v)
        tests.append(
            {
                "name": v.question,
                "number": str(i),
                "score": round(points, 4),
                "max_score": round(out_of, 4),
                "status": "passed" if v.passed else "failed",
                "output": told(one, v),
                "output_format": "text",
                "visibility": "after_published",
            }
        )
    said = [one.problem, *one.notes, *one.adjustments]
    return {
        "score": round(one.points, 4),
        "execution_time": round(one.seconds, 1),
        "output": "\n".join(plain(text) for text in said if text),
        "output_format": "text",
        "visibility": "after_published",
        "stdout_visibility": "hidden",
        "extra_data": {"exercise": one.exercise},
        "tests": tests,
    }


def told(one: Graded, verdict: Verdict) -> str:
    """What the student's page says of one answer, as plain text."""
    lines = [verdict.message]
    if verdict.status in (Status.WRONG, Status.ERROR):
        lines += [f"Called: {verdict.call}"] if "(" in verdict.call else []
        lines += [f"Expected: {verdict.expected}"] if verdict.expected else []
        lines += [f"Got: {verdict.got}"] if verdict.got and verdict.got not in verdict.message else []
    mark = one.mark(verdict.question)
    if mark and mark.comment and mark.comment != verdict.message:
        lines.append(mark.comment)
    return "\n".join(plain(line) for line in lines if line)


# ------------------------------------------------------------------------------------------------------------- data


def rows_csv(export: Export) -> None:
    """One row a question, as the report's grades.csv."""
    write_rows(export.to, as_rows(export.graded))


def parquet(export: Export) -> None:
    """One row a question, typed, for pandas, Polars, DuckDB or Spark."""
    try:
        import pyarrow as pa
        from pyarrow import parquet as pq
    except ImportError:
        raise ExportError("Parquet needs pyarrow: `pip install 'machine-learning-engineer[grading]'`") from None
    text, real = pa.string(), pa.float64()
    schema = pa.schema(
        [
            *((name, text) for name in ("student", "exercise", "question", "status")),
            *((name, real) for name in ("points", "out_of", "automatic_points")),
            *((name, text) for name in ("mistake", "message", "comment", "marked_by", "state", "attempt")),
            ("handed_in", pa.timestamp("us", tz="UTC")),
            ("submission_seconds", real),
            ("seconds", real),
            ("file", text),
            *((name, pa.list_(text)) for name in ("flags", "adjustments")),
        ]
    )
    rows = []
    for one in export.graded:
        at = None if one.at is None else int(one.at * 1e6)
        about = {"state": one.state, "attempt": one.attempt, "handed_in": at, "submission_seconds": one.seconds}
        about |= {"flags": list(one.flags), "adjustments": list(one.adjustments)}
        rows += [_clean({**row, **about}) for row in as_rows([one])]
    pq.write_table(pa.Table.from_pylist(rows, schema=schema), export.to, compression="zstd")


def _clean(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row as Arrow takes it: text may hold half a surrogate pair."""
    return {key: plain(value) if isinstance(value, str) else value for key, value in row.items()}


def notebooks(export: Export) -> None:
    """The notebooks as they ran, with outputs and with the hidden parameters: for the instructor."""
    source = export.folder / "notebooks"
    if not source.is_dir():
        raise ExportError(f"{source}: no executed notebook was kept; `coursework grade --keep-notebooks` keeps them")
    shutil.copytree(source, export.to, dirs_exist_ok=True)
    export.said.append("They hold the hidden parameters: they are for you, not for students.")


@frozen
class Format:
    """One format: how it is written, and what its file or folder is called."""

    write: Callable[[Export], None]
    name: str


FORMATS = {
    "canvas": Format(canvas, "canvas.csv"),
    "moodle": Format(moodle, "moodle.csv"),
    "gradescope": Format(gradescope, "gradescope"),
    "csv": Format(rows_csv, "grades.csv"),
    "parquet": Format(parquet, "grades.parquet"),
    "notebooks": Format(notebooks, "notebooks"),
}


def write_export(
    format: str,
    graded: Sequence[Graded],
    exercises: Sequence[Exercise],
    folder: Path,
    to: Path | None = None,
    roster: Path | None = None,
) -> tuple[Path, list[str]]:
    """Write one format; returns where it stands and what there is to say about it.

    Raises:
        ExportError: it cannot be written, or there is no such format.
    """
    if format not in FORMATS:
        raise ExportError(f"no format is called {format!r}: there are {', '.join(FORMATS)}")
    target = to or folder / "export" / FORMATS[format].name
    people = read_roster(roster) if roster else None
    export = Export(graded, exercises, folder, target, people)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        FORMATS[format].write(export)
    except OSError as error:
        raise ExportError(f"{target} cannot be written: {error.strerror or error}") from None
    return target, export.said
