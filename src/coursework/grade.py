"""Grade a class: find the submissions, run each with hidden parameters, judge outside, keep every result at once.

On local processes; each submission on an isolated kernel, or on an ordinary one for code that the instructor trusts.
"""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import os
import re
import secrets
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from attrs import evolve, field, frozen
from nbformat import NotebookNode

from coursework import notebook as nb
from coursework.bounds import reachable, reached_by_source
from coursework.check import published
from coursework.gradebook import Gradebook, Graded
from coursework.judge import judge, out_of_bounds
from coursework.model import AuthoringError, Exercise, Observed, ParameterError, Question, Status, Verdict
from coursework.project import Project
from coursework.release import derive_exercise, read_solution
from coursework.replay import job, replay

CELL_TIMEOUT = 30
#: Modules of this package that a grade depends on: when one changes, submissions are graded again.
DECIDING = ("model", "notebook", "encode", "compare", "bounds", "observe", "judge", "engine", "grade")


class GradingError(Exception):
    """Grading cannot start; the message says why and what to do."""


@frozen
class Submission:
    """One file that a student handed in for one exercise."""

    student: str
    exercise: str
    path: Path | None
    notes: tuple[str, ...] = ()


# --------------------------------------------------------------------------------------- finding submissions


def find_submissions(folder: Path, ids: Sequence[str]) -> list[Submission]:
    """One submission for every student and exercise; its path is None where nothing was handed in.

    A student is a folder of `folder`. A file counts by its place, `<part>/<slug>.ipynb`, or, if it was renamed or
    moved, by the exercise that its content names. Links are not followed.

    Raises:
        GradingError: the folder is missing, or holds no folder.
    """
    if not folder.is_dir():
        raise GradingError(f"{folder}: there is no such folder of submissions")
    students = sorted(p for p in folder.iterdir() if p.is_dir() and not p.name.startswith("."))
    if not students:
        raise GradingError(f"{folder} holds no student's folder: expected {folder}/<student>/<part>/<slug>.ipynb")
    return [submission for student in students for submission in _of_student(student, ids)]


def handed_in(folder: Path, ids: Sequence[str]) -> set[str]:
    """Those of `ids` that at least one student handed in.

    Raises:
        GradingError: as for `find_submissions`, or there is none.
    """
    found = {one.exercise for one in find_submissions(folder, ids) if one.path is not None}
    if not found:
        raise GradingError(f"{folder}: no student's folder holds a notebook of any of {', '.join(ids)}")
    return found


def _of_student(folder: Path, ids: Sequence[str]) -> Iterator[Submission]:
    student = folder.name.encode("utf-8", "replace").decode()  # what the gradebook and the pages can hold
    if folder.is_symlink():
        yield from (Submission(student, id, None, ("the folder is a link; links are not followed",)) for id in ids)
        return
    # os.walk follows no links and passes over folders that it may not read.
    files = sorted(Path(top, name) for top, _, names in os.walk(folder) for name in names)
    files = [p for p in files if not any(part.startswith(".") for part in p.relative_to(folder).parts)]
    by_place = {p.relative_to(folder).with_suffix("").as_posix(): p for p in files if p.suffix == ".ipynb"}
    named = {p: names_exercise(p) for place, p in by_place.items() if place not in ids and not p.is_symlink()}
    for id in ids:
        path, notes = by_place.get(id), []
        claims = [p for p, name in named.items() if name == id]
        if path is None and claims:
            path = claims[0]
            notes.append(f"handed in as {path.relative_to(folder).as_posix()}")
            claims = claims[1:]
        if claims:
            notes.append(f"also found, not graded: {', '.join(p.relative_to(folder).as_posix() for p in claims)}")
        if path is None:
            other = [p.name for p in files if p.stem == id.partition("/")[2] and p.suffix != ".ipynb"]
            notes += [f"found {name}, which is not a notebook" for name in other[:1]]
        yield Submission(student, id, path, tuple(notes))


