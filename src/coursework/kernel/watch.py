"""What watches over one isolated kernel: relays its messages, counts them, ends it at the first bound that it crosses.

It runs as the first process of the kernel's process-id namespace: when it exits, every process of the kernel is gone.
It trusts nothing that comes from the kernel, and parses of it only where a frame ends.
"""

from __future__ import annotations

import errno
import os
import resource
import select
import selectors
import signal
import socket
import time
from collections.abc import Sequence

from attrs import define, field

from coursework.kernel import wire
from coursework.kernel.limits import MB, Limits

TICK = 0.25
CHUNK = 65536
#: A Jupyter message has seven frames and its buffers.
FRAMES_OF_MESSAGE = 64
#: Connections of the client's to the kernel's five sockets.
MOST_CONNECTIONS = 64
_TICKS = os.sysconf("SC_CLK_TCK")


class Crossed(Exception):
    """A bound was crossed; the message says which."""


@define
class Account:
    """What a kernel has sent so far, over all its connections."""

    limits: Limits
    octets: int = 0
    messages: int = 0
    frames: int = 0

    def add(self, octets: int) -> None:
        self.octets += octets
        if self.octets > self.limits.output:
            raise Crossed(f"it sent more than {self.limits.output / MB:,.0f} MB of output")


@define
class Frames:
    """Counts the frames of ZeroMQ's wire protocol (ZMTP 3) in one direction of one connection."""

    account: Account
    #: octets to pass over before the next frame's head; a connection opens with a greeting of 64
    left: int = 64
    head: bytes = b""
    of_message: int = 0
    parts: int = 0

    def see(self, data: bytes) -> None:
        """Raises Crossed when a bound is crossed, by what a frame's head announces already."""
        account, limits = self.account, self.account.limits
        account.add(len(data))
        at = 0
        while at < len(data):
            if self.left:
                step = min(self.left, len(data) - at)
                self.left -= step
                at += step
                continue
            need = (9 if self.head[0] & 2 else 2) if self.head else 1
            taken = data[at : at + need - len(self.head)]
            self.head += taken
            at += len(taken)
            if len(self.head) == 1 or len(self.head) < need:
                continue
            flags, size = self.head[0], int.from_bytes(self.head[1:], "big")
            self.head = b""
            self.left = size
            account.frames += 1
            self.parts += 1
            self.of_message += size
            if self.of_message > limits.message:
                raise Crossed(f"it sent a message of more than {limits.message / MB:,.0f} MB")
            if self.parts > FRAMES_OF_MESSAGE or account.frames > 16 * limits.messages:
                raise Crossed("it sent what is no message of Jupyter's")
            if flags & 1 and not flags & 4:
                continue
            self.of_message = self.parts = 0
            account.messages += not flags & 4
            if account.messages > limits.messages:
                raise Crossed(f"it sent more than {limits.messages:,} messages")


@define(eq=False)
class _End:
    """One socket of a relayed connection."""

    socket: socket.socket
    frames: Frames | None
    other: _End = field(default=None)
    #: what it has yet to be sent
    pending: bytes = b""


