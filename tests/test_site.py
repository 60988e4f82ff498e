"""The site as a reader gets it: it builds clean, is complete and accessible, asks nobody else for anything, and is
refused when a page is broken."""

from __future__ import annotations

import base64
import gzip
import io
import re
import shutil
import subprocess
import sys
import time
import tomllib
from importlib import resources
from itertools import pairwise
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
import yaml
from bs4 import BeautifulSoup, Tag
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from PIL import Image

from coursework import notebook as nb

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "book" / "_ext"))
sys.path.insert(0, str(Path(__file__).parent))
import glossary
from browser import open_browser, serve

ROOT = Path(__file__).parents[1]
TOC = (ROOT / "_toc.yml").read_text(encoding="utf-8")
CONFIG = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))
PAGES = re.findall(r"^ *(?:- file|root): (\S+)$", TOC, re.MULTILINE)
CHAPTERS = [page.removeprefix("notebooks/") for page in PAGES if page.startswith("notebooks/")]


def build(source: Path, target: Path) -> tuple[int, str]:
    """Build a book as CI does; gives the exit code and what was printed, without colours."""
    command = [str(Path(sys.executable).parent / "jupyter-book"), "build", str(source), "--path-output", str(target)]
    done = subprocess.run([*command, "-W", "-n", "--keep-going"], capture_output=True, text=True, timeout=600)
    return done.returncode, re.sub(r"\x1b\[[0-9;]*m", "", done.stdout + done.stderr)


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("site")
    code, printed = build(ROOT, target)
    assert code == 0, "\n".join(line for line in printed.splitlines() if re.search("WARNING|ERROR|rror:", line))
    return target / "_build" / "html"


def soup(path: Path) -> BeautifulSoup:
    return BeautifulSoup(path.read_text(encoding="utf-8"), "html.parser")


@pytest.fixture(scope="session")
def pages(site: Path) -> dict[str, BeautifulSoup]:
    return {page: soup(site / f"{page}.html") for page in PAGES}


def article(page: BeautifulSoup) -> Tag:
    found = page.select_one("article.bd-article")
    assert found is not None
    return found


# What a page holds ---------------------------------------------------------------------------------------------------


def test_every_page_of_the_contents_has_one_title(pages):
    assert len(pages) == len(set(PAGES)) >= 8
    for name, page in pages.items():
        headings = article(page).select("h1")
        assert len(headings) == 1, name
        title = headings[0].get_text().removesuffix("#")
        assert page.title.get_text().strip().startswith(title.replace("$", "")[:12]), name
        assert page.html["lang"] == "en-GB", name


def test_headings_skip_no_level(pages):
    for name, page in pages.items():
        levels = [int(heading.name[1]) for heading in article(page).select("h1, h2, h3, h4, h5, h6")]
        jumps = [(a, b) for a, b in pairwise(levels) if b > a + 1]
        assert not jumps, f"{name}: {jumps}"


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_an_exercise_shows_its_solution_folded(pages, chapter):
    solution = nb.read(ROOT / "solutions" / f"{chapter}.ipynb")
    questions = nb.parts(solution)
    page = article(pages[f"exercises/{chapter}"])
    folds = page.select("#solution details.solution")
    assert len(folds) == len(questions)
    assert not [fold for fold in folds if fold.has_attr("open")]
    for fold, question in zip(folds, questions, strict=True):
        code = "".join(pre.get_text() for pre in fold.select("pre"))
        for index in question.answers:
            for line in nb.solution_lines(solution.cells[index].source):
                assert line in code
        assert fold.select("p"), "no explanation"
    assert "BEGIN SOLUTION" not in page.get_text()


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_lesson_and_exercise_lead_to_each_other_and_can_be_launched(pages, chapter):
    repository = CONFIG["repository"]["url"].removeprefix("https://github.com/")
    for folder, other in (("notebooks", "exercises"), ("exercises", "notebooks")):
        page = pages[f"{folder}/{chapter}"]
        links = {link["href"].partition("#")[0] for link in article(page).select("a[href]")}
        assert f"../../{other}/{chapter}.html" in links
        buttons = {link["href"] for link in page.select(".tools a[href]")}
        path = f"{folder}/{chapter}.ipynb"
        assert f"https://mybinder.org/v2/gh/{repository}/main?urlpath=lab/tree/{path}" in buttons
        assert f"https://colab.research.google.com/github/{repository}/blob/main/{path}" in buttons
        assert f"../../_sources/{path}" in buttons


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_a_downloaded_notebook_is_the_one_in_the_repository(site, chapter):
    for folder in ("notebooks", "exercises"):
        path = f"{folder}/{chapter}.ipynb"
        assert (site / "_sources" / path).read_bytes() == (ROOT / path).read_bytes()


