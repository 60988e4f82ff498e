"""A run may be stopped, killed and lose its workers at any moment, and says the same in the end."""

from __future__ import annotations

import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import cheap
import psutil
import pytest
from attrs import evolve
from cheap import HIDDEN, ID

from coursework import notebook as nb
from coursework.deposit import deposit
from coursework.grade import GradingError, Progress, Settings, grade, work
from coursework.gradebook import Gradebook, GradebookError, Graded
from coursework.hidden import Hidden
from coursework.model import Status
from coursework.report.summary import flag_groups
from coursework.workers import Workers

pytestmark = pytest.mark.slow
RIGHT = "total = float(values.sum())"


def hand_in(course, folder: Path, total: str) -> Path:
    notebook = nb.read(course.exercise(ID))
    cell = next(part.answers[0] for part in nb.parts(notebook) if part.question == "total")
    notebook.cells[cell].source = total
    path = folder / f"{ID}.ipynb"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(nb.text_of(notebook), encoding="utf-8")
    return path


def graded(course, folder, out, *, hidden=None, workers=2, progress=lambda _: None, **settings) -> dict[str, Graded]:
    found = grade(
        course, folder, out, [ID], hidden=hidden or {ID: [HIDDEN]}, settings=Settings(workers, **settings),
        progress=progress, run=cheap.run,
    )  # fmt: skip
    return {one.student: one for one in found}


def total(one: Graded) -> str:
    return str(next(v.status for v in one.verdicts if v.question == "total"))


def timeless(found: list[Graded]) -> list[Graded]:
    return [evolve(one, seconds=0.0) for one in found]


def in_book(out: Path) -> list[Graded]:
    with Gradebook(out / "gradebook.sqlite") as book:
        return timeless(book.current())


def units(out: Path) -> int:
    try:
        with sqlite3.connect(f"file:{out / 'gradebook.sqlite'}?mode=ro", uri=True) as db:
            return db.execute("SELECT count(*) FROM unit").fetchone()[0]
    except sqlite3.OperationalError:
        return 0


def start(course, folder: Path, out: Path) -> subprocess.Popen:
    here = str(Path(cheap.__file__).parent)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join((here, os.environ["PYTHONPATH"]))}
    command = [sys.executable, cheap.__file__, str(course.root), str(folder), str(out), "2"]
    return subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
        # As from a terminal: what a shell runs in the background ignores Ctrl-C, and so would all that it starts.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )  # fmt: skip


@pytest.fixture(scope="module")
def classroom(course, tmp_path_factory) -> Path:
    """Eighteen students: right, wrong, hard-coded, nothing, no notebook; each run takes a moment."""
    folder = tmp_path_factory.mktemp("classroom")
    told = float(__import__("tiny.checks.demo.stats", fromlist=["data"]).data(1, 40).sum())
    for i in range(15):
        answer = (RIGHT, "total = 3.5", f"total = {told!r}")[i % 3]
        hand_in(course, folder / f"s{i:02}", f"{answer}  # pause 0.15")
    (folder / "none").mkdir()
    hand_in(course, folder / "pdf", RIGHT).write_bytes(b"%PDF \xff")
    hand_in(course, folder / "twin", "total = 3.5")
    return folder


# --------------------------------------------------------------------------------------------- killed, interrupted


def test_a_run_killed_at_any_moment_and_run_again_gives_the_same_gradebook(course, classroom, tmp_path):
    graded(course, classroom, tmp_path / "undisturbed")
    wanted = in_book(tmp_path / "undisturbed")
    assert {str(v.status) for one in wanted for v in one.verdicts} >= {"passed", "wrong", "blank"}
    out, moments = tmp_path / "disturbed", [0, 1, random.Random(time.time_ns()).randrange(2, 12), 14]
    for moment in moments:  # so many units are in the gradebook
        process = start(course, classroom, out)
        deadline = time.monotonic() + 120
        while units(out) < moment and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.01)
        time.sleep(random.random() * (1.5 if moment == 0 else 0.1))
        assert process.poll() is None, process.communicate()
        process.kill()
        process.communicate()
    kept = units(out)
    steps: list[Progress] = []
    graded(course, classroom, out, progress=steps.append)
    assert in_book(out) == wanted
    assert kept >= 14 and steps[0].skipped == steps[0].done == kept and units(out) == units(tmp_path / "undisturbed")


