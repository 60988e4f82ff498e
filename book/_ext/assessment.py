"""The self-assessment page: its questions from book/assessment.yml, the course's chapters beside them as data.

What it makes works without scripts, as questions with folded answers and the chapters that each speaks for. Not for the
reckoning of a track and a route, which book/assets/assessment.js does in the reader's browser and nowhere else.
"""

from __future__ import annotations

import hashlib
import json
import re
from html import escape
from pathlib import Path
from typing import Any

import course_map
import yaml
from docutils import nodes
from sphinx.application import Sphinx
from sphinx.errors import ExtensionError
from sphinx.util.docutils import SphinxDirective


def read_questions(srcdir: Path) -> list[dict[str, Any]]:
    """The questions, each with its place among the choices that is right.

    Raises:
        ExtensionError: a question is not well formed, or speaks for a chapter that there is not.
    """
    known = {chapter["id"] for part in read_parts(srcdir) for chapter in part["chapters"]}
    questions = yaml.safe_load((srcdir / "book" / "assessment.yml").read_text(encoding="utf-8"))
    for question in questions:
        where = f"book/assessment.yml: {question.get('asks', '?')!r}"
        right = [n for n, choice in enumerate(question["choices"]) if choice["says"].startswith("Yes:")]
        if len(right) != 1:
            raise ExtensionError(f"{where}: {len(right)} of its choices begin with `Yes:`; it needs exactly one")
        if not all(choice["says"].startswith(("Yes:", "No:")) for choice in question["choices"]):
            raise ExtensionError(f"{where}: each choice gives its reason, after `Yes:` or `No:`")
        if question["shows"] not in ("A", "B"):
            raise ExtensionError(f"{where}: shows is {question['shows']!r}; it must be A or B")
        missing = set(question["chapters"]) - known
        if missing:
            raise ExtensionError(f"{where}: book/curriculum.yml has no chapter {sorted(missing)[0]}")
        question["right"] = right[0]
        question["id"] = hashlib.sha256(question["asks"].encode()).hexdigest()[:8]
    return questions


def read_parts(srcdir: Path) -> list[dict[str, Any]]:
    """The parts of the course with their chapters; `url` is a lesson's page as seen from book/, where there is one."""
    parts = []
    for part in course_map.parts(srcdir):
        chapters = []
        for chapter in part.chapters:
            where = {"url": f"../{chapter.lesson}.html", "exercise": f"../{chapter.exercise}.html"}
            about = {"id": chapter.id, "title": chapter.title, "tracks": chapter.tracks}
            chapters.append({**about, **(where if chapter.stands else {})})
        parts.append({"title": part.title, "chapters": chapters})
    return parts


def inline(text: str) -> str:
    """One line of text with `code` as HTML; outside of code an apostrophe is one, as on every other page."""
    pieces = re.split(r"`([^`]+)`", text)
    pieces[::2] = [re.sub(r"(?<=\w)'", "’", piece) for piece in pieces[::2]]
    return "".join(f"<code>{escape(p)}</code>" if n % 2 else escape(p) for n, p in enumerate(pieces))


def as_html(questions: list[dict[str, Any]], parts: list[dict[str, Any]]) -> str:
    titles = {chapter["id"]: chapter["title"] for part in parts for chapter in part["chapters"]}
    data = {
        "parts": parts,
        "questions": [{key: question[key] for key in ("id", "chapters", "shows", "right")} for question in questions],
    }
    lines = ['<div class="assessment">', '<ol class="assessment-questions">']
    for question in questions:
        lines.append(f'<li id="ask-{question["id"]}"><p class="assessment-asks">{inline(question["asks"])}</p>')
        for choice in question["choices"]:
            verdict, _, reason = choice["says"].partition(":")
            lines.append(
                f"<details><summary>{inline(choice['text'])}</summary>"
                f"<p><strong>{verdict}:</strong>{inline(reason)}</p></details>"
            )
        speaks_for = ", ".join(titles[id] for id in question["chapters"])
        lines.append(f'<p class="assessment-for">Speaks for: {escape(speaks_for)}</p></li>')
    lines.append("</ol>")
    stored = json.dumps(data, ensure_ascii=False).replace("</", "<\\/")
    lines.append(f'<script type="application/json" class="assessment-data">{stored}</script></div>')
    return "\n".join(lines)


class SelfAssessment(SphinxDirective):
    """`{self-assessment}`: the questions of book/assessment.yml, and the place for what they say of the reader."""

    def run(self) -> list[nodes.Node]:
        srcdir = Path(self.env.srcdir)
        for name in ("book/assessment.yml", "book/curriculum.yml", "_toc.yml"):
            self.env.note_dependency(str(srcdir / name))
        self.env.metadata[self.env.docname]["assessment"] = True
        return [nodes.raw("", as_html(read_questions(srcdir), read_parts(srcdir)), format="html")]


def add_files(app: Sphinx, pagename: str, templatename: str, context: dict[str, Any], doctree: object) -> None:
    """On `html-page-context`: script and style for the one page that uses them."""
    if app.env.metadata.get(pagename, {}).get("assessment"):
        app.add_js_file("assessment.js", loading_method="defer")
        app.add_css_file("assessment.css")


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_directive("self-assessment", SelfAssessment)
    app.connect("html-page-context", add_files)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
