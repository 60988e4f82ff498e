"""One source an exercise, the same bytes each time; and every demand on it, failed once on purpose."""

from __future__ import annotations

import re
import shutil

import pytest
from tiny_course import CHECKS, LESSON, SOLUTION, write_chapter

from coursework import notebook as nb
from coursework.gate import gate
from coursework.model import AuthoringError, Exercise
from coursework.project import NotACourse, Project
from coursework.release import read_solution, release, released
from coursework.scaffold import new_chapter, with_chapter

pytestmark = pytest.mark.slow


def test_a_release_gives_the_same_bytes_twice(course):
    files = [course.exercise("demo/stats"), course.checks_file("demo/stats", ".json")]
    before = [path.read_bytes() for path in files]
    assert release(course, "demo/stats") == []
    for path in files:
        path.unlink()
    assert release(course, "demo/stats") == files
    assert [path.read_bytes() for path in files] == before


def test_the_exercise_holds_stubs_and_nothing_of_the_solution(course):
    exercise = nb.read(course.exercise("demo/stats"))
    everything = nb.text_of(exercise)
    for gone in ("values.sum() / len", "out.insert", "BEGIN SOLUTION", "The total divided by", 'execution_count": 1'):
        assert gone not in everything
    assert exercise.metadata.coursework == {"exercise": "demo/stats", "role": "exercise"}
    assert "colab" in nb.tags(exercise.cells[0]) and "git+https://example.org/tiny" in exercise.cells[0].source
    assert [part.question for part in nb.parts(exercise)] == ["average", "total", "ordered"]


def test_declared_data_are_handed_out_and_held_in_sync(course, monkeypatch):
    monkeypatch.setattr(course.load("demo/stats"), "data", ("trips/first.csv",))
    with pytest.raises(AuthoringError, match=r"solutions/demo/trips/first\.csv is no file: put it there"):
        release(course, "demo/stats")
    source, copy = (place("demo/stats").parent / "trips" / "first.csv" for place in (course.solution, course.exercise))
    source.parent.mkdir()
    source.write_bytes(b"a,b\r\n\xff")
    try:
        assert release(course, "demo/stats") == [copy] and copy.read_bytes() == source.read_bytes()
        assert release(course, "demo/stats") == []
        copy.write_bytes(b"another")
        (objection,) = gate(course, "demo/stats", sets=1)
        assert objection.demand == "in sync" and "exercises/demo/trips/first.csv" in objection.message
    finally:
        shutil.rmtree(source.parent)
        shutil.rmtree(copy.parent)


@pytest.mark.parametrize(
    "name", ["../secret.csv", "/etc/passwd", "", "a/../../b", "trips/", "x.ipynb", "c:\\x", "a\\b"]
)
def test_data_lie_beside_the_solution_and_nowhere_else(name):
    with pytest.raises(AuthoringError, match="must be a file beside the solution"):
        Exercise("demo/x", title="T", minutes=1, parameters=[], data=[name])


def test_the_chapter_passes_the_gate(course):
    assert gate(course, "demo/stats", sets=3) == []


# ---------------------------------------------------------------------- each demand, failed once on purpose

