"""A learner in the real JupyterLab, in a real browser: what book/start.md promises of an exercise is what happens.

JupyterLab is started as `make course` starts it, on a copy of the exercises, with settings and a record of its own.
"""

from __future__ import annotations

import os
import re
import shutil
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from coursework.serve import jupyterlab

sys.path.insert(0, str(Path(__file__).parent))
from browser import open_browser

ROOT = Path(__file__).parents[1]
EXERCISE = "exercises/math/least_squares.ipynb"
WRONG = "def design_matrix(X):\n    return np.column_stack([X, np.ones(len(X))])"
RIGHT = "def design_matrix(X):\n    return np.column_stack([np.ones(len(X)), X])"
PATIENCE = 60_000  # ms; a kernel that imports the course takes 5 s on an idle laptop
# Of each text in the panel, against the first ground behind it. axe-core leaves out what JupyterLab draws by panes.
CONTRAST = """() => {
  const numbers = (colour) => colour.match(/[\\d.]+/g).map(Number);
  const light = (colour) => numbers(colour).slice(0, 3).map((c) => c / 255)
    .map((c) => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
    .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
  const ground = (each) => {
    const colour = getComputedStyle(each).backgroundColor;
    return numbers(colour)[3] === 0 ? ground(each.parentElement) : colour;
  };
  return [...document.querySelectorAll(".coursework-verdict :is(strong, dt, dd, code)")].map((each) => {
    const [a, b] = [light(getComputedStyle(each).color), light(ground(each))];
    return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
  });
}"""


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Page]:
    """JupyterLab open on the exercise, its kernel waiting."""
    shutil.copytree(ROOT / "exercises", tmp_path / "exercises")
    (tmp_path / "_build").mkdir()
    # Neither the settings of whoever runs the tests, nor their record of progress.
    monkeypatch.setenv("JUPYTER_CONFIG_DIR", str(tmp_path / "configuration"))
    monkeypatch.setenv("COURSEWORK_DATA", str(tmp_path / "record"))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT / "src"), os.environ.get("PYTHONPATH", "")]))
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with open_browser() as browser, jupyterlab(tmp_path, port) as (_, address):
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        page.goto(address.replace("/lab?", f"/lab/tree/{EXERCISE}?"))
        # Run earlier, JupyterLab would ask which kernel is meant.
        expect(page.locator("#jp-main-statusbar")).to_contain_text("Python 3 (ipykernel) | Idle", timeout=PATIENCE)
        yield page


def choose(page: Page, menu: str, *items: str) -> None:
    """Click through a menu."""
    page.get_by_role("menuitem", name=menu, exact=True).click()
    for item in items:
        page.locator(".lm-Menu-itemLabel").get_by_text(item, exact=True).click()


def test_a_learner_in_jupyterlab_sees_the_mistake_recognised_and_then_passes(lab, tmp_path):
    def cell(text: str):
        return lab.locator(".jp-CodeCell").filter(has=lab.locator(".cm-content", has_text=text))

    def write(code: str) -> None:
        """Over the answer, then run it and its check, as a person does."""
        answer.locator(".cm-content").click()
        lab.keyboard.press("ControlOrMeta+A")
        lab.keyboard.insert_text(code)
        lab.keyboard.press("Shift+Enter")
        lab.keyboard.press("Shift+Enter")

    answer, check = cell("def design_matrix(X)"), cell('check("design_matrix"')
    panel = check.locator(".coursework-verdict")
    answer.locator(".cm-content").click()
    choose(lab, "Run", "Run All Above Selected Cell")
    expect(cell("exercise.check(").locator(".jp-InputPrompt")).to_have_text(re.compile(r"\[\d+\]:"), timeout=PATIENCE)

    answer.locator(".cm-content").click()
    lab.keyboard.press("Shift+Enter")
    lab.keyboard.press("Shift+Enter")
    expect(panel).to_contain_text("Not yet", timeout=PATIENCE)  # the stub

    write(WRONG)
    expect(check.locator(".coursework-wrong")).to_be_visible(timeout=PATIENCE)
    expect(panel).to_contain_text("Likely cause")
    expect(panel).to_contain_text("The ones are there, in the last column.")
    for label in ("Called", "Expected", "Got", "Stuck?"):
        expect(panel).to_contain_text(label)

    for theme in ("JupyterLab Light", "JupyterLab Dark"):
        if theme != "JupyterLab Light":  # which it has
            choose(lab, "Settings", "Theme", theme)
        expect(lab.locator("body")).to_have_attribute("data-jp-theme-name", theme)
        panel.scroll_into_view_if_needed()
        if folder := os.environ.get("SCREENSHOTS"):
            lab.screenshot(path=f"{folder}/{theme.replace(' ', '-')}.png")
        contrasts = lab.evaluate(CONTRAST)
        assert len(contrasts) >= 10 and min(contrasts) > 4.5, (theme, contrasts)

    write(RIGHT)
    expect(check.locator(".coursework-passed")).to_be_visible(timeout=PATIENCE)
    expect(panel).to_contain_text("Passed")
    choose(lab, "File", "Save Notebook")
    expect(lab.locator(".jp-mod-dirty")).to_have_count(0)
    assert "np.column_stack([np.ones(len(X)), X])" in (tmp_path / EXERCISE).read_text(encoding="utf-8")
    assert any((tmp_path / "record").iterdir()), "what was passed is not in the learner's record"
