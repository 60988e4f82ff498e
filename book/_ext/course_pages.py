"""What stands around a page's text: contents, breadcrumbs, minutes, ways to run it, previous and next, and what search
engines read.

Not for how it looks: the templates and styles are in book/_theme. A template gets all of it as `page`.

To add a script to some pages only: `app.connect("html-page-context", f)`, and in it
`app.add_js_file("name.js", loading_method="defer")`, the file lying in a folder of `html_static_path`.
"""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape as xml_escape

import course_map
import nbformat
from attrs import frozen
from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util import logging

logger = logging.getLogger(__name__)


@frozen
class Entry:
    """A page in the contents; `below` are those that the table of contents puts under it."""

    name: str
    below: tuple[Entry, ...]


@frozen
class Group:
    """A part in the contents."""

    caption: str
    entries: tuple[Entry, ...]

    def names(self) -> list[str]:
        return [page.name for entry in self.entries for page in (entry, *entry.below)]


def contents(site_map: Any) -> tuple[Group, ...]:
    """The table of contents as sphinx-external-toc read it."""

    def entry(name: str) -> Entry:
        return Entry(name, tuple(entry(str(item)) for tree in site_map[name].subtrees for item in tree.items))

    return tuple(
        Group(tree.caption or "", tuple(entry(str(item)) for item in tree.items)) for tree in site_map.root.subtrees
    )


# What a page says of itself ------------------------------------------------------------------------------------------


def minutes(srcdir: Path, name: str) -> int | None:
    """How long a lesson says it takes, or what an exercise's checks declare; None where nobody said."""
    folder, _, id = name.partition("/")
    if folder == "notebooks":
        path = srcdir / f"{name}.ipynb"
        cells = nbformat.reader.reads(path.read_text(encoding="utf-8"))["cells"] if path.is_file() else []
        for cell in cells:
            text = "".join(cell["source"])
            if cell["cell_type"] == "markdown" and "What you will be able to do" in text:
                said = re.search(r"\b(\d+) minutes", text.partition("What you will be able to do")[2])
                return int(said[1]) if said else None
    if folder == "exercises":
        path = srcdir / "src" / "mle" / "checks" / f"{id}.py"
        if path.is_file():
            for call in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(call, ast.Call) and getattr(call.func, "id", "") == "Exercise":
                    for keyword in call.keywords:
                        if keyword.arg == "minutes" and isinstance(keyword.value, ast.Constant):
                            return int(keyword.value.value)
    return None


def mistakes(srcdir: Path, id: str) -> list[str]:
    """The sentences with which an exercise's checks name a mistake: search finds the exercise by them."""
    path = srcdir / "src" / "mle" / "checks" / f"{id}.py"
    if not path.is_file():
        return []
    calls = (call for call in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(call, ast.Call))
    said = (call.args[0] for call in calls if getattr(call.func, "attr", "") == "mistake" and call.args)
    return [text.value for text in said if isinstance(text, ast.Constant)]


def remember(app: Sphinx, doctree: nodes.document) -> None:
    """On `doctree-read`: what pages need to know of each other, and the sentence that search engines show."""
    name = app.env.docname
    found = app.env.metadata[name]
    found["minutes"] = minutes(Path(app.srcdir), name)
    for paragraph in doctree.findall(nodes.paragraph):
        # Not in a table, a cell's output or a note; and a sentence, not a line of links.
        if isinstance(paragraph.parent, nodes.section) and len(paragraph.astext()) > 60:
            found["description"] = shortened(paragraph.astext())
            break


def shortened(text: str, most: int = 158) -> str:
    """The first sentences of a text that fit, or its first words."""
    text = " ".join(re.sub(r"\\\w+|[{}$]", " ", text).split())
    if len(text) <= most:
        return text
    end = max(text.rfind(mark, 0, most) for mark in (". ", "? ", ": "))
    return text[: end + 1].rstrip(":") if end > most / 2 else text[: text.rfind(" ", 0, most - 1)] + " …"


# The context of a template -------------------------------------------------------------------------------------------

