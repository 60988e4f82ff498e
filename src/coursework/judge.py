"""Whether an observed answer is right, and which mistake a wrong one is. A pure function; it needs no kernel.

It makes the probes' inputs again from the parameters and believes nothing of an observation but the outputs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from coursework.compare import describe, difference, show
from coursework.encode import DecodeError, EncodeError, decode
from coursework.model import AuthoringError, Mistake, Observed, Outcome, Question, Status, Verdict
from coursework.observe import outcomes


def judge(
    question: Question,
    observed: Observed,
    parameters: Mapping[str, Any],
    expected: Observed | None,
    *,
    show_inputs: bool = True,
) -> Verdict:
    """The verdict on one answer.

    Args:
        question: what was asked.
        observed: what the learner's object gave; may come from a hostile process.
        parameters: the ones that the grader used, whatever the notebook claims.
        expected: what the reference gave for the same parameters; None where there is none (a learner changed the
            parameters), and then properties and mistakes alone decide.
        show_inputs: whether the message may show probe inputs (not where the parameters are hidden).
    """
    verdict = _judge(question, observed, parameters, expected, show_inputs)
    forbidden = [name for name in observed.reached if name in question.out_of_bounds]
    if forbidden and verdict.status is not Status.BLANK:
        return out_of_bounds(question, forbidden)
    return verdict


def out_of_bounds(question: Question, names: Sequence[str]) -> Verdict:
    """The verdict on an answer that used what the question rules out."""
    listed = ", ".join(f"`{name}`" for name in names)
    message = f"The answer uses {listed}, which this question puts out of bounds: build it without."
    return Verdict(question.name, Status.OUT_OF_BOUNDS, 0.0, question.points, message, expected=question.asks)


def _judge(
    question: Question,
    observed: Observed,
    parameters: Mapping[str, Any],
    expected: Observed | None,
    show_inputs: bool,
) -> Verdict:
    def verdict(status: Status, message: str = "", points: float = 0.0, **more: Any) -> Verdict:
        more = {"call": question.call, "expected": question.asks, **more}
        return Verdict(question.name, status, points, question.points, message, **more)

    if observed.blank:
        return verdict(Status.BLANK, "There is no answer yet.")
    if question.kind == "prose":
        return _judge_prose(question, observed, verdict)

    inputs = list(question.inputs(parameters))
    if len(observed.outcomes) != len(inputs):
        if observed.outcomes and observed.outcomes[0].error:
            return verdict(Status.ERROR, _error_message(observed.outcomes[0]))
        return verdict(Status.ERROR, f"{len(inputs)} answers were due, {len(observed.outcomes)} came.")
    try:
        outputs = [None if o.error else decode(o.value) for o in observed.outcomes]
    except (DecodeError, EncodeError) as error:
        return verdict(Status.ERROR, f"What came out of the notebook cannot be read: {error}.")

    wrong, trouble = _first_fault(question, observed, outputs, inputs, parameters, expected)
    if wrong is None and (expected is not None or not question.compare):
        return verdict(Status.PASSED, points=question.points)

    recognised = recognise(question, observed, outputs, inputs, parameters)
    if wrong is None and not recognised:
        if question.properties:
            return verdict(Status.PASSED, points=question.points)
        message = "These are not the published parameters, so there is nothing to compare with."
        return verdict(Status.UNMARKED, message)
    outcome = observed.outcomes[wrong or 0]
    call = _call(question, inputs[wrong or 0], show_inputs)
    got = f"{outcome.error[0]}: {outcome.error[1]}" if outcome.error else show(outputs[wrong or 0])
    if recognised:
        first = recognised[0]
        return verdict(
            Status.WRONG,
            first.sentence,
            first.credit * question.points,
            mistake=first.name,
            mistakes=tuple(m.name for m in recognised),
            call=call,
            got=got,
        )
    if outcome.error:
        return verdict(Status.ERROR, trouble or _error_message(outcome), call=call, got=got)
    return verdict(Status.WRONG, trouble, call=call, got=got)


def _judge_prose(question: Question, observed: Observed, verdict: Any) -> Verdict:
    try:
        text = decode(observed.outcomes[0].value) if not observed.outcomes[0].error else None
    except (DecodeError, EncodeError, IndexError):
        text = None
    if not isinstance(text, str):
        return verdict(Status.ERROR, f"Expected text, got {describe(text)}.")
    words = len(text.split())
    if words < question.min_words:
        return verdict(Status.WRONG, f"{words} words; at least {question.min_words} are asked for.", got=show(text))
    return verdict(
        Status.UNMARKED, f"Received, {words} words. A person marks it against the rubric.", got=text[:20_000]
    )


def _error_message(outcome: Outcome) -> str:
    kind, message = outcome.error  # type: ignore[misc]
    if kind == "EncodeError":
        return message[:1].upper() + message[1:] + "."
    return f"The answer raised {kind}: {message}" if message else f"The answer raised {kind}."


def _first_fault(
    question: Question,
    observed: Observed,
    outputs: list,
    inputs: list[tuple],
    parameters: Mapping[str, Any],
    expected: Observed | None,
) -> tuple[int | None, str]:
    """Index of the first probe that went wrong, and what is wrong there."""
    references: list[Outcome | None] = [None] * len(inputs)
    if expected is not None and len(expected.outcomes) == len(inputs):
        references = list(expected.outcomes)
    for i, (outcome, output, arguments, reference) in enumerate(
        zip(observed.outcomes, outputs, inputs, references, strict=True)
    ):
        if reference is not None and reference.error:
            # The reference refuses this input, and so must the answer, with the same kind of error.
            if not outcome.error:
                return i, f"This input should be refused with {reference.error[0]}; the answer accepted it."
            if outcome.error[0] != reference.error[0]:
                return (
                    i,
                    f"This input should be refused with {reference.error[0]}, not with {outcome.error[0]}.",
                )
            continue
        if outcome.error:
            return i, ""
        if outcome.changed_arguments and not (reference is not None and reference.changed_arguments):
            return i, "The call changed its own arguments; work on a copy."
        want = decode(reference.value) if reference is not None and question.compare else None
        if reference is not None and question.compare:
            found = difference(output, want, question.rtol, question.atol)
            if found is not None:
                # A property that fails says more than two numbers that differ, but only where the kind is right.
                failed = _failed_property(question, arguments, output, parameters)
                return i, f"{_sentence(found)} It should hold that {failed}." if failed else _sentence(found)
        failed = _failed_property(question, arguments, output, parameters)
        if failed is not None:
            return i, f"It should hold that {failed}, and it does not."
    return None, ""


def _failed_property(question: Question, arguments: tuple, output: Any, parameters: Mapping) -> str | None:
    for stated in question.properties:
        if not question.property_holds(stated, arguments, output, parameters):
            return stated.sentence
    return None


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:] + ("" if text.endswith(("?", ".")) else ".")


def recognise(
    question: Question, observed: Observed, outputs: list, inputs: list[tuple], parameters: Mapping[str, Any]
) -> list[Mistake]:
    """The question's mistakes that this answer looks like, in the order in which the author wrote them."""
    return [m for m in question.mistakes if _looks_like(question, m, observed, outputs, inputs, parameters)]