def test_a_run_of_the_reference_ends_with_the_grader_that_was_killed(tmp_path):
    sleeps = f"open({str(tmp_path / 'begun')!r}, 'w').write('x')\nimport time\ntime.sleep(60)"
    script = (
        "from pathlib import Path\nfrom coursework.replay import replay\n"
        f"replay([{{'cells': [[0, {sleeps!r}]]}}], Path('.'))"
    )
    grader = subprocess.Popen([sys.executable, "-c", script], cwd=tmp_path)
    deadline = time.monotonic() + 60
    while not (tmp_path / "begun").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    (reference,) = psutil.Process(grader.pid).children()
    grader.kill()
    grader.wait()
    assert psutil.wait_procs([reference], timeout=10)[1] == []


def test_an_interrupted_run_ends_soon_without_a_grade_too_many_and_goes_on(course, classroom, tmp_path):
    out = tmp_path / "out"
    process = start(course, classroom, out)
    deadline = time.monotonic() + 120
    while units(out) < 3 and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGINT)  # as Ctrl-C does: the workers get it too
    _, said = process.communicate(timeout=60)
    assert process.returncode != 0 and said.count("Traceback") == 1 and "KeyboardInterrupt" in said, said
    assert 3 <= units(out) < 18
    assert {one.state for one in in_book(out)} <= {"graded", "missing", "unreadable"}
    graded(course, classroom, out)
    graded(course, classroom, tmp_path / "undisturbed")
    assert in_book(out) == in_book(tmp_path / "undisturbed")


def test_a_worker_that_is_lost_costs_nothing_and_one_that_is_lost_each_time_is_told(course, tmp_path):
    folder = tmp_path / "class"
    for i in range(6):
        hand_in(course, folder / f"s{i}", RIGHT)
    hand_in(course, folder / "once", f"{RIGHT}  # end the worker {tmp_path}/once 1 times")
    hand_in(course, folder / "ever", f"{RIGHT}  # end the worker {tmp_path}/ever 99 times")
    hand_in(course, folder / "odd", f"{RIGHT}  # raise")
    found = graded(course, folder, tmp_path / "out")
    assert {name: one.state for name, one in found.items() if name not in ("ever", "odd")} == dict.fromkeys(
        [*(f"s{i}" for i in range(6)), "once"], "graded"
    )
    assert all(total(found[name]) == "passed" for name in ("once", "s0", "s5"))
    assert found["ever"].state == "not run" and "worker process was ended" in found["ever"].problem
    assert found["odd"].state == "not run" and "RuntimeError: the kernel's channel is closed" in found["odd"].problem
    assert found["ever"].flags == ("not run",)
    hand_in(course, folder / "odd", RIGHT)
    (tmp_path / "ever").write_text("x" * 99)  # whatever ended its worker is mended
    steps: list[Progress] = []
    again = graded(course, folder, tmp_path / "out", progress=steps.append)
    assert steps[0].skipped == 7
    assert again["ever"].state == again["odd"].state == "graded"
    with Gradebook(tmp_path / "out" / "gradebook.sqlite") as book:
        assert {(c.student, c.why) for c in book.changes()} == {
            ("ever", "it could not be run before"), ("odd", "it could not be run before"),
        }  # fmt: skip


def test_a_worker_that_dies_with_nothing_to_do_is_replaced(tmp_path):
    with Workers(2) as workers:
        workers.submit("first", _own_pid)
        ((_, pid),) = workers.finished()
        os.kill(int(pid), signal.SIGKILL)
        for i in range(4):
            workers.submit(i, _own_pid)
        found = {}
        while len(workers):
            found.update(workers.finished())
    assert set(found) == set(range(4)) and pid not in found.values()
    assert all(str(one).isdigit() for one in found.values())
    assert not any(Path("/proc", str(one)).exists() for one in found.values())


