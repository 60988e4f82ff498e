"""What a lesson promises and what it rests on: its objectives, and the sources that it names at its end.

Not for a lesson's quiz, which is in `coursework.quiz`.
"""

from __future__ import annotations

import re

from coursework.notebook import NotebookNode

ITEM = re.compile(r"^- (.+(?:\n  .+)*)", re.MULTILINE)


def objectives(lesson: NotebookNode) -> list[str]:
    """The items listed under `## What you will be able to do`, in order; none where there is no such section."""
    return _items(lesson, "What you will be able to do")


def sources(lesson: NotebookNode) -> list[str]:
    """The items listed under `## Where this comes from`, as Markdown."""
    return _items(lesson, "Where this comes from")


def _items(lesson: NotebookNode, heading: str) -> list[str]:
    prose = "\n\n".join(cell.source for cell in lesson.cells if cell.cell_type == "markdown")
    section = re.search(rf"^## {heading}\n(.*?)(?=^## |\Z)", prose, re.MULTILINE | re.DOTALL)
    return [" ".join(item.split()) for item in ITEM.findall(section[1])] if section else []