#: What Sphinx and MyST-NB would put on every page, none of which this theme uses.
#: Styles that an extension asks for on some pages; they stand in those.
OF_SOME_PAGES = ("run_here.css", "assessment.css")
ASSETS = Path(__file__).parent.parent / "assets"
UNUSED = (
    "documentation_options.js",
    "doctools.js",
    "sphinx_highlight.js",
    "translations.js",
    "pygments.css",
    "course.css",  # in the page itself
    "mystnb.",
)


def describe(app: Sphinx, pagename: str, templatename: str, context: dict[str, Any], doctree: Any) -> None:
    """On `html-page-context`: everything that the templates ask for, as `page`."""
    srcdir, env = Path(app.srcdir), app.env
    folder, _, id = pagename.partition("/")
    chapter = course_map.chapters(srcdir).get(id) if folder in ("notebooks", "exercises") else None
    groups = contents(env.config.external_site_map)
    group = next((group for group in groups if pagename in group.names()), None)
    home = app.config.root_doc

    def title(name: str) -> str:
        return env.titles[name].astext() if name in env.titles else name

    def link(name: str) -> dict[str, str]:
        full = title(name)
        return {"name": name, "href": context["pathto"](name), "title": full, "short": full.removeprefix("Exercise: ")}

    kind = {"notebooks": "lesson", "exercises": "exercise"}.get(folder, "prose")
    kind = "home" if pagename == home else kind if pagename in env.all_docs else "other"
    meta = env.metadata.get(pagename, {})
    page: dict[str, Any] = {
        "kind": kind,
        "title": title(pagename) if pagename in env.titles else context.get("title", ""),
        "description": meta.get("description", ""),
        "minutes": meta.get("minutes"),
        "chapter": chapter,
        "home": link(home),
        "part": group and {"caption": group.caption, **link(group.entries[0].name)},
        "groups": [
            {
                "caption": each.caption,
                "open": each is group,
                "entries": [sidebar_entry(srcdir, entry, link) for entry in each.entries],
            }
            for each in groups
        ],
        "steps": {track: steps(srcdir, groups, home, pagename, track, link) for track in ("AB", "A", "B")},
        "launch": launches(app, pagename) if chapter or kind in ("lesson", "exercise") else {},
    }
    if chapter:
        known = course_map.chapters(srcdir)
        page["needs"] = [
            link(known[need].lesson) if known[need].stands else {"title": known[need].title} for need in chapter.needs
        ]
        other = chapter.exercise if kind == "lesson" else chapter.lesson
        page["pair"] = link(other) if other in env.all_docs else None
    if kind == "exercise":
        page["mistakes"] = mistakes(srcdir, id)
    page["author"] = app.config.author
    page["repository"] = app.config.html_theme_options.get("repository_url", "")
    before, heading, after = context.get("body", "").partition("</h1>")
    page["heading"], page["text"] = (before + heading, after) if heading else ("", before)
    page["early"] = tuple(name for name, tag in (("math", "<math"), ("italic", "<em")) if in_sight(tag, page["text"]))
    page["style"] = style(str(context["pathto"]("_static/", 1)), bool(page["early"]))
    of_some = {str(getattr(each, "filename", each)).rpartition("/")[2] for each in context.get("css_files", [])}
    page["style"] += "".join(pressed(ASSETS / name) for name in OF_SOME_PAGES if name in of_some)
    context["page"] = page
    context["script_files"] = [each for each in context.get("script_files", []) if wanted(each)]
    context["css_files"] = [each for each in context.get("css_files", []) if wanted(each)]


def in_sight(tag: str, text: str) -> bool:
    """Whether a tag is likely on the first screen: it stands within the first 1,000 characters that are shown."""
    before, found, _ = text.partition(tag)
    return bool(found) and len(re.sub(r"<[^>]*>", "", before)) < 1_000


