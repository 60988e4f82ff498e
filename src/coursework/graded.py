"""What grading knows of one submission: the verdicts, what a person changed, what the course's rules made of it.

Nouns only: `gradebook` keeps them, `policy` settles them, `report` shows them.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from typing import Any

from attrs import evolve, frozen

from coursework.model import Status, Verdict


class GradingError(Exception):
    """Grading cannot start or go on; the message says why and what to do."""


@frozen
class Mark:
    """What a person decided about one answer. The latest for a question counts; earlier ones are kept."""

    student: str
    exercise: str
    question: str
    #: None where the person only wrote a comment, or took their points back: the automatic points hold
    points: float | None
    comment: str
    by: str
    #: seconds since 1970
    at: float
    #: a digest of the file that the person looked at; "" where it is not known
    file: str = ""


@frozen
class Graded:
    """One submission with its verdicts."""

    student: str
    exercise: str
    file: str
    #: graded | unreadable | missing | not run (the grader failed, not the submission)
    state: str
    #: what counts: the judge's, or a person's where there is a mark
    verdicts: tuple[Verdict, ...]
    #: why it is unreadable, in words
    problem: str = ""
    #: what was repaired
    notes: tuple[str, ...] = ()
    #: what a person should look at; for the instructor only, since a flag may name another student
    flags: tuple[str, ...] = ()
    seconds: float = 0.0
    #: which of several attempts; "" where there is only one place to hand in
    attempt: str = ""
    #: when it was handed in, in seconds since 1970, where that is known
    at: float | None = None
    #: by question, what a person decided
    marks: tuple[Mark, ...] = ()
    #: what the judge said of the questions that `marks` gave points to
    automatic: tuple[Verdict, ...] = ()
    #: the share of the points that is left after a late penalty
    scale: float = 1.0
    #: questions that do not count, and questions that only add
    dropped: tuple[str, ...] = ()
    extra: tuple[str, ...] = ()
    #: what the policy did, in words for the student
    adjustments: tuple[str, ...] = ()

    def counted(self, verdict: Verdict) -> tuple[float, float]:
        """What one answer adds to the points, and to what they are out of."""
        if verdict.question in self.dropped:
            return 0.0, 0.0
        return round(verdict.points * self.scale, 6), 0.0 if verdict.question in self.extra else verdict.out_of

    @property
    def points(self) -> float:
        return sum(self.counted(v)[0] for v in self.verdicts)

    @property
    def out_of(self) -> float:
        return sum(self.counted(v)[1] for v in self.verdicts)

    def mark(self, question: str) -> Mark | None:
        return next((mark for mark in self.marks if mark.question == question), None)

    def marked(self, marks: Iterable[Mark]) -> Graded:
        """This submission as it counts after what a person decided."""
        by_question = {mark.question: mark for mark in marks if any(v.question == mark.question for v in self.verdicts)}
        verdicts, automatic = [], []
        for verdict in self.verdicts:
            mark = by_question.get(verdict.question)
            if mark is None or mark.points is None:
                verdicts.append(verdict)
                continue
            automatic.append(verdict)
            status = Status.PASSED if mark.points >= verdict.out_of else Status.WRONG
            # The recognised mistake stays where the person leaves points off and says nothing of their own.
            message = mark.comment or (verdict.message if status is Status.WRONG else "")
            mistake = verdict.mistake if message == verdict.message else None
            verdicts.append(verdict.but(status=status, points=mark.points, message=message, mistake=mistake))
        return evolve(self, verdicts=tuple(verdicts), marks=tuple(by_question.values()), automatic=tuple(automatic))


def file_name(text: str) -> str:
    """A name for a file or folder that stands for `text`: the text itself where that is safe, else with a hash."""
    safe = re.sub(r"[^A-Za-z0-9_.-]", "-", text).strip(".-")
    return safe if safe == text and len(text) <= 100 else f"{safe[:40]}-{hashlib.sha256(text.encode()).hexdigest()[:8]}"


def as_rows(graded: Iterable[Graded]) -> list[dict[str, Any]]:
    """One flat row a question, for CSV and Parquet; the points are those that count."""
    rows = []
    for one in graded:
        judged = {v.question: v.points for v in one.automatic}
        for v in one.verdicts:
            points, out_of = one.counted(v)
            mark = one.mark(v.question)
            row = {"student": one.student, "exercise": one.exercise, "question": v.question, "status": str(v.status)}
            row |= {"points": points, "out_of": out_of, "mistake": v.mistake, "message": v.message}
            row |= {"file": one.file, "flags": "; ".join(one.flags), "adjustments": "; ".join(one.adjustments)}
            row |= {"automatic_points": judged.get(v.question, v.points), "comment": mark.comment if mark else ""}
            rows.append(row | {"marked_by": mark.by if mark else "", "seconds": v.seconds})
    return rows
