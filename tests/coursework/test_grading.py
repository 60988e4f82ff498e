"""A class is graded as its answers deserve, whatever was handed in, and nothing graded is ever lost."""

from __future__ import annotations

import csv
import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from html.parser import HTMLParser
from pathlib import Path

import nbformat
import pytest
from attrs import evolve

from coursework import grade as grading
from coursework import notebook as nb
from coursework.grade import GradingError, Settings, find_submissions, grade, read_parameters
from coursework.gradebook import Gradebook, GradebookError, Graded
from coursework.kernel.limits import Limits
from coursework.model import Status, Verdict
from coursework.report import page_name, write_report
from coursework.workers import Workers

pytestmark = pytest.mark.slow

ID = "demo/stats"
HIDDEN = {"seed": 90210, "n": 57}
AVERAGE = "def average(values):\n    return float(values.sum() / len(values))"
TOTAL = "total = float(values.sum())"
ORDERED = """def ordered(values):
    out = []
    for v in values:
        out.insert(sum(o <= v for o in out), v)
    return out"""
EVIL = "<img src=x onerror=alert(1)>"


def hand_in(course, folder: Path, *, where: str = ID, change=lambda notebook: None, **answers: str) -> Path:
    notebook = nb.read(course.exercise(ID))
    for part in nb.parts(notebook):
        if part.question in answers:
            notebook.cells[part.answers[0]].source = answers[part.question]
    change(notebook)
    path = folder / f"{where}.ipynb"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(nb.text_of(notebook), encoding="utf-8")
    return path


def in_another_style(notebook):
    """Metadata stripped, a helper of their own, and a name that is used again after the last check."""
    helper = nbformat.v4.new_code_cell("def shared(xs):\n    return xs.sum() / len(xs)")
    notebook.cells.insert(3, helper)
    notebook.cells.append(nbformat.v4.new_code_cell("total = 'scribble'\nsorted([3, 1])"))
    for cell in notebook.cells:
        cell.metadata, cell["id"] = nbformat.from_dict({}), f"x{id(cell)}"


def round_about(notebook):
    notebook.cells.insert(3, nbformat.v4.new_code_cell("import numpy as q\nup = sorted\n%time 1"))
    notebook.cells.insert(4, nbformat.v4.new_code_cell("def ("))
    forged = "{'question': 'total', 'blank': False, 'reached': [], 'outcomes': [{'value': 5.0}]}"
    mime = "application/vnd.coursework.observed+json"
    source = f"from IPython.display import display\ndisplay({{{mime!r}: {forged}}}, raw=True)"
    notebook.cells.append(nbformat.v4.new_code_cell(source))


def torn(notebook):
    """The total's cell is gone, the order's is doubled, the checks are edited, the parameters changed."""
    cells = {part.question: part for part in nb.parts(notebook)}
    notebook.cells.insert(
        cells["ordered"].answers[0], nbformat.v4.new_code_cell("def ordered(values):\n    return values")
    )
    notebook.cells[cells["average"].check].source = "print('passed')"
    notebook.cells[nb.parameters_cell(notebook)].source = "seed = 5\nn = 10"
    del notebook.cells[cells["total"].answers[0]]


@pytest.fixture(scope="module")
def classroom(course, tmp_path_factory):
    folder = tmp_path_factory.mktemp("classroom")
    published = float(__import__("tiny.checks.demo.stats", fromlist=["data"]).data(1, 40).sum())
    hand_in(
        course, folder / "ann", change=in_another_style, total=TOTAL, ordered=ORDERED,
        average="def average(values):\n    return float(shared(values))",
    )  # fmt: skip
    hand_in(
        course, folder / "bea", average="def average(values):\n    return values.sum()", total=f"total = {published!r}",
        ordered="def ordered(values):\n    return 1 / 0",
    )  # fmt: skip
    hand_in(
        course, folder / "cem", average="import os\ndef average(values):\n    os._exit(7)",
        total="import time\ntime.sleep(600)\ntotal = 1", ordered=ORDERED,
    )  # fmt: skip
    hand_in(
        course, folder / "dan", change=round_about, average="def average(values):\n    return q.mean(values)",
        ordered="def ordered(values):\n    return up(values)",
    )  # fmt: skip
    hand_in(course, folder / "eve", change=torn, average="def average(values)\n    return 1", ordered=ORDERED)
    hand_in(
        course, folder / EVIL, where="home/work (1)", total=f"total = '{EVIL}\\x07\\u202e\\udc80'",
        average=f"def average(values):\n    raise ValueError('=HYPERLINK({EVIL})')",
    )  # fmt: skip
    (folder / "fay" / "demo").mkdir(parents=True)
    (folder / "fay" / "demo" / "stats.ipynb").write_bytes(b"%PDF \xff")
    (folder / "gil").mkdir()
    (folder / "hal" / "demo").mkdir(parents=True)
    (folder / "hal" / "demo" / "stats.ipynb").symlink_to(folder / "ann" / "demo" / "stats.ipynb")
    (folder / "ida").symlink_to(folder / "ann")
    (folder / "jo").mkdir()
    (folder / "jo" / "stats.pdf").write_text("a print of it")
    shutil.copytree(folder / "ann", folder / "kim" / "copy")
    shutil.copytree(folder / "gil", folder / "=cmd")
    return folder


