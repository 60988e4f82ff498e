"""The nouns of the course: an exercise, its parameters and questions, what was observed, and the verdict.

Nothing here reads a file, starts a kernel or decides whether an answer is right.
"""

from __future__ import annotations

import hashlib
import inspect
import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from enum import StrEnum
from pathlib import PurePosixPath
from typing import Any

import numpy as np
from attrs import evolve, field, frozen


class AuthoringError(Exception):
    """A checks module or a solution breaks a rule; the message names the file, the rule and the remedy."""


class ParameterError(ValueError):
    """A notebook was given parameters that its exercise does not declare, or was not given ones that it does."""


# --------------------------------------------------------------------------------------------- parameters


@frozen
class Integer:
    """A whole-number parameter from `low` to `high`, both included."""

    name: str
    low: int
    high: int

    def draw(self, rng: np.random.Generator) -> int:
        return int(rng.integers(self.low, self.high, endpoint=True))

    def objection(self, value: Any) -> str | None:
        if isinstance(value, bool) or not isinstance(value, int | np.integer):
            return f"{self.name} = {value!r} is not a whole number"
        if not self.low <= value <= self.high:
            return f"{self.name} = {value} is outside {self.low} to {self.high}"
        return None


@frozen
class Real:
    """A real parameter from `low` to `high`; drawn evenly, or evenly in its logarithm with `log=True`."""

    name: str
    low: float
    high: float
    log: bool = False

    def draw(self, rng: np.random.Generator) -> float:
        if self.log:
            drawn = math.exp(rng.uniform(math.log(self.low), math.log(self.high)))
        else:
            drawn = rng.uniform(self.low, self.high)
        # Four significant digits: a parameter is read by people.
        return min(max(float(f"{drawn:.4g}"), self.low), self.high)

    def objection(self, value: Any) -> str | None:
        if isinstance(value, bool) or not isinstance(value, int | float | np.number):
            return f"{self.name} = {value!r} is not a number"
        if not self.low <= value <= self.high:
            return f"{self.name} = {value} is outside {self.low} to {self.high}"
        return None


@frozen
class Choice:
    """A parameter that takes one of a few values."""

    name: str
    options: Sequence[Any]

    def draw(self, rng: np.random.Generator) -> Any:
        return self.options[int(rng.integers(len(self.options)))]

    def objection(self, value: Any) -> str | None:
        return None if value in self.options else f"{self.name} = {value!r} is not one of {list(self.options)}"


Parameter = Integer | Real | Choice


# ----------------------------------------------------------------------------------------------- questions


def _call_by_name(function: Callable, available: Mapping[str, Any], *positional: Any) -> Any:
    """Call `function` with `positional` and, of `available`, the keyword arguments that it names."""
    rest = list(inspect.signature(function).parameters.values())[len(positional) :]
    named = [p for p in rest if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)]
    missing = [p.name for p in named if p.name not in available and p.default is p.empty]
    if missing:
        where = f"{function.__module__}.{function.__qualname__}"
        raise AuthoringError(f"{where} asks for {missing[0]!r}, which is not a parameter of its exercise")
    return function(*positional, **{p.name: available[p.name] for p in named if p.name in available})


@frozen
class Mistake:
    """A likely wrong answer: a mutant for the gate, and words for the learner who made it."""

    name: str
    sentence: str
    wrong: Callable
    credit: float = 0.0
    seen: Callable | None = None


@frozen
class Property:
    """A statement that every right answer satisfies."""

    sentence: str
    holds: Callable


KINDS = ("value", "function", "estimator", "figure", "prose")


