"""Lessons, or the whole book, as PDF files: pages of the built site, printed by a headless Chromium.

Not for how a page looks on paper, which is the theme's `@media print`, and not for building the site.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from html import escape
from pathlib import Path
from typing import Any

import yaml

from coursework.serve import site_server

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")
#: On paper a link says where it leads by being clicked; the number of a page stands below it.
FOOTER = (
    '<div style="font:8px sans-serif;color:#555;width:100%;padding:0 16mm;display:flex;justify-content:space-between">'
    '<span>{title}</span><span><span class="pageNumber"></span> / <span class="totalPages"></span></span></div>'
)
MARGIN = {"top": "16mm", "right": "16mm", "bottom": "18mm", "left": "16mm"}
#: One document of several pages, so that a link from one to another is a link within the file. Solutions, which the
#: site folds, are unfolded by the theme and start on a page of their own: on paper nothing can be unfolded later.
COMPOSE = """async ([root, base, names]) => {
  const parts = [];
  for (const [number, name] of names.entries()) {
    const address = `${root}${name}.html`, own = `page-${number}-`;
    const text = await (await fetch(address)).text();
    const article = new DOMParser().parseFromString(text, "text/html").querySelector("article");
    for (const each of article.querySelectorAll("script, .js-only, [data-run-here]")) each.remove();
    for (const each of article.querySelectorAll("*")) {
      for (const at of ["aria-labelledby", "aria-describedby", "aria-controls"].filter((at) => each.hasAttribute(at)))
        each.setAttribute(at, each.getAttribute(at).split(" ").map((id) => own + id).join(" "));
      for (const at of [...each.attributes])
        if (at.value.includes("url(#")) each.setAttribute(at.name, at.value.replaceAll("url(#", `url(#${own}`));
      if (each.id) each.id = own + each.id;
    }
    for (const link of article.querySelectorAll("a[href]")) {
      const to = new URL(link.getAttribute("href"), address);
      if (!to.href.startsWith(root)) continue;
      const page = decodeURI(to.pathname.slice(new URL(root).pathname.length)).replace(/\\.html$/, "");
      const at = names.indexOf(page), fragment = decodeURIComponent(to.hash.slice(1));
      link.setAttribute("href", at < 0 ? base + to.href.slice(root.length)
        : `#page-${at}-${fragment}`);
    }
    for (const picture of article.querySelectorAll("img")) {
      picture.src = new URL(picture.getAttribute("src"), address).href;
      picture.loading = "eager";
    }
    const top = document.createElement("a");
    top.id = own;
    article.prepend(top);
    if (number) article.style.breakBefore = "page";
    parts.push(article);
  }
  document.documentElement.classList.remove("js");
  document.documentElement.dataset.scheme = "light";
  await Promise.all([...document.fonts].map((font) => font.load()));
  const more = document.createElement("style");
  more.textContent = "article a::after { content: none !important } [id$='-solution'] { break-before: page }";
  document.head.append(more);
  const main = document.createElement("main");  // after its fonts: what was laid out without one is printed without it
  main.append(...parts);
  document.body.replaceChildren(main);
  await Promise.all([...document.images].map((each) => each.decode()));
}"""


class CannotPrint(Exception):
    """A sentence for the person who can act: what is missing, and what to do."""


def pages_of_book(root: Path) -> list[str]:
    """Every page of the contents, in their order."""

    def files(entry: Any) -> Iterator[str]:
        if isinstance(entry, dict):
            yield from (str(entry[key]) for key in ("root", "file") if key in entry)
            for key in ("parts", "chapters", "sections"):
                yield from files(entry.get(key))
        for each in entry if isinstance(entry, list) else ():
            yield from files(each)

    return list(files(yaml.safe_load((root / "_toc.yml").read_text(encoding="utf-8"))))


def fonts_awaited(route: Any) -> None:
    """The page, to be printed in its own fonts: a reader's page does without those that come late."""
    text = route.fetch().text()
    route.fulfill(body=text.replace("font-display:optional", "font-display:block"), content_type="text/html")


def print_pages(root: Path, documents: dict[Path, list[str]]) -> Iterator[Path]:
    """Print the built site's pages: each file of `documents` gets those named, as one document; yields what is written.

    Raises:
        CannotPrint: playwright or a browser is missing, or the site has no such page.
    """
    site = root / "_build" / "html"
    for name in (name for names in documents.values() for name in names):
        if not (site / f"{name}.html").is_file():
            raise CannotPrint(
                f"the site has no page {name}.html: name it in _toc.yml, and build it by `coursework site`"
            )
    try:
        from playwright.sync_api import Error, sync_playwright
    except ImportError:
        raise CannotPrint("printing needs playwright, which is not installed: `pip install playwright`") from None
    config = yaml.safe_load((root / "_config.yml").read_text(encoding="utf-8"))
    base, course = (config.get("html") or {}).get("baseurl", ""), str(config.get("title", ""))
    as_root = hasattr(os, "geteuid") and os.geteuid() == 0
    with site_server(site, 0) as address, sync_playwright() as playwright:
        found = next(filter(None, map(shutil.which, BROWSERS)), None)
        try:
            browser = playwright.chromium.launch(executable_path=found, args=["--no-sandbox"] if as_root else [])
        except Error:
            raise CannotPrint(
                "printing needs Chromium, and none starts here: `apt-get install chromium`, or "
                "`.venv/bin/playwright install chromium`"
            ) from None
        try:
            for path, names in documents.items():
                page = browser.new_page(color_scheme="light")
                page.route("**/*.js", lambda route: route.abort())  # paper answers no quiz
                first = f"{address}{names[0]}.html"
                page.route(first, fonts_awaited)
                page.goto(first, wait_until="load")
                title = course if len(names) > 1 else page.title()
                page.evaluate(COMPOSE, [address, base, names])
                page.evaluate("(title) => { document.title = title }", title)
                path.parent.mkdir(parents=True, exist_ok=True)
                page.pdf(
                    path=path,
                    format="A4",
                    margin=MARGIN,
                    print_background=True,
                    display_header_footer=True,
                    header_template="<span></span>",
                    footer_template=FOOTER.format(title=escape(title)),
                    tagged=True,
                    outline=True,
                )
                page.close()
                yield path
        finally:
            browser.close()
