"""One assignment of four questions and its submissions, in the form of each tool that is compared.

The code of a submission, the assertions and the packages they import are the same everywhere; what differs is how each
tool marks a cell. Measures nothing.
"""

from __future__ import annotations

import json
import os
import sys
import textwrap
import time
from pathlib import Path
from typing import NamedTuple

import nbformat
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_raw_cell

NAME = "four"
ID = f"bench/{NAME}"
HIDDEN = {"seed": 90210, "n": 160}
#: What a notebook of a machine learning course begins with, and the least that these four questions need.
IMPORTS = {
    "course": "import matplotlib.pyplot as plt\nimport numpy as np\nimport pandas as pd\n"
    "from sklearn.linear_model import LinearRegression\nfrom sklearn.model_selection import cross_val_score\n"
    "from sklearn.pipeline import make_pipeline\nfrom sklearn.preprocessing import StandardScaler\n",
    "light": "import numpy as np\nimport pandas as pd\n",
}
SETUP = """
rng = np.random.default_rng(seed)
frame = pd.DataFrame({"carrier": rng.choice(list("ABCD"), size=n), "delay": rng.gamma(2.0, 15.0, size=n)})"""
#: the imports that were asked for come first
setup = [IMPORTS["course"] + SETUP]
PARAMETERS = "seed = 1  # seeds every draw\nn = 120  # rows, 40 to 400"


class Asked(NamedTuple):
    """One question: what is asked, the stub's first lines, right and wrong answers, and what must hold."""

    name: str
    prompt: str
    stub: str
    right: tuple[str, ...]
    wrong: tuple[str, ...]
    tests: str


QUESTIONS = (
    Asked(
        "average",
        "Write `average(values)`, the mean of an array.",
        "def average(values):",
        (
            "return float(values.sum() / len(values))",
            "total = 0.0\nfor v in values:\n    total += v\nreturn total / len(values)",
        ),
        ("return float(values.sum())", "return float(np.median(values))"),
        "assert abs(average(frame.delay.to_numpy()) - frame.delay.mean()) < 1e-9\n"
        "assert average(np.array([1.0, 2.0, 9.0])) == 4",
    ),
    Asked(
        "standardise",
        "Write `standardise(values)`: mean zero, standard deviation one.",
        "def standardise(values):",
        (
            "return (values - values.mean()) / values.std()",
            "centred = values - np.mean(values)\nreturn centred / np.sqrt(np.mean(centred**2))",
        ),
        ("return values - values.mean()", "return (values - values.mean()) / values.var()"),
        "z = standardise(frame.delay.to_numpy())\nassert abs(z.mean()) < 1e-9\nassert abs(z.std() - 1) < 1e-9",
    ),
    Asked(
        "by_carrier",
        "Write `by_carrier(frame)`: a dict of each carrier's mean delay.",
        "def by_carrier(frame):",
        (
            "return frame.groupby('carrier').delay.mean().to_dict()",
            "return {c: float(frame.delay[frame.carrier == c].mean()) for c in sorted(set(frame.carrier))}",
        ),
        (
            "return frame.groupby('carrier').delay.sum().to_dict()",
            "return frame.groupby('carrier').delay.max().to_dict()",
        ),
        "means = by_carrier(frame)\nassert set(means) == set(frame.carrier)\n"
        "assert all(abs(m - frame.delay[frame.carrier == c].mean()) < 1e-9 for c, m in means.items())",
    ),
    Asked(
        "largest",
        "Write `largest(values, k)`: the k largest values, largest first, as a list.",
        "def largest(values, k):",
        (
            "return sorted((float(v) for v in values), reverse=True)[:k]",
            "return [float(v) for v in np.sort(values)[::-1][:k]]",
        ),
        ("return sorted(float(v) for v in values)[:k]", "return [float(max(values))] * k"),
        "assert largest(np.array([3.0, 1.0, 2.0]), 2) == [3.0, 2.0]\n"
        "assert len(largest(frame.delay.to_numpy(), 5)) == 5",
    ),
)  # fmt: skip


