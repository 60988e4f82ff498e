"""The class page and a page a student: static HTML, each one file that asks nobody for anything.

Everything that a submission produced is text here. Autoescape sees to that, and a content security policy in each
page sees to it again: it names by their hashes the one style sheet and the one script that may act.
"""

from __future__ import annotations

import base64
import csv
import hashlib
import os
import statistics
from collections import defaultdict
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import jinja2
import jinja2.bccache
from attrs import frozen
from markupsafe import Markup

from coursework.graded import Graded, as_rows, file_name
from coursework.model import Exercise, Status
from coursework.report import summary
from coursework.report.text import cell, plain, prose

#: Longer lists are folded.
FOLD = 12


@cache
def asset(name: str) -> Markup:
    """A style sheet or a script of ours, to stand in a page."""
    return Markup(files("coursework").joinpath("templates", name).read_text(encoding="utf-8"))


def policy(styles: Sequence[str], scripts: Sequence[str] = ()) -> str:
    """A content security policy under which exactly these texts may act as styles and as scripts, and no other."""

    def hashes(texts: Sequence[str]) -> str:
        digests = (base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in texts)
        return " ".join(f"'sha256-{digest}'" for digest in digests) or "'none'"

    may = f"style-src {hashes(styles)}; script-src {hashes(scripts)}"
    return f"default-src 'none'; {may}; base-uri 'none'; form-action 'none'"


class _Compiled(jinja2.FileSystemBytecodeCache):
    """Compiled templates, each for the options that it was compiled with: what escapes is part of the code."""

    def get_bucket(
        self, environment: jinja2.Environment, name: str, filename: str | None, source: str
    ) -> jinja2.bccache.Bucket:
        names = ("autoescape", "sandboxed", "optimized", "trim_blocks", "lstrip_blocks", "finalize", "undefined")
        options = [f"{option}={getattr(environment, option)!r}" for option in names]
        return super().get_bucket(environment, name, filename, "\0".join([*options, *environment.extensions, source]))


def _compiled() -> jinja2.BytecodeCache | None:
    """Where compiled templates are kept; None where there can be no such folder."""
    try:
        cache = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache", "coursework", "templates").expanduser()
        cache.mkdir(mode=0o700, parents=True, exist_ok=True)
    except (OSError, RuntimeError):
        return None
    return _Compiled(str(cache)) if os.access(cache, os.W_OK) else None


