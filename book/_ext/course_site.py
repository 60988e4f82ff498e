"""What this course adds to Jupyter Book: solutions folded below their exercise, figures with alt text, a map, and pages
that are refused when they are broken.

Not for the look of the site, which is in book/assets, and not for running notebooks: pages show stored outputs.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from functools import cache
from html import escape
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import yaml
from docutils import nodes
from docutils.statemachine import StringList
from nbformat import NotebookNode
from nbformat.v4 import new_markdown_cell
from sphinx.application import Sphinx
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective

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

    app.env.temp_data["alt texts"] = [list(alt_texts(cell)) for cell in notebook.cells]
    source[0] = nb.text_of(notebook)


def faults_of(cell: NotebookNode) -> Iterator[str]:
    """What keeps a cell off the site, in sentences that say the remedy."""
    for output in cell.get("outputs", []):
        if output.get("output_type") == "error":
            yield f"its stored output is an error, {output.get('ename')}: mend it and `coursework run` the notebook"
    if not all(alt_texts(cell)):
        yield 'a picture has no alt text: end the cell with `show(fig, alt="what is to be seen")`'


def alt_texts(cell: NotebookNode) -> Iterator[str]:
    """For each picture among a cell's outputs the alt text that `mle.plot.show` left in the output's metadata."""
    for output in cell.get("outputs", []):
        for mime in output.get("data", {}):
            if mime.startswith("image/"):
                yield output.get("metadata", {}).get(mime, {}).get("alt", "").strip()


def set_alt_texts(app: Sphinx, doctree: nodes.document) -> None:
    """On `doctree-read`: MyST-NB keeps a cell's number on its node, but drops the alt text of its outputs."""
    alts = app.env.temp_data.get("alt texts", [])
    for cell in doctree.findall(lambda node: isinstance(node, nodes.container) and "cell_index" in node):
        pictures = [
            picture
            for output in cell.findall(nodes.container)
            if output.get("mime_type", "").startswith("image/")
            for picture in output.findall(nodes.image)
        ]
        for picture, alt in zip(pictures, alts[cell["cell_index"]], strict=False):
            picture["alt"] = alt


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
        text = f"::::::{{dropdown}} {question}\n" + "\n\n".join(parts) + "\n::::::"
        yield new_markdown_cell(text, id=f"solution-{number}")


def reference_answer(code: str) -> str:
    """An answer cell without the markers, and without the line `name = ...` that only the stub needs."""
    return MARKER.sub("", STUB_NAME.sub("", code)).strip("\n")


def code_block(code: str) -> str:
    return f"````python\n{code}\n````"


# Quizzes -------------------------------------------------------------------------------------------------------------


def quiz_page(text: str) -> str:
    """The quiz as the page holds it: Markdown leaves a summary's formulas and code alone, so they are set here."""

    def choice(match: re.Match[str]) -> str:
        verdict, _, reason = match[2].strip().partition(":")
        kind = "right" if verdict == "Yes" else "wrong"
        summary = f"<summary>{inline_html(match[1])}</summary>"
        return f'<details class="quiz-choice {kind}">{summary}\n\n**{verdict}:**{reason}\n\n</details>'

    return quiz.CHOICE.sub(choice, text)


def inline_html(text: str) -> str:
    """`code` and $formulas$ of one line as HTML, in the markup that Sphinx gives them; anything else stays as it is."""
    code = '<code class="docutils literal notranslate">{}</code>'
    text = re.sub(r"`([^`]+)`", lambda found: code.format(escape(found[1])), text)
    formula = r'<span class="math notranslate nohighlight">\({}\)</span>'
    return re.sub(r"(?<!\\)\$([^$]+)\$", lambda found: formula.format(escape(found[1])), text)


# The map -------------------------------------------------------------------------------------------------------------


@cache
def course_map(srcdir: Path) -> list[tuple[str, str, list[tuple[str, str, bool]]]]:
    """The parts as (slug, title, chapters), a chapter as (title or link to its lesson, tracks, whether it stands).

    A chapter stands when the table of contents names its lesson. Links are relative to book/.
    """
    toc = set(re.findall(r"notebooks/\w+/\w+", (srcdir / "_toc.yml").read_text(encoding="utf-8")))
    curriculum = yaml.safe_load((srcdir / "book" / "curriculum.yml").read_text(encoding="utf-8"))
    parts = []
    for part, entry in curriculum.items():
        chapters = []
        for slug, (title, tracks) in entry["chapters"].items():
            lesson = f"notebooks/{part}/{slug}"
            stands = lesson in toc
            chapters.append((f"[{title}](../{lesson}.ipynb)" if stands else title, tracks, stands))
        parts.append((part, entry["title"], chapters))
    return parts


