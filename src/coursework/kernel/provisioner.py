"""The kernel provisioners: `coursework`, a warm kernel, and `coursework-sandbox`, a warm kernel in isolation.

jupyter_client finds them by entry point and a kernel by its name, so no client is changed. They ask; `server` forks.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import socket
import sys
from pathlib import Path
from typing import Any

from jupyter_client.connect import KernelConnectionInfo
from jupyter_client.provisioning import LocalProvisioner
from traitlets import Dict, List, Unicode

from coursework.kernel import pool, wire
from coursework.kernel.limits import Limits
from coursework.kernel.wire import CHANNELS

#: Seconds that a killed kernel may take to end before its manager goes on.
KILLING = 2


class WarmProvisioner(LocalProvisioner):
    """A kernel forked from a process that has the stack loaded; an ordinary one where there is no forking."""

    imports = List(Unicode(), list(pool.IMPORTS), help="modules that are imported before the fork").tag(config=True)
    kind = "warm"

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.link: socket.socket | None = None
        self.exit_code: int | None = None
        #: why the kernel was ended, in words, where a bound was the reason
        self.why = ""
        self.folder: Path | None = None

    @property
    def has_process(self) -> bool:
        return self.link is not None or super().has_process

    async def pre_launch(self, **kwargs: Any) -> dict[str, Any]:
        if pool.can_fork() and self.parent is not None:
            try:
                self._choose_sockets()
                kwargs["transport_encryption"] = "disabled"  # nobody else can reach the sockets
            except pool.NoServer as error:
                self._without(str(error))
        elif not pool.can_fork():
            self._without(f"{sys.platform} has no safe fork")
        return await super().pre_launch(**kwargs)

    def _choose_sockets(self) -> None:
        """Unix sockets whatever the client was configured for: no open port."""
        km = self.parent
        if self.folder is None or not self.folder.exists():
            self.folder = pool.kernel_folder()
        km.transport, km.ip, km.cache_ports = "ipc", str(self.folder / "s"), False
        for number, channel in enumerate(CHANNELS, start=1):
            setattr(km, f"{channel}_port", number)

    def _without(self, why: str) -> None:
        """What happens where there is no fork server: here, an ordinary kernel."""
        self.folder = None
        self.log.warning("coursework: this is an ordinary kernel and not a warm one: %s", why)

    async def launch_kernel(self, cmd: list[str], **kwargs: Any) -> KernelConnectionInfo:
        if self.folder is None:
            return await super().launch_kernel(cmd, **kwargs)
        # In a thread, since a first kernel waits while the server loads the stack.
        try:
            await asyncio.get_running_loop().run_in_executor(None, self._launch, cmd, kwargs)
        except pool.NoServer as error:
            self._without(str(error))
            return await super().launch_kernel(cmd, **kwargs)
        self.cwd = kwargs.get("cwd") or os.getcwd()
        return self.connection_info

    def _launch(self, cmd: list[str], kwargs: dict[str, Any]) -> None:
        environment = {str(k): str(v) for k, v in (kwargs.get("env") or os.environ).items()}
        place = pool.slot(self.kind, self.imports, self._birth(environment))
        request = {"do": "start", "connection": self._connection(), **self._request(cmd, environment, kwargs)}
        listeners, given = self._listen(), contextlib.ExitStack()
        try:
            files = [*(one.fileno() for one in listeners), *self._streams(kwargs), *self._opened(given)]
            for attempt in range(3):
                link = pool.link_to(place)
                try:
                    wire.send(link, request, files)
                    answer = pool.wait_for(link, place)
                    break
                except (wire.Gone, OSError) as error:  # it ended as it was asked: idle, or its environment old
                    link.close()
                    if attempt == 2:
                        raise pool.NoServer(str(error)) from None
                except (pool.NoServer, ValueError) as error:
                    link.close()
                    if attempt == 2 or isinstance(error, ValueError):
                        raise pool.NoServer(str(error)) from None
        finally:
            given.close()
            for one in listeners:
                one.close()
        link.setblocking(False)
        self.link, self.exit_code, self.why, self.pid = link, None, "", answer["pid"]

    def _birth(self, environment: dict[str, str]) -> dict[str, str]:
        return environment

    def _request(self, cmd: list[str], environment: dict[str, str], kwargs: dict[str, Any]) -> dict[str, Any]:
        # What stands behind the connection file in the command line: options for the kernel.
        file = getattr(self.parent, "connection_file", None)
        arguments = cmd[cmd.index(file) + 1 :] if file in cmd else []
        folder = kwargs.get("cwd") or os.getcwd()
        return {"environment": environment, "folder": str(folder), "arguments": arguments}

    def _connection(self) -> dict[str, Any]:
        return {k: v.decode() if isinstance(v, bytes) else v for k, v in self.connection_info.items()}

    def _streams(self, kwargs: dict[str, Any]) -> list[int]:
        """The client's own standard output and error, for what a kernel says past Jupyter."""
        streams = []
        for name, own in (("stdout", 1), ("stderr", 2)):
            given = kwargs.get(name)
            streams.append(given if isinstance(given, int) and given >= 0 else own)
        return streams

    def _opened(self, given: contextlib.ExitStack) -> list[int]:
        """Files of the client's that the kernel is to have, which are closed with `given`."""
        return []

    def _listen(self) -> list[socket.socket]:
        """The kernel's five sockets, bound here, so that a kernel needs no folder that this side sees."""
        listeners = []
        for number, _ in enumerate(CHANNELS, start=1):
            path = f"{self.folder / 's'}-{number}"
            with contextlib.suppress(FileNotFoundError):
                os.unlink(path)
            one = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            one.bind(path)
            one.listen(64)
            listeners.append(one)
        return listeners

    async def poll(self) -> int | None:
        if self.folder is None:
            return await super().poll()
        if self.link is not None:
            try:
                said, files = wire.receive(self.link)
                for file in files:
                    os.close(file)
                if "exit" in said:
                    self.exit_code, self.why = int(said["exit"]), str(said.get("why", ""))[:300]
            except BlockingIOError:
                return None
            except (wire.Gone, OSError, ValueError):
                pass
            if self.exit_code is None:
                self.exit_code = -signal.SIGKILL
            self.link.close()
            self.link = None
        return 0 if self.exit_code is None else self.exit_code

    async def wait(self) -> int | None:
        if self.folder is None:
            return await super().wait()
        pause = 0.002
        while (code := await self.poll()) is None:
            await asyncio.sleep(pause)
            pause = min(0.1, 2 * pause)
        return code

    async def send_signal(self, signum: int) -> None:
        if self.folder is None:
            await super().send_signal(signum)
        elif self.link is not None:
            with contextlib.suppress(wire.Gone, OSError):
                wire.send(self.link, {"signal": int(signum)})

    async def kill(self, restart: bool = False) -> None:
        if self.folder is None:
            await super().kill(restart)
        else:
            await self.send_signal(signal.SIGKILL)
            with contextlib.suppress(TimeoutError):  # its manager would look again only after a tenth of a second
                await asyncio.wait_for(self.wait(), KILLING)

    async def terminate(self, restart: bool = False) -> None:
        if self.folder is None:
            await super().terminate(restart)
        else:
            await self.send_signal(signal.SIGTERM)

    async def cleanup(self, restart: bool = False) -> None:
        await super().cleanup(restart)
        if self.folder is not None and not restart:
            if self.link is not None:
                self.link.close()
                self.link = None
            shutil.rmtree(self.folder, ignore_errors=True)


