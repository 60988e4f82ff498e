"""The IPython kernel as it runs in a forked child: on sockets that are already bound. Isolates nothing.

`load`, `warm` and, where all kernels begin alike, `prepare` run once, before any fork, and do what every kernel would
do again; `start` is the child.
"""

from __future__ import annotations

import gc
import importlib
import logging
import os
import random
import sys
import time
import uuid
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import zmq
from ipykernel.heartbeat import Heartbeat
from ipykernel.iostream import OutStream
from ipykernel.ipkernel import IPythonKernel
from ipykernel.kernelapp import IPKernelApp
from traitlets.config import Config

from coursework.kernel.wire import CHANNELS
from coursework.lean import without

#: What pandas imports when a first table is made and shown.
_LATE = ("pandas.io.formats.html", "pyarrow.pandas_compat", "pyarrow.vendored.version")


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


class PreparedKernel(IPythonKernel):
    """A kernel made before the fork, with its shell; what depends on sockets it gets after it."""

    @classmethod
    def instance(cls, *arguments: Any, **given: Any) -> PreparedKernel:
        made = cls.initialized()
        kernel = super().instance(*arguments, **given)
        if made and given:
            kernel._connect(given)
        return kernel

    def _connect(self, given: Mapping[str, Any]) -> None:
        """As `IPythonKernel` does with what it is made of."""
        for name in ("session", "control_stream", "shell_stream", "control_thread", "shell_channel_thread",
                     "iopub_thread", "iopub_socket", "stdin_socket"):  # fmt: skip
            setattr(self, name, given[name])
        self._stdout, self._stderr = sys.stdout, sys.stderr
        self.ident = str(uuid.uuid4())
        self.shell.displayhook.topic = self._topic("execute_result")
        for publisher in (self.shell.displayhook, self.shell.display_pub):
            publisher.session, publisher.pub_socket = self.session, self.iopub_socket


class ForkedKernelApp(IPKernelApp):
    """An IPython kernel whose five sockets listen before it starts."""

    name = "ipython-kernel"
    descriptors: Mapping[str, int] = {}
    given: Mapping[str, Any] = {}
    prepared = False

    def prepare(self) -> None:
        """What `initialize` does without a socket. No thread starts here: a fork would not take it along."""
        super(IPKernelApp, self).initialize([])
        self.init_pdb()
        self.kernel_class = PreparedKernel
        self.kernel = PreparedKernel.instance(
            parent=self, log=self.log, profile_dir=self.profile_dir, user_ns=self.user_ns
        )
        self.init_shell()
        self.init_extensions()
        self.init_code()
        self.prepared = True

    def initialize(self, argv: Any = None) -> None:
        if not self.prepared:
            super().initialize(argv)
            return
        self.init_connection_file()
        self.init_sockets()
        self.init_heartbeat()
        self.log_connection_info()
        self.init_io()
        self.init_signal()
        self.init_kernel()
        self.init_path()
        self.init_gui_pylab()

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


def without_debugger() -> None:
    """Have no kernel of this process debug: nobody is there to do it, and loading what does takes time."""
    with without("debugpy"):
        import ipykernel.debugger  # noqa: F401


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
    if "matplotlib" in sys.modules:
        # It looks for other packages' backends when it is told its backend by name.
        sys.modules["matplotlib"].backends.backend_registry.list_all()
    gc.enable()
    return missing


def warm() -> None:
    """What is the same for every kernel and costs: modules that a first cell pulls in, compiled patterns, caches."""
    load(
        (
            "IPython.core.completerlib",
            "IPython.core.debugger",
            "IPython.core.logger",
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
            *(_LATE if "pandas" in sys.modules else ()),
            "sqlite3",
            "asyncio",
            "concurrent.futures",
            "tornado.platform.asyncio",
        )
    )


def prepare(environment: Mapping[str, str], folder: str) -> None:
    """Make all of a kernel that needs no socket, for kernels that all begin in this environment and folder."""
    os.makedirs(folder, exist_ok=True)
    settle(environment, folder)
    _app(bounded=True).prepare()
    os.chdir("/")


def freeze() -> None:
    """What is there now stays: no forked kernel looks through it for garbage."""
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
    app = _app(bounded=bool(printed))
    app.descriptors, app.given = descriptors, connection
    BoundedOutStream.limit = printed
    app.outstream_class = "coursework.kernel.application.BoundedOutStream"
    app.initialize(list(arguments))
    app.start()


def _app(bounded: bool) -> ForkedKernelApp:
    """This process's application, the same one each time."""
    config = Config({"HistoryManager": {"enabled": False}})
    if bounded:
        config.Application.log_level = logging.CRITICAL  # an isolated kernel has nobody to tell
    return ForkedKernelApp.instance(config=config)