def names_exercise(path: Path) -> str | None:
    """The exercise that a notebook says it is: by its metadata, or by the checks that it imports."""
    try:
        notebook = nb.read(path)
    except nb.NotebookError:
        return None
    about = notebook.metadata.get("coursework")
    if isinstance(about, dict) and isinstance(about.get("exercise"), str):
        return about["exercise"]
    for cell in notebook.cells:
        found = re.search(r"\bfrom\s+[\w.]+\.checks\.(\w+)\.(\w+)\s+import\b", cell.source)
        if found:
            return f"{found.group(1)}/{found.group(2)}"
    return None


# ------------------------------------------------------------------------------------------ hidden parameters


def read_parameters(path: Path, ids: Sequence[str]) -> dict[str, list[dict]]:
    """Hidden parameter sets from a YAML file: for each exercise one mapping, or a list of them.

    Raises:
        GradingError: the file cannot be read, or names an exercise that is not graded.
    """
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise GradingError(f"{path} cannot be read: {error}") from None
    except (yaml.YAMLError, ValueError) as error:  # ValueError: a date that does not exist
        raise GradingError(f"{path} is not YAML: {' '.join(str(error).split())}") from None
    if not isinstance(data, dict):
        raise GradingError(f"{path} must map exercises to parameter sets, such as `math/least_squares: [{{seed: 7}}]`")
    found = {}
    for id, sets in data.items():
        if id not in ids:
            raise GradingError(f"{path}: {id!r} is not among the exercises being graded: {', '.join(ids)}")
        sets = sets if isinstance(sets, list) else [sets]
        if not sets or not all(isinstance(one, dict) for one in sets):
            raise GradingError(f"{path}: {id} must have one mapping of parameters, or a list of them")
        found[id] = [{name: _number(value) for name, value in one.items()} for one in sets]
    return found


def _number(value: Any) -> Any:
    """YAML reads 5e8 as text, since it has no point; a person means the number."""
    if isinstance(value, str) and re.fullmatch(r"[-+]?\d+(\.\d*)?[eE][-+]?\d+", value):
        return float(value)
    return value


@frozen
class Task:
    """One exercise as it is graded: what is handed out, the hidden sets, the reference's answers to them."""

    exercise: Exercise
    pristine: NotebookNode
    stubs: dict[str, str]
    published: dict[str, Any]
    published_answers: dict[str, Observed]
    sets: list[dict[str, Any]]
    expected: list[dict[str, Observed]]
    #: changes when the checks, the reference, the parameters or this engine do
    fingerprint: str


def prepare(project: Project, id: str, sets: Sequence[Mapping[str, Any]]) -> Task:
    """Load an exercise and run its reference once for every hidden set.

    Raises:
        AuthoringError, GradingError: the exercise is unsound, or a set does not fit it.
    """
    exercise = project.load(id)
    solution = read_solution(project, exercise)
    try:
        valid = [exercise.validate(one) for one in sets]
    except ParameterError as error:
        raise GradingError(f"hidden parameters: {error}") from None
    runs = replay([job(solution, one) for one in valid], project.solution(id).parent)
    for parameters, run in zip(valid, runs, strict=True):
        if run.errors:
            raise AuthoringError(f"{id}: with hidden parameters {parameters} the reference raises {run.errors[0][1]}")
    pristine = derive_exercise(project, exercise, solution)
    parts = nb.parts(pristine)
    stubs = {p.question: "\n".join(pristine.cells[i].source for i in p.answers) for p in parts}
    told, answers = published(exercise)
    digest = hashlib.sha256(json.dumps(valid, sort_keys=True).encode())
    digest.update(nb.text_of(nb.clear_outputs(solution)).encode())
    digest.update(project.checks_file(id).read_bytes())
    for name in DECIDING:
        digest.update(Path(__file__).with_name(f"{name}.py").read_bytes())
    return Task(exercise, pristine, stubs, told, answers, valid, [run.observed for run in runs], digest.hexdigest())


