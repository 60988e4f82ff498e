"""Reading whatever is called a notebook, the normal form, stubs, and a submission set into its exercise."""

from __future__ import annotations

import json
import os

import nbformat
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coursework import notebook as nb


def code(source, *tags, id=None):
    return nbformat.v4.new_code_cell(
        source, metadata={"tags": list(tags)} if tags else {}, **({"id": id} if id else {})
    )


def text(source, *tags):
    return nbformat.v4.new_markdown_cell(source, metadata={"tags": list(tags)} if tags else {})


def book(*cells):
    return nbformat.v4.new_notebook(cells=list(cells))


# ------------------------------------------------------------------------------------------------ reading


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "empty"),
        (b"  \n", "empty"),
        (b"%PDF-1.4 \xff\xfe", "not UTF-8"),
        (b"print('hello')", "not valid JSON (line 1)"),
        (b"[1, 2]", "no list of cells"),
        (b'{"cells": 5}', "no list of cells"),
        (b'{"cells": [' + b'{"cell_type": "code"},' * 2001 + b"{}]}", "more than 2,000 cells"),
        (b'{"cells": [], "metadata": {"a": ' + b"1" * 5000 + b"}}", "not valid JSON"),
        (b'{"cells": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", "not valid JSON"),
        (b'{"cells": [], "metadata": {"a": ' + b'{"a": ' * 700 + b"1" + b"}" * 700 + b"}}", "nested too deeply"),
    ],
)
def test_what_is_no_notebook_is_refused_in_words(tmp_path, content, says):
    path = tmp_path / "x.ipynb"
    path.write_bytes(content)
    with pytest.raises(nb.NotebookError) as refused:
        nb.read(path)
    assert says in str(refused.value)


def test_missing_folders_pipes_and_giants_are_refused(tmp_path):
    with pytest.raises(nb.NotebookError, match="no such file"):
        nb.read(tmp_path / "nowhere.ipynb")
    with pytest.raises(nb.NotebookError, match="not a regular file"):
        nb.read(tmp_path)
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe.ipynb")
        with pytest.raises(nb.NotebookError, match="not a regular file"):
            nb.read(tmp_path / "pipe.ipynb")
    with (tmp_path / "giant.ipynb").open("wb") as file:
        file.truncate(nb.MAX_BYTES + 1)
    with pytest.raises(nb.NotebookError, match="larger than 20 MB"):
        nb.read(tmp_path / "giant.ipynb")


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
cells = st.fixed_dictionaries(
    {},
    optional={
        "cell_type": st.sampled_from(["code", "markdown", "raw", "heading"]) | json_values,
        "source": st.text(max_size=30) | st.lists(st.text(max_size=9), max_size=3) | json_values,
        "metadata": st.fixed_dictionaries({"tags": json_values | st.lists(st.text(max_size=5))}) | json_values,
        "id": st.text(max_size=9) | json_values,
        "outputs": json_values | st.lists(json_values, max_size=2),
        "execution_count": json_values,
    },
)


@settings(deadline=None, max_examples=100)
@given(st.lists(cells | json_values, max_size=4), json_values)
def test_anything_with_a_list_of_cells_is_read_and_can_be_normalised_and_spliced(found, metadata):
    notebook = nb.parse(json.dumps({"cells": found, "metadata": metadata}))
    nb.splice(PRISTINE, notebook)
    nb.normalise(notebook)
    nb.text_of(notebook).encode()


def test_half_a_surrogate_pair_does_not_get_in():
    notebook = nb.parse('{"cells": [{"cell_type": "code", "source": "x = \'\\ud800\'"}]}')
    assert notebook.cells[0].source.encode()


# ---------------------------------------------------------------------------------- normal form and stubs


@settings(deadline=None, max_examples=60)
@given(st.lists(st.tuples(st.sampled_from(["code", "markdown"]), st.text(" \n\tab#=1\x0c\u2028", max_size=12))))
def test_the_normal_form_is_reached_in_one_step(sources):
    notebook = book(*(code(s) if kind == "code" else text(s) for kind, s in sources))
    once = nb.text_of(nb.normalise(notebook, colab="%pip install x", about={"role": "lesson"}))
    again = nb.normalise(nb.parse(once), colab="%pip install x", about={"role": "lesson"})
    assert nb.text_of(again) == once
    ids = [cell.id for cell in again.cells]
    assert len(set(ids)) == len(ids)
    nbformat.validate(again)


