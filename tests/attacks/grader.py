"""The grader's side of one attack: reads a notebook, runs it as a submission, prints what came back. Not a test."""

from __future__ import annotations

import json
import re
import sys
import time
from pathlib import Path

import nbformat
from papermill.engines import papermill_engines

from coursework.engine import CourseworkEngine


def main() -> None:
    asked = json.load(sys.stdin)
    papermill_engines.register("coursework", CourseworkEngine)
    notebook = nbformat.reads(asked["notebook"], as_version=4)
    notebook.metadata["papermill"] = {}
    for cell in notebook.cells:
        cell.metadata.setdefault("tags", [])
    started = time.monotonic()
    executed = papermill_engines.execute_notebook_with_engine(
        "coursework",
        notebook,
        kernel_name=asked["kernel"],
        progress_bar=False,
        execution_timeout=asked["timeout"],
        limits=asked["limits"],
    )
    seconds = time.monotonic() - started
    # Of this process alone: what getrusage says includes the peak of the test runner that started it.
    peak = int(re.search(r"VmHWM:\s*(\d+) kB", Path("/proc/self/status").read_text())[1]) // 1024  # MB
    said = [
        "".join(output.get("text", "")) or f"{output.get('ename')}: {output.get('evalue')}\n"
        for output in executed.cells[1].outputs
        if output.output_type in ("stream", "error")
    ]
    assert "still here\n" in [output.get("text") for output in executed.cells[2].outputs], "the batch stopped"
    about = executed.metadata["coursework"]
    why = next(iter(about["why"].values()), "")
    found = {"said": "".join(said), "stopped": about["stopped"], "why": why, "peak": peak, "seconds": seconds}
    print(json.dumps(found))


if __name__ == "__main__":
    main()