@pytest.fixture(scope="module")
def graded(course, classroom, tmp_path_factory):
    """The class, graded once with hidden parameters: the folder of results, and each student's one submission."""
    os.environ["COURSEWORK_DATA"] = str(tmp_path_factory.mktemp("data"))
    out = tmp_path_factory.mktemp("grades")
    steps = []
    found = grade(
        course,
        classroom,
        out,
        [ID],
        hidden={ID: [HIDDEN]},
        settings=Settings(2, cell_timeout=10),
        progress=steps.append,
    )
    assert steps[-1].done == steps[-1].total == len(found)
    return out, {one.student: one for one in found}


def statuses(graded, student) -> dict[str, str]:
    return {v.question: str(v.status) for v in graded[1][student].verdicts}


def test_right_answers_in_another_style_earn_everything(graded):
    ann = graded[1]["ann"]
    assert statuses(graded, "ann") == {"average": "passed", "total": "passed", "ordered": "passed"}
    assert ann.points == ann.out_of == 6 and ann.state == "graded" and not ann.flags


def test_a_mistake_an_error_and_a_hard_coded_value_are_told_apart(graded):
    bea = graded[1]["bea"]
    average, total, ordered = bea.verdicts
    assert (average.mistake, average.points) == ("total_only", 0.5)
    assert total.status is Status.WRONG and "right for the published parameters only" in total.message
    assert "ZeroDivisionError" in ordered.message and ordered.status is Status.ERROR
    assert bea.flags == ("total: right for the published parameters only",)


def test_crash_and_time_out_are_different_and_the_question_after_them_counts(graded):
    assert statuses(graded, "cem") == {"average": "crashed", "total": "timeout", "ordered": "passed"}
    assert graded[1]["cem"].points == 3
    words = "The answer ran out of time: it took more than 10 s; the other questions were graded without it."
    assert next(v.message for v in graded[1]["cem"].verdicts if v.question == "total") == words
    assert "total: timeout, it took more than 10 s" in graded[1]["cem"].flags


def test_the_time_of_each_question_is_kept_and_shown_to_whoever_teaches(graded):
    spent = {v.question: v.seconds for v in graded[1]["cem"].verdicts}
    assert 9.5 < spent["total"] < 20 and 0 < spent["ordered"] < 5
    with Gradebook(graded[0] / "gradebook.sqlite") as book:
        (kept,) = book.current("cem", ID)
    assert {v.question: v.seconds for v in kept.verdicts} == spent


def test_names_out_of_bounds_are_seen_through_helpers_and_beside_cells_that_do_not_parse(graded):
    assert statuses(graded, "dan") == {"average": "out of bounds", "total": "blank", "ordered": "out of bounds"}
    assert "`numpy.mean`" in graded[1]["dan"].verdicts[0].message
    assert set(graded[1]["dan"].flags) == {"average: out of bounds", "ordered: out of bounds"}


def test_a_torn_notebook_is_mended_and_a_syntax_error_costs_its_own_question_alone(graded):
    eve = graded[1]["eve"]
    assert statuses(graded, "eve") == {"average": "error", "total": "blank", "ordered": "passed"}
    assert "SyntaxError" in eve.verdicts[0].message and "missing" in eve.verdicts[1].message
    assert any("more than once" in note for note in eve.notes) and any("total is missing" in note for note in eve.notes)


