"""What a learner's kernel writes down about an answer, whatever the answer does."""

from __future__ import annotations

import numpy as np
import pytest

from coursework import Exercise
from coursework.model import Observed, Question
from coursework.observe import is_blank, observe


@pytest.fixture
def double(exercise: Exercise) -> Question:
    question = exercise.question("double", kind="function", points=1, asks="a list", hints=())

    @question.probes
    def _(n):
        yield [n, 2]
        yield [0]

    return question


def outcome(question: Question, answer):
    return observe(question, answer, {"n": 3, "x": 0.5}).outcomes[0]


def stub(x):
    """A docstring stays."""
    ...


class Stub:
    """Nothing yet."""

    def __init__(self, depth=3):
        self.depth = depth

    def fit(self, X, y):
        """Doc."""

    def predict(self, X): ...


class Half(Stub):
    def fit(self, X, y):
        self.mean = y.mean()
        return self


@pytest.mark.parametrize("answer", [..., "", "  \n", stub, lambda x: None, lambda x: ..., Stub])
def test_a_stub_of_any_kind_is_blank(answer):
    assert is_blank(answer)


@pytest.mark.parametrize("answer", [0, None, False, "text", [], np.zeros(0), len, lambda x: x, Half, int, print])
def test_an_answer_is_not_blank(answer):
    assert not is_blank(answer)


def test_an_unfitted_instance_of_a_stub_is_blank_and_a_half_done_one_is_an_error(exercise):
    question = exercise.question("model", kind="estimator", points=1, asks="predictions", hints=())

    @question.probes
    def _():
        yield np.eye(3), np.arange(3.0), np.eye(3)

    parameters = {"n": 1, "x": 0.0}
    assert observe(question, Stub(2), parameters).blank and observe(question, Stub, parameters).blank
    assert observe(question, Half, parameters).outcomes[0].error is None  # predict is still a stub: None comes out
    assert observe(question, 5, parameters).outcomes[0].error[0] == "AttributeError"


def test_every_probe_is_observed_and_encoded(double):
    seen = observe(double, lambda xs: [2 * x for x in xs], {"n": 3, "x": 0.5})
    assert [o.value["v"] for o in seen.outcomes] == [[6, 4], [0]]
    assert not seen.blank and not any(o.changed_arguments for o in seen.outcomes)
    assert Observed.from_json(seen.to_json()) == seen


def test_a_changed_argument_is_noticed(double):
    def in_place(xs):
        for i in range(len(xs)):
            xs[i] *= 2
        return xs

    def adds_an_odd_thing(xs):
        xs.append(object())
        return 1

    assert outcome(double, in_place).changed_arguments
    assert outcome(double, adds_an_odd_thing).changed_arguments
    assert not observe(double, in_place, {"n": 3, "x": 0.5}).outcomes[1].changed_arguments  # 2 * 0 is 0


class Unreadable(Exception):
    def __str__(self):
        raise SystemExit("even this")


def raiser(error):
    def answer(xs):
        raise error

    return answer


def forever(xs):
    return forever(xs) + 1


@pytest.mark.parametrize(
    ("answer", "kind", "words"),
    [
        (raiser(ValueError("n is 3")), "ValueError", "n is 3"),
        (raiser(SystemExit(0)), "SystemExit", "0"),
        (raiser(GeneratorExit()), "GeneratorExit", ""),
        (raiser(Unreadable()), "Unreadable", "no readable message"),
        (raiser(ValueError("x" * 10_000)), "ValueError", "x" * 500),
        (forever, "RecursionError", "recursion"),
        (lambda xs: (x for x in xs), "EncodeError", "list("),
        (lambda: 1, "TypeError", "positional argument"),
        (7, "TypeError", "double is a int, not a function"),
    ],
)
def test_whatever_an_answer_raises_is_an_outcome(double, answer, kind, words):
    error = outcome(double, answer).error
    assert error[0] == kind and words in error[1] and len(error[1]) <= 500


def test_an_interrupt_is_passed_on(double):
    with pytest.raises(KeyboardInterrupt):
        observe(double, raiser(KeyboardInterrupt()), {"n": 3, "x": 0.5})


def test_an_error_on_one_probe_leaves_the_others(double):
    seen = observe(double, lambda xs: xs[1], {"n": 3, "x": 0.5})
    assert seen.outcomes[0].value == 2 and seen.outcomes[1].error[0] == "IndexError"


def test_probes_are_the_same_for_the_same_parameters_however_they_are_written(exercise):
    question = exercise.question("f", kind="function", points=1, asks="", hints=())

    @question.probes
    def _(rng):
        yield rng.random()

    def drawn(n, x):
        return next(question.inputs({"n": n, "x": x}))

    assert drawn(3, 1) == drawn(np.int64(3), 1.0) == drawn(3, np.float64(1))
    assert drawn(3, 1) != drawn(4, 1)


@pytest.mark.parametrize(
    "data",
    [None, 5, "x", [], {}, {"question": "q", "blank": False, "reached": [], "outcomes": 5},
     {"question": "q", "blank": False, "reached": 5, "outcomes": []},
     {"question": "q", "blank": False, "reached": [], "outcomes": [{}]},
     {"question": "q", "blank": False, "reached": [], "outcomes": [{"error": ["only one"]}]},
     {"question": "q", "blank": False, "reached": [], "outcomes": [[1]]}],
)  # fmt: skip
def test_what_is_no_observation_is_refused(data):
    with pytest.raises(ValueError, match="not an observation"):
        Observed.from_json(data)