def test_the_cell_that_installs_on_colab_is_hidden(pages):
    for name, page in pages.items():
        if not name.startswith("book/"):
            assert "google.colab" not in article(page).get_text(), name


def test_the_map_links_the_chapters_that_stand_and_no_other(pages):
    links = article(pages["book/tracks"]).select(".course-map a[href]")
    assert sorted(link["href"] for link in links) == sorted(f"../notebooks/{chapter}.html" for chapter in CHAPTERS)
    assert len(article(pages["book/tracks"]).select(".course-map li")) == 42


def test_the_repository_has_one_address(pages):
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    repository = project["urls"]["Repository"]
    assert CONFIG["repository"]["url"] == repository
    name = repository.removeprefix("https://github.com/")
    for page in pages.values():
        for link in page.select('a[href*="mybinder.org"], a[href*="colab.research.google.com"]'):
            assert f"/{name}/" in link["href"]


# For everybody -------------------------------------------------------------------------------------------------------


def test_every_picture_says_what_is_to_be_seen(pages):
    pictures = 0
    for name, page in pages.items():
        for picture in page.select("img"):
            assert picture.has_attr("alt"), f"{name}: {picture['src']}"
        for picture in article(page).select("img"):
            assert len(picture["alt"].split()) >= 5, f"{name}: {picture['alt']!r}"
            assert not picture["alt"].endswith(".png"), name
            pictures += 1
    assert pictures >= len(CHAPTERS)


def test_no_heading_of_a_table_is_empty(pages):
    for name, page in pages.items():
        assert not [cell for cell in article(page).select("th") if not cell.get_text(strip=True)], name


def test_every_internal_link_and_fragment_exists(site, pages):
    for name, page in pages.items():
        for link in page.select("a[href]"):
            target = urlsplit(link["href"])
            if target.scheme or target.netloc:
                continue
            path = (site / name).parent / unquote(target.path) if target.path else site / f"{name}.html"
            assert path.is_file(), f"{name}: {link['href']}"
            if target.fragment and path.suffix == ".html":
                other = pages.get(path.resolve().relative_to(site.resolve()).with_suffix("").as_posix()) or soup(path)
                assert other.find(id=unquote(target.fragment)), f"{name}: {link['href']}"


def test_no_page_names_another_host_for_what_it_loads(site):
    outside = re.compile(r"^(?:https?:)?//")
    loads = {"script": "src", "img": "src", "iframe": "src", "source": "src", "object": "data", "embed": "src"}
    for path in site.rglob("*.html"):
        page = soup(path)
        asked = [tag[attribute] for name, attribute in loads.items() for tag in page.select(f"{name}[{attribute}]")]
        asked += [link["href"] for link in page.select("link[href]") if not {"canonical"} & set(link["rel"])]
        assert not [url for url in asked if outside.match(url)], path.name
        for script in page.select("script:not([src])"):
            assert not re.search(r"unpkg|jsdelivr|cdnjs|googleapis|import\(", script.get_text()), path.name
    for path in site.rglob("*.css"):
        styles = path.read_text(encoding="utf-8")
        urls = re.findall(r"url\(\s*['\"]?([^'\")]+)", styles) + re.findall(r"@import\s+['\"]([^'\"]+)", styles)
        assert not [url for url in urls if outside.match(url)], path.name


@pytest.fixture(scope="module")  # one that stays open is in the way of every other test of its worker that opens one
def browser():
    with open_browser() as found:
        yield found


AXE = resources.files("axe_playwright_python").joinpath("axe.min.js").read_text(encoding="utf-8")
VIOLATIONS = """async () => {
  const tags = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"];
  const found = await axe.run(document, {runOnly: {type: "tag", values: tags}});
  return found.violations.map((each) => `${each.id}: ${each.nodes.map((node) => node.target.join(" ")).join(", ")}`);
}"""
# What comes near the screen is loaded, and made reachable by keyboard where it scrolls.
READ_TO_THE_END = """async () => {
  const frame = () => new Promise(requestAnimationFrame);
  for (let y = 0; y < document.documentElement.scrollHeight; y += 500) {
    scrollTo({top: y, behavior: "instant"});
    await frame(); await frame();
  }
}"""
SHIFTS = """window.shifts = 0; new PerformanceObserver((list) => {
  for (const each of list.getEntries()) if (!each.hadRecentInput) window.shifts += each.value;
}).observe({type: "layout-shift", buffered: true});"""
TEXT = (".html", ".css", ".js", ".svg")  # what a web host compresses


