"""Builds the demo class: `submissions/`, what twenty students handed in, and `expected.csv`, what each answer deserves.

    python demo/make_class.py            write both
    python demo/make_class.py --check    change nothing; exit 1 if what is there differs

Every answer is a variant from `answers/<part>/<slug>.md`, or the reference of the solution, or the untouched stub. The
score that it deserves stands there beside it, written by whoever wrote the answer; no grader is asked. What became of
the notebook afterwards (cells deleted, metadata stripped, the file cut short) is a function below.
"""

from __future__ import annotations

import csv
import io
import json
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from pathlib import Path
from textwrap import dedent

import nbformat
from attrs import evolve, frozen
from nbformat import NotebookNode

from coursework import notebook as nb
from coursework.check import OBSERVED_MIME, published
from coursework.encode import decode
from coursework.project import Project

DEMO = Path(__file__).resolve().parent
JOB, SQUARES, SORTING = EXERCISES = ("role/the_job", "math/least_squares", "algorithms/sorting")

# ------------------------------------------------------------------------------------------------- answers


@frozen
class Answer:
    """One way to answer a question, and what it deserves."""

    name: str
    source: str | None  # None: the answer cell is gone
    status: str
    points: float
    mistake: str = ""
    hard_coded: bool = False
    extra: tuple[str, ...] = ()


HEADING = re.compile(r"### (\w+): ([a-z ]+?) ([\d.]+)(, mistake)?(, hard-coded)?")


def read_answers(id: str) -> dict[str, dict[str, Answer]]:
    """Question -> name -> answer, from the file of an exercise.

    Raises:
        SystemExit: a heading cannot be read, or an answer has no code.
    """
    path = DEMO / "answers" / f"{id}.md"
    found: dict[str, dict[str, Answer]] = {}
    for section in re.split(r"^## ", path.read_text(encoding="utf-8"), flags=re.M)[1:]:
        question, *entries = re.split(r"^(?=### )", section, flags=re.M)
        answers = found.setdefault(question.strip(), {})
        for entry in entries:
            heading = HEADING.fullmatch(entry.splitlines()[0].strip())
            blocks = re.findall(r"^```python( extra)?\n(.*?)^```$", entry, flags=re.M | re.S)
            code = [text.rstrip("\n") for extra, text in blocks if not extra]
            if heading is None or len(code) != 1:
                sys.exit(f"{path}: expected `### name: status points` and one answer, found {entry.splitlines()[0]!r}")
            name, status, points, mistake, hard_coded = heading.groups()
            extras = tuple(text.rstrip("\n") for extra, text in blocks if extra)
            answers[name] = Answer(
                name, code[0], status, float(points), name if mistake else "", bool(hard_coded), extras
            )
    return found


@frozen
class Book:
    """All that can be answered to one exercise."""

    id: str
    handed_out: NotebookNode
    answers: dict[str, dict[str, Answer]]

    @classmethod
    def open(cls, project: Project, id: str) -> Book:
        exercise = project.load(id)
        parameters, given = published(exercise)
        answers = read_answers(id)
        if set(answers) != set(exercise.questions):
            sys.exit(
                f"{DEMO / 'answers' / id}.md answers {', '.join(answers)}; {id} asks {', '.join(exercise.questions)}"
            )
        solution = nb.read(project.solution(id))
        for part in nb.parts(solution):
            question = exercise.questions[part.question]
            source = "\n".join(solution.cells[i].source for i in part.answers)
            right = ("unmarked", 0.0) if question.kind == "prose" else ("passed", question.points)
            known = {
                "reference": Answer("reference", _without_marks(source), *right),
                "untouched": Answer("untouched", nb.stub(source), "blank", 0.0),
                "deleted": Answer("deleted", None, "blank", 0.0),
            }
            copied = {f"<<{name}>>": repr(value) for name, value in parameters.items()}
            if question.kind == "value":
                copied["<<published>>"] = repr(decode(given[part.question].outcomes[0].value))
            if part.question == "choose_solver":
                copied["<<seen>>"] = _seen(question.inputs(parameters), given[part.question].outcomes)
            for name, answer in answers[part.question].items():
                text = answer.source
                for mark, value in copied.items():
                    text = text.replace(mark, value)
                known[name] = evolve(answer, source=text)
            answers[part.question] = known
        return cls(id, nb.read(project.exercise(id)), answers)

    def mistakes(self, number: int) -> dict[str, str]:
        """For each question that has so many, the mistake of that number (from 0)."""
        named = {q: [a.name for a in answers.values() if a.mistake] for q, answers in self.answers.items()}
        return {q: names[number] for q, names in named.items() if number < len(names)}


