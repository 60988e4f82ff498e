"""The text of a tiny course: one chapter of three questions, and a way to write more."""

from __future__ import annotations

from coursework.author import from_text, run_notebook
from coursework.project import Project
from coursework.release import release

PYPROJECT = """
[project]
name = "tiny"
[project.urls]
Repository = "https://example.org/tiny"
[tool.coursework]
checks = "tiny.checks"
"""

CHECKS = '''
"""Three questions about a few numbers."""
import numpy as np
from coursework import Exercise, Integer

exercise = Exercise("demo/stats", title="A few <numbers>", minutes=5, parameters=[
    Integer("seed", 0, 2**31 - 1), Integer("n", 10, 200)])
HINTS = ("a nudge", "a direction", "nearly <b>the</b> answer")


def data(seed, n):
    return np.random.default_rng(seed).gamma(2.0, 30.0, size=n)


average = exercise.question("average", kind="function", points=2, call="average(values)", asks="a number",
    objectives=[1], hints=HINTS, out_of_bounds=("numpy.mean",))


@average.probes
def _(rng, n):
    yield rng.gamma(2.0, 30.0, size=n)
    yield np.array([1.0, 2.0, 9.0])


@average.property("the average lies between the smallest and the largest value")
def _(values, output):
    return values.min() <= output <= values.max()


@average.mistake("This is the total: it still has to be shared.", credit=0.25)
def total_only(values):
    return float(values.sum())


@average.mistake("This is the value in the middle.")
def median(values):
    return float(np.median(values))


@average.mistake("The divisor is one too small.")
def one_less(values):
    return float(values.sum() / (len(values) - 1))


total = exercise.question("total", kind="value", points=1, asks="a number", hints=HINTS)


@total.property("it is positive")
def _(value):
    return value > 0


@total.mistake("This is the mean.")
def mean_for_total(seed, n):
    return float(data(seed, n).mean())


@total.mistake("One value too few.")
def all_but_one(seed, n):
    return float(data(seed, n)[:-1].sum())


@total.mistake("The sign is wrong.")
def negative(seed, n):
    return -float(data(seed, n).sum())


ordered = exercise.question("ordered", kind="function", points=3, call="ordered(values)", asks="a list, smallest first",
    objectives=[2], hints=HINTS, out_of_bounds=("sorted", "list.sort"), compare=False)


@ordered.probes
def _(rng, n):
    yield rng.integers(0, 99, size=n).tolist()
    yield [3, 1, 2, 1]


@ordered.property("the values come out smallest first")
def _(values, output):
    return output == sorted(values)


@ordered.mistake("Largest first.")
def downwards(values):
    return sorted(values, reverse=True)


@ordered.mistake("Equal values are lost.")
def no_doubles(values):
    return sorted(set(values))


@ordered.mistake("Nothing has moved.")
def as_it_was(values):
    return list(values)
'''

SOLUTION = '''
# %% [markdown]
# # Exercise: a few numbers

# %% tags=["parameters"]
seed = 1  # seeds every draw
n = 40  # how many numbers, 10 to 200

# %%
import numpy as np

from tiny.checks.demo.stats import data, exercise

check = exercise.check(seed=seed, n=n)
values = data(seed, n)

# %% [markdown]
# ## 1. The average
#
# Write `average(values)`; `numpy.mean` is out of bounds.

# %% tags=["answer"]
def average(values):
    """The mean of an array."""
    ### BEGIN SOLUTION
    return float(values.sum() / len(values))
    ### END SOLUTION

# %% tags=["check"]
check("average", average)

# %% [markdown] tags=["solution-only"]
# The total divided by the number of values.
#
# Nothing more.

# %% [markdown]
# ## 2. The total

# %% tags=["answer"]
total = ...
### BEGIN SOLUTION
total = float(values.sum())
### END SOLUTION

# %% tags=["check"]
check("total", total)

# %% [markdown]
# ## 3. In order
#
# Neither `sorted` nor `list.sort`.

# %% tags=["answer"]
def ordered(values):
    ### BEGIN SOLUTION
    out = []
    for value in values:
        place = len(out)
        while place and out[place - 1] > value:
            place -= 1
        out.insert(place, value)
    return out
    ### END SOLUTION

# %% tags=["check"]
check("ordered", ordered)
'''

CHOICES = """
# <details><summary>{right}</summary>
#
# Yes: because that is how it is.
#
# </details>
# <details><summary>{wrong}</summary>
#
# No: because that is how it is not.
#
# </details>
#
"""
LESSON = (
    "# %% [markdown]\n# # A few numbers\n\n# %%\nprint(6 * 7)\n\n"
    "# %% [markdown]\n# ## What you will be able to do\n#\n# - Average numbers.\n# - Put numbers\n#   in order.\n\n"
    '# %% [markdown] tags=["quiz"]\n# ## Check yourself\n#'
    + "".join(f"\n# **{i}. Which?**\n#" + CHOICES.format(right="This", wrong="That") for i in (1, 2, 3))
)


def write_chapter(
    project: Project, id: str, checks: str, solution: str, lesson: str = LESSON, run: bool = False
) -> None:
    path = project.checks_file(id)
    path.parent.mkdir(parents=True, exist_ok=True)
    (path.parent / "__init__.py").touch()
    path.write_text(checks, encoding="utf-8")
    from_text(project, project.solution(id), solution)
    from_text(project, project.lesson(id), lesson)
    if run:
        release(project, id)
        run_notebook(project, project.solution(id))
        run_notebook(project, project.lesson(id))
