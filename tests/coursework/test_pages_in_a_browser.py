"""In a real browser: the class page is searched and sorted, no student's script runs, a person marks by keyboard."""

from __future__ import annotations

import re
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import jinja2
import pytest
from attrs import evolve
from paper_class import EVIL, ID, UNSEEN, exercise, the_class, write_book
from playwright.sync_api import Browser, Page, expect

from coursework.gradebook import Gradebook
from coursework.report import page_name, write_report
from coursework.report import pages as report_pages
from coursework.review.desk import Desk
from coursework.review.server import ReviewServer

sys.path.insert(0, str(Path(__file__).parents[1]))
from browser import open_browser


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with open_browser() as opened:
        yield opened


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    made = context.new_page()
    errors: list[str] = []
    made.on("pageerror", lambda error: errors.append(str(error)))
    yield made
    context.close()
    assert errors == []


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("report")
    many = [evolve(one, student=f"{one.student}-{i:03}") for i in range(40) for one in the_class()[:6]]
    return write_report(folder, [*the_class(), *many], [exercise()])


def shown(page: Page) -> list[str]:
    return page.locator("#marks tbody tr:visible th").all_inner_texts()


# ----------------------------------------------------------------------------------------------------- the class page


def test_a_student_is_found_by_typing_from_anywhere_and_all_come_back(page, report):
    page.goto(report.as_uri())
    assert len(shown(page)) == 200
    page.keyboard.press("/")
    page.keyboard.type("ada -01")
    assert shown(page) == [f"ada-01{i}" for i in range(10)] and page.locator("#shown").inner_text() == "10 of 249"
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Show all 249").click()
    assert len(shown(page)) == 249


def test_columns_sort_by_name_by_points_and_by_kind_with_the_keyboard(page, report):
    page.goto(report.as_uri())
    total = page.get_by_role("button", name="Total of 7")
    total.focus()
    page.keyboard.press("Enter")
    assert shown(page)[0] == "ada"
    assert page.locator("th[aria-sort]").get_attribute("aria-sort") == "descending"
    page.keyboard.press("Enter")
    assert shown(page)[0] == "=cmd|x"
    page.get_by_role("button", name="total", exact=True).click()
    page.get_by_role("button", name="total", exact=True).click()
    assert page.locator("#marks tbody tr:visible td:nth-of-type(2)").first.inner_text() == "not handed in"
    page.get_by_role("button", name="Student").click()
    assert [name.split()[0] for name in shown(page)[1:4]] == ["=cmd|x", "ada", "ada-000"]


def test_those_with_one_kind_of_answer_or_a_flag_can_be_shown_alone(page, report):
    page.goto(report.as_uri())
    page.get_by_label("Show").select_option("t")
    assert len(shown(page)) == 41 and all(name.startswith("dan") for name in shown(page))
    page.get_by_label("Find a student").fill("dan 007")
    assert [name.split()[0] for name in shown(page)] == ["dan-007"]


def test_without_scripts_everything_is_there(browser, report):
    page = browser.new_page(java_script_enabled=False)
    page.goto(report.as_uri())
    assert len(shown(page)) == 249 and not page.locator("#tools").is_visible()
    page.close()


def test_no_script_of_a_student_runs_on_any_page(page, report):
    for path in (report, report.parent / "students" / f"{page_name(EVIL + UNSEEN)}.html"):
        page.goto(path.as_uri())
        assert page.evaluate("window.hacked") is None


def test_even_if_text_were_not_escaped_no_script_of_a_student_would_run(page, tmp_path, monkeypatch):
    class Careless(jinja2.Environment):
        def __init__(self, **settings):
            super().__init__(**{**settings, "autoescape": False})

    monkeypatch.setattr(report_pages.jinja2, "Environment", Careless)
    index = write_report(tmp_path, the_class(), [exercise()])
    assert EVIL in index.read_text(encoding="utf-8")
    page.goto(index.as_uri())
    assert page.evaluate("window.hacked") is None


# ---------------------------------------------------------------------------------------------------- the review page


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(write_book(tmp_path, the_class()), [exercise()], "tutor")


@pytest.fixture
def address(desk: Desk) -> Iterator[str]:
    with ReviewServer(desk) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server.address
        server.shutdown()
        thread.join()


def marks(desk: Desk) -> dict[str, tuple[float | None, str]]:
    with Gradebook(desk.path) as book:
        return {mark.student: (mark.points, mark.comment) for mark in book.marks()}


def student_of(desk: Desk, page: Page) -> str:
    number = int(page.locator("#title").inner_text().split(":")[0].removeprefix("Answer "))
    return desk.items(ID, "memo")[number - 1].graded.student


