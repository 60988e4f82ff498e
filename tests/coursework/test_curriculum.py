"""Where a learner stands in the planned course, and what a curriculum must hold."""

from __future__ import annotations

import pytest

from coursework import curriculum, progress
from coursework.model import AuthoringError

CURRICULUM = """
demo:
  title: Demo
  chapters:
    stats: [A few numbers, AB]
    later: [Much later, B, [demo/stats]]
end:
  title: The end
  chapters:
    last: [The last, A]
"""


@pytest.fixture
def book(course):
    folder = course.root / "book"
    folder.mkdir(exist_ok=True)
    path = folder / "curriculum.yml"
    path.write_text(CURRICULUM, encoding="utf-8")
    return path


def test_chapters_are_numbered_through_the_course(course, book):
    parts = curriculum.read(course.root)
    assert [(c.number, c.id, c.tracks) for part in parts for c in part.chapters] == [
        (1, "demo/stats", "AB"),
        (2, "demo/later", "B"),
        (3, "end/last", "A"),
    ]


@pytest.mark.parametrize(
    "text, says",
    [
        ("demo: [", "is not YAML"),
        ("demo:\n  chapters: {a: [T, A]}", "a part needs `title` and `chapters`"),
        ("demo:\n  title: T\n  chapters: {a: [T]}", "a part needs `title` and `chapters`, a chapter its title"),
        ("", "a part needs"),
        (CURRICULUM.replace("[demo/stats]", "[demo/stat]"), "demo/later needs 'demo/stat', which is no chapter"),
    ],
)
def test_what_is_no_curriculum_is_refused_with_the_rule(course, book, text, says):
    book.write_text(text, encoding="utf-8")
    with pytest.raises(AuthoringError, match=says):
        curriculum.read(course.root)
    book.unlink()
    with pytest.raises(AuthoringError, match="is missing"):
        curriculum.read(course.root)


def test_an_exercise_is_passed_when_every_question_is(course, monkeypatch, tmp_path):
    monkeypatch.setenv("COURSEWORK_DATA", str(tmp_path))

    def state(id="demo/stats"):
        return curriculum.state(course, id, progress.standings())

    assert (state(), state("demo/later")) == ("open", "planned")
    progress.record("demo/stats", "average", "wrong", 0, None)
    assert state() == "begun"
    for question in ("average", "total"):
        progress.record("demo/stats", question, "passed", 1, None)
    assert state() == "begun"
    progress.record("demo/stats", "ordered", "unmarked", 0, None)  # as prose is, until a person marks it
    assert state() == "passed"
