"""The demands on an exercise before it may be handed out: above all, that each of its checks can fail.

Refuses with sentences that name the file, the rule and the remedy. Decides nothing about a learner.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
from attrs import frozen

from coursework import notebook as nb
from coursework import quiz
from coursework.judge import judge
from coursework.lesson import objectives
from coursework.model import AuthoringError, Exercise, Observed, ParameterError, Question, Status
from coursework.notebook import NotebookNode
from coursework.observe import observe
from coursework.project import Project
from coursework.release import Released, changes, derive_exercise, read_solution
from coursework.replay import Replayed, job, replay

#: How many parameter sets the gate draws, beside the published one.
SETS = 20
HINTS = 3
MISTAKES = 3


@frozen
class Objection:
    """One demand that an exercise does not meet."""

    id: str
    demand: str
    message: str

    def __str__(self) -> str:
        return f"{self.id}: {self.demand}: {self.message}"


def gate(
    project: Project, id: str, *, sets: int = SETS, progress: Callable[[str], None] = lambda _: None
) -> list[Objection]:
    """Everything that is wrong with one exercise; empty means that it may be handed out."""
    try:
        return _objections(project, id, sets, progress)
    except AuthoringError as error:
        return [Objection(id, "well formed", str(error))]


def _objections(project: Project, id: str, sets: int, progress: Callable[[str], None]) -> list[Objection]:
    """As for `gate`.

    Raises:
        AuthoringError: the exercise is so unsound that the other demands cannot be tried.
    """

    def objection(demand: str, message: str) -> Objection:
        return Objection(id, demand, message)

    exercise = project.load(id)
    solution = read_solution(project, exercise)
    found = [objection("complete", text) for text in _incomplete(project, exercise, solution)]
    published = nb.parameters(solution)
    handed_out = derive_exercise(project, exercise, solution)
    found += [objection("no solution left", text) for text in _leaks(solution, handed_out)]
    rng = np.random.default_rng(20130101)
    drawn = [published, *(exercise.draw(rng) for _ in range(sets))]
    parts = nb.parts(solution)
    jobs = [job(solution, parameters) for parameters in drawn]
    jobs.append(job(handed_out, published))
    for part in parts:
        stubs = {i: nb.stub(solution.cells[i].source) for i in part.answers}
        jobs.append(job(solution, published, stubs))
    progress(f"{len(jobs)} runs of the notebook")
    try:
        runs = replay(jobs, project.solution(id).parent)
    except AuthoringError as error:
        return [*found, objection("the solution runs", str(error))]
    references, blank, left_out = runs[: len(drawn)], runs[len(drawn)], runs[len(drawn) + 1 :]

    if not references[0].errors:
        fresh = Released(id, handed_out, published, references[0].observed)
        for path in changes(project, exercise, fresh):
            where = path.relative_to(project.root).as_posix()
            found.append(objection("in sync", f"{where} is not what the solution gives: run `coursework release {id}`"))
    progress("the reference")
    sound = _first_of_each(_reference_faults(exercise, drawn, references))
    found += [objection("the reference passes", text) for text in sound]
    for text in _stub_faults(exercise, published, references[0], blank):
        found.append(objection("the stub fails", text))
    for part, run in zip(parts, left_out, strict=True):
        for text in _left_out_faults(exercise, part.question, published, references[0], run):
            found.append(objection("an answer left out fails", text))
    if not sound:
        for name, question in exercise.questions.items():
            progress(f"mistakes of {name}")
            found += [objection("mistakes are caught", t) for t in _mistake_faults(question, drawn, references)]
    found += [objection("parameters are checked", text) for text in _parameter_faults(exercise, published)]
    return found


def _incomplete(project: Project, exercise: Exercise, solution: NotebookNode) -> Iterator[str]:
    for name, question in exercise.questions.items():
        if len(question.hints) != HINTS:
            yield f"question {name!r} has {len(question.hints)} hints; give {HINTS}, from a nudge to nearly the answer"
        if question.kind != "prose" and len(question.mistakes) < MISTAKES:
            yield f"question {name!r} names {len(question.mistakes)} mistakes; name at least {MISTAKES}"
        if not question.asks:
            yield f"question {name!r} has no `asks`: say what is expected, in kind"
        if question.out_of_bounds:
            part = next(p for p in nb.parts(solution) if p.question == name)
            prose = "\n".join(c.source for c in solution.cells[: part.check] if c.cell_type == "markdown")
            for forbidden in question.out_of_bounds:
                if forbidden.rpartition(".")[2] not in prose:
                    yield f"question {name!r} puts {forbidden} out of bounds; the notebook must say so before it"
    lesson = project.lesson(exercise.id)
    where = lesson.relative_to(project.root).as_posix()
    if not lesson.is_file():
        yield f"there is no lesson {where}"
    else:
        try:
            yield from (f"{where}: {fault}" for fault in quiz.faults(nb.read(lesson)))
            yield from _unchecked(where, objectives(nb.read(lesson)), exercise)
            yield from _not_run(where, nb.read(lesson))
        except nb.NotebookError as error:
            yield f"{where}: {error}"
    yield from _not_run(project.solution(exercise.id).relative_to(project.root).as_posix(), solution)


def _unchecked(where: str, promised: list[str], exercise: Exercise) -> Iterator[str]:
    """Objectives that no question checks, and questions that check one which the lesson does not name."""
    if not promised:
        yield f"{where}: it lists no objective under `## What you will be able to do`"
    checked = {number: name for name, question in exercise.questions.items() for number in question.objectives}
    for number, text in enumerate(promised, start=1):
        if number not in checked:
            yield f"{where}: no question checks objective {number} ({text!r}): give one `objectives=[{number}]`"
    for number in sorted(set(checked) - set(range(1, len(promised) + 1))):
        yield f"question {checked[number]!r} names objective {number}; {where} lists {len(promised)}"


def _not_run(where: str, notebook: NotebookNode) -> Iterator[str]:
    for i, cell in enumerate(notebook.cells):
        if cell.cell_type == "code" and cell.execution_count is None:
            yield f"{where}: cell {i} has not been run: `coursework run {where}`"
            return


def _leaks(solution: NotebookNode, exercise: NotebookNode) -> Iterator[str]:
    """Lines of the answers that still stand in what is handed out."""
    text = nb.text_of(exercise)
    given = {line.strip() for cell in exercise.cells for line in cell.source.splitlines()}
    for part in nb.parts(solution):
        for i in part.answers:
            for line in nb.solution_lines(solution.cells[i].source):
                if _tells(line) and line in given:
                    yield f"the exercise still holds a line of the answer to {part.question!r}: {line!r}"
    for marker in (nb.BEGIN, nb.END):
        if marker in text:
            yield f"the exercise still holds the marker {marker!r}"
    for cell in solution.cells:
        if "solution-only" in nb.tags(cell) and cell.source in {c.source for c in exercise.cells}:
            yield f"the exercise still holds the cell {cell.id}, tagged solution-only"


def _tells(line: str) -> bool:
    """Whether a line of an answer gives something away; `return x, y`, `else:` and imports do not."""
    idle = line.startswith(("import ", "from ", "#", "for ", "while ", "if ")) or re.fullmatch(r"return [\w, ]+", line)
    return len(line) > 15 and not idle


def _first_of_each(texts: Iterator[str]) -> list[str]:
    """One sentence for the same fault on many parameter sets."""
    found: dict[str, list[str]] = {}
    for text in texts:
        found.setdefault(text.partition("}")[2], []).append(text)
    return [same[0] + (f" (and on {len(same) - 1} more sets)" if same[1:] else "") for same in found.values()]


def _reference_faults(exercise: Exercise, drawn: list[dict], runs: list[Replayed]) -> Iterator[str]:
    for parameters, run in zip(drawn, runs, strict=True):
        for i, text in run.errors:
            yield f"with {parameters} cell {i} raises {text}"
        for name, question in exercise.questions.items():
            observed = run.observed.get(name)
            if observed is None:
                yield f"with {parameters} nothing was observed of {name!r}"
                continue
            verdict = judge(question, observed, parameters, observed)
            right = Status.UNMARKED if question.kind == "prose" else Status.PASSED
            if verdict.status is not right:
                yield f"with {parameters} the reference of {name!r} is judged {verdict.status}: {verdict.message}"
            repeated = judge(question, observed, parameters, None)
            if repeated.status is Status.WRONG and repeated.mistake:
                yield f"with {parameters} the reference of {name!r} looks like the mistake {repeated.mistake!r}"
            for mistake in question.mistakes:
                if mistake.seen is not None and _seen_in(question, mistake, observed, parameters):
                    yield f"with {parameters} the reference of {name!r} looks like the mistake {mistake.name!r}"


def _seen_in(question: Question, mistake: Any, observed: Observed, parameters: Mapping) -> bool:
    from coursework.encode import decode
    from coursework.judge import recognise

    inputs = list(question.inputs(parameters))
    outputs = [None if o.error else decode(o.value) for o in observed.outcomes]
    return mistake in recognise(question, observed, outputs, inputs, parameters)


def _stub_faults(exercise: Exercise, published: dict, reference: Replayed, run: Replayed) -> Iterator[str]:
    for i, text in run.errors:
        yield f"the untouched exercise raises in cell {i}: {text}; a stub must let it run from top to bottom"
    if run.stderr.strip():
        yield f"the untouched exercise writes to standard error: {run.stderr.strip()[:200]}"
    for name, question in exercise.questions.items():
        observed = run.observed.get(name)
        if observed is None:
            yield f"the untouched exercise never checks {name!r}"
            continue
        verdict = judge(question, observed, published, reference.observed.get(name))
        if verdict.status in (Status.PASSED, Status.UNMARKED):
            yield f"the stub of {name!r} is judged {verdict.status}"


def _left_out_faults(
    exercise: Exercise, left_out: str, published: dict, reference: Replayed, run: Replayed
) -> Iterator[str]:
    for i, text in run.errors:
        yield f"without an answer to {left_out!r} cell {i} raises {text}; a failed question must not block the next"
    for name, question in exercise.questions.items():
        observed = run.observed.get(name)
        if observed is None:
            yield f"without an answer to {left_out!r} nothing was observed of {name!r}"
            continue
        verdict = judge(question, observed, published, reference.observed.get(name))
        right = verdict.passed or verdict.status is Status.UNMARKED
        if name == left_out and right:
            yield f"{name!r} passes without its answer"
        if name != left_out and not right:
            yield f"without an answer to {left_out!r}, {name!r} fails too ({verdict.message}): make it independent"


def _mistake_faults(question: Question, drawn: list[dict], references: list[Replayed]) -> Iterator[str]:
    """Every mistake, as a mutant: killed, and by its own name alone, for every parameter set."""
    for mistake in question.mistakes:
        for parameters, run in zip(drawn, references, strict=True):
            try:
                observed = observe(question, question.wrong_answer(mistake, parameters), parameters)
            except AuthoringError:
                raise
            except Exception as error:
                yield f"{question.name!r}: the mistake {mistake.name!r} itself raises {type(error).__name__}: {error}"
                break
            verdict = judge(question, observed, parameters, run.observed[question.name])
            if verdict.status in (Status.PASSED, Status.UNMARKED, Status.BLANK):
                yield f"{question.name!r}: the mistake {mistake.name!r} is judged {verdict.status} with {parameters}"
                break
            others = [name for name in verdict.mistakes if name != mistake.name]
            if mistake.name not in verdict.mistakes:
                yield (
                    f"{question.name!r}: the mistake {mistake.name!r} fails but is not recognised with {parameters}: "
                    f"{verdict.message}"
                )
                break
            if others:
                yield (
                    f"{question.name!r}: with {parameters} the mistake {mistake.name!r} cannot be told from "
                    f"{others[0]!r}: add a probe that separates them"
                )
                break


def _parameter_faults(exercise: Exercise, published: dict) -> Iterator[str]:
    trials: list[tuple[str, dict]] = [("an unknown parameter", {**published, "no_such_parameter": 1})]
    trials += [(f"a missing {name!r}", {k: v for k, v in published.items() if k != name}) for name in published]
    for what, parameters in trials:
        try:
            exercise.check(**parameters)
        except ParameterError:
            continue
        yield f"{what} is accepted"