def test_what_is_no_submission_is_told_in_words_and_never_stops_the_batch(graded):
    states = {student: (one.state, one.problem, *one.notes) for student, one in graded[1].items()}
    assert states["fay"][0] == "unreadable" and "UTF-8" in states["fay"][1]
    assert states["gil"][0] == "missing"
    assert states["hal"][0] == "unreadable" and "link" in states["hal"][1]
    assert states["ida"][0] == "missing" and "link" in states["ida"][2]
    assert states["jo"] == ("missing", states["gil"][1], "found stats.pdf, which is not a notebook")
    assert states["kim"][0] == "graded" and "handed in as copy/demo/stats.ipynb" in states["kim"]
    assert states[EVIL][0] == "graded" and "handed in as home/work (1).ipynb" in states[EVIL]
    assert graded[1]["kim"].points == 6


def test_a_second_run_runs_nothing_and_says_the_same(course, classroom, graded, monkeypatch):
    monkeypatch.setattr(grading, "Workers", NoWorkers)
    again = grade(course, classroom, graded[0], [ID], hidden={ID: [HIDDEN]}, settings=Settings(2, cell_timeout=10))
    assert {one.student: one for one in again} == graded[1]


class NoWorkers(Workers):
    def submit(self, *_):
        raise AssertionError("something was run again")


# ------------------------------------------------------------------------------------------- files of data

#: Right only where the file lies in the notebook's folder, as it was handed out.
FROM_FILE = "total = float(open('trips/first.csv').read()) - 7 + float(values.sum())"
SPOILT = f"{FROM_FILE}\nopen('trips/first.csv', 'w').write('8')"


@pytest.fixture
def with_data(course, monkeypatch):
    """The course, whose exercise declares a file of data."""
    for folder in (course.solution(ID).parent, course.exercise(ID).parent):
        (folder / "trips").mkdir()
    (course.solution(ID).parent / "trips" / "first.csv").write_text("7")
    (course.exercise(ID).parent / "trips" / "first.csv").write_text("another, which is not the instructor's")
    monkeypatch.setattr(course.load(ID), "data", ("trips/first.csv",))
    yield course
    for folder in (course.solution(ID).parent, course.exercise(ID).parent):
        shutil.rmtree(folder / "trips")


@pytest.mark.parametrize("sandbox", [True, False])
def test_declared_data_lie_in_the_folder_of_each_submission_as_the_instructor_has_them(with_data, tmp_path, sandbox):
    for student, answer in (("ann", SPOILT), ("bea", FROM_FILE)):
        hand_in(with_data, tmp_path / "in" / student, total=answer)
    settings = Settings(1, cell_timeout=10, sandbox=sandbox)
    found = grade(with_data, tmp_path / "in", tmp_path / "out", [ID], hidden={ID: [HIDDEN]}, settings=settings)
    assert [[v.status for v in one.verdicts if v.question == "total"] for one in found] == 2 * [[Status.PASSED]]
    (with_data.solution(ID).parent / "trips" / "first.csv").write_text("9")
    again = grade(with_data, tmp_path / "in", tmp_path / "out", [ID], hidden={ID: [HIDDEN]}, settings=settings)
    assert [[v.status for v in one.verdicts if v.question == "total"] for one in again] == 2 * [[Status.WRONG]]
    with Gradebook(tmp_path / "out" / "gradebook.sqlite") as book:
        assert {change.why for change in book.changes()} == {"the data of the exercise changed"}


def test_data_that_leave_no_room_are_refused_before_anything_runs(with_data, tmp_path):
    hand_in(with_data, tmp_path / "in" / "ann", total=FROM_FILE)
    (with_data.solution(ID).parent / "trips" / "first.csv").write_bytes(bytes(3_000_000))
    settings = Settings(1, limits=Limits.from_words(["disk=4MB"]))
    with pytest.raises(GradingError, match=r"3 MB, more than half of the 4 MB .* `--limit disk=9MB`"):
        grade(with_data, tmp_path / "in", tmp_path / "out", [ID], hidden={ID: [HIDDEN]}, settings=settings)


# ---------------------------------------------------------------------------------------------- the report


class Page(HTMLParser):
    """Complains of tags that do not nest; collects tags, attributes and text."""

    VOID = frozenset(("meta", "img", "br", "hr", "link", "input"))

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.open, self.tags, self.attributes, self.text = [], [], [], ""
        self.feed(path.read_text(encoding="utf-8"))
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if not {"style", "script"} & set(self.open):
            self.text += f"{data} "


