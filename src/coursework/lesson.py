"""What a lesson promises: its objectives, as the skills page lists them and the gate holds the exercise to.

Not for a lesson's quiz, which is in `coursework.quiz`.
"""

from __future__ import annotations

import re

from nbformat import NotebookNode

HEADING = "What you will be able to do"
ITEM = re.compile(r"^- (.+(?:\n  .+)*)", re.MULTILINE)


def objectives(lesson: NotebookNode) -> list[str]:
    """The items listed under `## What you will be able to do`, in order; none where there is no such section."""
    prose = "\n\n".join(cell.source for cell in lesson.cells if cell.cell_type == "markdown")
    section = re.search(rf"^## {HEADING}\n(.*?)(?=^## |\Z)", prose, re.MULTILINE | re.DOTALL)
    return [" ".join(item.split()) for item in ITEM.findall(section[1])] if section else []
