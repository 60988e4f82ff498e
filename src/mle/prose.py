"""Sentences whose numbers are computed: prose in a lesson that cannot drift from the code.

Not for headings or plain text, which belong in Markdown cells.
"""

from __future__ import annotations

from textwrap import dedent

from IPython.display import Markdown, display


def say(markdown: str) -> None:
    """Display Markdown text, typically an f-string that holds computed numbers.

    Lessons tag such a cell `remove-input`: the site prints the sentence alone, and the notebook's test
    compares its every digit.
    """
    display(Markdown(dedent(markdown).strip()))