def draw_hidden(exercise: Exercise) -> list[dict[str, Any]]:
    """One hidden parameter set, from the system's own randomness."""
    return [exercise.draw(np.random.default_rng(secrets.randbits(128)))]


# -------------------------------------------------------------------------------------------- running one


def run_submission(
    text: str,
    sets: Sequence[Mapping[str, Any]],
    timeout: int,
    sandbox: bool = True,
    limits: Mapping[str, int] | None = None,
    hidden: Sequence[str] = (),
) -> list[dict[str, Any]]:
    """Execute a spliced submission once for every parameter set, in kernels of its own; runs in a worker.

    `limits` bounds an isolated kernel, which does not see the paths `hidden`.

    Returns, for each set, the observations, the questions that stopped and why, the errors of answer cells, seconds.
    """
    from papermill.engines import papermill_engines
    from papermill.parameterize import parameterize_notebook

    from coursework.engine import CourseworkEngine
    from coursework.kernel import SANDBOX

    kernel_name = SANDBOX if sandbox else "python3"
    papermill_engines.register("coursework", CourseworkEngine)
    results = []
    for parameters in sets:
        started = time.monotonic()
        notebook = nb.parse(text)
        notebook.metadata["papermill"] = {}
        for cell in notebook.cells:
            cell.metadata.setdefault("tags", [])  # papermill relies on it
        notebook = parameterize_notebook(notebook, dict(parameters), kernel_name=kernel_name, language="python")
        executed = papermill_engines.execute_notebook_with_engine(
            "coursework",
            notebook,
            kernel_name=kernel_name,
            progress_bar=False,
            execution_timeout=timeout,
            limits=limits,
            hidden=hidden,
        )
        about = executed.metadata["coursework"]
        results.append(
            {
                "observed": about["observed"],
                "stopped": about["stopped"],
                "why": about["why"],
                "errors": _cell_errors(executed),
                "seconds": time.monotonic() - started,
            }
        )
    return results


def _cell_errors(notebook: NotebookNode) -> dict[str, str]:
    """What each question's own cells raised: the answer cell's error before the check cell's."""
    found: dict[str, str] = {}
    for part in nb.parts(notebook):
        for i in (*part.answers, part.check):
            for output in notebook.cells[i].get("outputs", []):
                if output.get("output_type") == "error" and part.question not in found:
                    said = re.sub(r"\(\S+\.py, line", "(line", str(output.get("evalue"))[:500])
                    found[part.question] = f"{output.get('ename')}: {said}"
    return found


# ----------------------------------------------------------------------------------------------- judging


def verdicts(task: Task, spliced: nb.Spliced, results: Sequence[Mapping[str, Any]]) -> list[Verdict]:
    """The worst verdict over the hidden sets, for every question."""
    found = []
    for question in task.exercise.questions.values():
        each = [
            discreet(_verdict(task, question, spliced, result, parameters, expected), parameters)
            for result, parameters, expected in zip(results, task.sets, task.expected, strict=True)
        ]
        found.append(min(each, key=lambda v: (v.points, v.status is Status.PASSED)))
    return found


