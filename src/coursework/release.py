"""From a solution to what is handed out: the exercise with stubs, and the answers for the published parameters."""

from __future__ import annotations

import json
from collections.abc import Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any

from attrs import frozen

from coursework import notebook as nb
from coursework.compare import difference
from coursework.encode import decode
from coursework.model import AuthoringError, Exercise, Observed, ParameterError
from coursework.notebook import NotebookNode
from coursework.project import Project
from coursework.replay import job, replay


@frozen
class Released:
    """What a release of one exercise says; nothing is written yet."""

    id: str
    exercise: NotebookNode
    parameters: dict[str, Any]
    answers: dict[str, Observed]


def read_solution(project: Project, exercise: Exercise) -> NotebookNode:
    """The solution of an exercise, held against its checks.

    Raises:
        AuthoringError: it cannot be read, or notebook and checks disagree about questions or parameters.
    """
    path = project.solution(exercise.id)
    where = path.relative_to(project.root).as_posix()
    try:
        solution = nb.read(path)
        questions = nb.parts(solution)
        published = nb.parameters(solution)
        for part in questions:
            for i in part.answers:
                nb.stub(solution.cells[i].source)
    except nb.NotebookError as error:
        raise AuthoringError(f"{where}: {error}") from None
    asked = [part.question for part in questions]
    for name in asked:
        if name not in exercise.questions:
            raise AuthoringError(f"{where}: it checks {name!r}, which {exercise.module} does not define")
    for name in exercise.questions:
        if name not in asked:
            raise AuthoringError(f"{where}: no check cell asks about {name!r}, which {exercise.module} defines")
    for part in questions:
        if not any(nb.has_solution(solution.cells[i].source) for i in part.answers):
            raise AuthoringError(f"{where}: question {part.question!r} has no cell tagged answer with {nb.BEGIN}")
    try:
        exercise.validate(published)
    except ParameterError as error:
        raise AuthoringError(f"{where}, parameters cell: {error}") from None
    return solution


def derive_exercise(project: Project, exercise: Exercise, solution: NotebookNode) -> NotebookNode:
    """The exercise as a learner gets it: answers replaced by stubs, solution-only cells gone, no outputs."""
    derived = deepcopy(solution)
    derived.cells = [cell for cell in derived.cells if "solution-only" not in nb.tags(cell)]
    for cell in derived.cells:
        if "answer" in nb.tags(cell):
            cell.source = nb.stub(cell.source)
    nb.clear_outputs(derived)
    return nb.normalise(derived, colab=project_colab(project), about={"exercise": exercise.id, "role": "exercise"})


def project_colab(project: Project) -> str:
    return nb.colab_source(project.repository, "machine-learning-engineer") if project.repository else ""


def released(project: Project, id: str) -> Released:
    """Derive everything that a release of `id` would write.

    Raises:
        AuthoringError: the solution is not well formed, or does not run.
    """
    exercise = project.load(id)
    solution = read_solution(project, exercise)
    parameters = nb.parameters(solution)
    (run,) = replay([job(solution, parameters)], project.solution(id).parent)
    if run.errors:
        i, text = run.errors[0]
        raise AuthoringError(f"solutions/{id}.ipynb: cell {i} ({solution.cells[i].id}) raises {text}")
    derived = derive_exercise(project, exercise, solution)
    return Released(id, derived, parameters, run.observed)


def answers_text(parameters: Mapping[str, Any], answers: Mapping[str, Observed]) -> str:
    kept = {name: {"outcomes": observed.to_json()["outcomes"]} for name, observed in answers.items()}
    return json.dumps({"parameters": dict(parameters), "answers": kept}, indent=1, ensure_ascii=False) + "\n"


def same_answers(exercise: Exercise, text: str, fresh: Released) -> bool:
    """Whether stored answers agree with fresh ones within the tolerances (another CPU rounds differently)."""
    try:
        stored = json.loads(text)
        if stored["parameters"] != fresh.parameters or list(stored["answers"]) != list(fresh.answers):
            return False
        for name, observed in fresh.answers.items():
            question = exercise.questions[name]
            old = stored["answers"][name]["outcomes"]
            if len(old) != len(observed.outcomes):
                return False
            for before, now in zip(old, observed.outcomes, strict=True):
                if now.error or "error" in before:
                    if not (now.error and "error" in before and before["error"][0] == now.error[0]):
                        return False
                elif not question.compare:
                    continue
                elif difference(decode(now.value), decode(before["value"]), question.rtol, question.atol):
                    return False
    except (KeyError, TypeError, ValueError):
        return False
    return True


def data_files(project: Project, exercise: Exercise) -> dict[str, Path]:
    """The exercise's files of data by name: those that lie beside its solution.

    Raises:
        AuthoringError: one is not there, or is no file.
    """
    folder = project.solution(exercise.id).parent
    for name in exercise.data:
        path = folder / name
        if path.is_symlink() or not path.is_file():
            where = path.relative_to(project.root).as_posix()
            raise AuthoringError(f"{exercise.id}: it declares data {name!r}, and {where} is no file: put it there")
    return {name: folder / name for name in exercise.data}


def changes(project: Project, exercise: Exercise, fresh: Released) -> dict[Path, bytes]:
    """The files that a release would change, with what they are to hold."""
    found: dict[Path, bytes] = {}
    path, text = project.exercise(fresh.id), nb.text_of(fresh.exercise)
    if not path.is_file() or path.read_text(encoding="utf-8") != text:
        found[path] = text.encode()
    stored = project.checks_file(fresh.id, ".json")
    if not stored.is_file() or not same_answers(exercise, stored.read_text(encoding="utf-8"), fresh):
        found[stored] = answers_text(fresh.parameters, fresh.answers).encode()
    for name, source in data_files(project, exercise).items():
        copy, content = project.exercise(fresh.id).parent / name, source.read_bytes()
        if not copy.is_file() or copy.read_bytes() != content:
            found[copy] = content
    return found


def release(project: Project, id: str) -> list[Path]:
    """Write an exercise and its published answers; returns the files that changed.

    Raises:
        AuthoringError: as for `released`.
    """
    found = changes(project, project.load(id), released(project, id))
    for path, content in found.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return list(found)
