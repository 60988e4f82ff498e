"""Whether an observed answer is right, and which mistake a wrong one is."""

from __future__ import annotations

import math

import numpy as np
import pytest

from coursework.encode import encode
from coursework.judge import judge
from coursework.model import AuthoringError, Observed, Outcome, Question, Status
from coursework.observe import observe

P = {"n": 4, "x": 0.5}


@pytest.fixture
def root(exercise) -> Question:
    """Square roots; a negative number is refused with ValueError."""
    question = exercise.question(
        "root", kind="function", points=4, call="root(values, shift)", asks="an array", hints=()
    )

    @question.probes
    def _(rng, n):
        yield rng.uniform(1, 9, n), 0.0
        yield np.array([4.0]), -5.0

    @question.property("the square of each is the value it came from")
    def _(values, shift, output):
        return np.allclose(output**2, values + shift)

    @question.mistake("A root is not a half.", credit=0.25)
    def half(values, shift):
        if (values + shift < 0).any():
            raise ValueError
        return (values + shift) / 2

    @question.mistake("The shift is left out.")
    def no_shift(values, shift):
        return np.sqrt(values)

    @question.mistake("Many digits are lost.", seen=lambda values, shift, out: (np.round(out) == out).sum() > 1)
    def rounded(values, shift):
        return np.round(np.sqrt(np.abs(values + shift)))

    return question


def right(values, shift):
    if (values + shift < 0).any():
        raise ValueError("a negative number")
    return (values + shift) ** 0.5


def verdict(question, answer, expected=right, parameters=P, **options):
    reference = observe(question, expected, parameters) if expected is not None else None
    return judge(question, observe(question, answer, parameters), parameters, reference, **options)


def test_the_right_answer_earns_all_points(root):
    found = verdict(root, right)
    assert found.passed and found.points == found.out_of == 4


def test_a_mistake_is_recognised_alone_and_earns_its_credit(root):
    wrong = {m.name: verdict(root, m.wrong) for m in root.mistakes}
    assert {name: v.mistakes for name, v in wrong.items()} == {name: (name,) for name in wrong}
    assert wrong["half"].points == 1 and wrong["half"].message == "A root is not a half."
    assert wrong["no_shift"].status is Status.WRONG and wrong["no_shift"].points == 0


def test_a_wrong_answer_is_told_what_differs_and_which_property_fails(root):
    found = verdict(root, lambda values, shift: right(values, shift) + 1)
    assert found.mistake is None and found.status is Status.WRONG
    assert "4 of 4 values differ" in found.message
    assert "It should hold that the square of each" in found.message
    assert found.call.startswith("root([") and found.got and found.expected == "an array"


def test_hidden_inputs_are_not_shown_nor_their_size(root):
    found = verdict(root, lambda values, shift: values * 0, show_inputs=False)
    assert found.call == "root(values, shift)"


def test_an_input_that_the_reference_refuses_must_be_refused_alike(root):
    def refuses(error):
        return lambda values, shift: right(values, shift) if shift == 0 else error()

    def key_error():
        raise KeyError("x")

    assert "refused with ValueError; the answer accepted" in verdict(root, refuses(lambda: 3)).message
    assert "refused with ValueError, not with KeyError" in verdict(root, refuses(key_error)).message


def test_an_error_of_the_answer_is_named(root):
    found = verdict(root, lambda values, shift: values.no_such_thing)
    assert found.status is Status.ERROR and "AttributeError" in found.message and "AttributeError" in found.got
    assert "wrap it in list" in verdict(root, lambda values, shift: iter(values)).message


def test_an_answer_that_changes_its_arguments_is_told_so(root):
    def in_place(values, shift):
        out = right(values, shift)
        values[:] = 0
        return out

    found = verdict(root, in_place)
    assert found.status is Status.WRONG and "changed its own arguments" in found.message


def test_without_the_published_parameters_properties_and_mistakes_decide(root, exercise):
    def always(values, shift):  # right where it can be, no matter what is refused
        return np.sqrt(np.abs(values + shift))

    root.properties.clear()
    assert verdict(root, right, expected=None).status is Status.ERROR  # nobody says that the input must be refused
    assert verdict(root, always, expected=None).status is Status.UNMARKED
    assert verdict(root, root.mistakes[1].wrong, expected=None).mistake == "no_shift"

    loose = exercise.question("loose", kind="value", points=1, asks="a number", hints=())
    loose.property("it is positive")(lambda value: value > 0)
    loose.mistake("Doubled.")(lambda n: 2.0 * n)
    assert verdict(loose, 5.0, expected=None).passed
    assert verdict(loose, 8.0, expected=None).mistakes
    assert "it is positive" in verdict(loose, -5.0, expected=None).message