class Watch:
    def __init__(
        self,
        link: socket.socket,
        server: socket.socket,
        pid: int,
        outer: Sequence[socket.socket],
        inner: Sequence[bytes],
        limits: Limits,
    ) -> None:
        self.link, self.server, self.pid, self.limits = link, server, pid, limits
        self.account = Account(limits)
        self.selector = selectors.DefaultSelector()
        self.connections = 0
        self.until = time.monotonic() + limits.run_seconds
        self.checked = 0.0
        self.born = _held(pid)
        for listener, name in zip(outer, inner, strict=True):
            listener.setblocking(False)
            self.selector.register(listener, selectors.EVENT_READ, ("accept", name))
        link.setblocking(False)
        self.selector.register(link, selectors.EVENT_READ, ("link", None))
        self.pidfd = os.pidfd_open(pid)
        self.selector.register(self.pidfd, selectors.EVENT_READ, ("ended", None))

    def run(self) -> None:
        """Watch over the kernel until it has ended, and tell the client how."""
        code, why = -signal.SIGKILL, ""
        try:
            wire.send(self.link, {"pid": self.pid})
            ended = None
            while ended is None:
                ended = self._turn()
            code = ended
        except Crossed as crossed:
            why = str(crossed)
        except wire.Gone:
            pass
        self._end_all()
        if not why and code == -signal.SIGXCPU:
            why = f"it used more than {self.limits.cpu_seconds} s of CPU"
        try:
            wire.send(self.link, {"exit": code, "why": why})
        except (wire.Gone, OSError):
            pass

    def _turn(self) -> int | None:
        """One round; the exit code of the kernel once it has ended."""
        for key, events in self.selector.select(timeout=TICK):
            what, about = key.data
            if what == "accept":
                self._accept(key.fileobj, about)
            elif what == "link":
                self._told()
            elif what == "ended":
                return self._ended()
            elif about.socket.fileno() >= 0:
                try:
                    if events & selectors.EVENT_WRITE:
                        self._write(about)
                    if events & selectors.EVENT_READ:
                        self._read(about)
                except OSError:
                    self._close(about)
        now = time.monotonic()
        if now - self.checked >= TICK:
            self.checked = now
            self._reap()
            self._check(now)
        return None

    # ------------------------------------------------------------------------------------------------ the relay

    def _accept(self, listener: socket.socket, name: bytes) -> None:
        try:
            outer, _ = listener.accept()
        except OSError:
            return
        inner = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            inner.settimeout(10)
            inner.connect(name)
        except OSError:
            outer.close()
            inner.close()
            return
        self.connections += 1
        if self.connections > MOST_CONNECTIONS:
            raise Crossed("it was connected to too often")
        to_client, to_kernel = _End(outer, None), _End(inner, Frames(self.account))
        to_client.other, to_kernel.other = to_kernel, to_client
        for end in (to_client, to_kernel):
            end.socket.setblocking(False)
            self.selector.register(end.socket, selectors.EVENT_READ, ("data", end))

    def _read(self, end: _End) -> None:
        if end.other.pending:
            return
        data = end.socket.recv(CHUNK)
        if not data:
            self._close(end)
            return
        if end.frames is not None:
            end.frames.see(data)
        end.other.pending = data
        self._write(end.other)

    def _write(self, end: _End) -> None:
        try:
            sent = end.socket.send(end.pending)
        except BlockingIOError:
            sent = 0
        end.pending = end.pending[sent:]
        # Nothing more is read for an end that does not take what it has: a slow client holds its kernel up.
        self._watch_for(end, selectors.EVENT_WRITE, bool(end.pending))
        self._watch_for(end.other, selectors.EVENT_READ, not end.pending)

    def _watch_for(self, end: _End, event: int, wanted: bool) -> None:
        key = self.selector.get_map().get(end.socket)
        before = key.events if key else 0
        events = before | event if wanted else before & ~event
        if events == before:
            return
        if key is None:
            self.selector.register(end.socket, events, ("data", end))
        elif events:
            self.selector.modify(end.socket, events, ("data", end))
        else:
            self.selector.unregister(end.socket)

    def _close(self, end: _End) -> None:
        for one in (end, end.other):
            if one.socket.fileno() >= 0:
                if one.socket in self.selector.get_map():
                    self.selector.unregister(one.socket)
                one.socket.close()
        self.connections -= 1

    # ------------------------------------------------------------------------------------------------- the end

    def _told(self) -> None:
        """The client's word: an interrupt, or the end. When the client has gone, so goes the kernel."""
        try:
            said, files = wire.receive(self.link)
        except (BlockingIOError, InterruptedError):
            return
        for file in files:
            os.close(file)
        number = said.get("signal")
        if number == signal.SIGKILL:
            raise wire.Gone
        if isinstance(number, int) and 0 < number < 32:
            try:
                os.killpg(self.pid, number)
            except OSError:
                pass

    def _ended(self) -> int:
        """The kernel is the fork server's child, which says how it ended."""
        self.server.settimeout(5)
        try:
            said, _ = wire.receive(self.server)
            return int(said["exit"])
        except (wire.Gone, OSError, LookupError, ValueError):
            return -signal.SIGKILL

    def _reap(self) -> None:
        """Take in what the kernel started and left behind."""
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        except ChildProcessError:
            pass

    def _end_all(self) -> None:
        """Kill every other process of this namespace and see it end, so that what it used is accounted for."""
        try:
            os.kill(-1, signal.SIGKILL)
        except ProcessLookupError:
            pass
        while True:
            try:
                os.waitpid(-1, 0)
            except ChildProcessError:
                break
        select.select([self.pidfd], [], [], 5)

    # ---------------------------------------------------------------------------------------------- the bounds

    def _check(self, now: float) -> None:
        limits = self.limits
        if now > self.until:
            raise Crossed(f"it ran for more than {limits.run_seconds} s")
        pids = [int(name) for name in os.listdir("/proc") if name.isdigit() and name != "1"]
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        cpu = used.ru_utime + used.ru_stime + sum(_cpu(pid) for pid in pids)
        if cpu > limits.cpu_seconds:
            raise Crossed(f"it used more than {limits.cpu_seconds} s of CPU")
        # The exact sum is dear: only when the rough one, which counts what processes share again and again, is large.
        rough = sum(max(0, _held(pid) - self.born) for pid in pids)
        if rough > limits.memory // 2 and sum(_proportional(pid) for pid in pids) > limits.memory:
            raise Crossed(f"it used more than {limits.memory / MB:,.0f} MB of memory")
        if _sockets() > limits.open_files:
            raise Crossed(f"it opened more than {limits.open_files} sockets")


def _cpu(pid: int) -> float:
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            fields = file.read().rpartition(b")")[2].split()
    except OSError:
        return 0
    return (int(fields[11]) + int(fields[12])) / _TICKS


def _held(pid: int) -> int:
    """Memory of one process that is no file's, in full, whoever shares it."""
    return _kilobytes(f"/proc/{pid}/status", (b"RssAnon:", b"RssShmem:"))


def _proportional(pid: int) -> int:
    """The same, with what several processes share counted once over all of them."""
    return _kilobytes(f"/proc/{pid}/smaps_rollup", (b"Pss_Anon:", b"Pss_Shmem:"))


def _kilobytes(path: str, names: tuple[bytes, ...]) -> int:
    try:
        with open(path, "rb") as file:
            return sum(int(line.split()[1]) * 1024 for line in file if line.startswith(names))
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ESRCH):
            return 0  # it has ended
        raise Crossed(f"its memory cannot be watched ({error.strerror})") from None


def _sockets() -> int:
    """How many sockets this network namespace holds: their buffers are memory that nothing else counts."""
    try:
        with open("/proc/self/net/sockstat", "rb") as file:
            return int(file.readline().split()[2])
    except (OSError, ValueError, IndexError):
        return 0