class Question:
    """One question of an exercise; made by `Exercise.question`, then filled by its decorators."""

    def __init__(
        self,
        exercise: Exercise,
        name: str,
        *,
        kind: str,
        points: float,
        asks: str,
        hints: Sequence[str],
        skills: Sequence[str] = (),
        objectives: Sequence[int] = (),
        call: str = "",
        rtol: float = 1e-6,
        atol: float = 1e-9,
        compare: bool | None = None,
        out_of_bounds: Sequence[str] = (),
        rubric: Sequence[tuple[str, float]] = (),
        min_words: int = 0,
    ) -> None:
        where = f"{exercise.id}, question {name!r}"
        if kind not in KINDS:
            raise AuthoringError(f"{where}: kind {kind!r} is not one of {', '.join(KINDS)}")
        if not name.isidentifier():
            raise AuthoringError(f"{where}: the name must be a Python identifier")
        if not points > 0:
            raise AuthoringError(f"{where}: points must be positive, not {points}")
        if kind == "prose" and not math.isclose(sum(p for _, p in rubric), points):
            raise AuthoringError(f"{where}: the rubric's points must add up to {points:g}")
        self.exercise, self.name, self.kind, self.points = exercise, name, kind, points
        self.asks, self.hints, self.skills, self.call = asks, tuple(hints), tuple(skills), call or name
        #: which of the lesson's objectives this question checks, counted from 1
        self.objectives = tuple(objectives)
        self.rtol, self.atol = rtol, atol
        self.compare = kind not in ("figure", "prose") if compare is None else compare
        self.out_of_bounds, self.rubric, self.min_words = tuple(out_of_bounds), tuple(rubric), min_words
        self._probes: Callable | None = None
        self._observe: Callable | None = None
        self.properties: list[Property] = []
        self.mistakes: list[Mistake] = []

    def __repr__(self) -> str:
        return f"<question {self.name!r} of {self.exercise.id}>"

    @property
    def probed(self) -> bool:
        """Whether the answer is run on probe inputs rather than looked at as it is."""
        return self.kind in ("function", "estimator")

    def probes(self, function: Callable) -> Callable:
        """Decorator: a generator of inputs, from parameters by name and a seeded `rng`."""
        self._probes = function
        return function

    def observe(self, function: Callable) -> Callable:
        """Decorator: how the learner's object is exercised; gets it and a probe's arguments, returns data."""
        self._observe = function
        return function

    def property(self, sentence: str) -> Callable:
        """Decorator: a statement about (probe's arguments, output) that holds for every right answer."""

        def register(function: Callable) -> Callable:
            self.properties.append(Property(sentence, function))
            return function

        return register

    def mistake(self, sentence: str, *, credit: float = 0.0, seen: Callable | None = None) -> Callable:
        """Decorator: a wrong answer that people give, and the sentence that helps them."""

        def register(function: Callable) -> Callable:
            if any(m.name == function.__name__ for m in self.mistakes):
                raise AuthoringError(f"{self!r}: two mistakes are called {function.__name__!r}; rename one")
            if not 0 <= credit < 1:
                raise AuthoringError(f"{self!r}: credit must be at least 0 and below 1, not {credit}")
            self.mistakes.append(Mistake(function.__name__, sentence, function, credit, seen))
            return function

        return register

    # ----------------------------------------------------------------------------------- what judges use

    def inputs(self, parameters: Mapping[str, Any]) -> Iterator[tuple]:
        """The probes' positional arguments, made afresh; a question that is not probed has one empty tuple."""
        if not self.probed:
            yield ()
            return
        if self._probes is None:
            raise AuthoringError(f"{self!r} has no @{self.name}.probes, and a {self.kind} needs them")
        available = {**parameters, "rng": self.exercise.generator(self.name, parameters)}
        for probe in _call_by_name(self._probes, available):
            yield probe if isinstance(probe, tuple) else (probe,)

    def exercise_answer(self, answer: Any, arguments: tuple) -> Any:
        """Run the learner's object on one probe, or return it as it is."""
        if self._observe is not None:
            return self._observe(answer, *arguments)
        if self.kind == "function":
            return answer(*arguments)
        if self.kind == "estimator":
            return _fit_and_predict(answer, *arguments)
        return answer

    def property_holds(self, stated: Property, arguments: tuple, output: Any, parameters: Mapping) -> bool:
        """Whether a property holds; one that raises does not hold."""
        try:
            return bool(_call_by_name(stated.holds, parameters, *arguments, output))
        except AuthoringError:
            raise
        except Exception:
            return False

    def wrong_answer(self, mistake: Mistake, parameters: Mapping[str, Any]) -> Any:
        """The object that a learner who made this mistake hands to `check`."""
        if self.kind == "function":
            return mistake.wrong
        return _call_by_name(mistake.wrong, parameters)


def _fit_and_predict(estimator: Any, X_train: Any, y_train: Any, X_test: Any) -> Any:
    if inspect.isclass(estimator):
        estimator = estimator()
    elif hasattr(estimator, "get_params"):
        from sklearn.base import clone

        estimator = clone(estimator)
    estimator.fit(X_train, y_train)
    return estimator.predict(X_test)


# ------------------------------------------------------------------------------------------------ exercise


def _beside(name: str) -> bool:
    """Whether a file's name leads to a file of data in the folder that it is taken from, or below."""
    parts = PurePosixPath(name).parts
    inside = bool(parts) and not name.startswith("/") and not {"..", ":", "\\", "\0"} & {*parts, *name}
    return inside and not name.endswith((".ipynb", "/"))


