"""Grade a class: find the submissions, run each with hidden parameters, judge outside, keep every result at once.

Workers run notebooks, each on an isolated kernel or, for code that the instructor trusts, on an ordinary one, and give
back plain data; whatever judges stays in this process.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from attrs import evolve, field, frozen

from coursework import notebook as nb
from coursework.bounds import reachable, reached_by_source
from coursework.check import published
from coursework.gradebook import Gradebook
from coursework.graded import Graded, GradingError, file_name
from coursework.hidden import Hidden, draw_hidden, read_parameters
from coursework.judge import judge, out_of_bounds
from coursework.kernel.limits import MB, Limits
from coursework.lean import without
from coursework.model import AuthoringError, Exercise, Observed, ParameterError, Question, Status, Verdict
from coursework.policy import Policy
from coursework.project import Project
from coursework.release import data_files, derive_exercise, read_solution
from coursework.replay import job, replay
from coursework.resemblance import shape, stream
from coursework.submissions import Submission, find_submissions, handed_in
from coursework.workers import WorkerLost, Workers

__all__ = [
    "GradingError", "Progress", "Settings", "find_submissions", "grade", "handed_in", "read_parameters",
    "run_submission",
]  # fmt: skip

CELL_TIMEOUT = 30
#: What running a submission needs, loaded once for all workers.
LOADS = (f"{__name__}:ready",)
#: Modules of this package that a grade depends on: when one changes, submissions are graded again.
DECIDING = ("model", "notebook", "encode", "compare", "bounds", "observe", "judge", "engine", "grade")
#: What one answer may be as text when it comes back from a worker, and an executed notebook.
MAX_ANSWER, MAX_NOTEBOOK = 5_000_000, 20_000_000


# ------------------------------------------------------------------------------------- an exercise, as it is graded


@frozen
class Task:
    """One exercise as it is graded: what is handed out, the hidden sets, the reference's answers to them."""

    exercise: Exercise
    pristine: nb.NotebookNode
    #: the reference's cells, and the stub's, by question
    reference: dict[str, tuple[str, ...]]
    stubs: dict[str, str]
    published: dict[str, Any]
    published_answers: dict[str, Observed]
    hidden: Hidden
    sets: list[dict[str, Any]]
    expected: list[dict[str, Observed]]
    #: digests of what decides a grade, but for the parameters and the submission
    basis: dict[str, str]
    #: files that a notebook finds in its folder, by the names there
    data: dict[str, str] = field(factory=dict)

    def of(self, student: str) -> Task:
        """The task as one student gets it: with their own sets."""
        mine = self.hidden.of(self.exercise.id, student)
        sets, expected = [self.sets[i] for i in mine], [self.expected[i] for i in mine]
        return evolve(self, sets=sets, expected=expected, basis={**self.basis, "parameters": _digest(sets)})


#: Runs a notebook as a submission would be, once for every set, with files of data; None where nobody can.
Trial = Callable[[str, list[dict[str, Any]], dict[str, str]], list[dict[str, Any]] | None]