@pytest.fixture(scope="module")
def pages(course, graded):
    index = write_report(graded[0] / "report", list(graded[1].values()), [course.load(ID)])
    found = {path.stem: Page(path) for path in (index.parent / "students").iterdir()}
    return index, Page(index), found


def test_every_page_nests_and_holds_no_script_but_our_own_nor_anything_from_elsewhere(pages):
    for page in (pages[1], *pages[2].values()):
        assert page.tags.count("script") == (page is pages[1])
        assert not {"img", "iframe", "link"} & set(page.tags)
        assert not [name for name, _ in page.attributes if name.startswith("on")]
        assert not [value for name, value in page.attributes if name in ("href", "src") and "//" in value]
        assert not set(page.text) & set("\x07\u202e\x00")


def test_a_hostile_name_and_output_are_shown_as_text(pages):
    assert EVIL in pages[1].text and EVIL in pages[2][page_name(EVIL)].text
    linked = {value.partition("#")[0] for name, value in pages[1].attributes if name == "href"} - {""}
    assert all((pages[0].parent / link).is_file() for link in linked) and f"students/{page_name(EVIL)}.html" in linked


def test_a_student_s_page_shows_no_expected_value_and_no_hidden_parameter(course, pages, graded):
    values = __import__("tiny.checks.demo.stats", fromlist=["data"]).data(**HIDDEN)
    for page in pages[2].values():
        for secret in (f"{values.sum():.4f}"[:7], f"{values.mean():.5f}"[:6], "90210", "57"):
            assert not re.search(rf"\b{re.escape(secret)}", page.text)
    assert "total_only" not in pages[2]["bea"].text and "This is the total" in pages[2]["bea"].text


def test_the_class_page_says_who_did_what_and_what_to_look_at(pages):
    text = " ".join(pages[1].text.split())
    assert "13 students, 1 exercise." in text
    assert "1 × This is the total: it still has to be shared." in text
    assert "Right for the published parameters only (1)" in text
    assert "bea A few <numbers> total right for" in text
    assert "It is a link" in text