def _verdict(
    task: Task,
    question: Question,
    spliced: nb.Spliced,
    result: Mapping[str, Any],
    parameters: Mapping[str, Any],
    expected: Mapping[str, Observed],
) -> Verdict:
    def verdict(status: Status, message: str) -> Verdict:
        return Verdict(question.name, status, 0.0, question.points, message, None, (), question.call, question.asks)

    cells = spliced.sources[question.name]
    if not cells:
        return verdict(Status.BLANK, "The answer cell is missing from the notebook.")
    source = "".join("".join(cells).split())
    if not source or source == "".join(task.stubs[question.name].split()):
        return verdict(Status.BLANK, "There is no answer yet.")
    others = [text for name, texts in spliced.sources.items() if name != question.name for text in texts]
    written = reachable(cells, [*others, *spliced.extras])
    given = [cell.source for cell in task.pristine.cells if cell.cell_type == "code"]
    forbidden = reached_by_source(written, question.out_of_bounds, given)
    if forbidden:
        return out_of_bounds(question, forbidden)
    stopped = result["stopped"].get(question.name)
    if stopped == "timeout":
        return verdict(Status.TIMEOUT, "The answer ran out of time; the other questions were graded without it.")
    if stopped:
        return verdict(Status.CRASHED, "The answer ended the kernel; the other questions were graded without it.")
    data = result["observed"].get(question.name)
    if data is None:
        raised = result["errors"].get(question.name, "the check found nothing to look at")
        return verdict(Status.ERROR, f"The cell does not run: {raised}.")
    try:
        observed = Observed.from_json(data)
    except ValueError as error:
        return verdict(Status.ERROR, f"What came out of the notebook cannot be read: {error}.")
    try:
        found = judge(question, observed, parameters, expected.get(question.name), show_inputs=False)
    except AuthoringError:
        raise
    except Exception as error:  # a value so odd that a comparison stumbles over it must not stop the batch
        return verdict(Status.ERROR, f"What came out of the notebook cannot be compared ({type(error).__name__}).")
    raised = result["errors"].get(question.name)
    unfinished = found.status is Status.WRONG and not question.probed and not found.mistake
    if raised and (unfinished or found.status is Status.BLANK):
        # `board = {}`, and then the line that should have filled it raised: that line is what there is to tell.
        return verdict(Status.ERROR, f"The cell does not run: {raised}.")
    return found


def discreet(verdict: Verdict, parameters: Mapping[str, Any]) -> Verdict:
    """A verdict in which no hidden parameter stands in plain sight, as in the shape of a probe or in the answer.

    A submission that encodes them still can show them to its author: draw new ones when the same work may come again.
    """

    def hide(text: str) -> str:
        for word in words:
            text = text.replace(word, "hidden")
        return re.sub(r"(?<![\w.])(\d{1,3}(,\d{3})+|\d+)(\.\d+)?(e[+-]?\d+)?(?!\w)", number, text, flags=re.I)

    def number(found: re.Match) -> str:
        return "hidden" if float(found.group().replace(",", "")) in numbers else found.group()

    words = [value for value in parameters.values() if isinstance(value, str)]
    # One digit says too little, and is part of too many sentences.
    numbers = {float(v) for v in parameters.values() if isinstance(v, int | float) and abs(v) >= 10}
    message = verdict.message if verdict.mistake else hide(verdict.message)
    return verdict.but(message=message, call=hide(verdict.call), got=hide(verdict.got))


def hard_coded(task: Task, found: Sequence[Verdict], result: Mapping[str, Any], spliced: nb.Spliced) -> list[str]:
    """Questions whose answer is right for the published parameters and wrong for the hidden ones."""
    flagged = []
    for verdict in found:
        if verdict.status is not Status.WRONG:
            continue
        question = task.exercise.questions[verdict.question]
        told = _verdict(task, question, spliced, result, task.published, task.published_answers)
        if told.status is Status.PASSED:
            flagged.append(verdict.question)
    return flagged


# ------------------------------------------------------------------------------------------------ the run


@frozen
class Progress:
    """How far a run is; `left` is None before the first result."""

    done: int
    total: int
    skipped: int
    left: float | None


@frozen
class Settings:
    workers: int = max(1, os.cpu_count() or 1)
    cell_timeout: int = CELL_TIMEOUT
    #: whether submissions run isolated; bounds of their kernels, as in coursework.kernel.limits
    sandbox: bool = True
    limits: Mapping[str, int] = field(factory=dict)


