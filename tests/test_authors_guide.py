"""The author's guide runs: its commands, as they stand on the page, make a chapter that passes the gate.

They are read from book/authors.md, and run in a copy of the checkout with nobody at an editor.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
OLD, NEW = "svd", "a_test_of_the_guide"  # the guide's own chapter stands already


def commands() -> list[list[str]]:
    """Every `.venv/bin/coursework ...` of the guide's blocks, in their order, with a chapter that is not there yet."""
    text = (ROOT / "book" / "authors.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```text\n(.*?)^```", text, re.M | re.S)
    lines = [line for block in blocks for line in block.splitlines() if line.startswith(".venv/bin/coursework ")]
    return [shlex.split(line.partition(" ")[2].replace(OLD, NEW)) for line in lines]


@pytest.mark.slow
def test_following_the_authors_guide_makes_a_chapter_that_passes_the_gate(checkout: Path, tmp_path: Path):
    checkout = Path(shutil.copytree(checkout, tmp_path / "course"))  # other tests use theirs as it is
    steps = commands()
    verbs = [step[0] for step in steps]
    assert verbs[0] == "new" and {"edit", "run", "format", "release", "gate", "catalogue"} <= set(verbs), verbs
    assert verbs.index("run") > verbs.index("edit") and verbs.index("gate") > verbs.index("release")

    def coursework(*words: str) -> str:
        variables = {**os.environ, "PYTHONPATH": str(checkout / "src"), "EDITOR": "true", "VISUAL": "true"}
        command = [sys.executable, "-m", "coursework.cli", *words]
        done = subprocess.run(command, cwd=checkout, env=variables, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, f"{' '.join(words)}: {done.stdout}{done.stderr}"
        return done.stdout

    said = {}
    for step in steps:
        if step[:2] == ["site", "--quick"]:
            continue  # tests/test_serve.py
        if step[0] == "edit" and "--text" in step:
            step, into = step[: step.index(">")], step[step.index(">") + 1]
            (checkout / into).write_text(coursework(*step), encoding="utf-8")
            text = (checkout / into).read_text(encoding="utf-8")
            assert "# %%" in text
            (checkout / into).write_text(text.replace("## Exercise", "## An exercise", 1), encoding="utf-8")
        else:
            said[step[0]] = coursework(*step)
    assert f"math/{NEW}: passes" in said["gate"]
    assert "An exercise" in (checkout / f"notebooks/math/{NEW}.ipynb").read_text(encoding="utf-8")
    assert f"notebooks/math/{NEW}" in (checkout / "_toc.yml").read_text(encoding="utf-8")


def test_what_the_guide_says_does_not_exist_does_not():
    """Where one of these is added to the site, the guide is to say so."""
    text = (ROOT / "book" / "authors.md").read_text(encoding="utf-8")
    config = (ROOT / "_config.yml").read_text(encoding="utf-8")
    for name in ("dropdown", "grid", "tab-set", "div"):
        assert f"`{{{name}}}`" in text
    assert "sphinx_design" not in config