@pytest.mark.slow
@pytest.mark.parametrize("scheme, width", [("light", 1366), ("dark", 1366), ("light", 360), ("dark", 320)])
def test_every_page_is_light_accessible_and_alone_with_its_server(site, browser, scheme, width):
    """At most 300 KB and 12 requests before interaction, nothing for axe-core to find, nobody else asked."""
    context = browser.new_context(color_scheme=scheme, viewport={"width": width, "height": 800})
    context.add_init_script(SHIFTS)
    page = context.new_page()
    answers, complaints = [], []
    page.on("response", lambda answer: answers.append(answer))
    page.on("requestfailed", lambda request: complaints.append(f"failed: {request.url}"))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", lambda line: line.type in ("error", "warning") and complaints.append(line.text))
    with serve(site) as address:
        for name in [*PAGES, "search"]:
            answers.clear()
            page.goto(f"{address}{name}.html", wait_until="networkidle")
            outside = [answer.url for answer in answers if not answer.url.startswith((address, "data:"))]
            assert not outside, f"{name} asks others: {outside}"
            assert not [answer.url for answer in answers if answer.status >= 400], name
            # What the page before asked for while it was read to its end may come now.
            answers[:] = [a for a in answers if a.url == page.url or a.request.headers.get("referer") == page.url]
            files = [site / unquote(urlsplit(answer.url).path).lstrip("/") for answer in answers]
            bodies = [(file.suffix in TEXT, file.read_bytes()) for file in files]
            weight = sum(len(gzip.compress(body, 6) if text else body) for text, body in bodies)
            assert weight < 300_000, f"{name} weighs {weight / 1000:.0f} KB"
            assert len(answers) <= 12, f"{name}: {files}"
            assert page.evaluate("window.shifts") < 0.01, f"{name} jumps"
            assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), f"{name} is too wide"
            page.evaluate(READ_TO_THE_END)
            page.evaluate(AXE)
            assert not page.evaluate(VIOLATIONS), f"{name}, {scheme}, {width}"
    context.close()
    assert not complaints


def test_a_word_of_the_glossary_is_linked_where_it_means_that_and_not_within_a_longer_one():
    power = glossary.pattern("power")
    assert not [words for words in ("to the power of x", "a power of two", "Powers of ten") if power.search(words)]
    assert power.search("its power is low") and power.search("The powers of these tests")
    assert glossary.within((4, 9), [(4, 19)]) and not glossary.within((4, 9), [(5, 19)])


@pytest.mark.slow
@pytest.mark.parametrize("width", [1366, 360])
def test_nothing_moves_when_scripts_and_fonts_come_late(site, browser, width):
    context = browser.new_context(viewport={"width": width, "height": 800})
    context.add_init_script(SHIFTS)
    page = context.new_page()
    for late in ("**/*.js*", "**/*.woff2"):  # a script has ?v=... behind its name
        page.route(late, lambda route: (time.sleep(0.3), route.continue_()))
    with serve(site) as address:
        for name in ["search", "book/assessment", "book/glossary", "exercises/math/optimisation"]:
            page.goto(f"{address}{name}.html", wait_until="networkidle")
            assert page.evaluate("window.shifts") == 0, name
    context.close()


def test_letters_twice_as_large_move_nothing_off_the_page(site, browser):
    names = [
        "book/index",
        "book/skills",
        "book/glossary",
        "notebooks/math/optimisation",
        "exercises/math/svd",
        "search",
    ]
    with serve(site) as address:
        for width in (1280, 768, 375):
            context = browser.new_context(viewport={"width": width, "height": 800})
            page = context.new_page()
            for name in names:
                page.goto(f"{address}{name}.html", wait_until="networkidle")
                page.add_style_tag(content="html { font-size: 212.5% !important }")
                assert page.evaluate("document.documentElement.scrollWidth") <= width, f"{name} at {width}"
            context.close()