FLAWED_CHECKS = """
import numpy as np
from coursework import Exercise, Integer


class Lax(Exercise):
    def validate(self, parameters):
        return {name: parameters.get(name, 1) for name in self.parameters}


exercise = Lax("demo/flawed", title="T", minutes=1, parameters=[Integer("n", 1, 9)])
THREE = ("a", "b", "c")

hints = exercise.question("hints", kind="value", points=1, asks="", hints=("only one",))
hints.mistake("Wrong.")(lambda n: -1)

vacuous = exercise.question("vacuous", kind="function", points=1, asks="x", hints=THREE, compare=False,
    out_of_bounds=("numpy.linalg.lstsq",))
vacuous.probes(lambda n: iter([n]))
vacuous.property("it is something")(lambda n, output: True)

told = exercise.question("told", kind="function", points=1, asks="x", hints=THREE, objectives=[2, 3])
told.probes(lambda n: iter([n, 0]))


@told.mistake("Passes.", seen=lambda x, out: False)
def harmless(x):
    return 2 * x


@told.mistake("Never seen.", seen=lambda x, out: False)
def unrecognised(x):
    return -1


@told.mistake("One.")
def twin(x):
    return 3 * x + 1


@told.mistake("The other.")
def other_twin(x):
    return 1 + 3 * x


@told.mistake("Breaks.")
def blank_mistake(x):
    ...
"""
FLAWED_SOLUTION = """
# %% [markdown]
# # Flawed
#
# total = sum_of_everything(x)

# %% tags=["parameters"]
n = 2

# %%
from tiny.checks.demo.flawed import exercise

check = exercise.check(n=n)

# %% tags=["answer"]
hints = ...
### BEGIN SOLUTION
hints = n
### END SOLUTION

# %% tags=["check"]
check("hints", hints)

# %% tags=["answer"]
def vacuous(x):
    y = 1
    ### BEGIN SOLUTION
    total = sum_of_everything(x)
    return total
    ### END SOLUTION
    return y

def sum_of_everything(x):
    return x

# %% tags=["check"]
check("vacuous", vacuous)

# %% tags=["answer"]
def told(x):
    ### BEGIN SOLUTION
    return 2 * x
    ### END SOLUTION

# %% tags=["check"]
check("told", told)
"""


@pytest.fixture(scope="module")
def flawed(course) -> str:
    """All objections to an exercise with one flaw of each kind that leaves the reference right."""
    write_chapter(course, "demo/flawed", FLAWED_CHECKS, FLAWED_SOLUTION, LESSON.replace("Yes:", "No:", 1))
    return "\n".join(map(str, gate(course, "demo/flawed", sets=2)))


@pytest.mark.parametrize(
    "objection",
    [
        "complete: question 'hints' has 1 hints; give 3",
        "complete: question 'hints' names 1 mistakes; name at least 3",
        "complete: question 'hints' has no `asks`",
        "complete: question 'vacuous' puts numpy.linalg.lstsq out of bounds; the notebook must say so",
        "complete: notebooks/demo/flawed.ipynb: the quiz question 'Which?' has 0 right choices",
        "complete: notebooks/demo/flawed.ipynb: no question checks objective 1 ('Average numbers.')",
        "complete: question 'told' names objective 3; notebooks/demo/flawed.ipynb lists 2",
        "complete: notebooks/demo/flawed.ipynb: cell 0 has not been run",
        "complete: solutions/demo/flawed.ipynb: cell 0 has not been run",
        "no solution left: the exercise still holds a line of the answer to 'vacuous': 'total = sum_of_everything(x)'",
        "in sync: exercises/demo/flawed.ipynb is not what the solution gives",
        "in sync: src/tiny/checks/demo/flawed.json is not what the solution gives",
        "the stub fails: the stub of 'vacuous' is judged passed",
        "an answer left out fails: 'vacuous' passes without its answer",
        "mistakes are caught: 'told': the mistake 'harmless' is judged passed",
        "mistakes are caught: 'told': the mistake 'unrecognised' fails but is not recognised",
        "mistakes are caught: 'told': with {'n': 2} the mistake 'twin' cannot be told from 'other_twin'",
        "mistakes are caught: 'told': the mistake 'blank_mistake' is judged blank",
        "parameters are checked: an unknown parameter is accepted",
        "parameters are checked: a missing 'n' is accepted",
    ],
)
def test_a_flaw_is_objected_to(flawed, objection):
    assert objection in flawed


