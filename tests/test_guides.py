"""What the guides show works: their examples are taken out of the pages and used."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from coursework.grade import read_parameters
from coursework.policy import read_policy
from coursework.project import Project

ROOT = Path(__file__).resolve().parent.parent


def blocks(page: str, language: str) -> list[str]:
    text = (ROOT / "book" / page).read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.M | re.S)


@pytest.mark.parametrize("which", [0, 1])
def test_the_instructors_examples_of_hidden_parameters_are_ones_that_grading_accepts(tmp_path, which):
    path = tmp_path / "private.yml"
    path.write_text(blocks("instructors.md", "yaml")[which], encoding="utf-8")
    project = Project.find(ROOT)
    hidden = read_parameters(path, project.ids())
    assert hidden
    for id, sets in hidden.items():
        drawn = sets.drawn(project.load(id))
        assert len(drawn) > 1
        for one in drawn:
            assert project.load(id).validate(one) == one


def test_the_instructors_example_of_a_policy_is_one_that_grading_accepts(tmp_path):
    _, _, example = blocks("instructors.md", "yaml")
    path = tmp_path / "policy.yml"
    path.write_text(example, encoding="utf-8")
    project = Project.find(ROOT)
    rules = read_policy(path, project.ids(), lambda id: list(project.load(id).questions)).rules("math/least_squares")
    assert rules.attempts == "best" and rules.penalty == 0.1 and rules.extra_credit and rules.drop


def test_every_command_in_the_guides_is_one_that_coursework_has():
    from typer.main import get_command

    from coursework.cli import app

    known = set(get_command(app).commands)
    pages = ["index.md", "start.md", "authors.md", "instructors.md"]
    used = {
        command for page in pages for command in re.findall(r"coursework ([a-z]+)\b", "\n".join(blocks(page, "text")))
    }
    assert {"new", "grade", "release", "gate"} <= used <= known


def test_the_instructor_is_told_every_format_of_an_export_and_every_key_of_the_review_page():
    from coursework.report.export import FORMATS

    text = (ROOT / "book" / "instructors.md").read_text(encoding="utf-8")
    table = text.split("| format | gives |")[1].split("\n\n")[0]
    assert set(re.findall(r"^\| `(\w+)` \|", table, re.M)) == set(FORMATS)
    assert set(re.findall(r"--format (\w+)", "\n".join(blocks("instructors.md", "text")))) <= set(FORMATS)
    keys = text.split("| key | does |")[1].split("\n\n")[0]
    page = (ROOT / "src" / "coursework" / "templates" / "review.html.j2").read_text(encoding="utf-8")
    assert set(re.findall(r"<kbd>(.+?)</kbd>", page)) - {"f"} <= set(re.findall(r"`(.+?)`", keys))
