"""A client's view of the fork servers: finding one, starting one, seeing that it is up to date. Forks nothing itself.

Everything lies in one folder of the user's, which nobody else may enter; a lock in it lets one client start a server.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import secrets
import shutil
import site
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from attrs import frozen

from coursework.kernel import wire

#: What a warm kernel has imported before its first cell.
IMPORTS = (
    "numpy",
    "numpy.testing",
    "pandas",
    "scipy.linalg",
    "scipy.optimize",
    "scipy.sparse",
    "scipy.stats",
    "sklearn",
    "sklearn.linear_model",
    "sklearn.metrics",
    "sklearn.model_selection",
    "sklearn.pipeline",
    "sklearn.preprocessing",
    "matplotlib",
    "matplotlib.pyplot",
    "coursework.check",
)
#: Variables that act when a process starts or a library loads, so that a later kernel cannot take them over.
BIRTH = (
    "PYTHON", "LD_", "LANG", "LC_", "OMP_", "OPENBLAS_", "MKL_", "BLIS_", "GOTO_", "KMP_", "NUMEXPR_", "NUMBA_", "JAX_",
    "XLA_", "SKLEARN_", "MPLCONFIGDIR", "MATPLOTLIBRC", "PATH", "HOME",
)  # fmt: skip
RUNTIME_VARIABLE = "COURSEWORK_RUNTIME"
IDLE_VARIABLE = "COURSEWORK_KERNEL_IDLE"
#: Seconds for a server to load the stack and answer.
PATIENCE = 120


class NoServer(Exception):
    """No fork server can be had; the message says why."""


def can_fork() -> bool:
    return sys.platform == "linux" and hasattr(os, "pidfd_open")


def runtime_folder() -> Path:
    """The user's own folder for sockets; made if it is not there.

    Raises:
        NoServer: it is somebody else's, or others may enter it.
    """
    given = os.environ.get(RUNTIME_VARIABLE)
    own = os.environ.get("XDG_RUNTIME_DIR", "")
    if given:
        folder = Path(given)
    elif own and len(own) < 40 and os.path.isdir(own) and os.stat(own).st_uid == os.geteuid():
        folder = Path(own, "coursework")
    else:
        folder = Path(f"/tmp/coursework-{os.geteuid()}")
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        found = folder.lstat()
    except OSError as error:
        raise NoServer(f"{folder} cannot be made: {error.strerror}") from None
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & 0o077:
        raise NoServer(f"{folder} must be a folder of yours that nobody else may enter: remove it")
    return folder


def kernel_folder() -> Path:
    """A new folder for one kernel's sockets, named for this process."""
    folder = runtime_folder() / "k"
    folder.mkdir(mode=0o700, exist_ok=True)
    own = folder / f"{os.getpid()}-{secrets.token_hex(4)}"
    own.mkdir(mode=0o700)
    return own


def import_roots() -> list[Path]:
    """The folders outside of the Python installation from which `import` takes packages, as an editable install's."""
    found = [p for p in os.environ.get("PYTHONPATH", "").split(os.pathsep) if p]
    for packages in site.getsitepackages():
        for file in sorted(Path(packages).glob("*.pth")):
            lines = file.read_text(encoding="utf-8", errors="replace").splitlines()
            found += [line for line in lines if line and not line.startswith(("#", "import ", "import\t"))]
    inside = (Path(sys.prefix).resolve(), Path(sys.base_prefix).resolve())
    roots = []
    for name in found:
        path = Path(name).resolve()
        if os.path.isdir(path) and path not in roots and not any(path.is_relative_to(prefix) for prefix in inside):
            roots.append(path)
    return roots


def packages_of(root: Path) -> list[Path]:
    """The importable packages and modules that lie directly in a folder."""
    return [
        path
        for path in sorted(root.iterdir())
        if path.suffix == ".py" or (path.is_dir() and (path / "__init__.py").is_file())
    ]


def fingerprint() -> str:
    """Changes when a package is installed or removed, and when a file of the course's packages changes."""
    said = [sys.version, sys.prefix]
    for packages in site.getsitepackages():
        with contextlib.suppress(OSError):
            said.append(f"{packages} {os.stat(packages).st_mtime_ns}")
    for root in import_roots():
        for package in packages_of(root):
            said.append(f"{package} {_stamp(package.stat())}")
            for top, folders, names in os.walk(package):
                folders[:] = sorted(name for name in folders if name != "__pycache__")
                for name in sorted(names):
                    with contextlib.suppress(OSError):
                        path = os.path.join(top, name)
                        said.append(f"{path} {_stamp(os.stat(path))}")
    return hashlib.sha256("\n".join(said).encode("utf-8", "replace")).hexdigest()