HOW = """
import json, os, sys, threading
from coursework.workers import Workers
kept = open(sys.argv[1])
if len(sys.argv) > 2:
    threading.Thread(target=threading.Event().wait, daemon=True).start()
with Workers(2, loads=("cheap:ready",)) as workers:
    workers.submit("one", __import__("cheap").about)
    ((about, said),) = workers.finished()
    print(json.dumps([type(workers._crew.parents[0].process).__name__, os.getpid(), about, json.loads(said)]))
"""


@pytest.mark.parametrize("thread", [False, True])
def test_workers_are_forked_from_the_grader_where_it_may_be_forked_and_have_none_of_its_files(tmp_path, thread):
    kept = tmp_path / "gradebook"
    kept.touch()
    environment = {**os.environ, "PYTHONPATH": str(Path(cheap.__file__).parent)}
    command = [sys.executable, "-c", HOW, str(kept), *(["thread"] if thread else [])]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    kind, grader, about, (ready, parent, session, files) = json.loads(done.stdout)
    assert (kind, about, ready) == ("Popen" if thread else "_Forked", "one", True)
    assert parent != grader and session != os.getsid(0)
    assert str(kept) not in files


LEAN = sorted(
    path.stem for path in Path(nb.__file__).parent.glob("*.py") if path.stem not in ("engine", "__init__")
)  # papermill brings the engine, and has loaded what it loads by then


@pytest.mark.parametrize("module", LEAN)
def test_no_module_loads_what_checks_formats_that_no_notebook_has(module):
    code = f"import sys, coursework.{module}; print(sorted({{'lark', 'isoduration', 'zmq'}} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout.strip()) == (0, "[]"), done.stderr


def test_what_a_worker_raises_or_returns_that_is_no_text_comes_back_as_an_exception(tmp_path):
    with Workers(1) as workers:
        for call in (_lacks, _no_text, _unsendable):
            workers.submit(call.__name__, call)
        found = {}
        while len(workers):
            found.update(workers.finished())
    assert {name: f"{type(e).__name__}: {e}" for name, e in found.items()} == {
        "_lacks": "ModuleNotFoundError: no tiny",
        "_no_text": "TypeError: a worker returned int and no text",
        "_unsendable": "TypeError: Object of type set is not JSON serializable",
    }


def _own_pid() -> str:
    return str(os.getpid())


def _no_text() -> int:
    return 3


def _unsendable() -> set:
    return {3}


def test_the_bound_that_an_answer_crossed_is_told_to_its_student_and_to_the_teacher(course, tmp_path):
    bounds = {
        "memory": "it used more than 2,048 MB of memory", "output": "it sent more than 48 MB of output",
        "cpu": "it used more than 600 s of CPU", "none": "",
    }  # fmt: skip
    for name, why in bounds.items():
        hand_in(course, tmp_path / "class" / name, f"{RIGHT}  # stopped: {why}")
    found = graded(course, tmp_path / "class", tmp_path / "out")
    for name, why in bounds.items():
        (verdict,) = (v for v in found[name].verdicts if v.question == "total")
        words = f"The answer ended the kernel{why and f': {why}'}; the other questions were graded without it."
        assert verdict.status is Status.CRASHED and verdict.message == words
        assert found[name].flags == (f"total: crashed{why and f', {why}'}",)
    assert flag_groups(found.values()) == []  # the list of runs that were stopped says it


def test_two_runs_at_once_on_one_gradebook_are_refused_and_the_first_goes_on(course, classroom, tmp_path):
    def another(progress: Progress) -> None:
        if progress.done == 3 and not refused:
            with pytest.raises(GradebookError, match="in use by another run") as error:
                graded(course, classroom, tmp_path / "out")
            refused.append(error)

    refused: list = []
    found = graded(course, classroom, tmp_path / "out", progress=another)
    assert refused and len(found) == 18 and {one.state for one in found.values()} >= {"graded", "missing"}


