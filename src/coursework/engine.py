"""The papermill engine `coursework`: runs on after a cell that fails, dies or loops, and records what was observed.

`papermill --engine coursework exercises/... out.ipynb -p seed 7` and `coursework grade` both run notebooks through it.
It judges nothing.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from queue import Empty
from typing import Any

import nbformat
import zmq
from attrs import define, field
from jupyter_client.asynchronous.client import AsyncKernelClient
from jupyter_client.session import Session, json_unpacker
from nbclient.exceptions import CellTimeoutError, DeadKernelError
from nbformat import NotebookNode
from papermill.clientwrap import PapermillNotebookClient
from papermill.engines import Engine
from papermill.exceptions import PapermillException

from coursework import notebook as nb
from coursework.check import ENGINE_VARIABLE, OBSERVED_MIME
from coursework.kernel import SANDBOX, kernel_config
from coursework.kernel.limits import MB, Limits

CELL_TIMEOUT = 30
#: Seconds for a kernel to start.
STARTING = 120
#: A kernel that died is started again at most this often in one notebook.
RESTARTS = 10
#: What is kept of one cell's outputs, and of a notebook's: in number, in bytes.
OUTPUTS_OF_CELL, BYTES_OF_CELL = 500, 12 * MB
TEXT_OF_CELL, BYTES_OF_NOTEBOOK = 2 * MB, 32 * MB
#: JSON values in one message. An answer may have 200,000 items, which take some values each.
VALUES_OF_MESSAGE = 1_500_000


class RefusedParameters(PapermillException):
    """papermill was given a parameter that the exercise does not declare."""


@define
class Trouble:
    """Where a run met something other than an ordinary exception."""

    #: question -> "timeout" or "crashed"
    stopped: dict[str, str] = field(factory=dict)
    #: question -> the bound that it crossed, in words, where that is known
    why: dict[str, str] = field(factory=dict)
    #: question -> how long its cells ran, those that were stopped too
    seconds: dict[str, float] = field(factory=dict)
    restarts: int = 0


class BoundedSession(Session):
    """Refuses a message that would take much memory when it is read, and notes each one's size."""

    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        self.unpack = _without_date

    def deserialize(self, msg_list: list, content: bool = True, copy: bool = True) -> dict[str, Any]:
        frames = [frame if isinstance(frame, bytes) else bytes(frame.buffer) for frame in msg_list]
        values = sum(frame.count(sign) for frame in frames for sign in (b",", b"[", b"{"))
        if values > VALUES_OF_MESSAGE:
            raise ValueError(f"a message of {values:,} values")
        message = super().deserialize(msg_list, content, copy)
        message["size"] = sum(map(len, frames))
        return message


def _without_date(packed: bytes) -> Any:
    """One part of a message. A header's date has no reader here, and turning it into one takes time."""
    part = json_unpacker(packed)
    if isinstance(part, dict) and "msg_id" in part:
        part.pop("date", None)
    return part


class KernelClient(AsyncKernelClient):
    """Connects to what running a notebook takes: nobody asks for input, and the provisioner knows a kernel's end."""

    def start_channels(
        self, shell: bool = True, iopub: bool = True, stdin: bool = False, hb: bool = False, control: bool = False
    ) -> None:
        super().start_channels(shell, iopub, stdin, hb, control)

    async def wait_for_ready(self, timeout: float | None = None) -> None:
        """Wait until the kernel has answered, and what it said about that has been read.

        The superclass reads on until nothing has come for a fifth of a second, more than a short notebook takes.

        Raises:
            RuntimeError: the kernel died, or did not answer in time.
        """
        until = time.monotonic() + (timeout or STARTING)
        while time.monotonic() < until:
            asked = self.kernel_info()
            try:
                reply = await self.shell_channel.get_msg(timeout=1)
                while reply["parent_header"].get("msg_id") != asked:
                    reply = await self.shell_channel.get_msg(timeout=1)
                self._handle_kernel_info_reply(reply)
                said = await self.iopub_channel.get_msg(timeout=0.2)
                while not _idle_after(said, asked):
                    said = await self.iopub_channel.get_msg(timeout=0.2)
            except Empty:  # its output may not be connected yet: ask again
                if not await self._async_is_alive():
                    raise RuntimeError("the kernel died before it answered") from None
            else:
                return
        raise RuntimeError(f"the kernel did not answer in {timeout or STARTING:.0f} s")


def _idle_after(message: Mapping[str, Any], asked: str) -> bool:
    return (
        message["msg_type"] == "status"
        and message["content"].get("execution_state") == "idle"
        and message["parent_header"].get("msg_id") == asked
    )


