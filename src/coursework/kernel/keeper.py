"""The keeper: a small process beside an isolated fork server that makes a place for each kernel and guards it.

A place is a set of namespaces with folders and bounds of its own. The guard makes it, is its first process, and when
the guard ends nothing in it is left. Guards are forked from here and not from the fork server, whose memory is many
times as large: a fork costs what there is to copy. The kernel itself is the fork server's child, which it sends into
the place; `isolation` says what the walls are, and `watch` what a guard looks at.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
import traceback
from typing import Any

from coursework.kernel import linux, wire


def begin() -> socket.socket:
    """Fork the keeper off this process; the socket on which it takes requests. It ends with this process.

    Raises:
        OSError: there can be no further process.
    """
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    server = os.getpid()
    if os.fork():
        theirs.close()
        return ours
    code = 1
    try:
        linux.prctl(linux.PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() == server:
            linux.close_others([theirs.fileno()])
            _keep(theirs)
            code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)


def _keep(requests: socket.socket) -> None:
    from coursework.kernel import isolation, watch  # noqa: F401 - once, for all guards

    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody asks how a guard ended
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    own_pids = os.open("/proc/self/ns/pid", os.O_RDONLY | os.O_CLOEXEC)
    while True:
        try:
            request, files = wire.receive(requests)
        except (wire.Gone, OSError):
            return
        client, server, *given = files
        try:
            linux.unshare(linux.CLONE_NEWPID)
            pid = os.fork()
        except OSError as error:
            pid = -1
            with socket.socket(fileno=os.dup(client)) as link:
                _say(link, {"refused": f"the fork failed: {error}"})
        if pid == 0:
            _guard(request, client, server, given)
        linux.enter(own_pids, linux.CLONE_NEWPID)
        for file in files:
            os.close(file)


def _say(link: socket.socket, message: dict[str, Any]) -> None:
    try:
        wire.send(link, message)
    except (wire.Gone, OSError):
        pass


def _guard(request: dict[str, Any], client: int, server: int, given: list[int]) -> None:
    """In the child: never returns."""
    from coursework.kernel import isolation

    code = 70
    try:
        linux.close_others([client, server, *given])
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        isolation.guard(socket.socket(fileno=client), socket.socket(fileno=server), request, given)
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        try:
            sys.stderr.flush()
        finally:
            os._exit(code)
