"""What comes out of grading: a class page, a page a student, and a CSV, all static and self-contained.

Everything that a submission produced is text here: it is escaped, and no page holds a script.
"""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jinja2
from attrs import frozen
from markupsafe import Markup, escape

from coursework.gradebook import Graded, as_rows
from coursework.model import Exercise, Status, Verdict

#: A letter for each status: what a cell of the class page shows beside its colour.
SHORT = {
    Status.PASSED: "✓",
    Status.WRONG: "✗",
    Status.BLANK: "·",
    Status.ERROR: "E",
    Status.TIMEOUT: "T",
    Status.CRASHED: "K",
    Status.OUT_OF_BOUNDS: "O",
    Status.UNMARKED: "?",
}
MEANING = {
    Status.PASSED: "right",
    Status.WRONG: "wrong",
    Status.BLANK: "not answered",
    Status.ERROR: "raised an error or does not run",
    Status.TIMEOUT: "ran out of time",
    Status.CRASHED: "ended the kernel",
    Status.OUT_OF_BOUNDS: "used what was out of bounds",
    Status.UNMARKED: "waits for a person",
}
PARTLY = ("◐", "partly", "wrong, with part of the points")
LEGEND = [
    *((SHORT[status], status.name.lower(), words) for status, words in MEANING.items()),
    ("–", "missing", "not handed in"),
    ("!", "unreadable", "handed in, and could not be graded"),
]
LEGEND.insert(1, PARTLY)


@frozen
class QuestionSummary:
    """One question over the class."""

    exercise: str
    question: str
    out_of: float
    passed: float
    discrimination: float | None
    mistakes: list[tuple[str, int]]


def summaries(graded: Sequence[Graded]) -> list[QuestionSummary]:
    """Share who passed, discrimination (correlation with the rest of the exercise), mistakes by frequency."""
    found = []
    by_exercise: dict[str, list[Graded]] = {}
    for one in graded:
        by_exercise.setdefault(one.exercise, []).append(one)
    for exercise, group in by_exercise.items():
        handed_in = [one for one in group if one.state == "graded"]
        for question, out_of in {v.question: v.out_of for one in group for v in one.verdicts}.items():
            # By name: an exercise may have got a question since some of these were graded.
            answered = [(one, v) for one in handed_in for v in one.verdicts if v.question == question]
            verdicts = [v for _, v in answered]
            own = [v.points for v in verdicts]
            rest = [one.points - v.points for one, v in answered]
            mistakes = Counter(v.message for v in verdicts if v.mistake)
            share = sum(v.passed for v in verdicts) / len(verdicts) if verdicts else 0.0
            found.append(
                QuestionSummary(exercise, question, out_of, share, _correlation(own, rest), mistakes.most_common(5))
            )
    return found


def _correlation(x: Sequence[float], y: Sequence[float]) -> float | None:
    """Pearson's; None where either does not vary."""
    import statistics

    if len(x) < 3 or len(set(x)) < 2 or len(set(y)) < 2:
        return None
    return statistics.correlation(x, y)


def marked(one: Graded, verdict: Verdict) -> tuple[str, str, str]:
    """How a question is shown: its mark, its CSS class, its words."""
    if one.state != "graded":
        return next(entry for entry in LEGEND if entry[1] == ("missing" if one.state == "missing" else "unreadable"))
    if verdict.status is Status.WRONG and verdict.points > 0:
        return PARTLY
    return SHORT[verdict.status], verdict.status.name.lower(), MEANING[verdict.status]


def prose(text: str) -> Markup:
    """A sentence, escaped; what stands in backticks is code."""
    return Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(plain(text)))))