def _without_marks(source: str) -> str:
    """The reference as a learner would have written it: no markers, and no `name = ...` above the answer."""
    lines = [line for line in source.splitlines() if line.strip() not in (nb.BEGIN, nb.END)]
    return "\n".join(line for line in lines if not re.fullmatch(r"\w+ = \.\.\.", line))


def _seen(inputs, outcomes) -> str:
    """A table that answers what a check asks for the published parameters, as someone would write it down."""
    rows = zip(inputs, outcomes, strict=True)
    table = {(round(float(A[0, 0]), 3), digits): decode(outcome.value) for (A, digits), outcome in rows}
    return "{\n" + "".join(f"    {key!r}: {value!r},\n" for key, value in table.items()) + "}"


# -------------------------------------------------------------- what becomes of a notebook before it is handed in

Form = Callable[[NotebookNode], NotebookNode]


def saved(notebook: NotebookNode) -> NotebookNode:
    """As JupyterLab saves it after a run."""
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    for number, cell in enumerate(code, 1):
        cell.execution_count = number
    notebook.metadata["language_info"] = {"file_extension": ".py", "mimetype": "text/x-python", "name": "python"}
    return notebook


def stripped(notebook: NotebookNode) -> NotebookNode:
    """Through a tool that keeps nothing but the cells' texts."""
    for cell in notebook.cells:
        cell.pop("id", None)
        cell.metadata = nbformat.from_dict({})
    notebook.metadata, notebook.nbformat_minor = nbformat.from_dict({}), 2
    return notebook


def without_prose(notebook: NotebookNode) -> NotebookNode:
    notebook.cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    return notebook


def without_checks(notebook: NotebookNode) -> NotebookNode:
    """Check cells and the parameters deleted."""
    notebook.cells = [cell for cell in notebook.cells if not nb.tags(cell) & {"check", "parameters"}]
    return notebook


def answers_at_the_end(notebook: NotebookNode) -> NotebookNode:
    """Answer cells dragged below everything else, the last one first."""
    answers = [cell for cell in notebook.cells if "answer" in nb.tags(cell)]
    notebook.cells = [cell for cell in notebook.cells if "answer" not in nb.tags(cell)] + answers[::-1]
    return notebook


def every_cell_doubled(notebook: NotebookNode) -> NotebookNode:
    """All cells pasted a second time below the first ones, as happens with select-all."""
    again = deepcopy(notebook.cells)
    for cell in again:
        cell.id = f"pasted-{cell.id}"[:64]
    notebook.cells = notebook.cells + again
    return notebook


def checks_forged(notebook: NotebookNode) -> NotebookNode:
    """Every check asks about something else and its output claims success; the parameters are the learner's own."""
    for cell in notebook.cells:
        if "check" in nb.tags(cell):
            question = nb.checked_question(cell)
            cell.source = f'check("{question}", ...)\nprint("{question}: passed")'
            forged = {"question": question, "blank": False, "reached": [], "outcomes": [{"value": 1, "changed": False}]}
            data = {
                OBSERVED_MIME: forged,
                "text/plain": f"{question}: passed, full points",
            }
            cell.outputs = [nbformat.v4.new_output("display_data", data)]
        if "parameters" in nb.tags(cell):
            cell.source = cell.source.replace("n = ", "n = 1 + ").replace("seed = ", "seed = 10 * ")
    return notebook


def import_in_the_setup(notebook: NotebookNode) -> NotebookNode:
    """The learner's own import went into the cell that the exercise begins with."""
    for cell in notebook.cells:
        if cell.source.startswith("import numpy as np"):
            cell.source = f"import math\n{cell.source}"
        if "answer" in nb.tags(cell):
            cell.source = cell.source.removeprefix("import math\n\n")
    return notebook


def first_tries(question: str, *sources: str) -> Form:
    """Earlier answers to a question still stand above the last one, each a copy of its cell."""

    def form(notebook: NotebookNode) -> NotebookNode:
        at = next(i for i, cell in enumerate(notebook.cells) if cell.id == f"answer-{question}")
        copies = []
        for number, source in enumerate(sources):
            copy = deepcopy(notebook.cells[at])
            copy.id, copy.source = f"try-{number}-{question}", source
            copies.append(copy)
        notebook.cells[at:at] = copies
        return notebook

    return form


# ------------------------------------------------------------------------------------------------- the class