def test_blank_and_out_of_bounds_are_verdicts_of_their_own(root):
    assert verdict(root, ...).status is Status.BLANK

    cell = {"np": np, "__name__": "__main__"}
    exec(compile("def f(values, shift):\n    return np.linalg.norm(values)", "<cell>", "exec"), cell)
    root.out_of_bounds = ("numpy.linalg.norm",)
    found = verdict(root, cell["f"])
    assert found.status is Status.OUT_OF_BOUNDS and found.points == 0 and "`numpy.linalg.norm`" in found.message
    forged = Observed("root", observe(root, right, P).outcomes, reached=("os.system",))
    assert judge(root, forged, P, observe(root, right, P)).passed  # only what the question rules out


@pytest.mark.parametrize("count", [0, 1, 3, 500])
def test_too_many_or_too_few_outcomes_pass_nothing(root, count):
    one = observe(root, right, P).outcomes[0]
    found = judge(root, Observed("root", (one,) * count), P, observe(root, right, P))
    assert found.status is Status.ERROR and "2 answers were due" in found.message


@pytest.mark.parametrize("value", [{"t": "new"}, [1], {"t": "array", "dtype": "<f8", "shape": [9**9], "data": ""}])
def test_what_cannot_be_decoded_passes_nothing(root, value):
    found = judge(root, Observed("root", (Outcome(value), Outcome(value))), P, observe(root, right, P))
    assert found.status is Status.ERROR and "cannot be read" in found.message


def test_a_property_that_raises_does_not_hold_and_one_that_asks_too_much_is_the_author_s_fault(exercise):
    question = exercise.question("q", kind="value", points=1, asks="a number", hints=(), compare=False)
    question.property("its root is real")(lambda value: math.sqrt(value) >= 0)
    assert "its root is real" in verdict(question, -1, expected=None).message
    question.property("it knows the moon")(lambda value, moon: True)
    with pytest.raises(AuthoringError, match="moon"):
        verdict(question, 1, expected=None)


def test_a_mistake_that_cannot_be_made_with_these_parameters_is_passed_over(exercise):
    question = exercise.question("q", kind="value", points=1, asks="a number", hints=())

    @question.mistake("Divided.")
    def divided(n):
        return 1 / (n - 4)

    @question.mistake("Doubled.")
    def doubled(n):
        return 2 * n

    assert verdict(question, 8, expected=4).message == "Doubled."


def test_a_list_does_not_pass_for_an_array(root):
    found = verdict(root, lambda values, shift: right(values, shift).tolist())
    assert found.message.startswith("Expected an array of shape (4,), got a list of 4 items.")


def test_an_estimator_is_judged_by_its_predictions(exercise):
    class Mean:
        def fit(self, X, y):
            self.mean = y.mean()

        def predict(self, X):
            return np.full(len(X), self.mean)

    class Zero(Mean):
        def fit(self, X, y):
            self.mean = 0.0

    question = exercise.question("mean", kind="estimator", points=1, asks="predictions", hints=())
    question.probes(lambda rng, n: iter([(rng.random((n, 2)), rng.random(n), rng.random((3, 2)))]))
    question.property("as many as rows")(lambda X, y, X_test, predicted: len(predicted) == len(X_test))
    question.mistake("It has learnt nothing.")(lambda: Zero)
    assert verdict(question, Mean(), expected=Mean).passed
    assert verdict(question, Zero, expected=Mean).message == "It has learnt nothing."


def test_a_figure_is_judged_by_what_it_shows(exercise):
    from matplotlib.figure import Figure

    def drawn(label):
        ax = Figure().subplots()
        ax.plot([1, 2], [3, 4])
        ax.set_xlabel(label)
        return ax.figure

    question = exercise.question("plot", kind="figure", points=1, asks="a figure", hints=())
    question.property("the horizontal axis names its unit")(lambda figure: "(min)" in figure["axes"][0]["xlabel"])
    question.mistake("The unit is missing.")(lambda: drawn("delay"))
    assert verdict(question, drawn("delay (min)"), expected=drawn("x")).passed
    assert verdict(question, drawn("delay"), expected=None).message == "The unit is missing."
    assert verdict(question, 5, expected=None).status is Status.WRONG


def test_prose_waits_for_a_person_and_may_be_too_short(exercise):
    question = exercise.question(
        "why", kind="prose", points=2, asks="a paragraph", hints=(), rubric=[("clear", 1), ("right", 1)], min_words=3
    )
    assert verdict(question, "Because it is.", expected=None).status is Status.UNMARKED
    assert "2 words" in verdict(question, "Because so", expected=None).message
    assert verdict(question, 5, expected=None).status is Status.ERROR
    assert verdict(question, " ", expected=None).status is Status.BLANK
    assert judge(question, Observed("why"), P, None).status is Status.ERROR
    assert judge(question, Observed("why", (Outcome(encode(3)),)), P, None).status is Status.ERROR