def test_the_normal_form_drops_what_differs_between_machines_and_keeps_ids():
    notebook = book(text("# T  \n"), code("x = 1\n\n", "b", "a", id="stable-1"), code("   "))
    notebook.cells[1].metadata["execution"] = {"iopub.execute_input": "2026-11-22"}
    notebook.metadata["kernelspec"] = {"name": "my-env", "display_name": "mine"}
    nb.normalise(notebook)
    assert [cell.source for cell in notebook.cells] == ["# T", "x = 1"]
    assert notebook.cells[1].id == "stable-1" and notebook.cells[1].metadata == {"tags": ["a", "b"]}
    assert notebook.metadata.kernelspec.name == "python3" and "2026" not in nb.text_of(notebook)
    notebook.cells[1].source = "x = 2"
    assert nb.normalise(notebook).cells[1].id == "stable-1"


def test_a_stub_keeps_what_stands_around_the_answer():
    source = 'def f(x):\n    """Doc."""\n    ### BEGIN SOLUTION\n    return 2 * x\n    ### END SOLUTION\n\n# after'
    assert nb.stub(source) == 'def f(x):\n    """Doc."""\n    ...  # your code here\n\n# after'
    value = "cost = ...\n### BEGIN SOLUTION\ncost = 3\n### END SOLUTION"
    assert nb.stub(value) == "cost = ...\n# your code here"
    assert nb.solution_lines(source) == ["return 2 * x"]


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("### BEGIN SOLUTION\nx", "without ### END"),
        ("x\n### END SOLUTION", "without ### BEGIN"),
        ("### BEGIN SOLUTION\n### BEGIN SOLUTION\n### END SOLUTION", "twice"),
    ],
)
def test_markers_that_do_not_pair_are_refused(source, says):
    with pytest.raises(nb.NotebookError, match=says):
        nb.stub(source)


@pytest.mark.parametrize(
    ("notebook", "says"),
    [
        (book(code("check(name, f)", "check")), "must hold check"),
        (book(code('check("f", f)', "check"), code('check("f", f)', "check")), "two check cells"),
        (book(code("f = 1", "answer")), "no check cell"),
    ],
)
def test_questions_that_cannot_be_told_apart_are_refused(notebook, says):
    with pytest.raises(nb.NotebookError, match=says):
        nb.parts(notebook)


def test_a_parameters_cell_holds_literals_only():
    assert nb.parameters(book(code("a = 1  # x\nb = -2.5\nc = 'x'", "parameters"))) == {"a": 1, "b": -2.5, "c": "x"}
    for bad in ("a = f()", "a, b = 1, 2", "import os", "a ="):
        with pytest.raises(nb.NotebookError, match="nothing but"):
            nb.parameters(book(code(bad, "parameters")))
    with pytest.raises(nb.NotebookError, match="no cell is tagged"):
        nb.parameters(book(code("a = 1")))


def test_a_notebook_is_written_whole_and_only_when_it_changes(tmp_path):
    path = tmp_path / "a" / "b.ipynb"
    notebook = nb.normalise(book(text("# é")))
    assert nb.write(path, notebook) and not nb.write(path, notebook)
    assert [p.name for p in path.parent.iterdir()] == ["b.ipynb"]
    assert nb.read(path).cells[0].source == "# é"


# ------------------------------------------------------------------------------------------------- splicing

PRISTINE = nb.normalise(
    book(
        text("# Exercise"),
        code("n = 40  # rows", "parameters"),
        code("import numpy as np\nfrom tiny import exercise\ncheck = exercise.check(n=n)\nvalues = np.arange(n)"),
        text("## 1"),
        code("def first(x):\n    ...  # your code here", "answer"),
        code('check("first", first)', "check"),
        text("## 2"),
        code("second = ...\n# your code here", "answer"),
        code('check("second", second)', "check"),
        code("def third(x):\n    ...  # your code here", "answer"),
        code('check("third", third)', "check"),
    )
)
FIRST, SECOND, THIRD = "def first(x):\n    return helper(x)", "second = 2", "def third(x):\n    return 3"


def submitted():
    copy = nb.parse(nb.text_of(PRISTINE))
    for i, source in ((4, FIRST), (7, SECOND), (9, THIRD)):
        copy.cells[i].source = source
    return copy


def runs(notebook) -> list[str]:
    """What the spliced notebook runs, in order."""
    return [cell.source for cell in nb.splice(PRISTINE, notebook).notebook.cells if cell.cell_type == "code"]


PLAIN = runs(submitted())


def stripped(notebook):
    for cell in notebook.cells:
        cell.metadata = nbformat.from_dict({})
        cell.pop("id", None)
    return notebook


def test_the_answers_stand_in_their_places():
    spliced = nb.splice(PRISTINE, submitted())
    assert spliced.sources == {"first": (FIRST,), "second": (SECOND,), "third": (THIRD,)}
    assert spliced.extras == () and spliced.repairs == ()
    assert [PLAIN[i] for i in (2, 4, 6)] == [FIRST, SECOND, THIRD]