def grade(
    project: Project,
    folder: Path,
    out: Path,
    ids: Sequence[str],
    *,
    hidden: Mapping[str, Sequence[Mapping[str, Any]]] | None = None,
    settings: Settings | None = None,
    progress: Callable[[Progress], None] = lambda _: None,
) -> list[Graded]:
    """Grade every student's submission of `ids`; what is already in `out`'s gradebook is not run again.

    Raises:
        GradingError, GradebookError, AuthoringError: grading cannot start or go on; what is graded is kept.
    """
    settings = settings or Settings()
    submissions = find_submissions(folder, ids)
    with Gradebook(out / "gradebook.sqlite") as book:
        tasks = {}
        for id in ids:
            sets = list((hidden or {}).get(id, [])) or book.hidden(id) or draw_hidden(project.load(id))
            tasks[id] = prepare(project, id, sets)
            book.keep_hidden(id, tasks[id].sets)
            book.forget_others(id, {s.student for s in submissions if s.exercise == id})
        todo = []
        for submission in submissions:
            key = _key(submission, tasks[submission.exercise], settings)
            if book.has(key):
                book.point_to(submission.student, submission.exercise, key)
            else:
                todo.append((key, submission))
        _run_all(todo, tasks, book, settings, len(submissions), progress)
        return book.current()


def _key(submission: Submission, task: Task, settings: Settings) -> str:
    digest = hashlib.sha256(task.fingerprint.encode())
    digest.update(json.dumps([submission.student, submission.notes, settings.cell_timeout]).encode())
    path = submission.path
    if path is not None and not path.is_symlink() and path.is_file() and path.stat().st_size <= nb.MAX_BYTES:
        try:
            digest.update(path.read_bytes())
        except OSError as error:
            digest.update(str(error).encode())
    elif path is not None:
        digest.update(f"{path.is_symlink()} {path.is_file() and path.stat().st_size}".encode())
    else:
        digest.update(b"missing")
    return digest.hexdigest()


def _run_all(
    todo: list[tuple[str, Submission]],
    tasks: Mapping[str, Task],
    book: Gradebook,
    settings: Settings,
    total: int,
    progress: Callable[[Progress], None],
) -> None:
    skipped, started = total - len(todo), time.monotonic()
    running: dict[Future, _Started] = {}
    queue = iter(todo)
    pool = _pool(settings)
    out_of_sight = (
        {id: _out_of_sight(task) for id, task in tasks.items()} if settings.sandbox else dict.fromkeys(tasks, ())
    )
    done = 0

    def report() -> None:
        left = (time.monotonic() - started) / done * (len(todo) - done) if done else None
        progress(Progress(done + skipped, total, skipped, left))

    def start(one: _Started, sets: list[dict[str, Any]]) -> None:
        nonlocal pool
        text, hidden = nb.text_of(one.spliced.notebook), out_of_sight[one.submission.exercise]
        arguments = (text, sets, settings.cell_timeout, settings.sandbox, settings.limits, hidden)
        try:
            future = pool.submit(run_submission, *arguments)
        except BrokenProcessPool:
            pool.shutdown(wait=False, cancel_futures=True)
            pool = _pool(settings)
            future = pool.submit(run_submission, *arguments)
        running[future] = one

    report()
    try:
        while True:
            while len(running) < 2 * settings.workers and (entry := next(queue, None)) is not None:
                key, submission = entry
                task = tasks[submission.exercise]
                spliced = _read(submission, task)
                if isinstance(spliced, Graded):
                    book.keep(key, spliced)
                    done += 1
                else:
                    start(_Started(key, submission, spliced), task.sets)
            if not running:
                break
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                one = running.pop(future)
                task = tasks[one.submission.exercise]
                graded = _judged(future, one, task)
                wrong = any(v.status is Status.WRONG for v in graded.verdicts)
                if wrong and one.graded is None and task.published and task.published not in task.sets:
                    # Once more with the parameters that the learner knew: is the answer written for those alone?
                    start(evolve(one, graded=graded), [task.published])
                    continue
                book.keep(one.key, graded)
                done += 1
            report()
        report()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _out_of_sight(task: Task) -> list[str]:
    from coursework.kernel.hiding import out_of_sight

    given = "\n".join(cell.source for cell in task.pristine.cells if cell.cell_type == "code")
    return out_of_sight(task.exercise, given)


