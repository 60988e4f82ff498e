"""The papermill engine `coursework`: runs on after a cell that fails, dies or loops, and records what was observed.

`papermill --engine coursework exercises/... out.ipynb -p seed 7` and `coursework grade` both run notebooks through it.
It judges nothing.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from typing import Any

import nbformat
from attrs import define, field
from nbclient.exceptions import CellTimeoutError, DeadKernelError
from nbformat import NotebookNode
from papermill.clientwrap import PapermillNotebookClient
from papermill.engines import Engine
from papermill.exceptions import PapermillException

from coursework import notebook as nb
from coursework.check import ENGINE_VARIABLE, OBSERVED_MIME
from coursework.kernel import kernel_config

CELL_TIMEOUT = 30
#: A kernel that died is started again at most this often in one notebook.
RESTARTS = 10


class RefusedParameters(PapermillException):
    """papermill was given a parameter that the exercise does not declare."""


@define
class Trouble:
    """Where a run met something other than an ordinary exception."""

    #: question -> "timeout" or "crashed"
    stopped: dict[str, str] = field(factory=dict)
    restarts: int = 0


def refuse_unknown(notebook: NotebookNode, given: Mapping[str, Any]) -> None:
    """Hold papermill's parameters against the ones that the notebook's parameters cell sets.

    Raises:
        RefusedParameters: one of `given` is not set there.
    """
    from difflib import get_close_matches

    try:
        declared = nb.parameters(notebook)
    except nb.NotebookError as error:
        raise RefusedParameters(str(error)) from None
    for name in given:
        if name not in declared:
            close = get_close_matches(name, declared, 1)
            remedy = f"Did you mean {close[0]!r}?" if close else f"It declares {', '.join(declared)}."
            raise RefusedParameters(f"the exercise has no parameter {name!r}. {remedy}")


class CourseworkEngine(Engine):
    """Executes an exercise whatever its cells do; registered as papermill engine `coursework`."""

    @classmethod
    def execute_managed_notebook(
        cls,
        nb_man: Any,
        kernel_name: str,
        log_output: bool = False,
        execution_timeout: int | None = None,
        **kwargs: Any,
    ) -> None:
        notebook = nb_man.nb
        refuse_unknown(notebook, notebook.metadata.get("papermill", {}).get("parameters", {}))
        trouble = _Run(nb_man, kernel_name, execution_timeout or CELL_TIMEOUT, log_output).execute()
        notebook.metadata["coursework"] = {
            **notebook.metadata.get("coursework", {}),
            "observed": observed(notebook),
            "stopped": trouble.stopped,
        }


def observed(notebook: NotebookNode) -> dict[str, dict]:
    """The observations that an executed notebook holds, by question: of each check cell, its own question's, the last.

    Nothing that another cell displays counts, whatever its type.
    """
    found = {}
    for cell in notebook.cells:
        question = nb.checked_question(cell) if "check" in nb.tags(cell) else None
        if question is None:
            continue
        for output in cell.get("outputs", []):
            data = output.get("data", {}).get(OBSERVED_MIME) if isinstance(output.get("data"), dict) else None
            if isinstance(data, dict) and data.get("question") == question:
                found[question] = dict(data)
    return found


class _Run:
    """One notebook's run: cell after cell, over as many kernels as it takes."""

    def __init__(self, nb_man: Any, kernel_name: str, timeout: int, log_output: bool) -> None:
        self.nb_man, self.kernel_name, self.timeout, self.log_output = nb_man, kernel_name, timeout, log_output
        self.notebook = nb_man.nb
        self.owner = _owners(self.notebook)
        self.trouble = Trouble()
        #: cells that took a kernel with them when they were run again for another's sake
        self.left_out: set[int] = set()
        self.leaving = False
        self.scratch = tempfile.TemporaryDirectory(prefix="coursework-")

    def client(self) -> PapermillNotebookClient:
        return PapermillNotebookClient(
            self.nb_man,
            kernel_name=self.kernel_name,
            timeout=self.timeout,
            startup_timeout=60,
            allow_errors=True,
            interrupt_on_timeout=False,
            record_timing=False,
            log_output=self.log_output,
            config=kernel_config(self.scratch.name),
            on_cell_executed=self._notice,
            shutdown_kernel="immediate",
        )

    def execute(self) -> Trouble:
        i = 0
        with self.scratch:
            while i < len(self.notebook.cells):
                client = self.client()
                environment = {
                    **os.environ,
                    ENGINE_VARIABLE: "1",
                    "IPYTHONDIR": self.scratch.name,
                    "COURSEWORK_DATA": self.scratch.name,
                    "MPLBACKEND": os.environ.get("MPLBACKEND", "module://matplotlib_inline.backend_inline"),
                }
                with client.setup_kernel(env=environment):
                    if self._prepare(client, i):
                        i = self._from(client, i)
                if i < len(self.notebook.cells):
                    self.trouble.restarts += 1
                    if self.trouble.restarts > RESTARTS:
                        self._give_up(i)
                        break
        return self.trouble

    def _from(self, client: PapermillNotebookClient, start: int) -> int:
        """Run cells from `start` on; the index of the cell that took the kernel with it, or the number of cells."""
        for i in range(start, len(self.notebook.cells)):
            cell = self.notebook.cells[i]
            if cell.cell_type != "code" or (self.owner.get(i) in self.trouble.stopped):
                continue
            self.nb_man.cell_start(cell, i)
            try:
                self._execute(client, cell, i)
            except (CellTimeoutError, DeadKernelError) as error:
                why = "timeout" if isinstance(error, CellTimeoutError) else "crashed"
                self._stopped(i, why)
                return i
            finally:
                self.nb_man.cell_complete(cell, i)
        return len(self.notebook.cells)

    def _execute(self, client: PapermillNotebookClient, cell: NotebookNode, i: int) -> None:
        self.leaving = False
        client.execute_cell(cell, i, store_history=True)
        if self.leaving:
            raise DeadKernelError("the cell asked the kernel to end")

    def _notice(self, *, execute_reply: Mapping[str, Any], **_: Any) -> None:
        """`exit()` ends a kernel a moment after its cell, and a later cell would be blamed."""
        self.leaving = any(p.get("source") == "ask_exit" for p in execute_reply["content"].get("payload", []))

    def _prepare(self, client: PapermillNotebookClient, died_at: int) -> bool:
        """Bring a fresh kernel to where the last one was: earlier cells again, but no check and no stopped question.

        On copies: the outputs of the first run stay. False where one of them takes this kernel too.
        """
        from copy import deepcopy

        for i in range(died_at):
            cell = self.notebook.cells[i]
            if cell.cell_type != "code" or "check" in nb.tags(cell) or i in self.left_out:
                continue
            if self.owner.get(i) in self.trouble.stopped:
                continue
            try:
                self._execute(client, deepcopy(cell), i)
            except (CellTimeoutError, DeadKernelError):
                self.left_out.add(i)
                return False
        return True

    def _stopped(self, i: int, why: str) -> None:
        question = self.owner.get(i)
        words = "ran out of time" if why == "timeout" else "ended the kernel"
        if question is not None:
            self.trouble.stopped[question] = why
        else:
            # A cell of the learner's own, between questions: leave it out of the next kernel.
            self.owner[i] = f"cell {i}"
            self.trouble.stopped[f"cell {i}"] = why
        said = nbformat.v4.new_output("stream", name="stderr", text=f"coursework: this cell {words}.\n")
        self.notebook.cells[i].outputs.append(said)

    def _give_up(self, i: int) -> None:
        for question in {q for at, q in self.owner.items() if at >= i}:
            self.trouble.stopped.setdefault(question, "crashed")


def _owners(notebook: NotebookNode) -> dict[int, str]:
    """Which question each answer, extra and check cell works for."""
    owner = {}
    try:
        parts = nb.parts(notebook)
    except nb.NotebookError:
        return owner
    for part in parts:
        for i in (*part.answers, part.check):
            owner[i] = part.question
    return owner
