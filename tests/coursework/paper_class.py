"""A class on paper: graded submissions that no notebook was run for, some of them made to hurt whoever shows them."""

from __future__ import annotations

from pathlib import Path

from coursework import Exercise, Integer
from coursework.gradebook import Gradebook
from coursework.graded import Graded
from coursework.model import Status, Verdict

ID = "demo/stats"
EVIL = "<script>top.hacked=1</script><img src=x onerror=top.hacked=1>"
UNSEEN = "\x00\x07\x1b[31m\u202e\u2066\u200b\ufeff\x85"
RUBRIC = (("The advice comes first", 1), ("It names a cost", 2))


def exercise() -> Exercise:
    made = Exercise(ID, title="Averages & sums", minutes=5, parameters=[Integer("n", 1, 9)])
    for name in ("mean", "total"):
        made.question(
            name, kind="function", points=2, call=f"{name}(values)", asks="a number", hints=("Think.", "Share `it`.")
        )
    made.question("memo", kind="prose", points=3, asks="text", hints=("Write.",), rubric=RUBRIC)
    return made


def verdict(question: str, status: Status, points: float = 0.0, message: str = "", **more: str) -> Verdict:
    out_of = {"mean": 2.0, "total": 2.0, "memo": 3.0}[question]
    return Verdict(
        question, status, points, out_of, message, **{"call": f"{question}(values)", "expected": "a number", **more}
    )


def right(question: str) -> Verdict:
    return verdict(question, Status.PASSED, 2.0)


def memo(text: str) -> Verdict:
    return verdict("memo", Status.UNMARKED, 0.0, "Received, 9 words. A person marks it against the rubric.", got=text)


def graded(student: str, *verdicts: Verdict, state: str = "graded", problem: str = "", **more) -> Graded:
    return Graded(student, ID, "stats.ipynb", state, verdicts, problem, **more)


def total_only(student: str, text: str) -> Graded:
    mistake = verdict("mean", Status.WRONG, 0.5, "This is the `total`.", mistake="total_only", got="7")
    return graded(student, mistake, right("total"), memo(text), seconds=2.0)


def the_class() -> list[Graded]:
    out_of_time = verdict("total", Status.TIMEOUT, 0.0, "The answer ran out of time.")
    odd = verdict("total", Status.WRONG, 0.0, "7 is outside the tolerance.", got="7")
    blank = [verdict(name, Status.BLANK, 0.0, "There is no answer yet.") for name in ("mean", "total", "memo")]
    attack = verdict("mean", Status.ERROR, 0.0, f"The answer raised {EVIL}{UNSEEN}: ``{EVIL}``", got=EVIL + UNSEEN)
    return [
        graded("ada", right("mean"), right("total"), memo("Ada advises to ship it."), seconds=1.0),
        total_only("bea", "Wait."),
        total_only("cem", "I, Cem, say wait."),
        graded("dan", right("mean"), out_of_time, memo("Do nothing."), flags=("total: timeout",)),
        graded("eve", right("mean"), odd, memo("No."), flags=("total: the same code, names aside, as fay",)),
        graded("fay", right("mean"), odd, memo("No."), flags=("total: the same code, names aside, as eve",)),
        graded("gus", *blank, state="missing", problem="No notebook was handed in for this exercise."),
        graded("=cmd|x", *blank, state="unreadable", problem=f"It is {EVIL}."),
        graded(
            EVIL + UNSEEN, attack, right("total"), memo(EVIL + UNSEEN), flags=(f"mean: {EVIL}",), notes=(f"as {EVIL}",)
        ),
    ]  # fmt: skip


def write_book(folder: Path, units: list[Graded]) -> Path:
    path = folder / "gradebook.sqlite"
    with Gradebook(path) as book:
        for i, one in enumerate(units):
            book.keep(f"k{i}", one, {"file": f"f{i}"})
    return path