@frozen
class HandedIn:
    """One student's work on one exercise."""

    #: the answers' style where a question has it; else the reference
    style: str = "reference"
    #: question -> the name of another answer
    but: Mapping[str, str] = {}
    forms: tuple[Form, ...] = ()
    #: where the file lies in the student's folder, if not at its place
    file: str = ""
    #: what lies there instead of a notebook; no answer can be read from it
    instead: Callable[[str], str] | None = None
    #: words that the report must say about what was repaired
    note: str = ""

    def answers(self, book: Book) -> dict[str, Answer]:
        chosen = {q: known.get(self.style, known["reference"]) for q, known in book.answers.items()}
        for question, name in self.but.items():
            chosen[question] = book.answers[question][name]
        return chosen

    def notebook(self, book: Book) -> NotebookNode:
        notebook = deepcopy(book.handed_out)
        answers = self.answers(book)
        for part in nb.parts(notebook)[::-1]:
            at = part.answers[0]
            answer = answers[part.question]
            if answer.source is None:
                del notebook.cells[at]
                continue
            notebook.cells[at].source = answer.source
            own = [
                nbformat.v4.new_code_cell(text, id=f"own-{part.question}-{i}") for i, text in enumerate(answer.extra)
            ]
            notebook.cells[at:at] = own
        for form in (saved, *self.forms):
            notebook = form(notebook)
        return notebook

    def text(self, book: Book) -> str:
        notebook = self.notebook(book)
        text = json.dumps(notebook, indent=1, ensure_ascii=False) + "\n"
        return self.instead(text) if self.instead else text


