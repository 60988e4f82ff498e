"""Run an author's own notebooks cell by cell in one plain process, many parameter sets in a row, network off.

For release and gate, which run the same trusted notebook dozens of times; submissions never come here.
As a module it is the child process: jobs on standard input, observations on standard output, both JSON.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from attrs import frozen

from coursework.model import AuthoringError, Observed
from coursework.notebook import NotebookNode, parameters_cell

TIMEOUT = 600


@frozen
class Replayed:
    """What one run of a notebook gave."""

    observed: dict[str, Observed]
    #: (cell index, "ErrorType: message") of every cell that raised
    errors: tuple[tuple[int, str], ...]
    stderr: str


def job(notebook: NotebookNode, parameters: Mapping[str, Any], replaced: Mapping[int, str] | None = None) -> dict:
    """A run of `notebook` with `parameters`, some cells' sources replaced."""
    cells = []
    injected = parameters_cell(notebook)
    for i, cell in enumerate(notebook.cells):
        if cell.cell_type != "code":
            continue
        cells.append([i, (replaced or {}).get(i, cell.source)])
        if i == injected:
            cells.append([i, "\n".join(f"{name} = {value!r}" for name, value in parameters.items())])
    return {"cells": cells}


def replay(jobs: Sequence[dict], folder: Path) -> list[Replayed]:
    """Run the jobs one after the other in a child process whose current folder is `folder`.

    Raises:
        AuthoringError: the child died or took too long; the message holds its last words.
    """
    environment = {**os.environ, "COURSEWORK_ENGINE": "1", "MPLBACKEND": "Agg", "PYTHONHASHSEED": "0"}
    try:
        with tempfile.TemporaryDirectory() as scratch:
            done = subprocess.run(
                [sys.executable, "-m", "coursework.replay", str(os.getpid())],
                input=json.dumps(list(jobs)),
                capture_output=True,
                text=True,
                cwd=folder,
                timeout=TIMEOUT,
                env={**environment, "IPYTHONDIR": scratch},
            )
    except subprocess.TimeoutExpired:
        raise AuthoringError(f"{len(jobs)} runs of the notebook took more than {TIMEOUT} s together") from None
    if done.returncode:
        raise AuthoringError(
            f"running the notebook ended its process ({done.returncode}): {done.stderr[-500:].strip()}"
        )
    return [
        Replayed(
            {name: Observed.from_json(data) for name, data in run["observed"].items()},
            tuple((i, text) for i, text in run["errors"]),
            run["stderr"],
        )
        for run in json.loads(done.stdout)
    ]


def end_with(parent: int) -> None:
    """End this process when its parent ends, in whatever way, where the system can do that."""
    if sys.platform == "linux":
        import signal

        from coursework.kernel import linux

        linux.prctl(linux.PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            raise SystemExit(1)


def cut_network() -> str:
    """Take this process's network away; says how. Where the kernel refuses, sockets are made to refuse instead."""
    import ctypes

    CLONE_NEWUSER, CLONE_NEWNET = 0x10000000, 0x40000000
    try:
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.unshare(CLONE_NEWNET) == 0 or libc.unshare(CLONE_NEWUSER | CLONE_NEWNET) == 0:
            return "namespace"
    except (OSError, AttributeError):
        pass
    import socket

    def refuse(*_: object, **__: object) -> None:
        raise OSError("the network is off while an exercise is tried")

    socket.socket.connect = socket.socket.connect_ex = refuse  # type: ignore[method-assign]
    socket.getaddrinfo = refuse  # type: ignore[assignment]
    return "refused"


def _child() -> None:
    import contextlib
    import io
    import warnings

    end_with(int(sys.argv[1]))
    answer = os.dup(1)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    jobs = json.load(sys.stdin)
    cut_network()

    from IPython.core.interactiveshell import InteractiveShell

    from coursework.check import OBSERVED_MIME

    shell = InteractiveShell.instance(colors="nocolor")
    shell.history_manager.enabled = False
    shell.showtraceback = lambda *a, **k: None  # type: ignore[method-assign]
    shell.showsyntaxerror = lambda *a, **k: None  # type: ignore[method-assign]
    bundles: list[dict] = []
    shell.display_pub.publish = lambda data, *a, **k: bundles.append(data)  # type: ignore[method-assign]

    results = []
    for one in jobs:
        shell.reset(new_session=True)
        bundles.clear()
        errors, words = [], io.StringIO()
        with warnings.catch_warnings():  # one run's filters do not reach the next, and each warns anew
            for i, source in one["cells"]:
                with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(words):
                    result = shell.run_cell(source, store_history=False)
                error = result.error_before_exec or result.error_in_exec
                if error is not None:
                    errors.append([i, f"{type(error).__name__}: {error}"])
        if "matplotlib.pyplot" in sys.modules:
            sys.modules["matplotlib.pyplot"].close("all")
        observed = {b[OBSERVED_MIME]["question"]: b[OBSERVED_MIME] for b in bundles if OBSERVED_MIME in b}
        results.append({"observed": observed, "errors": errors, "stderr": words.getvalue()})
    with os.fdopen(answer, "w", encoding="utf-8") as stream:
        json.dump(results, stream)


if __name__ == "__main__":
    _child()
