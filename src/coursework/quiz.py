"""The quiz of a lesson: one Markdown cell whose every choice is a `<details>` with its reason.

Without a script the choices unfold by mouse, keyboard and screen reader, in JupyterLab and on the site alike.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from attrs import frozen

from coursework.notebook import NotebookNode, tags

QUESTION = re.compile(r"^\*\*(\d+)\. (.+?)\*\*$", re.M)
CHOICE = re.compile(r"<details><summary>(.+?)</summary>\s*\n\n(.*?)\n\n</details>", re.S)


@frozen
class Choice:
    text: str
    right: bool
    reason: str


@frozen
class QuizQuestion:
    text: str
    choices: tuple[Choice, ...]


def parse(source: str) -> list[QuizQuestion]:
    """The questions of a quiz cell; a reason starts with `Yes:` or `No:`."""
    heads = list(QUESTION.finditer(source))
    ends = [head.start() for head in heads[1:]] + [len(source)]
    questions = []
    for head, end in zip(heads, ends, strict=True):
        choices = []
        for match in CHOICE.finditer(source, head.end(), end):
            verdict, _, reason = match.group(2).strip().partition(":")
            if verdict not in ("Yes", "No"):
                reason = ""
            choices.append(Choice(match.group(1).strip(), verdict == "Yes", reason.strip()))
        questions.append(QuizQuestion(head.group(2), tuple(choices)))
    return questions


def faults(lesson: NotebookNode) -> Iterator[str]:
    """What is wrong with a lesson's quiz, in sentences."""
    cells = [cell for cell in lesson.cells if "quiz" in tags(cell)]
    if len(cells) != 1 or cells[0].cell_type != "markdown":
        yield f"it has {len(cells)} Markdown cells tagged quiz; it needs one"
        return
    source = cells[0].source
    questions = parse(source)
    if not 3 <= len(questions) <= 5:
        yield f"the quiz has {len(questions)} questions (lines `**1. Question?**`); it needs 3 to 5"
    if source.count("<details>") != sum(len(q.choices) for q in questions):
        yield "a <details> of the quiz is not `<details><summary>choice</summary>`, blank line, reason, blank line"
    for question in questions:
        right = sum(choice.right for choice in question.choices)
        if len(question.choices) < 2:
            yield f"the quiz question {question.text!r} has {len(question.choices)} choices; give at least 2"
        elif right != 1:
            yield f"the quiz question {question.text!r} has {right} right choices (`Yes:`); it needs exactly one"
        for choice in question.choices:
            if len(choice.reason.split()) < 3:
                yield f"the quiz choice {choice.text!r} has no reason that starts with `Yes:` or `No:`"
