"""A class of attackers among honest students: none scores by anything but answers, none changes another's row."""

from __future__ import annotations

import textwrap
from pathlib import Path

import nbformat
import pytest

from coursework import notebook as nb
from coursework.grade import Settings, grade
from coursework.gradebook import Graded
from coursework.report import write_report

ID = "demo/stats"
HIDDEN = {"seed": 90210, "n": 57}
AVERAGE = "def average(values):\n    return float(values.sum() / len(values))"
TOTAL = "total = float(values.sum())"
ORDERED = """def ordered(values):
    out = []
    for v in values:
        out.insert(sum(o <= v for o in out), v)
    return out"""
WRONG = {
    "average": "def average(values):\n    return 0.0",
    "total": "total = -1.0",
    "ordered": "def ordered(values):\n    return 0",
}
OBSERVED = "application/vnd.coursework.observed+json"

#: name -> code of a cell before the first answer, whose answers are all wrong
PLANTED = {
    "patches-coursework": """
        import coursework.check, coursework.compare, coursework.encode, coursework.judge, coursework.observe
        from coursework.model import Status, Verdict
        def passed(question, *_, **__):
            return Verdict(question.name, Status.PASSED, question.points, question.points, "")
        coursework.judge.judge = coursework.check.judge = passed
        coursework.compare.difference = coursework.compare.compare = lambda *_, **__: None
        for question in exercise.questions.values():
            question.points, question.properties, question.mistakes = 100, (), ()
            question._judge = passed
    """,
    "patches-numpy-and-builtins": """
        import builtins, math, numpy.testing
        numpy.allclose = numpy.isclose = numpy.array_equal = lambda *_, **__: True
        numpy.testing.assert_allclose = numpy.testing.assert_array_equal = lambda *_, **__: None
        math.isclose = lambda *_, **__: True
        builtins.abs = lambda x: 0
        builtins.sorted = lambda values, **_: 0
        builtins.all = builtins.isinstance = lambda *_: True
    """,
    "patches-ipython": """
        shell = get_ipython()
        shell.showtraceback = lambda *_, **__: None
        publish = shell.display_pub.publish
        def forged(data, *rest, **more):
            if "application/vnd.coursework.observed+json" in data:
                data = {**data, "status": "passed", "points": 100}
                data["application/vnd.coursework.observed+json"].update(status="passed", points=100, verdict="passed")
            return publish(data, *rest, **more)
        shell.display_pub.publish = forged
    """,
    "traces": """
        import sys
        def trace(frame, event, argument):
            for name in ("points", "status", "credit"):
                if name in frame.f_locals:
                    frame.f_locals[name] = 100
            if "expected" in frame.f_locals and "output" in frame.f_locals:
                frame.f_locals["output"] = frame.f_locals["expected"]
            return trace
        sys.settrace(trace)
        sys.setprofile(lambda *_: None)
    """,
    "looks-for-the-reference": """
        import gc, glob, json, sys
        found = [o for o in gc.get_objects() if type(o).__name__ in ("Observed", "Outcome")]
        from coursework.check import published
        try:
            found += list(published(exercise)[1].values())
        except Exception:
            pass
        frame = sys._getframe()
        while frame:
            found += [v for k, v in frame.f_locals.items() if k in ("expected", "answers", "reference")]
            frame = frame.f_back
        assert not [o for o in found if getattr(o, "outcomes", None)], found
        def stolen(*_):
            return found[0]
    """,
    "forges-observations": f"""
        from IPython.display import display
        shell = get_ipython()
        def forge(*_):
            for name, points in (("average", 2), ("total", 1), ("ordered", 3)):
                display({{"{OBSERVED}": {{"question": name, "blank": False, "reached": [], "points": points,
                          "status": "passed", "outcomes": [{{"value": "passed"}}] * 9}}}}, raw=True)
        shell.events.register("post_run_cell", forge)
        class check:
            def __init__(self, *_):
                forge()
    """,
    "answers-equal-to-everything": """
        class Same(float):
            __eq__ = __le__ = __ge__ = __lt__ = __gt__ = lambda *_: True
            __ne__ = lambda *_: False
            __hash__ = float.__hash__
            __sub__ = __rsub__ = __abs__ = lambda *_: Same(0)
            __array__ = lambda *_, **__: __import__("numpy").zeros(0)
            __class__ = property(lambda self: __import__("numpy").ndarray)
    """,
    "replaces-the-checks": """
        import sys, types
        fake = types.ModuleType("prey.checks.demo.stats")
        fake.exercise = fake
        fake.check = lambda *_, **__: lambda *_: None
        sys.modules["prey.checks.demo.stats"] = sys.modules["coursework"] = fake
        exercise.check = fake.check
        check.parameters = {"seed": 1, "n": 10}
        seed, n = 1, 10
    """,
    "kills-everything": """
        import atexit, os, signal
        atexit.register(os.kill, -1, signal.SIGKILL)
        for pid in (1, os.getppid()):
            try:
                os.kill(pid, signal.SIGKILL)
            except OSError:
                pass
    """,
}
#: name -> answers
ANSWERED = {
    "returns-same": {
        "average": "def average(values):\n    return Same(0)",
        "total": "total = Same(0)",
        "ordered": "def ordered(values):\n    return Same(0)",
    },
    "returns-a-reducer": {
        "average": """
            class Reducer:
                def __reduce__(self):
                    return (open, (CANARY, "w"))
                def __array__(self, *_, **__):
                    return __import__("numpy").array([Reducer()], dtype=object)
            def average(values):
                return Reducer()
        """,
        "total": "total = __import__('numpy').array([Reducer()], dtype=object)",
        "ordered": "def ordered(values):\n    return __import__('pandas').DataFrame({'a': [Reducer()]})",
    },
    "returns-too-much": {
        "average": "def average(values):\n    return [0.0] * 10_000_000",
        "total": "total = []\nfor _ in range(100_000):\n    total = [total]",
        "ordered": "def ordered(values):\n    while True:\n        values.append(1)",
    },
    "speaks-markup": {
        "average": """
            def average(values):
                raise Exception("<script>alert(1)</script>\\x1b[31m\\x00\\u202e<img src=x onerror=alert(1)>")
        """,
        "total": "total = '<script>alert(1)</script>\\x1b]0;title\\x07'",
        "ordered": "<script>alert(1)</script>",
    },
    "changes-the-probes": {
        "average": """
            def average(values):
                values[:] = 0
                return 0.0
        """,
        "ordered": """
            def ordered(values):
                values.clear()
                return values
        """,
    },
}
HONEST = ("aa-honest", "mm-honest", "zz-honest")