def the_class(books: Mapping[str, Book]) -> dict[str, dict[str, HandedIn]]:
    """Student -> exercise -> what they handed in."""

    def all_three(style: str) -> dict[str, HandedIn]:
        return {id: HandedIn(style) for id in EXERCISES}

    def wrong(number: int, style: str) -> dict[str, HandedIn]:
        """The mistake of that number in every question that has so many; nothing for an exercise that has none."""
        return {id: HandedIn(style, book.mistakes(number)) for id, book in books.items() if book.mistakes(number)}

    join = books[SORTING].answers["merge"]["first_try"].source
    prose = "I could not open the notebook on my tablet, so here is my answer: never 54, always 20.\n"
    return {
        # Right, in three styles.
        "agnes": all_three("reference"),
        "bruno": all_three("loops"),
        "chidi": {
            JOB: HandedIn("library", {"expected_cost": "helper"}),
            SQUARES: HandedIn("library", {"largest_cosine": "helper"}),
            SORTING: HandedIn("helper", {"forecast": "library"}),
        },
        # Every named mistake: the first of each question, the second, and so on.
        "dora": wrong(0, "loops"),
        "emil": wrong(1, "library"),
        "farid": wrong(2, "reference"),
        "greta": wrong(3, "loops"),
        "hiro": wrong(4, "library"),
        "ines": wrong(5, "reference"),
        "jonas": wrong(6, "reference"),
        # Answers for the published parameters alone.
        "kofi": {
            JOB: HandedIn("loops", {"trivial": "typed", "policy": "typed", "board": "typed", "memo": "typed"}),
            SQUARES: HandedIn("loops", {"choose_solver": "typed"}),
            SORTING: HandedIn("library", {"inversions": "typed", "forecast": "typed"}),
        },
        # Nothing, and not all.
        "lena": {
            JOB: HandedIn("untouched"),
            SORTING: HandedIn(
                "untouched", {"merge": "loops", "inversions": "blank_but_noted", "forecast": "reference"}
            ),
            SQUARES: HandedIn(
                file="math/least_squares.py",
                instead=lambda _: (
                    "import numpy as np\n\n\ndef design_matrix(X):\n    return np.c_[np.ones(len(X)), X]\n"
                ),
                note="least_squares.py, which is not a notebook",
            ),
        },
        # All that goes wrong when a cell runs.
        "mateo": {
            JOB: HandedIn(
                "reference",
                {
                    "trivial": "syntax_error",
                    "expected_cost": "changes_its_argument",
                    "policy": "as_words",
                    "board": "raises",
                    "cut": "prints",
                    "memo": "short",
                },
            ),
            SQUARES: HandedIn(
                "loops",
                {
                    "design_matrix": "gives_up",
                    "largest_cosine": "leaves",
                    "reflector": "as_list",
                    "choose_solver": "raises",
                },
            ),
            SORTING: HandedIn(
                "loops",
                {"inversions": "raises", "merge_sort": "prints", "forecast": "as_text", "top_k": "raises"},
            ),
        },
        # ... and the eighth, where a question has so many.
        "nadia": {
            JOB: HandedIn("loops", books[JOB].mistakes(7) | {"trivial": "endless"}),
            SORTING: HandedIn("loops", books[SORTING].mistakes(7) | {"merge": "endless"}),
        },
        "olga": {
            JOB: HandedIn("library", {"policy": "exits", "expected_cost": "raises"}),
            SQUARES: HandedIn("library", {"solve": "killed"}),
            SORTING: HandedIn("library", {"merge_sort": "syntax_error", "forecast": "exits"}),
        },
        # Cells deleted, doubled, moved, stripped, edited.
        "priya": {
            JOB: HandedIn(
                "loops", {"policy": "deleted"}, (without_prose,), note="the answer cell of policy is missing"
            ),
            SQUARES: HandedIn("library", forms=(answers_at_the_end,), note="answer cells were moved"),
            SORTING: HandedIn(
                "loops",
                forms=(first_tries("merge", join, "def merge(left, right):\n    ???"),),
                note="merge stands more than once",
            ),
        },
        "quentin": {
            JOB: HandedIn("library", {"expected_cost": "helper"}, (stripped,)),
            SQUARES: HandedIn("loops", {"design_matrix": "centred"}, (without_checks, without_prose)),
            SORTING: HandedIn(
                "loops", {"inversions": "neighbours_only"}, (checks_forged, import_in_the_setup), note="code added"
            ),
        },
        # The file itself.
        "ruth": {
            JOB: HandedIn(
                "library",
                forms=(every_cell_doubled,),
                file="role/the_job (1).ipynb",
                note="handed in as role/the_job (1).ipynb",
            ),
            SQUARES: HandedIn(
                "reference", forms=(stripped,), file="homework 2.ipynb", note="handed in as homework 2.ipynb"
            ),
            SORTING: HandedIn("loops", file="math/sorting.ipynb", note="handed in as math/sorting.ipynb"),
        },
        "sven": {
            JOB: HandedIn(instead=lambda _: prose),
            SQUARES: HandedIn(instead=lambda _: ""),
            SORTING: HandedIn(instead=lambda text: text[: len(text) // 2]),
        },
        # What is out of bounds, directly and round about.
        "tomas": {
            JOB: HandedIn("loops", {"expected_cost": "from_scratch_module", "policy": "round_about", "cut": "roc"}),
            SQUARES: HandedIn("reference", {"reflector": "by_qr", "solve": "lstsq"}),
            SORTING: HandedIn("reference", {"merge": "sorted", "merge_sort": "in_a_helper", "top_k": "round_about"}),
        },
    }


# --------------------------------------------------------------------------------------------------- writing


def expected_rows(books: Mapping[str, Book], students: Mapping[str, Mapping[str, HandedIn]]) -> list[dict]:
    rows = []
    for student, work in students.items():
        for id, book in books.items():
            handed_in = work.get(id)
            readable = handed_in is not None and handed_in.instead is None
            answers = handed_in.answers(book) if readable else {}
            for question in book.answers:
                answer = answers.get(question) or Answer("unreadable" if handed_in else "not handed in", "", "blank", 0)
                rows.append(
                    {
                        "student": student,
                        "exercise": id,
                        "question": question,
                        "status": answer.status,
                        "points": f"{answer.points:g}",
                        "mistake": answer.mistake,
                        "flag": "hard-coded" if answer.hard_coded else "",
                        "answer": answer.name,
                    }
                )
    return rows


def made() -> dict[str, str]:
    """Every file of the demo that is made, by its path below `demo/`."""
    project = Project.find(DEMO)
    books = {id: Book.open(project, id) for id in EXERCISES}
    students = the_class(books)
    files = {
        f"submissions/{student}/{handed_in.file or f'{id}.ipynb'}": handed_in.text(books[id])
        for student, work in students.items()
        for id, handed_in in work.items()
    }
    rows = expected_rows(books, students)
    stream = io.StringIO()
    writer = csv.DictWriter(stream, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return files | {"expected.csv": stream.getvalue()}


def main(arguments: Sequence[str]) -> int:
    if set(arguments) - {"--check"}:
        print(dedent(__doc__))
        return 2
    files = made()
    there = [path for path in (DEMO / "submissions").rglob("*") if path.is_file()]
    extra = [path for path in there if path.relative_to(DEMO).as_posix() not in files]
    differs = [
        name
        for name, text in files.items()
        if not (DEMO / name).is_file() or (DEMO / name).read_text(encoding="utf-8") != text
    ]
    if arguments:
        for name in [*differs, *(path.relative_to(DEMO).as_posix() for path in extra)]:
            print(f"demo/{name} is not what demo/make_class.py makes: run `python demo/make_class.py`")
        return 1 if differs or extra else 0
    for path in extra:
        path.unlink()
    for name in differs:
        path = DEMO / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(files[name], encoding="utf-8", newline="\n")
    print(f"{len(files)} files, {len(differs)} written, {len(extra)} removed")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
