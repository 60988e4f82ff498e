"""Formulas become MathML when the site is built, so that a page needs no script to show them.

Not for JupyterLab, which sets the same TeX with MathJax.
"""

from __future__ import annotations

from html import escape
from typing import Any

from docutils import nodes
from math_core import LatexError, LatexToMathML
from sphinx.application import Sphinx
from sphinx.util import logging

logger = logging.getLogger(__name__)
TEX = LatexToMathML()


def mathml(tex: str, display: bool = False, location: Any = None) -> str:
    """One formula as MathML. What cannot be set is warned about, which fails the build, and shown as its TeX."""
    try:
        return TEX.convert_with_local_state(tex.strip(), displaystyle=display)
    except LatexError as error:
        reason = str(error).splitlines()[0]
        logger.warning("the formula %r cannot be set as MathML: %s", tex.strip(), reason, location=location)
        return f"<code>{escape(tex)}</code>"


def inline(translator: Any, node: nodes.math) -> None:
    translator.body.append(mathml(node.astext(), location=node))
    raise nodes.SkipNode


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
    app.config.html_math_renderer = "mathml"
    return {"parallel_read_safe": True, "parallel_write_safe": True}
