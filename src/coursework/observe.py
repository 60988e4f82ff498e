"""Run a learner's object on a question's probes and write down, as data, what came out. Judges nothing."""

from __future__ import annotations

import dis
import inspect
import time
from collections.abc import Iterator, Mapping
from contextlib import nullcontext
from typing import Any

from coursework.bounds import Watch
from coursework.encode import EncodeError, encode
from coursework.model import Observed, Outcome, Question

#: Seconds for which one answer is watched for out-of-bounds calls; watching makes many small calls some times slower.
WATCHED = 1.0


def observe(question: Question, answer: Any, parameters: Mapping[str, Any]) -> Observed:
    """What `answer` gives on every probe of `question`. Never raises on account of the answer.

    An interrupt (the learner's or the grader's, on an endless loop) is passed on.
    """
    unfitted = question.kind == "estimator" and inspect.isfunction(getattr(type(answer), "fit", None))
    if is_blank(answer) or (unfitted and is_blank(type(answer))):
        return Observed(question.name, blank=True)
    if question.kind == "function" and not callable(answer):
        kind = type(answer).__name__
        error = (
            "TypeError",
            f"{question.name} is a {kind}, not a function: has the name been used for something else?",
        )
        return Observed(question.name, (Outcome(error=error),))
    watch = Watch(question.out_of_bounds, ours=(question.exercise.module.partition(".")[0],))
    found = tuple(outcomes(question, answer, parameters, watch))
    return Observed(question.name, found, False, watch.reached)


def outcomes(
    question: Question, answer: Any, parameters: Mapping[str, Any], watch: Watch | None = None
) -> Iterator[Outcome]:
    """What `answer` gives on each probe, one after the other; as for `observe`."""
    until = time.perf_counter() + WATCHED
    for arguments in question.inputs(parameters):
        before = _encoded_or_none(arguments)
        try:
            with watch if watch and time.perf_counter() < until else nullcontext():
                output = question.exercise_answer(answer, arguments)
            changed = question._observe is None and before is not None and _encoded_or_none(arguments) != before
            outcome = Outcome(encode(output), None, changed)
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # a learner's code may raise anything, SystemExit too
            outcome = Outcome(error=(type(error).__name__, _short(error)))
        yield outcome


def _short(error: BaseException) -> str:
    try:
        return str(error)[:500]
    except KeyboardInterrupt:
        raise
    except BaseException:
        return "(the error has no readable message)"


def _encoded_or_none(arguments: tuple) -> Any:
    try:
        return encode(list(arguments))
    except EncodeError:
        return None


def is_blank(answer: Any) -> bool:
    """Whether this is a stub: `...`, empty text, or a function or class whose body is only that."""
    if answer is Ellipsis or (isinstance(answer, str) and not answer.strip()):
        return True
    if inspect.isclass(answer):
        methods = [m for m in vars(answer).values() if inspect.isfunction(m) and m.__name__ != "__init__"]
        empty = answer.__bases__ == (object,) and "__module__" in vars(answer)  # int and its like are no stubs
        return bool(methods or empty) and all(is_blank(m) for m in methods)
    if inspect.isfunction(answer):
        steps = [i for i in dis.get_instructions(answer) if i.opname not in ("RESUME", "NOP", "CACHE")]
        return all(i.opname in ("LOAD_CONST", "RETURN_VALUE", "RETURN_CONST") for i in steps) and all(
            i.argval in (None, ...) for i in steps if i.opname.endswith("_CONST")
        )
    return False
