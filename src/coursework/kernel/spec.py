"""The kernelspecs: what they say, and how they are put where Jupyter looks for them."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

from coursework.kernel import SANDBOX, WARM

SPECS = {
    WARM: ("Python (course)", "coursework-warm"),
    SANDBOX: ("Python (course, isolated)", "coursework-sandbox"),
}


def kernelspec(name: str) -> dict:
    display_name, provisioner = SPECS[name]
    return {
        # The command is an ordinary kernel's: what runs where there is no forking.
        "argv": [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"],
        "display_name": display_name,
        "language": "python",
        "interrupt_mode": "signal",
        "metadata": {"debugger": name == WARM, "kernel_provisioner": {"provisioner_name": provisioner}},
    }


def folder_of(name: str, prefix: Path | None = None) -> Path:
    return Path(prefix or sys.prefix) / "share" / "jupyter" / "kernels" / name


def installed(prefix: Path | None = None) -> bool:
    """Whether both kernelspecs are there and up to date."""
    try:
        return all(_says(json.loads((folder_of(n, prefix) / "kernel.json").read_text()), kernelspec(n)) for n in SPECS)
    except (OSError, ValueError, LookupError, TypeError):
        return False


def _says(stored: dict, wanted: dict) -> bool:
    """Whether both are the same, by whichever of its names (python, python3.11) each calls the interpreter."""
    (python, *stored_rest), (own, *rest) = stored["argv"], wanted["argv"]
    same = os.path.dirname(python) == os.path.dirname(own) and os.path.samefile(python, own)
    return same and {**stored, "argv": stored_rest} == {**wanted, "argv": rest}


def install(prefix: Path | None = None) -> list[Path]:
    """Write the kernelspecs into the Python environment (or another prefix); the folders written.

    Raises:
        OSError: the environment cannot be written to.
    """
    folders = []
    for name in SPECS:
        folder = folder_of(name, prefix)
        folder.mkdir(parents=True, exist_ok=True)
        written = folder / f"kernel.json.{os.getpid()}"  # another process may be reading the one that is there
        written.write_text(json.dumps(kernelspec(name), indent=1) + "\n", encoding="utf-8")
        written.replace(folder / "kernel.json")
        folders.append(folder)
    return folders
