"""The fork server: a process with the stack loaded, whose forked children are kernels. Gone when nobody needs it.

Started by `pool`, one for each user, set of imports and kind; as a module it is that process. An isolated one lies in
the sandbox itself, so that neither its memory nor its files hold anything of the host's, and sends its kernels into
places that `keeper` makes.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import resource
import selectors
import signal
import socket
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from attrs import define, field

from coursework.kernel import keeper, linux, wire

#: Seconds without a kernel after which the server ends.
IDLE = 600


@define
class _Child:
    """A kernel."""

    pid: int
    pidfd: int
    #: to the client; in the sandbox, to the kernel's guard
    link: socket.socket | None
    since: float = field(factory=time.time)


class Server:
    def __init__(
        self, listener: socket.socket, imports: list[str], idle: float, places: socket.socket | None = None
    ) -> None:
        """`places` leads to the keeper, which isolates the kernels; without it, they are not isolated."""
        self.listener, self.imports, self.idle, self.places = listener, imports, idle, places
        self.sandboxed = places is not None
        self.started, self.last, self.count = time.time(), time.monotonic(), 0
        self.children: dict[int, _Child] = {}
        self.links: set[socket.socket] = set()
        self.retired = False
        self.missing: list[str] = []
        self.selector = selectors.DefaultSelector()
        self.own_pids = os.open("/proc/self/ns/pid", os.O_RDONLY | os.O_CLOEXEC) if self.sandboxed else -1

    def run(self) -> None:
        from coursework.kernel import application

        if self.sandboxed:
            application.without_debugger()
        self.missing = application.load(self.imports)
        application.warm()
        application.remember_settings()
        if self.sandboxed:
            from coursework.kernel import isolation

            application.prepare(isolation.shown({}), isolation.WORK)
        application.freeze()
        self.listener.setblocking(False)
        self.selector.register(self.listener, selectors.EVENT_READ, self._accept)
        self.last = time.monotonic()
        while self.children or self.links or not (self.retired or time.monotonic() - self.last > self.idle):
            for key, _ in self.selector.select(timeout=min(self.idle, 10)):
                key.data(key.fileobj)

    def _accept(self, listener: socket.socket) -> None:
        try:
            link, _ = listener.accept()
        except OSError:
            return
        link.settimeout(5)
        self.links.add(link)
        self.selector.register(link, selectors.EVENT_READ, self._asked)

    def _close(self, link: socket.socket) -> None:
        self.selector.unregister(link)
        self.links.discard(link)
        link.close()

    def _asked(self, link: socket.socket) -> None:
        """The first word on a connection."""
        try:
            request, files = wire.receive(link)
        except (wire.Gone, OSError):
            self._close(link)
            return
        try:
            if request.get("do") == "start":
                self._start(link, request, files)
                return
            wire.send(link, self._answer(str(request.get("do"))))
        except (wire.Gone, OSError):
            pass
        finally:
            for file in files:
                os.close(file)
        self._close(link)

    def _answer(self, asked: str) -> dict[str, Any]:
        if asked in ("retire", "stop"):
            self.retired = True
            if self.listener.fileno() >= 0:
                self.selector.unregister(self.listener)
                self.listener.close()
            if asked == "stop":
                for child in self.children.values():
                    self._kill(child, signal.SIGKILL)
        return {
            "pid": os.getpid(),
            "sandboxed": self.sandboxed,
            "imports": self.imports,
            "missing": self.missing,
            "started": self.started,
            "count": self.count,
            "retired": self.retired,
            "idle": self.idle,
            "memory": _resident(),
            "cpu": _cpu(),
            "kernels": [{"pid": child.pid, "since": child.since} for child in self.children.values()],
        }

    def _start(self, link: socket.socket, request: dict[str, Any], files: list[int]) -> None:
        self.count += 1
        self.last = time.monotonic()
        if self.places is None:
            self.links.discard(link)
            self._fork(link, partial(_be_kernel, request, files), files)
            return
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            try:
                self._ask_for_place(request, [link.fileno(), theirs.fileno(), *files])
            except (wire.Gone, OSError, ValueError) as error:
                ours.close()
                wire.send(link, {"refused": f"there is no place for it: {error}"})
                self._close(link)
                return
        self._close(link)
        self.links.add(ours)
        self.selector.register(ours, selectors.EVENT_READ, lambda _: self._ready(ours, request))

    def _ask_for_place(self, request: dict[str, Any], files: list[int]) -> None:
        assert self.places is not None
        try:
            wire.send(self.places, request, files)
        except (wire.Gone, OSError):  # the keeper was ended: another one, though from a large process by now
            self.places.close()
            self.places = keeper.begin()
            wire.send(self.places, request, files)

    def _ready(self, guard: socket.socket, request: dict[str, Any]) -> None:
        """A place is ready, or its guard has ended before: send a kernel in."""
        from coursework.kernel import isolation

        self.links.discard(guard)
        files: list[int] = []
        try:
            guard.settimeout(5)
            _, files = wire.receive(guard)
            listeners, (pids, *spaces) = files[: len(wire.CHANNELS)], files[len(wire.CHANNELS) :]
            linux.enter(pids, linux.CLONE_NEWPID)
        except (wire.Gone, OSError, ValueError):
            self.selector.unregister(guard)
            guard.close()
        else:
            try:
                self._fork(
                    guard, partial(isolation.be_kernel, guard, request, listeners, spaces), [*files, guard.fileno()]
                )
            finally:
                linux.enter(self.own_pids, linux.CLONE_NEWPID)
        finally:
            for file in files:
                os.close(file)

    def _fork(self, link: socket.socket, become: Callable[[], None], keep: Sequence[int]) -> None:
        """Fork a kernel, whom `link` speaks of: a client's, or its guard's."""
        sys.stdout.flush()
        sys.stderr.flush()
        try:
            pid = os.fork()
        except OSError as error:
            self.selector.unregister(link)
            with link, contextlib.suppress(wire.Gone, OSError):
                wire.send(link, {"refused": f"the fork failed: {error}"})
            return
        if pid == 0:
            self._become(become, keep)
        pidfd = os.pidfd_open(pid)
        self.children[pid] = child = _Child(pid, pidfd, link)
        self.selector.register(pidfd, selectors.EVENT_READ, lambda _: self._ended(child))
        self.selector.modify(link, selectors.EVENT_READ, lambda _: self._told(child))
        if self.places is None:
            wire.send(link, {"pid": pid})

    def _become(self, become: Callable[[], None], keep: Sequence[int]) -> None:
        """In the child: never returns."""
        code = 70
        try:
            self.selector.close()
            linux.close_others(keep)
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGCHLD):
                signal.signal(number, signal.SIG_DFL)
            become()
            code = 0
        except SystemExit as error:
            code = error.code if isinstance(error.code, int) else 0 if error.code is None else 1
        except BaseException:
            traceback.print_exc()
        finally:
            try:
                sys.stdout.flush()
                sys.stderr.flush()
            finally:
                os._exit(code)

    def _told(self, child: _Child) -> None:
        """A client's word about its kernel; when the client, or the guard, has gone, the kernel goes."""
        assert child.link is not None
        try:
            said, files = wire.receive(child.link)
            for file in files:
                os.close(file)
            if isinstance(said.get("signal"), int):
                self._kill(child, said["signal"])
        except wire.Gone:
            self._kill(child, signal.SIGKILL)
            self.selector.unregister(child.link)
            child.link.close()
            child.link = None
        except OSError:
            pass

    def _kill(self, child: _Child, number: int) -> None:
        try:
            if self.sandboxed:
                os.kill(child.pid, signal.SIGKILL)
            else:
                os.killpg(child.pid, number)
        except OSError:
            pass

    def _ended(self, child: _Child) -> None:
        self.selector.unregister(child.pidfd)
        os.close(child.pidfd)
        _, status = os.waitpid(child.pid, 0)
        if not self.sandboxed:
            try:  # what the kernel started and did not end
                os.killpg(child.pid, signal.SIGKILL)
            except OSError:
                pass
        if child.link is not None:
            self.selector.unregister(child.link)
            try:
                wire.send(child.link, {"exit": os.waitstatus_to_exitcode(status)})
            except (wire.Gone, OSError):
                pass
            child.link.close()
        del self.children[child.pid]
        self.last = time.monotonic()


