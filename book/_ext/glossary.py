"""Words of the glossary are links where a page uses them first.

Not for the glossary itself, which is prose: book/glossary.md.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx

ENTRY = re.compile(r"^(\S[^\n]*)\n  (.+)$", re.MULTILINE)
HOME = re.compile(r"\(\.\./(notebooks/\w+/\w+)\.ipynb\)\s*$")
#: What is no running prose, or is a link already.
APART = (nodes.title, nodes.reference, nodes.literal, nodes.literal_block, nodes.math, nodes.math_block, nodes.raw)


@cache
def terms(page: Path) -> list[tuple[str, str]]:
    """The glossary's terms, longest first, each with the page of the lesson that defines it."""
    text = page.read_text(encoding="utf-8").partition("```{glossary}\n")[2].partition("\n```")[0]
    found = [(term, (HOME.search(meaning) or [None, ""])[1]) for term, meaning in ENTRY.findall(text)]
    return sorted(found, key=lambda entry: -len(entry[0]))


def pattern(term: str) -> re.Pattern[str]:
    """The term as running text has it: any case of its first letter, a plural, either apostrophe.

    "To the power of two" and "powers of ten" are arithmetic and no test's power.
    """
    before, after = ("(?<!to the )", r"(?!s?\s+of\s+(?:two|ten)\b)") if term == "power" else ("", "")
    first, rest = term[0], re.escape(term[1:]).replace("'", "['’]").replace(r"\ ", r"\s+")
    return re.compile(rf"(?<![\w-]){before}[{first.upper()}{first.lower()}]{rest}{after}s?(?![\w-])")


def within(span: tuple[int, int], others: list[tuple[int, int]]) -> bool:
    """Whether a find is part of a longer term, as power is of power iteration."""
    return any(start <= span[0] and span[1] <= end for start, end in others)


def prose(doctree: nodes.document) -> Iterator[nodes.Text]:
    for text in doctree.findall(nodes.Text):
        node = text.parent
        while node is not None and not isinstance(node, (*APART, addnodes.pending_xref)):
            node = node.parent
        if node is None:
            yield text


def link_first_uses(app: Sphinx, doctree: nodes.document) -> None:
    """On `doctree-read`: of each lesson and exercise, the first use of a term becomes a link to its entry."""
    page = app.env.docname
    glossary = Path(app.srcdir, "book", "glossary.md")
    if not page.startswith(("notebooks/", "exercises/")) or not glossary.is_file():
        return
    app.env.note_dependency(str(glossary))
    for term, home in terms(glossary):
        if home == page:
            continue
        looked_for, longer = pattern(term), [pattern(other) for other, _ in terms(glossary) if term in other != term]
        for text in list(prose(doctree)):
            inside = [found.span() for each in longer for found in each.finditer(text)]
            found = next((f for f in looked_for.finditer(text) if not within(f.span(), inside)), None)
            if found:
                link = addnodes.pending_xref(
                    "", nodes.inline("", found[0], classes=["xref", "std", "std-term"]),
                    refdomain="std", reftype="term", reftarget=term, refexplicit=True, refwarn=True, refdoc=page,
                )  # fmt: skip
                pieces = [nodes.Text(found.string[: found.start()]), link, nodes.Text(found.string[found.end() :])]
                text.parent.replace(text, [piece for piece in pieces if piece.astext()])
                break


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("doctree-read", link_first_uses)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
