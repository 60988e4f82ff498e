"""A quiz whose every choice has its reason, and the sentences for one that has not."""

from __future__ import annotations

import re

import nbformat
import pytest

from coursework.quiz import faults, parse

CHOICE = "<details><summary>{}</summary>\n\n{}\n\n</details>\n"


def question(number: int, *reasons: str) -> str:
    return f"**{number}. What is $x$ in `f(x)`?**\n\n" + "".join(CHOICE.format(f"Choice {r[:1]}", r) for r in reasons)


GOOD = [question(i, "Yes: it is so: always.", "No: it is never so.") for i in (1, 2, 3)]


def lesson(*cells: str, kind: str = "markdown", tag: str = "quiz"):
    make = nbformat.v4.new_markdown_cell if kind == "markdown" else nbformat.v4.new_code_cell
    return nbformat.v4.new_notebook(cells=[make(cell, metadata={"tags": [tag]}) for cell in cells])


def test_questions_choices_and_reasons_are_read():
    found = parse("## Check yourself\n\n" + "\n".join(GOOD))
    assert [q.text for q in found] == ["What is $x$ in `f(x)`?"] * 3
    assert [(c.text, c.right, c.reason) for c in found[0].choices] == [
        ("Choice Y", True, "it is so: always."),
        ("Choice N", False, "it is never so."),
    ]


def test_a_good_quiz_has_no_faults():
    assert list(faults(lesson("\n".join(GOOD)))) == []


@pytest.mark.parametrize(
    ("notebook", "says"),
    [
        (lesson(), "0 Markdown cells tagged quiz"),
        (lesson("\n".join(GOOD), "\n".join(GOOD)), "2 Markdown cells"),
        (lesson("\n".join(GOOD), kind="code"), "Markdown"),
        (lesson("\n".join(GOOD[:2])), "2 questions"),
        (lesson("\n".join(GOOD * 2)), "6 questions"),
        (lesson("\n".join([*GOOD[:2], question(3, "Yes: it is so.")])), "1 choices"),
        (lesson("\n".join([*GOOD[:2], question(3, "No: it is not.", "No: nor is this.")])), "0 right choices"),
        (lesson("\n".join([*GOOD[:2], question(3, "Yes: so it is.", "Yes: this as well.")])), "2 right choices"),
        (lesson("\n".join([*GOOD[:2], question(3, "Yes: it is so.", "Perhaps: who knows that?")])), "no reason"),
        (lesson("\n".join([*GOOD[:2], question(3, "Yes: it is so.", "No: no.")])), "no reason"),
        (lesson("\n".join(GOOD).replace("</summary>\n\n", "</summary>\n", 1)), "blank line"),
    ],
)
def test_each_fault_is_named(notebook, says):
    assert re.search(re.escape(says), "\n".join(faults(notebook)))