def answers(student: int) -> list[str]:
    """What a student wrote: of eight, four have all right, three one or two wrong, one left the last question out."""
    kind = student % 8
    wrong = {4: (0,), 5: (2,), 6: (1, 3)}.get(kind, ())
    found = []
    for i, question in enumerate(QUESTIONS):
        if kind == 7 and i == 3:
            found.append(f"{question.stub}\n    ...  # your code here")
            continue
        body = (question.wrong if i in wrong else question.right)[(student // 8 + i) % 2]
        found.append(f"{question.stub}\n{textwrap.indent(body, '    ')}")
    return found


def reference() -> list[str]:
    return [f"{q.stub}\n{textwrap.indent(q.right[0], '    ')}" for q in QUESTIONS]


def _notebook(cells: list[NotebookNode]) -> NotebookNode:
    spec = {"display_name": "Python 3", "language": "python", "name": "python3"}
    return new_notebook(cells=cells, metadata={"kernelspec": spec, "language_info": {"name": "python"}})


def _write(path: Path, notebook: NotebookNode) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(notebook, path)


# ------------------------------------------------------------------------------------------------- this project

CHECKS = '''"""Four questions about delays."""

import numpy as np
import pandas as pd

from coursework import Exercise, Integer

exercise = Exercise("bench/four", title="Four questions", minutes=10, parameters=[
    Integer("seed", 0, 2**31 - 1), Integer("n", 40, 400)])
HINTS = ("a nudge", "a direction", "nearly the answer")


def table(rng, n):
    return pd.DataFrame({"carrier": rng.choice(list("ABCD"), size=n), "delay": rng.gamma(2.0, 15.0, size=n)})


average = exercise.question("average", kind="function", points=1, call="average(values)", asks="a number", hints=HINTS)
standardise = exercise.question("standardise", kind="function", points=1, call="standardise(values)", asks="an array",
    hints=HINTS)
by_carrier = exercise.question("by_carrier", kind="function", points=1, call="by_carrier(frame)", asks="a dict",
    hints=HINTS)
largest = exercise.question("largest", kind="function", points=1, call="largest(values, k)", asks="a list", hints=HINTS)


@average.probes
def _(rng, n):
    yield rng.gamma(2.0, 15.0, size=n)
    yield np.array([1.0, 2.0, 9.0])


@average.mistake("This is the total.")
def total(values):
    return float(values.sum())


@average.mistake("This is the value in the middle.")
def median(values):
    return float(np.median(values))


@standardise.probes
def _(rng, n):
    yield rng.gamma(2.0, 15.0, size=n)


@standardise.mistake("The spread is still that of the data.")
def centred(values):
    return values - values.mean()


@standardise.mistake("Divide by the standard deviation, not by the variance.")
def variance(values):
    return (values - values.mean()) / values.var()


@by_carrier.probes
def _(rng, n):
    yield table(rng, n)


@by_carrier.mistake("These are totals.")
def totals(frame):
    return frame.groupby("carrier").delay.sum().to_dict()


@largest.probes
def _(rng, n):
    yield rng.gamma(2.0, 15.0, size=n), 5
    yield np.array([3.0, 1.0, 2.0]), 2


@largest.mistake("These are the smallest.")
def smallest(values, k):
    return sorted(float(v) for v in values)[:k]
'''


def course(folder: Path) -> Path:
    """A course of this project with the one exercise, released; returns its root."""
    from coursework.author import from_text
    from coursework.project import Project
    from coursework.release import release

    root = folder / "course"
    package = root / "src" / "fourcourse" / "checks" / "bench"
    package.mkdir(parents=True, exist_ok=True)
    for place in (package, package.parent, package.parent.parent):
        (place / "__init__.py").touch()
    (package / f"{NAME}.py").write_text(CHECKS, encoding="utf-8")
    (root / "pyproject.toml").write_text(
        '[project]\nname = "fourcourse"\n[project.urls]\nRepository = "https://example.org/four"\n'
        '[tool.coursework]\nchecks = "fourcourse.checks"\n'
    )
    text = [f'# %% tags=["parameters"]\n{PARAMETERS}', f"# %%\n{setup[0]}"]
    text.append("# %%\nfrom fourcourse.checks.bench.four import exercise\n\ncheck = exercise.check(seed=seed, n=n)")
    for question in QUESTIONS:
        body = textwrap.indent(question.right[0], "    ")
        text.append(f"# %% [markdown]\n# {question.prompt}")
        text.append(f'# %% tags=["answer"]\n{question.stub}\n    ### BEGIN SOLUTION\n{body}\n    ### END SOLUTION')
        text.append(f'# %% tags=["check"]\ncheck("{question.name}", {question.name})')
    project = Project.find(root)
    from_text(project, project.solution(ID), "\n\n".join(text) + "\n")
    release(project, ID)
    return root


def ours(root: Path, folder: Path, count: int) -> None:
    from coursework import notebook as nb
    from coursework.project import Project

    for student in range(count):
        notebook = nb.read(Project.find(root).exercise(ID))
        for part, answer in zip(nb.parts(notebook), answers(student), strict=True):
            notebook.cells[part.answers[0]].source = answer
        _write(folder / f"s{student:05}" / f"{ID}.ipynb", notebook)


# ----------------------------------------------------------------------------------------------------- nbgrader


def _marked(source: str, name: str, *, grade: bool) -> NotebookNode:
    about = {
        "grade": grade,
        "solution": not grade,
        "locked": grade,
        "grade_id": name,
        "schema_version": 3,
        "task": False,
    }
    return new_code_cell(source, metadata={"nbgrader": about | ({"points": 1} if grade else {})})


def _nbgrader_cells(written: list[str]) -> list[NotebookNode]:
    cells = [new_code_cell(f"{PARAMETERS}\n{setup[0]}")]
    for question, source in zip(QUESTIONS, written, strict=True):
        cells += [new_markdown_cell(question.prompt), _marked(source, question.name, grade=False)]
        cells.append(_marked(question.tests, f"test_{question.name}", grade=True))
    return cells


def nbgrader(folder: Path, count: int) -> None:
    """A course folder of nbgrader: the source, and the submissions as if collected."""
    split = [source.partition("\n") for source in reference()]
    solved = [f"{head}\n    ### BEGIN SOLUTION\n{body}\n    ### END SOLUTION" for head, _, body in split]
    _write(folder / "source" / NAME / f"{NAME}.ipynb", _notebook(_nbgrader_cells(solved)))
    for student in range(count):
        path = folder / "submitted" / f"s{student:05}" / NAME / f"{NAME}.ipynb"
        _write(path, _notebook(_nbgrader_cells(answers(student))))
    (folder / "nbgrader_config.py").write_text("c = get_config()\nc.CourseDirectory.course_id = 'bench'\n")


# -------------------------------------------------------------------------------------------------------- otter


def otter(folder: Path, count: int) -> None:
    """A master notebook for `otter assign`, and the submissions as its students save them."""
    cells = [new_raw_cell("# ASSIGNMENT CONFIG\ninit_cell: true\nexport_cell: false\nrun_tests: false")]
    cells.append(new_code_cell(f"{PARAMETERS}\n{setup[0]}"))
    for question, source in zip(QUESTIONS, reference(), strict=True):
        first, _, body = source.partition("\n")
        cells.append(new_raw_cell(f"# BEGIN QUESTION\nname: {question.name}\npoints: 1"))
        cells += [new_markdown_cell(question.prompt), new_raw_cell("# BEGIN SOLUTION")]
        cells.append(new_code_cell(f"{first}\n    # BEGIN SOLUTION\n{body}\n    # END SOLUTION"))
        cells += [new_raw_cell("# END SOLUTION"), new_raw_cell("# BEGIN TESTS"), new_code_cell(question.tests)]
        cells += [new_raw_cell("# END TESTS"), new_raw_cell("# END QUESTION")]
    _write(folder / "master" / f"{NAME}.ipynb", _notebook(cells))
    for student in range(count):
        written = [new_code_cell(f'import otter\ngrader = otter.Notebook("{NAME}.ipynb")')]
        written.append(new_code_cell(f"{PARAMETERS}\n{setup[0]}"))
        for question, source in zip(QUESTIONS, answers(student), strict=True):
            written += [new_markdown_cell(question.prompt), new_code_cell(source)]
            written.append(new_code_cell(f'grader.check("{question.name}")'))
        _write(folder / "submissions" / f"s{student:05}.ipynb", _notebook(written))


# ---------------------------------------------------------------------------------------------------- papermill


def papermill(folder: Path, count: int) -> None:
    """Plain notebooks that print which questions hold."""
    for student in range(count):
        cells = [new_code_cell(PARAMETERS, metadata={"tags": ["parameters"]}), new_code_cell(setup[0])]
        for question, source in zip(QUESTIONS, answers(student), strict=True):
            tests = textwrap.indent(question.tests, "    ")
            tried = f"try:\n{tests}\n    print('{question.name}: right')\nexcept Exception as error:\n    print(error)"
            cells += [new_markdown_cell(question.prompt), new_code_cell(source), new_code_cell(tried)]
        _write(folder / f"s{student:05}.ipynb", _notebook(cells))


# ------------------------------------------------------------------------------------------- without any kernel


def without_kernel(text: str, sets: list[dict], how: dict) -> str:
    """Stands in for a worker's kernel: the reference's answers, at once. What is left is what the grader costs."""
    time.sleep(float(os.environ.get("FOUR_PAUSE", "0")))
    return Path(os.environ["FOUR_ANSWERS"]).read_text(encoding="utf-8")


def grade_without_kernel(root: str, folder: str, out: str, workers: str) -> None:
    """A run in a process of its own, which may be killed."""
    from coursework.grade import Settings, grade
    from coursework.project import Project

    grade(
        Project.find(Path(root)), Path(folder) / "submissions", Path(out), [ID], hidden={ID: [HIDDEN]},
        settings=Settings(int(workers)), run=without_kernel,
    )  # fmt: skip


def keep_answers(root: Path, path: Path) -> None:
    """The reference's answers for the hidden parameters, as a worker would give them back."""
    from coursework.project import Project
    from coursework.release import read_solution
    from coursework.replay import job, replay

    project = Project.find(root)
    solution = read_solution(project, project.load(ID))
    (run,) = replay([job(solution, HIDDEN)], root)
    observed = {name: one.to_json() for name, one in run.observed.items()}
    path.write_text(json.dumps([{"observed": observed, "stopped": {}, "errors": {}, "seconds": 0.0}]), encoding="utf-8")


if __name__ == "__main__":
    import assignment  # by its own name, by which the workers find it

    assignment.grade_without_kernel(*sys.argv[1:])
