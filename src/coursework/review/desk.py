"""What lies on the desk of a person who marks: answers question by question, without names, in an order of its own.

It reads the gradebook and writes marks into it, each at once. It knows nothing of web pages.
"""

from __future__ import annotations

import hashlib
import re
import secrets
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from attrs import frozen

from coursework.gradebook import Gradebook
from coursework.graded import Graded, Mark
from coursework.model import Exercise, Question, Status, Verdict
from coursework.report.summary import kind_of
from coursework.report.text import plain

#: A comment may be as long as this.
MAX_COMMENT = 20_000
HIDDEN = "▇▇▇"


class ReviewError(Exception):
    """What was asked for cannot be done; the message says why."""


@frozen
class Item:
    """One answer to be marked; its id tells nobody whose it is."""

    id: str
    number: int
    graded: Graded
    verdict: Verdict
    question: Question | None

    @property
    def mark(self) -> Mark | None:
        return self.graded.mark(self.verdict.question)

    @property
    def state(self) -> str:
        """waiting | marked | automatic"""
        if self.mark is not None and self.mark.points is not None:
            return "marked"
        return "waiting" if self.verdict.status is Status.UNMARKED else "automatic"

    @property
    def rubric(self) -> Sequence[tuple[str, float]]:
        return self.question.rubric if self.question else ()


class Desk:
    """Every method may be called from any thread."""

    def __init__(self, book: Path, exercises: Sequence[Exercise], by: str = "") -> None:
        self.path, self.by = book, by
        self.exercises = {exercise.id: exercise for exercise in exercises}
        self._lock = threading.Lock()
        self._graded: dict[tuple[str, str], Graded] = {}
        self._places: dict[str, tuple[str, str, str]] = {}
        #: how many marks were given since the desk was opened
        self.given = 0
        with Gradebook(book) as opened:
            salt = opened.setting("review salt") or secrets.token_hex(16)
            opened.keep_setting("review salt", salt)
        self._salt = salt
        self.refresh()

    def refresh(self) -> None:
        """Read the gradebook again: another process may have graded meanwhile."""
        with self._lock, Gradebook(self.path) as book:
            found = book.current()
            self._graded = {(one.student, one.exercise): one for one in found if one.exercise in self.exercises}
            self._places = {
                self._id(one.student, one.exercise, v.question): (one.student, one.exercise, v.question)
                for one in self._graded.values()
                for v in one.verdicts
            }

    def _id(self, student: str, exercise: str, question: str) -> str:
        """The same in every session, since it is salted with what the gradebook keeps; it also gives the order."""
        return hashlib.sha256("\0".join((self._salt, exercise, question, student)).encode()).hexdigest()[:20]

    # ------------------------------------------------------------------------------------------------ what is there

    def questions(self) -> list[dict[str, Any]]:
        """Every question, those that wait for a person first."""
        self.refresh()
        found = []
        for exercise in self.exercises.values():
            for question in exercise.questions.values():
                items = self.items(exercise.id, question.name, "all")
                if items:
                    states = [item.state for item in items]
                    about = {"exercise": exercise.id, "question": question.name, "title": exercise.title}
                    counts = {state: states.count(state) for state in ("waiting", "marked", "automatic")}
                    found.append({**about, "prose": question.kind == "prose", "points": question.points, **counts})
        return sorted(found, key=lambda q: (not q["prose"], not q["waiting"]))

    def items(
        self, exercise: str, question: str, which: str = "all", search: str = "", names: bool = False
    ) -> list[Item]:
        """The answers to one question, in an order that has nothing to do with names or points.

        Args:
            which: all | waiting | marked | automatic
            search: words that the answer, its comment or, with `names`, the student's name hold.
        """
        own = [
            (self._id(one.student, one.exercise, question), one, v)
            for one in self._graded.values()
            if one.exercise == exercise and one.state == "graded"
            for v in one.verdicts
            if v.question == question
        ]
        asked = self.exercises[exercise].questions.get(question) if exercise in self.exercises else None
        items = [Item(id, n, one, v, asked) for n, (id, one, v) in enumerate(sorted(own, key=lambda o: o[0]), 1)]
        words = search.casefold().split()
        return [
            item
            for item in items
            if which in ("all", item.state) and all(word in self._searched(item, names) for word in words)
        ]

    def _searched(self, item: Item, names: bool) -> str:
        comment = item.mark.comment if item.mark else ""
        name = item.graded.student if names else ""
        text = item.verdict.got if names else self._without_name(item, item.verdict.got)
        return "\n".join((name, text, item.verdict.message, comment, f"answer {item.number}")).casefold()

    def item(self, id: str) -> Item:
        try:
            _, exercise, question = self._places[id]
        except KeyError:
            raise ReviewError("there is no such answer: was the gradebook changed? Load the page again") from None
        for item in self.items(exercise, question):
            if item.id == id:
                return item
        raise ReviewError("this answer was not graded, so that there is nothing to mark")

    # --------------------------------------------------------------------------------------------------- as is shown

    def line(self, item: Item, names: bool) -> dict[str, Any]:
        """What a list shows of an answer."""
        kind = kind_of(item.graded, item.verdict)
        return {
            "id": item.id,
            "name": plain(item.graded.student) if names else f"Answer {item.number}",
            "state": item.state,
            "kind": kind.css,
            "words": kind.words,
            "points": item.verdict.points,
        }

    def page(self, item: Item, names: bool) -> dict[str, Any]:
        """All that is shown of an answer; text only, whatever it holds."""
        v, mark = item.verdict, item.mark
        judged = next((a for a in item.graded.automatic if a.question == v.question), v)
        ticks, comment = parse(mark.comment if mark else "", item.rubric)
        shown = plain if names else lambda text: plain(self._without_name(item, text))
        return {
            **self.line(item, names),
            "exercise": item.graded.exercise,
            "question": v.question,
            "asks": item.question.asks if item.question else v.expected,
            "prose": item.question is not None and item.question.kind == "prose",
            "out_of": v.out_of,
            "rubric": [{"criterion": text, "points": points} for text, points in item.rubric],
            "ticks": ticks,
            "comment": comment,
            "by_hand": mark.points if mark else None,
            "by": mark.by if mark else "",
            "text": shown(v.got),
            "call": shown(v.call),
            "automatic": {
                "words": kind_of(item.graded, judged).words,
                "message": shown(judged.message),
                "points": None if judged.status is Status.UNMARKED else judged.points,
            },
            "flags": [plain(flag) for flag in item.graded.flags if names and flag.startswith(f"{v.question}:")],
        }

    @staticmethod
    def _without_name(item: Item, text: str) -> str:
        """Text in which the student does not name themself."""
        parts = [part for part in re.split(r"[\W\d_]+", item.graded.student) if len(part) > 2]
        if not parts:
            return text
        return re.sub(rf"\b({'|'.join(map(re.escape, parts))})\b", HIDDEN, text, flags=re.I)

    # -------------------------------------------------------------------------------------------------------- marks

    def give(self, id: str, points: float | None, ticks: Sequence[bool] | None = None, comment: str = "") -> Item:
        """Mark an answer, or with neither points nor words take the mark back; it is kept when this returns.

        Raises:
            ReviewError, GradebookError: it cannot be kept; nothing is changed.
        """
        item = self.item(id)
        student, exercise, question = self._places[id]
        if len(comment) > MAX_COMMENT:
            raise ReviewError(f"the comment is longer than {MAX_COMMENT:,} characters")
        if ticks is not None and len(ticks) != len(item.rubric):
            raise ReviewError("the rubric has changed: load the page again")
        words = compose(ticks, comment, item.rubric)
        with self._lock, Gradebook(self.path) as book:
            book.set_mark(student, exercise, question, points, words, by=self.by)
            for one in book.current(student, exercise):
                self._graded[one.student, one.exercise] = one
            self.given += 1
        return self.item(id)


