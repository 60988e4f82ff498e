"""The map of the course: what `book/curriculum.yml` plans, what `_toc.yml` has, drawn as a picture and as a list.

Not for the order of pages, which is the table of contents' alone.
"""

from __future__ import annotations

import re
import textwrap
from functools import cache
from html import escape
from pathlib import Path
from typing import Any

from attrs import frozen
from docutils import nodes
from docutils.parsers.rst import directives
from docutils.statemachine import StringList
from sphinx.application import Sphinx
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective

from coursework import curriculum

logger = logging.getLogger(__name__)
CURRICULUM = "book/curriculum.yml"


@frozen
class Chapter:
    """A chapter of the plan; `needs` are the ids of the chapters that its lesson leans on."""

    id: str  # part/slug
    number: int
    title: str
    tracks: str  # "A", "B" or "AB"
    needs: tuple[str, ...]
    stands: bool

    @property
    def lesson(self) -> str:
        return f"notebooks/{self.id}"

    @property
    def exercise(self) -> str:
        return f"exercises/{self.id}"


@frozen
class Part:
    slug: str
    number: int
    title: str
    chapters: tuple[Chapter, ...]


@cache
def parts(srcdir: Path) -> tuple[Part, ...]:
    """The parts in their order. A chapter stands when the table of contents names its lesson.

    Raises:
        AuthoringError: as for `coursework.curriculum.read`.
    """
    toc = set(re.findall(r"notebooks/\w+/\w+", (srcdir / "_toc.yml").read_text(encoding="utf-8")))
    found = []
    for number, part in enumerate(curriculum.read(srcdir), start=1):
        chapters = [
            Chapter(one.id, one.number, one.title, one.tracks, one.needs, f"notebooks/{one.id}" in toc)
            for one in part.chapters
        ]
        found.append(Part(part.slug, number, part.title, tuple(chapters)))
    return tuple(found)


@cache
def chapters(srcdir: Path) -> dict[str, Chapter]:
    """Every chapter by its id."""
    return {chapter.id: chapter for part in parts(srcdir) for chapter in part.chapters}


def count_chapters(app: Sphinx, config: Any) -> None:
    """On `config-inited`: the numbers that prose pages use, as `{{ standing }}`, so that no page can be out of date."""
    parts.cache_clear()
    chapters.cache_clear()
    words = "no one two three four five six seven eight nine ten eleven twelve".split()
    plan = list(chapters(Path(app.srcdir)).values())
    standing = [f"[{chapter.title}](../{chapter.lesson}.ipynb)" for chapter in plan if chapter.stands]
    number = words[len(standing)] if len(standing) < len(words) else str(len(standing))
    config.myst_substitutions = {
        **config.myst_substitutions,
        "chapters": str(len(plan)),
        "standing": number,
        "Standing": number.capitalize(),
        "planned": str(len(plan) - len(standing)),
        "standing_links": ", ".join(standing),
    }


class CourseMap(SphinxDirective):
    """`{course-map}`: every chapter by part, with its tracks; those that stand are links.

    With `:picture:` wide screens get the list as a drawing, with lines from a chapter to those that need it.
    """

    option_spec = {"picture": directives.flag}  # noqa: RUF012

    def run(self) -> list[nodes.Node]:
        for name in (CURRICULUM, "_toc.yml"):
            self.env.note_dependency(str(Path(self.env.srcdir, name)))
        plan = parts(Path(self.env.srcdir))
        badge = {"A": "[A]{.track .track-a}", "B": "[B]{.track .track-b}"}
        lines = []
        for part in plan:
            lines += ["::::{container} course-part", f"**{part.number} · {part.title}**", ""]
            for chapter in part.chapters:
                name = f"[{chapter.title}](../{chapter.lesson}.ipynb)" if chapter.stands else None
                name = name or f"[{chapter.title}]{{.planned}}"
                lines.append(f"- {name} " + " ".join(badge[track] for track in chapter.tracks))
            lines += ["::::", ""]
        box = nodes.container(classes=["course-map"])
        self.state.nested_parse(StringList(lines, source=self.env.docname), self.content_offset, box)
        if "picture" not in self.options:
            return [box]
        builder = self.env.app.builder
        links = {
            page: builder.get_relative_uri(self.env.docname, page)
            for part in plan
            for page in [f"book/{part.slug}", *(chapter.lesson for chapter in part.chapters)]
        }
        opened = {f"book/{part.slug}" for part in plan if Path(self.env.srcdir, "book", f"{part.slug}.md").is_file()}
        box["classes"].append("beside-picture")
        return [nodes.raw("", picture(plan, links, opened), format="html"), box]


# The picture ---------------------------------------------------------------------------------------------------------

