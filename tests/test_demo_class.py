"""The demo class is graded as its answers deserve, and the report says why."""

from __future__ import annotations

import csv
import importlib.util
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest
import yaml

from coursework.grade import Progress, Settings, grade, handed_in, read_parameters
from coursework.gradebook import Graded
from coursework.model import Exercise, Status
from coursework.project import Project
from coursework.report import page_name, write_report

ROOT = Path(__file__).resolve().parent.parent
DEMO = ROOT / "demo"
SETTINGS = Settings(cell_timeout=10)


@pytest.fixture(scope="module")
def made() -> ModuleType:
    spec = importlib.util.spec_from_file_location("make_class", DEMO / "make_class.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def exercises(made: ModuleType) -> dict[str, Exercise]:
    return {id: Project.find(ROOT).load(id) for id in sorted(made.EXERCISES)}


@pytest.fixture(scope="module")
def run(exercises: dict[str, Exercise], tmp_path_factory: pytest.TempPathFactory) -> SimpleNamespace:
    """The class, graded once; `again()` grades it once more into the same folder."""
    out = tmp_path_factory.mktemp("grades")

    def graded() -> tuple[list[Graded], list[Progress]]:
        told: list[Progress] = []
        ids = list(exercises)
        hidden = read_parameters(DEMO / "private.yml", ids)
        found = grade(
            Project.find(ROOT), DEMO / "submissions", out, ids, hidden=hidden, settings=SETTINGS, progress=told.append
        )
        return found, told

    units, _ = graded()
    page = write_report(out / "report", units, list(exercises.values()))
    by_student = {(unit.student, unit.exercise): unit for unit in units}
    return SimpleNamespace(units=units, unit=by_student, page=page, again=graded)


def expected() -> list[dict[str, str]]:
    with (DEMO / "expected.csv").open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def flagged(unit: Graded, words: str) -> set[str]:
    """The questions of which a flag says `words`."""
    return {flag.partition(":")[0] for flag in unit.flags if words in flag}


# ------------------------------------------------------------------------------------- the class as it is made


def test_what_is_committed_is_what_the_generator_makes() -> None:
    done = subprocess.run([sys.executable, DEMO / "make_class.py", "--check"], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_class_is_twenty_students_and_every_question_has_a_deserved_score(exercises: dict[str, Exercise]) -> None:
    rows = expected()
    students = {row["student"] for row in rows}
    asked = {(s, id, q) for s in students for id, exercise in exercises.items() for q in exercise.questions}
    assert len(students) == 20
    assert students == {path.name for path in (DEMO / "submissions").iterdir()}
    assert len(rows) == len(asked)
    assert {(row["student"], row["exercise"], row["question"]) for row in rows} == asked


def test_a_right_answer_deserves_all_points_and_any_other_fewer(exercises: dict[str, Exercise]) -> None:
    for row in expected():
        points = exercises[row["exercise"]].questions[row["question"]].points
        assert (float(row["points"]) == points) == (row["status"] == "passed"), row
        assert row["status"] in ("passed", "wrong") or float(row["points"]) == 0, row


def test_every_mistake_that_a_check_names_is_made_by_somebody(exercises: dict[str, Exercise]) -> None:
    made_by_somebody = {(row["exercise"], row["question"], row["mistake"]) for row in expected() if row["mistake"]}
    named = {(id, q.name, m.name) for id, e in exercises.items() for q in e.questions.values() for m in q.mistakes}
    assert made_by_somebody == named


def test_every_status_is_deserved_by_somebody() -> None:
    assert {row["status"] for row in expected()} == {str(status) for status in Status}


def test_a_chapter_that_nobody_has_come_to_is_not_held_against_the_class(made: ModuleType) -> None:
    assert handed_in(DEMO / "submissions", [*made.EXERCISES, "decision/capstone"]) == set(made.EXERCISES)


# ------------------------------------------------------------------------------------------- the class, graded


def test_every_answer_gets_the_status_and_the_points_that_it_deserves(run: SimpleNamespace) -> None:
    verdicts = {(u.student, u.exercise, v.question): v for u in run.units for v in u.verdicts}
    assert len(verdicts) == len(expected())
    differ = []
    for row in expected():
        verdict = verdicts[row["student"], row["exercise"], row["question"]]
        if (str(verdict.status), f"{verdict.points:g}") != (row["status"], row["points"]):
            place = f"{row['student']}, {row['exercise']}, {row['question']} ({row['answer']})"
            got = f"{verdict.status} {verdict.points:g}: {verdict.message}"
            differ.append(f"{place}: deserves {row['status']} {row['points']}, got {got}")
    assert not differ, "\n".join(differ)


def test_a_named_mistake_is_told_in_its_own_words_and_nobody_else_is_told_one(
    run: SimpleNamespace, exercises: dict[str, Exercise]
) -> None:
    for row in expected():
        unit = run.unit[row["student"], row["exercise"]]
        verdict = next(v for v in unit.verdicts if v.question == row["question"])
        assert (verdict.mistake or "") == row["mistake"], (row, verdict.message)
        if row["mistake"]:
            mistakes = exercises[row["exercise"]].questions[row["question"]].mistakes
            assert verdict.message == next(m.sentence for m in mistakes if m.name == row["mistake"])


def test_hard_coded_answers_are_flagged_and_no_others(run: SimpleNamespace) -> None:
    deserved = {(r["student"], r["exercise"], r["question"]) for r in expected() if r["flag"] == "hard-coded"}
    found = {(u.student, u.exercise, q) for u in run.units for q in flagged(u, "published parameters only")}
    assert found == deserved
    assert {id for _, id, _ in deserved} == {unit.exercise for unit in run.units}


def test_answers_that_are_somebody_elses_are_flagged_with_the_names_of_those_who_have_the_same(
    run: SimpleNamespace,
) -> None:
    answers = {(r["student"], r["exercise"], r["question"]): r["answer"] for r in expected()}
    found = {
        (u.student, u.exercise, flag.partition(":")[0]): flag.partition(" as ")[2].split(", ")
        for u in run.units
        for flag in u.flags
        if "the same code" in flag
    }
    assert found["bruno", "math/least_squares", "design_matrix"] == ["kofi"]
    assert found["olga", "algorithms/sorting", "top_k"] == ["kofi"]
    for (student, id, question), others in found.items():
        mine = answers[student, id, question]
        assert mine != "reference" and {answers[other, id, question] for other in others} == {mine}, (student, question)
    for name, text in pages(run):
        assert name == "index" or "the same code" not in text, name


@pytest.mark.parametrize("status", ["timeout", "crashed", "out of bounds"])
def test_what_an_instructor_should_look_at_is_flagged(run: SimpleNamespace, status: str) -> None:
    deserved = {(r["student"], r["exercise"], r["question"]) for r in expected() if r["status"] == status}
    assert {(u.student, u.exercise, q) for u in run.units for q in flagged(u, f": {status}")} == deserved


def test_what_was_repaired_is_noted(run: SimpleNamespace, made: ModuleType) -> None:
    project = Project.find(ROOT)
    students = made.the_class({id: made.Book.open(project, id) for id in made.EXERCISES})
    notes = {(student, id): work.note for student, each in students.items() for id, work in each.items() if work.note}
    assert len(notes) == 8
    for place, note in notes.items():
        assert note in "; ".join(run.unit[place].notes), place
    untouched = [run.unit["agnes", id] for id in made.EXERCISES]
    assert not any(unit.notes or unit.flags for unit in untouched)


def test_a_file_that_is_no_notebook_costs_only_its_own_points_and_says_what_it_is(run: SimpleNamespace) -> None:
    problems = {unit.exercise: unit.problem for unit in run.units if unit.student == "sven"}
    assert problems["math/least_squares"] == "The file is empty."
    assert problems["role/the_job"] == "It is not a notebook: not valid JSON (line 1)."
    assert problems["algorithms/sorting"].startswith("It is not a notebook: not valid JSON (line ")
    assert {unit.state for unit in run.units} == {"graded", "missing", "unreadable"}


def test_a_second_run_grades_nothing_again(run: SimpleNamespace) -> None:
    units, told = run.again()
    assert told[-1].skipped == told[-1].total == len(run.units)
    assert units == run.units


# --------------------------------------------------------------------------------------------------- the report


def pages(run: SimpleNamespace) -> Iterator[tuple[str, str]]:
    """Name and text of the report's pages, without their style and their script."""
    for path in (run.page, *sorted((run.page.parent / "students").glob("*.html"))):
        text = path.read_text(encoding="utf-8")
        yield path.stem, re.sub(r"<style>.*?</style>|(?<=<script>).*?</script>", "", text, flags=re.S)


def test_the_class_and_every_student_have_a_page_whose_links_lead_somewhere(run: SimpleNamespace) -> None:
    found = dict(pages(run))
    assert set(found) == {"index", *(page_name(unit.student) for unit in run.units)}
    for name, text in found.items():
        folder = run.page.parent if name == "index" else run.page.parent / "students"
        assert text.count("<script") == (name == "index")
        assert not re.search(r'(src|href)="(\w+:|//)', text), f"{name} is not self-contained"
        for target in re.findall(r'href="([^"]+)"', text):
            file, _, anchor = target.partition("#")
            assert not file or (folder / file).is_file(), target
            assert not anchor or f'id="{anchor}"' in (found[Path(file).stem] if file else text), target


def test_no_page_shows_a_hidden_parameter(run: SimpleNamespace) -> None:
    sets = [one for each in yaml.safe_load((DEMO / "private.yml").read_text()).values() for one in each]
    values = [value for one in sets for value in one.values()]
    # A smaller number may stand on a page for itself, as a number of points.
    shapes = [str(value) for value in values if isinstance(value, int) and value > 40]
    shapes += [value for value in values if isinstance(value, str)]
    shapes += [form for v in values if isinstance(v, float) for form in (f"{v:g}", f"{v:.0f}", repr(v))]
    assert len(shapes) >= 10
    for name, text in pages(run):
        text = re.sub(r' (x|y|width|height)="[\d.]+"', "", text)  # lengths of a picture
        shown = [shape for shape in shapes if re.search(rf"(?<![\w.]){re.escape(shape)}(?!\w)", text)]
        assert not shown, f"{name}: {shown}"


def test_a_students_page_says_why_each_question_lost_points(run: SimpleNamespace) -> None:
    from coursework.report import prose

    found = dict(pages(run))
    for unit in run.units:
        for verdict in unit.verdicts:
            if unit.state == "graded" and not verdict.passed:
                assert verdict.message and prose(verdict.message) in found[page_name(unit.student)]
        assert not unit.problem or unit.problem in found[page_name(unit.student)]
