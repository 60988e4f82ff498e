"""What this course adds to Jupyter Book: solutions folded below their exercise, quizzes, pages refused when broken.

It loads the modules beside it: the map, formulas, figures, the page around the text, search.
Not for the look of the site, which is in book/_theme, and not for running notebooks: pages show stored outputs.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import escape
from pathlib import Path
from typing import Any

from course_formulas import inline_mathml
from nbformat import NotebookNode
from nbformat.v4 import new_markdown_cell
from sphinx.application import Sphinx
from sphinx.util import logging

from coursework import notebook as nb
from coursework import quiz

logger = logging.getLogger(__name__)


# Notebook pages ------------------------------------------------------------------------------------------------------


def prepare_notebook(app: Sphinx, docname: str, source: list[str]) -> None:
    """On `source-read`: say what is wrong with a notebook, and turn what it stores into what its page shows."""
    if Path(app.env.doc2path(docname)).suffix != ".ipynb":
        return
    try:
        notebook = nb.parse(source[0])
    except nb.NotebookError as error:
        logger.warning("%s", error, location=docname)
        source[0] = '{"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}'
        return

    if docname.startswith("notebooks/"):
        for fault in quiz.faults(notebook):
            logger.warning("%s", fault, location=docname)
        unrun = [n for n, cell in enumerate(notebook.cells) if cell.get("execution_count", 0) is None]
        if unrun:
            logger.warning(
                "%d of its cells have not been executed, the first is cell %d: `coursework run` it",
                len(unrun),
                unrun[0],
                location=docname,
            )
    for number, cell in enumerate(notebook.cells):
        for fault in faults_of(cell):
            logger.warning("cell %d: %s", number, fault, location=docname)
        if "quiz" in nb.tags(cell):
            cell.source = quiz_page(cell.source)
        for output in cell.get("outputs", []):
            without_scripts(output)

    if docname.startswith("exercises/"):
        solution = Path(app.srcdir, "solutions", f"{docname.removeprefix('exercises/')}.ipynb")
        app.env.note_dependency(str(solution))
        try:
            notebook.cells.extend(folded_solution(nb.read(solution)))
        except nb.NotebookError as error:
            logger.warning("its solution is missing from the page: %s: %s", solution.name, error, location=docname)

    app.env.temp_data["figures"] = [list(figures(cell)) for cell in notebook.cells]
    source[0] = nb.text_of(notebook)


def faults_of(cell: NotebookNode) -> Iterator[str]:
    """What keeps a cell off the site, in sentences that say the remedy."""
    for output in cell.get("outputs", []):
        if output.get("output_type") == "error":
            yield f"its stored output is an error, {output.get('ename')}: mend it and `coursework run` the notebook"
    if not all(alt for alt, _ in figures(cell)):
        yield 'a picture has no alt text: end the cell with `show(fig, alt="what is to be seen")`'


def figures(cell: NotebookNode) -> Iterator[tuple[str, int | None]]:
    """For each picture among a cell's outputs the alt text and the width that `mle.plot.show` left in its metadata."""
    for output in cell.get("outputs", []):
        for mime in output.get("data", {}):
            if mime.startswith("image/"):
                said = output.get("metadata", {}).get(mime, {})
                yield said.get("alt", "").strip(), said.get("width")


def without_scripts(output: NotebookNode) -> None:
    """An output that brings a script of its own, such as scikit-learn's diagram, is shown as its plain text."""
    data = output.get("data", {})
    if "text/plain" in data and "<script" in "".join(data.get("text/html", "")):
        del data["text/html"]


# Solutions -----------------------------------------------------------------------------------------------------------

QUESTION = re.compile(r"^##\s+(\d+\..*)$", re.MULTILINE)
MARKER = re.compile(rf"^[ \t]*(?:{nb.BEGIN}|{nb.END})[ \t]*\n?", re.MULTILINE)
STUB_NAME = re.compile(rf"^[ \t]*\w+[^\n=]*=[ \t]*\.\.\.[ \t]*\n(?=[ \t]*{nb.BEGIN})", re.MULTILINE)