def test_the_csv_holds_every_answer_and_no_formula(pages, graded):
    with (pages[0].parent / "grades.csv").open(newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    assert len(rows) == 3 * len(graded[1])
    assert sum(float(row["points"]) for row in rows) == sum(one.points for one in graded[1].values())
    assert not [cell for row in rows for cell in row.values() if cell.lstrip()[:1] in ("=", "+", "-", "@")]
    assert {"'=cmd"} <= {row["student"] for row in rows}


def test_results_of_different_ages_and_of_other_exercises_fit_on_one_report(course, graded, tmp_path):
    ann, bea = graded[1]["ann"], graded[1]["bea"]
    shorter = evolve(ann, student="old", verdicts=ann.verdicts[1:2])
    index = write_report(tmp_path, [shorter, bea], [course.load(ID)])
    row = index.read_text(encoding="utf-8").split("<tbody>")[1].split("</tr>")[1]
    assert row.count("<td") == 5 and '<td></td><td class="p"><i>right</i></td><td></td>' in row
    assert Page(tmp_path / "students" / "old.html")
    write_report(tmp_path, [bea], [course.load(ID)])
    assert not (tmp_path / "students" / "old.html").exists()


def test_page_names_are_safe_and_distinct():
    names = ["ann", "../../etc", "..", "a b", "a-b", "a/b", "é", "x" * 300, EVIL, "CON?"]
    pages = [page_name(name) for name in names]
    assert len(set(pages)) == len(pages) and page_name("ann") == "ann"
    assert all(set(page) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-") for page in pages)
    assert all(len(page) < 60 or page == "x" * 300 for page in pages)


# ------------------------------------------------------------------------------------------- the gradebook


def one(student="ann", points=1.0, state="graded", message="") -> Graded:
    return Graded(
        student, ID, "f.ipynb", state, (Verdict("q", Status.PASSED, points, 2.0, message),), "", ("n",), ("f",)
    )


def test_a_unit_comes_back_as_it_was_kept(tmp_path):
    with Gradebook(tmp_path / "new" / "book.sqlite") as book:
        book.keep("k1", one())
        book.keep("k2", one(points=2.0))
        assert book.current() == [one(points=2.0)] and book.has("k1")
        book.point_to("ann", ID, "k1")
        assert book.current() == [one()]
        book.keep("k3", one("bea", state="not run"))
        assert not book.has("k3") and not book.has("k4")
        book.forget_others(ID, ["bea"])
        assert [g.student for g in book.current()] == ["bea"] and book.has("k1")


def test_text_that_no_database_takes_is_kept_all_the_same(tmp_path):
    with Gradebook(tmp_path / "book.sqlite") as book:
        book.keep("k", one(student="a\udc80", message="\ud800\x00 half"))
        assert "half" in book.current()[0].verdicts[0].message


def test_hidden_parameters_are_kept_with_the_grades(tmp_path):
    with Gradebook(tmp_path / "book.sqlite") as book:
        assert book.hidden(ID) is None
        book.keep_hidden(ID, [HIDDEN])
        assert book.hidden(ID) == [HIDDEN]


def test_what_is_no_gradebook_is_refused_and_left_alone(tmp_path):
    path = tmp_path / "book.sqlite"
    path.write_text("this is a text file, and not a short one either" * 30)
    with pytest.raises(GradebookError, match="not a gradebook that can be read"):
        Gradebook(path)
    assert path.read_text().startswith("this is a text")
    with pytest.raises(GradebookError, match="cannot be used"):
        Gradebook(path / "below" / "book.sqlite")


def test_a_gradebook_that_may_not_be_written_is_named(tmp_path, monkeypatch):
    path = tmp_path / "book.sqlite"
    with Gradebook(path) as book:
        book.keep("k", one())
    connect = sqlite3.connect
    monkeypatch.setattr(sqlite3, "connect", lambda path, **_: connect(f"file:{path}?mode=ro", uri=True))
    with Gradebook(path) as book, pytest.raises(GradebookError, match="readonly database"):
        book.keep("k2", one("bea"))


def test_a_full_disk_is_named_and_what_was_graded_stays(tmp_path):
    with Gradebook(tmp_path / "book.sqlite") as book:
        book.keep("k1", one())
        pages = book._ask("PRAGMA page_count")[0][0]
        book._ask(f"PRAGMA max_page_count = {pages + 2}")
        with pytest.raises(GradebookError, match="the disk is full"):
            for i in range(50):
                book.keep(f"big{i}", one(f"s{i}", message="x" * 4000))
        kept = {g.student for g in book.current()}
    with Gradebook(tmp_path / "book.sqlite") as book:
        assert {g.student for g in book.current()} == kept and "ann" in kept
        assert all(len(g.verdicts) == 1 for g in book.current())


def test_a_gradebook_in_use_by_another_run_is_named(tmp_path, monkeypatch):
    path = tmp_path / "book.sqlite"
    connect = sqlite3.connect
    monkeypatch.setattr(sqlite3, "connect", lambda *a, **k: connect(*a, **{**k, "timeout": 0.1}))
    with Gradebook(path) as book:
        other = connect(path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(GradebookError, match="in use by another run"):
            book.keep("k", one())
        other.close()
        book.keep("k", one())


# ------------------------------------------------------------------------------ finding, hidden parameters


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "must map exercises"),
        ("- 1", "must map exercises"),
        ("demo/stats: [", "is not YAML"),
        ("demo/stats: 2013-13-45", "is not YAML"),
        ("demo/stats: 5", "one mapping of parameters"),
        ("demo/stats: []", "one mapping of parameters"),
        ("demo/stats: [1, {}]", "one mapping of parameters"),
        ("demo/other: {seed: 1}", "'demo/other' is not among"),
        ("7: {seed: 1}", "7 is not among"),
        (b"\xff\xfe", "cannot be read"),
    ],
)
def test_a_malformed_parameters_file_is_refused_with_its_name(tmp_path, text, says):
    path = tmp_path / "private.yml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(GradingError, match="private") as refused:
        read_parameters(path, [ID])
    assert says in str(refused.value)


def test_parameters_are_one_set_or_a_list_of_sets(tmp_path):
    path = tmp_path / "private.yml"
    path.write_text("demo/stats: {seed: 1, n: 50}")
    assert list(read_parameters(path, [ID])[ID]) == [{"seed": 1, "n": 50}]
    path.write_text("demo/stats: [{seed: 1, n: 50}, {seed: 2, n: 60}]")
    assert len(read_parameters(path, [ID])[ID]) == 2
    with pytest.raises(GradingError, match="cannot be read"):
        read_parameters(tmp_path / "none.yml", [ID])


