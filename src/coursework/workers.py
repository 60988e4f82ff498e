"""The workers that run submissions: Dask, on this machine's cores or on any machines that a scheduler speaks for.

What goes out is a function's name, texts and numbers, and what comes back is text. Knows nothing of grading.
"""

from __future__ import annotations

import logging
import signal
import warnings
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

from coursework.graded import GradingError

#: Seconds to wait for a scheduler that somebody else runs, and for its first worker.
PATIENCE = 30
#: A unit whose worker is lost goes to another; after so many losses it is given up.
LOSSES = 2


class WorkerLost(Exception):
    """The processes that ran a unit were ended, each time that it was tried."""


class Workers:
    """Use as a context manager. Starts nothing before the first `submit`."""

    def __init__(self, count: int, scheduler: str | None = None, expects: tuple[Callable[[], str], str] | None = None):
        """
        Args:
            count: processes to start on this machine; without meaning where there is a `scheduler`.
            scheduler: address of a running Dask scheduler, such as tcp://10.0.0.5:8786.
            expects: a function, and what it must return on every worker of that scheduler.
        """
        self.count, self.scheduler, self.expects = count, scheduler, expects
        self._client: Any = None
        self._cluster: Any = None
        self._done: Any = None
        self._running: dict[str, Any] = {}

    def __enter__(self) -> Workers:
        return self

    def __exit__(self, *_: object) -> None:
        """Ends what it started, at once, also what runs; a scheduler of somebody else only loses our tasks."""
        with suppress(Exception):
            if self._client is not None:
                if self._cluster is None:
                    self._client.cancel([future for future, _ in self._running.values()], force=True)
                self._client.close(timeout=5)
        with suppress(Exception):
            if self._cluster is not None:
                self._cluster.close(timeout=10)

    def __len__(self) -> int:
        """How many units are on their way."""
        return len(self._running)

    @property
    def room(self) -> bool:
        """Whether another unit keeps a worker from idling: one waits beside those that run, so memory stays bounded."""
        return len(self) <= self.threads

    @property
    def threads(self) -> int:
        if self._client is None or self._cluster is not None:
            return self.count
        return max(1, sum(self._client.nthreads().values()))

    def submit(self, about: Any, call: Callable[..., str], *arguments: Any) -> None:
        """Have `call(*arguments)` run; `finished` gives its result back beside `about`."""
        if self._client is None:
            self._start()
        with warnings.catch_warnings():  # a long notebook is what there is to send
            warnings.simplefilter("ignore")
            future = self._client.submit(call, *arguments, pure=False)
        self._running[future.key] = (future, about)
        self._done.add(future)

    def finished(self) -> Iterator[tuple[Any, str | Exception]]:
        """What has come back, at least one; an exception in place of a result where there is none."""
        from distributed import CancelledError, KilledWorker

        for future in self._done.next_batch(block=True):
            _, about = self._running.pop(future.key)
            try:
                result = future.result()
            except (KilledWorker, CancelledError):
                result = WorkerLost("the worker processes that ran it were ended")
            except Exception as error:
                result = error
            if not isinstance(result, str | Exception):
                result = TypeError(f"a worker returned {type(result).__name__} and no text")
            yield about, result

    def _start(self) -> None:
        import dask
        from distributed import Client, LocalCluster, as_completed

        for name in ("distributed", "tornado", "asyncio"):
            logging.getLogger(name).setLevel(logging.CRITICAL)
        dask.config.set(SETTINGS)
        try:
            if self.scheduler:
                self._client = Client(self.scheduler, timeout=PATIENCE)
                self._client.wait_for_workers(1, timeout=PATIENCE)
            else:
                self._cluster = LocalCluster(
                    n_workers=self.count,
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
            where = f"{self.scheduler}: " if self.scheduler else "the workers on this machine did not start: "
            what = "no Dask scheduler with a worker answers there; start `dask scheduler` and `dask worker` first"
            raise GradingError(where + (what if self.scheduler else f"{type(error).__name__}: {error}")) from None
        if self.scheduler and self.expects:
            self._agree(*self.expects)
        self._done = as_completed()

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
    with suppress(ValueError):
        signal.signal(signal.SIGINT, signal.SIG_IGN)