def test_by_keyboard_the_map_has_one_stop_a_link_and_escape_leaves_search_and_contents(site, browser):
    context = browser.new_context(viewport={"width": 1366, "height": 900})
    page = context.new_page()
    with serve(site) as address:
        page.goto(f"{address}book/index.html", wait_until="networkidle")
        links = page.locator(".map-picture a").count()
        page.locator(".map-picture a").first.focus()
        for _ in range(links):
            assert page.evaluate("document.activeElement.matches('.map-picture a')")
            page.keyboard.press("Tab")
        assert not page.evaluate("document.activeElement.closest('.map-picture')")
        page.locator(".search-button").focus()
        page.keyboard.press("Enter")
        page.keyboard.type("merge_sort")
        page.locator(".search-results a").first.wait_for()
        page.keyboard.press("Escape")
        assert not page.locator(".search-box").is_visible()
        assert page.evaluate("document.activeElement.matches('.search-button')")
        page.keyboard.press("Shift+Tab")
        page.keyboard.press("Enter")
        assert page.locator(".contents-close").is_visible()
        page.keyboard.press("Escape")
        assert not page.locator("nav.contents").is_visible()
        assert page.evaluate("document.activeElement.matches('.contents-button')")
    context.close()


@pytest.mark.parametrize("scheme, paper", [("light", (253, 252, 249)), ("dark", (18, 23, 29))])
def test_a_drawing_stands_on_the_ground_of_its_page(site, browser, scheme, paper):
    context = browser.new_context(color_scheme=scheme)
    page = context.new_page()
    with serve(site) as address:
        page.goto(f"{address}notebooks/math/optimisation.html")
        drawing = page.locator("section section .figure.drawing").last
        drawing.scroll_into_view_if_needed()
        drawing.evaluate("(each) => each.decode()")
        with Image.open(io.BytesIO(drawing.screenshot())) as shown:
            corner = shown.convert("RGB").getpixel((3, 3))
        assert max(abs(a - b) for a, b in zip(corner, paper, strict=True)) <= 2, corner
    context.close()


def lesson_page() -> str:
    return f"notebooks/{CHAPTERS[0]}.html"


def test_without_scripts_a_page_is_read_folded_and_left(site, browser):
    context = browser.new_context(java_script_enabled=False, viewport={"width": 375, "height": 800})
    page = context.new_page()
    with serve(site) as address:
        page.goto(f"{address}notebooks/math/least_squares.html")
        formula = page.locator("article math").first
        assert formula.is_visible() and formula.bounding_box()["width"] > 3
        assert not page.locator("nav.contents").is_visible()
        page.locator(".contents-button").click()
        assert page.locator("nav.contents a[aria-current]").is_visible()
        page.keyboard.press("Escape")
        choice = page.locator("details.quiz-choice").first
        assert not choice.locator("p").first.is_visible()
        choice.locator("summary").focus()
        page.keyboard.press("Enter")
        assert choice.locator("p").first.inner_text().startswith(("Yes:", "No:"))
        assert page.locator(".step.next:visible").count() == 1
        assert not page.locator(".js-only:visible, .tally").count()
    context.close()


def test_a_quiz_says_the_verdict_keeps_it_in_the_browser_and_forgets_it_when_asked(site, browser):
    context = browser.new_context()
    page = context.new_page()
    asked: list[str] = []
    with serve(site) as address:
        page.goto(address + lesson_page(), wait_until="networkidle")
        page.on("request", lambda request: asked.append(request.url))
        said = page.locator(".tally [role=status]")
        question = page.locator(".quiz-question").first
        wrong, right = question.locator(".wrong summary").first, question.locator(".right summary")
        wrong.focus()
        page.keyboard.press("Enter")
        page.wait_for_function("document.querySelector('.tally').textContent.includes('0 of 1 right')")
        assert said.text_content().startswith("Not this one.")
        right.focus()
        page.keyboard.press("Space")
        page.wait_for_function("document.querySelector('.tally').textContent.startsWith('Right.')")
        assert "0 of 1 right at the first try" in said.text_content()
        assert all(url.endswith((".webp", ".woff2")) for url in asked), "an answer left the browser"
        page.reload(wait_until="networkidle")
        assert "0 of 1 right at the first try" in said.text_content()
        assert question.locator(".met").count() == 2 and "(wrong)" in wrong.text_content()
        page.get_by_role("button", name="Forget my answers").click()
        assert question.locator(".met, [open]").count() == 0
        page.reload(wait_until="networkidle")
        assert "stay in this browser" in said.text_content()
    context.close()


