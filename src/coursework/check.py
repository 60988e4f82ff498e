"""What a notebook uses: `check(name, object)` looks, judges, shows and records.

Under the papermill engine it only looks: the judging is done elsewhere, by the grader.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from difflib import get_close_matches
from functools import cache
from importlib.resources import files
from typing import Any

from coursework import panel, progress
from coursework.judge import judge
from coursework.model import Exercise, Observed, ParameterError, Question, Status, Verdict
from coursework.observe import observe

#: The MIME type under which an observation leaves a kernel that the engine runs.
OBSERVED_MIME = "application/vnd.coursework.observed+json"
#: Set in the environment of a kernel that the engine runs.
ENGINE_VARIABLE = "COURSEWORK_ENGINE"


@cache
def published(exercise: Exercise) -> tuple[dict[str, Any], dict[str, Observed]]:
    """The published parameters and the reference's answers for them; empty before the first release."""
    package, _, slug = exercise.module.rpartition(".")
    path = files(package) / f"{slug}.json" if package else None
    if path is None or not path.is_file():
        return {}, {}
    stored = json.loads(path.read_text(encoding="utf-8"))
    return stored["parameters"], {
        name: Observed.from_json({"question": name, "blank": False, "reached": [], **answer})
        for name, answer in stored["answers"].items()
    }


class Check:
    """An exercise's checks with one set of parameters; call it with a question's name and your answer."""

    def __init__(self, exercise: Exercise, parameters: Mapping[str, Any]) -> None:
        self.exercise = exercise
        self.parameters = exercise.validate(parameters)
        self._hints_given: dict[str, int] = {}

    def __repr__(self) -> str:
        return f"<checks of {self.exercise.id}: {', '.join(self.exercise.questions)}>"

    def __call__(self, name: str, answer: Any) -> None:
        question = self._question(name)
        observed = observe(question, answer, self.parameters)
        if os.environ.get(ENGINE_VARIABLE):
            _display({OBSERVED_MIME: observed.to_json(), "text/plain": f"observed: {name}"})
            return
        verdict = self._judge(question, observed)
        progress.record(self.exercise.id, name, verdict.status, verdict.points, verdict.mistake)
        after = ""
        if verdict.status is Status.PASSED:
            after = f"compare with the reference in solutions/{self.exercise.id}.ipynb"
        left = len(question.hints) - self._hints_given.get(name, 0)
        _display(
            {
                "text/plain": panel.as_text(verdict, left, after),
                "text/html": panel.as_html(verdict, left, after),
            }
        )

    def verdict(self, name: str, answer: Any) -> Verdict:
        """The verdict as an object, without showing or recording it."""
        question = self._question(name)
        return self._judge(question, observe(question, answer, self.parameters))

    def hint(self, name: str) -> None:
        """Show the next hint of a question; after the last, the last again."""
        question = self._question(name)
        if not question.hints:
            _display({"text/plain": f"There are no hints for {name}."})
            return
        number = min(self._hints_given.get(name, 0) + 1, len(question.hints))
        self._hints_given[name] = number
        text = question.hints[number - 1]
        _display(
            {
                "text/plain": f"Hint {number} of {len(question.hints)} for {name}: {text}",
                "text/html": panel.hint_html(name, number, len(question.hints), text),
            }
        )

    def _judge(self, question: Question, observed: Observed) -> Verdict:
        parameters, answers = published(self.exercise)
        expected = answers.get(question.name) if parameters == self.parameters else None
        return judge(question, observed, self.parameters, expected)

    def _question(self, name: str) -> Question:
        if name in self.exercise.questions:
            return self.exercise.questions[name]
        close = get_close_matches(str(name), self.exercise.questions, 1)
        remedy = f"Did you mean {close[0]!r}?" if close else f"It has {', '.join(self.exercise.questions)}."
        raise ParameterError(f"{self.exercise.id}: no question is called {name!r}. {remedy}")


def _display(bundle: dict[str, Any]) -> None:
    try:
        from IPython import get_ipython

        shell = get_ipython()
    except ImportError:
        shell = None
    if shell is None:
        print(bundle["text/plain"])
        return
    from IPython.display import display

    display(bundle, raw=True)
