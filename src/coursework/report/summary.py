"""What a class's verdicts say together: difficulty, discrimination, the mistakes most made, what to look at.

Pure functions from graded submissions to numbers and lists; how they look is the pages' business.
"""

from __future__ import annotations

import re
import statistics
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence

from attrs import frozen

from coursework.graded import Graded
from coursework.model import Status, Verdict


@frozen
class Kind:
    """How an answer is shown: its mark, the CSS class, and words for whoever sees no marks."""

    mark: str
    css: str
    words: str


OF_STATUS = {
    Status.PASSED: Kind("✓", "p", "right"),
    Status.WRONG: Kind("✗", "w", "wrong"),
    Status.BLANK: Kind("·", "b", "not answered"),
    Status.ERROR: Kind("E", "e", "raised an error or does not run"),
    Status.TIMEOUT: Kind("T", "t", "ran out of time"),
    Status.CRASHED: Kind("K", "k", "ended the kernel"),
    Status.OUT_OF_BOUNDS: Kind("O", "o", "used what was out of bounds"),
    Status.UNMARKED: Kind("?", "u", "waits for a person"),
}
PARTLY = Kind("◐", "h", "part of the points")
MISSING = Kind("–", "m", "not handed in")
UNREADABLE = Kind("!", "x", "handed in, and could not be graded")
#: In the order of a legend, which is also the order from best to worst in which a column is sorted.
KINDS = [
    OF_STATUS[Status.PASSED], PARTLY, OF_STATUS[Status.UNMARKED], OF_STATUS[Status.WRONG], OF_STATUS[Status.ERROR],
    OF_STATUS[Status.OUT_OF_BOUNDS], OF_STATUS[Status.TIMEOUT], OF_STATUS[Status.CRASHED], OF_STATUS[Status.BLANK],
    UNREADABLE, MISSING,
]  # fmt: skip

#: Below these a question deserves a second look, provided that this many have answered it.
WEAK, MANY = 0.1, 10


def kind_of(one: Graded, verdict: Verdict) -> Kind:
    if one.state != "graded":
        return MISSING if one.state == "missing" else UNREADABLE
    if 0 < verdict.points < verdict.out_of and verdict.status in (Status.WRONG, Status.PASSED):
        return PARTLY
    return OF_STATUS[verdict.status]


@frozen
class Repeated:
    """Something that several students did alike, with who they are."""

    exercise: str
    question: str
    words: str
    students: tuple[str, ...]
    #: of how many who handed this exercise in
    among: int
    #: what came out, where it is not in the words
    got: str = ""

    @property
    def share(self) -> float:
        return len(self.students) / self.among if self.among else 0.0


@frozen
class QuestionSummary:
    """One question over all who handed its exercise in."""

    exercise: str
    question: str
    out_of: float
    answers: int
    #: share with full points; None, as all that follows from points, while an answer waits for a person
    right: float | None
    #: mean share of the points, the difficulty index of classical test theory
    earned: float | None
    discrimination: float | None
    #: how long its cells ran: the median, and the slowest; None where nobody's was measured
    seconds: tuple[float, float] | None
    #: how many of each kind, in the order of KINDS
    kinds: tuple[tuple[Kind, int], ...]
    mistakes: tuple[Repeated, ...]
    #: answers alike that are wrong in a way that no named mistake explains
    unexplained: tuple[Repeated, ...]

    @property
    def warning(self) -> str:
        """Why a teacher should read this question again, or nothing."""
        if self.answers < MANY:
            return ""
        if self.discrimination is not None and self.discrimination < 0:
            return "Whoever does well elsewhere does worse here: is the check right, and the prompt clear?"
        if self.discrimination is not None and self.discrimination < WEAK:
            return "Whoever does well elsewhere does no better here: it may measure something else."
        if self.earned is not None and self.earned < 0.2:
            return "Hardly anybody earns its points: was it taught?"
        return ""


def summaries(graded: Sequence[Graded]) -> list[QuestionSummary]:
    """One summary for every question, exercise by exercise."""
    by_exercise: dict[str, list[Graded]] = defaultdict(list)
    for one in graded:
        by_exercise[one.exercise].append(one)
    return [
        _summary(exercise, question, out_of, [one for one in group if one.state == "graded"])
        for exercise, group in by_exercise.items()
        for question, out_of in {v.question: v.out_of for one in group for v in one.verdicts}.items()
    ]


def _summary(exercise: str, question: str, out_of: float, group: Sequence[Graded]) -> QuestionSummary:
    # By name: an exercise may have got a question since some of these were graded.
    answered = [(one, v) for one in group for v in one.verdicts if v.question == question]
    # Whoever wrote no memo has 0 points at once, and whoever wrote one has none yet: their mean says nothing.
    waiting = {v.question for one in group for v in one.verdicts if v.status is Status.UNMARKED}
    judged = [] if question in waiting else answered
    own = [v.points for _, v in judged]
    rest = [sum(v.points for v in one.verdicts if v.question not in waiting | {question}) for one, _ in judged]
    spent = [v.seconds for _, v in answered if v.seconds is not None]
    counts = Counter(kind_of(one, v) for one, v in answered)
    return QuestionSummary(
        exercise,
        question,
        out_of,
        len(answered),
        sum(v.points >= v.out_of for _, v in judged) / len(judged) if judged else None,
        statistics.fmean(own) / out_of if own else None,
        correlation(own, rest),
        (statistics.median(spent), max(spent)) if spent else None,
        tuple((kind, counts[kind]) for kind in KINDS if counts[kind]),
        _repeated(exercise, question, ((one, v) for one, v in answered if v.mistake), len(answered)),
        tuple(
            same
            for same in _repeated(exercise, question, ((o, v) for o, v in answered if _unexplained(v)), len(answered))
            if len(same.students) > 1
        ),
    )


