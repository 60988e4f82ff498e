"""A tiny course in a temporary folder, whose chapters the tests write, release, gate and grade."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tiny_course import CHECKS, PYPROJECT, SOLUTION, write_chapter

from coursework import Exercise, Integer, Real
from coursework.project import Project


@pytest.fixture(scope="session")
def course(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """A course with one chapter, demo/stats, released and run."""
    root = tmp_path_factory.mktemp("course")
    (root / "pyproject.toml").write_text(PYPROJECT)
    package = root / "src" / "tiny" / "checks"
    package.mkdir(parents=True)
    for folder in (package, package.parent):
        (folder / "__init__.py").touch()
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(root / "src")
        patch.setenv("PYTHONPATH", str(root / "src"), prepend=os.pathsep)
        project = Project.find(root)
        write_chapter(project, "demo/stats", CHECKS, SOLUTION, run=True)
        yield project
    for name in [name for name in sys.modules if name.partition(".")[0] == "tiny"]:
        del sys.modules[name]


@pytest.fixture(autouse=True)
def own_record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """No test writes into the record of the person who runs it."""
    monkeypatch.setenv("COURSEWORK_DATA", str(tmp_path / "record"))
    monkeypatch.delenv("COURSEWORK_ENGINE", raising=False)
    return tmp_path / "record"


@pytest.fixture
def exercise() -> Exercise:
    """An exercise without questions, for a test to add its own."""
    return Exercise("part/slug", title="T", minutes=1, parameters=[Integer("n", 1, 100), Real("x", 0, 1)])