WIDTH, LABEL, LANE = 1120, 172, 82  # of the drawing, of a part's name, the height of a part's lane
BOX, HIGH, GAP = 96, 62, 9  # a chapter's width and height, and the space to its neighbour


def picture(plan: tuple[Part, ...], links: dict[str, str], opened: set[str]) -> str:
    """The map as SVG: a lane a part, a box a chapter, a curve from a chapter to each that needs it."""
    place = {
        chapter.id: (LABEL + column * (BOX + GAP), 8 + lane * LANE)
        for lane, part in enumerate(plan)
        for column, chapter in enumerate(part.chapters)
    }
    every = [chapter for part in plan for chapter in part.chapters]
    standing = [chapter.title for chapter in every if chapter.stands]
    height = 8 + len(plan) * LANE
    out = [
        f'<svg class="map-picture" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" role="group" '
        'aria-labelledby="map-title map-text">',
        '<title id="map-title">Map of the course</title>',
        f'<desc id="map-text">{len(plan)} parts from top to bottom, {len(every)} chapters. Links are the '
        f"{len(standing)} that stand: {escape(', '.join(standing))}. The others are planned. A line leads from a "
        "chapter to one that needs it.</desc>",
        '<g class="map-needs" aria-hidden="true">',
    ]
    for chapter in every:
        for need in chapter.needs:
            out.append(curve(place[need], place[chapter.id], need, chapter.id))
    out.append("</g>")
    for lane, part in enumerate(plan):
        middle = 8 + lane * LANE + HIGH / 2
        name = textwrap.wrap(part.title, 17)
        label = "".join(
            f'<tspan x="34" y="{middle + 5 + 17 * (row - (len(name) - 1) / 2):.0f}">{escape(line)}</tspan>'
            for row, line in enumerate(name)
        )
        text = f'<text class="map-number" x="0" y="{middle + 9:.0f}">{part.number}</text><text>{label}</text>'
        page = f"book/{part.slug}"
        text = (
            f'<a href="{links[page]}" aria-label="Part {part.number}: {escape(part.title)}">{text}</a>'
            if (page in opened)
            else text
        )
        out.append(f'<g class="map-part">{text}</g>')
        out += [box(chapter, *place[chapter.id], links) for chapter in part.chapters]
    return "".join([*out, "</svg>"])


def box(chapter: Chapter, x: float, y: float, links: dict[str, str]) -> str:
    lines = textwrap.wrap(chapter.title, 14)
    rows = "".join(
        f'<tspan x="{x + 9}" y="{y + 18 + 13.5 * row:.1f}">{escape(line)}</tspan>' for row, line in enumerate(lines)
    )
    marks = "".join(
        f'<text class="map-{track.lower()}" x="{x + BOX - 8 - 10 * (len(chapter.tracks) - 1 - n)}" y="{y + HIGH - 6}" '
        f'text-anchor="end">{track}</text>'
        for n, track in enumerate(chapter.tracks)
    )
    state = "stands" if chapter.stands else "planned"
    shape = f'<rect x="{x}" y="{y}" width="{BOX}" height="{HIGH}" rx="5"/><text>{rows}</text>{marks}'
    if chapter.stands:
        tracks = " and ".join(chapter.tracks)
        said = f"Chapter {chapter.number}: {escape(chapter.title)}, track {tracks}"
        shape = f'<a href="{links[chapter.lesson]}" aria-label="{said}">{shape}</a>'
    return f'<g class="map-chapter {state}" data-id="{chapter.id}" data-tracks="{chapter.tracks}">{shape}</g>'


def curve(start: tuple[float, float], end: tuple[float, float], need: str, chapter: str) -> str:
    """From the foot of a box to the head of another; within a lane, an arc over the heads."""
    (x0, y0), (x1, y1) = start, end
    if y1 > y0:
        a, b = (x0 + BOX / 2, y0 + HIGH), (x1 + BOX / 2, y1)
        bend = max(18, (b[1] - a[1]) / 2)
        path = f"M{a[0]:.0f} {a[1]:.0f}C{a[0]:.0f} {a[1] + bend:.0f} {b[0]:.0f} {b[1] - bend:.0f} {b[0]:.0f} {b[1]:.0f}"
    elif abs(x1 - x0) <= BOX + GAP:  # neighbours
        left = min(x0, x1) + BOX
        path = f"M{left} {y0 + HIGH / 2}h{GAP}"
    else:
        a, b = x0 + BOX / 2, x1 + BOX / 2
        lift = 24 if y1 == y0 else 40
        path = f"M{a:.0f} {y0}C{a:.0f} {y0 - lift} {b:.0f} {y1 - lift} {b:.0f} {y1}"
    return f'<path d="{path}" data-from="{need}" data-to="{chapter}"/>'


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_directive("course-map", CourseMap)
    app.connect("config-inited", count_chapters)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
