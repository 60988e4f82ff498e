"""The site as a reader gets it: it builds clean, is complete and accessible, asks nobody else for anything, and is
refused when a page is broken."""

from __future__ import annotations

import base64
import hashlib
import re
import shutil
import subprocess
import sys
import tomllib
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
import yaml
from bs4 import BeautifulSoup, Tag
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from coursework import notebook as nb

sys.path.insert(0, str(Path(__file__).parent))
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
    folds = page.select("#solution details")
    assert len(folds) == len(questions)
    assert not [fold for fold in folds if fold.has_attr("open")]
    for fold, question in zip(folds, questions, strict=True):
        code = "".join(pre.get_text() for pre in fold.select("pre"))
        for index in question.answers:
            for line in nb.solution_lines(solution.cells[index].source):
                assert line in code
        assert fold.select("p.sd-card-text"), "no explanation"
    assert "BEGIN SOLUTION" not in page.get_text()


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_lesson_and_exercise_lead_to_each_other_and_can_be_launched(pages, chapter):
    repository = CONFIG["repository"]["url"].removeprefix("https://github.com/")
    for folder, other in (("notebooks", "exercises"), ("exercises", "notebooks")):
        page = pages[f"{folder}/{chapter}"]
        links = {link["href"].partition("#")[0] for link in article(page).select("a[href]")}
        assert f"../../{other}/{chapter}.html" in links
        buttons = {link["href"] for link in page.select(".article-header-buttons a[href]")}
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


# As published in npm's mathjax 3.2.2: the package that carries MathJax to the site is somebody else's.
MATHJAX = {
    "startup.js": "84f4ec49041b12a6dadc5d1689babc80f417435cfcbd890ec712e374152bbb88",
    "core.js": "44d9c29f77d89537e024d165e2c0d7e981a98d75ed53b6c236fac899ed631abb",
    "input/tex.js": "fa6524c5b16c20bed3f040c9833e88c7b8ab25ffe988af9cda8395016a0b643c",
    "output/chtml.js": "287022a5672cb02108104df6a0c4d1ae219cc9d9e53e06ccb8c023c47ff867ce",
    "output/chtml/fonts/tex.js": "b525b71e41a7fdb124ef6a2b44d5250cb7fc2f56d7e73494ad03d090d0e4f28a",
    "a11y/assistive-mml.js": "5b8414e36cd63d154b90beab67e5e3399c7439aff97f4b556761224f8176f657",
}


def test_mathjax_is_what_its_makers_published(site):
    for name, digest in MATHJAX.items():
        assert hashlib.sha256((site / "_static" / "mathjax" / name).read_bytes()).hexdigest() == digest, name


@pytest.fixture(scope="session")
def browser():
    with open_browser() as found:
        yield found


@pytest.mark.parametrize("scheme, width", [("light", 1366), ("dark", 375)])
def test_pages_work_in_a_browser_alone_with_their_server(site, browser, scheme, width):
    context = browser.new_context(color_scheme=scheme, viewport={"width": width, "height": 800})
    page = context.new_page()
    asked, complaints = [], []
    page.on("request", lambda request: asked.append(request.url))
    page.on("requestfailed", lambda request: complaints.append(f"failed: {request.url}"))
    page.on(
        "response", lambda response: response.status < 400 or complaints.append(f"{response.status}: {response.url}")
    )
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", lambda line: line.type in ("error", "warning") and complaints.append(line.text))
    with serve(site) as address:
        for name in ["book/index", *(f"{kind}/{CHAPTERS[0]}" for kind in ("notebooks", "exercises"))]:
            page.goto(f"{address}{name}.html", wait_until="networkidle")
            assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), f"{name} is too wide"
            formulas = page.locator("article .math").count()
            if formulas:
                page.wait_for_function("document.querySelector('article .math mjx-container') !== null")
                assert page.locator("article mjx-container").count() >= formulas, name
                assert page.locator("mjx-merror").count() == 0, name
        page.goto(f"{address}notebooks/{CHAPTERS[0]}.html", wait_until="networkidle")
        choice = page.locator("details.quiz-choice").first
        reason = choice.locator("p").first
        assert not reason.is_visible()
        choice.locator("summary").focus()
        page.keyboard.press("Enter")
        assert reason.is_visible()
        assert reason.inner_text().startswith(("Yes:", "No:"))
    context.close()
    assert not complaints
    assert asked and not [url for url in asked if not url.startswith((address, "data:"))]


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
    for path in ("book/_ext", "book/assets"):
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
    assert choice.summary.select_one(".math").get_text() == r"\(x_1\)"
    assert choice.summary.code.get_text() == "x < 1"
    assert "wrong" in choice["class"] and choice.strong.get_text() == "No:"
    assert len(page.select("details.quiz-choice")) == 9


def test_mathjax_comes_from_the_environment_and_not_from_the_repository():
    assert find_spec("mathjax") is not None
    assert not [path for path in (ROOT / "book").rglob("*") if path.is_file() and path.stat().st_size > 100_000]