@pytest.mark.parametrize(
    ("hidden", "says"),
    [({"seed": 1}, "'n' is missing"), ({"seed": 1, "n": "x"}, "not a whole"), ({3: 1, "seed": 1, "n": 50}, "called 3")],
)
def test_hidden_parameters_that_do_not_fit_are_refused_before_anything_runs(course, classroom, tmp_path, hidden, says):
    with pytest.raises(GradingError, match=says):
        grade(course, classroom, tmp_path, [ID], hidden={ID: [hidden]})


def test_an_empty_or_missing_folder_is_refused(tmp_path):
    with pytest.raises(GradingError, match="no such folder"):
        find_submissions(tmp_path / "nowhere", [ID])
    with pytest.raises(GradingError, match="no student's folder"):
        find_submissions(tmp_path, [ID])


def test_odd_folder_names_are_students_like_any_other(tmp_path):
    for name in (b"\xff\xfe", b"two words"):
        os.mkdir(os.path.join(os.fsencode(tmp_path), name))
    found = find_submissions(tmp_path, [ID])
    assert [s.student for s in found] == ["two words", "??"] and all(s.file is None for s in found)


def test_hidden_parameters_are_drawn_once_and_kept(course, tmp_path, monkeypatch):
    (tmp_path / "class" / "gil").mkdir(parents=True)
    monkeypatch.setattr(grading, "Workers", NoWorkers)
    drawn = []
    for _ in range(2):
        grade(course, tmp_path / "class", tmp_path / "out", [ID])
        with Gradebook(tmp_path / "out" / "gradebook.sqlite") as book:
            drawn.append(book.hidden(ID))
    assert drawn[0] == drawn[1] and drawn[0][0] != {"seed": 1, "n": 40}


# ------------------------------------------------------------------------------------------ killed half-way


def alive(marker: str) -> list[str]:
    """Processes whose environment holds `marker`."""
    found = []
    for path in Path("/proc").glob("[0-9]*/environ"):
        try:
            if marker.encode() in path.read_bytes():
                found.append(path.parent.name)
        except OSError:
            continue
    return found


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="not on this platform: it looks at /proc")
def test_a_run_that_was_killed_leaves_no_process_and_goes_on_where_it_was(course, tmp_path):
    for student in ("ann", "bea", "cem"):
        hand_in(course, tmp_path / "class" / student, average=AVERAGE, total=TOTAL, ordered=ORDERED)
    (tmp_path / "private.yml").write_text("demo/stats: {seed: 5, n: 60}")
    book = tmp_path / "out" / "gradebook.sqlite"
    command = [sys.executable, "-m", "coursework.cli", "grade", str(tmp_path / "class"), "-o", str(tmp_path / "out")]
    command += ["-e", ID, "--unsandboxed", "--workers", "1", "--parameters", str(tmp_path / "private.yml")]
    marker = f"CW_TEST_MARKER={tmp_path}"
    environment = {**os.environ, "CW_TEST_MARKER": str(tmp_path)}

    def units() -> list[tuple]:
        if not book.exists():
            return []
        with sqlite3.connect(f"file:{book}?mode=ro", uri=True) as db:
            try:
                return db.execute("SELECT student, state, graded_at FROM unit ORDER BY graded_at").fetchall()
            except sqlite3.OperationalError:
                return []

    first = subprocess.Popen(command, cwd=course.root, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    deadline = time.monotonic() + 120
    while not units() and first.poll() is None and time.monotonic() < deadline:
        time.sleep(0.05)
    first.send_signal(signal.SIGKILL)
    first.communicate()
    kept = units()
    assert 1 <= len(kept) < 3, first.returncode
    deadline = time.monotonic() + 20
    while alive(marker) and time.monotonic() < deadline:
        time.sleep(0.2)
    assert alive(marker) == []

    done = subprocess.run(command, cwd=course.root, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert "3 students, 3 submissions: 3 graded; 0 flagged." in done.stdout
    assert units()[: len(kept)] == kept and len(units()) == 3
    with Gradebook(book) as opened:
        assert [(g.student, g.points) for g in opened.current()] == [("ann", 6), ("bea", 6), ("cem", 6)]
    assert alive(marker) == []
