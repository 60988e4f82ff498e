"""An author edits text, not JSON, and stores no output that another machine would contradict."""

from __future__ import annotations

import pytest

from coursework import author
from coursework import notebook as nb
from coursework.model import AuthoringError


def test_text_and_back_keeps_ids_tags_and_outputs(course):
    path = course.solution("demo/stats")
    before = path.read_bytes()
    text = author.as_text(nb.read(path))
    assert 'tags=["answer"]' in text and "google.colab" not in text
    assert not author.from_text(course, path, text)
    assert path.read_bytes() == before


def test_a_changed_cell_keeps_its_id_and_loses_its_output(course):
    path = course.lesson("demo/stats")
    before, text = path.read_bytes(), author.as_text(nb.read(path))
    try:
        old = nb.read(path)
        assert author.from_text(course, path, text.replace("6 * 7", "6 * 8") + "\n# %%\nnew = 1\n")
        new = nb.read(path)
        assert [cell.id for cell in new.cells[: len(old.cells)]] == [cell.id for cell in old.cells]
        assert old.cells[2].outputs and not new.cells[2].outputs and new.cells[2].execution_count is None
    finally:
        path.write_bytes(before)


def test_a_notebook_outside_the_course_or_without_cells_is_refused(course, tmp_path):
    with pytest.raises(AuthoringError, match="outside the course"):
        author.from_text(course, tmp_path / "x.ipynb", "# %%\nx = 1\n")
    with pytest.raises(AuthoringError, match="place is notebooks/ or solutions/"):
        author.from_text(course, course.root / "book" / "x.ipynb", "# %%\nx = 1\n")
    with pytest.raises(AuthoringError, match="an exercise is derived"):
        author.run_notebook(course, course.exercise("demo/stats"))


def test_the_editor_s_text_is_taken_and_kept_where_it_fails(course, monkeypatch):
    path = course.root / "notebooks" / "demo" / "edited.ipynb"
    author.from_text(course, path, "# %%\nx = 1\n")
    monkeypatch.delenv("VISUAL", raising=False)
    monkeypatch.delenv("EDITOR", raising=False)
    with pytest.raises(AuthoringError, match="no editor is set"):
        author.edit(course, path)
    monkeypatch.setenv("EDITOR", "true")
    assert not author.edit(course, path)
    monkeypatch.setenv("EDITOR", "sed -i s/x/y/")
    assert author.edit(course, path) and nb.read(path).cells[-1].source == "y = 1"
    monkeypatch.setenv("EDITOR", "false")
    with pytest.raises(AuthoringError, match="your text is kept in"):
        author.edit(course, path)
    path.unlink()


def test_format_changes_once(course):
    path = course.root / "notebooks" / "demo" / "rough.ipynb"
    path.write_text('{"cells": [{"cell_type": "code", "source": "x = 1   ", "metadata": {"collapsed": true}}]}')
    assert author.format_notebook(course, path, write=False) and "collapsed" in path.read_text()
    assert author.format_notebook(course, path) and not author.format_notebook(course, path)
    path.unlink()


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("1 / 0", "a cell raises ZeroDivisionError"),
        ("import sys\nprint('careful', file=sys.stderr)", "writes to standard error: careful"),
        ("object()", "differs from run to run"),
    ],
)
def test_a_run_that_cannot_be_repeated_elsewhere_is_not_stored(course, source, says):
    path = course.root / "notebooks" / "demo" / "unrepeatable.ipynb"
    author.from_text(course, path, f"# %%\n{source}\n")
    before = path.read_bytes()
    with pytest.raises(AuthoringError, match=says):
        author.run_notebook(course, path)
    assert path.read_bytes() == before
    path.unlink()