def _be_kernel(request: dict[str, Any], files: list[int]) -> None:
    from coursework.kernel.application import settle, start

    os.setsid()
    linux.prctl(linux.PR_SET_PDEATHSIG, signal.SIGKILL)
    sockets, streams = files[: len(wire.CHANNELS)], files[len(wire.CHANNELS) :]
    for target, stream in enumerate(streams, start=1):
        os.dup2(stream, target)
        os.close(stream)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    settle(request["environment"], request["folder"])
    start(request["connection"], dict(zip(wire.CHANNELS, sockets, strict=True)), request["arguments"])


def _resident() -> int:
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def _cpu() -> float:
    """Seconds that this server and the kernels that have ended used."""
    used = [resource.getrusage(whose) for whose in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--listener", type=int, required=True, help="file descriptor of the listening socket")
    parser.add_argument("--imports", required=True, help="JSON list of modules")
    parser.add_argument("--idle", type=float, default=IDLE)
    parser.add_argument("--sandboxed", action="store_true")
    asked = parser.parse_args()
    linux.close_others({asked.listener})  # what bubblewrap was handed opens the host's folders
    listener = socket.socket(fileno=asked.listener)
    os.set_inheritable(asked.listener, False)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.environ.setdefault("PYDEVD_DISABLE_FILE_VALIDATION", "1")  # else the debugger warns on standard error
    places = keeper.begin() if asked.sandboxed else None  # while this process is small
    Server(listener, json.loads(asked.imports), asked.idle, places).run()


if __name__ == "__main__":
    main()