@frozen
class _Started:
    """A submission on its way; `graded` is what the hidden parameters gave, once they have been run."""

    key: str
    submission: Submission
    spliced: nb.Spliced
    graded: Graded | None = None


def _pool(settings: Settings) -> ProcessPoolExecutor:
    context = multiprocessing.get_context("spawn")
    return ProcessPoolExecutor(settings.workers, context, initializer=_end_with, initargs=(os.getpid(),))


def _end_with(grader: int) -> None:
    """In a worker: end, and let its kernels end, when the grader was killed and could not tell its workers."""

    def watch() -> None:
        while os.getppid() == grader:
            time.sleep(1)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _read(submission: Submission, task: Task) -> nb.Spliced | Graded:
    """A submission set into its exercise, or its result where it cannot be."""
    path = submission.path
    if path is None:
        return _ungraded(submission, task, "missing", "No notebook was handed in for this exercise.")
    if path.is_symlink():
        return _ungraded(submission, task, "unreadable", "It is a link, and links are not followed: hand in the file.")
    try:
        spliced = nb.splice(task.pristine, nb.read(path))
    except nb.NotebookError as error:
        text = str(error)
        return _ungraded(submission, task, "unreadable", f"{text[:1].upper()}{text[1:]}.")
    except Exception as error:  # one odd file must not stop the batch
        return _ungraded(submission, task, "unreadable", f"It cannot be read ({type(error).__name__}).")
    return spliced


def _ungraded(submission: Submission, task: Task, state: str, problem: str) -> Graded:
    answers = tuple(
        Verdict(q.name, Status.BLANK, 0.0, q.points, problem, expected=q.asks) for q in task.exercise.questions.values()
    )
    file = submission.path.name if submission.path else ""
    return Graded(submission.student, submission.exercise, file, state, answers, problem, submission.notes)


def _judged(future: Future, one: _Started, task: Task) -> Graded:
    submission, spliced = one.submission, one.spliced
    notes = (*submission.notes, *spliced.repairs)
    try:
        results = future.result()
    except BrokenProcessPool:
        if one.graded is not None:
            return one.graded
        ended = "The grader's own worker process was ended while this notebook ran: run the same command again."
        return evolve(_ungraded(submission, task, "not run", ended), notes=notes, flags=("not run",))
    except Exception as error:
        if one.graded is not None:
            return one.graded
        words = f"The notebook could not be run: {type(error).__name__}: {str(error)[:300]}"
        return evolve(_ungraded(submission, task, "not run", words), notes=notes, flags=("not run",))
    seconds = sum(result["seconds"] for result in results)
    if one.graded is not None:
        return _with_hard_coded(one.graded, hard_coded(task, one.graded.verdicts, results[0], spliced), seconds)
    found = verdicts(task, spliced, results)
    flags = [
        f"{v.question}: {v.status}" for v in found if v.status in (Status.OUT_OF_BOUNDS, Status.TIMEOUT, Status.CRASHED)
    ]
    name = submission.path.name if submission.path else ""
    return Graded(
        submission.student, submission.exercise, name, "graded", tuple(found), "", notes, tuple(flags), seconds
    )


def _with_hard_coded(graded: Graded, questions: Sequence[str], seconds: float) -> Graded:
    note = "It is right for the published parameters only: is a value written in that should be computed?"
    return evolve(
        graded,
        verdicts=tuple(v.but(message=f"{v.message} {note}") if v.question in questions else v for v in graded.verdicts),
        flags=(*graded.flags, *(f"{name}: right for the published parameters only" for name in questions)),
        seconds=graded.seconds + seconds,
    )
