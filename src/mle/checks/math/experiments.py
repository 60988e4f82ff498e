"""Checks of the exercise math/experiments: Experiments."""

import numpy as np

from coursework import Exercise, Integer

exercise = Exercise(
    "math/experiments",
    title="Experiments",
    minutes=20,
    parameters=[Integer("seed", 0, 2**31 - 1), Integer("n", 10, 200)],
)

average = exercise.question(
    "average",
    kind="function",
    points=1,
    skills=["statistics"],
    call="average(values)",
    asks="a number",
    hints=(
        "What would everybody get if the total were shared evenly?",
        "Add the values up, then divide.",
        "The divisor is the number of values, len(values).",
    ),
    out_of_bounds=("numpy.mean",),
)


@average.probes
def _(rng, n):
    yield rng.gamma(2.0, 30.0, size=n)
    yield np.array([1.0, 2.0, 9.0])


@average.property("the average lies between the smallest and the largest value")
def _(values, output):
    return values.min() <= output <= values.max()


@average.mistake("This is the total: it still has to be shared among the values.")
def total(values):
    return float(values.sum())


@average.mistake("This is the median: the value in the middle, not the one that shares the total evenly.")
def median(values):
    return float(np.median(values))


@average.mistake("The divisor is one too small: n - 1 belongs to the sample variance, not to the mean.")
def one_less(values):
    return float(values.sum() / (len(values) - 1))