# ------------------------------------------------------------------------------------------ what is run again


def test_what_changed_is_run_again_and_nothing_else(course, tmp_path):
    folder, out = tmp_path / "class", tmp_path / "out"
    for name in ("ann", "bea", "cem"):
        hand_in(course, folder / name, RIGHT)

    def ran(**options) -> int:
        steps: list[Progress] = []
        graded(course, folder, out, progress=steps.append, **options)
        return steps[-1].total - steps[0].skipped

    def changed() -> set[tuple[str, str]]:
        with Gradebook(out / "gradebook.sqlite") as book:
            return {(c.student, c.why) for c in book.changes()}

    assert ran() == 3 and ran() == 0 and changed() == set()
    hand_in(course, folder / "bea", "total = 3.5")
    assert ran() == 1 and changed() == {("bea", "another file was handed in")}
    other = {ID: [{"seed": 4, "n": 70}]}
    hand_in(course, folder / "cem", f"total = {float(_data(HIDDEN).sum())!r}")
    ran()
    assert ran(hidden=other) == 3 and changed() == {("cem", "the hidden parameters are others")}
    assert ran() == 0 and changed() == {("cem", "the hidden parameters are others")}  # all of it is known already
    assert ran(cell_timeout=11) == 3 and changed() == set()
    checks = course.checks_file(ID)
    text = checks.read_text(encoding="utf-8")
    try:
        checks.write_text(text + "\n# another comment\n", encoding="utf-8")
        assert ran() == 3
    finally:
        checks.write_text(text, encoding="utf-8")
    assert ran() == 0


def _data(parameters):
    return __import__("tiny.checks.demo.stats", fromlist=["data"]).data(**parameters)


def test_points_given_by_hand_hold_through_a_regrade(course, tmp_path):
    folder, out = tmp_path / "class", tmp_path / "out"
    hand_in(course, folder / "ann", "total = 3.5")
    assert graded(course, folder, out)["ann"].points == 0
    with Gradebook(out / "gradebook.sqlite") as book:
        book.set_mark("ann", ID, "total", 0.75, "The method is right.", by="ms")
    ann = graded(course, folder, out, hidden={ID: [{"seed": 4, "n": 70}]})["ann"]
    assert ann.points == 0.75 and ann.verdicts[1].message == "The method is right."
    assert ann.automatic[0].status is Status.WRONG and ann.automatic[0].points == 0 and ann.flags == ()
    hand_in(course, folder / "ann", "total = 4.5")
    ann = graded(course, folder, out)["ann"]
    assert ann.points == 0.75 and ann.flags == ("total: marked by hand for an earlier file, look again",)


# --------------------------------------------------------------------------------------------- pools of parameters


def test_each_student_of_a_pool_is_graded_with_one_set_and_the_reference_runs_once_a_set(course, tmp_path, monkeypatch):
    from coursework import grade as grading

    folder, out = tmp_path / "class", tmp_path / "out"
    pool = Hidden(({"seed": 11, "n": 30}, {"seed": 12, "n": 40}, {"seed": 13, "n": 50}), key="k" * 16)
    students = [f"s{i}" for i in range(12)]
    for i, student in enumerate(students):
        answer = RIGHT if i % 2 else f"total = {float(_data(pool.sets[0]).sum())!r}"
        hand_in(course, folder / student, answer)
    ran = []
    replay = grading.replay
    monkeypatch.setattr(grading, "replay", lambda jobs, folder: (ran.append(len(jobs)), replay(jobs, folder))[1])
    found = graded(course, folder, out, hidden={ID: pool})
    chosen = {student: pool.of(ID, student)[0] for student in students}
    assert len(set(chosen.values())) == 3
    for i, student in enumerate(students):
        assert total(found[student]) == ("passed" if i % 2 or chosen[student] == 0 else "wrong")
    assert ran == [3]
    again = graded(course, folder, out, hidden={ID: evolve(pool, sets=(*pool.sets, {"seed": 14, "n": 60}))})
    assert ran == [3, 1] and set(again) == set(students)
    steps: list[Progress] = []
    grade(course, folder, out, [ID], settings=Settings(2), progress=steps.append, run=cheap.run)
    assert ran == [3, 1] and steps[0].skipped == 12  # the gradebook knows pool and key


