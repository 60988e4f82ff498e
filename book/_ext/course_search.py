"""The search of the site, made by Pagefind: an index that a page asks for in parts, and only when somebody searches.

Not for how results look, which is course.js's.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pagefind_bin import get_executable
from sphinx.application import Sphinx
from sphinx.util import logging

logger = logging.getLogger(__name__)
# What Pagefind brings and this site does not use: its own interfaces.
OTHERS_FACES = ("pagefind-*ui*", "pagefind-highlight.js", "pagefind-component*")


def pages(app: Sphinx) -> Iterator[tuple[str, dict[str, Any], str]]:
    """On `html-collect-pages`: the page that searches."""
    yield "search", {"title": "Search"}, "search.html"


def index(app: Sphinx, exception: Exception | None) -> None:
    """On `build-finished`: index the pages into `_static/search/`."""
    if exception or app.builder.format != "html":
        return
    command = [str(get_executable()), "--site", str(app.outdir), "--output-subdir", "_static/search"]
    # A function is found by its whole name as well as by the words in it.
    command += ["--include-characters", "_", "--exclude-selectors", "nav, .quiet, .headerlink", "--quiet"]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if done.returncode:
        logger.warning("the search index was not made: %s", (done.stderr or done.stdout).strip()[-400:])
        return
    for pattern in OTHERS_FACES:
        for path in Path(app.outdir, "_static", "search").glob(pattern):
            path.unlink()


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("html-collect-pages", pages)
    app.connect("build-finished", index)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
