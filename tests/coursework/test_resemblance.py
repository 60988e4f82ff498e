"""The same code under other names is seen; what anybody might have written is not."""

from __future__ import annotations

import pytest

from coursework.gradebook import Gradebook, Graded
from coursework.model import Status, Verdict
from coursework.resemblance import shape, stream

STUB = 'def merge(left, right):\n    """Two sorted lists as one."""\n    ...  # your code here'
ANSWER = '''def merge(left, right):
    """Two sorted lists as one."""
    i = j = 0
    out = []
    while i < len(left) and j < len(right):
        if right[j] < left[i]:
            out.append(right[j])
            j += 1
        else:
            out.append(left[i])
            i += 1
    out.extend(left[i:])
    out.extend(right[j:])
    return out'''
RENAMED = '''# my own work!
def merge(a, b):
    """Mine."""
    p = q = 0   # places

    result = []
    while p < len(a) and q < len(b):
        if b[q] < a[p]:
            result.append(b[q]); q += 1
        else:
            result.append(a[p])
            p += 1
    result.extend(a[p:])
    result.extend(b[q:])
    return result'''


def test_names_comments_texts_and_layout_make_no_difference():
    renamed = RENAMED.replace("; q += 1", "\n            q += 1")
    assert shape([ANSWER], [STUB]) == shape([renamed], [STUB]) != ""


@pytest.mark.parametrize(
    ("old", "new"),
    [("right[j] < left[i]", "right[j] <= left[i]"), ("j = 0", "j = 1"), ("extend(", "update("),
     ("len(", "sum("), ("    out = []\n", ""), ("out.extend(left[i:])", "left.extend(out[i:])")],
)  # fmt: skip
def test_another_operator_number_method_builtin_line_or_role_of_a_name_makes_one(old, new):
    changed = ANSWER.replace(old, new)
    assert changed != ANSWER and shape([changed], [STUB]) != shape([ANSWER], [STUB])


def test_the_stub_the_reference_and_what_is_short_have_no_shape():
    assert shape([STUB], [STUB]) == "" and shape([STUB.replace("left", "a")], [STUB]) == ""
    assert shape([ANSWER], [STUB], {stream([ANSWER])}) == ""
    assert shape([RENAMED.replace("; q += 1", "\n            q += 1")], [STUB], {stream([ANSWER])}) == ""
    assert shape(["def merge(left, right):\n    return sorted(left + right)"], [STUB]) == ""


@pytest.mark.parametrize("text", ["def (", "x = '", '"""', "  a\n b", "\x00", "%time 1 +", "é" * 500, "(" * 900])
def test_what_is_no_python_has_no_shape_and_raises_nothing(text):
    assert shape([text], [STUB]) == ""


def kept(book: Gradebook, student: str, shapes: dict[str, str], attempt: str = "") -> None:
    verdicts = tuple(Verdict(q, Status.PASSED, 1.0, 1.0) for q in ("a", "b"))
    graded = Graded(student, "x/y", "f", "graded", verdicts, attempt=attempt, at=float(len(attempt)))
    book.keep(f"{student}{attempt}", graded, {}, shapes)


def flags(book: Gradebook) -> dict[str, tuple[str, ...]]:
    return {one.student: one.flags for one in book.current()}


def test_who_has_the_same_is_named_question_by_question(tmp_path):
    with Gradebook(tmp_path / "book.sqlite") as book:
        kept(book, "ann", {"a": "1", "b": "2"})
        kept(book, "bea", {"a": "1", "b": "3"})
        kept(book, "cem", {"a": "2", "b": ""})  # the same as Ann's, but of another question
        kept(book, "dan", {"a": "", "b": ""})
        assert flags(book) == {
            "ann": ("a: the same code, names aside, as bea",),
            "bea": ("a: the same code, names aside, as ann",),
            "cem": (),
            "dan": (),
        }
        kept(book, "bea", {"a": "9", "b": "9"})
        assert set(flags(book).values()) == {()}


def test_two_attempts_of_one_student_are_not_each_others_copies(tmp_path):
    with Gradebook(tmp_path / "book.sqlite") as book:
        kept(book, "ann", {"a": "1"}, "1")
        kept(book, "ann", {"a": "1"}, "22")
        assert flags(book) == {"ann": ()}


def test_what_half_the_class_writes_says_nothing_of_anybody(tmp_path):
    with Gradebook(tmp_path / "book.sqlite") as book:
        for i in range(6):
            kept(book, f"s{i}", {"a": "1", "b": str(i // 5)})
        assert flags(book)["s0"] == ("b: the same code, names aside, as s1, s2, s3, s4",)
        assert flags(book)["s5"] == ()
