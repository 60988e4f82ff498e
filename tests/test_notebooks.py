"""What `make test` has nbval prove of the notebooks, and that nbval would see it: a changed number and a changed answer
turn it red.

nbval itself runs beside these tests: `pytest --nbval notebooks solutions` and `pytest --nbval-lax exercises`.
"""

from __future__ import annotations

import re
import subprocess
import sys
from copy import deepcopy
from pathlib import Path
from xml.etree import ElementTree

import nbformat
import pytest
from nbformat import NotebookNode

ROOT = Path(__file__).resolve().parent.parent
CHAPTER = "math/least_squares"
#: What nbval takes as leave to compare less, in a cell's tags or its comments.
EXEMPTION = re.compile(r"nbval[-_]|raises[-_]exception", re.IGNORECASE)


def chapters(folder: str) -> set[str]:
    return {path.relative_to(ROOT / folder).with_suffix("").as_posix() for path in (ROOT / folder).glob("*/*.ipynb")}


def test_every_chapter_has_a_lesson_a_solution_and_an_exercise():
    assert chapters("notebooks")
    assert chapters("notebooks") == chapters("solutions") == chapters("exercises")


@pytest.mark.parametrize("folder", ["notebooks", "solutions", "exercises"])
def test_no_cell_is_exempted_from_the_comparison(folder):
    for name in sorted(chapters(folder)):
        for number, cell in enumerate(read(folder, name).cells):
            tags = cell.metadata.get("tags", [])
            assert not [tag for tag in tags if EXEMPTION.match(tag)], f"{folder}/{name}, cell {number}"
            if cell.cell_type == "code":
                assert not re.search(r"^\s*#\s*(NBVAL_|PYTEST_)", cell.source, re.MULTILINE), (
                    f"{folder}/{name}, cell {number}"
                )


@pytest.mark.parametrize("folder", ["notebooks", "solutions", "exercises"])
def test_no_formula_was_eaten_by_an_escape(folder):
    """A text that went through Python without `r` has a tab where a times sign began, a form feed for a fraction."""
    for name in sorted(chapters(folder)):
        for number, cell in enumerate(read(folder, name).cells):
            shown = [cell.source, *(printed(output) for output in cell.get("outputs", []) if "data" in output)]
            assert not re.search(r"[\t\x07\x08\x0b\x0c\r]", "\n".join(shown)), f"{folder}/{name}, cell {number}"


def read(folder: str, name: str) -> NotebookNode:
    return nbformat.read(ROOT / folder / f"{name}.ipynb", as_version=4)


# That nbval would see it ---------------------------------------------------------------------------------------------


def printed_number(output: NotebookNode) -> re.Match | None:
    """The last digit of what a cell printed, where it printed one."""
    return re.search(r"\d(?=\D*$)", printed(output))


def printed(output: NotebookNode) -> str:
    return output.text if output.output_type == "stream" else output.get("data", {}).get("text/markdown", "")


def with_a_changed_number(lesson: NotebookNode) -> tuple[NotebookNode, NotebookNode, int]:
    """The lesson up to its first printed number; the same with another digit; the place of that cell."""
    for place, cell in enumerate(lesson.cells):
        for which, output in enumerate(cell.get("outputs", [])):
            found = printed_number(output)
            if found:
                lesson.cells = lesson.cells[: place + 1]
                changed = deepcopy(lesson)
                other = changed.cells[place].outputs[which]
                text = f"{found.string[: found.start()]}{(int(found[0]) + 1) % 10}{found.string[found.end() :]}"
                if output.output_type == "stream":
                    other.text = text
                else:
                    other.data["text/markdown"] = text
                return lesson, changed, place
    raise AssertionError("the lesson prints no number")


def with_a_changed_answer(solution: NotebookNode) -> tuple[NotebookNode, NotebookNode, int]:
    """The solution up to the first check of a function; the same with one line of the answer changed; that check."""
    for place, cell in enumerate(solution.cells):
        region = re.search(r"### BEGIN SOLUTION\n(.*?)### END SOLUTION", cell.source, re.DOTALL)
        returned = region and list(re.finditer(r"return (.+)$", region[1], re.MULTILINE))
        if returned:
            line = returned[-1]
            solution.cells = solution.cells[: place + 2]
            changed = deepcopy(solution)
            start, end = (region.start(1) + at for at in line.span())
            changed.cells[place].source = f"{cell.source[:start]}return None{cell.source[end:]}"
            return solution, changed, place + 1
    raise AssertionError("the solution answers with no function")


def red_cells(folder: Path, *notebooks: str) -> dict[str, list[int]]:
    """The cells, by number among the code cells, that nbval refuses in each notebook."""
    report = folder / "report.xml"
    options = ["--nbval-cell-timeout", "120", "--rootdir", str(folder), "--junitxml", str(report)]
    command = [sys.executable, "-m", "pytest", "--nbval", *options, *notebooks]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=600)
    assert done.returncode in (0, 1), done.stdout + done.stderr
    cases = list(ElementTree.parse(report).iter("testcase"))
    assert cases
    red = {name: [] for name in notebooks}
    for case in cases:
        if len(case):
            red[case.get("classname")].append(int(case.get("name").removeprefix("Cell ")))
    assert (done.returncode == 1) == any(red.values())
    return red


@pytest.mark.parametrize("folder, change", [("notebooks", with_a_changed_number), ("solutions", with_a_changed_answer)])
def test_a_changed_number_or_answer_turns_nbval_red_in_its_cell_and_nowhere_else(tmp_path, folder, change):
    sound, changed, place = change(read(folder, CHAPTER))
    nbformat.write(sound, tmp_path / "sound.ipynb")
    nbformat.write(changed, tmp_path / "changed.ipynb")
    number = sum(cell.cell_type == "code" for cell in changed.cells[:place])
    assert red_cells(tmp_path, "sound.ipynb", "changed.ipynb") == {"sound.ipynb": [], "changed.ipynb": [number]}
