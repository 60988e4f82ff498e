"""Formulas become MathML when the site is built, so that a page needs no script to show them.

Not for JupyterLab, which sets the same TeX with MathJax.
"""

from __future__ import annotations

import re
from html import escape
from typing import Any

from docutils import nodes
from math_core import LatexError, LatexToMathML
from sphinx.application import Sphinx
from sphinx.util import logging

logger = logging.getLogger(__name__)
TEX = LatexToMathML()


#: As high and deep as a line's digits: a root sign is no smaller, and over less it would hang below the line.
STRUT = '<mspace height=".75em" depth=".2em"></mspace>'


def mathml(tex: str, display: bool = False, location: Any = None) -> str:
    """One formula as MathML. What cannot be set is warned about, which fails the build, and shown as its TeX."""
    try:
        return TEX.convert_with_local_state(tex.strip(), displaystyle=display).replace("<msqrt>", f"<msqrt>{STRUT}")
    except LatexError as error:
        reason = str(error).splitlines()[0]
        logger.warning("the formula %r cannot be set as MathML: %s", tex.strip(), reason, location=location)
        return f"<code>{escape(tex)}</code>"


LONG = 8  # characters from which an inline formula may be wider than a phone with large letters; browsers break none


def inline_mathml(tex: str, location: Any = None) -> str:
    """A formula in a line of text; a long one scrolls where its line is too short for it."""
    formula = mathml(tex, location=location)
    long = len(re.sub("<[^>]+>", "", formula)) > LONG
    return f'<span class="long-formula">{formula}</span>' if long else formula


def inline(translator: Any, node: nodes.math) -> None:
    translator.body.append(inline_mathml(node.astext(), location=node))
    raise nodes.SkipNode


#: A formula, perhaps in its box, and the punctuation that follows it: a browser would break the line between them.
PUNCTUATED = re.compile(r"(<math>(?:(?!</?math).)*</math>)(</span>)?([.,;:?!)\]’”%]+)")


def kept(found: re.Match[str]) -> str:
    formula, box_ends, mark = found.groups()
    return f"{formula}{mark}</span>" if box_ends else f'<span class="unbroken">{formula}{mark}</span>'


#: What is no running text, or the space between a number and its per cent sign.
PER_CENT = re.compile(r"(<(pre|code)\b.*?</\2>|<[^>]*>)|(?<=\d) (?=%)", re.S)
#: A short word of code in which a browser would break a line, as behind the dashes of `--option`.
OPTION = re.compile(r'<span class="pre">(?=[^<]*[-/])(?=[^<]{1,16}</span>)')


def keep_together(app: Sphinx, pagename: str, templatename: str, context: dict[str, Any], doctree: object) -> None:
    """On `html-page-context`: no line starts with a formula's full stop, a per cent sign, or the rest of an option."""
    if '<span class="pre">' in context.get("body", ""):
        context["body"] = OPTION.sub('<span class="pre unbroken">', context["body"])
    if " %" in context.get("body", ""):
        context["body"] = PER_CENT.sub(lambda found: found[1] or "\N{NO-BREAK SPACE}", context["body"])
    if "<math" in context.get("body", ""):
        context["body"] = PUNCTUATED.sub(kept, context["body"])


def block(translator: Any, node: nodes.math_block) -> None:
    # A formula wider than the page scrolls in its box.
    anchors = "".join(f'<span id="{escape(id)}"></span>' for id in node.get("ids", []))
    number = f'<span class="equation-number">({node["number"]})</span>' if node.get("number") else ""
    translator.body.append(
        f'<div class="formula">{anchors}{mathml(node.astext(), display=True, location=node)}{number}</div>\n'
    )
    raise nodes.SkipNode


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_html_math_renderer("mathml", (inline, None), (block, None))
    app.connect("html-page-context", keep_together)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