def _stamp(found: os.stat_result) -> str:
    return str(found.st_size) if stat.S_ISDIR(found.st_mode) else f"{found.st_size} {found.st_mtime_ns}"


def birth(environment: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in sorted(environment.items()) if name.startswith(BIRTH)}


@frozen
class Slot:
    """One server's place: for a user, a kind, a set of imports and what acts at birth."""

    folder: Path
    kind: str
    imports: tuple[str, ...]
    environment: Mapping[str, str]

    @property
    def address(self) -> str:
        return str(self.folder / "s")

    @property
    def log(self) -> Path:
        return self.folder / "log"

    def state(self) -> dict[str, Any]:
        try:
            return json.loads((self.folder / "state").read_text())
        except (OSError, ValueError):
            return {}


def slot(kind: str, imports: Sequence[str], environment: Mapping[str, str]) -> Slot:
    born = birth(environment)
    named = json.dumps([kind, list(imports), sys.executable, born])
    folder = runtime_folder() / hashlib.sha256(named.encode()).hexdigest()[:10]
    folder.mkdir(mode=0o700, exist_ok=True)
    return Slot(folder, kind, tuple(imports), born)


def link_to(place: Slot) -> socket.socket:
    """A connection to the server of `place`, which is started if there is none, or none that is up to date.

    Raises:
        NoServer: it cannot be started; the message says why.
    """
    now = fingerprint()
    if place.state().get("fingerprint") == now:
        with contextlib.suppress(OSError):
            return wire.connect(place.address)
    with _locked(place.folder / "lock"):
        if place.state().get("fingerprint") == now:
            with contextlib.suppress(OSError):
                return wire.connect(place.address)
        with contextlib.suppress(OSError):
            _ask(place.address, "retire")
        _sweep(place.folder.parent)
        _start(place, now)
        return wire.connect(place.address)


def _start(place: Slot, now: str) -> None:
    from coursework.kernel import isolation

    listener = wire.listen(place.address)
    idle = os.environ.get(IDLE_VARIABLE)
    arguments = ["--listener", str(listener.fileno()), "--imports", json.dumps(place.imports)]
    arguments += ["--idle", idle] if idle else []
    command = [sys.executable, "-P", "-m", "coursework.kernel.server", *arguments]
    with listener, place.log.open("wb") as log, contextlib.ExitStack() as stack:
        options: dict[str, Any] = {"env": dict(place.environment), "pass_fds": [listener.fileno()]}
        if place.kind == "sandbox":
            command, options = isolation.wrapped([*command, "--sandboxed"], listener.fileno(), stack)
        process = subprocess.Popen(
            command, cwd="/", stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True, **options
        )
    process.returncode = 0  # it outlives this process, and nobody here waits for it
    state = {"fingerprint": now, "pid": process.pid, "kind": place.kind, "python": sys.executable}
    written = place.folder / "state.new"
    written.write_text(json.dumps(state))
    written.replace(place.folder / "state")


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    import fcntl

    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _sweep(folder: Path) -> None:
    """Remove the sockets of clients that were killed."""
    for one in (folder / "k").glob("*-*"):
        try:
            os.kill(int(one.name.partition("-")[0]), 0)
        except (ProcessLookupError, ValueError):
            shutil.rmtree(one, ignore_errors=True)
        except OSError:
            pass


def _ask(address: str, what: str) -> dict[str, Any]:
    with wire.connect(address) as link:
        link.settimeout(PATIENCE)
        wire.send(link, {"do": what})
        return wire.receive(link)[0]


def servers(what: str = "status") -> list[dict[str, Any]]:
    """What every server of this user says when asked for its status, or told to `stop`."""
    found = []
    for place in sorted(runtime_folder().glob("*/s")):
        with contextlib.suppress(OSError, wire.Gone):
            found.append({**_ask(str(place), what), "folder": str(place.parent)})
    return found


def last_words(place: Slot) -> str:
    """The end of what a server wrote before it died."""
    try:
        lines = place.log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    except OSError:
        lines = []
    return lines[-1] if lines else "it said nothing"


def wait_for(link: socket.socket, place: Slot) -> dict[str, Any]:
    """The server's answer to a request for a kernel.

    Raises:
        NoServer: it died, or did not answer in time.
    """
    link.settimeout(PATIENCE)
    started = time.monotonic()
    try:
        answer, _ = wire.receive(link)
    except wire.Gone:
        raise NoServer(f"the fork server ended: {last_words(place)} (all of it is in {place.log})") from None
    except TimeoutError:
        raise NoServer(f"the fork server did not answer in {time.monotonic() - started:.0f} s") from None
    if "refused" in answer:
        raise NoServer(str(answer["refused"]))
    return answer
