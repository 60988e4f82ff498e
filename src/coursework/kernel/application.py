"""The IPython kernel as it runs in a forked child: on sockets that are already bound. Isolates nothing.

`load` and `warm` run once, before any fork, and do what every kernel would do again; `start` is the child.
"""

from __future__ import annotations

import gc
import importlib
import logging
import os
import random
import sys
import time
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import zmq
from ipykernel.heartbeat import Heartbeat
from ipykernel.iostream import OutStream
from ipykernel.kernelapp import IPKernelApp
from traitlets.config import Config

CHANNELS = ("shell", "iopub", "stdin", "hb", "control")


class BoundedOutStream(OutStream):
    """Leaves out what one cell prints beyond a number of characters, and says so; a courtesy, not a defence."""

    limit = 0
    _parent: Any = None
    _printed = 0

    def write(self, text: str) -> int:
        if not self.limit or not isinstance(text, str):
            return super().write(text)
        if self.parent_header is not self._parent:
            self._parent, self._printed = self.parent_header, 0
        left = self.limit - self._printed
        if left <= 0:
            return len(text)
        self._printed += len(text)
        if len(text) > left:
            super().write(f"{text[:left]}\n[... left out: more than {self.limit:,} characters from one cell]\n")
        else:
            super().write(text)
        return len(text)


class _BoundHeartbeat(Heartbeat):
    descriptor = -1

    def _try_bind_socket(self) -> None:
        self.socket.setsockopt(zmq.USE_FD, self.descriptor)
        self.socket.bind(f"ipc://{self.ip}-{self.port}")


class ForkedKernelApp(IPKernelApp):
    """An IPython kernel whose five sockets listen before it starts."""

    name = "ipython-kernel"
    descriptors: Mapping[str, int] = {}
    given: Mapping[str, Any] = {}
    sandboxed = False

    def parse_command_line(self, argv: Any = None) -> None:
        """Building the parser takes a tenth of a kernel's start, and there is seldom anything to parse."""
        if argv:
            super().parse_command_line(argv)
        else:
            self.extra_args = []

    def init_connection_file(self) -> None:
        self.load_connection_info(dict(self.given))

    def write_connection_file(self, **_: Any) -> None:
        """The client has written it."""

    def cleanup_connection_file(self) -> None:
        """It is the client's, and so are the sockets' names."""

    def log_connection_info(self) -> None:
        self._ports = {name: getattr(self, f"{name}_port") for name in CHANNELS}

    def init_poller(self) -> None:
        """Whoever started this process ends it when the client goes."""

    def _try_bind_socket(self, s: zmq.Socket, port: int) -> int:
        channel = next(name for name in CHANNELS if name != "hb" and getattr(self, f"{name}_socket") is s)
        s.setsockopt(zmq.USE_FD, self.descriptors[channel])
        s.bind(f"ipc://{self.ip}-{port}")
        return port

    def init_heartbeat(self) -> None:
        self.heartbeat = _BoundHeartbeat(zmq.Context(), (self.transport, self.ip, self.hb_port))
        self.heartbeat.descriptor = self.descriptors["hb"]
        self.heartbeat.start()


def load(names: Sequence[str]) -> list[str]:
    """Import modules by name; the names of those that could not be."""
    missing = []
    gc.disable()  # what is imported stays: looking for garbage in it again and again is a tenth of the time
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name in names:
            try:
                importlib.import_module(name)
            except Exception:  # a package that does not import here must not stop the others
                missing.append(name)
    if "pandas" in sys.modules:
        # It asks at its import whether it stands in a terminal, where it shows fewer columns. A kernel is none.
        sys.modules["pandas"].set_option("display.max_columns", 20)
    gc.enable()
    return missing


def warm() -> None:
    """What is the same for every kernel and costs: modules that a first cell pulls in, compiled patterns, caches."""
    load(
        (
            "IPython.core.completerlib",
            "IPython.core.debugger",
            "IPython.core.magics",
            "IPython.core.oinspect",
            "IPython.core.pylabtools",
            "IPython.extensions.storemagic",
            "IPython.utils.wildcard",
            "ipykernel.datapub",
            "ipykernel.debugger",
            "ipykernel.pylab.backend_inline",
            "ipykernel.subshell_manager",
            "matplotlib_inline.backend_inline",
            "matplotlib_inline.config",
            "jedi",
            "sqlite3",
            "asyncio",
            "concurrent.futures",
            "tornado.platform.asyncio",
        )
    )
    gc.collect()
    gc.freeze()


def settle(environment: Mapping[str, str], folder: str) -> None:
    """Make this forked process what a process started with `environment` in `folder` would be."""
    own_path = [p for p in sys.path if p and p not in os.environ.get("PYTHONPATH", "").split(os.pathsep)]
    os.environ.clear()
    os.environ.update(environment)
    time.tzset()
    try:
        os.chdir(folder)
    except OSError:
        os.chdir("/")
    added = [os.path.abspath(p) for p in environment.get("PYTHONPATH", "").split(os.pathsep) if p]
    sys.path[:] = [*added, *own_path]
    random.seed()
    if "numpy" in sys.modules:
        sys.modules["numpy"].random.seed()
    if "matplotlib" in sys.modules:
        _settle_matplotlib(sys.modules["matplotlib"], environment)


def _settle_matplotlib(matplotlib: Any, environment: Mapping[str, str]) -> None:
    if matplotlib.matplotlib_fname() != _settings_file:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            matplotlib.rcParams.update(matplotlib.rc_params())
    if environment.get("MPLBACKEND"):
        matplotlib.rcParams["backend"] = environment["MPLBACKEND"]


_settings_file = ""


def remember_settings() -> None:
    """Note which settings file Matplotlib was loaded with."""
    global _settings_file
    if "matplotlib" in sys.modules:
        _settings_file = sys.modules["matplotlib"].matplotlib_fname()


def start(
    connection: Mapping[str, Any], descriptors: Mapping[str, int], arguments: Sequence[str], printed: int = 0
) -> None:
    """Be a kernel until it is told to stop; `printed` bounds what one cell prints, 0 for no bound."""
    config = Config({"HistoryManager": {"enabled": False}})
    if printed:
        config.Application.log_level = logging.CRITICAL  # an isolated kernel has nobody to tell
    app = ForkedKernelApp.instance(config=config)
    app.descriptors, app.given = descriptors, connection
    BoundedOutStream.limit = printed
    app.outstream_class = "coursework.kernel.application.BoundedOutStream"
    app.initialize(list(arguments))
    app.start()