def prepare(
    project: Project,
    id: str,
    hidden: Hidden | Sequence[Mapping[str, Any]],
    book: Gradebook,
    trial: Trial = lambda *_: None,
) -> Task:
    """Load an exercise and run its reference once for every hidden set that it has not been run for.

    `trial` saves a process of the reference's own, which would load the whole stack; what it cannot do is done there.

    Raises:
        AuthoringError, GradingError: the exercise is unsound, or a set does not fit it.
    """
    exercise = project.load(id)
    hidden = (hidden if isinstance(hidden, Hidden) else Hidden(tuple(hidden))).drawn(exercise)
    solution = read_solution(project, exercise)
    try:
        valid = [exercise.validate(one) for one in hidden]
    except ParameterError as error:
        raise GradingError(f"hidden parameters: {error}") from None
    basis = {
        "reference": _digest(nb.text_of(nb.clear_outputs(solution))),
        "checks": hashlib.sha256(project.checks_file(id).read_bytes()).hexdigest(),
        "engine": engine(),
    }
    files = data_files(project, exercise)
    if files:
        basis["data"] = _digest([[name, hashlib.sha256(path.read_bytes()).hexdigest()] for name, path in files.items()])
    data = {name: str(path.resolve()) for name, path in files.items()}
    keys = [_digest([id, basis, one]) for one in valid]
    answers = {key: book.reference(key) for key in keys}
    fresh = [(key, one) for key, one in zip(keys, valid, strict=True) if answers[key] is None]
    sought = [one for _, one in fresh]
    given = _reference_answers(project, exercise, solution, sought, data, trial) if fresh else []
    for (key, _), found in zip(fresh, given, strict=True):
        answers[key] = found
        book.keep_reference(key, found)
    expected = [{name: Observed.from_json(data) for name, data in answers[key].items()} for key in keys]
    pristine = derive_exercise(project, exercise, solution)
    parts = nb.parts(pristine)
    stubs = {p.question: "\n".join(pristine.cells[i].source for i in p.answers) for p in parts}
    reference = {p.question: tuple(solution.cells[i].source for i in p.answers) for p in nb.parts(solution)}
    told, told_answers = published(exercise)
    return Task(exercise, pristine, reference, stubs, told, told_answers, hidden, valid, expected, basis, data)


def _reference_answers(
    project: Project,
    exercise: Exercise,
    solution: nb.NotebookNode,
    sets: list[dict[str, Any]],
    data: dict[str, str],
    trial: Trial,
) -> list[dict[str, Any]]:
    """What the reference answers to each set, by question."""
    tried = trial(nb.text_of(nb.clear_outputs(solution)), sets, data)
    if tried is not None and all(one["clean"] and set(one["observed"]) == set(exercise.questions) for one in tried):
        return [{name: Observed.from_json(data).to_json() for name, data in one["observed"].items()} for one in tried]
    # In a process of its own, without bounds: where there is no isolated kernel, and to tell what is wrong.
    runs = replay([job(solution, one) for one in sets], project.solution(exercise.id).parent)
    for parameters, run in zip(sets, runs, strict=True):
        if run.errors:
            raise AuthoringError(
                f"{exercise.id}: with hidden parameters {parameters} the reference raises {run.errors[0][1]}"
            )
    return [{name: observed.to_json() for name, observed in run.observed.items()} for run in runs]


def engine() -> str:
    """A digest of the code that a grade depends on."""
    digest = hashlib.sha256()
    for name in DECIDING:
        digest.update(Path(__file__).with_name(f"{name}.py").read_bytes())
    return digest.hexdigest()


def isolated_engine() -> str:
    """`engine`, on a machine that can isolate submissions.

    Raises:
        NoSandbox: this one cannot.
    """
    from coursework.kernel import isolation, spec

    isolation.demand()
    if not spec.installed():
        spec.install()
    return engine()


def _digest(data: Any) -> str:
    return hashlib.sha256(json.dumps(data, sort_keys=True).encode()).hexdigest()


# -------------------------------------------------------------------------------------------- running one


def _out_of_sight(task: Task) -> list[str]:
    from coursework.kernel.hiding import out_of_sight

    given = "\n".join(cell.source for cell in task.pristine.cells if cell.cell_type == "code")
    return out_of_sight(task.exercise, given)