def hand_in(course, folder: Path, planted: str = "", metadata: dict | None = None, **answers: str) -> Path:
    notebook = nb.read(course.exercise(ID))
    at = {part.question: part.answers[0] for part in nb.parts(notebook)}
    for question, source in answers.items():
        notebook.cells[at[question]].source = textwrap.dedent(source).strip()
    if planted:
        notebook.cells.insert(min(at.values()), nbformat.v4.new_code_cell(textwrap.dedent(planted).strip()))
    notebook.metadata.update(metadata or {})
    path = folder / f"{ID}.ipynb"
    path.parent.mkdir(parents=True)
    path.write_text(nb.text_of(notebook), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def graded(prey, tmp_path_factory):
    """The attackers' class, graded on the sandbox; with the folder of the run."""
    root = tmp_path_factory.mktemp("class")
    folder, canary = root / "class", root / "canary"
    for name in HONEST:
        hand_in(prey, folder / name, average=AVERAGE, total=TOTAL, ordered=ORDERED)
    for name, code in PLANTED.items():
        hand_in(prey, folder / name, code, **WRONG)
    for name, answers in ANSWERED.items():
        planted = PLANTED["answers-equal-to-everything"] if name == "returns-same" else f"CANARY = {str(canary)!r}"
        hand_in(prey, folder / name, planted, **{**WRONG, **answers})
    claimed = {"question": "average", "outcomes": [{"value": 1}], "status": "passed", "points": 9}
    about = {"exercise": ID, "observed": {"average": claimed}, "stopped": {}, "points": 999}
    hand_in(prey, folder / "forges-metadata", metadata={"coursework": about, "papermill": {"x": 1}}, **WRONG)
    dying = "import os\nos._exit(0)"
    hand_in(prey, folder / "dies", average=AVERAGE, total=dying, ordered=ORDERED)
    # Names and links.
    linked = folder / "links-to-a-solution" / f"{ID}.ipynb"
    linked.parent.mkdir(parents=True)
    linked.symlink_to(prey.solution(ID))
    (folder / "links-to-another").symlink_to(folder / HONEST[0])
    (folder / "links-up").mkdir()
    (folder / "links-up" / "demo").symlink_to("../../class/aa-honest/demo")
    for name in ("-rf", "<b>bold<b>", "x\\..\\windows", "a b; touch x", "\u202egnp.exe", "CON"):
        hand_in(prey, folder / name, **WRONG)
    settings = Settings(workers=2, cell_timeout=12)
    rows = grade(prey, folder, root / "out", [ID], hidden={ID: [HIDDEN]}, settings=settings)
    return {row.student: row for row in rows}, root


def points(row: Graded) -> dict[str, float]:
    return {verdict.question: verdict.points for verdict in row.verdicts}


@pytest.mark.parametrize("name", HONEST)
def test_honest_rows_are_what_they_would_be_alone(graded, name):
    assert points(graded[0][name]) == {"average": 2.0, "total": 1.0, "ordered": 3.0}
    assert not graded[0][name].flags


@pytest.mark.parametrize("name", [*PLANTED, *ANSWERED, "forges-metadata"])
def test_nothing_is_gained_but_by_answering(graded, name):
    assert graded[0][name].state == "graded"
    assert sum(points(graded[0][name]).values()) == 0, graded[0][name]


def test_one_that_dies_in_a_question_has_the_others(graded):
    assert points(graded[0]["dies"]) == {"average": 2.0, "total": 0.0, "ordered": 3.0}


@pytest.mark.parametrize("name", ["links-to-a-solution", "links-to-another", "links-up"])
def test_links_are_not_followed(graded, name):
    assert graded[0][name].points == 0 and graded[0][name].state != "graded"


def test_odd_names_have_their_rows(graded):
    for name in ("-rf", "<b>bold<b>", "x\\..\\windows", "a b; touch x", "\u202egnp.exe", "CON"):
        assert graded[0][name].state == "graded" and graded[0][name].points == 0


def test_nothing_that_came_out_was_run(graded):
    assert not (graded[1] / "canary").exists()


def test_no_students_text_is_markup_or_control_in_the_report(graded, prey):
    rows, root = graded
    write_report(root / "report", list(rows.values()), [prey.load(ID)])
    pages = list((root / "report").rglob("*.html"))
    assert len(pages) > len(rows) - 3
    for page in pages:
        text = page.read_text(encoding="utf-8")
        assert "alert(1)</script>" not in text and "<img src=x" not in text and "<b>bold" not in text
        assert not [c for c in text if ord(c) < 32 and c not in "\n\t"], page
    assert all(page.resolve().is_relative_to(root) for page in pages)
