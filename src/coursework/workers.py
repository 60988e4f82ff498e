"""The workers that run submissions: processes of this machine, or Dask's on any machines that a scheduler speaks for.

What goes out is a function's name, texts and numbers, and what comes back is text. Knows nothing of grading.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import logging
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import traceback
import warnings
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from multiprocessing.connection import Connection, wait
from typing import Any

from attrs import define, field

from coursework.graded import GradingError
from coursework.kernel.pool import can_fork
from coursework.replay import end_with

#: Seconds to wait for a scheduler that somebody else runs, and for its first worker.
PATIENCE = 30
#: A unit whose worker is lost goes to another; after so many losses more it is given up.
LOSSES = 2
#: The scheduler that is started on this machine for the run, with its workers.
LOCAL = "local"


class WorkerLost(Exception):
    """The processes that ran a unit were ended, each time that it was tried."""


class Workers:
    """Use as a context manager. Loads nothing before the first `submit`."""

    def __init__(
        self,
        count: int,
        scheduler: str | None = None,
        expects: tuple[Callable[[], str], str] | None = None,
        loads: Sequence[str] = (),
    ):
        """
        Args:
            count: processes to start on this machine; without meaning where there is a running `scheduler`.
            scheduler: address of a running Dask scheduler, such as tcp://10.0.0.5:8786; LOCAL for one of our own here.
            expects: a function, and what it must return on every worker of that scheduler.
            loads: modules that the workers of this machine are to share, and `module:function` to call after that.
        """
        self.count, self.scheduler, self.expects, self.loads = count, scheduler, expects, loads
        self._crew: _Family | _Dask | None = None

    def __enter__(self) -> Workers:
        if self.count and not self.scheduler and can_fork() and _plain():
            self._crew = _Family(self.count, self.loads)  # while this process may be forked
        return self

    def __exit__(self, *_: object) -> None:
        """Ends what it started, at once, also what runs; a scheduler of somebody else only loses our tasks."""
        if self._crew is not None:
            self._crew.close()

    def __len__(self) -> int:
        """How many units are on their way."""
        return len(self._crew) if self._crew is not None else 0

    @property
    def room(self) -> bool:
        """Whether another unit keeps a worker from idling: one waits beside those that run, so memory stays bounded."""
        return len(self) <= (self._crew.threads if self._crew is not None else self.count)

    def submit(self, about: Any, call: Callable[..., str], *arguments: Any) -> None:
        """Have `call(*arguments)` run; `finished` gives its result back beside `about`.

        Raises:
            GradingError: the workers cannot be had.
        """
        if self._crew is None:
            self._crew = self._start()
        self._crew.submit(about, call, arguments)

    def finished(self) -> Iterator[tuple[Any, str | Exception]]:
        """What has come back, at least one; an exception in place of a result where there is none."""
        assert self._crew is not None
        for about, result in self._crew.finished():
            if not isinstance(result, str | Exception):
                result = TypeError(f"a worker returned {type(result).__name__} and no text")
            yield about, result

    def _start(self) -> _Family | _Dask:
        if self.scheduler or not can_fork():
            return _Dask(self.count, None if self.scheduler == LOCAL else self.scheduler, self.expects)
        return _Family(self.count, self.loads)


# -------------------------------------------------------------------------------------- processes of this machine


@define(eq=False)
class _Unit:
    about: Any
    order: bytes
    losses: int = 0


@define(eq=False)
class _Worker:
    link: Connection
    unit: _Unit | None = None


@define
class _Forked:
    """A forked child of this process, as `subprocess` would speak of it."""

    pid: int
    returncode: int | None = None

    def poll(self) -> int | None:
        return self.wait(0)

    def wait(self, timeout: float | None = None) -> int | None:
        """Wait for its end; None where the time is over before."""
        if self.returncode is None:
            pidfd = os.pidfd_open(self.pid)
            try:
                if wait([pidfd], timeout):
                    self.returncode = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
            finally:
                os.close(pidfd)
        return self.returncode

    def kill(self) -> None:
        if self.returncode is None:
            os.kill(self.pid, signal.SIGKILL)


@define
class _Parent:
    """A process that loads the modules when it is told to, and forks workers.

    It ends them, and itself, when `link` is closed.
    """

    process: subprocess.Popen | _Forked
    link: socket.socket
    told: bool = False

    def go(self) -> None:
        if not self.told:
            self.told = True
            with contextlib.suppress(OSError):  # it has ended, and its workers with it: `finished` sees that
                self.link.send(b"1")

    def close(self) -> None:
        self.link.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(10)
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()


@define(init=False, eq=False)
class _Family:
    """Workers of this machine, forked from one process that has loaded what they share: a worker costs next to nothing.

    That process is a fork of this one where this one is plain, and otherwise a new one.
    Dask's local cluster does the same for ten times the CPU, which a class of twenty would feel.
    """

    threads: int
    loads: Sequence[str]
    workers: list[_Worker] = field(factory=list)
    parents: list[_Parent] = field(factory=list)
    waiting: deque[_Unit] = field(factory=deque)

    def __init__(self, count: int, loads: Sequence[str]) -> None:
        self.__attrs_init__(max(1, count), loads)
        self._more(self.threads)

    def __len__(self) -> int:
        return len(self.waiting) + sum(worker.unit is not None for worker in self.workers)

    def submit(self, about: Any, call: Callable[..., str], arguments: Sequence[Any]) -> None:
        order = {"module": call.__module__, "name": call.__qualname__, "arguments": arguments, "path": sys.path}
        self.waiting.append(_Unit(about, json.dumps(order).encode()))
        self._hand_out()

    def finished(self) -> Iterator[tuple[Any, str | Exception]]:
        found: list[tuple[Any, str | Exception]] = []
        while not found:
            self._hand_out()
            ready = wait([worker.link for worker in self.workers if worker.unit is not None])
            for worker in [worker for worker in self.workers if worker.link in ready]:
                unit, worker.unit = worker.unit, None
                assert unit is not None
                try:
                    said = json.loads(worker.link.recv_bytes())
                except (EOFError, OSError):
                    if self._lost(worker, unit):
                        found.append((unit.about, WorkerLost("the worker processes that ran it were ended")))
                    continue
                found.append((unit.about, said["result"] if "result" in said else _raised(*said["raised"])))
        yield from found

    def _hand_out(self) -> None:
        for one in self.parents:
            one.go()
        for worker in self.workers:
            if self.waiting and worker.unit is None:
                worker.unit = self.waiting.popleft()
                with contextlib.suppress(OSError):  # it has ended: `finished` sees that
                    worker.link.send_bytes(worker.unit.order)

    def _lost(self, worker: _Worker, unit: _Unit) -> bool:
        """Replace a worker that has ended; whether its unit is given up."""
        worker.link.close()
        self.workers.remove(worker)
        self._more(1)
        unit.losses += 1
        if unit.losses <= LOSSES:
            self.waiting.appendleft(unit)
        return unit.losses > LOSSES

    def _more(self, count: int) -> None:
        with contextlib.ExitStack() as theirs:
            pairs = [socket.socketpair() for _ in range(count + 1)]
            for _, inner in pairs:
                theirs.callback(inner.close)
            files = [inner.fileno() for _, inner in pairs]
            if _plain():
                self.parents.append(_Parent(_fork(files, self.loads), pairs[0][0]))
            else:
                self.parents.append(_Parent(self._begin(files), pairs[0][0]))
        self.workers += [_Worker(Connection(outer.detach())) for outer, _ in pairs[1:]]
        self.parents = [one for one in self.parents if one.process.poll() is None]

    def _begin(self, files: list[int]) -> subprocess.Popen:
        command = [sys.executable, "-c", "from coursework.workers import begun; begun()", *self.loads]
        said = json.dumps({"files": files, "path": sys.path, "grader": os.getpid()})
        try:
            # In a session of its own: Ctrl-C is the grader's to answer, which ends the workers.
            process = subprocess.Popen(
                command, stdin=subprocess.PIPE, pass_fds=files, start_new_session=True, text=True
            )
        except OSError as error:
            raise GradingError(f"the workers on this machine did not start: {error}") from None
        with contextlib.suppress(OSError), process.stdin:  # type: ignore[union-attr]
            process.stdin.write(said)  # type: ignore[union-attr]
        return process

    def close(self) -> None:
        for worker in self.workers:
            worker.link.close()
        for one in self.parents:
            one.close()


def _raised(name: str, text: str) -> Exception:
    """Stands for an exception of a worker's, which stays there: its name and its words."""
    return type(name, (Exception,), {})(text)