def run_submission(
    text: str,
    sets: Sequence[Mapping[str, Any]],
    timeout: int,
    sandbox: bool = True,
    limits: Mapping[str, int] | None = None,
    hidden: Sequence[str] = (),
    data: Mapping[str, str] | None = None,
) -> list[dict[str, Any]]:
    """Execute a spliced submission once for every parameter set, in kernels of its own; runs in a worker.

    `limits` bounds an isolated kernel, which does not see the paths `hidden`. `data` holds the files that lie in a
    kernel's folder, by their names there.

    Returns, for each set, the observations, the questions that stopped and why, the errors of answer cells, seconds in
    all and by question, and the executed notebook.
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
            data=data,
        )
        about = executed.metadata["coursework"]
        results.append(
            {
                "observed": about["observed"],
                "stopped": about["stopped"],
                "why": about["why"],
                "errors": _cell_errors(executed),
                "clean": not about["stopped"] and not _raises(executed),
                "seconds": time.monotonic() - started,
                "question_seconds": about["seconds"],
                "notebook": executed,
            }
        )
    return results


def ready() -> None:
    """Load once what each run needs, and find out which kernels can be had here and how notebooks are checked."""
    from jupyter_client.provisioning import KernelProvisionerFactory

    with without("pyarrow"):  # papermill's way to a cluster's file system, which no submission comes by
        import papermill.engines
        import papermill.parameterize  # noqa: F401
    import coursework.engine
    import coursework.kernel.provisioner  # noqa: F401
    from coursework.kernel import isolation

    nb.warm()
    KernelProvisionerFactory.instance()
    isolation.missing()


def work(text: str, sets: Sequence[Mapping[str, Any]], how: Mapping[str, Any]) -> str:
    """What a worker does with one submission: run it, and give back what came out as JSON text of bounded size.

    `how` holds the settings that concern a worker, and whether to keep the executed notebook, as plain data.
    """
    for path in how["data"].values():
        if not os.path.isfile(path):
            raise FileNotFoundError(
                f"this worker has no {path}, which the exercise declares as data: share that folder"
            )
    bounds = (how["cell_timeout"], how["sandbox"], how["limits"], how["hidden"])
    results = run_submission(text, sets, *bounds, how["data"])
    for result in results:
        executed = result.pop("notebook", None)
        if how["keep"] and executed is not None:
            written = nb.text_of(executed)
            result["notebook"] = written if len(written) <= MAX_NOTEBOOK else nb.text_of(nb.clear_outputs(executed))
        for question, observed in list(result["observed"].items()):
            if len(json.dumps(observed)) > MAX_ANSWER:
                del result["observed"][question]
                result["errors"][question] = f"what it answers is larger than {MAX_ANSWER // 10**6} MB"
    return json.dumps(results)


def _raises(notebook: nb.NotebookNode) -> bool:
    return any(o.get("output_type") == "error" for cell in notebook.cells for o in cell.get("outputs", []))


def _cell_errors(notebook: nb.NotebookNode) -> dict[str, str]:
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
    """The worst verdict over the hidden sets, for every question, with the longest time that it took."""
    found = []
    for question in task.exercise.questions.values():
        each = [
            discreet(_verdict(task, question, spliced, result, parameters, expected), parameters)
            for result, parameters, expected in zip(results, task.sets, task.expected, strict=True)
        ]
        worst = min(each, key=lambda v: (v.points, v.status is Status.PASSED))
        spent = [result.get("question_seconds", {}).get(question.name) for result in results]
        found.append(worst.but(seconds=max((each for each in spent if each is not None), default=None)))
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
    if stopped:
        what = "ran out of time" if stopped == "timeout" else "ended the kernel"
        why = _why(result, question.name)
        message = f"The answer {what}{why and f': {why}'}; the other questions were graded without it."
        return verdict(Status.TIMEOUT if stopped == "timeout" else Status.CRASHED, message)
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


def _why(result: Mapping[str, Any], question: str) -> str:
    """The bound that a stopped question crossed, in words; empty where that is not known."""
    return str(result.get("why", {}).get(question, ""))


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


def _may_be_written_in(exercise: Exercise, verdict: Verdict) -> bool:
    """Whether a wrong answer could be one that is right for the published parameters alone.

    What does as a named mistake's code does, with parameters that it has never seen, was computed; and the gate has
    shown that this code is wrong for the published ones too.
    """
    made = [m for m in exercise.questions[verdict.question].mistakes if m.name == verdict.mistake and m.seen is None]
    return verdict.status is Status.WRONG and not made


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
    #: three for two cores: a worker and its kernel wait for each other, and one does not fill a core
    workers: int = max(1, (3 * (os.cpu_count() or 1) + 1) // 2)
    cell_timeout: int = CELL_TIMEOUT
    #: whether submissions run isolated; bounds of their kernels, as in coursework.kernel.limits
    sandbox: bool = True
    limits: Mapping[str, int] = field(factory=dict)
    #: address of a Dask scheduler whose workers run the submissions, or "local"; without it, forked processes do
    scheduler: str | None = None
    #: keep each executed notebook, which holds hidden parameters, in the folder of results
    keep_notebooks: bool = False


@frozen
class Plan:
    """What a run has to do."""

    tasks: dict[str, Task]
    #: in the order in which they run: the key of each unit, its submission and digests of what decides its grade
    todo: list[tuple[str, Submission, dict[str, str]]]
    total: int


def grade(
    project: Project,
    where: Path | str | Sequence[Submission],
    out: Path,
    ids: Sequence[str],
    *,
    hidden: Mapping[str, Hidden | Sequence[Mapping[str, Any]]] | None = None,
    policy: Policy | None = None,
    settings: Settings | None = None,
    begun: Callable[[], None] = lambda: None,
    progress: Callable[[Progress], None] = lambda _: None,
    run: Callable[..., str] = work,
) -> list[Graded]:
    """Grade every student's submission of `ids`; what is already in `out`'s gradebook is not run again.

    Args:
        where: a folder, an address that fsspec knows, or what `find_submissions` found there.
        policy: kept in the gradebook; without it the one that is kept there goes on.
        begun: called once workers can be had: threads of the caller's should not start before, see `Workers`.
        run: what a worker does with a submission; the tests and the benchmarks put something cheaper in its place.

    Raises:
        GradingError, GradebookError, AuthoringError: grading cannot start or go on; what is graded is kept.
    """
    settings = settings or Settings()
    found = find_submissions(where, ids) if isinstance(where, Path | str) else where
    submissions = [one for one in found if one.exercise in ids]
    with Gradebook(out / "gradebook.sqlite") as book:
        book.claim()
        book.begin()
        if policy is not None:
            book.keep_policy(policy)
        expects = (isolated_engine if settings.sandbox and run is work else engine, engine())
        count = min(settings.workers, len(submissions))
        nb.warm()
        with Workers(count, settings.scheduler, expects, LOADS) as workers:
            begun()
            isolated = settings.sandbox and run is work and not settings.scheduler and any(s.file for s in submissions)
            trial = partial(_tried, workers, settings) if isolated else lambda *_: None
            made = plan(project, submissions, ids, book, hidden or {}, settings, trial)
            _run_all(made, book, settings, out, progress, run, workers)
        book.end()
        return book.current()


def _tried(
    workers: Workers, settings: Settings, text: str, sets: list[dict[str, Any]], data: dict[str, str]
) -> list[dict[str, Any]] | None:
    """A `Trial` on the kernels that submissions will run on."""
    workers.submit(None, work, text, sets, {**_limits(settings), "keep": False, "hidden": [], "data": data})
    ((_, result),) = workers.finished()
    return json.loads(result) if isinstance(result, str) else None


def plan(
    project: Project,
    submissions: Sequence[Submission],
    ids: Sequence[str],
    book: Gradebook,
    hidden: Mapping[str, Hidden | Sequence[Mapping[str, Any]]],
    settings: Settings,
    trial: Trial = lambda *_: None,
) -> Plan:
    """What is to be run, after what the gradebook holds already was made current."""
    policy = book.policy()
    tasks = {}
    for id in ids:
        kept = book.hidden(id)
        given = hidden.get(id) or (Hidden.from_data(kept) if kept else None) or draw_hidden(project.load(id))
        tasks[id] = prepare(project, id, given, book, trial)
        _demand_room(tasks[id], settings)
        book.keep_hidden(id, evolve(tasks[id].hidden, sets=tuple(tasks[id].sets)).to_data())
    wanted = list(_that_count(submissions, policy))
    for id in ids:
        book.forget_others(id, {(s.student, s.attempt) for s in wanted if s.exercise == id})
    todo, held = [], []
    for submission in wanted:
        basis = _basis(submission, tasks[submission.exercise], settings)
        key = _digest([submission.student, submission.exercise, submission.notes, basis])
        if book.has(key):
            held.append((submission.student, submission.exercise, submission.attempt, submission.at, key))
        else:
            todo.append((key, submission, basis))
    book.point_all(held)
    return Plan(tasks, todo, len(wanted))


def _demand_room(task: Task, settings: Settings) -> None:
    """Raises GradingError where the data of an exercise leave an isolated kernel no room to work in."""
    if not settings.sandbox or not task.data:
        return
    disk, size = Limits.from_json(settings.limits).disk, sum(os.path.getsize(path) for path in task.data.values())
    if 2 * size > disk:
        raise GradingError(
            f"{task.exercise.id}: its data take {size / MB:.0f} MB, more than half of the {disk / MB:.0f} MB that a "
            f"submission may write: grade with `--limit disk={3 * size // MB + 1}MB`"
        )


def _that_count(submissions: Iterable[Submission], policy: Policy) -> Iterator[Submission]:
    """All attempts where the best counts, else the last one."""
    last: dict[tuple[str, str], Submission] = {}
    for one in submissions:
        if policy.rules(one.exercise).attempts == "best":
            yield one
            continue
        other = last.get((one.student, one.exercise))
        if other is None or (one.at or 0, one.attempt) >= (other.at or 0, other.attempt):
            last[one.student, one.exercise] = one
    yield from last.values()


def _basis(submission: Submission, task: Task, settings: Settings) -> dict[str, str]:
    """Digests of what decides a grade, by the names that `gradebook.BECAUSE` explains."""
    file = submission.file.digest() if submission.file else ""
    return {**task.of(submission.student).basis, "file": file, "limits": _digest(_limits(settings))}


def _limits(settings: Settings) -> dict[str, Any]:
    """What of the settings bounds a submission."""
    return {"cell_timeout": settings.cell_timeout, "sandbox": settings.sandbox, "limits": dict(settings.limits)}


@frozen
class _Started:
    """A submission on its way; `graded` is what the hidden parameters gave, once they have been run."""

    key: str
    submission: Submission
    basis: dict[str, str]
    task: Task
    spliced: nb.Spliced
    graded: Graded | None = None


def _run_all(
    made: Plan,
    book: Gradebook,
    settings: Settings,
    out: Path,
    progress: Callable[[Progress], None],
    run: Callable[..., str],
    workers: Workers,
) -> None:
    """Run what is to be run; no more submissions are in memory than workers can be kept busy with."""
    skipped, started = made.total - len(made.todo), time.monotonic()
    queue = iter(made.todo)
    done = 0

    def report() -> None:
        left = (time.monotonic() - started) / done * (len(made.todo) - done) if done else None
        progress(Progress(done + skipped, made.total, skipped, left))

    def keep(one: _Started, graded: Graded) -> None:
        nonlocal done
        book.keep(one.key, graded, one.basis, _shapes(one.task, one.spliced))
        done += 1
        report()

    def submit(one: _Started, sets: list[dict[str, Any]]) -> None:
        how = {**_limits(settings), "keep": settings.keep_notebooks and one.graded is None}
        how |= {"hidden": out_of_sight[one.submission.exercise], "data": one.task.data}
        workers.submit(one, run, nb.text_of(one.spliced.notebook), sets, how)

    def fill() -> None:
        nonlocal done
        while workers.room and (entry := next(queue, None)) is not None:
            key, submission, basis = entry
            task = made.tasks[submission.exercise].of(submission.student)
            spliced = _read(submission, task)
            if isinstance(spliced, Graded):
                book.keep(key, spliced, basis)
                done += 1
                report()
            else:
                submit(_Started(key, submission, basis, task, spliced), task.sets)

    report()
    out_of_sight = {id: _out_of_sight(task) if settings.sandbox else [] for id, task in made.tasks.items()}
    fill()
    while len(workers):
        for one, result in workers.finished():
            fill()  # first: judging takes a moment, in which no worker should wait
            graded = _judged(result, one, out if settings.keep_notebooks else None)
            task = one.task
            unclear = any(_may_be_written_in(task.exercise, v) for v in graded.verdicts)
            if unclear and one.graded is None and task.published and task.published not in task.sets:
                # Once more with the parameters that the learner knew: is the answer written for those alone?
                submit(evolve(one, graded=graded), [task.published])
            else:
                keep(one, graded)
        fill()
    report()


def _shapes(task: Task, spliced: nb.Spliced) -> dict[str, str]:
    """By question, what an answer's code looks like where it says something of its author."""
    return {
        name: shape(cells, [task.stubs[name]], {stream(task.reference[name])})
        for name, cells in spliced.sources.items()
        if cells
    }