def folded_solution(solution: NotebookNode) -> Iterator[NotebookNode]:
    """Cells for the end of an exercise's page: of each question the reference answer and why it is right, folded."""
    folds: dict[str, list[str]] = {}
    question = ""
    for cell in solution.cells:
        heading = QUESTION.search(cell.source) if cell.cell_type == "markdown" else None
        question = heading[1].strip() if heading else question
        if "answer" in nb.tags(cell):
            folds.setdefault(question, []).append(code_block(reference_answer(cell.source)))
        elif "solution-only" in nb.tags(cell):
            text = cell.source if cell.cell_type == "markdown" else code_block(cell.source)
            folds.setdefault(question, []).append(text)
    yield new_markdown_cell(
        "## Solution\n\nOne right answer to each question. Yours may differ and pass: the check decides.",
        id="solution",
    )
    for number, (question, parts) in enumerate(folds.items(), start=1):
        summary = f"<summary>{inline_html(question)}</summary>"
        text = f'<details class="solution">{summary}\n\n' + "\n\n".join(parts) + "\n\n</details>"
        yield new_markdown_cell(text, id=f"solution-{number}")


def reference_answer(code: str) -> str:
    """An answer cell without the markers, and without the line `name = ...` that only the stub needs."""
    return MARKER.sub("", STUB_NAME.sub("", code)).strip("\n")


def code_block(code: str) -> str:
    return f"````python\n{code}\n````"


# Quizzes -------------------------------------------------------------------------------------------------------------


def quiz_page(text: str) -> str:
    """The quiz as the page holds it: Markdown leaves a summary's formulas and code alone, so they are set here.

    Without scripts a choice is a button that folds out its reason; course.js keeps what was answered.
    """

    def choice(match: re.Match[str]) -> str:
        verdict, _, reason = match[2].strip().partition(":")
        kind = "right" if verdict == "Yes" else "wrong"
        summary = f"<summary>{inline_html(match[1])}</summary>"
        return f'<details class="quiz-choice {kind}">{summary}\n\n**{verdict}:**{reason}\n\n</details>'

    text = quiz.CHOICE.sub(choice, text)
    heads = list(quiz.QUESTION.finditer(text))
    ends = [head.start() for head in heads[1:]] + [len(text)]
    for head, end in reversed(list(zip(heads, ends, strict=True))):
        stop = text.rfind(CLOSED, head.start(), end) + len(CLOSED)
        if stop > head.start():
            box = f'<div class="quiz-question" data-question="{head[1]}">'
            text = f"{text[: head.start()]}{box}\n\n{text[head.start() : stop]}\n\n</div>\n{text[stop:]}"
    return text


CLOSED = "</details>"


def inline_html(text: str) -> str:
    """`code` and $formulas$ of one line as HTML; anything else stays as it is."""
    code = "<code>{}</code>"
    text = re.sub(r"`([^`]+)`", lambda found: code.format(escape(found[1])), text)
    return re.sub(r"(?<!\\)\$([^$]+)\$", lambda found: inline_mathml(found[1]), text)


# Tables --------------------------------------------------------------------------------------------------------------

TABLE = re.compile(r'<table class="[^"]*\bdocutils\b.*?</table>', re.S)
EMPTY_HEADING = re.compile(r"<th\b[^>]*>(?:\s|<p>|</p>)*</th>")
#: A heading that is a formula and nothing else, which tools that read pages aloud may take for an empty one.
FORMULA_HEADING = re.compile(r"<th\b([^>]*)>((?:\s|</?p>)*<math>(?:(?!</?th\b).)*</math>(?:\s|</?p>)*)</th>", re.S)


def named(heading: re.Match[str]) -> str:
    said = " ".join(re.sub("<[^>]+>", " ", heading[2]).split())
    formula = heading[2].replace("<math>", '<math aria-hidden="true">', 1)
    return f'<th{heading[1]}>{formula}<span class="said">{said}</span></th>'


def mend_tables(app: Sphinx, pagename: str, templatename: str, context: dict[str, Any], doctree: object) -> None:
    """On `html-page-context`: a wide table scrolls in a box, and its empty corner is no heading for a screen reader."""
    if "body" in context:
        body = EMPTY_HEADING.sub("<td></td>", context["body"])
        body = FORMULA_HEADING.sub(named, body)
        context["body"] = TABLE.sub(r'<div class="table-box">\g<0></div>', body)


def setup(app: Sphinx) -> dict[str, bool]:
    for name in ("course_map", "course_formulas", "course_figures", "course_pages", "course_search"):
        app.setup_extension(name)
    app.connect("source-read", prepare_notebook)
    app.connect("html-page-context", mend_tables)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
