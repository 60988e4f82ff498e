"""A picture for each page, 1200 by 630, that shows where a link to the page is shared; drawn when the site is built.

Not for the page itself, which never loads it: other sites ask for it by the address in `og:image`.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw, ImageFont
from sphinx.application import Sphinx

SIZE = (1200, 630)
MARGIN = 84
#: The light scheme of book/_theme/course/static/course.css.
PAPER, INK, SOFT, AMBER = "#fdfcf9", "#1c2530", "#56616d", "#8f5200"
TRACKS = {"A": "#0d5289", "B": "#8f5200"}
FONTS = Path(__file__).parent.parent / "_theme" / "course" / "static" / "fonts"
#: Points and line of logo.svg, in its box of 64 by 64.
POINTS, FEET, LINE = ((14, 38), (27, 27), (40, 42), (51, 12)), (50, 42, 29, 23), ((8, 51.5), (56, 18))


@cache
def font(name: str, size: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(str(FONTS / f"{name}.woff2"), size)


def wrapped(text: str, face: ImageFont.FreeTypeFont, width: int) -> list[str]:
    lines: list[str] = []
    for word in text.split():
        longer = f"{lines[-1]} {word}" if lines else word
        if lines and face.getlength(longer) <= width:
            lines[-1] = longer
        else:
            lines.append(word)
    return lines


def mark(size: int) -> Image.Image:
    """The course's mark, drawn four times as large and made small, so that its edges are smooth."""
    k = size * 4 / 64
    drawn = Image.new("RGB", (size * 4, size * 4), PAPER)
    draw = ImageDraw.Draw(drawn)
    draw.rounded_rectangle((0, 0, size * 4 - 1, size * 4 - 1), 14 * k, "#12355b")
    for (x, y), foot in zip(POINTS, FEET, strict=True):
        draw.line((x * k, y * k, x * k, foot * k), "#f2a541", round(3 * k))
    draw.line([(x * k, y * k) for x, y in LINE], "#ffffff", round(4 * k))
    for x, y in POINTS:
        draw.ellipse(((x - 5) * k, (y - 5) * k, (x + 5) * k, (y + 5) * k), "#f2a541")
    return drawn.resize((size, size), Image.Resampling.LANCZOS)


def card(title: str, above: str, tracks: str, course: str) -> Image.Image:
    """Title, the part or kind above it, the tracks' badges, the course's mark and name."""
    image = Image.new("RGB", SIZE, PAPER)
    draw = ImageDraw.Draw(image)
    draw.rectangle((0, 0, SIZE[0], 14), AMBER)
    draw.text((MARGIN, 78), above, SOFT, font("sans", 36))
    size = 92
    while size > 40 and len(lines := wrapped(title, font("serif", size), SIZE[0] - 2 * MARGIN)) > 3:
        size -= 8
    for number, line in enumerate(lines):
        draw.text((MARGIN, 142 + number * size * 1.16), line, INK, font("serif", size))
    image.paste(mark(84), (MARGIN, SIZE[1] - 84 - 66))
    draw.text((MARGIN + 108, SIZE[1] - 108), course, INK, font("serif", 38), anchor="lm")
    for number, track in enumerate(reversed(tracks)):
        right, colour = SIZE[0] - MARGIN - number * 84, TRACKS[track]
        box = (right - 68, SIZE[1] - 142, right, SIZE[1] - 74)
        draw.rounded_rectangle(box, 14, PAPER, colour, 4)
        draw.text(((box[0] + box[2]) / 2, (box[1] + box[3]) / 2), track, colour, font("sans", 42), anchor="mm")
    return image.quantize(64, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)


def draw_card(app: Sphinx, pagename: str, templatename: str, context: dict[str, Any], doctree: Any) -> None:
    """On `html-page-context`, after the page is described: its card, and the card's address for the template."""
    base, page = app.config.html_baseurl, context.get("page")
    if app.builder.format != "html" or not base or not page or pagename not in app.env.all_docs:
        return
    part = page["part"]["caption"] if page["part"] else ""
    above = " · ".join(filter(None, (part.replace(" · ", ". "), {"exercise": "Exercise"}.get(page["kind"], ""))))
    tracks = page["chapter"].tracks if page["chapter"] else ""
    course = app.config.html_title or app.config.project
    title = page["title"].removeprefix("Exercise: ").replace("$", "")
    if page["kind"] == "home":
        title, above, tracks = course, "A course in notebooks", "AB"
    path = f"_static/cards/{pagename}.png"
    target = Path(app.outdir, path)
    target.parent.mkdir(parents=True, exist_ok=True)
    card(title, above, tracks, course).save(target, optimize=True)
    page["card"], page["address"] = base + path, f"{base}{pagename}.html"


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("html-page-context", draw_card, priority=750)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