WRONG_CHECKS = """
from coursework import Exercise, Integer

exercise = Exercise("demo/wrong", title="T", minutes=1, parameters=[Integer("n", 1, 99)])
THREE = ("a", "b", "c")
small = exercise.question("small", kind="value", points=1, asks="a number", hints=THREE)
small.property("it is below 10")(lambda value: value < 10)
like = exercise.question("like", kind="value", points=1, asks="a number", hints=THREE)
like.mistake("This is the reference itself.")(lambda n: n)
first = exercise.question("first", kind="value", points=1, asks="a number", hints=THREE)
after = exercise.question("after", kind="value", points=1, asks="a number", hints=THREE)
web = exercise.question("web", kind="value", points=1, asks="text", hints=THREE)
"""
WRONG_SOLUTION = """
# %% tags=["parameters"]
n = 2

# %%
from tiny.checks.demo.wrong import exercise

check = exercise.check(n=n)

# %% tags=["answer"]
small = ...
### BEGIN SOLUTION
small = n
### END SOLUTION

# %% tags=["check"]
check("small", small)

# %% tags=["answer"]
like = ...
### BEGIN SOLUTION
like = n
### END SOLUTION

# %% tags=["check"]
check("like", like)

# %% tags=["answer"]
first = ...
### BEGIN SOLUTION
first = n
### END SOLUTION

# %% tags=["check"]
check("first", first)

# %% tags=["answer"]
after = ...
### BEGIN SOLUTION
after = first + 1
### END SOLUTION

# %% tags=["check"]
check("after", after)

# %% tags=["answer"]
web = ...
### BEGIN SOLUTION
import socket

web = socket.create_connection(("127.0.0.1", 9), timeout=5)
### END SOLUTION

# %% tags=["check"]
check("web", web)
"""


def test_a_wrong_reference_a_blocked_answer_and_the_network_are_objected_to(course):
    write_chapter(course, "demo/wrong", WRONG_CHECKS, WRONG_SOLUTION)
    said = "\n".join(map(str, gate(course, "demo/wrong", sets=4)))
    assert re.search(r"the reference passes: with \{'n': \d\d\} the reference of 'small' is judged wrong", said)
    assert re.search(r"the reference passes: with .* the reference of 'like' looks like the mistake", said)
    assert re.search(r"the reference passes: with .* cell \d+ raises OSError", said)
    assert re.search(r"without an answer to 'first' cell \d+ raises TypeError.*must not block the next", said)
    with pytest.raises(AuthoringError, match=r"solutions/demo/wrong.ipynb: cell \d+ .*raises OSError"):
        released(course, "demo/wrong")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (('check("total", total)', 'check("totel", total)'), "it checks 'totel', which"),
        (('check("total", total)', "check(total)"), "must hold check"),
        (('# %% tags=["check"]\ncheck("ordered", ordered)\n', ""), "is followed by no check cell"),
        (("    ### BEGIN SOLUTION\n    return float", "    return float"), "without ### BEGIN"),
        (("### BEGIN SOLUTION\ntotal = float(values.sum())\n### END SOLUTION\n", ""), "has no cell tagged answer with"),
        (("n = 40", "n = 5"), "outside 10 to 200"),
        (("n = 40", "m = 40"), "no parameter is called 'm'"),
        (("n = 40", "n = len('x')"), "nothing but"),
        ((' tags=["parameters"]', ""), "no cell is tagged parameters"),
    ],
)
def test_a_solution_and_checks_that_disagree_are_refused_with_the_place(course, change, says):
    write_chapter(course, "demo/odd", CHECKS.replace("demo/stats", "demo/odd"), SOLUTION.replace(*change))
    with pytest.raises(AuthoringError, match=re.escape(says)) as refused:
        read_solution(course, course.load("demo/odd"))
    assert str(refused.value).startswith("solutions/demo/odd.ipynb")


