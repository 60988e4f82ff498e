"""A pool gives each student one set, the same one at every regrade, and says so where it cannot."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from attrs import evolve

from coursework import Exercise, Integer
from coursework.graded import GradingError
from coursework.hidden import Hidden, read_parameters

ID = "demo/stats"
KEY = "a secret of this course"
SETS = tuple({"seed": seed, "n": 40} for seed in range(8))
STUDENTS = [f"student{i}" for i in range(800)]


def written(path: Path, text: str) -> Path:
    (path / "private.yml").write_text(text, encoding="utf-8")
    return path / "private.yml"


def test_sets_without_a_pool_are_for_everybody():
    assert Hidden(SETS).of(ID, "ann") == tuple(range(8))


def test_a_pool_spreads_a_class_over_its_sets_and_says_the_same_each_time():
    pool = Hidden(SETS, KEY)
    chosen = {student: pool.of(ID, student) for student in STUDENTS}
    assert chosen == {student: Hidden(SETS, KEY).of(ID, student) for student in STUDENTS}
    counts = Counter(i for (i,) in chosen.values())
    assert set(counts) == set(range(8)) and max(counts.values()) < 140 and min(counts.values()) > 60


def test_who_gets_what_depends_on_key_exercise_and_student():
    def of(key: str, id: str) -> list:
        return [Hidden(SETS, key).of(id, student) for student in STUDENTS]

    assert of(KEY, ID) != of("another secret altogether", ID) != of(KEY, "demo/other") != of(KEY, ID)


def test_a_set_added_to_a_pool_moves_only_those_who_get_it():
    before, after = Hidden(SETS, KEY), Hidden((*SETS, {"seed": 99, "n": 40}), KEY)
    moved = [s for s in STUDENTS if before.of(ID, s) != after.of(ID, s)]
    assert {after.of(ID, s) for s in moved} == {(8,)} and 50 < len(moved) < 140


def test_a_set_taken_out_moves_only_those_who_had_it():
    before, after = Hidden(SETS, KEY), Hidden(SETS[1:], KEY)
    assert all(
        SETS[before.of(ID, s)[0]] == after.sets[after.of(ID, s)[0]] for s in STUDENTS if before.of(ID, s) != (0,)
    )


def test_a_pool_of_a_number_is_drawn_from_the_key_and_within_the_ranges():
    exercise = Exercise(ID, title="T", minutes=1, parameters=[Integer("seed", 0, 2**31 - 1), Integer("n", 10, 200)])
    drawn = Hidden((), KEY, 6).drawn(exercise)
    assert drawn == Hidden((), KEY, 6).drawn(exercise) and drawn.to_draw == 0
    assert len({str(one) for one in drawn}) == 6 and all(exercise.validate(one) == one for one in drawn)
    assert drawn != Hidden((), KEY + "!", 6).drawn(exercise)
    assert Hidden((), KEY, 7).drawn(exercise).sets[:6] == drawn.sets


def test_what_the_gradebook_keeps_comes_back():
    for hidden in (Hidden(SETS), Hidden(SETS, KEY)):
        assert Hidden.from_data(hidden.to_data()) == evolve(hidden, sets=tuple(dict(one) for one in hidden))


def test_a_file_may_hold_sets_pools_and_pools_to_draw(tmp_path):
    path = written(
        tmp_path, f"key: {KEY}\na/b: {{seed: 1, n: 50}}\nc/d: {{pool: [{{x: 5e8}}, {{x: 2}}]}}\ne/f: {{pool: 3}}\n"
    )
    found = read_parameters(path, ["a/b", "c/d", "e/f"])
    assert found["a/b"] == Hidden(({"seed": 1, "n": 50},))
    assert found["c/d"] == Hidden(({"x": 5e8}, {"x": 2}), KEY) and found["e/f"] == Hidden((), KEY, 3)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a/b: {pool: 3}", "a pool needs a key, such as the line `key: "),
        ("key: short\na/b: {pool: 3}", "key must be a text of 16 characters or more"),
        ("key: 12345678901234567890\na/b: {pool: 3}", "key must be a text"),
        (f"key: {KEY}\na/b: {{pool: 3, seed: 1}}", "a/b: a pool stands alone; seed beside it"),
        (f"key: {KEY}\na/b: {{pool: 0}}", "a pool holds 1 to 1000 sets, not 0"),
        (f"key: {KEY}\na/b: {{pool: true}}", "a/b: pool must have one mapping"),
        (f"key: {KEY}\na/b: {{pool: [3]}}", "a/b: pool must have one mapping"),
        (f"key: {KEY}\na/b: {{pool: [{{x: 1}}, {{x: 1}}]}}", "the pool holds the same set twice"),
    ],
)
def test_a_pool_that_cannot_be_used_is_refused_by_name(tmp_path, text, says):
    with pytest.raises(GradingError, match=r"private\.yml") as refused:
        read_parameters(written(tmp_path, text), ["a/b"])
    assert says in str(refused.value) and KEY not in str(refused.value)
