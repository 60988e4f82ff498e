"""papermill with this engine runs on, records what was observed, and refuses what is not declared."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from papermill.exceptions import PapermillException  # papermill loads the engine; the other way round is a circle

from coursework import notebook as nb
from coursework.check import OBSERVED_MIME
from coursework.engine import RefusedParameters, observed, refuse_unknown

AVERAGE = "def average(values):\n    return float(values.sum() / len(values))"


def papermill(course, source: Path, target: Path, *arguments: str) -> subprocess.CompletedProcess:
    command = [Path(sys.executable).with_name("papermill"), "--engine", "coursework", source, target, *arguments]
    environment = {**os.environ, "COURSEWORK_DATA": str(target.parent / "data"), "TMPDIR": str(target.parent)}
    return subprocess.run(
        [str(part) for part in command], capture_output=True, text=True, timeout=300, env=environment, cwd=course.root
    )


@pytest.fixture(scope="module")
def executed(course, tmp_path_factory):
    """An exercise with a failing cell, a dying one, an endless one and a forged observation, run with n=50."""
    folder = tmp_path_factory.mktemp("engine")
    notebook = nb.read(course.exercise("demo/stats"))
    answers = {part.question: part.answers[0] for part in nb.parts(notebook)}
    notebook.cells[answers["average"]].source = AVERAGE
    notebook.cells[answers["total"]].source = "total = 1\nimport os\nos._exit(3)"
    notebook.cells[answers["ordered"]].source = (
        "def ordered(values):\n    out = []\n    for v in values:\n"
        "        out.insert(sum(o <= v for o in out), v)\n    return out"
    )
    bundle = {OBSERVED_MIME: {"question": "total", "blank": False, "reached": [], "outcomes": [{"value": 1}]}}
    notebook.cells.insert(
        answers["total"] + 2,
        nbformat.v4.new_code_cell(f"from IPython.display import display\ndisplay({bundle!r}, raw=True)"),
    )
    notebook.cells.insert(answers["average"], nbformat.v4.new_code_cell("1 / 0"))
    notebook.cells.append(nbformat.v4.new_code_cell("import time\ntime.sleep(600)"))
    notebook.cells.append(nbformat.v4.new_code_cell("print('the end', n)"))
    source = folder / "in.ipynb"
    source.write_text(nb.text_of(notebook))
    ran = papermill(course, source, folder / "out.ipynb", "-p", "n", "50", "--execution-timeout", "10")
    assert "ZeroDivisionError" in ran.stderr  # papermill says at the end that a cell failed; by then all have run
    return nb.read(folder / "out.ipynb"), folder, ran


def test_a_failing_a_dying_and_an_endless_cell_do_not_end_the_run(executed):
    notebook, _, _ = executed
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    said = ["".join(output.get("text") or output.get("ename", "")) for output in outputs]
    assert "ZeroDivisionError" in said
    assert any("this cell ended the kernel" in text for text in said)
    assert any("this cell ran out of time" in text for text in said)
    assert "the end 50\n" in said


def test_questions_before_and_after_a_crash_are_observed_with_the_parameters_given(executed):
    seen = executed[0].metadata.coursework["observed"]
    assert set(seen) == {"average", "ordered"}
    assert seen["average"]["outcomes"][1]["value"] == 4.0 and seen["ordered"]["outcomes"][1]["value"]["v"] == [
        1,
        1,
        2,
        3,
    ]
    assert len(seen["ordered"]["outcomes"][0]["value"]["v"]) == 50
    assert executed[0].metadata.coursework["stopped"]["total"] == "crashed"


def test_what_another_cell_displays_is_no_observation(executed):
    assert "total" not in executed[0].metadata.coursework["observed"]
    check = nbformat.v4.new_code_cell('check("total", total)', metadata={"tags": ["check"]})
    for question, counts in (("total", True), ("average", False)):
        data = {OBSERVED_MIME: {"question": question, "outcomes": []}}
        check.outputs = [nbformat.v4.new_output("display_data", data=data)]
        assert (set(observed(nbformat.v4.new_notebook(cells=[check]))) == {"total"}) is counts


def test_a_run_leaves_no_record_and_no_file_behind(executed):
    _, folder, _ = executed
    assert sorted(path.name for path in folder.iterdir()) == ["in.ipynb", "out.ipynb"]


def test_an_undeclared_parameter_is_refused_and_nothing_is_run(course, tmp_path):
    ran = papermill(course, course.exercise("demo/stats"), tmp_path / "out.ipynb", "-p", "seeed", "7")
    assert ran.returncode != 0 and "has no parameter 'seeed'. Did you mean 'seed'?" in ran.stderr


def test_a_notebook_without_readable_parameters_is_refused():
    for cells in ([], [nbformat.v4.new_code_cell("n = f()", metadata={"tags": ["parameters"]})]):
        assert issubclass(RefusedParameters, PapermillException)
        with pytest.raises(RefusedParameters):
            refuse_unknown(nbformat.v4.new_notebook(cells=cells), {"n": 1})