def correlation(x: Sequence[float], y: Sequence[float]) -> float | None:
    """Pearson's; None for fewer than three pairs or where either does not vary."""
    if len(x) < 3 or len(set(x)) < 2 or len(set(y)) < 2:
        return None
    return statistics.correlation(x, y)


def _unexplained(verdict: Verdict) -> bool:
    return verdict.status in (Status.WRONG, Status.ERROR) and not verdict.mistake


def _repeated(
    exercise: str, question: str, answers: Iterable[tuple[Graded, Verdict]], among: int
) -> tuple[Repeated, ...]:
    """Answers of which the same is said, the most frequent first."""
    alike: dict[tuple[str, str], list[str]] = defaultdict(list)
    for one, v in answers:
        alike[v.message, "" if v.mistake or v.got in v.message else v.got].append(one.student)
    found = [Repeated(exercise, question, words, tuple(who), among, got) for (words, got), who in alike.items()]
    return tuple(sorted(found, key=lambda same: -len(same.students)))


def most_made(found: Sequence[QuestionSummary], at_most: int = 8) -> list[Repeated]:
    """The mistakes of the whole class, by how many made them; those of one student alone only where there is room."""
    every = sorted((m for summary in found for m in summary.mistakes), key=lambda m: (-len(m.students), -m.share))
    return every[:at_most]


# ------------------------------------------------------------------------------------------------ what to look at


@frozen
class Flag:
    """One thing that a person should look at."""

    student: str
    exercise: str
    question: str
    words: str


@frozen
class FlagGroup:
    """Flags of one kind, with what to make of them."""

    title: str
    advice: str
    flags: tuple[Flag, ...]


#: (what a flag's words hold, the group's title, what to make of it). The first that fits.
GROUPS = (
    ("published parameters", "Right for the published parameters only", "A value is written in that should be "
     "computed. Often it is a constant copied out of the notebook's own output, and no dishonesty."),
    ("same code", "The same as another student's", "Short answers are often alike by themselves: compare the longest "
     "first, and talk before you deduct."),
    ("out of bounds", "Used what was out of bounds", "Not paid. The page of the student names what was used."),
    ("earlier file", "Marked by hand for an earlier file", "The mark still counts. Look whether it fits what was "
     "handed in since."),
)  # fmt: skip
#: Flags that the list of stopped runs says better.
STOPPED = ("timeout", "crashed")


def flag_groups(graded: Iterable[Graded]) -> list[FlagGroup]:
    """All flags but those of runs that were stopped, by kind."""
    found: dict[str, list[Flag]] = defaultdict(list)
    for one in graded:
        for text in one.flags:
            question, colon, words = text.partition(": ")
            if not colon:
                question, words = "", text
            if words.partition(", ")[0] in STOPPED or one.state == "not run":
                continue
            title = next((title for holds, title, _ in GROUPS if holds in words), "Other")
            found[title].append(Flag(one.student, one.exercise, question, words))
    advice = {title: said for _, title, said in GROUPS}
    order = [title for _, title, _ in GROUPS] + ["Other"]
    return [FlagGroup(title, advice.get(title, ""), tuple(found[title])) for title in order if title in found]


@frozen
class Stopped:
    """A run, or a part of it, that did not come to its end."""

    student: str
    exercise: str
    question: str
    why: str


def stopped_runs(graded: Iterable[Graded]) -> list[Stopped]:
    """Questions that ran out of time or ended their kernel, and submissions that could not be run at all."""
    found = []
    for one in graded:
        if one.state in ("unreadable", "not run"):
            found.append(Stopped(one.student, one.exercise, "", one.problem))
        for v in one.verdicts:
            if one.state == "graded" and v.status in (Status.TIMEOUT, Status.CRASHED):
                found.append(Stopped(one.student, one.exercise, v.question, v.message))
    return found


# ------------------------------------------------------------------------------------------------------ the class


@frozen
class Spread:
    """How the class's totals are spread, in shares of what can be earned."""

    shares: tuple[float, ...]

    @property
    def mean(self) -> float:
        return statistics.fmean(self.shares) if self.shares else 0.0

    @property
    def median(self) -> float:
        return statistics.median(self.shares) if self.shares else 0.0

    @property
    def bins(self) -> list[int]:
        """How many have at least 0, 10, ... 90 % and less than ten more; a full score counts to the last."""
        counts = [0] * 10
        for share in self.shares:
            counts[min(9, max(0, int(share * 10 + 1e-9)))] += 1
        return counts


def exercise_key(id: str) -> str:
    """An exercise's id as an anchor of a page."""
    return re.sub(r"\W+", "-", id)
