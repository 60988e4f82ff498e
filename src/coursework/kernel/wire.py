"""The words that clients, fork servers and kernels exchange: JSON and open files over a Unix socket."""

from __future__ import annotations

import contextlib
import json
import os
import socket
from collections.abc import Sequence
from typing import Any

#: A kernel's sockets, in the order in which they are handed over.
CHANNELS = ("shell", "iopub", "stdin", "hb", "control")
#: One packet; the environment is most of it. The system's own bound is some 200 KB.
LARGEST = 200_000
MOST_FILES = 64


class Gone(Exception):
    """The other end has closed, or said what is no message."""


def listen(path: str) -> socket.socket:
    """A listening socket at `path`, which may be left over from an earlier one."""
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    listener.bind(path)
    listener.listen(128)
    return listener


def connect(path: str) -> socket.socket:
    """Raises OSError where nobody listens."""
    link = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    try:
        link.connect(path)
    except OSError:
        link.close()
        raise
    return link


def send(link: socket.socket, message: dict[str, Any], files: Sequence[int] = ()) -> None:
    """Raises Gone where the other end has closed, ValueError for a message that is too large."""
    packet = json.dumps(message).encode()
    if len(files) > MOST_FILES:
        raise ValueError(f"{len(files)} files in one message are too many: an exercise's data may be {MOST_FILES - 8}")
    if len(packet) > LARGEST:
        raise ValueError(f"a message of {len(packet):,} bytes is too large: is the environment that large?")
    try:
        socket.send_fds(link, [packet], list(files))
    except (BrokenPipeError, ConnectionResetError, BlockingIOError) as error:
        raise Gone(str(error)) from None


def receive(link: socket.socket) -> tuple[dict[str, Any], list[int]]:
    """Raises Gone where the other end has closed; BlockingIOError and TimeoutError as the socket does."""
    try:
        packet, files, _, _ = socket.recv_fds(link, LARGEST + 1, MOST_FILES)
    except ConnectionResetError as error:
        raise Gone(str(error)) from None
    try:
        message = json.loads(packet)
        if isinstance(message, dict):
            return message, files
    except ValueError:
        pass
    for file in files:
        os.close(file)
    raise Gone("no message")