def write_report(folder: Path, graded: Sequence[Graded], exercises: Sequence[Exercise]) -> Path:
    """Write `index.html`, `students/*.html` and `grades.csv` into `folder`; returns the class page."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("coursework"), autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True
    )
    environment.filters["points"] = lambda value: f"{value:g}"
    environment.filters["plain"] = plain
    environment.filters["prose"] = prose
    environment.globals.update(marked=marked, page=page_name, Status=Status, style=Markup(STYLE))
    students = sorted({one.student for one in graded})
    cells = {(one.student, one.exercise): one for one in graded}
    flagged = [one for one in graded if one.flags or one.state not in ("graded", "missing")]
    words: dict[str, Any] = {
        "students": students,
        "exercises": exercises,
        "cells": cells,
        "legend": LEGEND,
        "summaries": summaries(graded),
        "unmarked": sum(v.status is Status.UNMARKED for one in graded for v in one.verdicts),
        "flagged": flagged,
        "repaired": [one for one in graded if one.notes and one not in flagged],
        "missing": [one for one in graded if one.state == "missing" and not one.notes],
    }
    pages = folder / "students"
    pages.mkdir(parents=True, exist_ok=True)
    for old in pages.glob("*.html"):
        if old.stem not in {page_name(student) for student in students}:
            old.unlink()
    template = environment.get_template("student.html.j2")
    for student in students:
        own = [cells[student, e.id] for e in exercises if (student, e.id) in cells]
        text = template.render(words, student=student, own=own)
        (pages / f"{page_name(student)}.html").write_text(text, encoding="utf-8")
    with (folder / "grades.csv").open("w", newline="", encoding="utf-8") as stream:
        rows = as_rows(graded)
        fields = "student exercise question status points out_of mistake message file flags".split()
        writer = csv.DictWriter(stream, fields, extrasaction="ignore")
        writer.writeheader()
        writer.writerows({k: _cell(v) for k, v in row.items()} for row in rows)
    index = folder / "index.html"
    index.write_text(environment.get_template("class.html.j2").render(words), encoding="utf-8")
    return index


def page_name(student: str) -> str:
    """A file name for a student's page: their folder's name where that is safe, else with a hash."""
    import hashlib

    safe = re.sub(r"[^A-Za-z0-9_.-]", "-", student).strip(".-")
    return safe if safe == student else f"{safe[:40]}-{hashlib.sha256(student.encode()).hexdigest()[:8]}"


def plain(text: str) -> str:
    """Text without control characters."""
    return re.sub(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]", "�", text)


def _cell(value: Any) -> Any:
    """A CSV cell that a spreadsheet does not take for a formula."""
    text = plain(value) if isinstance(value, str) else value
    return f"'{text}" if isinstance(text, str) and text.lstrip()[:1] in ("=", "+", "-", "@") else text


STYLE = """
:root { color-scheme: light dark; --ink:#1f2933; --paper:#fff; --quiet:#52606d; --line:#d9e2ec; --head:#f5f7fa;
  --ok:#17692f; --bad:#9a4a06; --err:#b42318; --grey:#616b79; --info:#1d4ed8; }
@media (prefers-color-scheme: dark) { :root { --ink:#e4e7eb; --paper:#15191f; --quiet:#9aa5b1; --line:#323f4b;
  --head:#1f2933; --ok:#6fcf97; --bad:#f2b84b; --err:#ff8a80; --grey:#9aa5b1; --info:#90b4ff; } }
body { font:16px/1.5 system-ui, sans-serif; color:var(--ink); background:var(--paper); margin:2rem auto;
  max-width:56rem; padding:0 1rem; }
.handed-in { white-space:pre-wrap; border-left:2px solid var(--line); margin:.4rem 0; padding-left:1rem; }
body.class { max-width:80rem }
h1 { font-size:1.6rem } h2 { font-size:1.25rem; margin:2.5rem 0 .6rem } h3 { font-size:1.05rem; margin:0 0 .2rem }
table { border-collapse:collapse; font-variant-numeric:tabular-nums } .wide { overflow-x:auto; position:relative }
caption { text-align:left; color:var(--quiet); padding-bottom:.3rem } summary { cursor:pointer }
th, td { border:1px solid var(--line); padding:.25rem .55rem; text-align:left; vertical-align:top }
thead th, tbody th[scope=rowgroup] { background:var(--head) } thead th { vertical-align:bottom }
td.n { text-align:right; white-space:nowrap } td.sum, th.sum { border-right:2px solid var(--quiet) }
.quiet { color:var(--quiet) } a { color:inherit }
.said { position:absolute; width:1px; height:1px; overflow:hidden; white-space:nowrap; clip-path:inset(50%) }
th.up { padding:.5rem .2rem } th.up span { writing-mode:vertical-rl; transform:rotate(180deg); font-weight:600 }
th.name { position:sticky; left:0; background:var(--paper); vertical-align:bottom }
thead th.name { background:var(--head) }
.marks tbody tr:hover > * { background:var(--head) }
.legend { list-style:none; padding:0; display:flex; flex-wrap:wrap; gap:.2rem 1.2rem }
.s { --hue:var(--grey); display:inline-block; position:relative; min-width:1.5em; text-align:center;
  font-weight:700; color:var(--hue);
  background:color-mix(in srgb, var(--hue) 14%, transparent) }
td.s { display:table-cell; padding:.25rem .2rem }
.passed { --hue:var(--ok) } .wrong, .partly { --hue:var(--bad) } .unmarked { --hue:var(--info) }
.error, .timeout, .crashed, .out_of_bounds, .unreadable { --hue:var(--err) } .blank, .missing { --hue:var(--grey) }
b.unmarked { color:var(--hue) } .s.blank, .s.missing { background:none }
.box { border-left:4px solid var(--hue, var(--line)); padding:.3rem 1rem; margin:1rem 0 }
dl { display:grid; grid-template-columns:9rem 1fr; gap:.15rem .8rem; margin:.3rem 0 } dt { font-weight:600 }
dd { margin:0; overflow-wrap:anywhere } code { font-size:.92em } .rubric { margin:.3rem 0 }
@media (max-width:36rem) { dl { grid-template-columns:1fr } dd { margin-bottom:.3rem } }
.share { white-space:nowrap } .track { display:inline-block; width:6rem; height:.7em; background:var(--line) }
.bar { display:block; height:100%; background:var(--ok) }
@media print { details::details-content { content-visibility:visible } }
"""
