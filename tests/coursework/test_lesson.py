"""A lesson's objectives are found as they are written, and a lesson without any is objected to."""

from __future__ import annotations

from nbformat.v4 import new_markdown_cell, new_notebook

from coursework.gate import _unchecked
from coursework.lesson import objectives
from coursework.model import Exercise

TEXT = """## What you will be able to do

In a while:

- count
  to three;
- stop.

You need nothing.

## Next

- not an objective
"""


def test_objectives_are_the_items_of_their_section_alone():
    lesson = new_notebook(cells=[new_markdown_cell("- a list before"), new_markdown_cell(TEXT)])
    assert objectives(lesson) == ["count to three;", "stop."]


def test_objectives_may_end_with_the_lesson():
    assert objectives(new_notebook(cells=[new_markdown_cell(TEXT.partition("## Next")[0])])) == [
        "count to three;",
        "stop.",
    ]


def test_a_lesson_without_objectives_is_objected_to():
    exercise = Exercise("demo/none", title="T", minutes=1, parameters=[])
    assert objectives(new_notebook(cells=[new_markdown_cell("# T")])) == []
    assert list(_unchecked("notebooks/demo/none.ipynb", [], exercise)) == [
        "notebooks/demo/none.ipynb: it lists no objective under `## What you will be able to do`"
    ]
