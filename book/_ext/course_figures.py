"""Figures as pages show them: the stored PNG becomes a smaller WebP, with its alt text and its size.

Not for drawing, which `mle.plot` does, and not for files under book/: an SVG there goes out as it is.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from docutils import nodes
from PIL import Image
from sphinx.application import Sphinx

COLOURS = 256  # of the palette: on this course's figures no channel of a pixel changes by more than 9 of 255
HEAVY = 90_000  # bytes; a figure above that gets fewer colours
DENSITY = 1.6  # stored pixels to one of the page, where the notebook does not say how wide a figure is


def prepare(source: Path, width: int | None) -> tuple[Path, dict[str, Any]]:
    """Write the WebP beside a PNG, once; gives its path and the attributes of its `<img>`.

    A drawing on white may be turned over in the dark scheme, a picture full of tones (`photo`) may not: black ink would
    become light, and a caption that says "the darker, the more" would lie.
    """
    target = source.with_suffix(".webp")
    with Image.open(source) as image:
        size = image.size
        flat = Image.new("RGB", size, "white")
        flat.paste(image, mask=image.getchannel("A") if image.mode == "RGBA" else None)
    if not target.exists():
        for colours in (COLOURS, COLOURS // 2, COLOURS // 4):
            few = flat.quantize(colours, method=Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
            few.convert("RGB").save(target, "WEBP", lossless=True, method=4)
            if target.stat().st_size < HEAVY:
                break
    shown = round(size[0] / DENSITY) if not width else min(width, round(size[0] / DENSITY))
    attributes = {"width": shown, "height": round(size[1] * shown / size[0])}
    grey = flat.convert("L").resize((max(1, size[0] // 6), max(1, size[1] // 6)), Image.Resampling.BOX).histogram()
    paper = sum(grey[240:]) / sum(grey)
    return target, {**attributes, "kind": "drawing" if paper > 0.5 else "photo"}


def set_figures(app: Sphinx, doctree: nodes.document) -> None:
    """On `doctree-read`, before Sphinx collects pictures: MyST-NB keeps a cell's number, but not the alt texts."""
    stored = app.env.temp_data.get("figures", [])
    for cell in doctree.findall(lambda node: isinstance(node, nodes.container) and "cell_index" in node):
        found = [
            picture
            for output in cell.findall(nodes.container)
            if output.get("mime_type", "").startswith("image/")
            for picture in output.findall(nodes.image)
        ]
        for picture, (alt, width) in zip(found, stored[cell["cell_index"]], strict=False):
            picture["alt"] = alt
            path = Path(app.env.relfn2path(picture["uri"], app.env.docname)[1])
            if path.suffix == ".png":
                target, attributes = prepare(path, width)
                picture["uri"] = picture["uri"].removesuffix(".png") + target.suffix
                picture["shown"] = attributes
                for name in ("width", "height", "scale"):  # Sphinx would make a link of a picture that has one
                    picture.attributes.pop(name, None)


def visit_image(translator: Any, node: nodes.image) -> None:
    """`<img>` with what keeps a page from jumping; it is loaded when it comes near the screen."""
    shown = node.get("shown")
    if shown is None:
        type(translator).visit_image(translator, node)
        return
    uri = node["uri"]
    uri = (
        Path(translator.builder.imgpath, translator.builder.images[uri]).as_posix()
        if (uri in translator.builder.images)
        else uri
    )
    alt = node.get("alt", "").replace("&", "&amp;").replace('"', "&quot;").replace("<", "&lt;")
    translator.body.append(
        f'<img class="figure {shown["kind"]}" src="{uri}" alt="{alt}" width="{shown["width"]}" '
        f'height="{shown["height"]}" loading="lazy" decoding="async">'
    )


def depart_image(translator: Any, node: nodes.image) -> None:
    if node.get("shown") is None:
        type(translator).depart_image(translator, node)


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_node(nodes.image, override=True, html=(visit_image, depart_image))
    app.connect("doctree-read", set_figures, priority=100)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