# --------------------------------------------------------------------------------------- elsewhere: workers, results


@pytest.fixture
def cluster(course):
    from distributed import LocalCluster

    before = dict(os.environ)
    with LocalCluster(
        n_workers=2,
        threads_per_worker=1,
        host="127.0.0.1",
        dashboard_address="127.0.0.1:0",
        silence_logs=50,
        memory_limit=0,
    ) as running:
        yield running
    # Dask's nanny leaves its bounds on threads in this process, where other tests start kernels.
    os.environ.clear()
    os.environ.update(before)


def test_workers_of_a_scheduler_run_submissions_and_are_left_running(course, classroom, cluster, tmp_path):
    found = graded(course, classroom, tmp_path / "out", scheduler=cluster.scheduler_address)
    graded(course, classroom, tmp_path / "local")
    assert timeless(list(found.values())) == in_book(tmp_path / "local")
    assert len(cluster.scheduler.workers) == 2


def test_a_local_cluster_of_dask_grades_on_isolated_kernels_and_is_gone_afterwards(course, tmp_path):
    for student, answer in (("ann", RIGHT), ("bea", "total = 7.0")):
        hand_in(course, tmp_path / "in" / student, answer)
    command = [sys.executable, "-m", "coursework.cli", "grade", str(tmp_path / "in"), "--out", str(tmp_path / "out")]
    command += ["--scheduler", "local", "--workers", "1"]
    environment = {**os.environ, "COURSEWORK_DATA": str(tmp_path)}
    done = subprocess.run(command, cwd=course.root, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0 and "2 submissions: 2 graded" in done.stdout, done.stderr
    assert [total(one) for one in in_book(tmp_path / "out")] == ["passed", "wrong"]
    for process in psutil.process_iter(["environ"]):
        assert (process.info["environ"] or {}).get("COURSEWORK_DATA") != str(tmp_path)


def test_workers_that_run_another_version_are_refused_by_name(cluster):
    with Workers(1, cluster.scheduler_address, (_version, "2")) as workers:
        with pytest.raises(GradingError, match=r"worker tcp://127.0.0.1:\d+ runs another version of this course"):
            workers.submit(None, cheap.run)
    with Workers(1, cluster.scheduler_address, (_lacks, "1")) as workers:
        with pytest.raises(GradingError, match=r"cannot run this course \(ModuleNotFoundError: no tiny"):
            workers.submit(None, cheap.run)


def _version() -> str:
    return "1"


def _lacks() -> str:
    raise ModuleNotFoundError("no tiny")


def test_a_scheduler_that_does_not_answer_is_named(monkeypatch):
    monkeypatch.setattr("coursework.workers.PATIENCE", 1)
    with Workers(1, "tcp://127.0.0.1:9") as workers:
        with pytest.raises(GradingError, match=r"tcp://127.0.0.1:9: no Dask scheduler with a worker answers there"):
            workers.submit(None, cheap.run)
    with Workers(1, "nonsense") as workers:
        with pytest.raises(GradingError, match=r"nonsense: no Dask scheduler"):
            workers.submit(None, cheap.run)


def test_executed_notebooks_are_kept_on_demand_and_everything_can_be_put_elsewhere(course, tmp_path):
    import fsspec

    folder, out = tmp_path / "class", tmp_path / "out"
    hand_in(course, folder / "ann", RIGHT)
    hand_in(course, folder / "a b", "total = 3.5")
    graded(course, folder, tmp_path / "none")
    assert not (tmp_path / "none" / "notebooks").exists()
    graded(course, folder, out, keep_notebooks=True)
    kept = sorted(path.relative_to(out).as_posix() for path in (out / "notebooks").rglob("*.ipynb"))
    assert kept[1] == "notebooks/ann/demo/stats.ipynb" and kept[0].startswith("notebooks/a-b-") and len(kept) == 2
    (out / "report").mkdir()
    (out / "report" / "index.html").write_text("a page")
    assert deposit(out, "memory://results/math") == 4
    fs = fsspec.filesystem("memory")
    assert fs.cat("/results/math/report/index.html") == b"a page"
    assert json.loads(fs.cat("/results/math/notebooks/ann/demo/stats.ipynb"))["nbformat"] == 4
    assert deposit(out, f"file://{tmp_path}/copy") == 4
    assert in_book(tmp_path / "copy") == in_book(out)
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(GradingError, match="could not be put to file://") as refused:
        deposit(out, f"file://{tmp_path}/file/below")
    assert f"They are in {out}" in str(refused.value)


# ------------------------------------------------------------------------------------------------ the command


def test_the_command_grades_a_store_by_a_policy_says_what_changed_and_puts_the_results(course, tmp_path, monkeypatch):
    from functools import partial

    import fsspec
    from typer.testing import CliRunner

    from coursework import cli
    from coursework import grade as grading

    monkeypatch.chdir(course.root)
    monkeypatch.setattr(grading, "grade", partial(grading.grade, run=cheap.run))
    late = "2026-11-30 12:00:00 UTC"
    for student, answer in (("ann", RIGHT), ("bea", "total = 3.5")):
        path = hand_in(course, tmp_path / student, answer)
        fsspec.filesystem("memory").pipe(f"/class/inbound/{student}+stats+{late}+xx/stats.ipynb", path.read_bytes())
    (tmp_path / "private.yml").write_text("key: a secret of this course\ndemo/stats: {pool: 3}")
    (tmp_path / "policy.yml").write_text("deadline: 2026-11-29 18:00\nlate: {penalty: 10 %}")
    out = str(tmp_path / "out")
    command = ["grade", "memory://class", "-o", out, "--parameters", str(tmp_path / "private.yml"), "--diff"]
    command += ["--unsandboxed", "--workers", "1", "--put", "memory://put"]

    first = CliRunner().invoke(cli.app, command, catch_exceptions=False)
    assert "2 students, 2 submissions: 2 graded" in first.output
    assert "6 answers were graded for the first time." in first.output and "files put to memory://put" in first.output
    assert fsspec.filesystem("memory").exists("/put/report/index.html")
    again = CliRunner().invoke(cli.app, [*command, "--policy", str(tmp_path / "policy.yml")], catch_exceptions=False)
    assert "ann, demo/stats, total: passed 1 -> passed 0.9 (the policy changed)" in again.output
    assert "bea" not in again.output
    assert "Nothing changed." in CliRunner().invoke(cli.app, command, catch_exceptions=False).output
    for page in (tmp_path / "out" / "report").rglob("*.html"):
        assert "a secret of this course" not in page.read_text(encoding="utf-8")


# ------------------------------------------------------------------------------------------------ one submission


def test_an_answer_too_large_to_carry_costs_its_own_question_alone(monkeypatch):
    from coursework import grade as grading

    observed = {name: {"question": name, "outcomes": [{"value": "x" * size}]} for name, size in (("a", 10), ("b", 6e6))
                for size in [int(size)]}  # fmt: skip
    result = {"observed": observed, "stopped": {}, "errors": {}, "seconds": 1.0}
    monkeypatch.setattr(grading, "run_submission", lambda *_: [result])
    how = {"cell_timeout": 1, "sandbox": False, "limits": {}, "hidden": [], "data": {}, "keep": False}
    (found,) = json.loads(work("", [{}], how))
    assert set(found["observed"]) == {"a"} and found["errors"] == {"b": "what it answers is larger than 5 MB"}