def _plain() -> bool:
    """Whether this process may be forked: it has no threads, and no kernel was spoken to, which leaves event loops."""
    return threading.active_count() == 1 and "zmq" not in sys.modules


def _fork(files: Sequence[int], loads: Sequence[str]) -> _Forked:
    """Fork the process that workers are forked from."""
    from coursework.kernel import linux

    sys.stdout.flush()
    sys.stderr.flush()
    grader = os.getpid()
    gc.freeze()  # the child leaves what is here where it is
    try:
        pid = os.fork()
    except OSError as error:
        raise GradingError(f"the workers on this machine did not start: {error}") from None
    finally:
        if os.getpid() == grader:
            gc.unfreeze()
    if pid:
        return _Forked(pid)
    code = 1
    try:
        os.setsid()  # Ctrl-C is the grader's to answer, which ends the workers
        linux.close_others(files)  # above all the gradebook
        nothing = os.open(os.devnull, os.O_RDONLY)
        os.dup2(nothing, 0)
        os.close(nothing)
        _parent(files, loads, grader)
        code = 0
    except Exception:
        traceback.print_exc()
    finally:
        os._exit(code)


def begun() -> None:
    """The process that workers are forked from, begun anew."""
    said = json.load(sys.stdin)
    sys.path[:] = said["path"]
    _parent(said["files"], sys.argv[1:], said["grader"])