def test_previous_and_next_follow_the_chosen_track(site, browser):
    curriculum = yaml.safe_load((ROOT / "book/curriculum.yml").read_text(encoding="utf-8"))
    tracks = {f"{part}/{slug}": row[1] for part, entry in curriculum.items() for slug, row in entry["chapters"].items()}
    context = browser.new_context(viewport={"width": 1366, "height": 900})
    page = context.new_page()
    with serve(site) as address:
        for track in "AB":
            start = next(c for c, after in pairwise(CHAPTERS) if track in tracks[c] and track not in tracks[after])
            page.goto(f"{address}exercises/{start}.html")
            plain = page.locator(".step.next:visible").get_attribute("href")
            page.locator(f".track-choice label:has(input[value={track}])").click()
            followed = page.locator(".step.next:visible").get_attribute("href")
            assert followed != plain
            page.reload()
            assert page.locator(".step.next:visible").get_attribute("href") == followed
            visited = 0
            while page.locator(".step.next:visible").count():
                page.locator(".step.next:visible").click()
                here = page.url.removeprefix(address).removesuffix(".html").partition("/")[2]
                assert track in tracks.get(here, "AB"), here
                visited += 1
            assert visited
            page.evaluate("localStorage.clear()")
    context.close()


def test_search_finds_a_formula_a_function_and_a_mistake_also_under_a_sub_path(site, browser):
    context = browser.new_context()
    page = context.new_page()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    mistake = re.search(
        r'\.mistake\(\s*"([^"]{40,})"', (ROOT / "src/mle/checks/math/svd.py").read_text(encoding="utf-8")
    )[1]
    with serve(site.parent) as address:
        page.goto(f"{address}{site.name}/book/start.html", wait_until="networkidle")
        assert not [url for url in asked if "/search/" in url], "search is loaded before anybody searches"
        page.keyboard.press("/")
        field = page.get_by_role("searchbox")
        wanted = {
            "Eckart Young": "notebooks/math/svd",
            "merge_sort": "algorithms/sorting",
            " ".join(mistake.split()[:6]): "exercises/math/svd",
        }
        for words, target in wanted.items():
            field.fill(words)
            link = page.locator(f'.search-results a[href*="/{site.name}/"][href*="{target}"]').first
            link.wait_for()
        field.fill("xyzzyplugh")
        page.get_by_text("Nothing has").wait_for()
        field.fill("Eckart Young")
        page.locator('.search-results a[href*="math/svd"]').first.click()
        page.wait_for_url("**/math/svd.html*")
    context.close()


def test_colours_follow_the_system_until_a_reader_chooses(site, browser):
    context = browser.new_context(color_scheme="dark")
    page = context.new_page()

    def ground() -> int:
        return sum(
            map(int, re.findall(r"\d+", page.evaluate("getComputedStyle(document.documentElement).backgroundColor")))
        )

    with serve(site) as address:
        page.goto(address + lesson_page())
        assert ground() < 150
        drawing = page.locator("img.drawing").first
        assert "invert" in drawing.evaluate("(each) => getComputedStyle(each).filter")
        page.locator(".scheme-button").click()
        assert page.locator(".scheme-button").get_attribute("aria-label") == "Colours: light"
        assert ground() > 700
        page.goto(f"{address}book/start.html")
        assert ground() > 700
    context.close()


def test_the_front_page_is_a_map_that_leads_to_the_chapters_that_stand(pages):
    picture = pages["book/index"].select_one("svg.map-picture")
    links = [link["href"] for link in picture.select(".map-chapter a")]
    assert links == [f"../notebooks/{chapter}.html" for chapter in CHAPTERS]
    assert len(picture.select(".map-chapter")) == 42
    assert all(chapter in picture.desc.get_text() for chapter in ("The job", "Least squares"))
    needs = picture.select('.map-needs path[data-from="math/least_squares"][data-to="math/svd"]')
    assert len(needs) == 1


