"""A grader to attack: its kernels one snippet at a time, or a whole class of attackers."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import textwrap
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import nbformat
import pytest
from attrs import frozen

from coursework.kernel import isolation, pool, spec

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "coursework"))

from tiny_course import CHECKS, PYPROJECT, SOLUTION, write_chapter  # noqa: E402

from coursework.project import Project  # noqa: E402


@pytest.fixture(scope="session", autouse=True)
def sandbox() -> Iterator[None]:
    """Fork servers of these tests' own. Where there is no sandbox, nothing here means anything: CI says so."""
    why = isolation.missing()
    if why and not os.environ.get("CI"):
        pytest.skip(f"not on this platform: {why}")
    assert not why, why
    if not spec.installed():
        spec.install()
    folder = tempfile.mkdtemp(prefix="cw", dir="/tmp")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(pool.RUNTIME_VARIABLE, folder)
        yield
        pool.servers("stop")
    shutil.rmtree(folder, ignore_errors=True)


@frozen
class Ran:
    """What came back from one cell."""

    said: str
    stopped: Mapping[str, str]
    why: str
    peak: int
    seconds: float

    def value(self) -> Any:
        """The last line that was printed, which the snippets write as JSON."""
        return json.loads(self.said.strip().splitlines()[-1])


Attack = Callable[..., Ran]


@pytest.fixture(scope="session")
def attack() -> Attack:
    """Run code in a kernel as the grader runs a submission's, in a process of its own whose memory is measured."""

    def run(code: str, sandbox: bool = True, timeout: int = 60, environment: Any = None, **limits: int) -> Ran:
        cells = [
            nbformat.v4.new_code_cell("n = 1  # a number", metadata={"tags": ["parameters"]}),
            nbformat.v4.new_code_cell(textwrap.dedent(code)),
            nbformat.v4.new_code_cell("print('still here')"),
        ]
        asked = {
            "notebook": nbformat.writes(nbformat.v4.new_notebook(cells=cells)),
            "kernel": "coursework-sandbox" if sandbox else "coursework",
            "timeout": timeout,
            "limits": limits,
        }
        done = subprocess.run(
            [sys.executable, HERE / "grader.py"],
            input=json.dumps(asked),
            capture_output=True,
            text=True,
            timeout=600,
            env={**os.environ, **(environment or {})},
        )
        assert done.returncode == 0, done.stderr[-2000:]
        return Ran(**json.loads(done.stdout.splitlines()[-1]))

    return run


@pytest.fixture(scope="session")
def prey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """A course to hand attacks in to; under another name than that of the other tests' course."""
    root = tmp_path_factory.mktemp("prey")
    (root / "pyproject.toml").write_text(PYPROJECT.replace("tiny", "prey"))
    package = root / "src" / "prey" / "checks"
    package.mkdir(parents=True)
    for folder in (package, package.parent):
        (folder / "__init__.py").touch()
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(root / "src")
        patch.setenv("PYTHONPATH", str(root / "src"), prepend=os.pathsep)
        project = Project.find(root)
        write_chapter(project, "demo/stats", CHECKS.replace("tiny", "prey"), SOLUTION.replace("tiny", "prey"), run=True)
        yield project
    for name in [name for name in sys.modules if name.partition(".")[0] == "prey"]:
        del sys.modules[name]