def test_stripped_metadata_moved_cells_and_markdown_change_nothing():
    assert runs(stripped(submitted())) == PLAIN
    moved = submitted()
    moved.cells.append(moved.cells.pop(4))
    assert runs(moved) == PLAIN and "moved" in nb.splice(PRISTINE, moved).repairs[0]
    moved = stripped(submitted())
    moved.cells.insert(0, moved.cells.pop(9))
    assert runs(moved) == PLAIN
    without_text = submitted()
    without_text.cells = [cell for cell in without_text.cells if cell.cell_type == "code"]
    assert runs(without_text) == PLAIN


def test_edited_and_deleted_check_and_parameter_cells_are_ours_again():
    edited = submitted()
    edited.cells[1].source = "n = 3"
    edited.cells[5].source = 'check("first", lambda x: 1)\nprint("passed")'
    edited.cells[8].source = "pass"
    del edited.cells[10]
    assert runs(edited) == PLAIN
    bare = stripped(edited)
    bare.cells[5].source = 'check("first",  first)'
    assert [source for source in runs(bare) if source not in ("n = 3", "pass")] == PLAIN


def test_code_added_to_a_setup_cell_is_kept_and_the_cell_set_back():
    edited = submitted()
    edited.cells[2].source += "\nimport math\nn = 5\ncheck = print\ndef helper(x): return math.sqrt(x)\nprint(n)"
    ran = runs(edited)
    assert (
        ran[:2] == PLAIN[:2]
        and ran[2] == "import math\ndef helper(x):\n    return math.sqrt(x)"
        and ran[3:] == PLAIN[2:]
    )
    assert "code added" in nb.splice(PRISTINE, edited).repairs[0]


def test_a_missing_answer_is_told_and_leaves_the_others():
    gone = submitted()
    del gone.cells[7]
    spliced = nb.splice(PRISTINE, gone)
    assert spliced.sources["second"] == () and "second is missing" in spliced.repairs[0]
    assert runs(gone) == [source for source in PLAIN if source != SECOND]


def test_a_doubled_answer_runs_as_the_notebook_would():
    doubled = submitted()
    doubled.cells.insert(5, code("def first(x):\n    return 1"))
    assert nb.splice(PRISTINE, doubled).sources["first"] == (FIRST, "def first(x):\n    return 1")
    assert "more than once" in nb.splice(PRISTINE, doubled).repairs[0]


def test_an_answer_s_name_used_again_after_its_check_does_not_change_the_answer():
    scribbled = submitted()
    scribbled.cells.append(code("second = 'something else'"))
    assert nb.splice(PRISTINE, scribbled).sources["second"] == (SECOND,)
    assert runs(scribbled) == [*PLAIN, "second = 'something else'"]
    # Unless it was checked once more, or there was no answer before.
    scribbled.cells.append(code('check("second", second)'))
    assert nb.splice(PRISTINE, scribbled).sources["second"] == (SECOND, "second = 'something else'")
    late = submitted()
    late.cells[7].source = PRISTINE.cells[7].source
    late.cells.append(code(SECOND))
    assert nb.splice(PRISTINE, late).sources["second"][-1] == SECOND


def test_helpers_keep_their_place_even_where_answers_were_moved():
    helped = submitted()
    helped.cells.insert(3, code("def helper(x): return x"))
    assert runs(helped) == [*PLAIN[:2], "def helper(x): return x", *PLAIN[2:]]
    helped.cells.insert(1, helped.cells.pop(10))  # the third answer above everything
    assert runs(helped) == [*PLAIN[:2], "def helper(x): return x", *PLAIN[2:]]
    early = submitted()
    early.cells.insert(0, code("def helper(x): return x"))  # it may need the setup: never above it
    assert runs(early) == [*PLAIN[:2], "def helper(x): return x", *PLAIN[2:]]


@pytest.mark.parametrize(
    "source",
    [
        "def first(x)\n    return 1",
        "def first(x):\n    return '" + "\x00",
        "def first(x):\n  return " + "-" * 50_000 + "1",
    ],
)
def test_an_answer_that_does_not_parse_is_still_that_answer(source):
    broken = stripped(submitted())
    broken.cells[4].source = source
    assert nb.splice(PRISTINE, broken).sources["first"] == (source,)
    assert runs(broken)[3:] == PLAIN[3:]


def test_a_notebook_of_something_else_answers_nothing():
    spliced = nb.splice(PRISTINE, book(text("# Notes"), code("print(1)")))
    assert set(spliced.sources.values()) == {()} and spliced.extras == ("print(1)",)