def test_what_search_engines_read(site, pages):
    base = CONFIG["html"]["baseurl"]
    listed = (site / "sitemap.xml").read_text(encoding="utf-8")
    descriptions = [page.select_one("meta[name=description]")["content"] for page in pages.values()]
    assert len(set(descriptions)) == len(PAGES) and all(40 <= len(text) <= 160 for text in descriptions)
    for name, page in pages.items():
        assert page.select_one("link[rel=canonical]")["href"] == f"{base}{name}.html"
        assert f"<loc>{base}{name}.html</loc>" in listed


def test_a_shared_link_has_a_card_of_its_own_that_the_page_does_not_load(site, pages):
    base, cards = CONFIG["html"]["baseurl"], set()
    for name, page in pages.items():
        said = {tag["property"]: tag["content"] for tag in page.select("meta[property^='og:']")}
        assert said["og:title"] and said["og:url"] == f"{base}{name}.html", name
        assert said["og:description"] == page.select_one("meta[name=description]")["content"], name
        assert page.select_one("meta[name='twitter:card']")["content"] == "summary_large_image", name
        file = site / said["og:image"].removeprefix(base)
        with Image.open(file) as card:
            assert card.size == (1200, 630) and card.format == "PNG", name
            assert len(card.getcolors()) > 8, f"{name}: an empty card"
        assert file.stat().st_size < 60_000, name
        assert not page.select(f"[src*='{file.name}']"), name
        cards.add(file.read_bytes())
    assert len(cards) == len(PAGES), "two pages share a card"


def test_a_card_drawn_again_has_the_same_bytes(site, monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "book" / "_ext"))
    import course_cards

    pictures = []
    for _ in range(2):
        course_cards.card("Eigenvalues, SVD, PCA", "2. Foundations", "B", "The course").save(
            buffer := io.BytesIO(), "PNG"
        )
        pictures.append(buffer.getvalue())
    assert pictures[0] == pictures[1]


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_lesson_and_exercise_say_how_long_they_take(pages, chapter):
    for folder in ("notebooks", "exercises"):
        assert re.search(r"Time\s*\d+ minutes", pages[f"{folder}/{chapter}"].select_one(".about").get_text()), folder


def test_figures_are_small_sized_and_loaded_when_they_near(site, pages):
    for name, page in pages.items():
        for picture in article(page).select("img"):
            assert picture["src"].endswith(".webp") and picture["loading"] == "lazy", name
            assert int(picture["width"]) > 100 and int(picture["height"]) > 50, name
            assert (site / name).parent.joinpath(picture["src"]).stat().st_size < 90_000, name


# What is refused -----------------------------------------------------------------------------------------------------

QUIZ = "## Check yourself\n\n" + "\n\n".join(
    f"**{number}. What is $x$?**\n\n"
    + "\n".join(
        f"<details><summary>It is $x_{i}$, by `x < {i}`</summary>\n\n{verdict}: that is the reason.\n\n</details>"
        for i, verdict in enumerate(("Yes", "No", "No"))
    )
    for number in (1, 2, 3)
)
PICTURE = base64.b64encode(
    bytes.fromhex(
        "89504e470d0a1a0a0000000d4948445200000001000000010806000000"
        "1f15c4890000000d49444154789c6360606060000000050001a5f64540"
        "0000000049454e44ae426082"
    )
).decode()


def lesson(*cells: NotebookNode, quiz: str = QUIZ) -> NotebookNode:
    """A page in order, with `cells` added to it."""
    quiz_cell = new_markdown_cell(quiz, metadata={"tags": ["quiz"]})
    return new_notebook(cells=[new_markdown_cell("# A lesson"), *cells, quiz_cell])


def code(*outputs: NotebookNode, execution_count: int | None = 1) -> NotebookNode:
    return new_code_cell("x = 1", outputs=list(outputs), execution_count=execution_count)


def picture(**metadata: dict) -> NotebookNode:
    return new_output("display_data", {"image/png": PICTURE}, metadata=metadata)