class SandboxProvisioner(WarmProvisioner):
    """A warm kernel that sees the Python environment and its own folder, reaches nothing, and is bounded.

    Refuses to start where the sandbox cannot be had.
    """

    limits = Dict(help="bounds of a kernel, by name; those left out have their defaults").tag(config=True)
    hidden = List(Unicode(), help="paths of the Python environment that this kernel does not see").tag(config=True)
    data = Dict(help="files that lie in the kernel's folder: their paths, by the names there").tag(config=True)
    kind = "sandbox"

    async def pre_launch(self, **kwargs: Any) -> dict[str, Any]:
        from coursework.kernel import isolation

        isolation.demand()
        return await super().pre_launch(**kwargs)

    def _without(self, why: str) -> None:
        from coursework.kernel.isolation import NoSandbox

        raise NoSandbox(f"the sandbox cannot be started: {why}")

    def _birth(self, environment: dict[str, str]) -> dict[str, str]:
        from coursework.kernel import isolation

        return isolation.birth()

    def _request(self, cmd: list[str], environment: dict[str, str], kwargs: dict[str, Any]) -> dict[str, Any]:
        from coursework.kernel import isolation

        return {
            "environment": isolation.shown(environment),
            "limits": Limits.from_json(self.limits).to_json(),
            "hidden": list(self.hidden),
            "data": list(self.data),
        }

    def _opened(self, given: contextlib.ExitStack) -> list[int]:
        return [given.enter_context(open(path, "rb")).fileno() for path in self.data.values()]

    def _connection(self) -> dict[str, Any]:
        return {**super()._connection(), "ip": "/run/kernel"}

    def _streams(self, kwargs: dict[str, Any]) -> list[int]:
        return []
