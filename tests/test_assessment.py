"""The self-assessment: well-formed questions over all parts, and what a reader's answers give, in a real browser."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from playwright.sync_api import Page
from sphinx.errors import ExtensionError

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "book" / "_ext"))
sys.path.insert(0, str(Path(__file__).parent))
from assessment import as_html, read_parts, read_questions
from browser import open_browser, serve

ROOT = Path(__file__).resolve().parents[1]
QUESTIONS = read_questions(ROOT)
PARTS = read_parts(ROOT)
CHAPTERS = {chapter["id"]: chapter for part in PARTS for chapter in part["chapters"]}


def test_the_questions_speak_for_every_chapter_but_the_capstone():
    assert 18 <= len(QUESTIONS) <= 24
    assert {id for question in QUESTIONS for id in question["chapters"]} == set(CHAPTERS) - {"decision/capstone"}


def test_the_right_answer_has_no_favourite_place():
    places = [question["right"] for question in QUESTIONS]
    assert max(map(places.count, set(places))) <= len(QUESTIONS) * 0.6


@pytest.mark.parametrize(
    "old, new, says",
    [
        ("Yes:", "No:", "0 of its choices begin with `Yes:`"),
        ("No: that is right when both", "that is right when both", "each choice gives its reason"),
        ("[role/the_job]", "[role/the_jab]", "has no chapter role/the_jab"),
        ("shows: B", "shows: C", "it must be A or B"),
    ],
)
def test_a_question_that_is_not_well_formed_is_refused(tmp_path, old, new, says):
    (tmp_path / "book").mkdir()
    for name in ("_toc.yml", "book/curriculum.yml", "book/assessment.yml"):
        text = (ROOT / name).read_text(encoding="utf-8")
        (tmp_path / name).write_text(text.replace(old, new, 1) if "assess" in name else text, encoding="utf-8")
    with pytest.raises(ExtensionError, match=says):
        read_questions(tmp_path)


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    folder = tmp_path_factory.mktemp("page")
    for name in ("assessment.js", "assessment.css"):
        (folder / name).write_bytes((ROOT / "book" / "assets" / name).read_bytes())
    head = '<!doctype html><html lang="en"><title>T</title><link rel="stylesheet" href="assessment.css">'
    body = f'{as_html(QUESTIONS, PARTS)}<script src="assessment.js"></script>'
    (folder / "page.html").write_text(f"{head}<main>{body}</main>", encoding="utf-8")
    with open_browser() as browser, serve(folder) as address:
        yield browser, f"{address}page.html"


@pytest.fixture
def reader(page) -> Page:
    browser, address = page
    with browser.new_context(accept_downloads=True) as context:
        tab = context.new_page()
        tab.goto(address)
        yield tab


def answer(tab: Page, know) -> None:
    """Answer every question: right where `know(question)`, else that one doesn't know."""
    for question in QUESTIONS:
        choice = str(question["right"]) if know(question) else "-1"
        tab.locator(f"#ask-{question['id']} button[value='{choice}']").click()


def test_an_engineer_is_sent_to_what_they_lack_past_what_they_know(reader):
    answer(reader, lambda question: question["shows"] == "A")
    assert "Recommended: track B" in reader.locator(".assessment-result [role=status]").first.inner_text()
    on_b = [chapter for chapter in CHAPTERS.values() if "B" in chapter["tracks"]]
    known = {id for question in QUESTIONS if question["shows"] == "A" for id in question["chapters"]}
    skip = [chapter for chapter in on_b if chapter["id"] in known]
    text = reader.locator(".assessment-result").inner_text()
    assert f"{len(on_b)} chapters, of which you can try to skip {len(skip)}." in text
    assert reader.locator(".assessment-route > li").count() == len(on_b)
    assert reader.locator(".standing .chapter").count() == len(CHAPTERS)
    assert reader.locator(".standing .known").count() == len(known)


def test_a_modeller_is_sent_on_track_a_and_may_look_at_b(reader):
    answer(reader, lambda question: question["shows"] == "B")
    assert "Recommended: track A" in reader.locator(".assessment-result [role=status]").first.inner_text()
    reader.get_by_role("button", name="B", exact=True).click()
    on_b = [chapter for chapter in CHAPTERS.values() if "B" in chapter["tracks"]]
    assert reader.locator(".assessment-route > li").count() == len(on_b)


def test_the_first_answer_counts_and_gives_its_reason(reader):
    question = QUESTIONS[0]
    wrong = next(n for n in range(2) if n != question["right"])
    place = reader.locator(f"#ask-{question['id']}")
    place.locator(f"button[value='{wrong}']").click()
    said = place.locator(".said").all_inner_texts()
    assert said[0].startswith("No:") and "Yes:" in said[1]
    assert place.locator(f"button[value='{question['right']}']").is_disabled()


def test_answers_are_kept_exported_imported_and_forgotten(reader, tmp_path):
    answer(reader, lambda question: True)
    reader.reload()
    assert "9 of 9" in reader.locator(".assessment-result").inner_text()
    with reader.expect_download() as download:
        reader.get_by_role("button", name="Export my answers").click()
    saved = tmp_path / "answers.json"
    download.value.save_as(saved)
    assert json.loads(saved.read_text())["answers"] == {q["id"]: q["right"] for q in QUESTIONS}
    reader.get_by_role("button", name="Start again").click()
    assert "your track and route appear here" in reader.locator(".assessment-result").inner_text()
    reader.locator("input[type=file]").set_input_files(saved)
    reader.locator(".assessment-route").wait_for()
    other = tmp_path / "other.json"
    other.write_text('{"answers": {"nothing": "<script>"}}')
    reader.locator("input[type=file]").set_input_files(other)
    reader.get_by_text("holds no answers to these questions").wait_for()


def test_without_scripts_the_answers_unfold_with_the_chapters_they_speak_for(page):
    browser, address = page
    with browser.new_context(java_script_enabled=False) as context:
        tab = context.new_page()
        tab.goto(address)
        assert tab.locator("details").count() == sum(len(question["choices"]) for question in QUESTIONS)
        tab.locator("summary").first.click()
        assert tab.locator("details[open] p").first.is_visible()
        assert tab.get_by_text("Speaks for: The job").is_visible()