def test_checks_that_do_not_load_are_refused_with_their_name(course):
    for slug, text, says in [
        ("syntax", "def (", "do not run: SyntaxError"),
        ("imports", "import no_such_package", "import 'no_such_package', which is not installed"),
        ("nothing", "x = 1", "must make `exercise = Exercise('demo/nothing'"),
        ("nameless", CHECKS, "must make"),
    ]:
        course.checks_file(f"demo/{slug}").write_text(text)
        with pytest.raises(AuthoringError, match=re.escape(says)):
            course.load(f"demo/{slug}")
        (objection,) = gate(course, f"demo/{slug}")
        assert objection.demand == "well formed"
    with pytest.raises(AuthoringError, match="do not exist"):
        course.load("demo/nowhere")


def test_an_exercise_is_named_by_its_id_or_any_of_its_files(course):
    assert course.resolve(["demo/stats", "exercises/demo/stats.ipynb"]) == ["demo/stats"] * 2
    assert "demo/stats" in course.resolve([])
    with pytest.raises(AuthoringError, match=r"Did you mean demo/stats\?"):
        course.resolve(["demo/stat"])


def test_there_is_a_course_only_where_it_says_so(tmp_path):
    with pytest.raises(NotACourse, match="no course in"):
        Project.find(tmp_path)
    (tmp_path / "pyproject.toml").write_text("[tool.other]\n")
    with pytest.raises(NotACourse, match="no course in"):
        Project.find(tmp_path)
    (tmp_path / "pyproject.toml").write_text("not toml at all")
    with pytest.raises(NotACourse, match="cannot be read"):
        Project.find(tmp_path)


def test_checks_of_another_checkout_are_refused(course, tmp_path):
    (tmp_path / "pyproject.toml").write_text("[tool.coursework]\nchecks = 'tiny.checks'\n")
    with pytest.raises(AuthoringError, match="not in this checkout"):
        Project.find(tmp_path).checks_file("demo/stats")
    (tmp_path / "pyproject.toml").write_text("[tool.coursework]\nchecks = 'no_such.checks'\n")
    with pytest.raises(AuthoringError, match="is not installed"):
        Project.find(tmp_path).checks_file("demo/stats")


# --------------------------------------------------------------------------------------------- a new chapter


def test_a_new_chapter_passes_the_gate_as_it_stands(course):
    (course.root / "_toc.yml").write_text("root: index\nparts:\n  - caption: Demo\n    chapters:\n")
    try:
        files = new_chapter(course, "fresh", "first_steps", "First steps")
        assert all(path.is_file() for path in files)
        assert gate(course, "fresh/first_steps", sets=5) == []
        with pytest.raises(AuthoringError, match="already there"):
            new_chapter(course, "fresh", "first_steps")
        assert "file: exercises/fresh/first_steps" in (course.root / "_toc.yml").read_text()
    finally:
        for folder in ("notebooks", "solutions", "exercises", "src/tiny/checks"):
            shutil.rmtree(course.root / folder / "fresh", ignore_errors=True)


@pytest.mark.parametrize(
    "part, slug", [("Demo", "x"), ("demo", "two words"), ("demo", "class"), ("../up", "x"), ("demo", "")]
)
def test_a_chapter_with_an_unusable_name_is_not_begun(course, part, slug):
    with pytest.raises(AuthoringError, match="lower-case Python name"):
        new_chapter(course, part, slug)


def test_a_chapter_is_listed_at_the_end_of_its_part():
    contents = (
        "root: index\nparts:\n  - caption: A  # first\n    chapters:\n      - file: notebooks/a/one\n"
        "        sections:\n          - file: exercises/a/one\n  - caption: B\n    chapters: []"
    )
    lines = with_chapter(contents, "a", "two").splitlines()
    assert lines[7:10] == ["      - file: notebooks/a/two", "        sections:", "          - file: exercises/a/two"]
    assert lines[10] == "  - caption: B" and "# first" in lines[2]
    assert with_chapter(contents, "c", "x").splitlines()[7:9] == ["  - caption: C", "    chapters:"]
    with pytest.raises(AuthoringError, match="no `parts:`"):
        with_chapter("root: index\n", "a", "b")