def count_chapters(app: Sphinx, config: Any) -> None:
    """On `config-inited`: the numbers that prose pages use, as `{{ standing }}`, so that no page can be out of date."""
    words = "no one two three four five six seven eight nine ten eleven twelve".split()
    chapters = [chapter for _, _, chapters in course_map(Path(app.srcdir)) for chapter in chapters]
    standing = [link for link, _, stands in chapters if stands]
    number = words[len(standing)] if len(standing) < len(words) else str(len(standing))
    config.myst_substitutions = {
        **config.myst_substitutions,
        "chapters": str(len(chapters)),
        "standing": number,
        "Standing": number.capitalize(),
        "planned": str(len(chapters) - len(standing)),
        "standing_links": ", ".join(standing),
    }


class CourseMap(SphinxDirective):
    """`{course-map}`: every chapter by part, with its tracks; those that stand are links."""

    def run(self) -> list[nodes.Node]:
        badge = {"A": "[A]{.track .track-a}", "B": "[B]{.track .track-b}"}
        lines = []
        for number, (_, title, chapters) in enumerate(course_map(Path(self.env.srcdir)), start=1):
            lines += ["::::{div} course-part", f"**{number} · {title}**", ""]
            for chapter, tracks, stands in chapters:
                name = chapter if stands else f"[{chapter}]{{.planned}}"
                lines.append(f"- {name} " + " ".join(badge[track] for track in tracks))
            lines += ["::::", ""]
        box = nodes.container(classes=["course-map"])
        self.state.nested_parse(StringList(lines, source=self.env.docname), self.content_offset, box)
        return [box]


# The page around the text --------------------------------------------------------------------------------------------

# The parts of MathJax that a page may ask for: TeX in, HTML and its fonts out, and MathML for screen readers.
MATHJAX = [
    "startup.js",
    "core.js",
    "input/tex.js",
    "input/tex/extensions",
    "output/chtml.js",
    "output/chtml/fonts",
    "a11y/assistive-mml.js",
]


def copy_mathjax(app: Sphinx, exception: Exception | None) -> None:
    """On `build-finished`: put MathJax into the site, from the package django-static-mathjax (no Django in it)."""
    if exception or app.builder.format != "html":
        return
    package = find_spec("mathjax")
    if package is None or package.origin is None:
        logger.warning("MathJax is not installed: pip install -r requirements.txt")
        return
    origin = Path(package.origin).parent / "static" / "mathjax" / "es5"
    target = Path(app.outdir, "_static", "mathjax")
    for part in MATHJAX:
        (target / part).parent.mkdir(parents=True, exist_ok=True)
        if (origin / part).is_dir():
            shutil.copytree(origin / part, target / part, dirs_exist_ok=True)
        else:
            shutil.copy(origin / part, target / part)


EMPTY_HEADING = re.compile(r"<th\b[^>]*>(?:\s|<p>|</p>)*</th>")


def mend_tables(app: Sphinx, pagename: str, templatename: str, context: dict[str, Any], doctree: object) -> None:
    """On `html-page-context`: the empty corner of a table is no heading, which a screen reader would announce."""
    if "body" in context:
        context["body"] = EMPTY_HEADING.sub("<td></td>", context["body"])


def drop_unused(app: Sphinx, pagename: str, templatename: str, context: dict[str, Any], doctree: object) -> None:
    """On `html-page-context`: leave out what a page does not use.

    Jupyter Book always adds sphinx-thebe, which names a third party. Sphinx knows neither the formulas in a quiz's
    choices nor that the front page has none of those below it, so it is told to add MathJax always.
    """
    formulas = 'class="math' in context.get("body", "")

    def wanted(asset: Any) -> bool:
        text = f"{getattr(asset, 'filename', asset)} {getattr(asset, 'attributes', {}).get('body')}".lower()
        return "thebe" not in text and (formulas or "mathjax" not in text)

    for kind in ("script_files", "css_files"):
        context[kind] = [asset for asset in context.get(kind, []) if wanted(asset)]


def setup(app: Sphinx) -> dict[str, bool]:
    app.set_html_assets_policy("always")
    app.add_directive("course-map", CourseMap)
    app.connect("config-inited", count_chapters)
    app.connect("source-read", prepare_notebook)
    app.connect("doctree-read", set_alt_texts)
    app.connect("html-page-context", mend_tables)
    app.connect("html-page-context", drop_unused, priority=900)
    app.connect("build-finished", copy_mathjax)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