BROKEN = {
    "error_output": (lesson(code(new_output("error", ename="KeyError", evalue="x", traceback=[]))), "KeyError"),
    "not_executed": (lesson(code(execution_count=None)), "have not been executed"),
    "stderr": (lesson(code(new_output("stream", name="stderr", text="careful"))), "stderr was found"),
    "no_alt": (lesson(code(picture())), "no alt text"),
    "one_alt_of_two": (lesson(code(picture(**{"image/png": {"alt": "A dot"}}), picture())), "no alt text"),
    "broken_link": (lesson(new_markdown_cell("[x](../../exercises/part/nothing.ipynb)")), "target not found"),
    "broken_fragment": (lesson(new_markdown_cell("[x](../../book/index.md#nothing)")), "local id not found"),
    "broken_link_in_output": (
        lesson(code(new_output("display_data", {"text/markdown": "[x](nothing.ipynb)"}))),
        "target not found",
    ),
    "two_right_choices": (lesson(quiz=QUIZ.replace("No:", "Yes:", 1)), "right choices"),
    "choice_without_reason": (lesson(quiz=QUIZ.replace("No: that is the reason.", "No.", 1)), "no reason"),
    "no_blank_line_in_quiz": (lesson(quiz=QUIZ.replace("</summary>\n\n", "</summary>\n", 1)), "quiz"),
    "formula": (lesson(new_markdown_cell(r"It is $\frac{1}{$, they say.")), "cannot be set as MathML"),
    "no_quiz": (new_notebook(cells=[new_markdown_cell("# A lesson")]), "tagged quiz"),
}
SOUND = {
    "sound": lesson(
        code(picture(**{"image/png": {"alt": "One grey dot"}})), new_markdown_cell("[x](../../book/index.md)")
    ),
}


@pytest.fixture(scope="session")
def broken_book(tmp_path_factory: pytest.TempPathFactory) -> tuple[int, str, Path]:
    """A small book in which every page but one has one fault, built."""
    book = tmp_path_factory.mktemp("broken")
    for path in ("_config.yml", "book/curriculum.yml"):
        (book / path).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / path, book / path)
    for path in ("book/_ext", "book/_theme", "book/assets"):
        shutil.copytree(ROOT / path, book / path, ignore=shutil.ignore_patterns("__pycache__"))
    (book / "book/index.md").write_text("# A book\n", encoding="utf-8")
    for name, page in {**SOUND, **{name: page for name, (page, _) in BROKEN.items()}}.items():
        nb.write(book / f"notebooks/part/{name}.ipynb", nb.normalise(page))
    nb.write(book / "exercises/part/no_solution.ipynb", new_notebook(cells=[new_markdown_cell("# An exercise")]))
    (book / "exercises/part/no_notebook.ipynb").write_text("Nothing of the kind", encoding="utf-8")
    chapters = [{"file": f"notebooks/part/{name}"} for name in (*SOUND, *BROKEN)]
    chapters += [{"file": f"exercises/part/{name}"} for name in ("no_solution", "no_notebook")]
    toc = {"format": "jb-book", "root": "book/index", "chapters": chapters}
    (book / "_toc.yml").write_text(yaml.safe_dump(toc), encoding="utf-8")
    code, printed = build(book, book / "out")
    return code, printed, book / "out/_build/html"


def warnings_about(printed: str, page: str) -> list[str]:
    return [line for line in printed.splitlines() if "WARNING" in line or "ERROR" in line if f"/{page}.ipynb" in line]


@pytest.mark.parametrize("page", BROKEN)
def test_a_broken_page_fails_the_build(broken_book, page):
    code, printed, _ = broken_book
    assert code != 0
    found = warnings_about(printed, page)
    assert found and all(BROKEN[page][1] in line for line in found), found


@pytest.mark.parametrize("page, says", [("no_solution", "there is no such file"), ("no_notebook", "not a notebook")])
def test_an_exercise_without_solution_or_content_fails_the_build(broken_book, page, says):
    code, printed, _ = broken_book
    assert code != 0
    assert any(says in line for line in warnings_about(printed, page))


def test_a_sound_page_beside_broken_ones_is_not_complained_about(broken_book):
    _, printed, html = broken_book
    assert not warnings_about(printed, "sound")
    page = article(soup(html / "notebooks/part/sound.html"))
    assert page.select_one("img")["alt"] == "One grey dot"


def test_a_choice_of_a_quiz_shows_its_formula_and_its_code(broken_book):
    page = article(soup(broken_book[2] / "notebooks/part/sound.html"))
    choice = page.select("details.quiz-choice")[1]
    assert choice.summary.math.get_text() == "x1"
    assert choice.summary.code.get_text() == "x < 1"
    assert "wrong" in choice["class"] and choice.strong.get_text() == "No:"
    assert len(page.select("details.quiz-choice")) == 9


def test_nothing_heavy_lies_in_the_repository():
    assert not [path for path in (ROOT / "book").rglob("*") if path.is_file() and path.stat().st_size > 100_000]