# ---------------------------------------------------------------------------- a rubric's ticks within a comment


def compose(ticks: Sequence[bool] | None, comment: str, rubric: Sequence[tuple[str, float]]) -> str:
    """A comment that says first which criteria are met: a student reads it as it is."""
    comment = comment.strip()
    if not ticks or not any(ticks):
        return comment
    lines = [f"{'✓' if met else '✗'} {text}" for met, (text, _) in zip(ticks, rubric, strict=True)]
    return "\n".join([*lines, *(["", comment] if comment else [])])


def parse(comment: str, rubric: Sequence[tuple[str, float]]) -> tuple[list[bool], str]:
    """The ticks and the rest of a comment that `compose` made; no ticks where it did not."""
    lines = comment.split("\n")
    heads, rest = lines[: len(rubric)], lines[len(rubric) :]
    texts = [text for text, _ in rubric]
    if rubric and [line[2:] for line in heads] == texts and all(line[:2] in ("✓ ", "✗ ") for line in heads):
        return [line[0] == "✓" for line in heads], "\n".join(rest).strip()
    return [False] * len(rubric), comment


def read_mark(data: Mapping[str, Any]) -> tuple[str, float | None, list[bool] | None, str]:
    """A mark as a page sends it.

    Raises:
        ReviewError: it is not one.
    """
    id, points, ticks, comment = (data.get(name) for name in ("id", "points", "ticks", "comment"))
    number = points is None or (isinstance(points, int | float) and not isinstance(points, bool))
    listed = ticks is None or (isinstance(ticks, list) and all(isinstance(tick, bool) for tick in ticks))
    if not (isinstance(id, str) and number and listed and isinstance(comment, str)):
        raise ReviewError("this is no mark: it needs an id, points or null, ticks or null, and a comment")
    return id, None if points is None else float(points), ticks, comment