def environment() -> jinja2.Environment:
    """The template engine as every page here uses it."""
    made = jinja2.Environment(
        loader=jinja2.PackageLoader("coursework"),
        bytecode_cache=_compiled(),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters.update(
        points=number, plain=plain, prose=prose, percent=percent, seconds=duration, anchor=summary.exercise_key
    )
    made.globals.update(asset=asset, page=file_name, Status=Status, kind_of=summary.kind_of)
    return made


def number(value: float) -> str:
    """Points as a person writes them."""
    return f"{round(value, 2):g}"


def duration(seconds: float) -> str:
    return f"{seconds:.2f} s" if seconds < 0.995 else f"{seconds:.1f} s"


def percent(share: float) -> str:
    return f"{100 * share:.0f}\N{NARROW NO-BREAK SPACE}%"


# -------------------------------------------------------------------------------------------------- the class page


@frozen
class Cell:
    """One answer of one student, as the table shows it."""

    css: str
    words: str


@frozen
class Block:
    """One exercise of one student: its cells, and the points; None where the gradebook has nothing."""

    cells: tuple[Cell | None, ...]
    points: float | None


@frozen
class Row:
    student: str
    blocks: tuple[Block, ...]
    total: float
    flagged: bool


@frozen
class Column:
    """One exercise over the class."""

    exercise: Exercise
    out_of: float
    #: seconds that a submission took: the median and the slowest
    seconds: tuple[float, float] | None


def columns(graded: Sequence[Graded], exercises: Sequence[Exercise]) -> list[Column]:
    found = []
    for exercise in exercises:
        own = [one for one in graded if one.exercise == exercise.id]
        seconds = [one.seconds for one in own if one.state == "graded" and one.seconds]
        out_of = max((one.out_of for one in own), default=exercise.points)
        spent = (statistics.median(seconds), max(seconds)) if seconds else None
        found.append(Column(exercise, out_of, spent))
    return found


def rows(graded: Sequence[Graded], exercises: Sequence[Exercise]) -> list[Row]:
    """One row a student, sorted by name."""
    by_student: dict[str, dict[str, Graded]] = defaultdict(dict)
    for one in graded:
        by_student[one.student][one.exercise] = one
    made = []
    for student in sorted(by_student):
        own = by_student[student]
        blocks = tuple(_block(own.get(exercise.id), exercise) for exercise in exercises)
        flagged = any(one.flags or one.state not in ("graded", "missing") for one in own.values())
        made.append(Row(student, blocks, sum(block.points or 0 for block in blocks), flagged))
    return made


def _block(one: Graded | None, exercise: Exercise) -> Block:
    if one is None:
        return Block((None,) * len(exercise.questions), None)
    verdicts = {v.question: v for v in one.verdicts}
    cells = []
    for question in exercise.questions:
        verdict = verdicts.get(question)
        if verdict is None:
            cells.append(None)
            continue
        kind = summary.kind_of(one, verdict)
        words = f"{number(verdict.points)} of {number(verdict.out_of)}" if kind is summary.PARTLY else kind.words
        by_hand = (mark := one.mark(question)) is not None and mark.points is not None
        cells.append(Cell(f"{kind.css} d" if by_hand else kind.css, f"{words}, by hand" if by_hand else words))
    return Block(tuple(cells), one.points)


def class_words(graded: Sequence[Graded], exercises: Sequence[Exercise]) -> dict[str, Any]:
    """What the template of the class page is given."""
    head, body = columns(graded, exercises), rows(graded, exercises)
    possible = sum(column.out_of for column in head)
    found = summary.summaries(graded)
    return {
        "columns": head,
        "rows": body,
        "out_of": possible,
        "kinds": summary.KINDS,
        "summaries": found,
        "most_made": summary.most_made(found),
        "unexplained": sorted((u for s in found for u in s.unexplained), key=lambda u: -len(u.students))[:8],
        "spread": summary.Spread(tuple(row.total / possible for row in body) if possible else ()),
        "unmarked": sum(v.status is Status.UNMARKED for one in graded for v in one.verdicts),
        "by_hand": sum(mark.points is not None for one in graded for mark in one.marks),
        "flags": summary.flag_groups(graded),
        "stopped": summary.stopped_runs(graded),
        "repaired": [one for one in graded if one.notes],
        "missing": [one for one in graded if one.state == "missing" and not one.notes],
        "titles": {column.exercise.id: column.exercise.title for column in head},
        "fold": FOLD,
        "many": summary.MANY,
    }


# ---------------------------------------------------------------------------------------------------- writing them


def write_report(folder: Path, graded: Sequence[Graded], exercises: Sequence[Exercise]) -> Path:
    """Write `index.html`, `students/*.html` and `grades.csv` into `folder`; returns the class page."""
    made = environment()
    pages = folder / "students"
    pages.mkdir(parents=True, exist_ok=True)
    by_student: dict[str, dict[str, Graded]] = defaultdict(dict)
    for one in graded:
        by_student[one.student][one.exercise] = one
    keep = {f"{file_name(student)}.html" for student in by_student}
    for old in pages.glob("*.html"):
        if old.name not in keep:
            old.unlink()
    template = made.get_template("student.html.j2")
    words = {"policy": policy([asset("report.css")]), "by_id": {e.id: e for e in exercises}}
    for student, own in by_student.items():
        text = template.render(words, student=student, own=[own[e.id] for e in exercises if e.id in own])
        (pages / f"{file_name(student)}.html").write_text(text, encoding="utf-8")
    write_rows(folder / "grades.csv", as_rows(graded))
    index = folder / "index.html"
    may = policy([asset("report.css")], [asset("class.js")])
    page = made.get_template("class.html.j2").render(class_words(graded, exercises), policy=may)
    index.write_text(page, encoding="utf-8")
    return index


#: The columns of grades.csv; what `as_rows` has beside them is for Parquet.
FIELDS = """student exercise question status points out_of mistake message file flags automatic_points comment
marked_by adjustments seconds""".split()


def write_rows(path: Path, found: Sequence[Mapping[str, Any]]) -> None:
    """One row a question, as a CSV that a spreadsheet opens without running anything in it."""
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, FIELDS, extrasaction="ignore")
        writer.writeheader()
        writer.writerows({key: cell(value) for key, value in row.items()} for row in found)