class _Client(PapermillNotebookClient):
    """papermill's client, whose memory stays bounded whatever an isolated kernel sends."""

    limits = Limits()
    kept = kept_of_cell = outputs_of_cell = 0
    cut = False

    def create_kernel_manager(self) -> Any:
        km = super().create_kernel_manager()
        if self.kernel_name == SANDBOX:
            km.session = BoundedSession(parent=km, key=km.session.key)
            km.client_class = f"{__name__}.{KernelClient.__name__}"
            km.context.setsockopt(zmq.MAXMSGSIZE, self.limits.message)
            km.context.setsockopt(zmq.RCVHWM, 200)
        return km

    def begin_cell(self) -> None:
        self.kept_of_cell = self.outputs_of_cell = 0
        self.cut = False

    def process_message(self, msg: dict[str, Any], cell: NotebookNode, cell_index: int) -> NotebookNode | None:
        if "size" in msg and str(msg.get("msg_type")) not in ("status", "execute_input", "clear_output"):
            observed = OBSERVED_MIME in (msg["content"].get("data") or ())
            self.outputs_of_cell += 1
            self.kept_of_cell += msg["size"]
            if (
                self.outputs_of_cell > OUTPUTS_OF_CELL
                or self.kept_of_cell > (BYTES_OF_CELL if observed else TEXT_OF_CELL)
                or self.kept + msg["size"] > BYTES_OF_NOTEBOOK
            ):
                if not self.cut:
                    said = "coursework: what this cell showed beyond this was left out.\n"
                    cell.outputs.append(nbformat.v4.new_output("stream", name="stderr", text=said))
                    self.cut = True
                return None
            self.kept += msg["size"]
        return super().process_message(msg, cell, cell_index)


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
        limits: Mapping[str, int] | None = None,
        hidden: Sequence[str] = (),
        data: Mapping[str, str] | None = None,
        **kwargs: Any,
    ) -> None:
        """`limits` and `hidden` are the isolated kernel's, as for `coursework.kernel.provisioner`.

        `data` holds files, by the name under which they lie in the kernel's folder. Where there is any, a kernel that
        is not isolated gets a folder of its own too.
        """
        notebook = nb_man.nb
        refuse_unknown(notebook, notebook.metadata.get("papermill", {}).get("parameters", {}))
        bounds = Limits.from_json(limits or {})
        run = _Run(nb_man, kernel_name, execution_timeout or CELL_TIMEOUT, log_output, bounds, hidden, data or {})
        trouble = run.execute()
        notebook.metadata["coursework"] = {
            **notebook.metadata.get("coursework", {}),
            "observed": observed(notebook),
            "stopped": trouble.stopped,
            "why": trouble.why,
            "seconds": {question: round(seconds, 3) for question, seconds in trouble.seconds.items()},
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

    def __init__(
        self,
        nb_man: Any,
        kernel_name: str,
        timeout: int,
        log_output: bool,
        limits: Limits,
        hidden: Sequence[str],
        data: Mapping[str, str],
    ) -> None:
        self.nb_man, self.kernel_name, self.timeout, self.log_output = nb_man, kernel_name, timeout, log_output
        self.limits, self.hidden, self.data = limits, list(hidden), dict(data)
        self.until = time.monotonic() + limits.run_seconds
        self.kept = 0
        self.provisioner: Any = None
        self.notebook = nb_man.nb
        self.owner = _owners(self.notebook)
        self.trouble = Trouble()
        #: cells that took a kernel with them when they were run again for another's sake
        self.left_out: set[int] = set()
        self.leaving = False
        self.scratch = tempfile.TemporaryDirectory(prefix="coursework-")

    def client(self) -> _Client:
        config = kernel_config(self.scratch.name)
        config.SandboxProvisioner.limits = self.limits.to_json()
        config.SandboxProvisioner.hidden = self.hidden
        config.SandboxProvisioner.data = self.data
        client = _Client(
            self.nb_man,
            kernel_name=self.kernel_name,
            timeout=self.timeout,
            startup_timeout=STARTING,
            allow_errors=True,
            interrupt_on_timeout=False,
            record_timing=False,
            log_output=self.log_output,
            config=config,
            on_cell_executed=self._notice,
            shutdown_kernel="immediate",
        )
        client.limits, client.kept = self.limits, self.kept
        return client

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
                with client.setup_kernel(env=environment, **self._folder()):
                    self.provisioner = client.km.provisioner
                    if self._prepare(client, i):
                        i = self._from(client, i)
                self.kept = client.kept
                if i < len(self.notebook.cells):
                    self.trouble.restarts += 1
                    if self.trouble.restarts > RESTARTS or time.monotonic() > self.until:
                        self._give_up(i)
                        break
        return self.trouble

    def _folder(self) -> dict[str, str]:
        """A new folder with the data in it, for a kernel that is not isolated."""
        if not self.data or self.kernel_name == SANDBOX:
            return {}
        folder = tempfile.mkdtemp(dir=self.scratch.name)
        for name, source in self.data.items():
            copy = Path(folder, name)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, copy)
        return {"cwd": folder}

    def _from(self, client: _Client, start: int) -> int:
        """Run cells from `start` on; the index of the cell that took the kernel with it, or the number of cells."""
        for i in range(start, len(self.notebook.cells)):
            cell = self.notebook.cells[i]
            if cell.cell_type != "code" or (self.owner.get(i) in self.trouble.stopped):
                continue
            if "colab" in nb.tags(cell):  # it sets Colab up, and does nothing elsewhere
                continue
            self.nb_man.cell_start(cell, i)
            started = time.monotonic()
            try:
                self._execute(client, cell, i)
            except _Ended as ended:
                self._stopped(i, ended)
                return i
            finally:
                if (question := self.owner.get(i)) is not None:
                    spent = self.trouble.seconds.get(question, 0.0) + time.monotonic() - started
                    self.trouble.seconds[question] = spent
                self.nb_man.cell_complete(cell, i)
        return len(self.notebook.cells)

    def _execute(self, client: _Client, cell: NotebookNode, i: int) -> None:
        """Run one cell. Raises _Ended when the kernel cannot be used after it."""
        self.leaving = False
        client.begin_cell()
        client.timeout = max(1, min(self.timeout, int(self.until - time.monotonic())))
        try:
            client.execute_cell(cell, i, store_history=True)
        except CellTimeoutError:
            raise _Ended("timeout", f"it took more than {client.timeout} s") from None
        except DeadKernelError:
            raise _Ended("crashed", getattr(self.provisioner, "why", "")) from None
        except (MemoryError, OSError):
            raise
        except Exception as error:
            # Only a kernel that no longer speaks Jupyter's language gets here: every field of a message is its own.
            raise _Ended("crashed", f"it sent what is no message of Jupyter's ({type(error).__name__})") from None
        if self.leaving:
            raise _Ended("crashed", "it asked the kernel to end")

    def _notice(self, *, execute_reply: Mapping[str, Any], **_: Any) -> None:
        """`exit()` ends a kernel a moment after its cell, and a later cell would be blamed."""
        self.leaving = any(p.get("source") == "ask_exit" for p in execute_reply["content"].get("payload", []))

    def _prepare(self, client: _Client, died_at: int) -> bool:
        """Bring a fresh kernel to where the last one was: earlier cells again, but no check and no stopped question.

        On copies: the outputs of the first run stay. False where one of them takes this kernel too.
        """
        from copy import deepcopy

        for i in range(died_at):
            cell = self.notebook.cells[i]
            if cell.cell_type != "code" or {"check", "colab"} & set(nb.tags(cell)) or i in self.left_out:
                continue
            if self.owner.get(i) in self.trouble.stopped:
                continue
            try:
                self._execute(client, deepcopy(cell), i)
            except _Ended:
                self.left_out.add(i)
                return False
        return True

    def _stopped(self, i: int, ended: _Ended) -> None:
        question = self.owner.get(i)
        words = "ran out of time" if ended.how == "timeout" else "ended the kernel"
        if question is None:
            # A cell of the learner's own, between questions: leave it out of the next kernel.
            question = self.owner[i] = f"cell {i}"
        self.trouble.stopped[question] = ended.how
        if ended.why:
            self.trouble.why[question] = ended.why
            words += f": {ended.why}"
        said = nbformat.v4.new_output("stream", name="stderr", text=f"coursework: this cell {words}.\n")
        self.notebook.cells[i].outputs.append(said)

    def _give_up(self, i: int) -> None:
        late = time.monotonic() > self.until
        for question in {q for at, q in self.owner.items() if at >= i}:
            self.trouble.stopped.setdefault(question, "timeout" if late else "crashed")
            if late:
                self.trouble.why.setdefault(question, f"the notebook took more than {self.limits.run_seconds} s")


class _Ended(Exception):
    """A cell took its kernel with it: how ("timeout" or "crashed"), and why, in words."""

    def __init__(self, how: str, why: str) -> None:
        super().__init__(how, why)
        self.how, self.why = how, why


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
