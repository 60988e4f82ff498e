"""The skills page and the index of mistakes say what the notebooks and the checks say today."""

from __future__ import annotations

from pathlib import Path

import yaml

from coursework import catalogue
from coursework.project import Project

ROOT = Path(__file__).resolve().parent.parent


def test_the_pages_are_in_step_with_the_notebooks():
    for path, text in catalogue.pages(Project.find(ROOT)).items():
        assert path.read_text(encoding="utf-8") == text, f"{path.name}: run `coursework catalogue`"


def test_every_objective_of_every_lesson_is_checked():
    for chapter in catalogue.read_chapters(Project.find(ROOT)):
        if chapter.exercise is not None:
            assert 3 <= len(chapter.objectives) <= 4, chapter.id
            checked = {n for question in chapter.exercise.questions.values() for n in question.objectives}
            assert checked == set(range(1, len(chapter.objectives) + 1)), chapter.id


def test_what_the_articles_ask_for_is_listed():
    skills = yaml.safe_load((ROOT / "book" / "skills.yml").read_text(encoding="utf-8"))
    named = {name for group in skills.values() for name in group}
    must = (
        "data scientist, data engineer, ML engineer, algebra, calculus, statistics, probability, Python, C++, Java, R"
    )
    must += ", Prolog, Lisp, Elasticsearch, NoSQL, Hadoop, TensorFlow, GPU acceleration, recommendation, company goals"
    assert set(must.split(", ")) <= named