def _read(submission: Submission, task: Task) -> nb.Spliced | Graded:
    """A submission set into its exercise, or its result where it cannot be."""
    if submission.file is None:
        return _ungraded(submission, task, "missing", "No notebook was handed in for this exercise.")
    try:
        return nb.splice(task.pristine, nb.parse_bytes(submission.file.read()))
    except nb.NotebookError as error:
        text = str(error)
        return _ungraded(submission, task, "unreadable", f"{text[:1].upper()}{text[1:]}.")
    except Exception as error:  # one odd file must not stop the batch
        return _ungraded(submission, task, "unreadable", f"It cannot be read ({type(error).__name__}).")


def _ungraded(submission: Submission, task: Task, state: str, problem: str) -> Graded:
    answers = tuple(
        Verdict(q.name, Status.BLANK, 0.0, q.points, problem, expected=q.asks) for q in task.exercise.questions.values()
    )
    return _about(submission, state, answers, problem)


def _about(submission: Submission, state: str, answers: tuple[Verdict, ...], problem: str = "") -> Graded:
    file = submission.file.name if submission.file else ""
    return Graded(
        submission.student, submission.exercise, file, state, answers, problem, submission.notes,
        attempt=submission.attempt, at=submission.at,
    )  # fmt: skip


def _judged(result: str | Exception, one: _Started, keep_in: Path | None) -> Graded:
    submission, spliced, task = one.submission, one.spliced, one.task
    notes = (*submission.notes, *spliced.repairs)
    if isinstance(result, Exception):
        if one.graded is not None:
            return one.graded
        words = f"The notebook could not be run: {type(result).__name__}: {str(result)[:300]}"
        if isinstance(result, WorkerLost):
            words = "The grader's own worker process was ended while this notebook ran: run the same command again."
        return evolve(_ungraded(submission, task, "not run", words), notes=notes, flags=("not run",))
    results = json.loads(result)
    seconds = sum(each["seconds"] for each in results)
    if one.graded is not None:
        return _with_hard_coded(one.graded, hard_coded(task, one.graded.verdicts, results[0], spliced), seconds)
    if keep_in is not None:
        _keep_notebooks(keep_in, submission, results)
    found = verdicts(task, spliced, results)
    flags = []
    for v in found:
        if v.status in (Status.OUT_OF_BOUNDS, Status.TIMEOUT, Status.CRASHED):
            why = next(filter(None, (_why(each, v.question) for each in results)), "")
            flags.append(f"{v.question}: {v.status}{why and f', {why}'}")
    return evolve(_about(submission, "graded", tuple(found)), notes=notes, flags=tuple(flags), seconds=seconds)


def _keep_notebooks(out: Path, submission: Submission, results: Sequence[Mapping[str, Any]]) -> None:
    """Write what was executed to `notebooks/<student>/<part>/<slug>.ipynb`, whole or not at all."""
    place = out / "notebooks" / file_name(submission.student) / submission.exercise
    label = f".{file_name(submission.attempt)}" if submission.attempt else ""
    for i, result in enumerate(results):
        if "notebook" in result:
            path = place.with_name(f"{place.name}{label}{f'.set{i + 1}' if len(results) > 1 else ''}.ipynb")
            path.parent.mkdir(parents=True, exist_ok=True)
            part = path.with_name(f".{path.name}.part")
            part.write_text(result["notebook"], encoding="utf-8", errors="replace")
            os.replace(part, path)


def _with_hard_coded(graded: Graded, questions: Sequence[str], seconds: float) -> Graded:
    note = "It is right for the published parameters only: is a value written in that should be computed?"
    return evolve(
        graded,
        verdicts=tuple(v.but(message=f"{v.message} {note}") if v.question in questions else v for v in graded.verdicts),
        flags=(*graded.flags, *(f"{name}: right for the published parameters only" for name in questions)),
        seconds=graded.seconds + seconds,
    )