@cache
def style(static: str, early: bool) -> str:
    """The theme's styles, to stand in the page: asked for by themselves they would keep the text waiting.

    A font that arrives late may change what stands further down, but not the first screen: lines would jump.
    """
    theme = Path(__file__).parent.parent / "_theme" / "course" / "static"
    text = "".join(pressed(theme / name) for name in ("fonts/fonts.css", "course.css"))
    if early:
        text = text.replace("font-display:swap", "font-display:optional")
    return text.replace("url(fonts/", f"url({static}fonts/")


@cache
def pressed(path: Path) -> str:
    """A style sheet without its comments and spaces."""
    text = re.sub(r"/\*.*?\*/", "", path.read_text(encoding="utf-8"), flags=re.S)
    text = re.sub(r"\s+", " ", text)
    return re.sub(r" ?([{};,>]) ?", r"\1", text).replace(";}", "}").replace(": ", ":").strip()


def wanted(asset: Any) -> bool:
    name = str(getattr(asset, "filename", asset)).rpartition("/")[2]
    return bool(name) and not name.startswith(UNUSED) and name not in OF_SOME_PAGES


def sidebar_entry(srcdir: Path, entry: Entry, link: Any) -> dict[str, Any]:
    chapter = course_map.chapters(srcdir).get(entry.name.removeprefix("notebooks/"))
    return {
        **link(entry.name),
        "tracks": chapter.tracks if chapter else "AB",
        "below": [link(each.name) for each in entry.below],
    }


def steps(srcdir: Path, groups: Any, home: str, name: str, track: str, link: Any) -> dict[str, Any]:
    """The page before and the page after, on a track; a page of the other track has its neighbours on this one."""
    known = course_map.chapters(srcdir)

    def on_track(page: str) -> bool:
        chapter = known.get(page.partition("/")[2]) if not page.startswith("book/") else None
        return chapter is None or bool(set(track) & set(chapter.tracks))

    order = [home, *(page for group in groups for page in group.names())]
    if name not in order:
        return {}
    here = order.index(name)
    before = [page for page in order[:here] if on_track(page)]
    after = [page for page in order[here + 1 :] if on_track(page)]
    return {"previous": link(before[-1]) if before else None, "next": link(after[0]) if after else None}


def launches(app: Sphinx, name: str) -> dict[str, str]:
    """Where the page's notebook runs, and where it lies."""
    options, path = app.config.html_theme_options, Path(app.env.doc2path(name)).relative_to(app.srcdir).as_posix()
    where = options.get("launch_buttons", {})
    repository, branch = options.get("repository_url", ""), options.get("repository_branch", "main")
    short = repository.removeprefix("https://github.com/")
    return {
        "binder": f"{where.get('binderhub_url', '')}/v2/gh/{short}/{branch}?urlpath=lab/tree/{path}",
        "colab": f"{where.get('colab_url', '')}/github/{short}/blob/{branch}/{path}",
        "source": f"{repository}/blob/{branch}/{path}",
        "download": path,
    }


# Files of the site ---------------------------------------------------------------------------------------------------


def without_index(app: Sphinx) -> None:
    """On `builder-inited`: Sphinx's own search index is not made, since course_search makes a better one."""
    if app.builder.format == "html":
        app.builder.search = False
        app.builder.use_index = False


def write_sitemap(app: Sphinx, exception: Exception | None) -> None:
    """On `build-finished`: `sitemap.xml`, for search engines, where the site's address is known."""
    base = app.config.html_baseurl
    if exception or app.builder.format != "html" or not base:
        return
    pages = "".join(f"<url><loc>{xml_escape(base + name)}.html</loc></url>" for name in sorted(app.env.found_docs))
    head = '<?xml version="1.0" encoding="UTF-8"?>\n<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">'
    Path(app.outdir, "sitemap.xml").write_text(f"{head}{pages}</urlset>\n", encoding="utf-8")


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_config_value("comments_config", {}, "env")  # Jupyter Book sets it, and its reader is not loaded
    app.add_js_file("course.js", loading_method="defer")
    app.connect("builder-inited", without_index)
    app.connect("doctree-read", remember)
    app.connect("html-page-context", describe, priority=700)
    app.connect("build-finished", write_sitemap)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