def _parent(files: Sequence[int], loads: Sequence[str], grader: int) -> None:
    """Wait for a word, load modules, fork workers, and end all of them when the grader has gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    end_with(grader)  # also where it is killed while this one loads
    control, *links = files
    with socket.socket(fileno=control) as link:
        with contextlib.suppress(OSError):
            if not link.recv(1):
                return
        gc.disable()
        for name in loads:
            module, _, function = name.partition(":")
            loaded = importlib.import_module(module)
            if function:
                getattr(loaded, function)()
        gc.enable()
        gc.freeze()
        children = []
        for file in links:
            child = os.fork()
            if child == 0:
                code = 1
                try:
                    for other in (control, *links):
                        if other != file:
                            os.close(other)
                    _serve(Connection(file))
                    code = 0
                finally:
                    os._exit(code)
            children.append(child)
        for file in links:
            os.close(file)
        with contextlib.suppress(OSError):
            link.recv(1)  # nothing comes any more but the end
    for child in children:
        with contextlib.suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


def _serve(link: Connection) -> None:
    """Be a worker: one order after the other, until the grader closes the link."""
    from coursework.kernel import linux

    linux.prctl(linux.PR_SET_PDEATHSIG, signal.SIGKILL)
    random.seed()
    while True:
        try:
            order = json.loads(link.recv_bytes())
        except (EOFError, OSError):
            return
        sys.path[:] = order["path"]
        try:
            call = getattr(importlib.import_module(order["module"]), order["name"])
            answer = json.dumps({"result": call(*order["arguments"])})
        except Exception as error:
            answer = json.dumps({"raised": [type(error).__name__, str(error)]})
        try:
            link.send_bytes(answer.encode())
        except OSError:
            return


# ------------------------------------------------------------------------------------------------------------ Dask


class _Dask:
    """Workers of a Dask scheduler; without one, a cluster of this machine's, as where there is no safe fork."""

    def __init__(self, count: int, scheduler: str | None, expects: tuple[Callable[[], str], str] | None) -> None:
        import dask
        from distributed import Client, LocalCluster, as_completed

        self._cluster: Any = None
        self._client: Any = None
        self._running: dict[str, Any] = {}
        for name in ("distributed", "tornado", "asyncio"):
            logging.getLogger(name).setLevel(logging.CRITICAL)
        dask.config.set(SETTINGS)
        try:
            if scheduler:
                self._client = Client(scheduler, timeout=PATIENCE)
                self._client.wait_for_workers(1, timeout=PATIENCE)
            else:
                self._cluster = LocalCluster(
                    n_workers=count,
                    threads_per_worker=1,
                    processes=True,
                    memory_limit=0,
                    host="127.0.0.1",
                    dashboard_address="127.0.0.1:0",
                    worker_dashboard_address=None,
                    silence_logs=logging.CRITICAL,
                )
                self._client = Client(self._cluster)
                self._client.run(_leave_interrupts)
        except (OSError, TimeoutError, ValueError, ImportError, RuntimeError) as error:
            self.close()
            where = f"{scheduler}: " if scheduler else "the workers on this machine did not start: "
            what = "no Dask scheduler with a worker answers there; start `dask scheduler` and `dask worker` first"
            raise GradingError(where + (what if scheduler else f"{type(error).__name__}: {error}")) from None
        if scheduler and expects:
            try:
                self._agree(*expects)
            except GradingError:
                self.close()
                raise
        self._done = as_completed()

    def __len__(self) -> int:
        return len(self._running)

    @property
    def threads(self) -> int:
        return max(1, sum(self._client.nthreads().values()))

    def submit(self, about: Any, call: Callable[..., str], arguments: Sequence[Any]) -> None:
        with warnings.catch_warnings():  # a long notebook is what there is to send
            warnings.simplefilter("ignore")
            future = self._client.submit(call, *arguments, pure=False)
        self._running[future.key] = (future, about)
        self._done.add(future)

    def finished(self) -> Iterator[tuple[Any, Any]]:
        from distributed import CancelledError, KilledWorker

        for future in self._done.next_batch(block=True):
            _, about = self._running.pop(future.key)
            try:
                result = future.result()
            except (KilledWorker, CancelledError):
                result = WorkerLost("the worker processes that ran it were ended")
            except Exception as error:
                result = error
            yield about, result

    def close(self) -> None:
        with contextlib.suppress(Exception):
            if self._client is not None:
                if self._cluster is None:
                    self._client.cancel([future for future, _ in self._running.values()], force=True)
                self._client.close(timeout=5)
        with contextlib.suppress(Exception):
            if self._cluster is not None:
                self._cluster.close(timeout=10)

    def _agree(self, call: Callable[[], str], wanted: str) -> None:
        """Every worker must have what this machine has.

        Raises:
            GradingError: one has not, by name.
        """
        for worker, found in self._client.run(call, on_error="return").items():
            if isinstance(found, Exception):
                raise GradingError(
                    f"the worker {worker} cannot run this course ({type(found).__name__}: {found}): install it there, "
                    "in the same version as here"
                )
            if found != wanted:
                raise GradingError(f"the worker {worker} runs another version of this course: bring it up to date")


#: Nothing of Dask that a grading run has no use for; workers start from nothing, and share nothing with this process.
SETTINGS = {
    "distributed.worker.multiprocessing-method": "spawn",
    "distributed.scheduler.allowed-failures": LOSSES,
    "distributed.worker.profile.enabled": False,
    "distributed.scheduler.active-memory-manager.start": False,
    "distributed.scheduler.http.routes": [],
    "distributed.worker.http.routes": [],
    "distributed.admin.tick.limit": "1h",
}


def _leave_interrupts() -> None:
    """In a worker: Ctrl-C is the grader's to answer, which ends the workers."""
    with contextlib.suppress(ValueError):
        signal.signal(signal.SIGINT, signal.SIG_IGN)
