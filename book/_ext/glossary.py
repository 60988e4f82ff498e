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
    """The term as running text has it: any case of its first letter, a plural, either apostrophe."""
    first, rest = term[0], re.escape(term[1:]).replace("'", "['’]").replace(r"\ ", r"\s+")
    return re.compile(rf"(?<![\w-])[{first.upper()}{first.lower()}]{rest}s?(?![\w-])")


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
        looked_for = pattern(term)
        for text in list(prose(doctree)):
            found = looked_for.search(text)
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