def test_answers_are_marked_from_the_keyboard_and_kept_at_once(page, desk, address):
    page.goto(address)
    expect(page.locator("#title")).to_have_text("Answer 1: memo")
    expect(page.locator("#saved")).to_have_text("")
    first = student_of(desk, page)
    page.keyboard.press("s")  # the second criterion
    expect(page.locator("#saved")).to_have_text("Saved")
    assert marks(desk)[first] == (2.0, "✗ The advice comes first\n✓ It names a cost")
    page.keyboard.press("c")
    page.keyboard.type("Why so little? j k 3")
    page.keyboard.press("Escape")
    expect(page.locator("#saved")).to_have_text("Saved")
    assert marks(desk)[first][1].endswith("✓ It names a cost\n\nWhy so little? j k 3")
    page.keyboard.press("j")
    expect(page.locator("#title")).to_have_text("Answer 2: memo")
    second = student_of(desk, page)
    for key in "1.5":
        page.keyboard.press(key)
    expect(page.locator("#points")).to_have_value("1.5")
    page.keyboard.press("k")
    expect(page.locator("#comment")).to_have_value("Why so little? j k 3")
    expect(page.locator("#saved")).to_have_text("Saved")
    assert marks(desk)[second] == (1.5, "")


def test_it_opens_where_marking_was_left_and_n_skips_what_is_marked(page, desk, address):
    items = desk.items(ID, "memo")
    for item in (items[0], items[2]):
        desk.give(item.id, 3.0)
    page.goto(address)
    expect(page.locator("#title")).to_have_text("Answer 2: memo")
    page.keyboard.press("3")
    page.keyboard.press("n")
    expect(page.locator("#title")).to_have_text("Answer 4: memo")
    page.reload()
    expect(page.locator("#title")).to_have_text("Answer 4: memo")
    assert len(marks(desk)) == 3


def test_names_are_hidden_until_asked_and_search_and_help_are_a_key_away(page, desk, address):
    page.goto(address)
    expect(page.locator("#list button")).to_have_count(7)
    assert not re.search(r"\b(ada|bea|cem|dan)\b", page.locator("body").inner_text(), re.I)
    page.keyboard.press("/")
    page.keyboard.type("ship")
    expect(page.locator("#list button")).to_have_count(1)
    page.keyboard.press("Escape")
    page.keyboard.press("v")
    expect(page.locator("#title")).to_have_text("ada: memo")
    page.keyboard.press("?")
    expect(page.get_by_role("heading", name="Keys")).to_be_visible()


def test_any_question_s_points_are_changed_and_given_back(page, desk, address):
    page.goto(address)
    page.get_by_label("Question").select_option(label="total")
    page.get_by_label("Search").fill("ran out of time")
    expect(page.locator("#list button")).to_have_count(1)
    expect(page.locator("#automatic")).to_contain_text("ran out of time, 0 of 2")
    page.get_by_role("textbox", name="Points").fill("2")
    page.get_by_label("Comment").fill("Our clock was slow.")
    page.get_by_label("Comment").blur()
    expect(page.locator("#saved")).to_have_text("Saved")
    assert marks(desk)["dan"] == (2.0, "Our clock was slow.")
    page.get_by_role("button", name="Take the mark back").click()
    expect(page.locator("#saved")).to_have_text("Saved")
    assert marks(desk) == {}


def test_a_mark_that_cannot_be_kept_is_said_and_kept_when_it_can(page, desk, address):
    page.goto(address)
    expect(page.locator("#title")).to_have_text("Answer 1: memo")
    page.route("**/mark?*", lambda route: route.abort())
    page.keyboard.press("2")
    expect(page.locator("#saved")).to_contain_text("Not saved")
    page.unroute("**/mark?*")
    expect(page.locator("#saved")).to_have_text("Saved", timeout=8000)
    assert [points for points, _ in marks(desk).values()] == [2.0]


def test_a_server_that_has_ended_is_said(page, desk):
    server = ReviewServer(desk)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    page.goto(server.address)
    expect(page.locator("#title")).to_have_text("Answer 1: memo")
    server.shutdown()
    server.server_close()
    page.keyboard.press("j")
    expect(page.locator("#saved")).to_contain_text("the server does not answer")


def test_what_a_student_wrote_is_text_here_too(page, desk, address):
    page.goto(address)
    expect(page.locator("#list button")).to_have_count(7)
    for _ in range(7):
        page.keyboard.press("v")
        page.keyboard.press("j")
    page.get_by_label("Search").fill("hacked")
    expect(page.locator("#text")).to_contain_text(EVIL)
    assert page.evaluate("window.hacked") is None