def _looks_like(
    question: Question,
    mistake: Mistake,
    observed: Observed,
    outputs: list,
    inputs: list[tuple],
    parameters: Mapping[str, Any],
) -> bool:
    if mistake.seen is not None:
        for outcome, output, arguments in zip(observed.outcomes, outputs, inputs, strict=True):
            try:
                if not outcome.error and bool(mistake.seen(*arguments, output)):
                    return True
            except Exception:  # a predicate that cannot read this output has not seen its mistake
                continue
        return False
    try:
        wrong = question.wrong_answer(mistake, parameters)
    except AuthoringError:
        raise
    except Exception:  # a mistake that cannot be made with these parameters; the gate tells its author
        return False
    # Probe by probe: most mistakes differ on the first, and the rest need not be run.
    mutant = outcomes(question, wrong, parameters)
    for outcome, output, theirs in zip(observed.outcomes, outputs, mutant, strict=True):
        if outcome.error or theirs.error:
            if not (outcome.error and theirs.error and outcome.error[0] == theirs.error[0]):
                return False
        elif outcome.changed_arguments != theirs.changed_arguments:
            return False
        elif difference(output, decode(theirs.value), question.rtol, question.atol) is not None:
            return False
    return True


def _call(question: Question, arguments: tuple, show_inputs: bool) -> str:
    if not question.probed or not arguments or not show_inputs:
        return question.call
    name = question.call.partition("(")[0]
    return f"{name}({', '.join(show(a, 70) if _small(a) else describe(a) for a in arguments)})"


def _small(value: Any) -> bool:
    import numpy as np

    if isinstance(value, np.ndarray):
        return value.size <= 6
    if isinstance(value, list | tuple | set | dict | str):
        return len(repr(value)) <= 70
    return type(value).__name__ not in ("DataFrame", "Series")