class Exercise:
    """An exercise: its identity `<part>/<slug>`, its parameters, its questions and its files of data."""

    def __init__(
        self, id: str, *, title: str, minutes: int, parameters: Sequence[Parameter], data: Sequence[str] = ()
    ) -> None:
        """
        Args:
            data: files beside the solution, such as "trips.csv", that its notebook reads by that name. They are handed
                out beside the exercise, and lie in the work folder of a submission that is graded.

        Raises:
            AuthoringError: the id, a parameter or a file's name is not sound.
        """
        if id.count("/") != 1:
            raise AuthoringError(f"exercise id {id!r} is not of the form part/slug")
        names = [parameter.name for parameter in parameters]
        if len(set(names)) < len(names):
            raise AuthoringError(f"{id}: a parameter is declared twice in {names}")
        for name in data:
            if not _beside(name):
                raise AuthoringError(f"{id}: data {name!r} must be a file beside the solution or below: trips.csv")
        self.id, self.title, self.minutes, self.data = id, title, minutes, tuple(data)
        self.parameters = {parameter.name: parameter for parameter in parameters}
        self.questions: dict[str, Question] = {}
        # The checks module that makes this exercise: the published answers lie beside it.
        self.module = inspect.currentframe().f_back.f_globals.get("__name__", "")  # type: ignore[union-attr]

    def __repr__(self) -> str:
        return f"<exercise {self.id}>"

    @property
    def points(self) -> float:
        return sum(question.points for question in self.questions.values())

    def question(self, name: str, **settings: Any) -> Question:
        """Add a question; the order of the calls is the order of the questions. Settings: see `Question`."""
        if name in self.questions:
            raise AuthoringError(f"{self.id}: two questions are called {name!r}; rename one")
        self.questions[name] = Question(self, name, **settings)
        return self.questions[name]

    def validate(self, parameters: Mapping[str, Any]) -> dict[str, Any]:
        """The parameters in declared order.

        Raises:
            ParameterError: one is unknown, missing, of a wrong type or out of range.
        """
        from difflib import get_close_matches

        for name in parameters:
            if name not in self.parameters:
                close = get_close_matches(str(name), self.parameters, 1)
                remedy = f"Did you mean {close[0]!r}?" if close else f"It declares {', '.join(self.parameters)}."
                raise ParameterError(f"{self.id}: no parameter is called {name!r}. {remedy}")
        for name, declared in self.parameters.items():
            if name not in parameters:
                raise ParameterError(f"{self.id}: the parameter {name!r} is missing; the parameters cell must set it")
            objection = declared.objection(parameters[name])
            if objection:
                raise ParameterError(f"{self.id}: {objection}")
        return {name: parameters[name] for name in self.parameters}

    def draw(self, rng: np.random.Generator) -> dict[str, Any]:
        """A random set of parameters within the declared ranges."""
        return {name: parameter.draw(rng) for name, parameter in self.parameters.items()}

    def generator(self, question: str, parameters: Mapping[str, Any]) -> np.random.Generator:
        """The random generator of a question's probes: the same for the same exercise, question and parameters."""
        # 10000 and 1e4 are the same parameter, whoever wrote it down and how.
        kinds = {Integer: int, Real: float}
        same = {k: kinds.get(type(self.parameters.get(k)), lambda v: v)(v) for k, v in parameters.items()}
        key = json.dumps([self.id, question, same], sort_keys=True)
        return np.random.default_rng(int.from_bytes(hashlib.sha256(key.encode()).digest()[:16], "big"))

    def check(self, **parameters: Any) -> Any:
        """What a notebook calls once, with its parameters: returns `check(name, object)`."""
        # The one call upwards in this package, so that a notebook needs a single import.
        from coursework.check import Check

        return Check(self, parameters)


# ----------------------------------------------------------------------------------- observed and verdict


@frozen
class Outcome:
    """What one probe gave: an encoded value, or the error that the learner's code raised."""

    value: Any = None
    error: tuple[str, str] | None = None
    changed_arguments: bool = False


@frozen
class Observed:
    """What the learner's kernel saw of one answer, as plain data."""

    question: str
    outcomes: tuple[Outcome, ...] = ()
    blank: bool = False
    reached: tuple[str, ...] = ()

    def to_json(self) -> dict:
        return {
            "question": self.question,
            "blank": self.blank,
            "reached": list(self.reached),
            "outcomes": [
                {"error": list(o.error)} if o.error else {"value": o.value, "changed": o.changed_arguments}
                for o in self.outcomes
            ],
        }

    @classmethod
    def from_json(cls, data: Any) -> Observed:
        """Read what came out of a kernel, believing nothing about its form.

        Raises:
            ValueError: it is not an observation.
        """
        try:
            outcomes = []
            for o in data["outcomes"]:
                if "error" in o:
                    kind, message = o["error"]
                    outcomes.append(Outcome(error=(str(kind)[:200], str(message)[:2000])))
                else:
                    outcomes.append(Outcome(o["value"], None, bool(o.get("changed", False))))
            return cls(
                str(data["question"]),
                tuple(outcomes),
                bool(data["blank"]),
                tuple(str(name)[:200] for name in data["reached"]),
            )
        except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
            raise ValueError(f"not an observation ({type(error).__name__})") from None


class Status(StrEnum):
    """What became of a question. Each has its own colour and words in a report."""

    PASSED = "passed"
    WRONG = "wrong"
    BLANK = "blank"
    ERROR = "error"
    TIMEOUT = "timeout"
    CRASHED = "crashed"
    OUT_OF_BOUNDS = "out of bounds"
    UNMARKED = "unmarked"


@frozen
class Verdict:
    """What is said of one answer."""

    question: str
    status: Status
    points: float
    out_of: float
    message: str = ""
    mistake: str | None = None
    mistakes: tuple[str, ...] = field(default=(), repr=False)
    call: str = ""
    expected: str = ""
    got: str = ""
    #: how long the question's cells ran, where that was measured; two verdicts say the same whatever it is
    seconds: float | None = field(default=None, eq=False)

    @property
    def passed(self) -> bool:
        return self.status is Status.PASSED

    def but(self, **changes: Any) -> Verdict:
        return evolve(self, **changes)
