"""The skills page and the index of mistakes are made from the declarations, and say where a declaration is wrong."""

from __future__ import annotations

import pytest
from tiny_course import CHECKS, SOLUTION, write_chapter

from coursework import catalogue
from coursework.model import AuthoringError

CURRICULUM = "demo:\n  title: Demo\n  chapters:\n    stats: [A few numbers, AB]\n    later: [Much later, B]\n"
SKILLS = "all:\n  counting: [demo/stats]\n  flying: [demo/later]\n"


@pytest.fixture
def book(course):
    folder = course.root / "book"
    folder.mkdir(exist_ok=True)
    (folder / "curriculum.yml").write_text(CURRICULUM, encoding="utf-8")
    (folder / "skills.yml").write_text(SKILLS, encoding="utf-8")
    return folder


def test_what_is_not_checked_is_not_yet(course, book):
    skills = catalogue.pages(course)[book / "skills.md"]
    assert "| counting | [A few numbers](../notebooks/demo/stats.ipynb) | not yet |" in skills
    assert "| flying | *not yet: Much later* | not yet |" in skills


def test_an_objective_names_its_questions_and_their_mistakes(course, book):
    skills = catalogue.pages(course)[book / "skills.md"]
    row = "| Average numbers. | [1. The average](../exercises/demo/stats.ipynb#1-the-average) (3 mistakes) |"
    assert row in skills


def test_every_mistake_is_in_the_index_in_the_words_of_its_check(course, book):
    mistakes = catalogue.pages(course)[book / "mistakes.md"]
    for question in course.load("demo/stats").questions.values():
        for mistake in question.mistakes:
            assert f"- {mistake.sentence}" in mistakes


def test_writing_twice_changes_nothing_the_second_time(course, book):
    assert {path.name for path in catalogue.write(course)} == {"skills.md", "mistakes.md", "sources.md"}
    assert catalogue.write(course) == []


def test_a_skill_that_nobody_listed_and_a_chapter_that_nobody_planned_are_refused(course, book):
    checks = CHECKS.replace("demo/stats", "demo/juggled").replace(
        'kind="value", points=1', 'kind="value", points=1, skills=["juggling"]'
    )
    write_chapter(course, "demo/juggled", checks, SOLUTION.replace("demo.stats", "demo.juggled"))
    (book / "curriculum.yml").write_text(CURRICULUM + "    juggled: [Odd, A]\n", encoding="utf-8")
    try:
        with pytest.raises(AuthoringError, match="question 'total' names the skill 'juggling'"):
            catalogue.pages(course)
    finally:
        course.solution("demo/juggled").unlink()
    (book / "skills.yml").write_text(SKILLS + "  diving: [demo/nowhere]\n", encoding="utf-8")
    with pytest.raises(AuthoringError, match="diving: the curriculum has no chapter demo/nowhere"):
        catalogue.pages(course)


def test_a_sentence_of_a_check_is_no_markup():
    assert catalogue._plain("a*b is `x_1`, not x_1") == r"a\*b is `x_1`, not x\_1"
    assert catalogue._plain("*no more* than a * b * c or 2*3*4") == r"*no more* than a \* b \* c or 2\*3\*4"
